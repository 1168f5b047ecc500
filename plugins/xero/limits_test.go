package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// clock is a pinned clock.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func newBudget(perMinute, perDay, atOnce int) (*budget, *clock) {
	c := &clock{at: time.Date(2026, time.September, 14, 12, 0, 0, 0, time.UTC)}
	b := budgets{now: c.now}
	return b.of("x", perMinute, perDay, atOnce), c
}

// calls takes as many calls as the budget gives at once.
func (b *budget) takeAll(p connector.Priority) (n int, wait time.Duration) {
	for {
		wait, _, _ = b.take(p)
		if wait > 0 || n > 100000 {
			return n, wait
		}
		n++
		b.release()
	}
}

func TestBudgetKeepsReserves(t *testing.T) {
	t.Parallel()
	b, c := newBudget(60, 5000, 5)
	if n, wait := b.takeAll(connector.PriorityPoll); n != 48 || wait != time.Minute {
		t.Errorf("%d polls, then wait %s", n, wait)
	}
	if n, _ := b.takeAll(connector.PriorityRead); n != 9 {
		t.Errorf("%d reads", n)
	}
	if n, _ := b.takeAll(connector.PriorityWrite); n != 3 {
		t.Errorf("%d writes", n)
	}
	c.at = c.at.Add(time.Minute)
	if n, _ := b.takeAll(connector.PriorityWrite); n != 60 {
		t.Errorf("%d writes a minute later", n)
	}
}

func TestBudgetOfADay(t *testing.T) {
	t.Parallel()
	b, c := newBudget(1000, 100, 5)
	if n, wait := b.takeAll(connector.PriorityWrite); n != 100 || wait < waitInsideMax {
		t.Errorf("%d calls, then wait %s", n, wait)
	}
	c.at = c.at.Add(25 * time.Hour)
	if n, _ := b.takeAll(connector.PriorityPoll); n != 80 {
		t.Errorf("%d polls the next day", n)
	}
}

func TestBudgetFollowsHeaders(t *testing.T) {
	t.Parallel()
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	tests := []struct {
		name   string
		header http.Header
		want   int // writes that are left at once
	}{
		{name: "nothing said", header: header(), want: 60},
		{name: "others use the minute", header: header("X-MinLimit-Remaining", "7"), want: 7},
		{name: "others use the day", header: header("X-DayLimit-Remaining", "3"), want: 3},
		{name: "more than our budget is not taken", header: header("X-MinLimit-Remaining", "600", "X-DayLimit-Remaining", "90000"), want: 60},
		{name: "nonsense", header: header("X-MinLimit-Remaining", "-4", "X-DayLimit-Remaining", "x"), want: 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, _ := newBudget(60, 5000, 5)
			b.observe(tt.header)
			if n, _ := b.takeAll(connector.PriorityWrite); n != tt.want {
				t.Errorf("%d writes, want %d", n, tt.want)
			}
		})
	}
}

func TestBudgetAfterARefusal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, problem, after string
		want                 time.Duration
	}{
		{name: "minute", problem: "minute", after: "26", want: 26 * time.Second},
		{name: "capitals, no time", problem: "Minute", want: retryMinute},
		{name: "day", problem: "day", after: "66975", want: 66975 * time.Second},
		{name: "day, no time", problem: "day", want: retryDay},
		{name: "at once", problem: "concurrent", want: retryAtOnce},
		{name: "for ever", problem: "day", after: "99999999", want: retryLongest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, c := newBudget(60, 5000, 5)
			h := http.Header{"X-Rate-Limit-Problem": {tt.problem}}
			if tt.after != "" {
				h.Set("Retry-After", tt.after)
			}
			if got := b.refused(h); got != tt.want {
				t.Errorf("wait %s, want %s", got, tt.want)
			}
			if n, wait := b.takeAll(connector.PriorityWrite); n != 0 || wait != tt.want {
				t.Errorf("%d calls, wait %s", n, wait)
			}
			c.at = c.at.Add(tt.want)
			if n, _ := b.takeAll(connector.PriorityWrite); n != 60 {
				t.Errorf("%d calls afterwards", n)
			}
		})
	}
}

func TestBudgetSlots(t *testing.T) {
	t.Parallel()
	b, _ := newBudget(60, 5000, 1)
	done, err := b.acquire(context.Background(), connector.PriorityWrite, "op")
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := b.acquire(context.Background(), connector.PriorityWrite, "op")
		if err == nil {
			second()
		}
		got <- err
	}()
	done()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the second call never got its slot")
	}
	hold, err := b.acquire(context.Background(), connector.PriorityWrite, "op")
	if err != nil {
		t.Fatal(err)
	}
	defer hold()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.acquire(ctx, connector.PriorityWrite, "op"); kindOf(t, err) != connector.Unavailable {
		t.Errorf("stopped: %v", err)
	}
}

// A poll stops while a write still goes through.
func TestBudgetThroughTheConnector(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("10.00")
	w.session.Settings["calls_per_minute"] = "10"
	meter := &connector.Meter{}
	ctx := connector.WithMeter(context.Background(), meter)
	poll := *w.session
	poll.Priority = connector.PriorityPoll
	var err error
	polls := 0
	for ; err == nil && polls < 20; polls++ {
		_, err = w.x.List(ctx, &poll, connector.ListRequest{Entity: connector.EntityContact, PageSize: 1})
	}
	if polls != 9 || kindOf(t, err) != connector.RateLimited {
		t.Errorf("stopped after %d polls: %v", polls, err)
	}
	if u := meter.Usage(); u.Calls != 8 || u.DayRemaining < 0 {
		t.Errorf("usage %+v", u)
	}
	out := w.pay(w.receipt(inv, "ch_00000001", "10.00"))[0] // needs four calls: two are left
	w.expect(out, "rate limited")
	if out.Err.RetryAfter <= 0 {
		t.Errorf("retry after %s", out.Err.RetryAfter)
	}
	w.clock.Advance(time.Minute)
	w.expect(w.pay(again(w.receipt(inv, "ch_00000001", "10.00")))[0], "created")
}

func TestShortRefusalIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	x := New() // in real time: the wait is real
	t.Cleanup(x.Close)
	w.x = x
	inv := w.invoice("10.00")
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 429,
		Header: map[string]string{"X-Rate-Limit-Problem": "minute", "Retry-After": "1"}})
	w.expect(w.pay(w.receipt(inv, "ch_00000001", "10.00"))[0], "created")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	var list []string
	for range 50 {
		list = append(list, guidIs("PaymentID", someID))
	}
	total := 0
	for _, f := range anyOf(list) {
		if n := len(encodeQuery(map[string][]string{"where": {f}})); n > filterBytesMax+100 {
			t.Errorf("a filter of %d letters", n)
		}
		total += strings.Count(f, "guid(")
	}
	if total != 50 {
		t.Errorf("%d filters of 50", total)
	}
	for text, want := range map[string]bool{"Acme": true, `a"b`: false, `a\b`: false, "": false, "a\nb": false, "Ünïcode & co": true} {
		if _, ok := textIs("Name", text); ok != want {
			t.Errorf("textIs(%q) %v", text, ok)
		}
	}
	if got := encodeQuery(map[string][]string{"IDs": {"a,b"}, "where": {`Name=="A + B"`}}); got != `IDs=a,b&where=Name%3D%3D%22A%20%2B%20B%22` {
		t.Errorf("query %s", got)
	}
}
