package money_test

import (
	"testing"

	"github.com/ml-connector/ml-connector/money"
)

func FuzzParse(f *testing.F) {
	for _, text := range []string{"10.50", "-3", "1000.00", "0.001", "92233720368547758.08", "", "-", "1e3", "٣"} {
		f.Add(text, "NZD")
		f.Add(text, "jpy")
	}
	f.Fuzz(func(t *testing.T, text, code string) {
		c, err := money.ParseCurrency(code)
		if err != nil {
			if _, err := money.Parse(text, ""); err == nil {
				t.Fatal("a sum without a currency was read")
			}
			return
		}
		a, err := money.Parse(text, c)
		if err != nil {
			return
		}
		if again, err := money.Parse(a.Decimal(), c); err != nil || again != a {
			t.Fatalf("%q: got %s, %v, want %s", text, again, err, a)
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, text := range []string{"12", "-0.25", "1.5e3", "1e-34", "9e33", "0e99999", "", ".", "NaN", "1_0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := money.ParseDecimal(text)
		if err != nil {
			return
		}
		again, err := money.ParseDecimal(d.String())
		if err != nil || !again.Equal(d) || again.String() != d.String() {
			t.Fatalf("%q: got %s, %v, want %s", text, again, err, d)
		}
	})
}
