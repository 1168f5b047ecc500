package connector

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// Secret is text that must not be shown. Printing, logging or marshalling one
// yields "[redacted]"; Reveal is the only way to its value.
//
// Some printers look past methods, and it must not be left to them: never make a
// Secret the key of a map, never keep one in an unexported field of something that
// is printed, never log a slice of them.
type Secret string

const redacted = "[redacted]"

// Reveal returns the value, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// String returns "[redacted]", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString keeps %#v from showing the value.
func (s Secret) GoString() string { return redacted }

// Format keeps every verb from showing the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText keeps encoders from showing the value.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue keeps slog from showing the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Session is one connection as a connector needs it for one call. It must not
// be kept after the call.
type Session struct {
	Connection  string            // the connection's name, for messages
	AccountID   string            // the account it is bound to; empty before the first Check
	Settings    map[string]string // defaults are filled in
	Secrets     map[string]Secret
	AccessToken Secret // OAuth 2.0 connections only
	Priority    Priority
}

// Priority decides who gets the last calls of a limited budget.
type Priority int

// The priorities, most important first.
const (
	PriorityWrite Priority = iota + 1 // a write of money, and the reads that it needs
	PriorityRead                      // a record read because it changed
	PriorityPoll                      // looking for changes: the first to wait
)

// Usage is what a call cost and what the service's own limits leave. -1 means
// that the service did not say.
type Usage struct {
	Calls           int
	MinuteRemaining int
	DayRemaining    int
}

// Meter adds up the usage of one call. It is safe for concurrent use; a nil
// Meter counts nothing.
type Meter struct {
	mu sync.Mutex
	u  Usage
	ok bool
}

type meterKey struct{}

// WithMeter returns a context whose calls to the service are counted by m.
func WithMeter(ctx context.Context, m *Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// MeterFrom returns the context's meter, or nil.
func MeterFrom(ctx context.Context) *Meter {
	m, _ := ctx.Value(meterKey{}).(*Meter)
	return m
}

// Count records one call to the service and what its limits leave after it; -1
// for a limit that the answer did not name.
func (m *Meter) Count(minuteRemaining, dayRemaining int) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.u.Calls++
	if !m.ok || minuteRemaining >= 0 {
		m.u.MinuteRemaining = minuteRemaining
	}
	if !m.ok || dayRemaining >= 0 {
		m.u.DayRemaining = dayRemaining
	}
	m.ok = true
}

// Usage returns what was counted so far.
func (m *Meter) Usage() Usage {
	if m == nil {
		return Usage{MinuteRemaining: -1, DayRemaining: -1}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ok {
		return Usage{MinuteRemaining: -1, DayRemaining: -1}
	}
	return m.u
}
