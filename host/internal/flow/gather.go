package flow

import (
	"context"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// lane is where requests are gathered: they can share a call.
type lane struct {
	connection string
	entity     connector.Entity
}

// gatherer collects requests of many goroutines for a moment and makes one call
// for them.
type gatherer[Q, A any] struct {
	window func(l lane) time.Duration                           // how long to collect
	max    func(ctx context.Context, l lane) (int, error)       // most requests in a call
	call   func(ctx context.Context, l lane, qs []Q) []reply[A] // one reply per request

	mu    sync.Mutex
	lanes map[lane]*batch[Q, A]
	calls sync.WaitGroup // batches that were not answered yet
}

type reply[A any] struct {
	answer A
	err    error
}

type batch[Q, A any] struct {
	asks []Q
	to   []chan reply[A]
	max  int
}

func newGatherer[Q, A any](window func(lane) time.Duration, limit func(context.Context, lane) (int, error), call func(context.Context, lane, []Q) []reply[A]) *gatherer[Q, A] {
	return &gatherer[Q, A]{window: window, max: limit, call: call, lanes: map[lane]*batch[Q, A]{}}
}

// ask returns the answer to q. When ctx ends first, the call goes on without
// its asker: what it wrote is found by the next attempt.
func (g *gatherer[Q, A]) ask(ctx context.Context, l lane, q Q) (A, error) {
	var zero A
	limit, err := g.max(ctx, l)
	if err != nil {
		return zero, err
	}
	to := make(chan reply[A], 1)
	g.mu.Lock()
	b, ok := g.lanes[l]
	if !ok {
		b = &batch[Q, A]{max: limit}
		g.lanes[l] = b
		g.calls.Add(1)
		time.AfterFunc(g.window(l), func() { g.send(l, b) })
	}
	b.asks, b.to = append(b.asks, q), append(b.to, to)
	if len(b.asks) >= b.max {
		// Closed before the lock is given back: nobody else may squeeze in.
		delete(g.lanes, l)
		go g.answer(l, b)
	}
	g.mu.Unlock()
	select {
	case r := <-to:
		return r.answer, r.err
	case <-ctx.Done():
		return zero, connector.Errorf(connector.UnknownOutcome, string(l.entity), "no answer in time: %w", ctx.Err())
	}
}

// send makes the call for a batch whose window is over, unless it was full
// before.
func (g *gatherer[Q, A]) send(l lane, b *batch[Q, A]) {
	g.mu.Lock()
	waits := g.lanes[l] == b
	if waits {
		delete(g.lanes, l)
	}
	g.mu.Unlock()
	if waits {
		g.answer(l, b)
	}
}

// answer makes the call for a batch that nobody can join any more.
func (g *gatherer[Q, A]) answer(l lane, b *batch[Q, A]) {
	defer g.calls.Done()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	for i, r := range g.call(ctx, l, b.asks) {
		b.to[i] <- r
	}
}
