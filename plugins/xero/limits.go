package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// The service allows each organisation 60 calls a minute, 5 at once and 1000 or
// 5000 a day (https://developer.xero.com/faq/limits). A budget keeps to what
// the settings say; the service's headers and refusals lower it further, and
// never raise it.
const (
	waitInsideMax = 3 * time.Second // a longer wait is the host's: it parks the work
	slotWait      = time.Second     // suggested when all slots are taken
	accountsMax   = 1000            // budgets kept; beyond it the idle ones are forgotten

	readReserve = 20 // a read leaves 1/20 of the budget to writes
	pollReserve = 5  // looking for changes leaves 1/5

	retryMinute  = 10 * time.Second // 429 without Retry-After
	retryDay     = time.Hour
	retryAtOnce  = time.Second
	retryLongest = 26 * time.Hour // no limit of the service lasts longer than a day
)

// budgets are the budgets of the organisations that this process works in.
type budgets struct {
	now func() time.Time
	mu  sync.Mutex
	m   map[string]*budget
}

// of returns the budget of an organisation with the settings of this call.
func (b *budgets) of(key string, perMinute, perDay, atOnce int) *budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m == nil {
		b.m = map[string]*budget{}
	}
	got, ok := b.m[key]
	if !ok {
		b.forgetIdle()
		got = &budget{now: b.now, changed: make(chan struct{})}
		b.m[key] = got
	}
	got.mu.Lock()
	got.perMinute, got.perDay, got.atOnce = perMinute, perDay, atOnce
	got.mu.Unlock()
	return got
}

func (b *budgets) forgetIdle() {
	if len(b.m) < accountsMax {
		return
	}
	for key, one := range b.m {
		one.mu.Lock()
		idle := one.inFlight == 0 && len(one.calls) == 0 && one.blockedUntil.Before(b.now())
		one.mu.Unlock()
		if idle {
			delete(b.m, key)
		}
	}
}

// budget is what may still be called in one organisation.
type budget struct {
	now func() time.Time

	mu                        sync.Mutex
	perMinute, perDay, atOnce int
	inFlight                  int
	calls                     []time.Time // starts within the last minute, oldest first
	hours                     []hourCount // our calls of the last 24 hours, oldest first
	foreignMinute             foreign     // what others used, as the headers tell
	foreignDay                foreign
	blockedUntil              time.Time // the service asked us to wait
	changed                   chan struct{}
}

type hourCount struct {
	start time.Time
	calls int
}

// foreign are calls that somebody else made from the same allowance.
type foreign struct {
	calls int
	until time.Time
}

func (f foreign) at(now time.Time) int {
	if now.Before(f.until) {
		return f.calls
	}
	return 0
}

// acquire waits for room for one call, at most waitInsideMax, and returns the
// function that ends it. The error is RateLimited, or Unavailable when the
// context ended: in both cases nothing was sent.
func (b *budget) acquire(ctx context.Context, p connector.Priority, op string) (func(), error) {
	timer := time.NewTimer(waitInsideMax)
	defer timer.Stop()
	expired := false
	for {
		wait, reason, changed := b.take(p)
		if wait == 0 {
			return b.release, nil
		}
		if expired || wait > waitInsideMax {
			return nil, &connector.Error{Kind: connector.RateLimited, Op: op, Message: reason, RetryAfter: wait}
		}
		retry := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			retry.Stop()
			return nil, connector.Errorf(connector.Unavailable, op, "stopped while waiting for the call budget: %w", ctx.Err())
		case <-timer.C:
			expired = true
		case <-changed:
		case <-retry.C:
		}
		retry.Stop()
	}
}

// take uses one call when there is room, or says how long to wait.
func (b *budget) take(p connector.Priority) (time.Duration, string, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.expire(now)
	if wait, reason := b.room(p, now); wait > 0 {
		return wait, reason, b.changed
	}
	b.inFlight++
	b.calls = append(b.calls, now)
	if n := len(b.hours); n == 0 || now.Sub(b.hours[n-1].start) >= time.Hour {
		b.hours = append(b.hours, hourCount{start: now})
	}
	b.hours[len(b.hours)-1].calls++
	return 0, "", nil
}

