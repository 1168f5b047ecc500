package webhook

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

var pruneBefore = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// openPruned opens a database with deliveries, the last of which came at pruneBefore.
func openPruned(t *testing.T, old int) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	err = d.Update(t.Context(), func(tx *db.Tx) error {
		for i := range old + 1 {
			_, err := tx.ExecContext(t.Context(), `
				INSERT INTO delivery (connection, received_at, dedupe, body_sha256, bytes, events) VALUES ('one', $1, $2, '', 1, 1)`,
				pruneBefore.Add(-time.Second*time.Duration(old-i)), fmt.Sprint(i))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func countDeliveries(t *testing.T, d *db.DB) (n int, newest int64) {
	t.Helper()
	if err := d.Read().QueryRowContext(t.Context(), `SELECT COUNT(*), MAX(id) FROM delivery`).Scan(&n, &newest); err != nil {
		t.Fatal(err)
	}
	return n, newest
}

// Deliveries go in batches; one with events stays and holds up none behind it.
func TestPrune(t *testing.T) {
	const old = 2*pruneBatch + 5
	d := openPruned(t, old)
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		for _, delivery := range []int64{1, pruneBatch + 1} {
			_, err := tx.ExecContext(t.Context(), `
				INSERT INTO event (delivery_id, connection, entity, record_id, kind, occurred_at, dedupe, origin, seen_at)
				VALUES ($1, 'one', 'contact', 'c', 'updated', $2, $3, 'webhook', $2)`, delivery, pruneBefore, fmt.Sprint(delivery))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := Prune(t.Context(), d, pruneBefore, flow.DeliveriesKept); n != old-2 || err != nil {
		t.Errorf("got %d, %v, want %d", n, err, old-2)
	}
	if n, newest := countDeliveries(t, d); n != 3 || newest != old+1 {
		t.Errorf("left: %d up to %d, want the two with events and the young one", n, newest)
	}
	if n, err := Prune(t.Context(), d, pruneBefore, flow.DeliveriesKept); n != 0 || err != nil {
		t.Errorf("again: got %d, %v", n, err)
	}
}

// The newest stays however old it is: its id must not be given out again.
func TestPruneKeepsTheNewest(t *testing.T) {
	d := openPruned(t, 3)
	if n, err := Prune(t.Context(), d, pruneBefore.AddDate(1, 0, 0), flow.DeliveriesKept); n != 3 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if n, newest := countDeliveries(t, d); n != 1 || newest != 4 {
		t.Errorf("left: %d up to %d", n, newest)
	}
}

func TestPruneRemovesNothingThatItCannotAskAbout(t *testing.T) {
	d := openPruned(t, 3)
	broken := errors.New("no answer")
	n, err := Prune(t.Context(), d, pruneBefore, func(context.Context, *db.Tx, int64, int64) (map[int64]bool, error) { return nil, broken })
	if n != 0 || !errors.Is(err, broken) {
		t.Errorf("got %d, %v", n, err)
	}
	if n, _ := countDeliveries(t, d); n != 4 {
		t.Errorf("%d are left", n)
	}
}
