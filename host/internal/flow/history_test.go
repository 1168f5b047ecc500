package flow

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

// history is a random day: people change records on both sides, hints come
// twice, late, out of order or never, polls and jobs run in any order, calls
// fail and hosts are killed.
type history struct {
	t      *rapid.T
	tb     testing.TB
	w      *world
	h      *stepHost
	n      int             // makes names unique
	hints  []pendingHint   // on their way
	edits  map[string]edit // "contact of a, field" -> who said it last; only one side ever did
	counts map[string]int
}

type pendingHint struct {
	conn string
	ref  connector.Ref
	key  string
}

func (x *history) change(s *service, rec connector.Record) {
	s.put(rec)
	x.hints = append(x.hints, pendingHint{s.name, rec.Ref(), fmt.Sprint("event-", s.name, x.n)})
	x.n++
}

func pick[T any](x *history, label string, from []T) (T, bool) {
	if len(from) == 0 {
		var zero T
		return zero, false
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(x.t, label)], true
}

// steps are what can happen, by kind. A step that cannot happen now returns
// false and is not counted.
func (x *history) steps() map[string]func() bool {
	return map[string]func() bool{
		"contact made in a": x.contactInA,
		"contact made in b": func() bool {
			x.n++
			x.change(x.w.b, contact(fmt.Sprint("person-b", x.n), fmt.Sprint("Bea ", x.n)))
			return true
		},
		"contact edited in a":  func() bool { return x.editContact(x.w.a) },
		"contact edited in b":  func() bool { return x.editContact(x.w.b) },
		"invoice made":         x.makeInvoice,
		"invoice changed":      x.changeInvoice,
		"invoice paid in b":    x.pay,
		"hint delivered":       x.deliver,
		"hint delivered twice": x.deliverTwice,
		"hint lost": func() bool {
			return x.dropHint()
		},
		"polled":                      x.poll,
		"job run":                     func() bool { return x.run(func() {}) },
		"service down before a write": func() bool { return x.run(func() { x.failWrite(unavailable) }) },
		"read fails":                  func() bool { return x.run(x.failRead) },
		"answer lost": func() bool {
			return x.run(func() { x.loseAnswer(connector.Errorf(connector.UnknownOutcome, "service", "lost")) })
		},
		"answer lost, unclassified": func() bool { return x.run(func() { x.loseAnswer(errInjected) }) },
		"rate limited": func() bool {
			return x.run(func() { x.failWrite(connector.Errorf(connector.RateLimited, "service", "slow down")) })
		},
		"credential refused": func() bool {
			return x.run(func() { x.failWrite(connector.Errorf(connector.Auth, "service", "no")) })
		},
		"write refused": func() bool { return x.run(x.refuse) },
		"outcome cannot be stored": func() bool {
			return x.run(func() { x.h.sched.failComplete = true })
		},
		"killed before the request": func() bool { return x.kill(true) },
		"killed before the answer":  func() bool { return x.kill(false) },
		"keys forgotten":            func() bool { x.w.a.forget(); x.w.b.forget(); return true },
		"connections resumed": func() bool {
			for _, name := range []string{"a", "b"} {
				_ = x.w.conns.Pause(context.Background(), name, "", "")
			}
			return true
		},
	}
}

func (x *history) contactInA() bool {
	x.n++
	id, name := fmt.Sprint("person-a", x.n), fmt.Sprint("Ada ", x.n)
	x.edited(x.w.a, id+" name", name)
	x.change(x.w.a, contact(id, name))
	return true
}

func (x *history) editContact(s *service) bool {
	rec, ok := pick(x, "contact", s.all(connector.EntityContact))
	if !ok {
		return false
	}
	x.n++
	body := *rec.Contact
	id := rec.ID
	if s == x.w.b {
		id = x.inA(rec)
	}
	if rapid.Bool().Draw(x.t, "of the name") {
		body.Name = fmt.Sprint("Name ", x.n)
		x.edited(s, id+" name", body.Name)
	} else {
		body.Email = fmt.Sprint("mail-", x.n, "@example.com")
		x.edited(s, id+" email", body.Email)
	}
	rec.Contact = &body
	x.change(s, rec)
	return true
}

