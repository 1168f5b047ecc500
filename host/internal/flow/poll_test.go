package flow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// failingQueue cannot store jobs.
type failingQueue struct{ *queue }

func (failingQueue) Enqueue(context.Context, *db.Tx, ...job.Run) error { return errInjected }

// I5: the cursor moves only with the work of its page.
func TestCursorMovesWithItsWork(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	for i := range fakePageSize + 2 {
		w.a.put(contact(fmt.Sprint("c", i), "Ada"))
	}
	src := h.eng.Sources()[0]
	good := h.eng.cfg.Queue
	h.eng.cfg.Queue = failingQueue{h.queue}
	if _, err := h.eng.Poll(t.Context(), src, time.Time{}); !errors.Is(err, errInjected) {
		t.Fatalf("got %v, want the queue's error", err)
	}
	if n := h.count("cursor") + h.count("work") + h.count("event") + h.count("audit_entry"); n != 0 {
		t.Errorf("%d rows are left of a page whose work could not be stored", n)
	}
	h.eng.cfg.Queue = good
	var touched []int
	for more := true; more; {
		page, err := h.eng.Poll(t.Context(), src, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		touched, more = append(touched, page.Touched), page.More
	}
	if len(touched) != 2 || touched[0] != fakePageSize || touched[1] != 2 {
		t.Errorf("got pages of %v, want %d and 2", touched, fakePageSize)
	}
	if n := h.count("river_job"); n != fakePageSize+2 {
		t.Errorf("got %d jobs", n)
	}
	h.start()
	h.settle()
	h.sound(w)
	h.quiet(w)
}

// Two pollers of one source lose nothing and do nothing twice, whoever is first.
func TestTwoPollers(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	for i := range 3 * fakePageSize {
		w.a.put(contact(fmt.Sprint("c", i), "Ada"))
	}
	src := h.eng.Sources()[0]
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 6 {
				if _, err := h.eng.Poll(t.Context(), src, time.Time{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := h.count("river_job"); n != 3*fakePageSize {
		t.Errorf("got %d jobs, want %d", n, 3*fakePageSize)
	}
	cur, err := h.eng.cursor(t.Context(), src)
	if err != nil || cur.value != fmt.Sprint(3*fakePageSize) {
		t.Errorf("got cursor %+v, %v", cur, err)
	}
	h.start()
	h.settle()
	if n, _ := w.b.writes(); n != 3*fakePageSize {
		t.Errorf("got %d effects, want %d", n, 3*fakePageSize)
	}
	h.sound(w)
	h.quiet(w)
}

// A slow poller whose page was overtaken does not move the cursor back.
func TestOvertakenPollerKeepsTheCursor(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	src := h.eng.Sources()[0]
	if err := h.eng.muster(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	w.a.put(contact("c1", "Ada"))
	inner := true
	h.a.onList = func(ctx context.Context, _ connector.ListRequest) error {
		if inner { // another poller is faster, and sees one more
			inner = false
			w.a.put(contact("c2", "Bea"))
			if _, err := h.eng.Poll(ctx, src, time.Time{}); err != nil {
				t.Error(err)
			}
			w.a.mu.Lock()
			w.a.changes = w.a.changes[:1] // what the slow one was answered before
			w.a.mu.Unlock()
		}
		return nil
	}
	if _, err := h.eng.Poll(t.Context(), src, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if cur, err := h.eng.cursor(t.Context(), src); err != nil || cur.value != "2" || cur.version != 1 {
		t.Errorf("got cursor %+v, %v; want that of the faster one", cur, err)
	}
}

// What a webhook told of costs a poll nothing, and the other way round.
func TestPollAfterWebhookFindsNothing(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	h.hint("a", contactRef("c1"), keyOf(1))
	h.idle()
	reads := w.a.count("get")
	if n := h.pollAll(); n != 0 {
		t.Errorf("polling found %d changes, want none: a webhook told of them", n)
	}
	h.idle()
	if n := w.a.count("get") - reads; n != 0 {
		t.Errorf("got %d more reads", n)
	}
	w.a.put(contact("c2", "Bea"))
	h.pollAll()
	if n := h.hint("a", contactRef("c2"), w.a.get(contactRef("c2")).Version); n != 0 {
		t.Errorf("the webhook of a polled change touched %d pieces of work", n)
	}
	h.idle()
	h.sound(w)
}

// I7: a change that was told while a flow took no part is not lost to it.
func TestFlowThatTookNoPartHearsOfItLater(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	other := parsed(t, accountRecipe)
	other.Name, other.State = "other", "other"
	params, err := other.Bind(nil, connector.Date{Year: 2026, Month: 1, Day: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.a.put(contact("c1", "Ada"))
	h.pollAll()                                                      // by the recipe that runs
	h.hint("a", contactRef("c1"), w.a.get(contactRef("c1")).Version) // and by a webhook
	cfg := h.eng.cfg
	cfg.Selections = append(cfg.Selections, Selection{Recipe: other, Params: params})
	both, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.eng = both
	if n := h.pollAll(); n != 1 {
		t.Errorf("the recipe that came later was told of %d changes, want 1", n)
	}
	if n := h.count(`work WHERE recipe = 'other' AND record_id = 'c1'`); n != 1 {
		t.Errorf("got %d pieces of work of the other recipe, want 1", n)
	}
	if n := h.pollAll(); n != 0 {
		t.Errorf("polling again: got %d", n)
	}
}

// sync --since lists again from a moment and forgets nothing.
func TestPollSince(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	h.settle()
	var asked []connector.ListRequest
	h.a.onList = func(_ context.Context, req connector.ListRequest) error { asked = append(asked, req); return nil }
	since := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if _, err := h.eng.Poll(t.Context(), h.eng.Sources()[0], since); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || asked[0].Cursor != "" || !asked[0].Since.Equal(since) || asked[0].PageSize != fakePageSize {
		t.Errorf("asked %+v", asked)
	}
	h.idle()
	h.sound(w)
	h.quiet(w)
}
