package reconcile

import (
	"maps"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/money"
)

// sums adds up what moved and what is posted for it, by currency.
type sums struct {
	source, target map[money.Currency]money.Amount
}

func newSums() *sums {
	return &sums{source: map[money.Currency]money.Amount{}, target: map[money.Currency]money.Amount{}}
}

// add takes in one payment; records of other entities count nothing here.
func (s *sums) add(want, have *connector.Record, effects []flow.Effect) error {
	if want.Payment == nil || want.Payment.Status != connector.PaymentSucceeded {
		return nil
	}
	if err := plus(s.source, want.Payment.Amount); err != nil {
		return err
	}
	if have == nil || have.Payment == nil || have.Payment.Status != connector.PaymentSucceeded {
		return nil
	}
	return plus(s.target, posted(have, effects))
}

func plus(m map[money.Currency]money.Amount, a money.Amount) (err error) {
	if !a.IsSet() {
		return nil
	}
	old, ok := m[a.Currency()]
	if !ok {
		old = money.Zero(a.Currency())
	}
	m[a.Currency()], err = old.Add(a)
	return err
}

func (s *sums) rows() []SumRow {
	var out []SumRow
	for _, c := range slices.Sorted(maps.Keys(s.source)) {
		have, ok := s.target[c]
		if !ok {
			have = money.Zero(c)
		}
		out = append(out, SumRow{Source: s.source[c], Target: have})
	}
	return out
}

// buckets are the ages of what is owed, by days past the due date.
var buckets = []struct {
	name string
	upTo int
}{{"current", 0}, {"1-30", 30}, {"31-60", 60}, {"61-90", 90}}

const oldest = "over 90"

// BucketNames lists the columns of an ageing table.
func BucketNames() []string {
	out := make([]string, 0, len(buckets)+1)
	for _, b := range buckets {
		out = append(out, b.name)
	}
	return append(out, oldest)
}

// AgeingTable is what is owed in one currency on both sides, by age. The age on
// both sides is that of the source's due date: the other side may have needed a
// later one.
type AgeingTable struct {
	Recipe   string                  `json:"recipe"`
	Flow     string                  `json:"flow"`
	Currency money.Currency          `json:"currency"`
	Source   map[string]money.Amount `json:"source"`
	Target   map[string]money.Amount `json:"target"`
}

type ages struct {
	today connector.Date
	by    map[money.Currency]*AgeingTable
}

func newAges(now time.Time) *ages {
	return &ages{today: connector.DateOf(now.UTC()), by: map[money.Currency]*AgeingTable{}}
}

func (a *ages) add(s flow.Surveyed) error {
	in := s.Source.Invoice
	if in == nil || in.Kind != connector.InvoiceSale || in.Currency == "" || s.Skipped != "" {
		return nil
	}
	t, ok := a.by[in.Currency]
	if !ok {
		t = &AgeingTable{Currency: in.Currency, Source: map[string]money.Amount{}, Target: map[string]money.Amount{}}
		for _, b := range BucketNames() {
			t.Source[b], t.Target[b] = money.Zero(in.Currency), money.Zero(in.Currency)
		}
		a.by[in.Currency] = t
	}
	b := a.bucket(in.DueDate)
	var err error
	if in.Status == connector.InvoiceOpen {
		if t.Source[b], err = t.Source[b].Add(in.AmountDue); err != nil {
			return err
		}
	}
	if s.Target != nil && s.Target.Invoice != nil && s.Target.Invoice.Status == connector.InvoiceOpen {
		t.Target[b], err = t.Target[b].Add(s.Target.Invoice.AmountDue)
	}
	return err
}

func (a *ages) bucket(due connector.Date) string {
	if due.IsZero() {
		return buckets[0].name
	}
	for _, b := range buckets {
		if !due.AddDays(b.upTo).Before(a.today) {
			return b.name
		}
	}
	return oldest
}

func (a *ages) tables(recipe, flowName string) []AgeingTable {
	var out []AgeingTable
	for _, c := range slices.Sorted(maps.Keys(a.by)) {
		t := a.by[c]
		t.Recipe, t.Flow = recipe, flowName
		out = append(out, *t)
	}
	return out
}
