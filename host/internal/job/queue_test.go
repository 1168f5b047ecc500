package job

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

func TestRunsFoldIntoALiveOne(t *testing.T) {
	r := newRig(t, Config{})
	r.update(func(ctx context.Context, tx *db.Tx) error { return r.q.Enqueue(ctx, tx, runs(1, 2, 1)...) })
	r.enqueue(2, 3)
	r.enqueue()
	if got := r.count("river_job"); got != 3 {
		t.Errorf("%d jobs, want 3", got)
	}
	running, release := make(chan int64, 10), make(chan struct{})
	r.start(func(ctx context.Context, a Attempt) Result {
		running <- a.Work
		<-release
		return r.done(ctx, a)
	})
	for range 3 {
		receive(t, running)
	}
	r.enqueue(1) // folds into the one that runs
	close(release)
	r.idle()
	r.enqueue(1) // nothing live left: a new one
	r.idle()
	if got := len(running); got != 1 {
		t.Errorf("%d more attempts, want 1", got)
	}
}

func TestEnqueueFollowsItsTransaction(t *testing.T) {
	r := newRig(t, Config{})
	broken := errors.New("broken")
	err := r.db.Update(t.Context(), func(tx *db.Tx) error {
		if err := r.q.Enqueue(t.Context(), tx, Run{Work: 1}); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if got := r.count("river_job"); got != 0 {
		t.Errorf("%d jobs after a rollback, want 0", got)
	}
}

func TestEnqueueRefusesWhatIsNoRow(t *testing.T) {
	r := newRig(t, Config{})
	err := r.db.Update(t.Context(), func(tx *db.Tx) error { return r.q.Enqueue(t.Context(), tx, Run{}) })
	if err == nil {
		t.Error("a run for no work was stored")
	}
}

// I4: the end of a job and what it achieved are stored together or not at all.
func TestCompletionCommitsWithTheHandlersState(t *testing.T) {
	r := newRig(t, Config{})
	broken := errors.New("broken")
	after := make(chan string, 10)
	r.start(func(ctx context.Context, a Attempt) Result {
		err := r.db.Update(ctx, func(tx *db.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO param (recipe, name, value, set_at) VALUES ('r', 'n', '', $1)`, time.Now()); err != nil {
				return err
			}
			if err := r.q.Complete(ctx, tx, a); err != nil {
				return err
			}
			if a.Number == 1 {
				return broken
			}
			return nil
		})
		after <- fmt.Sprintf("%v: %d rows, job %s", err, r.count("param"), r.state("state"))
		if err != nil {
			return Retry(0)
		}
		return Done()
	})
	r.enqueue(1)
	got := []string{receive(t, after), receive(t, after)}
	want := []string{"broken: 0 rows, job running", "<nil>: 1 rows, job completed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("after each attempt (-want +got):\n%s", diff)
	}
	r.idle()
}

func TestCompleteAndAgainRunsOnceMore(t *testing.T) {
	r := newRig(t, Config{})
	attempts := make(chan Attempt, 10)
	first := true
	r.start(func(ctx context.Context, a Attempt) Result {
		attempts <- a
		if !first {
			return r.done(ctx, a)
		}
		first = false
		if err := r.db.Update(ctx, func(tx *db.Tx) error { return r.q.CompleteAndAgain(ctx, tx, a) }); err != nil {
			t.Error(err)
		}
		return Done()
	})
	r.enqueue(5)
	r.idle()
	if len(attempts) != 2 {
		t.Fatalf("%d attempts, want 2", len(attempts))
	}
	one, two := <-attempts, <-attempts
	if one.Work != 5 || two.Work != 5 || two.Number != 1 || one.id == two.id {
		t.Errorf("got %+v and %+v, want two runs of work 5, each in its first attempt", one, two)
	}
}

// An attempt that outlived its time must not end the run that replaced it.
func TestCompleteRefusesAnAttemptThatLostItsRun(t *testing.T) {
	for _, tc := range []struct{ name, loses string }{
		{name: "given to another attempt", loses: `UPDATE river_job SET attempt = attempt + 1`},
		{name: "rescued", loses: `UPDATE river_job SET state = 'retryable', scheduled_at = '2999-01-01'`},
		{name: "removed", loses: `DELETE FROM river_job`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, Config{})
			got := make(chan error, 1)
			r.start(func(ctx context.Context, a Attempt) Result {
				r.update(func(ctx context.Context, tx *db.Tx) error {
					_, err := tx.ExecContext(ctx, tc.loses)
					return err
				})
				got <- r.db.Update(ctx, func(tx *db.Tx) error { return r.q.CompleteAndAgain(ctx, tx, a) })
				return Retry(time.Hour)
			})
			r.enqueue(1)
			if err := receive(t, got); !errors.Is(err, ErrLost) {
				t.Errorf("got %v, want ErrLost", err)
			}
			r.idle()
		})
	}
}

func TestCompleteRefusesAnAttemptOfItsOwnMaking(t *testing.T) {
	r := newRig(t, Config{})
	if err := r.db.Update(t.Context(), func(tx *db.Tx) error { return r.q.Complete(t.Context(), tx, Attempt{Work: 1}) }); err == nil {
		t.Error("completed nothing")
	}
}

const canary = "canary-4242-secret"

func TestHandlerThatBreaksDownIsRunAgain(t *testing.T) {
	var none []int
	for _, tc := range []struct {
		name   string
		breaks func(*rig, context.Context, Attempt) Result
		want   string
	}{
		{name: "panic with a value", breaks: func(*rig, context.Context, Attempt) Result { panic(canary) }, want: "panic with a value of type string"},
		{name: "panic with an error", breaks: func(*rig, context.Context, Attempt) Result { panic(errors.New(canary)) }, want: "panic with a value of type *errors.errorString"},
		{name: "panic of the runtime", breaks: func(*rig, context.Context, Attempt) Result { return Retry(time.Duration(none[3])) }, want: "panic: runtime error: index out of range [3] with length 0"},
		{name: "no result", breaks: func(*rig, context.Context, Attempt) Result { return Result{} }, want: "handler returned no result"},
		{name: "done without completing", breaks: func(*rig, context.Context, Attempt) Result { return Done() }, want: "handler ended its work without completing the run"},
		{name: "parked without completing", breaks: func(*rig, context.Context, Attempt) Result { return Park() }, want: "handler ended its work without completing the run"},
		{name: "panic after completing in vain", breaks: func(r *rig, ctx context.Context, a Attempt) Result {
			_ = r.db.Update(ctx, func(tx *db.Tx) error {
				if err := r.q.Complete(ctx, tx, a); err != nil {
					return err
				}
				panic(canary)
			})
			return Done()
		}, want: "panic with a value of type string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var mu sync.Mutex
			var out strings.Builder
			log := hclog.New(&hclog.LoggerOptions{Output: &out, Mutex: &mu, Level: hclog.Trace})
			r := newRig(t, Config{Log: log, Crash: Backoff{First: time.Millisecond, Factor: 100, Cap: time.Millisecond}})
			attempts := make(chan Attempt, 10)
			r.start(func(ctx context.Context, a Attempt) Result {
				attempts <- a
				if a.Number == 1 {
					return tc.breaks(r, ctx, a)
				}
				return r.done(ctx, a)
			})
			r.enqueue(1)
			first, second := receive(t, attempts), receive(t, attempts)
			r.idle()
			if first.Crash != "" || second.Number != 2 || second.Crash != tc.want {
				t.Errorf("got %+v then %+v, want a second attempt after %q", first, second, tc.want)
			}
			mu.Lock()
			defer mu.Unlock()
			if !strings.Contains(out.String(), tc.want) {
				t.Errorf("the log does not say %q:\n%s", tc.want, out.String())
			}
			for place, text := range map[string]string{"log": out.String(), "job row": r.state("errors")} {
				if strings.Contains(text, canary) { // I8
					t.Errorf("the %s quotes the panic's value:\n%s", place, text)
				}
			}
		})
	}
}

// A handler that says done although its transaction was rolled back must not
// lose the job: the row stays as it is, for the rescue or the next start.
func TestDoneAfterARollbackKeepsTheJob(t *testing.T) {
	r := newRig(t, Config{})
	ended := make(chan struct{}, 1)
	r.start(func(ctx context.Context, a Attempt) Result {
		_ = r.db.Update(ctx, func(tx *db.Tx) error {
			if err := r.q.Complete(ctx, tx, a); err != nil {
				return err
			}
			return errors.New("rolled back")
		})
		ended <- struct{}{}
		return Done()
	})
	r.enqueue(1)
	receive(t, ended)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.q.Stop(ctx); err != nil { // River has written all that it will
		t.Fatal(err)
	}
	if got := r.state("state"); got != "running" {
		t.Errorf("the job is %s, want running", got)
	}
}

// The row of a running job disappears; the rest of the batch is not disturbed.
func TestJobDeletedWhileItRuns(t *testing.T) {
	r := newRig(t, Config{})
	const jobs, gone = 20, 7
	var mu sync.Mutex
	tries := map[int64]int{}
	running, release := make(chan struct{}, 2*jobs), make(chan struct{})
	r.start(func(ctx context.Context, a Attempt) Result {
		mu.Lock()
		tries[a.Work]++
		again := tries[a.Work] > 1
		mu.Unlock()
		if again {
			return r.done(ctx, a)
		}
		running <- struct{}{}
		<-release
		return Wait(0)
	})
	var works []int64
	for i := range jobs {
		works = append(works, int64(i+1))
	}
	r.enqueue(works...)
	for range jobs {
		receive(t, running)
	}
	r.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM river_job WHERE args = $1`, []byte(fmt.Sprintf(`{"work":%d}`, gone)))
		return err
	})
	if got := r.count("river_job"); got != jobs-1 {
		t.Fatalf("%d rows, want %d", got, jobs-1)
	}
	close(release)
	r.idle()
	mu.Lock()
	defer mu.Unlock()
	var once []int64
	for work, n := range tries {
		if n != 2 {
			once = append(once, work)
		}
	}
	sort.Slice(once, func(i, j int) bool { return once[i] < once[j] })
	if diff := cmp.Diff([]int64{gone}, once); diff != "" {
		t.Errorf("works that did not run twice (-want +got):\n%s", diff)
	}
}

func TestStopLetsTheAttemptFinish(t *testing.T) {
	r := newRig(t, Config{})
	running, release, stopped := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	if err := r.q.Start(t.Context(), func(ctx context.Context, a Attempt) Result {
		close(running)
		<-release
		if ctx.Err() != nil {
			t.Error("the attempt was cut short")
		}
		return r.done(ctx, a)
	}); err != nil {
		t.Fatal(err)
	}
	r.enqueue(1)
	receive(t, running)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() { stopped <- r.q.Stop(ctx) }()
	select {
	case err := <-stopped:
		t.Fatalf("stopped with an attempt in flight: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	if err := receive(t, stopped); err != nil {
		t.Error(err)
	}
	if got := r.state("state"); got != "completed" {
		t.Errorf("the job is %s, want completed", got)
	}
}

func TestStopEndsTheAttemptWhenItsTimeIsOver(t *testing.T) {
	r := newRig(t, Config{})
	running := make(chan struct{})
	if err := r.q.Start(t.Context(), func(ctx context.Context, _ Attempt) Result {
		close(running)
		<-ctx.Done()
		return Wait(0)
	}); err != nil {
		t.Fatal(err)
	}
	r.enqueue(1)
	receive(t, running)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := r.q.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	if got := r.state("state"); got != "available" {
		t.Errorf("the job is %s, want available", got)
	}
}

func TestAttemptsTimeIsLimited(t *testing.T) {
	r := newRig(t, Config{Timeout: 50 * time.Millisecond})
	ended := make(chan error, 1)
	r.start(func(ctx context.Context, a Attempt) Result {
		<-ctx.Done()
		ended <- ctx.Err()
		return r.done(context.WithoutCancel(ctx), a)
	})
	r.enqueue(1)
	if err := receive(t, ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	r.idle()
}

// A command beside the service enqueues, and only the service works.
func TestSharedDatabaseEnqueuesAndDoesNotWork(t *testing.T) {
	dir := t.TempDir()
	service := newRig(t, Config{DB: openDB(t, db.Config{Dir: dir})})
	command := newRig(t, Config{DB: openDB(t, db.Config{Dir: dir, Shared: true})})
	if err := command.q.Start(t.Context(), func(context.Context, Attempt) Result { return Done() }); err == nil {
		t.Error("a shared database started to work jobs")
	}
	attempts := make(chan Attempt, 1)
	service.start(func(ctx context.Context, a Attempt) Result {
		attempts <- a
		return service.done(ctx, a)
	})
	command.enqueue(9)
	if got := receive(t, attempts); got.Work != 9 {
		t.Errorf("got work %d, want 9", got.Work)
	}
	service.idle()
}

func TestStartIsForOnce(t *testing.T) {
	r := newRig(t, Config{})
	if err := r.q.Start(t.Context(), nil); err == nil {
		t.Error("started without a handler")
	}
	r.start(func(context.Context, Attempt) Result { return Done() })
	if err := r.q.Start(t.Context(), func(context.Context, Attempt) Result { return Done() }); err == nil {
		t.Error("started twice")
	}
}

func TestNewRefusesABadConfig(t *testing.T) {
	d := openDB(t, db.Config{Dir: t.TempDir()})
	for _, tc := range []struct {
		name string
		cfg  Config
	}{
		{name: "no database"},
		{name: "negative workers", cfg: Config{DB: d, Workers: -1}},
		{name: "too many workers", cfg: Config{DB: d, Workers: 10_001}},
		{name: "negative timeout", cfg: Config{DB: d, Timeout: -1}},
		{name: "bad policy", cfg: Config{DB: d, Crash: Backoff{First: 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := New(tc.cfg); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestStats(t *testing.T) {
	r := newRig(t, Config{})
	begin := time.Now()
	r.enqueue(1, 2, 3, 4)
	r.update(func(ctx context.Context, tx *db.Tx) error {
		return r.q.EnqueueAt(ctx, tx, Run{Work: 5}, time.Now().Add(time.Hour))
	})
	got, err := r.q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if age := got.Oldest.Sub(begin).Abs(); age > late {
		t.Errorf("oldest is %v, want about %v", got.Oldest, begin)
	}
	got.Oldest = time.Time{}
	if diff := cmp.Diff(Stats{Due: 4, Later: 1}, got); diff != "" {
		t.Errorf("before (-want +got):\n%s", diff)
	}
	r.start(func(ctx context.Context, a Attempt) Result {
		switch {
		case a.Work == 1:
			return Retry(time.Hour)
		case a.Work == 2:
			return Wait(time.Hour)
		case a.Work == 3:
			r.done(ctx, a)
			return Park()
		}
		return r.done(ctx, a)
	})
	r.idle()
	if got, err = r.q.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Stats{Later: 3, Done: 1, Parked: 1, Retried: 1, Waited: 1}, got); diff != "" {
		t.Errorf("after (-want +got):\n%s", diff)
	}
}

func TestIdleEndsWithItsContext(t *testing.T) {
	r := newRig(t, Config{})
	r.enqueue(1)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := r.q.Idle(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}
