// Package job is the durable queue: which piece of work runs next, when it runs
// again, and how often it was tried. It does not know what a job does.
//
// A Run names one row of work. It is stored in the caller's transaction, so a
// job exists exactly when the state that asked for it does:
//
//	            Enqueue, EnqueueAt               Complete
//	(nothing) -------------------> waiting --> running --> (ended)
//	                                  ^           |
//	                                  +-----------+
//	                          Retry (an attempt), Wait (free)
//
// There is at most one live Run per work row: a second one folds into the
// first. So whoever enqueues also raises the row's generation, and a handler
// that finds a newer generation when it is done calls CompleteAndAgain.
//
// A run ends only through Complete or CompleteAndAgain, in the transaction that
// stores what it achieved (I4). Retry and Wait are returned after the handler's
// own state is committed. A host that dies in between runs the job again: a
// handler must expect to find its work already done.
//
// Waits are never cut short, except by Wake. They end late by up to a quarter of
// a second, and by up to five seconds when they are longer than that; EnqueueAt
// keeps its time.
//
// Job rows hold a number and nothing else of the customer's: no payload, and no
// error text that could quote one (I8).
//
// The queue is River (https://riverqueue.com). Only this package and package db
// know that.
package job

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// Run asks for one attempt after another at a work row until it is complete.
type Run struct {
	Work int64 // the row's id; positive
}

// Handler makes one attempt. It commits its own state, then says through the
// Result what the queue is to do. It must obey ctx, which ends when the
// attempt's time is over or the host is told to stop at once.
type Handler func(ctx context.Context, a Attempt) Result

// Attempt is one try at a Run.
type Attempt struct {
	Work   int64
	Number int    // 1 for the first; a Wait or a host that died does not count
	Crash  string // how the attempt before this one broke down: panic, no result, out of time; else empty

	id   int64 // River's row
	seed uint64
	end  *ending
}

// Next returns how long to wait before the attempt after this one under policy
// b, and false when b's attempts are used up: then the work is for a person.
func (a Attempt) Next(b Backoff) (time.Duration, bool) {
	if b.Attempts > 0 && a.Number >= b.Attempts {
		return 0, false
	}
	return b.wait(a.Number, a.seed^uint64(a.Work)), true
}

// ending remembers whether a handler called Complete.
type ending struct {
	completed atomic.Bool
}

type verdict int

// The zero verdict is a handler that returned no Result.
const (
	verdictDone verdict = iota + 1
	verdictPark
	verdictRetry
	verdictWait
)

// Result says what becomes of a run after an attempt. Make one with Done, Park,
// Retry or Wait.
type Result struct {
	verdict verdict
	after   time.Duration
}

// Done says that the work is finished. Complete or CompleteAndAgain must have
// been called in the transaction that said so.
func Done() Result { return Result{verdict: verdictDone} }

// Park says that the work stops here until a person or a new event moves it: a
// dead letter, or held. Like Done it needs a Complete in the transaction that
// stored the reason; the two differ only in what Stats counts.
func Park() Result { return Result{verdict: verdictPark} }

// Retry runs the work again after a failed attempt, not before the wait is
// over. Attempt.Next computes the wait.
func Retry(after time.Duration) Result { return Result{verdict: verdictRetry, after: after} }

// Wait runs the work again, not before the wait is over, and counts no attempt:
// nothing was tried, because a budget was empty or a dependency missing.
func Wait(after time.Duration) Result { return Result{verdict: verdictWait, after: after} }

// args is what River stores of a Run.
type args struct {
	Work int64 `json:"work"`

	// retry is how long to wait before the next attempt. The worker leaves it
	// here for River, which asks the worker for it on the same value after the
	// attempt; it is not stored. Nil: the policy for crashes.
	retry *time.Duration
}

// Kind names the job for River. It is stored: it must not change.
func (args) Kind() string { return "work" }

// InsertOpts folds a Run into a live one for the same work.
func (args) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		MaxAttempts: attemptsMax,
		UniqueOpts: river.UniqueOpts{
			ByArgs: true,
			ByState: []rivertype.JobState{
				rivertype.JobStateAvailable,
				rivertype.JobStatePending,
				rivertype.JobStateRunning,
				rivertype.JobStateScheduled,
				rivertype.JobStateRetryable,
			},
		},
	}
}
