package flow

import (
	"context"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

// listRecipe keeps one list: each side owns a field, two follow the later change.
const listRecipe = `
recipe: pair
connections: {a: {connector: aa}, b: {connector: bb}}
retry: {attempts: 4, first: 2ms, factor: 2, cap: 20ms}
flows:
  contacts-out:
    from: a.contact
    to: b.contact
    inverse: contacts-in
    owns: [currency]
    map: {name: contact.name, email: contact.email, phone: contact.phone, currency: contact.currency, marks: "{'source': contact.id}"}
  contacts-in:
    from: b.contact
    to: a.contact
    inverse: contacts-out
    owns: [phone]
    skip:
      - {when: "!linked && has(contact.marks.source)", because: it carries the mark of a contact that is not linked}
    map: {name: contact.name, email: contact.email, phone: contact.phone, currency: contact.currency}
`

// edit changes a contact as a person does, at a time.
func (s *service) edit(t *testing.T, id string, at time.Time, change func(c *connector.Contact)) {
	t.Helper()
	rec := s.get(contactRef(id))
	if rec == nil {
		t.Fatalf("no contact %s in %s", id, s.name)
	}
	next, body := *rec, *rec.Contact
	change(&body)
	next.Contact, next.UpdatedAt = &body, at
	s.put(next)
}

// pair opens a host in which Ada is on both sides, and returns her ids.
func pair(t *testing.T) (w *world, h *host, a, b string) {
	t.Helper()
	t.Parallel()
	w = newWorld()
	h = w.open(t, dbtest.Dir(t), listRecipe)
	h.start()
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "a1", UpdatedAt: paidAt,
		Contact: &connector.Contact{Name: "Ada", Email: "ada@x", Phone: "1", Currency: "NZD"}})
	h.settle()
	b = h.target(w, "a1")
	return w, h, "a1", b
}

func TestEditsOfBothSidesAreMerged(t *testing.T) {
	set := func(field string) func(c *connector.Contact, v string) {
		return map[string]func(c *connector.Contact, v string){
			"name": func(c *connector.Contact, v string) { c.Name = v }, "email": func(c *connector.Contact, v string) { c.Email = v },
			"phone": func(c *connector.Contact, v string) { c.Phone = v }, "currency": func(c *connector.Contact, v string) { c.Currency = v },
		}[field]
	}
	type change struct {
		field, to string
		after     time.Duration
	}
	for _, tt := range []struct {
		name             string
		inA, inB         []change
		a, b             connector.Contact // only these fields are compared
		writesA, writesB int
		lost             string // on the audit trail
	}{
		{name: "different fields", inA: []change{{"name", "Ada L.", 0}}, inB: []change{{"email", "ada@y", 0}},
			a: connector.Contact{Name: "Ada L.", Email: "ada@y", Phone: "1", Currency: "NZD"}, b: connector.Contact{Name: "Ada L.", Email: "ada@y", Phone: "1", Currency: "NZD"}, writesA: 1, writesB: 1},
		{name: "the same field, later in a", inA: []change{{"name", "In A", time.Minute}}, inB: []change{{"name", "In B", 0}},
			a: connector.Contact{Name: "In A", Email: "ada@x", Phone: "1", Currency: "NZD"}, b: connector.Contact{Name: "In A", Email: "ada@x", Phone: "1", Currency: "NZD"}, writesB: 1, lost: "In B"},
		{name: "the same field, later in b", inA: []change{{"name", "In A", 0}}, inB: []change{{"name", "In B", time.Minute}},
			a: connector.Contact{Name: "In B", Email: "ada@x", Phone: "1", Currency: "NZD"}, b: connector.Contact{Name: "In B", Email: "ada@x", Phone: "1", Currency: "NZD"}, writesA: 1, lost: "In A"},
		{name: "the same change", inA: []change{{"name", "Ada L.", 0}}, inB: []change{{"name", "Ada L.", 0}},
			a: connector.Contact{Name: "Ada L.", Email: "ada@x", Phone: "1", Currency: "NZD"}, b: connector.Contact{Name: "Ada L.", Email: "ada@x", Phone: "1", Currency: "NZD"}},
		{name: "what the other side owns stays", inA: []change{{"phone", "2", 0}}, inB: []change{{"currency", "USD", 0}},
			a: connector.Contact{Name: "Ada", Email: "ada@x", Phone: "2", Currency: "NZD"}, b: connector.Contact{Name: "Ada", Email: "ada@x", Phone: "1", Currency: "USD"}},
		{name: "owners prevail, however early", inA: []change{{"phone", "2", time.Hour}, {"currency", "EUR", 0}}, inB: []change{{"currency", "USD", time.Hour}, {"phone", "3", 0}},
			a: connector.Contact{Name: "Ada", Email: "ada@x", Phone: "3", Currency: "EUR"}, b: connector.Contact{Name: "Ada", Email: "ada@x", Phone: "3", Currency: "EUR"}, writesA: 1, writesB: 1},
		{name: "emptied on one side", inA: []change{{"email", "", 0}}, inB: []change{{"name", "Ada B.", 0}},
			a: connector.Contact{Name: "Ada B.", Phone: "1", Currency: "NZD"}, b: connector.Contact{Name: "Ada B.", Email: "ada@x", Phone: "1", Currency: "NZD"}, writesA: 1},
		{name: "nothing", a: connector.Contact{Name: "Ada", Email: "ada@x", Phone: "1", Currency: "NZD"}, b: connector.Contact{Name: "Ada", Email: "ada@x", Phone: "1", Currency: "NZD"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, h, a, b := pair(t)
			writesA, writesB := w.a.count("upsert"), w.b.count("upsert")
			for _, c := range tt.inA {
				w.a.edit(t, a, paidAt.Add(c.after), func(x *connector.Contact) { set(c.field)(x, c.to) })
			}
			for _, c := range tt.inB {
				w.b.edit(t, b, paidAt.Add(c.after), func(x *connector.Contact) { set(c.field)(x, c.to) })
			}
			h.settle()
			for _, side := range []struct {
				s    *service
				id   string
				want connector.Contact
			}{{w.a, a, tt.a}, {w.b, b, tt.b}} {
				got := *side.s.get(contactRef(side.id)).Contact
				if got.Name != side.want.Name || got.Email != side.want.Email || got.Phone != side.want.Phone || got.Currency != side.want.Currency {
					t.Errorf("in %s: got %+v, want %+v", side.s.name, got, side.want)
				}
			}
			if x, y := w.a.count("upsert")-writesA, w.b.count("upsert")-writesB; x != tt.writesA || y != tt.writesB {
				t.Errorf("got %d writes in a and %d in b, want %d and %d", x, y, tt.writesA, tt.writesB)
			}
			if n := h.count(`audit_entry WHERE detail LIKE '%"lost name":"` + tt.lost + ` (%'`); tt.lost != "" && n == 0 {
				t.Errorf("the trail does not say that %s was lost", tt.lost)
			}
			h.sound(w)
			h.quiet(w)
		})
	}
}

