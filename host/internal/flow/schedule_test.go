package flow

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// schedule is a queue in a table of the same database whose jobs run when the
// test says so, and whose waits end at once.
type schedule struct{ failComplete bool }

func (s *schedule) Enqueue(ctx context.Context, tx *db.Tx, runs ...job.Run) error {
	for _, r := range runs {
		if _, err := tx.ExecContext(ctx, `INSERT INTO test_job (work, number) VALUES ($1, 1) ON CONFLICT (work) DO NOTHING`, r.Work); err != nil {
			return err
		}
	}
	return nil
}

func (s *schedule) Wake(ctx context.Context, tx *db.Tx, runs ...job.Run) error {
	return s.Enqueue(ctx, tx, runs...)
}

func (s *schedule) Complete(ctx context.Context, tx *db.Tx, a job.Attempt) error {
	if s.failComplete {
		s.failComplete = false
		return errInjected
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM test_job WHERE work = $1`, a.Work)
	return err
}

func (s *schedule) CompleteAndAgain(ctx context.Context, tx *db.Tx, a job.Attempt) error {
	if err := s.Complete(ctx, tx, a); err != nil {
		return err
	}
	return s.Enqueue(ctx, tx, job.Run{Work: a.Work})
}

// stepHost is a host whose jobs run one by one.
type stepHost struct {
	*host
	sched *schedule
	runs  int
}

func (w *world) openStepping(t testing.TB, dir string) *stepHost {
	t.Helper()
	h := &stepHost{host: w.open(t, dir, pairRecipe), sched: &schedule{}}
	h.eng.cfg.Queue = h.sched
	h.eng.reads.window = func(lane) time.Duration { return 0 }
	h.eng.writes.window = h.eng.reads.window
	h.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS test_job (work INTEGER PRIMARY KEY, number INTEGER NOT NULL)`)
		return err
	})
	return h
}

// queued lists the jobs, oldest work first.
func (h *stepHost) queued() []job.Attempt {
	h.t.Helper()
	rows, err := h.db.Read().QueryContext(h.t.Context(), `SELECT work, number FROM test_job ORDER BY work`)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	var out []job.Attempt
	for rows.Next() {
		var a job.Attempt
		if err := rows.Scan(&a.Work, &a.Number); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, a)
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return out
}

// attempt runs one job, and counts the attempt if it failed.
func (h *stepHost) attempt(a job.Attempt) {
	h.t.Helper()
	h.runs++
	h.eng.Run(h.t.Context(), a)
	h.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE test_job SET number = number + 1
			WHERE work = $1 AND number = $2 AND EXISTS (SELECT 1 FROM work WHERE id = $1 AND state = 'retrying')`, a.Work, a.Number)
		return err
	})
}

// dieAt runs one job until it reaches a step, and leaves it there for good: what
// is on the disk then goes to a new host. It returns this host when the job ends
// without coming there.
func (h *stepHost) dieAt(w *world, a job.Attempt, arm func(h *stepHost, reached func())) *stepHost {
	h.t.Helper()
	at, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	hit := false
	arm(h, func() {
		if !hit {
			hit = true
			close(at)
			<-release
		}
	})
	go func() {
		defer close(done)
		h.attempt(a)
	}()
	select {
	case <-done:
		h.disarm()
		return h
	case <-at:
	case <-time.After(patience):
		h.t.Fatal("the attempt neither ends nor reaches the step")
	}
	dir := copyData(h.t, h.dir)
	for _, p := range []*port{h.a, h.b} {
		p.set(func(p *port) { p.dead = true })
	}
	close(release)
	<-done
	h.stop()
	return w.openStepping(h.t, dir)
}

// disarm takes all hooks away.
func (h *stepHost) disarm() {
	for _, p := range []*port{h.a, h.b} {
		p.set(func(p *port) { p.onList, p.onGet, p.onUpsert, p.onAnswer, p.refuse = nil, nil, nil, nil, nil })
	}
	h.sched.failComplete = false
}

// once arms a hook for one call.
func once[R any](err error) func(context.Context, R) error {
	used := false
	return func(context.Context, R) error {
		if used {
			return nil
		}
		used = true
		return err
	}
}

// rest works and polls until nothing more comes, with a person who replays what
// can be replayed.
func (h *stepHost) rest() error {
	for _, name := range []string{"a", "b"} {
		_ = h.conns.Pause(h.t.Context(), name, "", "")
	}
	for range 60 {
		n := h.pollAll()
		jobs := h.queued()
		for _, a := range jobs {
			h.attempt(a)
		}
		if n > 0 || len(jobs) > 0 {
			runtime.Gosched()
			continue
		}
		failures, err := Failures(h.t.Context(), h.db)
		if err != nil {
			return err
		}
		open := 0
		for _, f := range failures {
			if f.State == Dead {
				open++
				if err := Replay(h.t.Context(), h.db, h.audit, h.sched, []int64{f.ID}); err != nil {
					return err
				}
			}
		}
		if open == 0 {
			return nil
		}
	}
	return errors.New("the systems do not come to rest")
}

var unavailable = connector.Errorf(connector.Unavailable, "service", "down")