func (b *budget) room(p connector.Priority, now time.Time) (time.Duration, string) {
	if wait := b.blockedUntil.Sub(now); wait > 0 {
		return wait, "the service asked to wait"
	}
	// What others use makes the allowance smaller, and the reserve with it: with
	// 5000 in the settings and a tier of 1000, 200 are kept for writes, not 1000.
	perDay := b.perDay - b.foreignDay.at(now)
	if b.dayUsed()+reserve(perDay, p) >= perDay {
		return b.dayWait(now), "the day's call budget is used up"
	}
	perMinute := b.perMinute - b.foreignMinute.at(now)
	if len(b.calls)+reserve(perMinute, p) >= perMinute {
		return b.minuteWait(now), "the minute's call budget is used up"
	}
	if b.inFlight >= b.atOnce {
		return slotWait, "all call slots are taken"
	}
	return 0, ""
}

// reserve is what a call of this priority leaves for more important ones.
func reserve(limit int, p connector.Priority) int {
	switch p {
	case connector.PriorityWrite:
		return 0
	case connector.PriorityPoll:
		return limit / pollReserve
	}
	return limit / readReserve
}

func (b *budget) expire(now time.Time) {
	i := 0
	for i < len(b.calls) && now.Sub(b.calls[i]) >= time.Minute {
		i++
	}
	b.calls = b.calls[i:]
	i = 0
	for i < len(b.hours) && now.Sub(b.hours[i].start) >= 25*time.Hour {
		i++
	}
	b.hours = b.hours[i:]
}

func (b *budget) dayUsed() int {
	n := 0
	for _, h := range b.hours {
		n += h.calls
	}
	return n
}

// minuteWait is the time until the next call of the window, ours or somebody
// else's, no longer counts.
func (b *budget) minuteWait(now time.Time) time.Duration {
	until := now.Add(time.Minute)
	if len(b.calls) > 0 {
		until = b.calls[0].Add(time.Minute)
	}
	if b.foreignMinute.at(now) > 0 && b.foreignMinute.until.Before(until) {
		until = b.foreignMinute.until
	}
	return max(until.Sub(now), time.Millisecond)
}

// dayWait is the time until our oldest hour no longer counts, at most an hour:
// the service's day may turn before ours, and its headers will tell.
func (b *budget) dayWait(now time.Time) time.Duration {
	wait := time.Hour
	if len(b.hours) > 0 {
		wait = min(wait, b.hours[0].start.Add(25*time.Hour).Sub(now))
	}
	return max(wait, waitInsideMax+time.Second)
}

func (b *budget) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	b.wake()
}

func (b *budget) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// observe learns from the headers of an answer what the service leaves us, and
// returns it; -1 where it did not say.
func (b *budget) observe(h http.Header) (minute, day int) {
	minute, day = headerCount(h, "X-MinLimit-Remaining"), headerCount(h, "X-DayLimit-Remaining")
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.expire(now)
	if minute >= 0 {
		b.foreignMinute = foreign{calls: max(0, b.perMinute-minute-len(b.calls)), until: now.Add(time.Minute)}
	}
	if day >= 0 {
		b.foreignDay = foreign{calls: max(0, b.perDay-day-b.dayUsed()), until: now.Add(time.Hour)}
	}
	return minute, day
}

// refused learns from a 429 and returns how long to wait.
func (b *budget) refused(h http.Header) time.Duration {
	problem := strings.ToLower(h.Get("X-Rate-Limit-Problem"))
	wait := retryMinute
	switch {
	case strings.Contains(problem, "day"):
		wait = retryDay
	case strings.Contains(problem, "concurrent"):
		wait = retryAtOnce
	}
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s >= 0 {
		wait = min(max(time.Duration(s)*time.Second, time.Second), retryLongest)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := b.now().Add(wait); until.After(b.blockedUntil) {
		b.blockedUntil = until
	}
	return wait
}

func headerCount(h http.Header, name string) int {
	n, err := strconv.Atoi(h.Get(name))
	if err != nil || n < 0 {
		return -1
	}
	return n
}
