// Package reconcile compares both sides of a recipe as they are now and reports
// every difference. It writes to no remote and repairs nothing: a difference is
// a person's to understand, and each says what to do.
//
// It works on what the recipe wants: a record that takes part must have its
// counterpart, and the counterpart must say the same. Sums of money and the
// ageing of what is owed are compared beside it, currency by currency.
package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/money"
)

// Kind says what is wrong.
type Kind string

// The kinds of difference.
const (
	Missing Kind = "missing" // it should have a counterpart and has none
	Gone    Kind = "gone"    // its counterpart was deleted or voided
	Differs Kind = "differs" // the counterpart says something else
	Extra   Kind = "extra"   // a record that belongs to ours and that nobody here made
	Sum     Kind = "sum"     // sums of the two sides differ
	Waiting Kind = "waiting" // it is held, or waits for another record
)

// Difference is one thing that is not the same on both sides.
type Difference struct {
	Recipe  string `json:"recipe"`
	Flow    string `json:"flow"`
	Kind    Kind   `json:"kind"`
	Label   string `json:"label"`
	Source  string `json:"source"`
	Target  string `json:"target"`
	Message string `json:"message"`
	Remedy  string `json:"remedy"`
}

// Report is what a reconciliation found.
type Report struct {
	At          time.Time     `json:"at"`
	Checked     []Checked     `json:"checked"`
	Differences []Difference  `json:"differences"`
	Sums        []SumRow      `json:"sums"`
	Ageing      []AgeingTable `json:"ageing"`
}

// Checked counts what a flow's comparison covered.
type Checked struct {
	Recipe  string `json:"recipe"`
	Flow    string `json:"flow"`
	Records int    `json:"records"`
	Paired  int    `json:"paired"`
	Skipped int    `json:"skipped"` // left alone by the recipe
}

// SumRow compares the money of a flow of payments in one currency.
type SumRow struct {
	Recipe string       `json:"recipe"`
	Flow   string       `json:"flow"`
	Source money.Amount `json:"source"`
	Target money.Amount `json:"target"`
}

// Clean reports whether nothing differs.
func (r Report) Clean() bool { return len(r.Differences) == 0 }

// Run compares everything that changed since a time; the zero time means since
// the recipes' own start.
func Run(ctx context.Context, e *flow.Engine, since, now time.Time) (Report, error) {
	rep := Report{At: now.UTC(), Differences: []Difference{}}
	for _, recipe := range e.Recipes() {
		flows := e.Flows(recipe)
		all := make([]flow.Survey, len(flows))
		for i, name := range flows {
			var err error
			if all[i], err = e.Survey(ctx, recipe, name, since); err != nil {
				return rep, fmt.Errorf("compare %s: %w", name, err)
			}
		}
		if err := applyReversals(all); err != nil {
			return rep, fmt.Errorf("compare %s: %w", recipe, err)
		}
		for i, name := range flows {
			_, to := e.Sides(recipe, name)
			c := &comparison{rep: &rep, recipe: recipe, flow: name, to: to, now: now}
			if err := c.compare(all[i]); err != nil {
				return rep, fmt.Errorf("compare %s: %w", name, err)
			}
		}
	}
	return rep, nil
}

// comparison is the comparison of one flow.
type comparison struct {
	rep          *Report
	recipe, flow string
	to           string // the target's connection
	now          time.Time
	checked      Checked
}

func (c *comparison) compare(sv flow.Survey) error {
	c.checked = Checked{Recipe: c.recipe, Flow: c.flow, Records: len(sv.Records)}
	sums := newSums()
	ages := newAges(c.now)
	followMarks(sv)
	doubles := doublesOf(sv)
	for _, s := range sv.Records {
		for _, d := range doubles[s.Ref.ID] {
			c.found(s, Extra, fmt.Sprintf("%s stands for it as well", d.Ref()), "undo one of the two: one of them was entered by hand")
		}
		if err := c.one(s, sums); err != nil {
			return err
		}
		if err := ages.add(s); err != nil {
			return err
		}
	}
	c.rep.Checked = append(c.rep.Checked, c.checked)
	for _, row := range sums.rows() {
		row.Recipe, row.Flow = c.recipe, c.flow
		c.rep.Sums = append(c.rep.Sums, row)
		if row.Source != row.Target {
			c.rep.Differences = append(c.rep.Differences, Difference{
				Recipe: c.recipe, Flow: c.flow, Kind: Sum, Label: string(row.Source.Currency()),
				Message: fmt.Sprintf("%s on one side, %s on the other", row.Source, row.Target),
				Remedy:  "the differences of single records above or below explain it",
			})
		}
	}
	c.rep.Ageing = append(c.rep.Ageing, ages.tables(c.recipe, c.flow)...)
	return nil
}

// one compares one record with its counterpart.
func (c *comparison) one(s flow.Surveyed, sums *sums) error {
	switch {
	case s.Skipped != "":
		c.checked.Skipped++
		return nil
	case s.Held != "":
		c.found(s, Waiting, s.Held, "see: ml-connector failures list")
		return nil
	case s.Waits != "":
		c.found(s, Waiting, "it waits for its "+s.Waits, "see: ml-connector failures list")
		return nil
	case s.TargetID == "":
		if undone(s.Want) {
			return nil
		}
		c.found(s, Missing, "it has no counterpart", "run: ml-connector sync; if it stays, see: ml-connector failures list")
		return sums.add(s.Want, nil, nil)
	case s.Target == nil || s.Target.Gone:
		if undone(s.Want) {
			return nil
		}
		c.found(s, Gone, "its counterpart is no longer there", "restore it there, or undo the record here")
		return sums.add(s.Want, nil, nil)
	}
	c.checked.Paired++
	for _, d := range differences(s.Want, s.Target, s.Effects) {
		kind, remedy := Differs, "correct one of the two; the next change carries over"
		if d.gone {
			kind, remedy = Gone, "restore it there, or undo the record here"
		}
		c.found(s, kind, d.message, remedy)
	}
	return sums.add(s.Want, s.Target, s.Effects)
}

// undone reports whether the wish is that there be nothing.
func undone(want *connector.Record) bool {
	return want.Payment != nil && want.Payment.Status == connector.PaymentFailed
}

func (c *comparison) found(s flow.Surveyed, k Kind, message, remedy string) {
	d := Difference{
		Recipe: c.recipe, Flow: c.flow, Kind: k, Label: s.Source.Label(), Source: s.Ref.String(), Message: message, Remedy: remedy,
	}
	if s.TargetID != "" {
		d.Target = c.to + ":" + string(s.Source.Entity) + "/" + s.TargetID
	}
	c.rep.Differences = append(c.rep.Differences, d)
}
