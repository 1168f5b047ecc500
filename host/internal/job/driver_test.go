package job

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

// plainPool opens a database without the settings that turn times to UTC, so
// that the driver's own correction is seen. It has the queue's tables and three
// running jobs, 1 to 3.
func plainPool(t *testing.T) (*sql.DB, *driver) {
	t.Helper()
	pool, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "plain.db")+"?_time_format=sqlite")
	if err != nil {
		t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = pool.Close() })
	d := newDriver(pool)
	m, err := rivermigrate.New(d, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Migrate(t.Context(), rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	for id := range 3 {
		if _, err := pool.ExecContext(t.Context(), `INSERT INTO river_job (id, kind, max_attempts, state, attempt) VALUES ($1, 'work', 9, 'running', 1)`, id+1); err != nil {
			t.Fatal(err)
		}
	}
	return pool, d
}

// setMany builds what River asks for when attempts end.
func setMany(params ...*riverdriver.JobSetStateIfRunningParams) *riverdriver.JobSetStateIfRunningManyParams {
	many := &riverdriver.JobSetStateIfRunningManyParams{}
	for _, p := range params {
		many.ID = append(many.ID, p.ID)
		many.Attempt = append(many.Attempt, p.Attempt)
		many.ErrData = append(many.ErrData, p.ErrData)
		many.FinalizedAt = append(many.FinalizedAt, p.FinalizedAt)
		many.MetadataDoMerge = append(many.MetadataDoMerge, p.MetadataDoMerge)
		many.MetadataUpdates = append(many.MetadataUpdates, p.MetadataUpdates)
		many.ScheduledAt = append(many.ScheduledAt, p.ScheduledAt)
		many.State = append(many.State, p.State)
	}
	return many
}

func TestDriverWritesUTC(t *testing.T) {
	moment := time.Date(2026, 7, 1, 23, 30, 0, 500_000_000, time.UTC)
	const want = "2026-07-01 23:30:00.5+00:00"
	for _, zone := range []string{"Pacific/Auckland", "America/Los_Angeles"} {
		t.Run(zone, func(t *testing.T) {
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			pool, d := plainPool(t)
			at := moment.In(loc)
			_, err = d.GetExecutor().JobSetStateIfRunningMany(t.Context(), setMany(
				riverdriver.JobSetStateErrorRetryable(1, at, []byte(`{}`), nil),
				riverdriver.JobSetStateSnoozed(2, at, 0, nil),
				riverdriver.JobSetStateDiscarded(3, at, []byte(`{}`), nil),
			))
			if err != nil {
				t.Fatal(err)
			}
			for _, tc := range []struct{ name, query string }{
				{name: "retry", query: `SELECT CAST(scheduled_at AS TEXT) FROM river_job WHERE id = 1`},
				{name: "snooze", query: `SELECT CAST(scheduled_at AS TEXT) FROM river_job WHERE id = 2`},
				{name: "end", query: `SELECT CAST(finalized_at AS TEXT) FROM river_job WHERE id = 3`},
			} {
				var got string
				if err := pool.QueryRowContext(t.Context(), tc.query).Scan(&got); err != nil {
					t.Fatal(err)
				}
				if got != want {
					t.Errorf("%s: stored %q, want %q", tc.name, got, want)
				}
			}
		})
	}
}

func TestDriverSkipsDeletedRows(t *testing.T) {
	for _, tc := range []struct {
		name    string
		deleted []int64
		want    []int64
	}{
		{name: "none", want: []int64{1, 2, 3}},
		{name: "first", deleted: []int64{1}, want: []int64{2, 3}},
		{name: "middle", deleted: []int64{2}, want: []int64{1, 3}},
		{name: "last", deleted: []int64{3}, want: []int64{1, 2}},
		{name: "two in a row", deleted: []int64{1, 2}, want: []int64{3}},
		{name: "all", deleted: []int64{1, 2, 3}, want: []int64{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pool, d := plainPool(t)
			for _, id := range tc.deleted {
				if _, err := pool.ExecContext(t.Context(), `DELETE FROM river_job WHERE id = $1`, id); err != nil {
					t.Fatal(err)
				}
			}
			now := time.Now()
			rows, err := d.GetExecutor().JobSetStateIfRunningMany(t.Context(), setMany(
				riverdriver.JobSetStateSnoozed(1, now, 0, nil),
				riverdriver.JobSetStateSnoozed(2, now, 0, nil),
				riverdriver.JobSetStateSnoozed(3, now, 0, nil),
			))
			if err != nil {
				t.Fatal(err)
			}
			got := []int64{}
			for _, row := range rows {
				if row.State != rivertype.JobStateScheduled {
					t.Errorf("job %d is %s", row.ID, row.State)
				}
				got = append(got, row.ID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDriverLeavesCompletionToTheHandler(t *testing.T) {
	pool, d := plainPool(t)
	rows, err := d.GetExecutor().JobSetStateIfRunningMany(t.Context(), setMany(
		riverdriver.JobSetStateCompleted(1, time.Now(), nil),
		riverdriver.JobSetStateSnoozed(2, time.Now(), 0, nil),
	))
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].ID != 2 {
		t.Errorf("got %d rows, want job 2 alone", len(rows))
	}
	var state string
	if err := pool.QueryRowContext(t.Context(), `SELECT state FROM river_job WHERE id = 1`).Scan(&state); err != nil {
		t.Fatal(err)
	}
	if state != "running" {
		t.Errorf("job 1 is %s, want running", state)
	}
}

// The corrections hold inside transactions of River's own making as well.
func TestDriverWrapsTransactions(t *testing.T) {
	_, d := plainPool(t)
	ctx := context.Background()
	tx, err := d.GetExecutor().Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := tx.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]riverdriver.ExecutorTx{"outer": tx, "inner": inner, "lent": d.UnwrapExecutor(d.UnwrapTx(tx))} {
		if _, ok := e.(*executorTx); !ok {
			t.Errorf("%s transaction is a %T", name, e)
		}
		if d.UnwrapTx(e) == nil {
			t.Errorf("%s transaction has no sql.Tx", name)
		}
	}
	if err := errors.Join(inner.Rollback(ctx), tx.Rollback(ctx)); err != nil {
		t.Error(err)
	}
}
