package xero

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// Exact numbers. Xero's totals have two decimals in every currency, unit
// amounts, quantities and percentages up to four, currency rates up to six.

// cents is a sum in hundredths of the currency's main unit.
type cents int64

// frac is a quantity, a unit amount or a percentage in ten-thousandths.
type frac int64

// rate is foreign units per unit of the base currency, in millionths.
type rate int64

const (
	centsPlaces = 2
	fracPlaces  = 4
	ratePlaces  = 6

	fracOne = frac(10_000)
	rateOne = rate(1_000_000)
	// hundredPercent is 100 as a percentage in ten-thousandths.
	hundredPercent = 1_000_000

	// digitsMax keeps every number and every sum of them well inside int64.
	digitsMax = 12
)

var errPlaces = errors.New("too many decimals")

// scaled reads a plain decimal such as "-10.50" as an integer of 10^-places. It
// never rounds: more decimals than places is errPlaces.
func scaled(s string, places int) (int64, error) {
	digits, neg := strings.CutPrefix(s, "-")
	whole, part, _ := strings.Cut(digits, ".")
	if whole == "" || len(whole) > digitsMax || strings.Trim(whole+part, "0123456789") != "" || strings.HasSuffix(s, ".") {
		return 0, fmt.Errorf("%q is not a plain decimal number", s)
	}
	part = strings.TrimRight(part, "0")
	if len(part) > places {
		return 0, fmt.Errorf("%q: %w, at most %d", s, errPlaces, places)
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", places-len(part)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is out of range: %w", s, err)
	}
	if neg {
		n = -n
	}
	return n, nil
}

// unscaled writes n, an integer of 10^-places, with that many decimals.
func unscaled(n int64, places int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	digits := fmt.Sprintf("%0*d", places+1, n)
	return sign + digits[:len(digits)-places] + "." + digits[len(digits)-places:]
}

// trimmed drops the zeros at the end of a decimal but the first.
func trimmed(s string) string {
	s = strings.TrimRight(s, "0")
	if strings.HasSuffix(s, ".") {
		s += "0"
	}
	return s
}

func (c cents) String() string               { return unscaled(int64(c), centsPlaces) }
func (c cents) MarshalJSON() ([]byte, error) { return []byte(c.String()), nil }
func (f frac) MarshalJSON() ([]byte, error)  { return []byte(unscaled(int64(f), fracPlaces)), nil }
func (r rate) MarshalJSON() ([]byte, error) {
	return []byte(trimmed(unscaled(int64(r), ratePlaces))), nil
}

// toPlaces rounds to 2 or 4 decimals, halves away from zero.
func (f frac) toPlaces(places int) frac {
	if places >= fracPlaces {
		return f
	}
	return frac(divide(big.NewInt(int64(f)), 100) * 100)
}

// text writes f with 2 or 4 decimals.
func (f frac) text(places int) string {
	s := unscaled(int64(f.toPlaces(places)), fracPlaces)
	return s[:len(s)-(fracPlaces-places)]
}

// divide rounds n/d to a whole number, halves away from zero.
func divide(n *big.Int, d int64) int64 {
	div := big.NewInt(d)
	half := new(big.Int).Abs(n)
	half.Mul(half, big.NewInt(2)).Add(half, div)
	half.Quo(half, new(big.Int).Mul(div, big.NewInt(2)))
	if n.Sign() < 0 {
		half.Neg(half)
	}
	return half.Int64()
}

func product(ns ...int64) *big.Int {
	p := big.NewInt(1)
	for _, n := range ns {
		p.Mul(p, big.NewInt(n))
	}
	return p
}

// lineSum is quantity x unit amount less a discount in per cent.
func lineSum(quantity, unit, discount frac) cents {
	return cents(divide(product(int64(quantity), int64(unit), hundredPercent-int64(discount)), 1_000_000_000_000))
}

// taxOn is the tax of percent on top of a line.
func taxOn(line cents, percent frac) cents {
	return cents(divide(product(int64(line), int64(percent)), hundredPercent))
}

// taxIn is the tax of percent that a line contains.
func taxIn(line cents, percent frac) cents {
	return cents(divide(product(int64(line), int64(percent)), hundredPercent+int64(percent)))
}

// toBase converts a sum of a foreign currency into the base currency.
func (r rate) toBase(c cents) cents {
	if r <= 0 {
		return c
	}
	return cents(divide(product(int64(c), int64(rateOne)), int64(r)))
}

// rateOf is the rate at which foreign makes base.
func rateOf(foreign, base cents) rate {
	if base <= 0 {
		return rateOne
	}
	return rate(divide(product(int64(foreign), int64(rateOne)), int64(base)))
}

// day is a calendar date as YYYY-MM-DD; days compare as strings.
type day string

const (
	dayLayout     = "2006-01-02"
	isoLayout     = "2006-01-02T15:04:05"
	lockDayLayout = "2 January 2006"
)

func (d day) time() time.Time {
	t, _ := time.Parse(dayLayout, string(d)) // days are checked when they come in
	return t
}

// ms is the date as Xero's JSON has it: midnight UTC in milliseconds.
func (d day) ms() string { return msDate(d.time()) }

// iso is the date as Xero's DateString fields have it.
func (d day) iso() string { return d.time().Format(isoLayout) }

func parseDay(s string) (day, error) {
	for _, layout := range []string{dayLayout, isoLayout, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return day(t.Format(dayLayout)), nil
		}
	}
	return "", fmt.Errorf("%q is not a date such as 2026-10-31", s)
}

func msDate(t time.Time) string { return fmt.Sprintf("/Date(%d+0000)/", t.UnixMilli()) }
func zDate(t time.Time) string  { return t.UTC().Format(isoLayout) + "Z" }
