package job

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

func benchQueue(b *testing.B) (*db.DB, *Queue) {
	b.Helper()
	d, err := db.Open(b.Context(), db.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.Close(); err != nil {
			b.Error(err)
		}
	})
	q, err := New(Config{DB: d})
	if err != nil {
		b.Fatal(err)
	}
	return d, q
}

// BenchmarkEndToEnd enqueues b.N jobs in groups while they are worked; each
// attempt writes a row and completes in one durable transaction.
func BenchmarkEndToEnd(b *testing.B) {
	d, q := benchQueue(b)
	if err := q.Start(b.Context(), func(ctx context.Context, a Attempt) Result {
		err := d.Update(ctx, func(tx *db.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO param (recipe, name, value, set_at) VALUES ('bench', $1, 'x', $2)`,
				fmt.Sprint(a.Work), time.Now()); err != nil {
				return err
			}
			return q.Complete(ctx, tx, a)
		})
		if err != nil {
			return Retry(time.Second)
		}
		return Done()
	}); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	const group = 100
	for first := 1; first <= b.N; first += group {
		if err := d.Update(b.Context(), func(tx *db.Tx) error {
			return q.Enqueue(b.Context(), tx, runs(span(first, min(first+group-1, b.N))...)...)
		}); err != nil {
			b.Fatal(err)
		}
	}
	if err := q.Idle(b.Context(), time.Minute); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	if err := q.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
	var rows int
	if err := d.Read().QueryRowContext(b.Context(), `SELECT count(*) FROM param`).Scan(&rows); err != nil || rows != b.N {
		b.Fatalf("%d rows for %d jobs, %v", rows, b.N, err)
	}
}

// BenchmarkEnqueue stores jobs that nobody works, several to a transaction.
func BenchmarkEnqueue(b *testing.B) {
	for _, group := range []int{1, 100} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			d, q := benchQueue(b)
			b.ResetTimer()
			for first := 1; first <= b.N; first += group {
				if err := d.Update(b.Context(), func(tx *db.Tx) error {
					return q.Enqueue(b.Context(), tx, runs(span(first, min(first+group-1, b.N))...)...)
				}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkLatency measures from the commit of one job to the start of its
// attempt, with nothing else to do.
func BenchmarkLatency(b *testing.B) {
	d, q := benchQueue(b)
	began := make(chan time.Time, 1)
	if err := q.Start(b.Context(), func(ctx context.Context, a Attempt) Result {
		began <- time.Now()
		if err := d.Update(ctx, func(tx *db.Tx) error { return q.Complete(ctx, tx, a) }); err != nil {
			return Retry(time.Second)
		}
		return Done()
	}); err != nil {
		b.Fatal(err)
	}
	var total time.Duration
	b.ResetTimer()
	for i := range b.N {
		if err := d.Update(b.Context(), func(tx *db.Tx) error {
			return q.Enqueue(b.Context(), tx, Run{Work: int64(i + 1)})
		}); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		total += (<-began).Sub(committed)
	}
	b.StopTimer()
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs/start")
	if err := q.Stop(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func span(first, last int) []int64 {
	out := make([]int64, 0, last-first+1)
	for i := first; i <= last; i++ {
		out = append(out, int64(i))
	}
	return out
}
