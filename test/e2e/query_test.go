//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	idleWithin = 30 * time.Second
	// shownBytes is how much of the records a failed query shows.
	shownBytes = 4000
)

// query finds records of one side: see the package's documentation.
type query struct {
	side, noun string
	filters    []filter
}

type filter struct {
	path string
	op   string // "=", "!=" or "~"
	want string
	re   *regexp.Regexp
}

// cliNouns are the lists that the command line prints.
var cliNouns = map[string][]string{
	"links":       {"links", "list"},
	"all-links":   {"links", "list", "--all"},
	"failures":    {"failures", "list"},
	"audit":       {"audit", "list", "--limit", "1000"},
	"skips":       {"audit", "list", "--kind", "skip", "--limit", "1000"},
	"connections": {"connections", "list"},
	"flows":       {"status"},
}

func parseQuery(args []string) (query, error) {
	if len(args) < 2 {
		return query{}, errors.New("want SIDE NOUN FILTER…")
	}
	q := query{side: args[0], noun: args[1]}
	for _, a := range args[2:] {
		f, err := parseFilter(q.side, a)
		if err != nil {
			return q, err
		}
		q.filters = append(q.filters, f)
	}
	return q, nil
}

func parseFilter(side, text string) (filter, error) {
	at := strings.IndexAny(text, "=~")
	if at < 1 {
		return filter{}, fmt.Errorf("filter %q: want PATH=VALUE, PATH!=VALUE or PATH~REGEXP", text)
	}
	f := filter{path: text[:at], op: text[at : at+1], want: text[at+1:]}
	if p, ok := strings.CutSuffix(f.path, "!"); ok && f.op == "=" {
		f.path, f.op = p, "!="
	}
	if strings.HasPrefix(side, "stripe") && f.path == "number" {
		f.path = "metadata.xero_invoice_number"
	}
	var err error
	if f.op == "~" {
		f.re, err = regexp.Compile(f.want)
	}
	return f, err
}

func (f filter) holds(rec any) bool {
	got := lookUp(rec, f.path)
	switch f.op {
	case "=":
		return got == f.want
	case "!=":
		return got != f.want
	}
	return f.re.MatchString(got)
}

// lookUp follows names with dots; "" when there is nothing. Key names that have
// dots themselves are not needed.
func lookUp(v any, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(x) {
				return ""
			}
			v = x[i]
		default:
			return ""
		}
	}
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case []any, map[string]any:
		b, err := json.Marshal(x)
		if err != nil {
			return ""
		}
		return string(b)
	}
	return fmt.Sprint(v)
}

// run returns the records that match, and all there are.
func (q query) run(w *world, ts *testscript.TestScript) (found, all []any, err error) {
	var v any
	if q.side == "cli" {
		args, ok := cliNouns[q.noun]
		if !ok {
			return nil, nil, fmt.Errorf("no list %q", q.noun)
		}
		if v, err = w.ask(ts, args...); err != nil {
			return nil, nil, err
		}
		if q.noun == "flows" {
			v = v.(map[string]any)["flows"]
		}
	} else if err := w.control(http.MethodGet, q.side, q.noun, nil, &v); err != nil {
		return nil, nil, err
	}
	if o, ok := v.(map[string]any); ok {
		if data, ok := o["data"]; ok {
			v = data
		}
	}
	switch x := v.(type) {
	case []any:
		all = x
	case nil:
	default:
		all = []any{x}
	}
	for _, rec := range all {
		if !slices.ContainsFunc(q.filters, func(f filter) bool { return !f.holds(rec) }) {
			found = append(found, rec)
		}
	}
	return found, all, nil
}

// count is how many records are wanted.
type count struct {
	n    int
	more bool // or more
}

func (c count) is(n int) bool { return n == c.n || c.more && n > c.n }

func (c count) String() string {
	if c.more {
		return strconv.Itoa(c.n) + " or more"
	}
	return strconv.Itoa(c.n)
}

// splitCount takes the count off the end of a query.
func splitCount(args []string) ([]string, count) {
	if len(args) > 2 {
		digits, more := strings.CutSuffix(args[len(args)-1], "+")
		if n, err := strconv.Atoi(digits); err == nil {
			return args[:len(args)-1], count{n, more}
		}
	}
	return args, count{n: 1}
}

func expect(w *world, ts *testscript.TestScript, args []string) error {
	args, want := splitCount(args)
	q, err := parseQuery(args)
	if err != nil {
		return err
	}
	found, all, err := q.run(w, ts)
	if err == nil && !want.is(len(found)) {
		err = fmt.Errorf("found %d, want %s, of:\n%s", len(found), want, q.shown(all))
	}
	return err
}