// edit is what a field was set to by the only side that ever set it; side is nil
// when both did: then either may win, but they must agree.
type edit struct {
	side *service
	to   string
}

// inA is the id in a of a contact of b: one of the two bears the other's mark.
func (x *history) inA(rec connector.Record) string {
	for _, c := range x.w.a.all(connector.EntityContact) {
		if c.ID == rec.Contact.Marks["source"] || c.Contact.Marks["source"] == rec.ID {
			return c.ID
		}
	}
	return ""
}

// edited notes an edit. A write whose outcome is not known is sent again as it
// was stored (I2), over whatever was said meanwhile.
func (x *history) edited(s *service, what, to string) {
	unsettled := x.h.count(`intent WHERE state = 'open' AND entity = 'contact' AND connection = '`+s.name+`'`) > 0
	if was, ok := x.edits[what]; ok && was.side != s || unsettled {
		s = nil
	}
	x.edits[what] = edit{s, to}
}

func (x *history) makeInvoice() bool {
	c, ok := pick(x, "of contact", x.w.a.all(connector.EntityContact))
	if !ok {
		return false
	}
	x.n++
	status := rapid.SampledFrom([]connector.InvoiceStatus{connector.InvoiceOpen, connector.InvoiceOpen, connector.InvoiceDraft}).Draw(x.t, "status")
	x.change(x.w.a, invoice(fmt.Sprint("i", x.n), c.ID, status))
	return true
}

func (x *history) changeInvoice() bool {
	rec, ok := pick(x, "invoice", x.w.a.all(connector.EntityInvoice))
	if !ok {
		return false
	}
	body := *rec.Invoice
	body.Status = rapid.SampledFrom([]connector.InvoiceStatus{connector.InvoiceOpen, connector.InvoicePaid, connector.InvoiceVoid}).Draw(x.t, "status")
	rec.Invoice = &body
	x.change(x.w.a, rec)
	return true
}

// pay makes a receipt in b with a refund that nobody tells of.
func (x *history) pay() bool {
	rec, ok := pick(x, "pays", x.w.b.all(connector.EntityInvoice))
	if !ok {
		return false
	}
	x.n++
	id := fmt.Sprint("ch", x.n)
	p := connector.Payment{Kind: connector.PaymentReceipt, InvoiceID: rec.ID, Marks: map[string]string{"invoice": rec.Invoice.Marks["source"]}}
	if rapid.Bool().Draw(x.t, "refunded") {
		p.RefundIDs = []string{"re-" + id}
		x.w.b.put(payment("re-"+id, connector.Payment{Kind: connector.PaymentRefund, InvoiceID: rec.ID, PaymentOf: id}))
	}
	x.change(x.w.b, payment(id, p))
	return true
}

func (x *history) deliver() bool {
	if len(x.hints) == 0 {
		return false
	}
	i := rapid.IntRange(0, len(x.hints)-1).Draw(x.t, "which hint") // out of order
	p := x.hints[i]
	x.hints = slices.Delete(x.hints, i, i+1)
	x.h.hint(p.conn, p.ref, p.key)
	return true
}

func (x *history) deliverTwice() bool {
	p, ok := pick(x, "which hint", x.hints)
	if !ok {
		return false
	}
	x.h.hint(p.conn, p.ref, p.key)
	if n := x.h.hint(p.conn, p.ref, p.key); n != 0 {
		x.t.Fatalf("a hint that came before touched %d pieces of work", n)
	}
	return true
}

func (x *history) dropHint() bool {
	if len(x.hints) == 0 {
		return false
	}
	x.hints = x.hints[1:]
	return true
}

