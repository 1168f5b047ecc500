package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

// unlinkedRecipe keeps one list; only b can hold a mark, as with Xero and Stripe.
const unlinkedRecipe = `
recipe: pair
connections: {a: {connector: aa}, b: {connector: bb}}
retry: {attempts: 4, first: 2ms, factor: 2, cap: 20ms}
flows:
  contacts-out:
    from: a.contact
    to: b.contact
    inverse: contacts-in
    skip:
      - {when: contact.gone, because: it is gone}
      - {when: "contact.status == 'archived' && !linked", because: archived}
    map: {name: contact.name, email: contact.email, phone: contact.phone, marks: "{'source': contact.id}"}
  contacts-in:
    from: b.contact
    to: a.contact
    inverse: contacts-out
    skip:
      - {when: contact.gone, because: it is gone}
      - {when: "!linked && has(contact.marks.source)", because: it carries the mark of a contact that is not linked}
      - {when: "contact.email == ''", because: it has no e-mail address}
    map: {name: contact.name, email: contact.email, phone: contact.phone}
`

// person is "name <email>", with "!" before an archived one and "#mark" after.
func person(id, text string) connector.Record {
	c := connector.Contact{Status: connector.ContactActive}
	if rest, ok := strings.CutPrefix(text, "!"); ok {
		c.Status, text = connector.ContactArchived, rest
	}
	text, mark, ok := strings.Cut(text, "#")
	if ok {
		c.Marks = map[string]string{"source": mark}
	}
	name, email, _ := strings.Cut(text, "<")
	c.Name, c.Email = strings.TrimSpace(name), strings.TrimSuffix(strings.TrimSpace(email), ">")
	return connector.Record{Entity: connector.EntityContact, ID: id, Contact: &c}
}

// A first run does what its preview said, in whatever order: each contact is
// linked to the only one that it can be, made, or left to a person.
func TestFirstRunDoesWhatThePreviewSaid(t *testing.T) {
	for _, tt := range []struct {
		name   string
		a, b   []string // people before
		link   int
		why    string
		create int
		person int // questions
		held   int // records that wait
		sizes  [2]int
	}{
		{name: "nobody there", a: []string{"Ada <ada@x>"}, create: 1, sizes: [2]int{1, 1}},
		{name: "e-mail", a: []string{"Ada <ada@x>"}, b: []string{"A. Lovelace <ADA@x>"}, link: 1, why: "the same e-mail address", sizes: [2]int{1, 1}},
		{name: "name", a: []string{"Ada"}, b: []string{"ADA <ada@x>"}, link: 1, why: "the same name", sizes: [2]int{1, 1}},
		{name: "mark", a: []string{"Ada <ada@x>"}, b: []string{"Somebody <some@x>#a0"}, link: 1, why: "it bears our mark", sizes: [2]int{1, 1}},
		{name: "another's mark", a: []string{"Ada <ada@x>"}, b: []string{"Ada <ada@x>#a9"}, create: 1, sizes: [2]int{1, 2}},
		{name: "the same name, another e-mail", a: []string{"Ada <ada@x>"}, b: []string{"Ada <ada@y>"}, create: 2, sizes: [2]int{2, 2}},
		{name: "two there", a: []string{"Ada <ada@x>"}, b: []string{"Ada <ada@x>", "Bea <ada@x>"}, person: 1, held: 3, sizes: [2]int{1, 2}},
		{name: "two here", a: []string{"Ada <ada@x>", "Bea <ada@x>"}, b: []string{"Cara <ada@x>"}, person: 1, held: 3, sizes: [2]int{2, 1}},
		{name: "two on both sides", a: []string{"Ada <ada@x>", "Bea <ada@x>"}, b: []string{"Ada <ada@x>", "Bea <ada@x>"}, person: 4, held: 4, sizes: [2]int{2, 2}},
		{name: "two here, one archived", a: []string{"Ada <ada@x>", "!Bea <ada@x>"}, b: []string{"Cara <ada@x>"}, link: 1, why: "the same e-mail address", sizes: [2]int{2, 1}},
		{name: "two here and nobody there: our mark tells them apart", a: []string{"Ada <ada@x>", "Bea <ada@x>"}, create: 2, sizes: [2]int{2, 2}},
		{name: "two there and nobody here: one goes first", b: []string{"Ada <ada@x>", "Bea <ada@x>"}, create: 1, person: 1, held: 1, sizes: [2]int{1, 2}},
		{name: "takes no part", b: []string{"Ada"}, sizes: [2]int{0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			h := w.open(t, dbtest.Dir(t), unlinkedRecipe)
			for i, text := range tt.a {
				w.a.put(person(fmt.Sprint("a", i), text))
			}
			for i, text := range tt.b {
				w.b.put(person(fmt.Sprint("b", i), text))
			}
			p, err := h.eng.Preview(t.Context(), noTime)
			if err != nil || len(p.Matching) != 1 {
				t.Fatalf("got %+v, %v", p, err)
			}
			m := p.Matching[0]
			if len(m.Link) != tt.link || len(m.Create) != tt.create || len(m.Person) != tt.person {
				t.Errorf("got %d to link, %d to make, %d for a person; want %d, %d, %d:\n%+v", len(m.Link), len(m.Create), len(m.Person), tt.link, tt.create, tt.person, m)
			}
			if tt.link > 0 && (m.Link[0].Reason != tt.why || !m.Link[0].Now) {
				t.Errorf("got %+v, want %s", m.Link[0], tt.why)
			}
			h.start()
			h.settle()
			if n := h.count(`link WHERE ended_at IS NULL`); n != tt.link+tt.create {
				t.Errorf("got %d links, want %d", n, tt.link+tt.create)
			}
			if n := h.count(`work WHERE state = 'held'`); n != tt.held {
				t.Errorf("%d records wait for a person, want %d", n, tt.held)
			}
			if a, b := len(w.a.all(connector.EntityContact)), len(w.b.all(connector.EntityContact)); [2]int{a, b} != tt.sizes {
				t.Errorf("got %d and %d contacts, want %v", a, b, tt.sizes)
			}
			h.sound(w)
			h.quiet(w)
		})
	}
}

