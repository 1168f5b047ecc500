package flow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

var testLane = lane{"b", connector.EntityContact}

func gathererOf(limit int, window time.Duration, call func(ctx context.Context, qs []int) []reply[string]) *gatherer[int, string] {
	return newGatherer(func(lane) time.Duration { return window },
		func(context.Context, lane) (int, error) { return limit, nil },
		func(ctx context.Context, _ lane, qs []int) []reply[string] { return call(ctx, qs) })
}

// I10: a call never carries more than the connector takes, however many ask at
// once, and everybody gets their own answer.
func TestGathererFillsCallsToTheMaximum(t *testing.T) {
	t.Parallel()
	const limit, askers = 5, 400
	var mu sync.Mutex
	var sizes []int
	g := gathererOf(limit, time.Millisecond, func(_ context.Context, qs []int) []reply[string] {
		mu.Lock()
		sizes = append(sizes, len(qs))
		mu.Unlock()
		out := make([]reply[string], len(qs))
		for i, q := range qs {
			out[i].answer = fmt.Sprint("answer ", q)
			if q%7 == 0 {
				out[i] = reply[string]{err: fmt.Errorf("refused %d", q)}
			}
		}
		return out
	})
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for q := range askers {
		wg.Go(func() {
			<-begin
			got, err := g.ask(t.Context(), testLane, q)
			if q%7 == 0 {
				if err == nil || err.Error() != fmt.Sprint("refused ", q) {
					t.Errorf("%d: got %q, %v", q, got, err)
				}
			} else if err != nil || got != fmt.Sprint("answer ", q) {
				t.Errorf("%d: got %q, %v", q, got, err)
			}
		})
	}
	close(begin)
	wg.Wait()
	total := 0
	for _, n := range sizes {
		total += n
		if n > limit {
			t.Errorf("a call of %d, more than %d", n, limit)
		}
	}
	if total != askers {
		t.Errorf("%d requests were sent, want %d", total, askers)
	}
	if len(sizes) > askers/limit*2 {
		t.Errorf("%d calls for %d requests", len(sizes), askers)
	}
}

// Who leaves is not answered; the others are, and the call goes on.
func TestGathererSurvivesAnAskerWhoLeaves(t *testing.T) {
	t.Parallel()
	called, release := make(chan int, 1), make(chan struct{})
	g := gathererOf(2, time.Hour, func(ctx context.Context, qs []int) []reply[string] {
		called <- len(qs)
		<-release
		if ctx.Err() != nil {
			t.Error("the call ended with one of its askers")
		}
		return make([]reply[string], len(qs))
	})
	ctx, leave := context.WithCancel(t.Context())
	left, stayed := make(chan error, 1), make(chan error, 1)
	go func() { _, err := g.ask(ctx, testLane, 1); left <- err }()
	go func() { _, err := g.ask(t.Context(), testLane, 2); stayed <- err }()
	if n := receive(t, called); n != 2 {
		t.Errorf("got a call of %d, want 2", n)
	}
	leave()
	if err := receive(t, left); connector.KindOf(err) != connector.UnknownOutcome || !errors.Is(err, context.Canceled) {
		t.Errorf("who left: got %v, want an unknown outcome", err)
	}
	close(release)
	if err := receive(t, stayed); err != nil {
		t.Errorf("who stayed: got %v", err)
	}
	g.calls.Wait()
}

// The window ends a batch that does not fill up; lanes do not mix.
func TestGathererWindowAndLanes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls := map[lane]int{}
	g := newGatherer(func(lane) time.Duration { return 20 * time.Millisecond },
		func(context.Context, lane) (int, error) { return 100, nil },
		func(_ context.Context, l lane, qs []int) []reply[string] {
			mu.Lock()
			defer mu.Unlock()
			calls[l] += len(qs)
			return make([]reply[string], len(qs))
		})
	other := lane{"a", connector.EntityContact}
	var wg sync.WaitGroup
	for q := range 10 {
		wg.Go(func() {
			l := testLane
			if q < 3 {
				l = other
			}
			if _, err := g.ask(t.Context(), l, q); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if calls[testLane] != 7 || calls[other] != 3 {
		t.Errorf("got %v", calls)
	}
}

func TestGathererRefusesWithoutALimit(t *testing.T) {
	t.Parallel()
	g := newGatherer(func(lane) time.Duration { return 0 },
		func(context.Context, lane) (int, error) { return 0, errInjected },
		func(context.Context, lane, []int) []reply[string] { t.Error("called"); return nil })
	if _, err := g.ask(t.Context(), testLane, 1); !errors.Is(err, errInjected) {
		t.Errorf("got %v", err)
	}
}

// The fewer calls a service leaves, the longer others are waited for.
func TestWindowGrowsAsCallsGetScarce(t *testing.T) {
	for _, tt := range []struct {
		left int
		want time.Duration
	}{{-1, gatherPlenty}, {60, gatherPlenty}, {callsScarce, gatherScarce}, {callsLast, gatherLast}, {0, gatherLast}} {
		e := &Engine{cfg: Config{CallsLeft: func(string) int { return tt.left }}}
		if got := e.window(testLane); got != tt.want {
			t.Errorf("%d left: got %s, want %s", tt.left, got, tt.want)
		}
	}
}
