package money_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/money"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name     string
		text     string
		currency money.Currency
		want     int64
		err      error
	}{
		{name: "two decimals", text: "10.50", currency: "NZD", want: 1050},
		{name: "one decimal", text: "10.5", currency: "NZD", want: 1050},
		{name: "no decimals", text: "-3", currency: "NZD", want: -300},
		{name: "less than a unit", text: "-0.05", currency: "NZD", want: -5},
		{name: "minus nothing", text: "-0.00", currency: "NZD", want: 0},
		{name: "leading zeros", text: "007.10", currency: "NZD", want: 710},
		{name: "trailing zeros of a currency without decimals", text: "1000.00", currency: "JPY", want: 1000},
		{name: "trailing zeros beyond the currency", text: "1.230000", currency: "USD", want: 123},
		{name: "three decimals", text: "1.005", currency: "KWD", want: 1005},
		{name: "four decimals", text: "0.0001", currency: "CLF", want: 1},
		{name: "largest", text: "92233720368547758.07", currency: "USD", want: math.MaxInt64},
		{name: "smallest", text: "-92233720368547758.08", currency: "USD", want: math.MinInt64},
		{name: "a cent too many", text: "92233720368547758.08", currency: "USD", err: money.ErrRange},
		{name: "too fine", text: "10.505", currency: "USD", err: money.ErrPrecision},
		{name: "too fine for yen", text: "0.5", currency: "JPY", err: money.ErrPrecision},
		{name: "empty", text: "", currency: "USD", err: money.ErrSyntax},
		{name: "only a sign", text: "-", currency: "USD", err: money.ErrSyntax},
		{name: "two signs", text: "--1", currency: "USD", err: money.ErrSyntax},
		{name: "plus", text: "+1", currency: "USD", err: money.ErrSyntax},
		{name: "point without decimals", text: "1.", currency: "USD", err: money.ErrSyntax},
		{name: "point without whole", text: ".5", currency: "USD", err: money.ErrSyntax},
		{name: "two points", text: "1.2.3", currency: "USD", err: money.ErrSyntax},
		{name: "sign after the point", text: "1.-5", currency: "USD", err: money.ErrSyntax},
		{name: "thousands", text: "1,000.00", currency: "USD", err: money.ErrSyntax},
		{name: "exponent", text: "1e3", currency: "USD", err: money.ErrSyntax},
		{name: "space", text: " 1", currency: "USD", err: money.ErrSyntax},
		{name: "other digits", text: "١", currency: "USD", err: money.ErrSyntax},
		{name: "no currency", text: "1", currency: "", err: money.ErrCurrency},
		{name: "lower case currency", text: "1", currency: "usd", err: money.ErrCurrency},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := money.Parse(tt.text, tt.currency)
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

func TestFormat(t *testing.T) {
	tests := []struct {
		name    string
		amount  money.Amount
		decimal string
		text    string
	}{
		{name: "cents", amount: money.MustNew(1050, "NZD"), decimal: "10.50", text: "10.50 NZD"},
		{name: "one cent", amount: money.MustNew(1, "NZD"), decimal: "0.01", text: "0.01 NZD"},
		{name: "minus one cent", amount: money.MustNew(-1, "NZD"), decimal: "-0.01", text: "-0.01 NZD"},
		{name: "nothing", amount: money.Zero("NZD"), decimal: "0.00", text: "0.00 NZD"},
		{name: "yen", amount: money.MustNew(-1000, "JPY"), decimal: "-1000", text: "-1000 JPY"},
		{name: "fils", amount: money.MustNew(12345, "KWD"), decimal: "12.345", text: "12.345 KWD"},
		{name: "smallest", amount: money.MustNew(math.MinInt64, "USD"), decimal: "-92233720368547758.08", text: "-92233720368547758.08 USD"},
		{name: "unset", amount: money.Amount{}, decimal: "0", text: "(no amount)"},
		{name: "zero of no currency", amount: money.Zero("nzd"), decimal: "0", text: "(no amount)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.amount.Decimal(); got != tt.decimal {
				t.Errorf("Decimal: got %s, want %s", got, tt.decimal)
			}
			if got := tt.amount.String(); got != tt.text {
				t.Errorf("String: got %s, want %s", got, tt.text)
			}
		})
	}
}

