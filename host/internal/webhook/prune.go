package webhook

import (
	"context"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

const (
	pruneBatch      = 500 // deliveries in one transaction: some milliseconds of the writer
	pruneBatchesMax = 100 // in one call; what is left is for the next
)

// Kept tells which of the deliveries from first to last still have events, in
// the caller's transaction; flow.DeliveriesKept does.
type Kept func(ctx context.Context, tx *db.Tx, first, last int64) (map[int64]bool, error)

// Prune removes deliveries that came before a moment and have no events any
// more. The newest of all stays, so that no id is given out twice: the audit
// trail names deliveries by id. It returns how many were removed.
func Prune(ctx context.Context, d *db.DB, before time.Time, kept Kept) (int, error) {
	removed, after := 0, int64(0)
	for range pruneBatchesMax {
		ids, err := oldDeliveries(ctx, d, after, before)
		if err != nil || len(ids) == 0 {
			return removed, err
		}
		gone := 0
		err = d.Update(ctx, func(tx *db.Tx) error {
			gone = 0
			stay, err := kept(ctx, tx, ids[0], ids[len(ids)-1])
			if err != nil {
				return err
			}
			for _, id := range ids {
				if stay[id] {
					continue
				}
				if _, err := tx.ExecContext(ctx, `DELETE FROM delivery WHERE id = $1`, id); err != nil {
					return fmt.Errorf("remove delivery %d: %w", id, err)
				}
				gone++
			}
			return nil
		})
		if err != nil {
			return removed, err
		}
		removed, after = removed+gone, ids[len(ids)-1]
	}
	return removed, nil
}

// oldDeliveries returns the next deliveries that came before a moment. Ids are
// in the order in which deliveries came.
func oldDeliveries(ctx context.Context, d *db.DB, after int64, before time.Time) ([]int64, error) {
	rows, err := d.Read().QueryContext(ctx, `
		SELECT id, received_at FROM delivery WHERE id > $1 AND id < (SELECT MAX(id) FROM delivery) ORDER BY id LIMIT $2`, after, pruneBatch)
	if err != nil {
		return nil, fmt.Errorf("look for old deliveries: %w", err)
	}
	defer rows.Close()
	var ids []int64
	for rows.Next() {
		var id int64
		var at time.Time
		if err := rows.Scan(&id, &at); err != nil {
			return nil, fmt.Errorf("look for old deliveries: %w", err)
		}
		if !at.Before(before) {
			break
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
