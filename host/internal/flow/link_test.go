package flow

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/money"
)

func TestLinkTellsWhatWasMade(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	from, to := Ref{"a", connector.EntityInvoice, "i1"}, Ref{"b", connector.EntityInvoice, "in1"}
	out := connector.Outcome{
		Result: connector.Created, ID: "in1", Record: &connector.Record{Invoice: &connector.Invoice{PayURL: "https://pay.example/1"}},
		Effects: []connector.Effect{{What: "invoice", ID: "in1", Amount: money.MustNew(1050, "NZD")}, {What: "mark", ID: "m"}},
	}
	store := func(to Ref, out connector.Outcome) {
		t.Helper()
		h.update(func(ctx context.Context, tx *db.Tx) error {
			return h.eng.storeLink(ctx, tx, "pair", from, to, "INV-1", "created", out, 7)
		})
	}
	store(to, out)
	store(to, connector.Outcome{Result: connector.Updated, ID: "in1"}) // says nothing of url and effects: they stay
	got, err := Links(t.Context(), h.db, LinkFilter{ID: "INV-1"})
	if err != nil || len(got) != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	if diff := cmp.Diff([]Effect{{"invoice", "in1", "NZD 10.50"}, {What: "mark", ID: "m"}}, got[0].Effects); diff != "" && got[0].Effects[0].Amount != money.MustNew(1050, "NZD").String() {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	if got[0].URL != "https://pay.example/1" || got[0].From != "a:invoice/i1" || got[0].To != "b:invoice/in1" {
		t.Errorf("got %+v", got[0])
	}

	// Reissued: the old link ends and stays as history.
	store(Ref{"b", connector.EntityInvoice, "in2"}, connector.Outcome{Result: connector.Created, ID: "in2"})
	lane := lane{"b", connector.EntityInvoice}
	if id, err := partner(t.Context(), h.db.Read(), "pair", from, lane, false); id != "in2" || err != nil {
		t.Errorf("live counterpart: got %q, %v; want in2", id, err)
	}
	for _, filter := range []LinkFilter{{Ended: true}, {Ended: true, ID: "i1", Entity: connector.EntityInvoice}} {
		if all, err := Links(t.Context(), h.db, filter); err != nil || len(all) != 2 || all[0].EndedAt.Equal(all[1].EndedAt) {
			t.Errorf("%+v: got %+v, %v; want one live and one ended", filter, all, err)
		}
	}
	// A payment of the old one still finds its invoice; without history it does not.
	back := Ref{"b", connector.EntityInvoice, "in1"}
	if id, _ := partner(t.Context(), h.db.Read(), "pair", back, laneOf(from), true); id != "i1" {
		t.Errorf("reverse of the ended link: got %q, want i1", id)
	}
	if id, _ := partner(t.Context(), h.db.Read(), "pair", back, laneOf(from), false); id != "" {
		t.Errorf("the ended link is taken for a live one: %q", id)
	}
	if id, _ := partner(t.Context(), h.db.Read(), "another", from, lane, true); id != "" {
		t.Errorf("a link of another recipe was found: %q", id)
	}
}

func laneOf(r Ref) lane { return lane{r.Connection, r.Entity} }

// A receipt for an invoice that was reissued meanwhile is posted all the same.
func TestReverseNeedFindsEndedLinks(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.settle()
	old := w.b.all(connector.EntityInvoice)[0].ID
	h.update(func(ctx context.Context, tx *db.Tx) error {
		return h.eng.storeLink(ctx, tx, "pair", Ref{"a", connector.EntityInvoice, "i1"}, Ref{"b", connector.EntityInvoice, "reissued"}, "", "", connector.Outcome{}, 0)
	})
	w.b.put(payment("ch1", connector.Payment{Kind: connector.PaymentReceipt, InvoiceID: old}))
	h.settle()
	h.want("receipts-in", "ch1", Done)
	if got := w.a.all(connector.EntityPayment); len(got) != 1 || got[0].Payment.InvoiceID != "i1" {
		t.Errorf("got %+v, want it on i1", got)
	}
	h.sound(w)
}

// Preview tells what a run would do, and writes nothing at all.
func TestPreviewWritesNothing(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	w.a.put(contact("c1", "Ada"))
	w.a.put(contact("c2", ""))
	w.a.put(contact("c3", "Whoever"))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	for i := range fakePageSize { // a second page
		w.a.put(invoice("d"+keyOf(i), "c1", connector.InvoiceDraft))
	}
	tables := []string{"work", "cursor", "event", "intent", "link", "audit_entry", "river_job", "roster"}
	seen, err := h.eng.Preview(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	wishes, actions := seen.Wishes, map[string]string{}
	for _, x := range wishes {
		actions[x.Source] = x.Action
	}
	want := map[string]string{"a:contact/c1": "write", "a:contact/c2": "skip", "a:contact/c3": "hold", "a:invoice/i1": "write"}
	for source, action := range want {
		if actions[source] != action {
			t.Errorf("%s: got %q, want %q", source, actions[source], action)
		}
	}
	if n := CountWrites(wishes); n != 2 || len(wishes) != 4+fakePageSize {
		t.Errorf("got %d writes of %d wishes", n, len(wishes))
	}
	for _, table := range tables {
		if n := h.count(table); n != 0 {
			t.Errorf("preview left %d rows in %s", n, table)
		}
	}
	if n := w.a.count("upsert") + w.b.count("upsert"); n != 0 {
		t.Errorf("preview wrote %d times", n)
	}
	for _, x := range wishes {
		if x.Source == "a:invoice/i1" && (len(x.Needs) != 1 || !strings.Contains(x.String(), "after its customer")) {
			t.Errorf("got %s", x)
		}
	}
	h.start()
	h.settle()
	seen, err = h.eng.Preview(t.Context(), time.Unix(0, 0))
	if err != nil || CountWrites(seen.Wishes) != 0 {
		t.Errorf("after a run: %d writes are previewed, %v", CountWrites(seen.Wishes), err)
	}
}

// Only what needs a person can be replayed, and a list is replayed as a whole.
func TestReplayRefuses(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	w.a.put(contact("c2", "Whoever"))
	w.a.put(contact("c3", ""))
	h.settle()
	held := h.want("contacts-out", "c2", Held)
	for _, tt := range []struct {
		name string
		ids  []int64
		want string
	}{
		{"done", []int64{h.work("contacts-out", "c1").ID}, "only what needs a person"},
		{"skipped", []int64{h.work("contacts-out", "c3").ID}, "only what needs a person"},
		{"unknown", []int64{4711}, "no such entry"},
		{"one good and one bad", []int64{held.ID, 4711}, "no such entry"},
	} {
		if err := h.replay(tt.ids...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if n := h.count(`audit_entry WHERE kind = 'replay'`); n != 0 {
		t.Errorf("%d replays are on the trail", n)
	}
	h.want("contacts-out", "c2", Held)
	if err := h.replay(held.ID); err != nil {
		t.Fatal(err)
	}
	h.idle()
	h.want("contacts-out", "c2", Held) // nothing has changed about it
	if n := h.count(`audit_entry WHERE kind = 'replay'`); n != 1 {
		t.Errorf("got %d replays on the trail, want 1", n)
	}
	h.sound(w)
}

// A person's replay looks before it writes, also when it comes while the same
// record is being worked on for another reason.
func TestReplayWhileRunningStillLooks(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Whoever"))
	h.settle()
	held := h.want("contacts-out", "c1", Held)
	var attempts []int
	replayed := false
	h.b.set(func(p *port) {
		p.onUpsert = func(_ context.Context, req connector.UpsertRequest) error {
			attempts = append(attempts, req.Writes[0].Attempt)
			if !replayed {
				replayed = true
				w.a.put(contact("c1", "Ada M.")) // else there is nothing to write again
				return h.replay(held.ID)
			}
			return nil
		}
	})
	w.a.put(contact("c1", "Ada L."))
	h.settle()
	if len(attempts) != 2 || attempts[0] != 1 || attempts[1] != 2 {
		t.Errorf("got attempts %v, want the hint's 1, then the replay's 2", attempts)
	}
	h.sound(w)
}
