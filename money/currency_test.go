package money_test

import (
	"errors"
	"testing"

	"github.com/ml-connector/ml-connector/money"
)

func TestParseCurrency(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		want   money.Currency
		digits int
		err    error
	}{
		{name: "upper case", text: "NZD", want: "NZD", digits: 2},
		{name: "lower case", text: "nzd", want: "NZD", digits: 2},
		{name: "no minor unit in use", text: "jpy", want: "JPY", digits: 0},
		{name: "franc without centimes", text: "XOF", want: "XOF", digits: 0},
		{name: "three digits", text: "KWD", want: "KWD", digits: 3},
		{name: "four digits", text: "CLF", want: "CLF", digits: 4},
		{name: "successor of ANG", text: "XCG", want: "XCG", digits: 2},
		{name: "gold", text: "XAU", err: money.ErrCurrency},
		{name: "no currency", text: "XXX", err: money.ErrCurrency},
		{name: "long withdrawn", text: "DEM", err: money.ErrCurrency},
		{name: "empty", text: "", err: money.ErrCurrency},
		{name: "a word", text: "dollar", err: money.ErrCurrency},
		{name: "spaces", text: "NZ ", err: money.ErrCurrency},
		{name: "letter that folds to ASCII", text: "ſd", err: money.ErrCurrency},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := money.ParseCurrency(tt.text)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error: got %v, want %v", err, tt.err)
			}
			if got != tt.want || got.Digits() != tt.digits {
				t.Errorf("got %q with %d digits, want %q with %d", got, got.Digits(), tt.want, tt.digits)
			}
			if got.Valid() != (tt.err == nil) {
				t.Errorf("Valid: got %t", got.Valid())
			}
		})
	}
}
