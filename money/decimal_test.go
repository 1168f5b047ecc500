package money_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/money"
)

func decimal(t *testing.T, s string) money.Decimal {
	t.Helper()
	d, err := money.ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestParseDecimal(t *testing.T) {
	nines := strings.Repeat("9", 34)
	tests := []struct {
		name string
		text string
		want string
		err  error
	}{
		{name: "whole", text: "12", want: "12"},
		{name: "trailing zeros", text: "1.5000", want: "1.5"},
		{name: "whole with zeros", text: "1000", want: "1000"},
		{name: "leading zeros", text: "0012.5", want: "12.5"},
		{name: "minus", text: "-0.25", want: "-0.25"},
		{name: "minus nothing", text: "-0.0", want: "0"},
		{name: "exponent", text: "1.5e3", want: "1500"},
		{name: "negative exponent", text: "15E-4", want: "0.0015"},
		{name: "nothing with a large exponent", text: "0e99999", want: "0"},
		{name: "all digits", text: nines, want: nines},
		{name: "all decimals", text: "0." + nines, want: "0." + nines},
		{name: "zeros do not count as digits", text: "1." + strings.Repeat("0", 60), want: "1"},
		{name: "a digit too many", text: nines + ".9", err: money.ErrRange},
		{name: "too large", text: "1e34", err: money.ErrRange},
		{name: "too fine", text: "1e-35", err: money.ErrRange},
		{name: "far too large", text: "1e99999", err: money.ErrRange},
		{name: "far too fine", text: "1e-99999", err: money.ErrRange},
		{name: "exponent too long", text: "1e100000", err: money.ErrSyntax},
		{name: "too long", text: strings.Repeat("0", 200), err: money.ErrSyntax},
		{name: "empty", text: "", err: money.ErrSyntax},
		{name: "plus", text: "+1", err: money.ErrSyntax},
		{name: "no decimals after the point", text: "1.", err: money.ErrSyntax},
		{name: "no whole", text: ".5", err: money.ErrSyntax},
		{name: "no exponent digits", text: "1e", err: money.ErrSyntax},
		{name: "infinity", text: "Infinity", err: money.ErrSyntax},
		{name: "not a number", text: "NaN", err: money.ErrSyntax},
		{name: "line end", text: "1\n", err: money.ErrSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := money.ParseDecimal(tt.text)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error: got %v, want %v", err, tt.err)
			}
			if tt.err == nil && got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestDecimalArithmetic(t *testing.T) {
	type operation func(d, e money.Decimal) (money.Decimal, error)
	add, sub, mul := operation(money.Decimal.Add), operation(money.Decimal.Sub), operation(money.Decimal.Mul)
	tests := []struct {
		name string
		do   operation
		a, b string
		want string
		err  error
	}{
		{name: "add", do: add, a: "0.1", b: "0.2", want: "0.3"},
		{name: "add keeps one form", do: add, a: "0.5", b: "0.5", want: "1"},
		{name: "add far apart", do: add, a: "1e33", b: "1e-34", err: money.ErrRange},
		{name: "add over the top", do: add, a: "9e33", b: "1e33", err: money.ErrRange},
		{name: "sub", do: sub, a: "1", b: "1.005", want: "-0.005"},
		{name: "sub to nothing", do: sub, a: "1.50", b: "1.5", want: "0"},
		{name: "mul", do: mul, a: "1.5", b: "-2.25", want: "-3.375"},
		{name: "mul by nothing", do: mul, a: "-1.5", b: "0", want: "0"},
		{name: "mul to the last digit", do: mul, a: "99999999999999999", b: "10000000000000001", want: "1000000000000000089999999999999999"},
		{name: "mul too many digits", do: mul, a: "1.00000000000000000001", b: "1.00000000000000000001", err: money.ErrRange},
		{name: "mul too large", do: mul, a: "1e20", b: "1e20", err: money.ErrRange},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.do(decimal(t, tt.a), decimal(t, tt.b))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error: got %v, want %v", err, tt.err)
			}
			if tt.err == nil && got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRound(t *testing.T) {
	tests := []struct {
		name     string
		number   string
		currency money.Currency
		rule     money.Rounding
		want     int64
		err      error
	}{
		{name: "half up", number: "0.125", currency: "USD", rule: money.HalfUp, want: 13},
		{name: "half up, negative", number: "-0.125", currency: "USD", rule: money.HalfUp, want: -13},
		{name: "half up, just below", number: "0.1249999999", currency: "USD", rule: money.HalfUp, want: 12},
		{name: "half up to the next digit", number: "0.999", currency: "USD", rule: money.HalfUp, want: 100},
		{name: "half up, far below a unit", number: "0.00001", currency: "USD", rule: money.HalfUp, want: 0},
		{name: "half up, half of one unit", number: "0.5", currency: "JPY", rule: money.HalfUp, want: 1},
		{name: "half even down", number: "0.125", currency: "USD", rule: money.HalfEven, want: 12},
		{name: "half even up", number: "0.135", currency: "USD", rule: money.HalfEven, want: 14},
		{name: "half even, a little more", number: "0.1250001", currency: "USD", rule: money.HalfEven, want: 13},
		{name: "half even, half of one unit", number: "0.5", currency: "JPY", rule: money.HalfEven, want: 0},
		{name: "down", number: "0.129", currency: "USD", rule: money.Down, want: 12},
		{name: "down, negative", number: "-0.129", currency: "USD", rule: money.Down, want: -12},
		{name: "down to nothing, negative", number: "-0.009", currency: "USD", rule: money.Down, want: 0},
		{name: "exact", number: "1.230", currency: "USD", rule: money.Exact, want: 123},
		{name: "exact, too fine", number: "1.234", currency: "USD", rule: money.Exact, err: money.ErrPrecision},
		{name: "exact, far too fine", number: "1e-20", currency: "USD", rule: money.Exact, err: money.ErrPrecision},
		{name: "three digits", number: "1.2345", currency: "KWD", rule: money.HalfUp, want: 1235},
		{name: "largest", number: "92233720368547758.07", currency: "USD", rule: money.HalfUp, want: math.MaxInt64},
		{name: "smallest", number: "-92233720368547758.08", currency: "USD", rule: money.HalfUp, want: math.MinInt64},
		{name: "rounds over the top", number: "92233720368547758.075", currency: "USD", rule: money.HalfUp, err: money.ErrRange},
		{name: "far too large", number: "1e33", currency: "CLF", rule: money.HalfUp, err: money.ErrRange},
		{name: "no rule", number: "1", currency: "USD", err: money.ErrRounding},
		{name: "no currency", number: "1", rule: money.HalfUp, err: money.ErrCurrency},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decimal(t, tt.number).Round(tt.currency, tt.rule)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error: got %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				return
			}
			if want := money.MustNew(tt.want, tt.currency); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestDecimalJSON(t *testing.T) {
	tests := []struct {
		name string
		text string
		want string
		bad  bool
	}{
		{name: "string", text: `"1.50"`, want: `"1.5"`},
		{name: "number keeps every digit", text: `0.1000000000000000055511151231257827`, want: `"0.1000000000000000055511151231257827"`},
		{name: "null", text: `null`, want: `"0"`},
		{name: "not a number", text: `"abc"`, bad: true},
		{name: "truth", text: `true`, bad: true},
		{name: "list", text: `[1]`, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got money.Decimal
			err := json.Unmarshal([]byte(tt.text), &got)
			if (err != nil) != tt.bad {
				t.Fatalf("error: got %v, want one: %t", err, tt.bad)
			}
			if tt.bad {
				return
			}
			out, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(out)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDecimalEqual(t *testing.T) {
	if diff := cmp.Diff(decimal(t, "1.50"), decimal(t, "15e-1")); diff != "" {
		t.Errorf("equal numbers differ: %s", diff)
	}
	if got, want := money.MustNew(1050, "NZD").AsDecimal(), decimal(t, "10.5"); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (money.Amount{}).AsDecimal(); !got.IsZero() || got.Sign() != 0 {
		t.Errorf("unset amount as decimal: got %s, want 0", got)
	}
}
