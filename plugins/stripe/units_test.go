package main

import (
	"testing"

	stripe "github.com/stripe/stripe-go/v76"
	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/money"
)

func TestUnits(t *testing.T) {
	tests := []struct {
		text     string
		currency money.Currency
		units    int64
		refused  bool
	}{
		{text: "10.50", currency: "NZD", units: 1050},
		{text: "1000", currency: "JPY", units: 1000},
		{text: "5", currency: "UGX", units: 500},
		{text: "5", currency: "ISK", units: 500},
		{text: "1.230", currency: "KWD", units: 1230},
		{text: "1.235", currency: "KWD", refused: true},
		{text: "3.00", currency: "MGA", units: 3},
		{text: "3.50", currency: "MGA", refused: true},
		{text: "-2.00", currency: "EUR", units: -200},
		{text: "1.0000", currency: "CLF", refused: true},
		{text: "1.000", currency: "LYD", refused: true},
	}
	for _, tt := range tests {
		a, err := money.Parse(tt.text, tt.currency)
		if err != nil {
			t.Fatal(err)
		}
		got, err := toUnits(a)
		if (err != nil) != tt.refused || got != tt.units {
			t.Errorf("%s: %d, %v; want %d, refused %v", a, got, err, tt.units, tt.refused)
		}
		if err != nil {
			continue
		}
		back, err := fromUnits(got, stripe.Currency(tt.currency))
		if err != nil || back != a {
			t.Errorf("%s comes back as %s, %v", a, back, err)
		}
	}
	for _, c := range []struct {
		n    int64
		code stripe.Currency
	}{{150, "isk"}, {1, "zzz"}, {1, ""}, {maxInt64, "mga"}} {
		if got, err := fromUnits(c.n, c.code); err == nil {
			t.Errorf("%d %q is read as %s", c.n, c.code, got)
		}
	}
	if _, err := toUnits(money.Amount{}); err == nil {
		t.Error("an unset sum is converted")
	}
}

// I6: a sum is converted exactly and comes back, or it is refused.
func TestUnitsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom([]money.Currency{"NZD", "USD", "JPY", "ISK", "UGX", "KWD", "BHD", "MGA", "HUF", "XPF"}).Draw(t, "currency")
		a := money.MustNew(rapid.Int64().Draw(t, "minor"), c)
		n, err := toUnits(a)
		if err != nil {
			return
		}
		back, err := fromUnits(n, stripe.Currency(c))
		if err != nil || back != a {
			t.Fatalf("%s became %d and came back as %s (%v)", a, n, back, err)
		}
	})
}

func TestMinimumsAreReadable(t *testing.T) {
	for c, text := range minimums {
		if _, err := money.Parse(text, c); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}
