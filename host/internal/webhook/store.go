package webhook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// storeWithin bounds one transaction of deliveries; senders have given up by
// then and will come back.
const storeWithin = 10 * time.Second

// storeAll stores deliveries until the handler is closed: whatever waits at a
// time goes into one transaction.
func (h *Handler) storeAll() {
	defer close(h.done)
	for first := range h.incoming {
		group := h.gather(first)
		err := h.store(group)
		if err != nil && len(group) > 1 {
			// One of them may be to blame: each on its own.
			for _, d := range group {
				d.stored <- h.storeInTime(d)
			}
			continue
		}
		for _, d := range group {
			d.stored <- err
		}
	}
}

// storeInTime stores a delivery on its own, unless its sender was told to come
// back: a database that hangs must not keep the queue busy with such for long.
func (h *Handler) storeInTime(d *delivery) error {
	if time.Now().After(d.until) {
		return context.DeadlineExceeded
	}
	return h.store([]*delivery{d})
}

func (h *Handler) gather(first *delivery) []*delivery {
	group := []*delivery{first}
	for len(group) < groupMax {
		select {
		case d, open := <-h.incoming:
			if !open {
				return group
			}
			group = append(group, d)
		default:
			return group
		}
	}
	return group
}

func (h *Handler) store(group []*delivery) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeWithin)
	defer cancel()
	return h.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		for _, d := range group {
			if err := h.storeOne(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// storeOne stores a delivery with its events and work. A delivery that came
// before is counted and adds nothing: it is ours already.
func (h *Handler) storeOne(ctx context.Context, tx *db.Tx, d *delivery) error {
	var id int64
	err := tx.QueryRowContext(ctx, `
		INSERT INTO delivery (connection, received_at, dedupe, body_sha256, bytes, events) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (connection, dedupe) DO NOTHING RETURNING id`,
		d.connection, d.at, d.dedupe, d.digest, d.bytes, len(d.events)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		_, err := tx.ExecContext(ctx, `UPDATE delivery SET repeats = repeats + 1 WHERE connection = $1 AND dedupe = $2`, d.connection, d.dedupe)
		return err
	}
	if err != nil {
		return fmt.Errorf("store delivery: %w", err)
	}
	touched := 0
	for _, r := range d.events {
		n, err := h.cfg.Intake(ctx, tx, r.connection, id, []connector.Event{r.event}, flow.ByWebhook)
		if err != nil {
			return err
		}
		touched += n
	}
	_, err = h.cfg.Audit.Append(ctx, tx, audit.Entry{
		Kind: audit.KindDelivery, Source: d.connection, Outcome: "accepted",
		Reason: fmt.Sprintf("%d events, %d pieces of work", len(d.events), touched),
		Detail: audit.Detail{"delivery": fmt.Sprint(id), "sha256": d.digest},
	})
	return err
}
