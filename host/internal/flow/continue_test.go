package flow

import (
	"errors"
	"strings"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// onwardRecipe goes on with the state of pairRecipe and has a flow more.
const onwardRecipe = `
recipe: onward
extends: pair
continues: true
flows:
  tallies:
    from: a.contact
    to: b.contact
    hold:
      - {when: "contact.name == 'Tally'", because: it is a tally, remedy: count it}
    skip:
      - {when: "contact.name != 'Tally'", because: no tally}
    map: {name: contact.name}
`

// moved ends a host and opens the next recipe on its data.
func (h *host) moved(w *world, recipeText string) *host {
	h.t.Helper()
	h.stop()
	next := w.open(h.t, h.dir, recipeText)
	next.start()
	return next
}

func (w *world) writes() int { return w.a.count("upsert") + w.b.count("upsert") }

// I11: whoever goes on with a recipe's state has nothing to do again, and neither
// has that recipe when the owner changes back.
func TestContinuingRecipeWritesNothingAgain(t *testing.T) {
	w, h := newHost(t)
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "c1", Version: "1", Contact: &connector.Contact{Name: "Ada", Email: "ada@example.com"}})
	w.a.put(invoice("i1", "c1", connector.InvoiceOpen))
	h.settle()
	bill := h.target(w, "i1")
	w.b.put(connector.Record{Entity: connector.EntityPayment, ID: "p1", Version: "1",
		Payment: &connector.Payment{Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, InvoiceID: bill}})
	h.settle()
	h.want("receipts-in", "p1", Done)
	before, links := w.writes(), h.count("link")
	if before == 0 {
		t.Fatal("nothing was written, so this proves nothing")
	}
	for _, text := range []string{onwardRecipe, pairRecipe, onwardRecipe} {
		h = h.moved(w, text)
		h.settle()
		if got := w.writes(); got != before {
			t.Errorf("%s: %d writes more", h.eng.cfg.Selections[0].Recipe.Name, got-before)
		}
	}
	if h.count("link") != links || h.count("work WHERE recipe <> 'pair'") != 0 {
		t.Error("it began a state of its own")
	}
	// What it does is done under its own rules, and the trail says so.
	w.a.put(invoice("i2", "c1", connector.InvoiceOpen))
	h.settle()
	if h.count(`audit_entry WHERE kind = 'outcome' AND recipe = 'pair' AND detail LIKE '%"recipe":"onward"%'`) != 1 {
		t.Error("the trail does not say whose rules they were")
	}
}

// target returns the counterpart of a record.
func (h *host) target(w *world, id string) string {
	h.t.Helper()
	links, err := Links(h.t.Context(), h.db, LinkFilter{ID: id})
	if err != nil || len(links) != 1 {
		h.t.Fatalf("links of %s: %d, %v", id, len(links), err)
	}
	if links[0].A.ID == id {
		return links[0].B.ID
	}
	return links[0].A.ID
}

// I7: what only the other recipe can work on stays, and a replay says so.
func TestWorkOfAFlowThatDoesNotRunStaysWithItsPerson(t *testing.T) {
	w, h := newHost(t)
	h = h.moved(w, onwardRecipe)
	w.a.put(connector.Record{Entity: connector.EntityContact, ID: "c1", Version: "1", Contact: &connector.Contact{Name: "Tally"}})
	h.settle()
	id := h.want("tallies", "c1", Held).ID

	h = h.moved(w, pairRecipe)
	h.settle()
	h.want("tallies", "c1", Held)
	if _, err := h.eng.PreviewWork(t.Context(), id); err == nil || !strings.Contains(err.Error(), "no recipe with flow tallies") {
		t.Errorf("preview: %v", err)
	}
	for range 2 { // it does not grow
		if err := h.replay(id); err != nil {
			t.Fatal(err)
		}
		h.idle()
		got := h.want("tallies", "c1", Held)
		if got.Reason != "recipe pair, which runs, has no flow tallies; before that: it is a tally" ||
			got.Remedy != "run a recipe that has flow tallies instead of pair, then replay" {
			t.Errorf("got %q (%s)", got.Reason, got.Remedy)
		}
	}
	h = h.moved(w, onwardRecipe)
	if err := h.replay(id); err != nil {
		t.Fatal(err)
	}
	h.idle()
	if got := h.want("tallies", "c1", Held); got.Reason != "it is a tally" || got.Remedy != "count it" {
		t.Errorf("got %q (%s)", got.Reason, got.Remedy)
	}
}

func TestTwoRecipesWithOneStateAreRefused(t *testing.T) {
	pair, onward := parsed(t, pairRecipe), parsed(t, onwardRecipe)
	apart := parsed(t, "recipe: apart\nextends: pair\n")
	for _, tt := range []struct {
		name    string
		recipes []*recipe.Recipe
		refused string
	}{
		{"one that continues the other", []*recipe.Recipe{pair, onward}, "pair and onward keep it under pair"},
		{"one twice", []*recipe.Recipe{onward, onward}, "onward and onward"},
		{"one that begins its own", []*recipe.Recipe{pair, apart}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cfg Config
			for _, r := range tt.recipes {
				p, err := r.Bind(nil, connector.Date{})
				if err != nil {
					t.Fatal(err)
				}
				cfg.Selections = append(cfg.Selections, Selection{Recipe: r, Params: p})
			}
			_, err := New(cfg)
			if refused := errors.Is(err, ErrOneState); refused != (tt.refused != "") {
				t.Fatalf("got %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("got %v, want %q", err, tt.refused)
			}
		})
	}
}
