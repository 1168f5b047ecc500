package money

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

const textBytesMax = 128 // no sum or number of ours needs more; longer text is refused unread

// Amount is an exact sum in one currency: a whole number of minor units. Amounts
// compare with ==. The zero Amount has no currency and is "unset".
type Amount struct {
	minor    int64
	currency Currency
}

// New makes an amount from minor units: New(1050, "NZD") is 10.50 NZD. The error
// is ErrCurrency.
func New(minor int64, c Currency) (Amount, error) {
	if !c.Valid() {
		return Amount{}, fmt.Errorf("currency %s: %w", quoted(string(c)), ErrCurrency)
	}
	return Amount{minor: minor, currency: c}, nil
}

// MustNew is New for tests and tables in the code; it panics on a wrong currency.
func MustNew(minor int64, c Currency) Amount {
	a, err := New(minor, c)
	if err != nil {
		panic("money: " + err.Error())
	}
	return a
}

// Zero is 0 of the currency, or the unset amount when c is not a currency.
func Zero(c Currency) Amount {
	if !c.Valid() {
		return Amount{}
	}
	return Amount{currency: c}
}

// Parse reads a decimal string in major units: "10.50" USD is 1050 cents. The
// form is an optional "-", digits, and optionally a point with digits: no plus
// sign, spaces, separators or exponent. It never rounds: "10.505" USD is
// ErrPrecision, while trailing zeros ("1000.00" JPY) are fine. Other errors are
// ErrCurrency, ErrSyntax and ErrRange.
func Parse(s string, c Currency) (Amount, error) {
	if !c.Valid() {
		return Amount{}, fmt.Errorf("currency %s: %w", quoted(string(c)), ErrCurrency)
	}
	minor, err := parseMinor(s, c.Digits())
	if err != nil {
		return Amount{}, fmt.Errorf("sum %s in %s: %w", quoted(s), c, err)
	}
	return Amount{minor: minor, currency: c}, nil
}

func parseMinor(s string, digits int) (int64, error) {
	if len(s) > textBytesMax {
		return 0, ErrSyntax
	}
	unsigned, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(unsigned, ".")
	if !allDigits(whole) || point && !allDigits(fraction) {
		return 0, ErrSyntax
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > digits {
		return 0, ErrPrecision
	}
	text := whole + fraction + strings.Repeat("0", digits-len(fraction))
	if negative {
		text = "-" + text
	}
	minor, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, ErrRange // the syntax was checked above
	}
	return minor, nil
}

// allDigits reports whether s is one or more ASCII digits.
func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Minor is the sum in minor units: 1050 for 10.50 NZD.
func (a Amount) Minor() int64 { return a.minor }

// Currency is the amount's currency; empty when unset.
func (a Amount) Currency() Currency { return a.currency }

// IsSet reports whether the amount has a currency.
func (a Amount) IsSet() bool { return a.currency != "" }

// IsZero reports whether the sum is nothing. That is so for an unset amount too:
// ask IsSet where the difference matters. Note that the struct tag "omitzero"
// asks this method and would leave out 0.00 NZD.
func (a Amount) IsZero() bool { return a.minor == 0 }

// Sign is -1, 0 or +1.
func (a Amount) Sign() int {
	switch {
	case a.minor < 0:
		return -1
	case a.minor > 0:
		return 1
	}
	return 0
}

// Equal is ==: same sum, same currency. go-cmp asks it.
func (a Amount) Equal(b Amount) bool { return a == b }

// Decimal writes the sum in major units with all decimals of its currency:
// "10.50", "-0.05", "1000" for JPY. Parse reads it back.
func (a Amount) Decimal() string {
	digits := a.currency.Digits()
	text := strconv.FormatInt(a.minor, 10)
	if digits == 0 {
		return text
	}
	unsigned, negative := strings.CutPrefix(text, "-")
	if missing := digits + 1 - len(unsigned); missing > 0 {
		unsigned = strings.Repeat("0", missing) + unsigned
	}
	point := len(unsigned) - digits
	text = unsigned[:point] + "." + unsigned[point:]
	if negative {
		return "-" + text
	}
	return text
}

