package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// sweptRecipe is pairRecipe whose contacts are swept while they have an e-mail address.
var sweptRecipe = strings.Replace(pairRecipe, "    inverse: contacts-in\n",
	"    inverse: contacts-in\n    sweep: {every: 24h, while: \"contact.email != ''\"}\n", 1)

// pinned is a clock that a test moves.
type pinned struct{ at atomic.Int64 }

func (c *pinned) now() time.Time          { return time.Unix(c.at.Load(), 0).UTC() }
func (c *pinned) pass(much time.Duration) { c.at.Add(int64(much / time.Second)) }

// sweptHost opens a host with the swept recipe and a pinned clock; start starts it.
func sweptHost(t *testing.T) (*world, *host, *pinned) {
	t.Helper()
	t.Parallel()
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), sweptRecipe)
	c := &pinned{}
	c.at.Store(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC).Unix())
	h.eng.cfg.Now = c.now
	return w, h, c
}

// rename changes a contact as a service does that tells nobody: neither its list
// of changes nor the record's version shows it.
func (s *service) rename(id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := *s.records[contactRef(id)]
	body := *rec.Contact
	body.Name = name
	rec.Contact = &body
	s.records[contactRef(id)] = &rec
}

func (h *host) sweep() int {
	h.t.Helper()
	n, err := h.eng.Sweep(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	h.idle()
	return n
}

// nameOver returns the name that the counterpart of a contact has.
func (h *host) nameOver(w *world, id string) string {
	h.t.Helper()
	links, err := Links(h.t.Context(), h.db, LinkFilter{ID: id})
	if err != nil || len(links) != 1 {
		h.t.Fatalf("links of %s: %d, %v", id, len(links), err)
	}
	for _, end := range []string{links[0].A.ID, links[0].B.ID} {
		if rec := w.b.get(contactRef(end)); rec != nil && end != id {
			return rec.Contact.Name
		}
	}
	h.t.Fatalf("%s has no counterpart", id)
	return ""
}

func TestSweepFindsWhatNobodyTellsOf(t *testing.T) {
	w, h, clock := sweptHost(t)
	w.a.put(contact("swept", "Ada"))
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "left", Contact: &connector.Contact{Name: "Bob"}})
	h.start()
	if n := h.sweep(); n != 0 {
		t.Errorf("an empty database: %d are swept", n)
	}
	h.settle()
	w.a.rename("swept", "Ada Lovelace")
	w.a.rename("left", "Bobby")
	h.settle()
	if got := h.nameOver(w, "swept"); got != "Ada" {
		t.Fatalf("polling has found it: %s", got)
	}
	clock.pass(24*time.Hour - time.Second)
	if n := h.sweep(); n != 0 {
		t.Errorf("before its time: %d are swept", n)
	}
	clock.pass(time.Second)
	if n := h.sweep(); n != 1 {
		t.Errorf("got %d, want the one whose sweep is asked for", n)
	}
	if swept, left := h.nameOver(w, "swept"), h.nameOver(w, "left"); swept != "Ada Lovelace" || left != "Bob" {
		t.Errorf("got %s and %s", swept, left)
	}
	if n := h.sweep(); n != 0 {
		t.Errorf("at once again: %d are swept", n)
	}
	h.settle()
	h.sound(w)
	h.quiet(w)
}

// I11: looking again writes nothing, and after the first time it says nothing
// new of each record.
func TestSweepOfWhatIsUnchanged(t *testing.T) {
	w, h, clock := sweptHost(t)
	for i := range 2 * fakeGetBatch {
		w.a.put(contact(fmt.Sprint("c", i), fmt.Sprint("Ada ", i)))
	}
	h.start()
	h.sweep()
	h.settle()
	clock.pass(24 * time.Hour)
	h.sweep()
	writes, reads, entries := w.b.count("upsert"), w.a.count("get"), h.count("audit_entry")
	clock.pass(24 * time.Hour)
	if n := h.sweep(); n != 2*fakeGetBatch {
		t.Errorf("got %d", n)
	}
	if n := w.b.count("upsert") - writes; n > 0 {
		t.Errorf("it writes %d times", n)
	}
	if n := w.a.count("get") - reads; n == 0 || n > 2*fakeGetBatch {
		t.Errorf("it reads %d times", n)
	}
	if n := h.count("audit_entry") - entries; n != 1 {
		t.Errorf("it adds %d audit entries, want the sweep's own", n)
	}
	h.sound(w)
}

func TestSweepEndsWhenItsConditionDoes(t *testing.T) {
	w, h, clock := sweptHost(t)
	w.a.put(contact("c", "Ada"))
	h.start()
	h.sweep()
	h.settle()
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "c", Contact: &connector.Contact{Name: "Ada"}})
	h.settle()
	clock.pass(48 * time.Hour)
	if n := h.sweep(); n != 0 {
		t.Errorf("%d are swept", n)
	}
	h.sound(w)
}

