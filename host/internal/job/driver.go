package job

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
)

// driver is River's SQLite driver with three corrections, all where a job's
// state is set after an attempt:
//
//   - The driver stores times in the zone they come in, and SQLite compares
//     them as text: east of Greenwich a retry waits for hours, west of it the
//     retry comes at once. Times are turned to UTC first.
//   - For a row that was deleted while it ran the driver returns a nil row,
//     over which River's completer crashes, and leaves the rest of the batch
//     undone. Such rows are left out and the rest goes on.
//   - A job is completed in its handler's transaction (I4). River completes
//     it once more afterwards; that is left out. So a handler that says done
//     after its transaction was rolled back cannot lose the job: the row stays
//     as it is and is rescued.
type driver struct {
	*riversqlite.Driver
}

func newDriver(pool *sql.DB) *driver { return &driver{Driver: riversqlite.New(pool)} }

// GetExecutor wraps the driver's own.
func (d *driver) GetExecutor() riverdriver.Executor {
	return &executor{Executor: d.Driver.GetExecutor()}
}

// UnwrapExecutor wraps the driver's own.
func (d *driver) UnwrapExecutor(tx *sql.Tx) riverdriver.ExecutorTx {
	return &executorTx{ExecutorTx: d.Driver.UnwrapExecutor(tx)}
}

// UnwrapTx takes our wrapper off before the driver looks.
func (d *driver) UnwrapTx(tx riverdriver.ExecutorTx) *sql.Tx {
	if ours, ok := tx.(*executorTx); ok {
		tx = ours.ExecutorTx
	}
	return d.Driver.UnwrapTx(tx)
}

type executor struct {
	riverdriver.Executor
}

func (e *executor) Begin(ctx context.Context) (riverdriver.ExecutorTx, error) {
	return beginWrapped(ctx, e.Executor)
}

func (e *executor) JobSetStateIfRunningMany(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	return setStates(ctx, e.Executor, params)
}

type executorTx struct {
	riverdriver.ExecutorTx
}

func (e *executorTx) Begin(ctx context.Context) (riverdriver.ExecutorTx, error) {
	return beginWrapped(ctx, e.ExecutorTx)
}

func (e *executorTx) JobSetStateIfRunningMany(ctx context.Context, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	return setStates(ctx, e.ExecutorTx, params)
}

func beginWrapped(ctx context.Context, inner riverdriver.Executor) (riverdriver.ExecutorTx, error) {
	tx, err := inner.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin for the queue: %w", err)
	}
	return &executorTx{ExecutorTx: tx}, nil
}

// setStates sets the states of jobs that are still running and returns the rows
// that exist, in the order asked for.
func setStates(ctx context.Context, inner riverdriver.Executor, params *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	rest := unfinished(params)
	found := make([]*rivertype.JobRow, 0, len(rest.ID))
	for len(rest.ID) > 0 {
		rows, err := inner.JobSetStateIfRunningMany(ctx, rest)
		if err != nil {
			return nil, fmt.Errorf("set job states: %w", err)
		}
		missing := len(rows)
		for i, row := range rows {
			if row == nil { // deleted; the driver stopped here
				missing = i
				break
			}
			found = append(found, row)
		}
		rest = after(rest, missing+1)
	}
	return found, nil
}

// unfinished copies params without the completed jobs and with times in UTC.
func unfinished(p *riverdriver.JobSetStateIfRunningManyParams) *riverdriver.JobSetStateIfRunningManyParams {
	out := &riverdriver.JobSetStateIfRunningManyParams{Schema: p.Schema, Now: utc(p.Now)}
	for i, state := range p.State {
		if state == rivertype.JobStateCompleted {
			continue
		}
		out.ID = append(out.ID, p.ID[i])
		out.Attempt = append(out.Attempt, p.Attempt[i])
		out.ErrData = append(out.ErrData, p.ErrData[i])
		out.FinalizedAt = append(out.FinalizedAt, utc(p.FinalizedAt[i]))
		out.MetadataDoMerge = append(out.MetadataDoMerge, p.MetadataDoMerge[i])
		out.MetadataUpdates = append(out.MetadataUpdates, p.MetadataUpdates[i])
		out.ScheduledAt = append(out.ScheduledAt, utc(p.ScheduledAt[i]))
		out.State = append(out.State, state)
	}
	return out
}

// after returns the jobs of p from index n on.
func after(p *riverdriver.JobSetStateIfRunningManyParams, n int) *riverdriver.JobSetStateIfRunningManyParams {
	n = min(n, len(p.ID))
	return &riverdriver.JobSetStateIfRunningManyParams{
		ID:              p.ID[n:],
		Attempt:         p.Attempt[n:],
		ErrData:         p.ErrData[n:],
		FinalizedAt:     p.FinalizedAt[n:],
		MetadataDoMerge: p.MetadataDoMerge[n:],
		MetadataUpdates: p.MetadataUpdates[n:],
		Now:             p.Now,
		ScheduledAt:     p.ScheduledAt[n:],
		Schema:          p.Schema,
		State:           p.State[n:],
	}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