// String is for people: "10.50 NZD", or "(no amount)" when unset.
func (a Amount) String() string {
	if !a.IsSet() {
		return "(no amount)"
	}
	return a.Decimal() + " " + string(a.currency)
}

// Add is a + b. Errors: ErrMismatch, ErrRange.
func (a Amount) Add(b Amount) (Amount, error) {
	if err := a.match(b); err != nil {
		return Amount{}, fmt.Errorf("add %s and %s: %w", a, b, err)
	}
	sum := a.minor + b.minor
	if b.minor != 0 && (sum > a.minor) != (b.minor > 0) {
		return Amount{}, fmt.Errorf("add %s and %s: %w", a, b, ErrRange)
	}
	return Amount{minor: sum, currency: a.currency}, nil
}

// Sub is a - b. Errors: ErrMismatch, ErrRange.
func (a Amount) Sub(b Amount) (Amount, error) {
	if err := a.match(b); err != nil {
		return Amount{}, fmt.Errorf("subtract %s from %s: %w", b, a, err)
	}
	rest := a.minor - b.minor
	if b.minor != 0 && (rest < a.minor) != (b.minor > 0) {
		return Amount{}, fmt.Errorf("subtract %s from %s: %w", b, a, ErrRange)
	}
	return Amount{minor: rest, currency: a.currency}, nil
}

// Neg is -a. Errors: ErrMismatch when unset, ErrRange.
func (a Amount) Neg() (Amount, error) {
	if !a.IsSet() {
		return Amount{}, fmt.Errorf("negate %s: %w", a, ErrMismatch)
	}
	if a.minor == math.MinInt64 {
		return Amount{}, fmt.Errorf("negate %s: %w", a, ErrRange)
	}
	return Amount{minor: -a.minor, currency: a.currency}, nil
}

// Abs is the sum without its sign. Errors: ErrMismatch when unset, ErrRange.
func (a Amount) Abs() (Amount, error) {
	if a.IsSet() && a.minor >= 0 {
		return a, nil
	}
	return a.Neg()
}

// Cmp is -1 when a < b, 0 when equal, +1 when a > b. The error is ErrMismatch.
func (a Amount) Cmp(b Amount) (int, error) {
	if err := a.match(b); err != nil {
		return 0, fmt.Errorf("compare %s and %s: %w", a, b, err)
	}
	switch {
	case a.minor < b.minor:
		return -1, nil
	case a.minor > b.minor:
		return 1, nil
	}
	return 0, nil
}

// Min is the smaller of the two. The error is ErrMismatch.
func Min(a, b Amount) (Amount, error) {
	order, err := a.Cmp(b)
	if err != nil {
		return Amount{}, err
	}
	if order > 0 {
		return b, nil
	}
	return a, nil
}

// Sum adds amounts of one currency; none make 0. Only the total has to fit, so
// their order does not matter. Errors: ErrCurrency, ErrMismatch, ErrRange.
func Sum(c Currency, xs ...Amount) (Amount, error) {
	zero, err := New(0, c)
	if err != nil {
		return Amount{}, err
	}
	total := new(big.Int)
	for i, x := range xs {
		if err := zero.match(x); err != nil {
			return Amount{}, fmt.Errorf("sum in %s, entry %d is %s: %w", c, i+1, x, err)
		}
		total.Add(total, big.NewInt(x.minor))
	}
	if !total.IsInt64() {
		return Amount{}, fmt.Errorf("sum of %d amounts in %s: %w", len(xs), c, ErrRange)
	}
	return Amount{minor: total.Int64(), currency: c}, nil
}

// match is nil when both amounts are set and of one currency.
func (a Amount) match(b Amount) error {
	if !a.IsSet() || a.currency != b.currency {
		return ErrMismatch
	}
	return nil
}
