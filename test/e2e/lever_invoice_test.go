//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// billLine is a line as a story writes it: quantity x unit price, maybe so many
// times, with a discount in per cent and a tax code of Xero.
var billLine = regexp.MustCompile(`^(?:(\d+) \* )?([0-9.]+) x (-?[0-9.]+)(?: -([0-9.]+)%)?(?: ([A-Z0-9]+))?$`)

const billTimesMax = 1000 // Xero's own limit is far above what a story needs

// takeBill reads how amounts stand to tax, and lines, off the words of a lever;
// the other words are left.
func takeBill(body map[string]any, words []string) ([]string, error) {
	if len(words) < 2 {
		return nil, errors.New("want Exclusive, Inclusive or NoTax, and lines such as '2 x 50.00 -15% NONE'")
	}
	body["line_amount_types"] = words[0]
	words = words[1:]
	var lines []any
	for len(words) > 0 {
		m := billLine.FindStringSubmatch(words[0])
		if m == nil {
			break
		}
		times := 1
		if m[1] != "" {
			var err error
			if times, err = strconv.Atoi(m[1]); err != nil || times > billTimesMax {
				return nil, fmt.Errorf("%q: at most %d times", words[0], billTimesMax)
			}
		}
		for range times {
			line := map[string]any{"description": fmt.Sprintf("Item %d", len(lines)+1), "quantity": m[2], "unit_amount": m[3]}
			if m[4] != "" {
				line["discount_rate"] = m[4]
			}
			if m[5] != "" {
				line["tax"] = m[5]
			}
			lines = append(lines, line)
		}
		words = words[1:]
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%q is no line such as '2 x 50.00 -15%% NONE'", words)
	}
	body["lines"] = lines
	return words, nil
}

// race is something that happens at the very moment when a request arrives.
type race struct {
	method, path string // path.Match
	pull         func() error
	done         chan struct{} // closed when it has happened
	err          error         // how it went; read after done
}

// beat takes the race if the request is the one.
func (g *gate) beat(r *http.Request) *race {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.race == nil || g.race.method != r.Method {
		return nil
	}
	if ok, err := path.Match(g.race.path, r.URL.Path); err != nil || !ok {
		return nil
	}
	x := g.race
	g.race = nil
	return x
}

// run pulls the lever while the request waits.
func (x *race) run() {
	x.err = x.pull()
	close(x.done)
}

// startRace METHOD PATH xero|stripe LEVER…: when the next such request arrives, the
// lever is pulled first.
func startRace(w *world, _ *testscript.TestScript, args []string) error {
	if len(args) < 4 {
		return errors.New("want METHOD PATH xero|stripe LEVER…")
	}
	if _, err := path.Match(args[1], ""); err != nil {
		return err
	}
	levers, ok := map[string]map[string]lever{"xero": xeroLevers, "stripe": stripeLevers}[args[2]]
	if !ok {
		return fmt.Errorf("%q is neither xero nor stripe", args[2])
	}
	x := &race{method: args[0], path: args[1], done: make(chan struct{}),
		pull: func() error { return w.pull(args[2], levers, args[3:]) }}
	w.gate.mu.Lock()
	defer w.gate.mu.Unlock()
	if w.gate.race != nil {
		return errors.New("another race is on")
	}
	w.gate.race, w.raced = x, x
	return nil
}

// endRace waits until the last race has happened.
func endRace(w *world, _ *testscript.TestScript, _ []string) error {
	if w.raced == nil {
		return errors.New("no race is on")
	}
	select {
	case <-w.raced.done:
	case <-w.ctx.Done():
		return fmt.Errorf("%s %s never came: %w", w.raced.method, w.raced.path, w.ctx.Err())
	}
	return w.raced.err
}
