//go:build linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const (
	// callsPerMinute is ten times what Xero allows: a story takes seconds.
	callsPerMinute = 600
	answerWithin   = 10 * time.Second
	evidenceBytes  = 6000 // of the host's log, shown when a script fails
)

// world is what one script plays in.
type world struct {
	*pair                  // the stand-ins that every script has
	other  *pair           // those that the command second starts; nil: none
	ctx    context.Context // ends at the script's deadline
	cancel context.CancelFunc
	dir    string         // the script's folder
	clock  *sandbox.Clock // Xero's; Stripe signs its webhooks with the real time
	raced  *race          // the last one; nil: none yet
	client *http.Client

	listen   string // where the host listens
	redirect string // where the browser comes back to

	host    *process
	log     bytes.Buffer // what every command printed; guarded by logMu
	logMu   sync.Mutex
	hostLog string // file with all that hosts printed
}

func newWorld(dir string, deadline time.Time) (w *world, err error) {
	w = &world{
		dir: dir, clock: sandbox.NewClock(),
		client:  &http.Client{Timeout: answerWithin, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		hostLog: filepath.Join(dir, "host.log"),
	}
	for _, sub := range []string{"data", "recipes"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if w.listen, err = freePort(); err != nil {
		return nil, err
	}
	if w.redirect, err = freePort(); err != nil {
		return nil, err
	}
	if w.pair, err = newPair(w.clock, "", ""); err != nil {
		return nil, err
	}
	w.ctx, w.cancel = context.WithDeadline(context.Background(), deadline)
	return w, nil
}

// standIns serves both on one listener: their paths do not collide.
func standIns(x *xero.Server, s *stripe.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", x.Handler())
	for _, path := range []string{"/v1/", "/pay/", "/_stripe/"} {
		mux.Handle(path, s.Handler())
	}
	return mux
}

// ports counts the ports handed out. They lie below those that the kernel gives
// to outgoing connections, so that no other socket takes one meanwhile.
var ports atomic.Int32

const (
	portFirst = 20_000
	portSpan  = 12_000
	portTries = 400
)

func freePort() (string, error) {
	start := os.Getpid() * 200 // test processes at the same time begin elsewhere
	for range portTries {
		addr := fmt.Sprintf("127.0.0.1:%d", portFirst+(start+int(ports.Add(1)))%portSpan)
		if ln, err := net.Listen("tcp", addr); err == nil {
			return addr, ln.Close()
		}
	}
	return "", errors.New("no free port")
}

// env is what the script's commands find in their environment.
func (w *world) env() map[string]string {
	return map[string]string{
		"XERO_URL": w.base, "STRIPE_URL": w.base, "LISTEN": w.listen, "TODAY": w.clock.Now().Format(time.DateOnly),
		"TENANT": w.xero.TenantID(), "BIN": bin,
		"ML_CONNECTOR_DATA": filepath.Join(w.dir, "data"), "ML_CONNECTOR_RECIPES": filepath.Join(w.dir, "recipes"),
		"ML_CONNECTOR_PLUGINS": filepath.Join(bin, "plugins"), "ML_CONNECTOR_LOG_LEVEL": "debug",
		"XERO_CLIENT_ID": xero.DefaultClientID,
	}
}

// keep remembers what a command printed, for leaks.
func (w *world) keep(text string) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	w.log.WriteString(text)
}

// evidence is the end of the host's log.
func (w *world) evidence() string {
	b, err := os.ReadFile(w.hostLog)
	if err != nil || len(b) == 0 {
		return ""
	}
	var out []string
	for line := range strings.SplitSeq(string(b), "\n") {
		if !strings.Contains(line, `"@level":"debug"`) && !strings.Contains(line, `"@level":"trace"`) {
			out = append(out, line)
		}
	}
	text := strings.Join(out, "\n")
	return "\n[host log]\n" + text[max(0, len(text)-evidenceBytes):]
}

// close ends everything that the script started.
func (w *world) close() {
	if w.host != nil {
		w.host.kill()
	}
	w.cancel()
	for _, p := range w.pairs() {
		p.close()
	}
	w.client.CloseIdleConnections()
}
