//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// gate stands in front of the stand-ins: it springs traps at chosen writes and
// remembers the tokens that were granted.
type gate struct {
	next http.Handler

	mu     sync.Mutex
	trap   *trap
	race   *race
	tokens []string
}

// trap fires at the nth write that reaches a side, before it is done or after
// it, with its answer lost.
type trap struct {
	side  string
	left  int
	after bool
	fire  func()
	fired chan struct{}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/connect/token" {
		g.grant(w, r)
		return
	}
	if x := g.beat(r); x != nil {
		x.run()
	}
	t := g.spring(r)
	if t == nil {
		g.next.ServeHTTP(w, r)
		return
	}
	if t.after {
		g.next.ServeHTTP(httptest.NewRecorder(), r)
	}
	t.fire()
	close(t.fired)
	panic(http.ErrAbortHandler) // cuts the connection, says nothing
}

// spring returns the trap if this request is the one.
func (g *gate) spring(r *http.Request) *trap {
	side := ""
	switch {
	case r.Method == http.MethodGet:
	case strings.HasPrefix(r.URL.Path, "/v1/"):
		side = "stripe"
	case strings.HasPrefix(r.URL.Path, "/api.xro/"):
		side = "xero"
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trap == nil || g.trap.side != side {
		return nil
	}
	if g.trap.left--; g.trap.left > 0 {
		return nil
	}
	t := g.trap
	g.trap = nil
	return t
}

// grant passes a token answer on and remembers what must not leak.
func (g *gate) grant(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	g.next.ServeHTTP(rec, r)
	var pair struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if json.Unmarshal(rec.Body.Bytes(), &pair) == nil && pair.Access != "" {
		g.mu.Lock()
		g.tokens = append(g.tokens, pair.Access, pair.Refresh)
		g.mu.Unlock()
	}
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(bytes.Clone(rec.Body.Bytes())) // the client may be gone
}

func (g *gate) granted() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.tokens...)
}

// arm WHAT SIDE N before|after.
func arm(w *world, _ *testscript.TestScript, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("want: host|plugin-NAME xero|stripe N before|after")
	}
	n, err := strconv.Atoi(args[2])
	if err != nil || n < 1 || (args[3] != "before" && args[3] != "after") {
		return fmt.Errorf("want: N before|after, got %q", args[2:])
	}
	if w.host == nil {
		return fmt.Errorf("no host runs")
	}
	host := w.host
	fire := host.kill9
	if name, ok := strings.CutPrefix(args[0], "plugin-"); ok {
		fire = func() { _ = host.killChild(name) } // it may be dead already
	} else if args[0] != "host" {
		return fmt.Errorf("%q cannot be killed", args[0])
	}
	w.gate.mu.Lock()
	defer w.gate.mu.Unlock()
	w.gate.trap = &trap{side: args[1], left: n, after: args[3] == "after", fire: fire, fired: make(chan struct{})}
	host.armed = w.gate.trap.fired
	return nil
}

// gone waits until the armed kill has happened.
func gone(w *world, _ *testscript.TestScript, _ []string) error {
	if w.host == nil || w.host.armed == nil {
		return fmt.Errorf("nothing is armed")
	}
	select {
	case <-w.host.armed:
	case <-w.ctx.Done():
		return fmt.Errorf("the write never came: %w", w.ctx.Err())
	}
	if !w.host.dying.Load() {
		return nil // a plugin died, the host lives
	}
	err := w.host.wait(w.ctx)
	w.host = nil
	return err
}

// hits N: Xero's faults have struck so many times or more since the start, so
// the story is about what it says.
func hits(w *world, _ *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want N")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if got := w.xero.Faults().Hits(); got < want {
		return fmt.Errorf("faults struck %d times, want %d", got, want)
	}
	return nil
}
