package money

import (
	"fmt"
	"strings"
)

// Currency is an ISO 4217 alphabetic code in upper case: "NZD". The zero value
// is no currency. Text from outside becomes a Currency through ParseCurrency.
type Currency string

// ParseCurrency reads an alphabetic code in any case: Stripe writes "nzd", Xero
// "NZD". A code that is unknown or has no minor unit is ErrCurrency.
func ParseCurrency(s string) (Currency, error) {
	if len(s) == 3 {
		if c := Currency(strings.ToUpper(s)); c.Valid() {
			return c, nil
		}
	}
	return "", fmt.Errorf("currency %s: %w", quoted(s), ErrCurrency)
}

// Valid reports whether c is a known code, written in upper case.
func (c Currency) Valid() bool {
	_, ok := c.minorUnit()
	return ok
}

// Digits is the number of decimals of the minor unit: JPY 0, NZD 2, KWD 3, CLF 4.
// It is 0 for a code that is not Valid.
func (c Currency) Digits() int {
	digits, _ := c.minorUnit()
	return digits
}

// minorUnit is list one of ISO 4217, published at
// https://www.six-group.com/en/products-services/financial-information/data-standards.html.
// Left out are the codes without a minor unit (gold, special drawing rights, test
// codes): a sum in minor units cannot be written in them. Kept are ANG and BGN,
// withdrawn in 2025 and 2026, since documents in them are still on open books.
func (c Currency) minorUnit() (digits int, ok bool) {
	switch c {
	case "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI",
		"VND", "VUV", "XAF", "XOF", "XPF":
		return 0, true
	case "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND":
		return 3, true
	case "CLF", "UYW":
		return 4, true
	case "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN",
		"BAM", "BBD", "BDT", "BGN", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD",
		"CAD", "CDF", "CHE", "CHF", "CHW", "CNY", "COP", "COU", "CRC", "CUP", "CVE", "CZK",
		"DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP",
		"GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF",
		"IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW", "KYD", "KZT",
		"LAK", "LBP", "LKR", "LRD", "LSL",
		"MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN",
		"NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR",
		"RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP",
		"STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS",
		"UAH", "USD", "USN", "UYU", "UZS", "VED", "VES", "WST",
		"XAD", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG":
		return 2, true
	}
	return 0, false
}
