package flow

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

var pruneBefore = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// plantEvent makes an event of a contact of delivery 1, seen a while before or
// after pruneBefore.
func plantEvent(ctx context.Context, tx *db.Tx, contact string, delivery int64, seen time.Duration) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO event (delivery_id, connection, entity, record_id, kind, occurred_at, dedupe, origin, seen_at)
		VALUES ($1, 'a', 'contact', $2, 'updated', $3, $4, 'webhook', $3)`,
		delivery, contact, pruneBefore.Add(seen), fmt.Sprint(contact, " ", delivery, " ", seen))
	return err
}

// eventsOf lists the contacts whose events are left.
func (h *host) eventsOf() []string {
	h.t.Helper()
	rows, err := h.db.Read().QueryContext(h.t.Context(), `SELECT record_id FROM event ORDER BY id`)
	if err != nil {
		h.t.Fatal(err)
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			h.t.Fatal(err)
		}
		out = append(out, id)
	}
	if err := rows.Err(); err != nil {
		h.t.Fatal(err)
	}
	return out
}

func TestPrune(t *testing.T) {
	t.Parallel()
	h := newWorld().open(t, dbtest.Dir(t), pairRecipe)
	works := []struct {
		id    string
		state State
		done  int
		stays bool
	}{
		{"done", Done, 3, false}, {"skipped", Skipped, 3, false}, {"told again", Done, 2, true}, {"pending", Pending, 2, true},
		{"waiting", Waiting, 2, true}, {"retrying", Retrying, 2, true}, {"dead", Dead, 3, true}, {"held", Held, 3, true},
	}
	want := []string{}
	h.update(func(ctx context.Context, tx *db.Tx) error {
		for i, w := range works {
			if err := plantWork(ctx, tx, w.id, w.state, w.done); err != nil {
				return err
			}
			if err := plantEvent(ctx, tx, w.id, int64(i+1), -time.Hour); err != nil {
				return err
			}
			if w.stays {
				want = append(want, w.id)
			}
		}
		// A record that no flow took up has nothing to settle.
		if err := plantEvent(ctx, tx, "nobody's", 20, -time.Second); err != nil {
			return err
		}
		return plantEvent(ctx, tx, "done", 21, 0)
	})
	want = append(want, "done")
	if n, err := Prune(t.Context(), h.db, pruneBefore); n != 3 || err != nil {
		t.Errorf("got %d, %v, want 3", n, err)
	}
	if diff := cmp.Diff(want, h.eventsOf()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	h.update(func(ctx context.Context, tx *db.Tx) error {
		kept, err := DeliveriesKept(ctx, tx, 1, 8)
		if diff := cmp.Diff(map[int64]bool{3: true, 4: true, 5: true, 6: true, 7: true, 8: true}, kept); diff != "" {
			t.Errorf("deliveries kept (-want +got):\n%s", diff)
		}
		return err
	})
	if n, err := Prune(t.Context(), h.db, pruneBefore); n != 0 || err != nil {
		t.Errorf("again: got %d, %v", n, err)
	}
}

// What stays at the front does not keep what is behind it.
func TestPruneInBatches(t *testing.T) {
	t.Parallel()
	h := newWorld().open(t, dbtest.Dir(t), pairRecipe)
	h.update(func(ctx context.Context, tx *db.Tx) error {
		if err := plantWork(ctx, tx, "held", Held, 3); err != nil {
			return err
		}
		for i := range 2*pruneBatch + 9 {
			id := "gone"
			if i%pruneBatch < 2 {
				id = "held"
			}
			if err := plantEvent(ctx, tx, id, int64(i), -time.Hour); err != nil {
				return err
			}
		}
		return nil
	})
	if n, err := Prune(t.Context(), h.db, pruneBefore); n != 2*pruneBatch+9-6 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	left := h.eventsOf()
	if slices.Contains(left, "gone") || len(left) != 6 {
		t.Errorf("left: %v", left)
	}
}

// A change that was told of so long ago that its event is gone is still known.
func TestPollAfterPrune(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c", "Ada"))
	h.settle()
	if n, err := Prune(t.Context(), h.db, time.Now().Add(time.Hour)); n == 0 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	if n := h.count("event"); n != 0 {
		t.Fatalf("%d events are left", n)
	}
	for _, s := range h.eng.Sources() {
		if page, err := h.eng.Poll(t.Context(), s, time.Unix(1, 0)); err != nil || page.Touched != 0 {
			t.Errorf("%s: a poll from the beginning finds %d, %v", s, page.Touched, err)
		}
	}
	h.sound(w)
}
