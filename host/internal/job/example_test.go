package job_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// A row and the job that works it are stored together; the handler ends the job
// together with what it achieved.
func ExampleQueue() {
	if err := exampleQueue(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// attempt 1 at work 7
	// attempt 2 at work 7
}

func exampleQueue(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example's leavings
	d, err := db.Open(ctx, db.Config{Dir: dir})
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // an example's leavings
	q, err := job.New(job.Config{DB: d})
	if err != nil {
		return err
	}

	policy := job.Backoff{First: 10 * time.Millisecond, Factor: 200, Cap: time.Minute, Attempts: 5}
	err = q.Start(ctx, func(ctx context.Context, a job.Attempt) job.Result {
		fmt.Printf("attempt %d at work %d\n", a.Number, a.Work)
		if a.Number == 1 { // say that the service did not answer
			if wait, again := a.Next(policy); again {
				return job.Retry(wait)
			}
		}
		err := d.Update(ctx, func(tx *db.Tx) error {
			// the outcome is stored here, with tx
			return q.Complete(ctx, tx, a)
		})
		if err != nil {
			return job.Retry(time.Second)
		}
		return job.Done()
	})
	if err != nil {
		return err
	}
	err = d.Update(ctx, func(tx *db.Tx) error {
		return q.Enqueue(ctx, tx, job.Run{Work: 7})
	})
	if err != nil {
		return err
	}
	if err := q.Idle(ctx, time.Minute); err != nil {
		return err
	}
	return q.Stop(ctx)
}