func TestArithmetic(t *testing.T) {
	usd := func(minor int64) money.Amount { return money.MustNew(minor, "USD") }
	two := func(f func(a, b money.Amount) (money.Amount, error), a, b money.Amount) func() (money.Amount, error) {
		return func() (money.Amount, error) { return f(a, b) }
	}
	add, sub := money.Amount.Add, money.Amount.Sub
	largest, smallest := usd(math.MaxInt64), usd(math.MinInt64)
	tests := []struct {
		name string
		do   func() (money.Amount, error)
		want money.Amount
		err  error
	}{
		{name: "add", do: two(add, usd(150), usd(-200)), want: usd(-50)},
		{name: "add nothing to the largest", do: two(add, largest, usd(0)), want: largest},
		{name: "add over the top", do: two(add, largest, usd(1)), err: money.ErrRange},
		{name: "add below the bottom", do: two(add, smallest, usd(-1)), err: money.ErrRange},
		{name: "add two currencies", do: two(add, usd(1), money.MustNew(1, "NZD")), err: money.ErrMismatch},
		{name: "add to unset", do: two(add, money.Amount{}, usd(1)), err: money.ErrMismatch},
		{name: "add unset", do: two(add, usd(1), money.Amount{}), err: money.ErrMismatch},
		{name: "add two unset", do: two(add, money.Amount{}, money.Amount{}), err: money.ErrMismatch},
		{name: "sub", do: two(sub, usd(150), usd(200)), want: usd(-50)},
		{name: "sub the smallest from minus one", do: two(sub, usd(-1), smallest), want: largest},
		{name: "sub the smallest from nothing", do: two(sub, usd(0), smallest), err: money.ErrRange},
		{name: "sub below the bottom", do: two(sub, smallest, usd(1)), err: money.ErrRange},
		{name: "sub two currencies", do: two(sub, usd(1), money.MustNew(1, "NZD")), err: money.ErrMismatch},
		{name: "min", do: two(money.Min, usd(3), usd(2)), want: usd(2)},
		{name: "min of two currencies", do: two(money.Min, usd(3), money.Amount{}), err: money.ErrMismatch},
		{name: "neg", do: usd(5).Neg, want: usd(-5)},
		{name: "neg of the smallest", do: smallest.Neg, err: money.ErrRange},
		{name: "neg of unset", do: money.Amount{}.Neg, err: money.ErrMismatch},
		{name: "abs", do: usd(-5).Abs, want: usd(5)},
		{name: "abs of nothing", do: usd(0).Abs, want: usd(0)},
		{name: "abs of the smallest", do: smallest.Abs, err: money.ErrRange},
		{name: "abs of unset", do: money.Amount{}.Abs, err: money.ErrMismatch},
		{name: "sum of none", do: func() (money.Amount, error) { return money.Sum("USD") }, want: usd(0)},
		{name: "sum passes the top on its way", do: func() (money.Amount, error) { return money.Sum("USD", largest, usd(1), usd(-1)) }, want: largest},
		{name: "sum over the top", do: func() (money.Amount, error) { return money.Sum("USD", largest, usd(1)) }, err: money.ErrRange},
		{name: "sum of another currency", do: func() (money.Amount, error) { return money.Sum("NZD", usd(1)) }, err: money.ErrMismatch},
		{name: "sum of unset", do: func() (money.Amount, error) { return money.Sum("NZD", money.Amount{}) }, err: money.ErrMismatch},
		{name: "sum in no currency", do: func() (money.Amount, error) { return money.Sum("") }, err: money.ErrCurrency},
		{name: "new in no currency", do: func() (money.Amount, error) { return money.New(1, "XAU") }, err: money.ErrCurrency},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.do()
			if !errors.Is(err, tt.err) {
				t.Fatalf("error: got %v, want %v", err, tt.err)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestAmountJSON(t *testing.T) {
	tests := []struct {
		name string
		text string
		want money.Amount
		bad  bool
	}{
		{name: "set", text: `{"amount":"10.50","currency":"NZD"}`, want: money.MustNew(1050, "NZD")},
		{name: "yen", text: `{"amount":"-7","currency":"JPY"}`, want: money.MustNew(-7, "JPY")},
		{name: "unset", text: `null`},
		{name: "sum is a number", text: `{"amount":10.50,"currency":"NZD"}`, bad: true},
		{name: "all is a number", text: `10.50`, bad: true},
		{name: "all is a string", text: `"10.50 NZD"`, bad: true},
		{name: "no currency", text: `{"amount":"10.50"}`, bad: true},
		{name: "no sum", text: `{"currency":"NZD"}`, bad: true},
		{name: "unknown field", text: `{"amount":"1","currency":"NZD","minor":100}`, bad: true},
		{name: "unknown currency", text: `{"amount":"1","currency":"ABC"}`, bad: true},
		{name: "too fine", text: `{"amount":"1.001","currency":"NZD"}`, bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := money.MustNew(99, "USD")
			err := json.Unmarshal([]byte(tt.text), &got)
			if (err != nil) != tt.bad {
				t.Fatalf("error: got %v, want one: %t", err, tt.bad)
			}
			if tt.bad {
				if got != money.MustNew(99, "USD") {
					t.Errorf("a refused text changed the amount to %s", got)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			out, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if string(out) != tt.text {
				t.Errorf("got %s, want %s", out, tt.text)
			}
		})
	}
}
