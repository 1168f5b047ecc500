package money

import (
	"errors"
	"fmt"
)

// What can be wrong with a sum or a number. Errors of this package wrap one of
// them; test with errors.Is.
var (
	// ErrCurrency: the code is not a currency of ISO 4217 with a minor unit.
	ErrCurrency = errors.New("not an ISO 4217 currency")
	// ErrSyntax: the text is not a decimal number in the accepted form.
	ErrSyntax = errors.New("not a decimal number")
	// ErrPrecision: the number has more decimals than the currency.
	ErrPrecision = errors.New("more decimals than the currency has")
	// ErrRange: the result is too large, or has too many digits, to be kept exactly.
	ErrRange = errors.New("out of range")
	// ErrMismatch: two currencies met, or an amount was unset.
	ErrMismatch = errors.New("currencies differ or are missing")
	// ErrWeights: the weights of an allocation are empty, all zero, or negative.
	ErrWeights = errors.New("weights must be zero or more, and one above zero")
	// ErrRounding: the rounding rule was not named.
	ErrRounding = errors.New("unknown rounding rule")
)

const quotedBytesMax = 40 // an error shows this much of a refused text

// quoted shows a refused text in an error, cut short when it is long.
func quoted(s string) string {
	if len(s) > quotedBytesMax {
		return fmt.Sprintf("%q...", s[:quotedBytesMax])
	}
	return fmt.Sprintf("%q", s)
}
