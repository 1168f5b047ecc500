package money

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"
)

// Rounding names the rule by which a Decimal becomes a sum of money. The zero
// value is no rule and is refused with ErrRounding.
type Rounding int

const (
	// HalfUp rounds to the nearest unit, a half away from zero: 0.125 USD is 0.13, -0.125 is -0.13.
	HalfUp Rounding = iota + 1
	// HalfEven rounds to the nearest unit, a half to the even one: 0.125 USD is 0.12.
	HalfEven
	// Down cuts towards zero: 0.129 USD is 0.12, -0.129 is -0.12.
	Down
	// Exact rounds nothing: a number with more decimals than the currency is ErrPrecision.
	Exact
)

// String is the rule's name in recipes and messages.
func (r Rounding) String() string {
	switch r {
	case HalfUp:
		return "half_up"
	case HalfEven:
		return "half_even"
	case Down:
		return "down"
	case Exact:
		return "exact"
	}
	return fmt.Sprintf("rounding(%d)", int(r))
}

// rounder is the rule in apd's words; Exact cuts, and Round refuses the cut.
func (r Rounding) rounder() (apd.Rounder, error) {
	switch r {
	case HalfUp:
		return apd.RoundHalfUp, nil
	case HalfEven:
		return apd.RoundHalfEven, nil
	case Down, Exact:
		return apd.RoundDown, nil
	}
	return "", ErrRounding
}

// Round makes the number, read as major units, a sum of money by the named rule.
// Errors: ErrCurrency, ErrRounding, ErrRange, and for Exact ErrPrecision.
func (d Decimal) Round(c Currency, r Rounding) (Amount, error) {
	if !c.Valid() {
		return Amount{}, fmt.Errorf("currency %s: %w", quoted(string(c)), ErrCurrency)
	}
	minor, err := d.minorUnits(c.Digits(), r)
	if err != nil {
		return Amount{}, fmt.Errorf("round %s to %s by %s: %w", d, c, r, err)
	}
	return Amount{minor: minor, currency: c}, nil
}

func (d Decimal) minorUnits(digits int, r Rounding) (int64, error) {
	rounder, err := r.rounder()
	if err != nil {
		return 0, err
	}
	context := *exact
	context.Rounding = rounder
	var rounded apd.Decimal
	condition, err := context.Quantize(&rounded, &d.number, -int32(digits)) //nolint:gosec // G115: at most 4 digits
	if err != nil {
		return 0, ErrRange
	}
	if r == Exact && condition.Inexact() {
		return 0, ErrPrecision
	}
	rounded.Exponent = 0 // count in minor units
	minor, err := rounded.Int64()
	if err != nil {
		return 0, ErrRange
	}
	return minor, nil
}