// shown tells what the filters look at in each record, those that fit best first;
// without filters all of it.
func (q query) shown(all []any) string {
	if len(q.filters) == 0 {
		return shown(all)
	}
	held := func(rec any) (n int) {
		for _, f := range q.filters {
			if f.holds(rec) {
				n++
			}
		}
		return n
	}
	var out strings.Builder
	for _, rec := range slices.SortedStableFunc(slices.Values(all), func(a, b any) int { return held(b) - held(a) }) {
		for _, f := range q.filters {
			mark := " "
			if !f.holds(rec) {
				mark = " !"
			}
			fmt.Fprintf(&out, "%s%s=%q", mark, f.path, lookUp(rec, f.path))
		}
		out.WriteByte('\n')
	}
	text := out.String()
	return text[:min(len(text), shownBytes)]
}

func shown(all []any) string {
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b[:min(len(b), shownBytes)])
}

// until DURATION QUERY [COUNT].
func until(w *world, ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("want DURATION SIDE NOUN FILTER… [COUNT]")
	}
	within, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	args, want := splitCount(args[1:])
	q, err := parseQuery(args)
	if err != nil {
		return err
	}
	var found, all []any
	err = poll(w.ctx, within, func() (bool, error) {
		var err error
		found, all, err = q.run(w, ts)
		return want.is(len(found)), err
	})
	if err != nil {
		return fmt.Errorf("%w: found %d, want %s, of:\n%s", err, len(found), want, q.shown(all))
	}
	return nil
}

// setVar VAR QUERY FIELD.
func setVar(w *world, ts *testscript.TestScript, args []string) error {
	if len(args) < 4 {
		return errors.New("want VAR SIDE NOUN FILTER… FIELD")
	}
	q, err := parseQuery(args[1 : len(args)-1])
	if err != nil {
		return err
	}
	found, all, err := q.run(w, ts)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("found %d, want one, of:\n%s", len(found), shown(all))
	}
	value := lookUp(found[0], args[len(args)-1])
	if value == "" {
		return fmt.Errorf("%s is empty in:\n%s", args[len(args)-1], shown(found))
	}
	ts.Setenv(args[0], value)
	return nil
}

// jsonValue PATH WANT looks into the last standard output.
func jsonValue(_ *world, ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("want PATH WANT")
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	got := lookUp(v, args[0])
	if re, ok := strings.CutPrefix(args[1], "~"); ok {
		if !regexp.MustCompile(re).MatchString(got) {
			return fmt.Errorf("%s is %q, want %s", args[0], got, args[1])
		}
	} else if got != args[1] {
		return fmt.Errorf("%s is %q, want %q", args[0], got, args[1])
	}
	return nil
}

// idle waits until both sides and the host have nothing left to do, and
// nothing was written between two looks.
func idle(w *world, ts *testscript.TestScript, _ []string) error {
	last, quiet := -1, 0
	var why string
	err := poll(w.ctx, idleWithin, func() (bool, error) {
		busy, err := w.busy(ts)
		if err != nil {
			return false, err
		}
		writes := 0
		for _, p := range w.pairs() {
			writes += p.xero.Calls().Writes + p.stripe.Calls().Writes
		}
		if busy != "" || writes != last {
			why, last, quiet = busy, writes, 0
			return false, nil
		}
		quiet++
		return quiet >= 2, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, why)
	}
	return nil
}

// busy says what is not done yet.
func (w *world) busy(ts *testscript.TestScript) (string, error) {
	for _, p := range w.pairs() {
		if why := p.undelivered(); why != "" && w.host != nil {
			return why, nil
		}
	}
	v, err := w.ask(ts, "status")
	if err != nil {
		return "", err
	}
	flows, _ := v.(map[string]any)["flows"].([]any)
	for _, f := range flows {
		if lookUp(f, "queued") != "0" || lookUp(f, "retrying") != "0" {
			return "work is left: " + lookUp(f, "flow") + " queued " + lookUp(f, "queued") + " retrying " + lookUp(f, "retrying"), nil
		}
	}
	return "", nil
}

// undelivered says which webhooks are still on their way.
func (p *pair) undelivered() string {
	if s := p.xero.Courier().Stats(); s.Waiting > 0 {
		return fmt.Sprintf("%d deliveries of Xero wait (last answer %d)", s.Waiting, s.LastStatus)
	}
	for _, e := range p.stripe.Endpoints() {
		if e.Waiting > 0 {
			return fmt.Sprintf("%d deliveries of Stripe wait (last answer %d)", e.Waiting, e.LastStatus)
		}
	}
	return ""
}
