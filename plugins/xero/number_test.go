package main

import (
	"encoding/json"
	"testing"

	"github.com/ml-connector/ml-connector/money"
)

// A sum that is read is exactly the one that was written: as a number, as text,
// and back again. What does not fit is an error, never rounded (I6).
func FuzzNumber(f *testing.F) {
	for _, s := range []string{`24.15`, `"50.00"`, `0.00`, `-3`, `1e2`, `12.345`, `null`, `""`, `"1,5"`, `99999999999999999999.99`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var n number
		if json.Unmarshal([]byte(s), &n) != nil {
			return
		}
		for _, c := range []money.Currency{"JPY", "NZD", "KWD"} {
			got, err := n.amount(c)
			if err != nil || n == "" {
				continue
			}
			again, err := money.Parse(got.Decimal(), c)
			if err != nil || again != got {
				t.Fatalf("%s in %s became %s, and that %s: %v", s, c, got, again, err)
			}
			exact, err := money.ParseDecimal(string(n))
			if err != nil || exact.Cmp(got.AsDecimal()) != 0 {
				t.Fatalf("%s in %s became %s: %v", s, c, got, err)
			}
		}
	})
}
