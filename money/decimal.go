package money

import (
	"fmt"
	"regexp"

	"github.com/cockroachdb/apd/v3"
)

// The limits of a Decimal. 34 digits are the IEEE 754 decimal128 precision; no
// quantity, price or rate comes near. They also bound its written form.
const (
	significantDigitsMax = 34
	wholeDigitsMax       = 34 // before the point
	fractionDigitsMax    = 34 // after the point
)

// exact has room for every sum and product of two Decimals before the limits are
// applied: a product has at most 68 digits, a sum at most 69.
var exact = apd.BaseContext.WithPrecision(80)

// decimalForm is the form that ParseDecimal accepts: that of a JSON number, save
// that leading zeros are allowed. Five exponent digits are more than enough to be
// out of range, and few enough for apd to read.
var decimalForm = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,5})?$`)

// Decimal is an exact decimal number without a currency: a quantity, a unit
// price, a rate. The zero value is 0. It has at most 34 significant digits, at
// most 34 of them before and 34 after the point. Compare with Equal or Cmp; ==
// does not compile.
type Decimal struct {
	_ [0]func() // not comparable: equal numbers may differ inside

	// number has no trailing zeros, and a zero has neither sign nor exponent. It
	// is never changed, so copies may share what it points to.
	number apd.Decimal
}

// ParseDecimal reads "12", "-0.25" or "1.5e-3": the form of a JSON number.
// Errors: ErrSyntax, ErrRange.
func ParseDecimal(s string) (Decimal, error) {
	if len(s) > textBytesMax || !decimalForm.MatchString(s) {
		return Decimal{}, fmt.Errorf("number %s: %w", quoted(s), ErrSyntax)
	}
	number, _, err := apd.NewFromString(s)
	if err != nil {
		return Decimal{}, fmt.Errorf("number %s: %w", quoted(s), ErrSyntax)
	}
	d, err := newDecimal(number)
	if err != nil {
		return Decimal{}, fmt.Errorf("number %s: %w", quoted(s), err)
	}
	return d, nil
}

// newDecimal applies the limits to a finite number.
func newDecimal(number *apd.Decimal) (Decimal, error) {
	d := reduced(number)
	digits, exponent := d.number.NumDigits(), int64(d.number.Exponent)
	if digits > significantDigitsMax || digits+exponent > wholeDigitsMax || -exponent > fractionDigitsMax {
		return Decimal{}, ErrRange
	}
	return d, nil
}

// reduced brings a finite number into the one form of its value.
func reduced(number *apd.Decimal) Decimal {
	var d Decimal
	if !number.IsZero() {
		d.number.Reduce(number)
	}
	return d
}

// String writes the number in plain digits, without an exponent and without
// trailing zeros: equal numbers have equal text.
func (d Decimal) String() string { return d.number.Text('f') }

// Sign is -1, 0 or +1.
func (d Decimal) Sign() int { return d.number.Sign() }

// IsZero reports whether the number is 0.
func (d Decimal) IsZero() bool { return d.number.Sign() == 0 }

// Cmp is -1 when d < e, 0 when equal, +1 when d > e.
func (d Decimal) Cmp(e Decimal) int { return d.number.Cmp(&e.number) }

// Equal reports whether both are the same number. go-cmp asks it.
func (d Decimal) Equal(e Decimal) bool { return d.Cmp(e) == 0 }

// Add is d + e, exact, or ErrRange.
func (d Decimal) Add(e Decimal) (Decimal, error) {
	return d.combine("+", e, exact.Add)
}

// Sub is d - e, exact, or ErrRange.
func (d Decimal) Sub(e Decimal) (Decimal, error) {
	return d.combine("-", e, exact.Sub)
}

// Mul is d * e, exact, or ErrRange when the product has too many digits.
func (d Decimal) Mul(e Decimal) (Decimal, error) {
	return d.combine("*", e, exact.Mul)
}

type operation func(result, x, y *apd.Decimal) (apd.Condition, error)

func (d Decimal) combine(sign string, e Decimal, op operation) (Decimal, error) {
	var result apd.Decimal
	condition, err := op(&result, &d.number, &e.number)
	if err != nil || condition.Inexact() {
		return Decimal{}, fmt.Errorf("%s %s %s: %w", d, sign, e, ErrRange)
	}
	out, err := newDecimal(&result)
	if err != nil {
		return Decimal{}, fmt.Errorf("%s %s %s: %w", d, sign, e, err)
	}
	return out, nil
}

// AsDecimal is the sum in major units as a plain number: 10.5 for 10.50 NZD. An
// unset amount is 0.
func (a Amount) AsDecimal() Decimal {
	// Always within the limits: 64 bits have at most 19 digits.
	return reduced(apd.New(a.minor, -int32(a.currency.Digits()))) //nolint:gosec // G115: at most 4 digits
}