// A recipe that gets a sweep knows nothing yet of the records that it has.
func TestFirstSweepTakesAll(t *testing.T) {
	w, h, clock := sweptHost(t)
	w.a.put(contact("open", "Ada"))
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "closed", Contact: &connector.Contact{Name: "Bob"}})
	h.start()
	h.settle()
	h.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE work SET sweep = 0`)
		return err
	})
	for _, want := range []int{2, 0, 1} {
		if n := h.sweep(); n != want {
			t.Errorf("got %d, want %d", n, want)
		}
		clock.pass(12 * time.Hour)
	}
}

func TestSweepLeavesAlone(t *testing.T) {
	_, h, clock := sweptHost(t)
	states := []struct {
		state State
		done  int
		want  bool
	}{
		{Done, 3, true}, {Skipped, 3, true}, {Done, 2, false}, {Pending, 2, false},
		{Waiting, 2, false}, {Retrying, 2, false}, {Dead, 3, false}, {Held, 3, false},
	}
	h.update(func(ctx context.Context, tx *db.Tx) error {
		for i, s := range states {
			if err := plantWork(ctx, tx, fmt.Sprint("c", i), s.state, s.done); err != nil {
				return err
			}
		}
		return nil
	})
	if err := h.conns.Pause(t.Context(), "a", "the consent has ended", "authorise it"); err != nil {
		t.Fatal(err)
	}
	if n, err := h.eng.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("a paused connection: got %d, %v", n, err)
	}
	if err := h.conns.Pause(t.Context(), "a", "", ""); err != nil {
		t.Fatal(err)
	}
	clock.pass(time.Second)
	if n, err := h.eng.Sweep(t.Context()); n != 2 || err != nil {
		t.Errorf("got %d, %v, want the two that are settled", n, err)
	}
	for i, s := range states {
		w := h.work("contacts-out", fmt.Sprint("c", i))
		if swept := w.generation == 4; swept != s.want || w.State != s.state {
			t.Errorf("%s, %d of 3: swept %t, now %s", s.state, s.done, swept, w.State)
		}
	}
	status, err := Status(t.Context(), h.db, clock.now().AddDate(1, 0, 0))
	if err != nil || len(status) != 1 {
		t.Fatalf("status: %v, %v", status, err)
	}
	if status[0].Done != 2 { // a sweep is no lag of what services have told
		t.Errorf("got %+v", status[0])
	}
}

// plantWork makes a row of contacts-out of generation 3 that is swept.
func plantWork(ctx context.Context, tx *db.Tx, id string, state State, done int) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO work (recipe, flow, connection, entity, record_id, state, generation, done_generation, sweep, first_seen_at, changed_at)
		VALUES ('pair', 'contacts-out', 'a', 'contact', $1, $2, 3, $3, 1, $4, $4)`, id, string(state), done, paidAt)
	return err
}

// batches counts what is queued together, and cannot store more than so many.
type batches struct {
	*queue
	sizes []int
	most  int
}

func (b *batches) Enqueue(ctx context.Context, tx *db.Tx, runs ...job.Run) error {
	if len(b.sizes) == b.most {
		return errInjected
	}
	b.sizes = append(b.sizes, len(runs))
	return b.queue.Enqueue(ctx, tx, runs...)
}

// A sweep that is cut short is taken up again, and queues nothing twice.
func TestSweepInBatches(t *testing.T) {
	_, h, clock := sweptHost(t)
	const rest = 7
	h.update(func(ctx context.Context, tx *db.Tx) error {
		for i := range 2*sweepBatch + rest {
			if err := plantWork(ctx, tx, fmt.Sprint("c", i), Done, 3); err != nil {
				return err
			}
		}
		return nil
	})
	q := &batches{queue: h.queue, most: 1}
	h.eng.cfg.Queue = q
	if n, err := h.eng.Sweep(t.Context()); n != sweepBatch || !errors.Is(err, errInjected) {
		t.Errorf("got %d, %v, want the first batch and the queue's error", n, err)
	}
	if last, err := h.eng.lastSweep(t.Context(), "pair", "contacts-out"); err != nil || !last.IsZero() {
		t.Errorf("a sweep that was cut short counts as done: %s, %v", last, err)
	}
	q.most = 9
	clock.pass(time.Minute)
	if n, err := h.eng.Sweep(t.Context()); n != sweepBatch+rest || err != nil {
		t.Errorf("got %d, %v, want the rest", n, err)
	}
	if fmt.Sprint(q.sizes) != fmt.Sprint([]int{sweepBatch, sweepBatch, rest}) {
		t.Errorf("batches of %v", q.sizes)
	}
	if n := h.count("river_job"); n != 2*sweepBatch+rest {
		t.Errorf("got %d jobs", n)
	}
	last, err := h.eng.lastSweep(t.Context(), "pair", "contacts-out")
	if err != nil || !last.Equal(clock.now()) {
		t.Errorf("last sweep: %s, %v, want %s", last, err, clock.now())
	}
	clock.pass(-time.Hour) // the clock was ahead and has been put right
	if n, err := h.eng.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("got %d, %v: all of it is under way", n, err)
	}
	if last, err = h.eng.lastSweep(t.Context(), "pair", "contacts-out"); err != nil || !last.Equal(clock.now()) {
		t.Errorf("last sweep: %s, %v, want %s", last, err, clock.now())
	}
}
