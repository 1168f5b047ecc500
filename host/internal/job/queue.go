package job

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/riverqueue/river"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

const (
	// workersDefault is high because an attempt mostly waits: for others to
	// share a call with, and for the service to answer.
	workersDefault = 100

	timeoutDefault = 2 * time.Minute

	// rescueMargin is how long after its timeout an attempt that never ended is
	// given up and run again.
	rescueMargin = time.Minute

	// fetchCooldown bounds fetches to 200 a second; with fetchPoll a new job
	// waits about 10 ms, and an idle queue costs a few per cent of one core.
	fetchCooldown = 5 * time.Millisecond
	fetchPoll     = 15 * time.Millisecond

	// keepCompleted is how long ended jobs stay in the table. What they did is
	// in the audit trail; the rows only help to look into a fault.
	keepCompleted = 24 * time.Hour

	// attemptsMax keeps River from ever giving up by itself: when attempts are
	// used up is the recipe's business. It is the largest value that the column
	// holds on PostgreSQL.
	attemptsMax = math.MaxInt16

	// stopGrace is how long Stop waits for attempts whose context it has ended.
	stopGrace = 10 * time.Second
)

// crashDefault paces work whose handler breaks down: soon again in case it was
// a passing fault, then every few minutes so that it cannot hurt the others.
var crashDefault = Backoff{First: time.Second, Factor: 300, Cap: 10 * time.Minute}

// Config configures a Queue. A zero optional field means its stated default.
type Config struct {
	DB      *db.DB        // required
	Log     hclog.Logger  // default: no log
	Workers int           // attempts at the same time; default 100
	Timeout time.Duration // of one attempt; default 2 minutes
	Crash   Backoff       // after a panic, or an attempt that never ended; default 1 s, x3, at most 10 min
	Seed    uint64        // of the jitter in waits; default random, tests pin it
}

// Queue is the job queue of one database. Its methods may be called
// concurrently. Before Start, and on a shared database, it only enqueues.
type Queue struct {
	db      *db.DB
	log     hclog.Logger
	client  *river.Client[*sql.Tx]
	crash   Backoff
	seed    uint64
	handler Handler // set once by Start
	started atomic.Bool
	active  atomic.Int64 // handlers running here
	counts  counts
}

// New makes a queue. Nothing runs before Start.
func New(cfg Config) (*Queue, error) {
	if cfg.DB == nil {
		return nil, errors.New("job queue needs a database")
	}
	if cfg.Workers < 0 || cfg.Workers > river.QueueNumWorkersMax {
		return nil, fmt.Errorf("job queue: %d workers; want 1 to %d", cfg.Workers, river.QueueNumWorkersMax)
	}
	if cfg.Timeout < 0 {
		return nil, fmt.Errorf("job queue: timeout %s is negative", cfg.Timeout)
	}
	q := &Queue{db: cfg.DB, log: cfg.Log, crash: cfg.Crash, seed: cfg.Seed}
	if q.log == nil {
		q.log = hclog.NewNullLogger()
	}
	if q.crash == (Backoff{}) {
		q.crash = crashDefault
	}
	if err := q.crash.Check(); err != nil {
		return nil, fmt.Errorf("job queue: policy for crashes: %w", err)
	}
	for q.seed == 0 {
		q.seed = rand.Uint64() //nolint:gosec // spreads load, guards nothing
	}
	client, err := newClient(q, orDefault(cfg.Workers, workersDefault), orDefault(cfg.Timeout, timeoutDefault))
	if err != nil {
		return nil, fmt.Errorf("job queue: %w", err)
	}
	q.client = client
	return q, nil
}

func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func newClient(q *Queue, workers int, timeout time.Duration) (*river.Client[*sql.Tx], error) {
	bundle := river.NewWorkers()
	if err := river.AddWorkerSafely(bundle, &worker{queue: q}); err != nil {
		return nil, fmt.Errorf("register worker: %w", err)
	}
	return river.NewClient(newDriver(q.db.Writer()), &river.Config{
		CompletedJobRetentionPeriod: keepCompleted,
		FetchCooldown:               fetchCooldown,
		FetchPollInterval:           fetchPoll,
		JobTimeout:                  timeout,
		Logger:                      slog.New(logHandler{log: q.log}),
		MaxAttempts:                 attemptsMax,
		PollOnly:                    true,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		RescueStuckJobsAfter:        timeout + rescueMargin,
		RetryPolicy:                 crashPolicy{queue: q},
		Workers:                     bundle,
	})
}

// Start begins to work the queue with h. The database must be held exclusively:
// a job that is marked as running was then left by a process that died, and is
// run again at once. Only Stop ends the work; ctx bounds the start alone. A
// Queue is started once.
func (q *Queue) Start(ctx context.Context, h Handler) error {
	if h == nil {
		return errors.New("job queue needs a handler")
	}
	if !q.db.Exclusive() {
		return errors.New("this process opened the database beside another one and must not work its jobs")
	}
	if q.started.Swap(true) {
		return errors.New("job queue was started before")
	}
	q.handler = h
	if err := q.takeOver(ctx); err != nil {
		return err
	}
	if err := q.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start job queue: %w", err)
	}
	return nil
}

// takeOver makes ready what a process that died left behind: jobs that it ran,
// whose attempt is not counted, and its lease on the queue's upkeep.
func (q *Queue) takeOver(ctx context.Context) error {
	return q.db.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE river_job SET state = 'available',
			attempt = CASE WHEN attempt > 0 THEN attempt - 1 ELSE 0 END WHERE state = 'running'`)
		if err != nil {
			return fmt.Errorf("requeue interrupted jobs: %w", err)
		}
		if n, err := res.RowsAffected(); err == nil && n > 0 {
			q.log.Info("running interrupted jobs again", "jobs", n)
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM river_leader`); err != nil {
			return fmt.Errorf("take over the queue: %w", err)
		}
		return nil
	})
}

// Stop fetches no more jobs and waits for the attempts in flight to end. When
// ctx ends first, their contexts are ended too, and the error says so; what they
// left undone runs again after the next Start.
func (q *Queue) Stop(ctx context.Context) error {
	if !q.started.Load() {
		return nil
	}
	err := q.client.Stop(ctx)
	if err == nil {
		return nil
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if hard := q.client.StopAndCancel(last); hard != nil {
		return fmt.Errorf("%d attempts did not stop: %w", q.active.Load(), hard)
	}
	return fmt.Errorf("attempts in flight were cut short: %w", err)
}
