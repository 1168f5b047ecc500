package main

import (
	"fmt"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// Stripe counts money in its own smallest units, which are not always those of
// ISO 4217. https://docs.stripe.com/currencies gives the special cases.
type unit struct {
	digits int   // decimals that Stripe's integer counts
	step   int64 // what we send must be a multiple of it
}

var specialUnits = map[money.Currency]unit{
	"BIF": {0, 1}, "CLP": {0, 1}, "DJF": {0, 1}, "GNF": {0, 1}, "JPY": {0, 1}, "KMF": {0, 1}, "KRW": {0, 1},
	"MGA": {0, 1}, "PYG": {0, 1}, "RWF": {0, 1}, "VND": {0, 1}, "VUV": {0, 1}, "XAF": {0, 1}, "XOF": {0, 1}, "XPF": {0, 1},
	// Whole units only, but counted as if they had two decimals.
	"ISK": {2, 100}, "UGX": {2, 100},
	// Three decimals, the last of which must be 0.
	"BHD": {3, 10}, "JOD": {3, 10}, "KWD": {3, 10}, "OMR": {3, 10}, "TND": {3, 10},
}

// unitOf returns how Stripe counts a currency. A currency whose rule is not
// known is refused.
func unitOf(c money.Currency) (unit, error) {
	if u, ok := specialUnits[c]; ok {
		return u, nil
	}
	if c.Valid() && c.Digits() == 2 {
		return unit{2, 1}, nil
	}
	return unit{}, fmt.Errorf("%q is not a currency that can be used with Stripe", string(c))
}

// toUnits converts a sum to Stripe's integer. It never rounds: a sum that Stripe
// cannot hold is an error.
func toUnits(a money.Amount) (int64, error) {
	u, err := unitOf(a.Currency())
	if err != nil {
		return 0, err
	}
	n, ok := shift(a.Minor(), u.digits-a.Currency().Digits())
	if !ok || n%u.step != 0 {
		return 0, fmt.Errorf("%s cannot be charged exactly: Stripe takes %s in whole steps of %s", a, a.Currency(), stepText(a.Currency(), u))
	}
	return n, nil
}

// fromUnits converts Stripe's integer to a sum.
func fromUnits(n int64, code stripe.Currency) (money.Amount, error) {
	c, err := money.ParseCurrency(string(code))
	if err != nil {
		return money.Amount{}, err
	}
	u, err := unitOf(c)
	if err != nil {
		return money.Amount{}, err
	}
	minor, ok := shift(n, c.Digits()-u.digits)
	if !ok {
		return money.Amount{}, fmt.Errorf("%d of Stripe's units of %s is not a whole number of its minor units", n, c)
	}
	return money.New(minor, c)
}

// shift multiplies n by ten to the power of by; false when that is not exact.
func shift(n int64, by int) (int64, bool) {
	for ; by > 0; by-- {
		if n > maxInt64/10 || n < -maxInt64/10 {
			return 0, false
		}
		n *= 10
	}
	for ; by < 0; by++ {
		if n%10 != 0 {
			return 0, false
		}
		n /= 10
	}
	return n, true
}

const maxInt64 = 1<<63 - 1

func stepText(c money.Currency, u unit) string {
	step, ok := shift(u.step, c.Digits()-u.digits)
	if !ok {
		return "1"
	}
	a, err := money.New(step, c)
	if err != nil {
		return "1"
	}
	return a.Decimal()
}

// minimums are the smallest sums that Stripe charges, by settlement currency;
// where that is another currency than the invoice's, Stripe itself refuses.
// https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
var minimums = map[money.Currency]string{
	"USD": "0.50", "AUD": "0.50", "CAD": "0.50", "NZD": "0.50", "SGD": "0.50", "EUR": "0.50", "CHF": "0.50",
	"INR": "0.50", "BRL": "0.50", "GBP": "0.30", "AED": "2.00", "MYR": "2.00", "PLN": "2.00", "RON": "2.00",
	"BGN": "1.00", "CZK": "15.00", "DKK": "2.50", "HKD": "4.00", "HUF": "175.00", "JPY": "50", "MXN": "10.00",
	"NOK": "3.00", "SEK": "3.00", "THB": "10.00",
}

// maximums are the largest charges in Stripe's units: eight digits, but for the
// currencies that need more. https://docs.stripe.com/currencies
const maximumUnits = 99_999_999

var maximums = map[money.Currency]int64{"IDR": 999_999_999_999, "INR": 999_999_999}

// mostUnits is the largest sum of a charge, in Stripe's units.
func mostUnits(c money.Currency) int64 {
	if most, ok := maximums[c]; ok {
		return most
	}
	return maximumUnits
}

// chargeable refuses a sum that Stripe would not charge.
func chargeable(op string, a money.Amount, units int64) error {
	if text, ok := minimums[a.Currency()]; ok {
		least, err := money.Parse(text, a.Currency())
		if err != nil {
			return connector.Errorf(connector.Invalid, op, "minimum of %s: %w", a.Currency(), err)
		}
		if a.Minor() < least.Minor() {
			return connector.Errorf(connector.Invalid, op, "%s is less than %s, the least that Stripe charges", a, least).
				WithRemedy("Collect it in another way, or write it off.")
		}
	}
	if units > mostUnits(a.Currency()) {
		return connector.Errorf(connector.Invalid, op, "%s is more than Stripe charges at once", a).
			WithRemedy("Split the invoice, or collect it in another way.")
	}
	return nil
}
