package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	// waitMax is the longest wait inside a call; a longer one is handed back to
	// the host, which does other work meanwhile.
	waitMax = 3 * time.Second
	// operationShareMin is the least that one operation may take of the budget:
	// Stripe allows 25 calls a second to one endpoint.
	operationShareMin = 20
	operationsMax     = 64 // distinct operations that we call: about thirty
	backoffFirst      = 2 * time.Second
	backoffMax        = time.Minute
)

// budget keeps the calls of one key below what Stripe allows, over all and for
// each operation, and rests when Stripe says that it was too much.
// https://docs.stripe.com/rate-limits
type budget struct {
	now  func() time.Time
	all  *rate.Limiter
	each int

	mu     sync.Mutex
	byOp   map[string]*rate.Limiter
	until  time.Time // rest until then
	strike int       // refusals in a row
}

func newBudget(perSecond int, now func() time.Time) *budget {
	return &budget{
		now: now, all: rate.NewLimiter(rate.Limit(perSecond), perSecond),
		each: min(perSecond, max(operationShareMin, perSecond/4)), byOp: map[string]*rate.Limiter{},
	}
}

// operation folds a path to the operation that Stripe counts: ids become "*".
func operation(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		if i > 1 && strings.ContainsAny(p, "0123456789") {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, "/")
}

// take waits for the right to make one call, or says how long that would take.
func (b *budget) take(ctx context.Context, op string) error {
	now := b.now()
	b.mu.Lock()
	rest := b.until.Sub(now)
	one := b.byOp[op]
	if one == nil {
		if len(b.byOp) >= operationsMax {
			clear(b.byOp)
		}
		one = rate.NewLimiter(rate.Limit(b.each), b.each)
		b.byOp[op] = one
	}
	b.mu.Unlock()
	if rest > waitMax {
		return overBudget(rest)
	}
	first, second := b.all.ReserveN(now, 1), one.ReserveN(now, 1)
	wait := max(rest, first.DelayFrom(now), second.DelayFrom(now))
	if wait > waitMax {
		first.CancelAt(now)
		second.CancelAt(now)
		return overBudget(wait)
	}
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func overBudget(wait time.Duration) error {
	e := connector.Errorf(connector.RateLimited, "", "the connection's budget of calls is used up")
	e.RetryAfter = wait
	return e
}

// note learns from an answer. Refusals in a row double the rest.
func (b *budget) note(status int, h http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case status == http.StatusTooManyRequests && h.Get(limitReason) != "":
		b.strike++
		if until := b.now().Add(b.restLocked()); until.After(b.until) {
			b.until = until
		}
	case status < 300:
		b.strike = 0
	}
}

func (b *budget) restLocked() time.Duration {
	d := backoffFirst
	for i := 1; i < b.strike && d < backoffMax; i++ {
		d *= 2
	}
	return min(d, backoffMax)
}

// limitReason is the header that tells a rate limit from a lock on an object.
const limitReason = "Stripe-Rate-Limited-Reason"
