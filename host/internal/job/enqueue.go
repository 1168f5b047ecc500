package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// ErrLost means that an attempt no longer holds its run: it outlived its time
// and the run was given to another attempt, or the job was removed. The
// caller's transaction must be rolled back, which returning the error does.
var ErrLost = errors.New("attempt has lost its run")

// Enqueue stores runs, to start as soon as tx is committed. A run for work that
// has a live one folds into it: one that EnqueueAt put off starts now, one that
// is running goes on, one that waits after an attempt keeps its wait.
func (q *Queue) Enqueue(ctx context.Context, tx *db.Tx, runs ...Run) error {
	return q.insert(ctx, tx, time.Time{}, neverTried, runs)
}

// Wake is Enqueue, but cuts waits short as well: for when a person asks, or
// when what the work waited for has come. A run whose attempt is just ending
// keeps the wait that the attempt asks for.
func (q *Queue) Wake(ctx context.Context, tx *db.Tx, runs ...Run) error {
	return q.insert(ctx, tx, time.Time{}, notRunning, runs)
}

// EnqueueAt stores a run to start at a time, or now if that is past. Where the
// work has a live run that was itself put off, the earlier time holds; any other
// live run goes on as it is.
func (q *Queue) EnqueueAt(ctx context.Context, tx *db.Tx, run Run, at time.Time) error {
	return q.insert(ctx, tx, at, neverTried, []Run{run})
}

// neverTried picks runs that were put off and not begun.
func neverTried(row *rivertype.JobRow) bool {
	return row.State == rivertype.JobStateAvailable && row.AttemptedAt == nil
}

// notRunning picks all runs that wait.
func notRunning(row *rivertype.JobRow) bool { return row.State != rivertype.JobStateRunning }

// insert stores runs for the time at, where zero means now. A live run that
// movable picks is brought forward to that time.
func (q *Queue) insert(ctx context.Context, tx *db.Tx, at time.Time, movable func(*rivertype.JobRow) bool, runs []Run) error {
	if len(runs) == 0 {
		return nil
	}
	now := time.Now().UTC()
	opts := &river.InsertOpts{}
	if at.After(now) {
		at = at.UTC()
		opts.ScheduledAt = at
	} else {
		at = now
	}
	params := make([]river.InsertManyParams, len(runs))
	for i, run := range runs {
		if run.Work <= 0 {
			return fmt.Errorf("enqueue work %d: not a row's id", run.Work)
		}
		params[i] = river.InsertManyParams{Args: args{Work: run.Work}, InsertOpts: opts}
	}
	results, err := q.client.InsertManyTx(ctx, tx.Tx, params)
	if err != nil {
		return fmt.Errorf("enqueue: %w", err)
	}
	for _, r := range results {
		// River parks a new run with a time in a state that its upkeep looks
		// through every five seconds. As an available run with a time it is
		// fetched on time.
		putOff := !r.UniqueSkippedAsDuplicate && r.Job.State == rivertype.JobStateScheduled
		sooner := r.UniqueSkippedAsDuplicate && r.Job.ScheduledAt.After(at) && movable(r.Job)
		if putOff || sooner {
			if err := setDue(ctx, tx, r.Job.ID, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// setDue makes a run that is not running available at a time.
func setDue(ctx context.Context, tx *db.Tx, id int64, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE river_job SET state = 'available', scheduled_at = $1
		WHERE id = $2 AND state IN ('available', 'scheduled', 'retryable')`, at, id)
	if err != nil {
		return fmt.Errorf("set the time of a run: %w", err)
	}
	return nil
}

// Complete ends the attempt's run in the transaction that stores its result, so
// that both happen or neither (I4). The error wraps ErrLost when the run is no
// longer the attempt's to end.
func (q *Queue) Complete(ctx context.Context, tx *db.Tx, a Attempt) error {
	if a.end == nil {
		return errors.New("complete: the attempt does not come from the queue")
	}
	// A second attempt has another number, so an attempt that was given up for
	// dead cannot end the one that took its place.
	res, err := tx.ExecContext(ctx, `UPDATE river_job SET state = 'completed', finalized_at = $1
		WHERE id = $2 AND state = 'running' AND attempt = $3`, time.Now().UTC(), a.id, a.Number)
	if err != nil {
		return fmt.Errorf("complete work %d: %w", a.Work, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("complete work %d: %w", a.Work, err)
	}
	if n != 1 {
		return fmt.Errorf("complete work %d, attempt %d: %w", a.Work, a.Number, ErrLost)
	}
	a.end.completed.Store(true)
	return nil
}

// CompleteAndAgain ends the attempt's run and enqueues the work once more, for
// when a newer generation came while it ran. The handler returns at once
// afterwards: the new run may already have begun.
func (q *Queue) CompleteAndAgain(ctx context.Context, tx *db.Tx, a Attempt) error {
	if err := q.Complete(ctx, tx, a); err != nil {
		return err
	}
	return q.Enqueue(ctx, tx, Run{Work: a.Work})
}