// A record that does not say when it changed is as new as the last change that
// its service told of, heard of or not.
func TestTimeOfAChangeThatNobodyTookInYet(t *testing.T) {
	w, h, a, b := pair(t)
	w.a.edit(t, a, paidAt.Add(time.Minute), func(c *connector.Contact) { c.Name = "In A" })
	w.b.edit(t, b, time.Time{}, func(c *connector.Contact) { c.Name = "In B" })
	w.b.tell(contactRef(b), paidAt.Add(time.Hour)) // in its list of changes only
	h.hint("a", contactRef(a), keyOf(1))
	h.idle()
	h.settle()
	for _, got := range []string{w.a.get(contactRef(a)).Contact.Name, w.b.get(contactRef(b)).Contact.Name} {
		if got != "In B" {
			t.Errorf("got %s, want the later change", got)
		}
	}
	h.sound(w)
	h.quiet(w)
}

// A contact that a person linked to another one has agreed on nothing: what only
// one side says goes over, what differs follows the later change.
func TestRecordsLinkedByAPersonAreMerged(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), listRecipe)
	h.start()
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "a1", UpdatedAt: paidAt.Add(time.Minute), Contact: &connector.Contact{Name: "Ada", Email: "ada@x"}})
	w.b.put(connector.Record{Entity: connector.EntityContact, ID: "b1", UpdatedAt: paidAt, Contact: &connector.Contact{Name: "A. Lovelace", Phone: "1"}})
	if err := AddLink(t.Context(), h.db, h.audit, "pair", Ref{"a", connector.EntityContact, "a1"}, Ref{"b", connector.EntityContact, "b1"}, paidAt); err != nil {
		t.Fatal(err)
	}
	h.settle()
	for _, rec := range []*connector.Record{w.a.get(contactRef("a1")), w.b.get(contactRef("b1"))} {
		if c := rec.Contact; c.Name != "Ada" || c.Email != "ada@x" || c.Phone != "1" {
			t.Errorf("%s: got %+v", rec.ID, c)
		}
	}
	h.sound(w)
	h.quiet(w)
}

// A record that we made without hearing so may be edited before we look for it:
// what it says then is not what we wrote.
func TestEditBetweenTheWriteAndTheLook(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), listRecipe)
	cut := false
	h.b.onAnswer = func(context.Context, connector.UpsertRequest) error {
		if cut {
			return nil
		}
		cut = true
		made := w.b.all(connector.EntityContact)
		if len(made) != 1 {
			t.Errorf("got %d contacts, want the one that was made", len(made))
			return nil
		}
		w.b.edit(t, made[0].ID, paidAt.Add(time.Minute), func(c *connector.Contact) { c.Email = "new@x" })
		w.b.mu.Lock()
		w.b.remembered = map[string]connector.Outcome{} // it is found by its mark
		w.b.mu.Unlock()
		return connector.Errorf(connector.UnknownOutcome, "b", "no answer")
	}
	h.start()
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "a1", UpdatedAt: paidAt,
		Contact: &connector.Contact{Name: "Ada", Email: "ada@x", Phone: "1", Currency: "NZD"}})
	h.hint("a", contactRef("a1"), keyOf(1))
	h.idle() // the other side's news comes later
	h.settle()
	for _, got := range []*connector.Record{w.a.get(contactRef("a1")), w.b.get(contactRef(h.target(w, "a1")))} {
		if got.Contact.Email != "new@x" {
			t.Errorf("%s says %s, want what was typed last", got.Ref(), got.Contact.Email)
		}
	}
	h.quiet(w)
}
