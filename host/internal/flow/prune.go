package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

const (
	// pruneBatch is how many events one transaction removes: some milliseconds of
	// the writer, which webhooks wait for.
	pruneBatch = 500
	// pruneBatchesMax bounds one call; what is left is for the next.
	pruneBatchesMax = 100
)

// Prune removes events that were seen before a moment and whose work is settled:
// the record is done or skipped in every flow. An event is a hint that has done
// its duty then; links, intents and the audit trail stay. It returns how many
// were removed.
func Prune(ctx context.Context, d *db.DB, before time.Time) (int, error) {
	removed, after := 0, int64(0)
	for range pruneBatchesMax {
		last, err := oldEvents(ctx, d, after, before)
		if err != nil || last == 0 {
			return removed, err
		}
		var gone int64
		err = d.Update(ctx, func(tx *db.Tx) error {
			res, err := tx.ExecContext(ctx, `
				DELETE FROM event WHERE id > $1 AND id <= $2 AND NOT EXISTS (
					SELECT 1 FROM work WHERE work.connection = event.connection AND work.entity = event.entity
						AND work.record_id = event.record_id
						AND (work.done_generation < work.generation OR work.state NOT IN ('done', 'skipped')))`, after, last)
			if err != nil {
				return fmt.Errorf("remove old events: %w", err)
			}
			gone, err = res.RowsAffected()
			return err
		})
		if err != nil {
			return removed, err
		}
		removed, after = removed+int(gone), last
	}
	return removed, nil
}

// oldEvents returns the last id of the next batch of events seen before a
// moment; 0 when there is none. Ids are in the order in which events were seen.
func oldEvents(ctx context.Context, d *db.DB, after int64, before time.Time) (last int64, err error) {
	rows, err := d.Read().QueryContext(ctx, `SELECT id, seen_at FROM event WHERE id > $1 ORDER BY id LIMIT $2`, after, pruneBatch)
	if err != nil {
		return 0, fmt.Errorf("look for old events: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var seen time.Time
		if err := rows.Scan(&id, &seen); err != nil {
			return 0, fmt.Errorf("look for old events: %w", err)
		}
		if !seen.Before(before) {
			break
		}
		last = id
	}
	return last, rows.Err()
}

// DeliveriesKept returns which of the deliveries from first to last still have
// events, in the caller's transaction.
func DeliveriesKept(ctx context.Context, tx *db.Tx, first, last int64) (map[int64]bool, error) {
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT delivery_id FROM event WHERE delivery_id BETWEEN $1 AND $2`, first, last)
	if err != nil {
		return nil, fmt.Errorf("look for events of deliveries: %w", err)
	}
	kept := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			_ = rows.Close()
			return nil, err
		}
		kept[id] = true
	}
	return kept, errors.Join(rows.Err(), rows.Close())
}
