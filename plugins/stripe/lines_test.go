package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

func TestLines(t *testing.T) {
	many := make([]connector.InvoiceLine, 300)
	for i := range many {
		many[i] = connector.InvoiceLine{Description: "x", Amount: nzd(10), TaxCode: []string{"A", "B"}[i%2]}
	}
	kwd := func(minor int64) money.Amount { return money.MustNew(minor, "KWD") }
	tests := []struct {
		name string
		inv  connector.Invoice
		want []string
	}{
		{"tax on top", bill115("cus_1"), []string{"Work 70.00", "Travel 30.00", "Tax 15.00"}},
		{"tax included", connector.Invoice{TaxMode: connector.TaxInclusive, Total: nzd(11500), TaxTotal: nzd(1500), AmountDue: nzd(11500),
			Lines: []connector.InvoiceLine{{Description: "All", Amount: nzd(11500), Tax: nzd(1500)}}}, []string{"All 115.00"}},
		{"part paid", connector.Invoice{Total: nzd(100), AmountDue: nzd(60),
			Lines: []connector.InvoiceLine{{Description: "A", Amount: nzd(100)}}}, []string{"A 1.00", textSettled + " -0.40"}},
		{"rounded", connector.Invoice{Total: nzd(101), AmountDue: nzd(101),
			Lines: []connector.InvoiceLine{{Description: "A", Amount: nzd(100)}}}, []string{"A 1.00", "Rounding 0.01"}},
		{"far off", connector.Invoice{Total: nzd(200), AmountDue: nzd(200),
			Lines: []connector.InvoiceLine{{Description: "A", Amount: nzd(100)}}}, []string{"A 1.00", "Other amounts 1.00"}},
		{"discount and nothing", connector.Invoice{Total: nzd(90), AmountDue: nzd(90), Lines: []connector.InvoiceLine{
			{Description: " A\n long  text", Amount: nzd(100)}, {Description: "free", Amount: nzd(0)}, {Amount: nzd(-10)}}},
			[]string{"A long text 1.00", "Item 3 -0.10"}},
		{"no lines", connector.Invoice{Number: "INV-9", Total: nzd(90), AmountDue: nzd(90)}, []string{"Invoice INV-9 0.90"}},
		{"too many", connector.Invoice{Total: nzd(3000), AmountDue: nzd(3000), Lines: many},
			[]string{"150 items, tax code A 15.00", "150 items, tax code B 15.00"}},
		{"not countable one by one", connector.Invoice{Number: "INV-8", Total: kwd(1230), AmountDue: kwd(1230),
			Lines: []connector.InvoiceLine{{Description: "A", Amount: kwd(615), TaxCode: "x"}, {Description: "B", Amount: kwd(615), TaxCode: "y"}}},
			[]string{"Invoice INV-8 1.230"}},
		{"a text that is cut at a space", connector.Invoice{Total: nzd(100), AmountDue: nzd(100),
			Lines: []connector.InvoiceLine{{Description: strings.Repeat("a", lineTextMax-1) + " b", Amount: nzd(100)}}},
			[]string{strings.Repeat("a", lineTextMax-1) + " 1.00"}},
		{"more than Stripe takes at once, part paid", connector.Invoice{Number: "INV-7", Total: nzd(150_000_000), AmountDue: nzd(100),
			Lines: []connector.InvoiceLine{{Description: "A", Amount: nzd(150_000_000)}}}, []string{"Invoice INV-7 1.00"}},
		{"a line too large, and one that takes it back", connector.Invoice{Number: "INV-6", Total: nzd(100), AmountDue: nzd(100),
			Lines: []connector.InvoiceLine{{Description: "A", Amount: nzd(150_000_100)}, {Description: "B", Amount: nzd(-150_000_000)}}},
			[]string{"2 items 1.00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := lines(&tt.inv)
			if err != nil {
				t.Fatal(err)
			}
			var text []string
			for _, l := range got {
				text = append(text, l.text+" "+l.amount.Decimal())
			}
			if diff := cmp.Diff(tt.want, text); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinesRefuse(t *testing.T) {
	for name, inv := range map[string]connector.Invoice{
		"more due than the total": {Total: nzd(100), AmountDue: nzd(101)},
		"currencies mixed": {Total: nzd(100), AmountDue: nzd(100),
			Lines: []connector.InvoiceLine{{Amount: money.MustNew(100, "USD")}}},
	} {
		if got, err := lines(&inv); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// I6: whatever the lines, taxes, discounts and part payments are, what Stripe
// adds up is what is due.
func TestLinesSumExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]money.Currency{"NZD", "USD", "JPY", "ISK", "HUF", "MGA"}).Draw(t, "currency")
		amount := func(label string, from, to int64) money.Amount {
			return money.MustNew(rapid.Int64Range(from, to).Draw(t, label), c)
		}
		inv := connector.Invoice{
			Currency: c, TaxMode: rapid.SampledFrom([]connector.TaxMode{connector.TaxExclusive, connector.TaxInclusive, connector.TaxNone}).Draw(t, "mode"),
			Total: amount("total", 1, 1e9), TaxTotal: amount("tax", 0, 1e6),
		}
		for range rapid.IntRange(0, 300).Draw(t, "n") {
			inv.Lines = append(inv.Lines, connector.InvoiceLine{
				Description: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "text"), TaxCode: rapid.SampledFrom([]string{"", "A", "B"}).Draw(t, "code"),
				Amount: amount("line", -1e6, 1e6),
			})
		}
		inv.AmountDue = money.MustNew(rapid.Int64Range(1, inv.Total.Minor()).Draw(t, "due"), c)
		got, err := lines(&inv)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := sumOf(got, c)
		if err != nil || sum != inv.AmountDue || len(got) > linesMax {
			t.Fatalf("%d lines sum to %s (%v), due is %s", len(got), sum, err, inv.AmountDue)
		}
		for _, l := range got {
			if l.text == "" || l.amount.IsZero() || strings.TrimSpace(l.text) != l.text {
				t.Fatalf("line %+v", l)
			}
		}
		units, err := inUnits(got)
		if err != nil {
			return // MGA in fractions: refused, not rounded
		}
		due, err := toUnits(inv.AmountDue)
		if err != nil {
			t.Fatal(err)
		}
		var total int64
		for _, l := range units {
			total += l.units
		}
		if total != due {
			t.Fatalf("Stripe would add up %d, due is %d", total, due)
		}
	})
}

func TestMissing(t *testing.T) {
	a, b := billLine{"a", 1}, billLine{"b", 2}
	tests := []struct {
		name        string
		want, there []billLine
		missing     []int
		ok          bool
	}{
		{"nothing there", []billLine{a, b}, nil, []int{0, 1}, true},
		{"all there", []billLine{a, b}, []billLine{b, a}, nil, true},
		{"twice wanted, once there", []billLine{a, a}, []billLine{a}, []int{1}, true},
		{"one too many", []billLine{a}, []billLine{a, a}, nil, false},
		{"another sum", []billLine{a}, []billLine{{"a", 2}}, []int{0}, false},
	}
	for _, tt := range tests {
		got, ok := missing(tt.want, tt.there)
		if diff := cmp.Diff(tt.missing, got); diff != "" || ok != tt.ok {
			t.Errorf("%s: ok %v, want %v (-want +got):\n%s", tt.name, ok, tt.ok, diff)
		}
	}
}
