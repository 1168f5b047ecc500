package money_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/money"
)

// The generators cover currencies of every number of decimals, and the whole
// range of 64 bits.
var (
	anyCurrency = rapid.SampledFrom([]money.Currency{"JPY", "NZD", "KWD", "CLF"})
	anyAmount   = rapid.Custom(func(t *rapid.T) money.Amount {
		return money.MustNew(rapid.Int64().Draw(t, "minor"), anyCurrency.Draw(t, "currency"))
	})
	anyDecimal = rapid.Custom(func(t *rapid.T) money.Decimal {
		text := rapid.StringMatching(`-?[0-9]{1,17}(\.[0-9]{1,17})?`).Draw(t, "number")
		d, err := money.ParseDecimal(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
)

func TestPropertyRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount.Draw(t, "amount")
		parsed, err := money.Parse(a.Decimal(), a.Currency())
		if err != nil || parsed != a {
			t.Fatalf("text: got %s, %v, want %s", parsed, err, a)
		}
		data, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var read money.Amount
		if err := json.Unmarshal(data, &read); err != nil || read != a {
			t.Fatalf("JSON: got %s, %v, want %s", read, err, a)
		}
		for _, rule := range []money.Rounding{money.HalfUp, money.HalfEven, money.Down, money.Exact} {
			if back, err := a.AsDecimal().Round(a.Currency(), rule); err != nil || back != a {
				t.Fatalf("decimal by %s: got %s, %v, want %s", rule, back, err, a)
			}
		}
	})
}

// Parse never rounds: what it reads, as a fraction, is what was written.
func TestPropertyParseIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?[0-9]{1,16}(\.[0-9]{1,6})?`).Draw(t, "text")
		c := anyCurrency.Draw(t, "currency")
		written, _ := new(big.Rat).SetString(text)
		unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(c.Digits())), nil))
		minor := new(big.Rat).Mul(written, unit)
		a, err := money.Parse(text, c)
		switch {
		case !minor.IsInt():
			if !errors.Is(err, money.ErrPrecision) {
				t.Fatalf("got %s, %v, want %v", a, err, money.ErrPrecision)
			}
		case !minor.Num().IsInt64():
			if !errors.Is(err, money.ErrRange) {
				t.Fatalf("got %s, %v, want %v", a, err, money.ErrRange)
			}
		case err != nil || minor.Num().Int64() != a.Minor():
			t.Fatalf("got %s, %v, want %s minor units", a, err, minor.Num())
		}
	})
}

func TestPropertyAllocate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyAmount.Draw(t, "amount")
		weights := rapid.SliceOfN(rapid.Int64Min(0), 1, 20).Draw(t, "weights")
		total := new(big.Int)
		for _, w := range weights {
			total.Add(total, big.NewInt(w))
		}
		parts, err := a.Allocate(weights)
		if total.Sign() == 0 {
			if !errors.Is(err, money.ErrWeights) {
				t.Fatalf("error: got %v, want %v", err, money.ErrWeights)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := money.Sum(a.Currency(), parts...); err != nil || sum != a {
			t.Fatalf("sum of parts: got %s, %v, want %s", sum, err, a)
		}
		for i, part := range parts {
			share := new(big.Int).Mul(big.NewInt(a.Minor()), big.NewInt(weights[i]))
			distance := new(big.Rat).Sub(new(big.Rat).SetInt64(part.Minor()), new(big.Rat).SetFrac(share, total))
			if distance.Abs(distance).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("part %d: %s is a unit or more from its exact share", i, part)
			}
			if part.Sign() != 0 && part.Sign() != a.Sign() {
				t.Fatalf("part %d: %s has another sign than %s", i, part, a)
			}
		}
	})
}

func TestPropertySubUndoesAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyAmount.Draw(t, "a"), anyAmount.Draw(t, "b")
		sum, err := a.Add(b)
		exact := new(big.Int).Add(big.NewInt(a.Minor()), big.NewInt(b.Minor()))
		switch {
		case a.Currency() != b.Currency():
			if !errors.Is(err, money.ErrMismatch) {
				t.Fatalf("error: got %v, want %v", err, money.ErrMismatch)
			}
		case !exact.IsInt64():
			if !errors.Is(err, money.ErrRange) {
				t.Fatalf("error: got %v, want %v", err, money.ErrRange)
			}
		case err != nil:
			t.Fatal(err)
		default:
			if back, err := sum.Sub(b); err != nil || back != a {
				t.Fatalf("got %s, %v, want %s", back, err, a)
			}
		}
	})
}

// Decimal agrees with exact fractions, and equal numbers have equal text.
func TestPropertyDecimalIsExact(t *testing.T) {
	rat := func(t *rapid.T, d money.Decimal) *big.Rat {
		r, ok := new(big.Rat).SetString(d.String())
		if !ok || strings.ContainsAny(d.String(), "eE") {
			t.Fatalf("%s is not plain", d)
		}
		return r
	}
	rapid.Check(t, func(t *rapid.T) {
		d, e := anyDecimal.Draw(t, "d"), anyDecimal.Draw(t, "e")
		x, y := rat(t, d), rat(t, e)
		if d.Cmp(e) != x.Cmp(y) || d.Equal(e) != (d.String() == e.String()) {
			t.Fatalf("compare %s and %s: got %d, want %d", d, e, d.Cmp(e), x.Cmp(y))
		}
		check := func(name string, got money.Decimal, err error, want *big.Rat) {
			if errors.Is(err, money.ErrRange) {
				return // refused rather than rounded
			}
			if err != nil || rat(t, got).Cmp(want) != 0 {
				t.Fatalf("%s of %s and %s: got %s, %v", name, d, e, got, err)
			}
		}
		sum, err := d.Add(e)
		check("sum", sum, err, new(big.Rat).Add(x, y))
		difference, err := d.Sub(e)
		check("difference", difference, err, new(big.Rat).Sub(x, y))
		product, err := d.Mul(e)
		check("product", product, err, new(big.Rat).Mul(x, y))
	})
}
