package connector

import (
	"errors"
	"fmt"
	"time"
)

// Kind decides what becomes of the job whose attempt failed. The set is
// append-only: its numbers are on the wire.
type Kind int

// The kinds of error.
const (
	// Invalid can never succeed as it is: the work goes to a person at once.
	Invalid Kind = iota + 1
	// NotFound means that the record is not in the service.
	NotFound
	// Conflict needs a person's decision, often between Candidates.
	Conflict
	// Auth pauses the connection until it is authorised again. Its work waits
	// and loses no attempt.
	Auth
	// RateLimited waits RetryAfter and costs no attempt.
	RateLimited
	// Unavailable did nothing in the service and is tried again.
	Unavailable
	// UnknownOutcome may have had its effect: the next attempt looks first.
	UnknownOutcome
)

var kindNames = [...]string{"", "invalid", "not found", "conflict", "auth", "rate limited", "unavailable", "unknown outcome"}

// String returns the kind in words.
func (k Kind) String() string {
	if k < Invalid || int(k) >= len(kindNames) {
		return "unknown kind"
	}
	return kindNames[k]
}

// Error is the one error that crosses the plugin boundary. Kind tells the host
// what to do next; Message and Remedy may be shown and never hold a secret.
type Error struct {
	Kind       Kind
	Op         string        // "stripe: finalize invoice"
	Message    string        // what happened
	Remedy     string        // what a person can do about it; may be empty
	RetryAfter time.Duration // zero: the service named no delay
	Candidates []string      // ids to choose from, for Conflict
	Err        error         // cause; stays on this side of the wire
}

// Error returns "op: message".
func (e *Error) Error() string {
	if e.Op == "" {
		return e.Message
	}
	return e.Op + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of a kind.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Op: op, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithRemedy sets what a person can do and returns e.
func (e *Error) WithRemedy(format string, args ...any) *Error {
	e.Remedy = fmt.Sprintf(format, args...)
	return e
}

// KindOf returns the kind of the Error in err's chain, or UnknownOutcome when
// there is none: an error that nobody classified may have had an effect.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) && e.Kind != 0 {
		return e.Kind
	}
	return UnknownOutcome
}

// AsError returns the Error in err's chain, or wraps err as UnknownOutcome
// under op.
func AsError(err error, op string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: UnknownOutcome, Op: op, Message: err.Error(), Err: err}
}
