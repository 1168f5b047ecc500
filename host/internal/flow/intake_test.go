package flow

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

func TestDuplicateEventsFold(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	w.a.put(contact("c1", "Ada"))
	if n := h.hint("a", contactRef("c1"), keyOf(1)); n != 1 {
		t.Errorf("first event: got %d pieces of work, want 1", n)
	}
	if n := h.hint("a", contactRef("c1"), keyOf(1)); n != 0 {
		t.Errorf("the same event again: got %d pieces of work, want none", n)
	}
	for i := range 20 {
		h.hint("a", contactRef("c1"), keyOf(i))
	}
	if n := h.count(`river_job`); n != 1 {
		t.Errorf("got %d jobs for one record, want 1", n)
	}
	h.start()
	h.idle()
	if reads, writes := w.a.count("get"), w.b.count("upsert"); reads != 1 || writes != 1 {
		t.Errorf("got %d reads and %d writes, want 1 and 1", reads, writes)
	}
	h.sound(w)
}

// A service that gives its events no key cannot tell us twice: each is a change.
func TestEventsWithoutAKeyAreChanges(t *testing.T) {
	w, h := newHost(t)
	for i, name := range []string{"Ada", "Ada Lovelace"} {
		w.a.put(contact("c1", name))
		ev := connector.Event{Ref: contactRef("c1"), Kind: connector.EventUpdated}
		h.update(func(ctx context.Context, tx *db.Tx) error {
			n, err := h.eng.Intake(ctx, tx, "a", int64(i+1), []connector.Event{ev}, ByWebhook)
			if n != 1 {
				t.Errorf("event %d: got %d pieces of work, want 1", i, n)
			}
			return err
		})
		h.idle()
	}
	if got := w.b.all(connector.EntityContact); len(got) != 1 || got[0].Contact.Name != "Ada Lovelace" {
		t.Errorf("got %+v", got)
	}
}