func (x *history) poll() bool {
	src, _ := pick(x, "source", x.h.eng.Sources())
	_, err := x.h.eng.Poll(x.tb.Context(), src, noTime)
	if err != nil && connector.KindOf(err) != connector.Auth { // it is paused
		x.t.Fatal(err)
	}
	return true
}

// run makes one attempt after arm has set up what will go wrong.
func (x *history) run(arm func()) bool {
	a, ok := pick(x, "job", x.h.queued())
	if !ok {
		return false
	}
	arm()
	x.h.attempt(a)
	x.h.disarm()
	return true
}

func (x *history) ports(fn func(p *port)) {
	x.h.a.set(fn)
	x.h.b.set(fn)
}

func (x *history) failWrite(err error) {
	x.ports(func(p *port) { p.onUpsert = once[connector.UpsertRequest](err) })
}

func (x *history) loseAnswer(err error) {
	x.ports(func(p *port) { p.onAnswer = once[connector.UpsertRequest](err) })
}

func (x *history) failRead() {
	x.ports(func(p *port) { p.onGet = once[connector.GetRequest](unavailable) })
}

func (x *history) refuse() {
	x.ports(func(p *port) {
		p.refuse = func(connector.Write) *connector.Error {
			return connector.Errorf(connector.Invalid, "service", "not today")
		}
	})
}

func (x *history) kill(before bool) bool {
	a, ok := pick(x, "job", x.h.queued())
	if !ok {
		return false
	}
	was := x.h
	x.h = x.h.dieAt(x.w, a, func(h *stepHost, reached func()) {
		stop := func(context.Context, connector.UpsertRequest) error { reached(); return nil }
		for _, p := range []*port{h.a, h.b} {
			p.set(func(p *port) {
				if before {
					p.onUpsert = stop
				} else {
					p.onAnswer = stop
				}
			})
		}
	})
	return x.h != was
}

// check holds the two systems against each other.
func (x *history) check() {
	a, b := x.w.a, x.w.b
	live, err := Links(x.tb.Context(), x.h.db, LinkFilter{})
	if err != nil {
		x.t.Fatal(err)
	}
	other := map[Ref]Ref{}
	for _, l := range live {
		for _, end := range []Ref{l.A, l.B} {
			if to, twice := other[end]; twice {
				x.t.Errorf("%s has two counterparts, one is %s", end, to)
			}
		}
		other[l.A], other[l.B] = l.B, l.A
	}
	for _, side := range []struct{ here, there *service }{{a, b}, {b, a}} {
		for _, c := range side.here.all(connector.EntityContact) {
			to := side.there.get(contactRef(other[Ref{side.here.name, c.Entity, c.ID}].ID))
			if to == nil || to.Contact.Name != c.Contact.Name || to.Contact.Email != c.Contact.Email {
				x.t.Errorf("contact %s of %s: %+v, on the other side %+v", c.ID, side.here.name, c.Contact, to)
			}
		}
	}
	for what, said := range x.edits {
		id, field, _ := strings.Cut(what, " ")
		rec := a.get(contactRef(id))
		if rec == nil {
			continue // edited in b before it was in a
		}
		got := map[string]string{"name": rec.Contact.Name, "email": rec.Contact.Email}[field]
		if said.side != nil && got != said.to {
			x.t.Errorf("contact %s has the %s %s, though %s, which alone edited it, said %s", id, field, got, said.side.name, said.to)
		}
	}
	x.checkInvoices(other)
	receipts := map[string]int{}
	for _, p := range a.all(connector.EntityPayment) {
		receipts[p.Payment.Reference]++
	}
	for _, p := range b.all(connector.EntityPayment) {
		if n := receipts[p.ID]; n != 1 {
			x.t.Errorf("payment %s was posted %d times", p.ID, n)
		}
	}
}

