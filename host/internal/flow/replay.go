package flow

import (
	"context"
	"fmt"

	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// Waker enqueues runs and cuts the waits of those that are queued already.
type Waker interface {
	Wake(ctx context.Context, tx *db.Tx, runs ...job.Run) error
}

// Replay runs pieces of work again, on a person's word. The connector looks for
// what may already be there before it writes, so nothing is posted twice. Only
// work that needs a person can be replayed.
func Replay(ctx context.Context, d *db.DB, log *audit.Log, q Waker, ids []int64) error {
	return d.Update(ctx, func(tx *db.Tx) error {
		for _, id := range ids {
			w, err := loadWork(ctx, tx, id)
			if err != nil {
				return err
			}
			if w.State != Dead && w.State != Held {
				return fmt.Errorf("entry %d is %s: only what needs a person can be replayed", id, w.State)
			}
			if _, err := tx.ExecContext(ctx, `
				UPDATE work SET state = 'pending', generation = generation + 1, look = $2, attempts = 0, waits_on = 0 WHERE id = $1`, id, true); err != nil {
				return fmt.Errorf("replay %d: %w", id, err)
			}
			if _, err := log.Append(ctx, tx, audit.Entry{
				Kind: audit.KindReplay, Recipe: w.Recipe, Flow: w.Flow, WorkID: w.ID, Source: w.SourceRef,
				Outcome: "replayed", Reason: "was " + string(w.State) + ": " + w.Reason, Detail: audit.Detail{"label": w.Label},
			}); err != nil {
				return err
			}
			if err := q.Wake(ctx, tx, job.Run{Work: id}); err != nil {
				return err
			}
		}
		return nil
	})
}