// I7: an event that comes while its record is being worked on is not lost.
func TestNewerEventWhileRunningRunsAgain(t *testing.T) {
	w, h := newHost(t)
	first := true
	h.b.onAnswer = func(context.Context, connector.UpsertRequest) error {
		if first {
			first = false
			w.a.put(contact("c1", "Ada Lovelace"))
			h.hint("a", contactRef("c1"), keyOf(2))
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.hint("a", contactRef("c1"), keyOf(1))
	h.idle()
	if got := w.b.all(connector.EntityContact); len(got) != 1 || got[0].Contact.Name != "Ada Lovelace" {
		t.Errorf("got %+v, want the newer name", got)
	}
	got := h.want("contacts-out", "c1", Done)
	if got.doneGeneration != got.generation {
		t.Errorf("generation %d of %d is done", got.doneGeneration, got.generation)
	}
	h.sound(w)
}

// Our own write comes back as a change of the other side: it is recognised, and
// nothing is sent back.
func TestEchoCostsNoWrite(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	h.hint("a", contactRef("c1"), keyOf(1))
	h.idle()
	made := w.b.all(connector.EntityContact)[0]

	// Polling recognises it by its version, without reading it.
	if n := h.pollAll(); n != 1 { // c1 itself is known by its version, too; the record's hint was a webhook
		t.Logf("polling found %d", n)
	}
	h.idle()
	reads := w.b.count("get")
	// A webhook tells no version: the record is read, and its digest is ours.
	h.hint("b", contactRef(made.ID), keyOf(2))
	h.idle()
	if n := w.b.count("get") - reads; n != 1 {
		t.Errorf("the echo was read %d times, want once", n)
	}
	if n := w.a.count("upsert"); n != 0 {
		t.Errorf("the echo was written back %d times", n)
	}
	h.want("contacts-in", made.ID, Done)

	// A person's change on the other side does come over, and its echo ends there.
	changed := made
	body := *made.Contact
	body.Name = "Countess"
	changed.Contact = &body
	w.b.put(changed)
	h.settle()
	if got := w.a.get(contactRef("c1")); got.Contact.Name != "Countess" {
		t.Errorf("got %s, want the other side's new name", got.Contact.Name)
	}
	if a, b := w.a.count("upsert"), w.b.count("upsert"); a != 1 || b != 1 {
		t.Errorf("got %d and %d writes, want 1 and 1", a, b)
	}
	if n := h.count(`link`); n != 1 {
		t.Errorf("got %d links, want the one", n)
	}
	h.sound(w)
	h.quiet(w)
}

// While the outcome of our write is unknown, its echo cannot be told from a
// change: it waits, and a newer edit on the first side is not undone by it.
func TestEchoOfAnUnsettledWriteWaits(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	h.settle()
	made := w.b.all(connector.EntityContact)[0].ID
	lost := false
	release := make(chan struct{})
	h.b.set(func(p *port) {
		p.onUpsert = func(_ context.Context, req connector.UpsertRequest) error {
			if req.Writes[0].Attempt == 2 {
				<-release
			}
			return nil
		}
		p.onAnswer = func(context.Context, connector.UpsertRequest) error {
			if lost {
				return nil
			}
			lost = true
			w.a.put(contact("c1", "Countess")) // its hint is late
			h.hint("b", contactRef(made), keyOf(1))
			return connector.Errorf(connector.UnknownOutcome, "b", "the answer was lost")
		}
	})
	w.a.put(contact("c1", "Ada Lovelace"))
	h.hint("a", contactRef("c1"), keyOf(2))
	h.until(func() bool { return h.work("contacts-in", made).State == Waiting })
	if n := w.a.count("upsert"); n != 0 {
		t.Errorf("the echo was written back %d times", n)
	}
	close(release)
	h.settle()
	for _, s := range []*service{w.a, w.b} {
		if got := s.all(connector.EntityContact); len(got) != 1 || got[0].Contact.Name != "Countess" {
			t.Errorf("%s: got %+v, want the newest name", s.name, got[0].Contact)
		}
	}
	h.sound(w)
	h.quiet(w)
}

// accountRecipe marks records with the account that they come from, both ways.
const accountRecipe = `
recipe: pair
connections: {a: {connector: aa}, b: {connector: bb}}
flows:
  contacts-out:
    from: a.contact
    to: b.contact
    inverse: contacts-in
    map: {name: contact.name, marks: "{'source': contact.id, 'account': from.account}"}
  contacts-in:
    from: b.contact
    to: a.contact
    inverse: contacts-out
    map: {name: contact.name, marks: "{'source': contact.id, 'account': from.account, 'mine': to.account}"}
`

func TestEchoIsRecognisedWithAccounts(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), accountRecipe)
	h.start()
	w.a.put(contact("c1", "Ada"))
	h.hint("a", contactRef("c1"), keyOf(1))
	h.idle()
	h.hint("b", contactRef(w.b.all(connector.EntityContact)[0].ID), keyOf(2))
	h.idle()
	if n := w.a.count("upsert"); n != 0 {
		t.Errorf("the echo was written back %d times", n)
	}
}

func invoice(id, contactID string, status connector.InvoiceStatus) connector.Record {
	return connector.Record{Entity: connector.EntityInvoice, ID: id, Invoice: &connector.Invoice{
		Kind: connector.InvoiceSale, Status: status, Number: "N-" + id, ContactID: contactID,
	}}
}

func payment(id string, p connector.Payment) connector.Record {
	p.Status, p.PaidAt = connector.PaymentSucceeded, paidAt
	return connector.Record{Entity: connector.EntityPayment, ID: id, Payment: &p}
}

// A record of another entity is passed on to the record that it concerns.
func TestAlsoPassesOn(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.settle()
	h.want("invoices-out", "i1", Done)
	w.a.put(invoice("i1", "c1", connector.InvoicePaid)) // its own event is lost
	w.a.put(payment("p1", connector.Payment{Kind: connector.PaymentReceipt, InvoiceID: "i1"}))
	h.hint("a", ref(connector.EntityPayment, "p1"), keyOf(1))
	h.idle()
	if got := w.b.all(connector.EntityInvoice); len(got) != 1 || got[0].Invoice.Status != connector.InvoicePaid {
		t.Errorf("got %+v, want it paid", got)
	}
	h.want("invoices-out", "p1", Done)
	h.sound(w)
}

