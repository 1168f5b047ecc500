package flow

import (
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

// An invoice brings its customer over first, whoever was told of what.
func TestDependencyComesFirst(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.hint("a", ref(connector.EntityInvoice, "i1"), keyOf(1)) // nobody told of the contact
	h.idle()
	h.want("contacts-out", "c1", Done)
	h.want("invoices-out", "i1", Done)
	customer := w.b.all(connector.EntityContact)[0].ID
	if got := w.b.all(connector.EntityInvoice); len(got) != 1 || got[0].Invoice.ContactID != customer {
		t.Errorf("got %+v, want it for %s", got, customer)
	}
	h.sound(w)
	h.settle()
	h.quiet(w)
}

// I7: work whose dependency needs a person is held with the reason, and goes on
// by itself when the dependency is put right, by a replay or by a change.
func TestHeldWithItsDependency(t *testing.T) {
	for _, tt := range []struct {
		name string
		cure func(w *world, h *host, dep Work) error
	}{
		{"replayed", func(w *world, h *host, dep Work) error {
			h.b.set(func(p *port) { p.refuse = nil })
			return h.replay(dep.ID)
		}},
		{"changed", func(w *world, h *host, dep Work) error {
			h.b.set(func(p *port) { p.refuse = nil })
			w.a.put(contact("c1", "Ada Lovelace"))
			return nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, h := newHost(t)
			h.b.refuse = func(x connector.Write) *connector.Error {
				if x.Record.Contact == nil {
					return nil
				}
				return connector.Errorf(connector.Invalid, "b", "no such name").WithRemedy("correct the name")
			}
			w.a.put(contact("c1", "Ada"))
			w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
			w.a.put(invoice("i2", "c1", connector.InvoiceOpen))
			h.settle()
			dep := h.want("contacts-out", "c1", Dead)
			for _, id := range []string{"i1", "i2"} {
				got := h.want("invoices-out", id, Held)
				if !strings.Contains(got.Reason, "no such name") || got.Remedy != "correct the name" || got.waitsOn != dep.ID {
					t.Errorf("got %+v", got)
				}
			}
			h.sound(w)
			h.quiet(w)
			if err := tt.cure(w, h, dep); err != nil {
				t.Fatal(err)
			}
			h.settle()
			h.want("contacts-out", "c1", Done)
			h.want("invoices-out", "i1", Done)
			h.want("invoices-out", "i2", Done)
			h.sound(w)
			h.quiet(w)
		})
	}
}

// A dependency that comes to life between the look at it and the hold must not
// leave the work held: nobody would wake it.
func TestHoldSeesThatItsDependencyLives(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Whoever"))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.settle()
	stale := h.want("contacts-out", "c1", Held)
	w.a.put(contact("c1", "Ada"))
	h.settle()
	got := h.want("invoices-out", "i1", Done)

	r := &run{Engine: h.eng, w: got, plan: h.eng.plans["pair"]}
	r.w.State = Pending
	if _, err := r.holdFor(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	h.want("invoices-out", "i1", Waiting)
}

// A skipped dependency cannot come: the work that needs it goes to a person.
func TestDependencySkipped(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", ""))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.settle()
	h.want("contacts-out", "c1", Skipped)
	got := h.want("invoices-out", "i1", Held)
	if !strings.Contains(got.Reason, "it has no name") || got.Remedy == "" {
		t.Errorf("got %+v", got)
	}
	w.a.put(contact("c1", "Ada"))
	h.settle()
	h.want("invoices-out", "i1", Done)
	h.sound(w)
}

// Work that begins to wait looks again soon, however long ago its record
// changed; then the longer it waits, the less often it looks.
func TestPatience(t *testing.T) {
	now := time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	eng := &Engine{cfg: Config{Now: func() time.Time { return now }}}
	for _, tt := range []struct {
		name  string
		state State
		since time.Duration // since the work last changed
		want  time.Duration
	}{
		{"new", Pending, 0, dependencyFirst},
		{"done weeks ago, and touched again", Pending, 500 * time.Hour, dependencyFirst},
		{"waits for the first time", Waiting, dependencyFirst, dependencyFirst},
		{"waits for a while", Waiting, 10 * time.Second, 5 * time.Second},
		{"waits for long", Waiting, time.Hour, dependencyCap},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &run{Engine: eng, w: Work{State: tt.state, ChangedAt: now.Add(-tt.since)}}
			if got := r.patience(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// What was adopted has not changed, so its service tells nobody: we tell the
// flows that look at other records because of it.
func TestAdoptedPaymentConcernsItsInvoice(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.settle()
	before := h.want("invoices-out", "i1", Done)
	w.a.put(payment("p1", connector.Payment{Kind: connector.PaymentReceipt, InvoiceID: "i1"}))
	r := &run{Engine: h.eng}
	if err := h.db.Update(t.Context(), func(tx *db.Tx) error {
		return r.tellOfAdopted(t.Context(), tx, Ref{"a", connector.EntityPayment, "p1"})
	}); err != nil {
		t.Fatal(err)
	}
	h.idle()
	h.want("invoices-out", "p1", Done)
	if got := h.want("invoices-out", "i1", Done); got.doneGeneration <= before.doneGeneration {
		t.Errorf("the invoice was not looked at again: generation %d", got.doneGeneration)
	}
}
