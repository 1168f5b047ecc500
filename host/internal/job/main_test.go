package job

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones below, on a machine without them

	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// patience bounds every wait for an event in these tests.
const patience = 20 * time.Second

const (
	victimEnv = "ML_CONNECTOR_TEST_VICTIM_DIR"
	zoneEnv   = "ML_CONNECTOR_TEST_ZONE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		victim(dir)
		return
	}
	if zone := os.Getenv(zoneEnv); zone != "" && time.Local.String() != zone {
		fmt.Println("the zone is not taken from the environment")
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// victim is a host that takes a job and never ends it.
func victim(dir string) {
	ctx := context.Background()
	d, err := db.Open(ctx, db.Config{Dir: dir})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	q, err := New(Config{DB: d})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	err = q.Start(ctx, func(ctx context.Context, a Attempt) Result {
		fmt.Printf("running %d attempt %d\n", a.Work, a.Number)
		<-ctx.Done()
		return Result{}
	})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// TestInOtherZones runs the tests that depend on the clock again, east and west
// of Greenwich, where text that is not in UTC makes jobs hours early or late.
func TestInOtherZones(t *testing.T) {
	if os.Getenv(zoneEnv) != "" {
		t.Skip("already in another zone")
	}
	for _, zone := range []string{"Pacific/Auckland", "America/Los_Angeles"} {
		t.Run(zone, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestClock", "-test.count=1", "-test.v")
			cmd.Env = append(os.Environ(), zoneEnv+"="+zone, "TZ="+zone)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if ran := strings.Count(string(out), "--- PASS: TestClock"); ran < 5 {
				t.Errorf("only %d tests ran:\n%s", ran, out)
			}
		})
	}
}

// rig is a queue over a fresh database.
type rig struct {
	t  *testing.T
	db *db.DB
	q  *Queue
}

func openDB(t *testing.T, cfg db.Config) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	if cfg.DB == nil {
		cfg.DB = openDB(t, db.Config{Dir: t.TempDir()})
	}
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	q, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, db: cfg.DB, q: q}
}

// start works the queue until the test ends.
func (r *rig) start(h Handler) {
	r.t.Helper()
	if err := r.q.Start(r.t.Context(), h); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.q.Stop(ctx); err != nil {
			r.t.Errorf("stop: %v", err)
		}
	})
}

func (r *rig) update(fn func(ctx context.Context, tx *db.Tx) error) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), func(tx *db.Tx) error { return fn(r.t.Context(), tx) }); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) enqueue(works ...int64) {
	r.t.Helper()
	r.update(func(ctx context.Context, tx *db.Tx) error { return r.q.Enqueue(ctx, tx, runs(works...)...) })
}

func runs(works ...int64) []Run {
	out := make([]Run, len(works))
	for i, w := range works {
		out[i] = Run{Work: w}
	}
	return out
}

// idle waits until nothing is due within the next minute.
func (r *rig) idle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	if err := r.q.Idle(ctx, time.Minute); err != nil {
		r.t.Fatal(err)
	}
}

// done completes the attempt's run, as a handler does.
func (r *rig) done(ctx context.Context, a Attempt) Result {
	if err := r.db.Update(ctx, func(tx *db.Tx) error { return r.q.Complete(ctx, tx, a) }); err != nil {
		r.t.Errorf("complete work %d: %v", a.Work, err)
	}
	return Done()
}

// state reads one column of the only job row.
func (r *rig) state(column string) string {
	r.t.Helper()
	var s string
	if err := r.db.Read().QueryRowContext(r.t.Context(), `SELECT CAST(`+column+` AS TEXT) FROM river_job`).Scan(&s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// count counts rows.
func (r *rig) count(from string) int {
	r.t.Helper()
	var n int
	if err := r.db.Read().QueryRowContext(r.t.Context(), `SELECT count(*) FROM `+from).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
