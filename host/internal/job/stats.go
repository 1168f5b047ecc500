package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// idlePoll is how often Idle looks.
const idlePoll = 20 * time.Millisecond

// Stats describes the queue: its rows now, and the attempts since this process
// started.
type Stats struct {
	Due     int       // could run now
	Running int       // being attempted
	Later   int       // waiting for their time
	Oldest  time.Time // since when the longest due run waits; zero when none is due

	Done, Parked, Retried, Waited, Crashed int64 // attempts by how they ended
}

type counts struct {
	done, parked, retried, waited, crashed atomic.Int64
}

func (c *counts) ended(v verdict) {
	if v == verdictPark {
		c.parked.Add(1)
		return
	}
	c.done.Add(1)
}

// Stats reads the state of the queue.
func (q *Queue) Stats(ctx context.Context) (Stats, error) {
	s := Stats{
		Done:    q.counts.done.Load(),
		Parked:  q.counts.parked.Load(),
		Retried: q.counts.retried.Load(),
		Waited:  q.counts.waited.Load(),
		Crashed: q.counts.crashed.Load(),
	}
	now := time.Now().UTC()
	err := q.db.Read().QueryRowContext(ctx, `SELECT
			coalesce(sum(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0),
			coalesce(sum(CASE WHEN state <> 'running' AND scheduled_at <= $1 THEN 1 ELSE 0 END), 0),
			coalesce(sum(CASE WHEN state <> 'running' AND scheduled_at > $1 THEN 1 ELSE 0 END), 0)
		FROM river_job WHERE state IN ('available', 'running', 'scheduled', 'retryable')`, now).
		Scan(&s.Running, &s.Due, &s.Later)
	if err != nil {
		return Stats{}, fmt.Errorf("count jobs: %w", err)
	}
	err = q.db.Read().QueryRowContext(ctx, `SELECT scheduled_at FROM river_job
		WHERE state IN ('available', 'scheduled', 'retryable') AND scheduled_at <= $1
		ORDER BY scheduled_at LIMIT 1`, now).Scan(&s.Oldest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Stats{}, fmt.Errorf("find the oldest job: %w", err)
	}
	return s, nil
}

// Idle waits until no run is being attempted and none is due within the given
// time from now, or until ctx ends. Runs that wait longer do not count.
func (q *Queue) Idle(ctx context.Context, within time.Duration) error {
	tick := time.NewTicker(idlePoll)
	defer tick.Stop()
	for {
		busy, err := q.busy(ctx, within)
		if err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for an idle queue: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func (q *Queue) busy(ctx context.Context, within time.Duration) (bool, error) {
	var one int
	err := q.db.Read().QueryRowContext(ctx, `SELECT 1 FROM river_job
		WHERE state IN ('available', 'running', 'scheduled', 'retryable')
		AND (state = 'running' OR scheduled_at <= $1) LIMIT 1`, time.Now().UTC().Add(within)).Scan(&one)
	switch {
	case err == nil:
		return true, nil
	case !errors.Is(err, sql.ErrNoRows):
		return false, fmt.Errorf("look for jobs: %w", err)
	}
	// A handler that has completed its run is still returning.
	return q.active.Load() > 0, nil
}
