package job

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// late is how far behind its time an attempt may start on a loaded machine. It
// is far less than the distance of any zone from UTC.
const late = 10 * time.Second

type seen struct {
	Attempt
	at time.Time
}

func TestClockWaitsAreObeyed(t *testing.T) {
	const wait = 400 * time.Millisecond
	for _, tc := range []struct {
		name   string
		result Result
		want   []int
	}{
		{name: "a retry counts an attempt", result: Retry(wait), want: []int{1, 2, 3}},
		{name: "a wait counts none", result: Wait(wait), want: []int{1, 1, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, Config{})
			attempts := make(chan seen, 10)
			left := 2
			r.start(func(ctx context.Context, a Attempt) Result {
				attempts <- seen{a, time.Now()}
				if left == 0 {
					return r.done(ctx, a)
				}
				left--
				return tc.result
			})
			r.enqueue(7)
			var numbers []int
			var last time.Time
			for i := range tc.want {
				got := receive(t, attempts)
				numbers = append(numbers, got.Number)
				if gap := got.at.Sub(last); i > 0 && (gap < wait || gap > wait+late) {
					t.Errorf("attempt %d came after %s, want %s", i+1, gap, wait)
				}
				last = got.at
			}
			if diff := cmp.Diff(tc.want, numbers); diff != "" {
				t.Errorf("numbers (-want +got):\n%s", diff)
			}
			r.idle()
		})
	}
}

// A long wait is stored as UTC text; its row says when it will run.
func TestClockLongWaitsAreStoredInUTC(t *testing.T) {
	const wait = 2 * time.Hour
	for _, tc := range []struct {
		name   string
		result Result
	}{
		{name: "retry", result: Retry(wait)},
		{name: "wait", result: Wait(wait)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, Config{})
			attempts := make(chan seen, 10)
			r.start(func(_ context.Context, a Attempt) Result {
				attempts <- seen{a, time.Now()}
				return tc.result
			})
			r.enqueue(1)
			got := receive(t, attempts)
			r.idle()
			due, err := time.Parse("2006-01-02 15:04:05.999999999-07:00", r.state("scheduled_at"))
			if err != nil {
				t.Fatal(err)
			}
			if _, offset := due.Zone(); offset != 0 {
				t.Errorf("stored as %v, want UTC", due)
			}
			if gap := due.Sub(got.at); gap < wait || gap > wait+late {
				t.Errorf("due after %s, want %s", gap, wait)
			}
			if len(attempts) != 0 {
				t.Error("it ran again at once")
			}
		})
	}
}

func TestClockEnqueueAt(t *testing.T) {
	const soon, later = 500 * time.Millisecond, 3 * time.Hour
	at := func(after time.Duration) func(*rig, context.Context, *db.Tx) error {
		return func(r *rig, ctx context.Context, tx *db.Tx) error {
			return r.q.EnqueueAt(ctx, tx, Run{Work: 1}, time.Now().Add(after))
		}
	}
	now := func(r *rig, ctx context.Context, tx *db.Tx) error { return r.q.Enqueue(ctx, tx, Run{Work: 1}) }
	for _, tc := range []struct {
		name  string
		steps []func(*rig, context.Context, *db.Tx) error
		want  time.Duration // not before
		never bool
	}{
		{name: "past", steps: []func(*rig, context.Context, *db.Tx) error{at(-later)}},
		{name: "soon", steps: []func(*rig, context.Context, *db.Tx) error{at(soon)}, want: soon},
		{name: "later", steps: []func(*rig, context.Context, *db.Tx) error{at(later)}, never: true},
		{name: "an event brings it forward", steps: []func(*rig, context.Context, *db.Tx) error{at(later), now}},
		{name: "an earlier time holds", steps: []func(*rig, context.Context, *db.Tx) error{at(later), at(soon)}, want: soon},
		{name: "a later time does not", steps: []func(*rig, context.Context, *db.Tx) error{at(soon), at(later)}, want: soon},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, Config{})
			attempts := make(chan seen, 10)
			begin := time.Now()
			for _, step := range tc.steps {
				r.update(func(ctx context.Context, tx *db.Tx) error { return step(r, ctx, tx) })
			}
			if n := r.count("river_job"); n != 1 {
				t.Errorf("%d jobs, want 1", n)
			}
			r.start(func(ctx context.Context, a Attempt) Result {
				attempts <- seen{a, time.Now()}
				return r.done(ctx, a)
			})
			r.idle()
			if tc.never {
				if len(attempts) != 0 {
					t.Error("it ran hours early")
				}
				return
			}
			if gap := receive(t, attempts).at.Sub(begin); gap < tc.want || gap > tc.want+late {
				t.Errorf("ran after %s, want %s", gap, tc.want)
			}
		})
	}
}

func TestClockEnqueueAndWakeOnARunThatWaits(t *testing.T) {
	for _, tc := range []struct {
		name   string
		result Result
		wake   bool
		runs   int
	}{
		{name: "an event keeps a retry's wait", result: Retry(time.Hour), runs: 1},
		{name: "an event keeps a wait", result: Wait(time.Hour), runs: 1},
		{name: "a person cuts a retry's wait", result: Retry(time.Hour), wake: true, runs: 2},
		{name: "a person cuts a wait", result: Wait(time.Hour), wake: true, runs: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, Config{})
			attempts := make(chan Attempt, 10)
			first := true
			r.start(func(ctx context.Context, a Attempt) Result {
				attempts <- a
				if first {
					first = false
					return tc.result
				}
				return r.done(ctx, a)
			})
			r.enqueue(1)
			r.idle()
			r.update(func(ctx context.Context, tx *db.Tx) error {
				if tc.wake {
					return r.q.Wake(ctx, tx, Run{Work: 1})
				}
				return r.q.Enqueue(ctx, tx, Run{Work: 1})
			})
			r.idle()
			if got := len(attempts); got != tc.runs {
				t.Errorf("%d attempts, want %d", got, tc.runs)
			}
		})
	}
}

// A host that dies leaves its job running. The next one runs it at once, and
// the attempt that was cut off does not count.
func TestClockKilledHostsJobsRunAtOnce(t *testing.T) {
	dir := t.TempDir()
	d, err := db.Open(t.Context(), db.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Config{DB: d})
	r.enqueue(42)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}

	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close() //nolint:errcheck // only keeps the other process alive
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "running 42 attempt 1\n" {
		t.Fatalf("victim said %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	r = newRig(t, Config{DB: openDB(t, db.Config{Dir: dir})})
	attempts := make(chan seen, 1)
	begin := time.Now()
	r.start(func(ctx context.Context, a Attempt) Result {
		attempts <- seen{a, time.Now()}
		return r.done(ctx, a)
	})
	got := receive(t, attempts)
	if got.Work != 42 || got.Number != 1 || got.Crash != "" {
		t.Errorf("got %+v, want work 42, attempt 1", got.Attempt)
	}
	if gap := got.at.Sub(begin); gap > late {
		t.Errorf("it ran after %s", gap)
	}
	r.idle()
}