// tell shows what a failed history came to.
func (x *history) tell() {
	works, err := workWhere(x.tb.Context(), x.h.db.Read(), `1 = 1 ORDER BY id`)
	if err != nil {
		x.t.Error(err)
	}
	for _, w := range works {
		x.t.Logf("%s %s: %s, generation %d of %d: %s", w.Flow, w.SourceRef, w.State, w.doneGeneration, w.generation, w.Reason)
	}
	trail, err := x.h.audit.List(x.tb.Context(), x.h.db.Read(), audit.Filter{Oldest: true, Limit: 1000})
	if err != nil {
		x.t.Error(err)
	}
	for _, en := range trail {
		x.t.Logf("%d %s %s %s -> %s: %s %s", en.Seq, en.Kind, en.Flow, en.Source, en.Target, en.Outcome, en.Reason)
	}
}

func (x *history) checkInvoices(other map[Ref]Ref) {
	mirrored := 0
	for _, i := range x.w.a.all(connector.EntityInvoice) {
		to := x.w.b.get(connector.Ref{Entity: i.Entity, ID: other[Ref{"a", i.Entity, i.ID}].ID})
		if to == nil {
			if i.Invoice.Status != connector.InvoiceDraft {
				x.t.Errorf("invoice %s, %s, is not in b", i.ID, i.Invoice.Status)
			}
			continue
		}
		mirrored++
		customer := other[Ref{"a", connector.EntityContact, i.Invoice.ContactID}].ID
		if to.Invoice.Status != i.Invoice.Status || to.Invoice.Number != i.Invoice.Number || to.Invoice.ContactID != customer {
			x.t.Errorf("invoice %s: %+v, in b %+v", i.ID, i.Invoice, to.Invoice)
		}
	}
	if n := len(x.w.b.all(connector.EntityInvoice)); n != mirrored {
		x.t.Errorf("%d invoices in b for %d in a", n, mirrored)
	}
}

// After any history the two systems agree once they are left alone, every
// intent had one effect, and a second pass writes nothing (I2, I3, I5, I7, I11).
func TestHistories(t *testing.T) {
	t.Parallel()
	t.Logf("histories of -rapid.seed=%s", flag.Lookup("rapid.seed").Value)
	counts := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		x := &history{t: rt, tb: t, w: w, h: w.openStepping(t, dbtest.Dir(t)), edits: map[string]edit{}, counts: counts}
		steps := x.steps()
		// The usual more often than the unusual, and each in every history.
		names := slices.Sorted(maps.Keys(steps))
		for _, usual := range []string{"job run", "polled", "hint delivered", "contact edited in a", "invoice made"} {
			names = append(names, slices.Repeat([]string{usual}, 4)...)
		}
		for _, name := range slices.Concat(rapid.Permutation(names).Draw(rt, "morning"), rapid.Permutation(names).Draw(rt, "evening")) {
			if steps[name]() {
				rt.Log(name)
				counts[name]++
			}
		}
		x.h.disarm()
		if err := x.h.rest(); err != nil {
			rt.Fatal(err)
		}
		x.check()
		if rt.Failed() {
			x.tell()
		}
		for _, s := range []*service{w.a, w.b} {
			if _, twice := s.writes(); len(twice) > 0 {
				rt.Errorf("%s: more than one effect of %v", s.name, twice)
			}
		}
		before := w.a.count("upsert") + w.b.count("upsert")
		runs := x.h.runs
		if err := x.h.rest(); err != nil {
			rt.Fatal(err)
		}
		if n := w.a.count("upsert") + w.b.count("upsert") - before; n != 0 || x.h.runs != runs {
			rt.Errorf("a second pass writes %d times in %d runs", n, x.h.runs-runs)
		}
		x.h.sound(w)
		x.h.stop()
	})
	names := slices.Sorted(maps.Keys((&history{}).steps()))
	for _, name := range names {
		t.Logf("%5d  %s", counts[name], name)
		if counts[name] == 0 && !t.Failed() {
			t.Errorf("no history had a step %q", name)
		}
	}
}
