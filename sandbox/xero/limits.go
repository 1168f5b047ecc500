package xero

import (
	"maps"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Limits of one app in one organisation:
// https://developer.xero.com/documentation/guides/oauth2/limits
const (
	minuteDefault = 60
	dayDefault    = 5000
	atOnceDefault = 5
	appMinute     = 10_000 // all organisations together; shown, not enforced
)

// limiter counts calls: 60 s back for the minute, and days of 24 h that begin
// with the first call. Unproven: whether Xero's windows are fixed or rolling.
type limiter struct {
	minute, day, atOnce int

	mu      sync.Mutex
	recent  []time.Time // calls of the last minute
	dayFrom time.Time
	today   int
	flying  map[string]int // by tenant
}

func newLimiter(minute, day, atOnce int) *limiter {
	def := func(n, d int) int {
		if n <= 0 {
			return d
		}
		return n
	}
	return &limiter{minute: def(minute, minuteDefault), day: def(day, dayDefault), atOnce: def(atOnce, atOnceDefault),
		flying: map[string]int{}}
}

// take counts one call, or refuses it. The headers go on every answer.
func (l *limiter) take(h http.Header, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.recent) > 0 && now.Sub(l.recent[0]) >= time.Minute {
		l.recent = l.recent[1:]
	}
	if now.Sub(l.dayFrom) >= 24*time.Hour {
		l.dayFrom, l.today = now, 0
	}
	which, wait := "", time.Duration(0)
	switch {
	case l.today >= l.day:
		which, wait = "day", 24*time.Hour-now.Sub(l.dayFrom)
	case len(l.recent) >= l.minute:
		which, wait = "minute", time.Minute-now.Sub(l.recent[0])
	default:
		l.recent = append(l.recent, now)
		l.today++
	}
	l.headers(h)
	if which == "" {
		return nil
	}
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	h.Set("X-Rate-Limit-Problem", which)
	return tooMany()
}

func (l *limiter) headers(h http.Header) {
	h.Set("X-DayLimit-Remaining", strconv.Itoa(l.day-l.today))
	h.Set("X-MinLimit-Remaining", strconv.Itoa(max(0, l.minute-len(l.recent))))
	h.Set("X-AppMinLimit-Remaining", strconv.Itoa(max(0, appMinute-len(l.recent))))
}

// tooMany is Xero's 429: no body, no content type.
func tooMany() *problem {
	return &problem{reply: reply{status: http.StatusTooManyRequests}, text: "too many requests"}
}

// enter counts a call in flight; false means that there are too many.
func (l *limiter) enter(tenant string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flying[tenant] >= l.atOnce {
		return false
	}
	l.flying[tenant]++
	return true
}

func (l *limiter) leave(tenant string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flying[tenant]--
	if l.flying[tenant] == 0 {
		delete(l.flying, tenant)
	}
}

// gate counts every call and refuses the one too many in flight. It stands in
// front of the faults, so that a slow answer is in flight for as long as it takes.
func (s *Server) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.count(r)
		tenant := r.Header.Get("Xero-Tenant-Id")
		if !s.limits.enter(tenant) {
			s.calls.limited()
			h := w.Header()
			s.limits.mu.Lock()
			s.limits.headers(h)
			s.limits.mu.Unlock()
			// Unproven: the token, and that no Retry-After is sent.
			h.Set("X-Rate-Limit-Problem", "concurrent")
			h["Content-Type"] = nil
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		defer s.limits.leave(tenant)
		next.ServeHTTP(w, r)
	})
}

// Calls counts the API calls that arrived, refused and faulty ones included.
type Calls struct {
	Total    int            `json:"total"`
	Writes   int            `json:"writes"` // POST, PUT and DELETE
	ByPath   map[string]int `json:"by_path"`
	Rejected int            `json:"rejected_429"`
}

type tally struct {
	mu sync.Mutex
	c  Calls
}

func newTally() *tally { return &tally{c: Calls{ByPath: map[string]int{}}} }

var guidInPath = regexp.MustCompile(`[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}`)

// pathsMax bounds the paths counted apart; the rest is counted as "other".
const pathsMax = 200

func (t *tally) count(r *http.Request) {
	path := r.Method + " " + guidInPath.ReplaceAllString(r.URL.Path[len(apiPrefix):], "{id}")
	t.mu.Lock()
	defer t.mu.Unlock()
	t.c.Total++
	if r.Method != http.MethodGet {
		t.c.Writes++
	}
	if _, known := t.c.ByPath[path]; !known && len(t.c.ByPath) >= pathsMax {
		path = "other"
	}
	t.c.ByPath[path]++
}

func (t *tally) limited() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.c.Rejected++
}

// Calls counts the API calls since the start or the last ResetCalls.
func (s *Server) Calls() Calls {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	c := s.calls.c
	c.ByPath = maps.Clone(c.ByPath)
	return c
}

// ResetCalls starts the count anew.
func (s *Server) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.c = Calls{ByPath: map[string]int{}}
}