// A record of the target's end has its flow look at what it wrote there, though
// nothing else is wanted: a debit that fails leaves an invoice open again.
func TestAlsoOfTheTargetLooksThere(t *testing.T) {
	text := strings.Replace(pairRecipe, `      - {entity: payment, records: "[payment.invoice_id]"}
`, `      - {entity: payment, records: "[payment.invoice_id]"}
      - {entity: payment, side: to, records: "has(payment.marks.failed) ? [payment.marks.failed] : []"}
`, 1)
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), text)
	h.start()
	w.a.put(contact("c1", "Ada"))
	w.a.put(invoice("i1", "c1", connector.InvoicePaid))
	h.settle()
	is := w.b.all(connector.EntityInvoice)[0]
	status := func() connector.InvoiceStatus { return w.b.get(is.Ref()).Invoice.Status }
	for i, tc := range []struct {
		name  string
		marks map[string]string
		want  connector.InvoiceStatus
	}{
		{"a payment that concerns none", nil, connector.InvoiceOpen},
		{"one that failed", map[string]string{"failed": "i1"}, connector.InvoicePaid},
	} {
		body := *is.Invoice
		body.Status = connector.InvoiceOpen
		w.b.put(connector.Record{Entity: connector.EntityInvoice, ID: is.ID, Invoice: &body}) // nobody tells
		id := fmt.Sprintf("py%d", i)
		w.b.put(payment(id, connector.Payment{Kind: connector.PaymentReceipt, Marks: tc.marks}))
		h.hint("b", ref(connector.EntityPayment, id), keyOf(i+1))
		h.idle()
		if got := status(); got != tc.want {
			t.Errorf("%s: the target is %s, want %s", tc.name, got, tc.want)
		}
		// The flow that starts from payments has told of it: nobody reads it twice.
		h.want("receipts-in", id, Skipped)
		if extra, err := workWhere(t.Context(), h.db.Read(), `flow = 'invoices-out' AND record_id = $1`, id); err != nil || len(extra) > 0 {
			t.Errorf("work of its own: %+v, %v", extra, err)
		}
	}
	h.want("invoices-out", "i1", Done)
	before := w.b.count("upsert")
	h.hint("b", ref(connector.EntityPayment, "py1"), keyOf(3)) // heard again, unchanged
	h.idle()
	h.hint("a", ref(connector.EntityInvoice, "i1"), keyOf(4))
	h.idle()
	if got := w.b.count("upsert"); got != before {
		t.Errorf("%d more writes, want none", got-before)
	}
}

// A charge brings its refunds along, whether or not anybody told of them.
func TestExpandBringsAlong(t *testing.T) {
	w, h := newHost(t)
	w.a.put(contact("c1", "Ada"))
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.settle()
	target := w.b.all(connector.EntityInvoice)[0].ID
	w.b.put(payment("ch1", connector.Payment{Kind: connector.PaymentReceipt, InvoiceID: target, RefundIDs: []string{"re1", "re2"}}))
	for _, id := range []string{"re1", "re2"} {
		w.b.mu.Lock() // the service tells nobody of them
		r := payment(id, connector.Payment{Kind: connector.PaymentRefund, InvoiceID: target, PaymentOf: "ch1"})
		r.Version = "1"
		w.b.records[r.Ref()] = &r
		w.b.mu.Unlock()
	}
	h.hint("b", ref(connector.EntityPayment, "ch1"), keyOf(1))
	h.idle()
	h.want("receipts-in", "ch1", Done)
	h.want("refunds-in", "ch1", Skipped)
	h.want("refunds-in", "re1", Done)
	h.want("refunds-in", "re2", Done)
	if got := w.a.all(connector.EntityPayment); len(got) != 3 {
		t.Errorf("got %d payments, want the receipt and two refunds", len(got))
	}
	h.sound(w)
	h.settle()
	h.quiet(w)
}
