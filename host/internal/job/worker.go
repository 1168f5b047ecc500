package job

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// stackBytesMax bounds the stack of a panic in the log.
const stackBytesMax = 8 << 10

// errRetry is stored in the job's row for an attempt that asked for another.
// Why it did is in the work's row and on the audit trail.
var errRetry = errors.New("retry")

// worker runs the handler for River.
type worker struct {
	river.WorkerDefaults[args]
	queue *Queue
}

// Work makes one attempt and turns its Result into River's terms.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	q := w.queue
	q.active.Add(1)
	defer q.active.Add(-1)
	a := Attempt{
		Work:   job.Args.Work,
		Number: job.Attempt,
		Crash:  lastCrash(job.JobRow),
		id:     job.ID,
		seed:   q.seed,
		end:    &ending{},
	}
	res, crash := q.try(ctx, a)
	switch res.verdict {
	case verdictDone, verdictPark:
		if !a.end.completed.Load() {
			crash = "handler ended its work without completing the run"
			break
		}
		q.counts.ended(res.verdict)
		return nil
	case verdictRetry:
		q.counts.retried.Add(1)
		after := max(res.after, 0)
		job.Args.retry = &after
		return errRetry
	case verdictWait:
		q.counts.waited.Add(1)
		return river.JobSnooze(max(res.after, 0))
	default:
		if crash == "" {
			crash = "handler returned no result"
		}
	}
	q.counts.crashed.Add(1)
	q.log.Error("attempt broke down", "work", a.Work, "attempt", a.Number, "reason", crash)
	return errors.New(crash)
}

// NextRetry is asked after Work returned an error. Zero leaves it to the policy
// for crashes.
func (w *worker) NextRetry(job *river.Job[args]) time.Time {
	if job.Args.retry == nil {
		return time.Time{}
	}
	return time.Now().UTC().Add(*job.Args.retry)
}

// try calls the handler. A panic becomes a reason that quotes no value: a value
// could be part of a record (I8).
func (q *Queue) try(ctx context.Context, a Attempt) (res Result, crash string) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		res, crash = Result{}, panicReason(p)
		stack := debug.Stack()
		q.log.Error("handler panicked", "work", a.Work, "attempt", a.Number, "reason", crash,
			"stack", string(stack[:min(len(stack), stackBytesMax)]))
	}()
	return q.handler(ctx, a), ""
}

// panicReason describes a panic without its value, except for the runtime's
// own, which speak of indexes and types.
func panicReason(p any) string {
	var own runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &own) {
		return "panic: " + own.Error()
	}
	return fmt.Sprintf("panic with a value of type %T", p)
}

// lastCrash returns how the attempt before this one broke down, if it did.
func lastCrash(row *rivertype.JobRow) string {
	if len(row.Errors) == 0 {
		return ""
	}
	last := row.Errors[len(row.Errors)-1]
	if last.Attempt != row.Attempt-1 || last.Error == errRetry.Error() {
		return ""
	}
	return last.Error
}

// crashPolicy times the attempt after one that broke down, and after one that
// River rescued because it never ended.
type crashPolicy struct {
	queue *Queue
}

// NextRetry implements River's retry policy.
func (p crashPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	return time.Now().UTC().Add(p.queue.crash.wait(job.Attempt, p.queue.seed^uint64(job.ID)))
}