// What only one of two adopted contacts says is filled in, and nothing that
// differs is written over.
func TestAdoptedContactsKeepWhatTheySay(t *testing.T) {
	t.Parallel()
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), unlinkedRecipe)
	here, there := person("a0", "Ada <ada@x>"), person("b0", "A. Lovelace <ada@x>")
	there.Contact.Phone = "1"
	w.a.put(here)
	w.b.put(there)
	h.start()
	h.settle()
	if c := w.a.get(contactRef("a0")).Contact; c.Name != "Ada" || c.Phone != "1" {
		t.Errorf("in a: %+v", c)
	}
	if c := w.b.get(contactRef("b0")).Contact; c.Name != "A. Lovelace" || c.Marks["source"] != "a0" {
		t.Errorf("in b: %+v", c)
	}
	h.quiet(w)
}

// The report decides over lists in memory, a pass over the stored roster: both
// must say the same of everybody.
func TestListsAndRosterDecideTheSame(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), unlinkedRecipe)
	f := h.eng.plans["pair"].Recipe.Flow("contacts-out")
	rapid.Check(t, func(t *rapid.T) {
		draw := func(side string) []string {
			return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
				text := rapid.SampledFrom([]string{"", "!"}).Draw(t, "archived") + rapid.SampledFrom([]string{"Ada", "Bea", "ada"}).Draw(t, "name")
				text += rapid.SampledFrom([]string{"", " <x@x>", " <y@y>"}).Draw(t, "email")
				if side == "b" {
					text += rapid.SampledFrom([]string{"", "", "#a0", "#a1"}).Draw(t, "mark")
				}
				return text
			}), 0, 4).Draw(t, side)
		}
		w.a.clear()
		w.b.clear()
		for side, s := range map[string]*service{"a": w.a, "b": w.b} {
			for i, text := range draw(side) {
				s.put(person(fmt.Sprint(side, i), text))
			}
		}
		both := sides{}
		for i, end := range []string{f.Name, f.Inverse} {
			s, err := h.eng.side(context.Background(), "pair", h.eng.plans["pair"].Recipe.Flow(end))
			if err != nil {
				t.Fatal(err)
			}
			both[i] = s
		}
		h.update(func(ctx context.Context, tx *db.Tx) error {
			for _, table := range []string{"roster", "roster_mark"} {
				if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil {
					return err
				}
			}
			return nil
		})
		clear(h.eng.mustered)
		if err := h.eng.muster(context.Background(), h.eng.Sources()[0]); err != nil {
			t.Fatal(err)
		}
		for _, s := range both {
			for _, x := range s.all {
				if x.want == nil {
					continue
				}
				q := question{look: both, here: s.at, there: s.other, self: x.rec, want: x.want.Contact}
				byList, err := q.verdict(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				q.look = rosterOf{h.db.Read(), "pair"}
				byRoster, err := q.verdict(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(byList, byRoster, cmp.AllowUnexported(verdict{}, candidate{})); diff != "" {
					t.Errorf("%s (-lists +roster):\n%s", x.rec.ID, diff)
				}
				if byList.reason != "" && !slices.ContainsFunc(byList.among, func(c candidate) bool { return c.ref == s.ref(x.rec.ID) }) {
					t.Errorf("%s is not among those that a person is told: %+v", x.rec.ID, byList)
				}
			}
		}
	})
}

func (s *service) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.changes = map[connector.Ref]*connector.Record{}, nil
}
