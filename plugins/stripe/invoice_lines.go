package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// The lines of an invoice in Stripe are whole amounts: Stripe multiplies and
// taxes nothing. In this order:
//
//  1. each wanted line, without those over nothing;
//  2. the tax, when line amounts are without it;
//  3. what the service that made the invoice rounded;
//  4. what is already paid or credited, as a negative line.
//
// 1 to 3 sum to the invoice's total, all of them to what is due. An invoice with
// too many lines, or with one that Stripe cannot count or finds too large, is
// summed up: by tax code, then as one line, then as one line over what is due.
const (
	textTax     = "Tax"
	textRound   = "Rounding"
	textOther   = "Other amounts"
	textSettled = "Already paid or credited"

	lineTextMax = 250 // runes; a printed line holds less
	linesAtMost = linesMax
)

// line is one line of an invoice.
type line struct {
	text   string
	amount money.Amount
	code   string // tax code of what it stands for; only while lines are made
}

// billLine is a line as Stripe counts it.
type billLine struct {
	text  string
	units int64
}

// lines returns the lines that bill exactly what is due.
func lines(inv *connector.Invoice) ([]line, error) {
	due := inv.AmountDue
	total := inv.Total
	if !total.IsSet() {
		total = due
	}
	base, err := baseLines(inv, total)
	if err != nil {
		return nil, err
	}
	settled, err := due.Sub(total)
	if err != nil {
		return nil, err
	}
	if settled.Sign() > 0 {
		return nil, fmt.Errorf("%s is due of a total of only %s", due, total)
	}
	if settled.Sign() < 0 {
		base = append(base, line{text: textSettled, amount: settled})
	}
	if !countable(base) && countable([]line{{amount: due}}) {
		base = []line{{text: summaryText(inv), amount: due}}
	}
	sum, err := sumOf(base, due.Currency())
	if err != nil {
		return nil, err
	}
	if sum != due {
		return nil, fmt.Errorf("the lines sum to %s, not to %s", sum, due)
	}
	return base, nil
}

// baseLines returns lines that sum to the total.
func baseLines(inv *connector.Invoice, total money.Amount) ([]line, error) {
	c := total.Currency()
	var out []line
	for i, l := range inv.Lines {
		if !l.Amount.IsSet() || l.Amount.IsZero() {
			continue
		}
		text := strings.TrimSpace(cut(strings.Join(strings.Fields(l.Description), " "), lineTextMax))
		if text == "" {
			text = fmt.Sprintf("Item %d", i+1)
		}
		out = append(out, line{text: text, amount: l.Amount, code: l.TaxCode})
	}
	if len(out) == 0 {
		return []line{{text: summaryText(inv), amount: total}}, nil
	}
	if inv.TaxMode == connector.TaxExclusive {
		tax, err := taxOf(inv, c)
		if err != nil {
			return nil, err
		}
		if !tax.IsZero() {
			out = append(out, line{text: textTax, amount: tax, code: textTax})
		}
	}
	sum, err := sumOf(out, c)
	if err != nil {
		return nil, err
	}
	rest, err := total.Sub(sum)
	if err != nil {
		return nil, err
	}
	if !rest.IsZero() {
		out = append(out, line{text: restText(rest, len(inv.Lines)), amount: rest, code: textRound})
	}
	return summedUp(inv, out, total)
}

// taxOf is the invoice's tax: its own figure, else the sum of the lines'.
func taxOf(inv *connector.Invoice, c money.Currency) (money.Amount, error) {
	if inv.TaxTotal.IsSet() {
		return inv.TaxTotal, nil
	}
	var taxes []money.Amount
	for _, l := range inv.Lines {
		if l.Tax.IsSet() {
			taxes = append(taxes, l.Tax)
		}
	}
	return money.Sum(c, taxes...)
}

// restText names a difference: rounding is at most one minor unit for each line
// and its tax.
func restText(rest money.Amount, n int) string {
	if r := rest.Minor(); r >= -int64(2*n) && r <= int64(2*n) {
		return textRound
	}
	return textOther
}

// summedUp shortens lines that Stripe cannot hold one by one. One place is left
// for what is already paid.
func summedUp(inv *connector.Invoice, all []line, total money.Amount) ([]line, error) {
	if len(all) < linesAtMost && countable(all) {
		return all, nil
	}
	var out []line
	byCode := map[string][]money.Amount{}
	var codes []string
	for _, l := range all {
		if _, seen := byCode[l.code]; !seen {
			codes = append(codes, l.code)
		}
		byCode[l.code] = append(byCode[l.code], l.amount)
	}
	slices.Sort(codes)
	for _, code := range codes {
		sum, err := money.Sum(total.Currency(), byCode[code]...)
		if err != nil {
			return nil, err
		}
		if sum.IsZero() {
			continue
		}
		out = append(out, line{text: groupText(code, len(byCode[code])), amount: sum, code: code})
	}
	if len(out) < linesAtMost && countable(out) {
		return out, nil
	}
	return []line{{text: summaryText(inv), amount: total}}, nil
}

func groupText(code string, n int) string {
	items := fmt.Sprintf("%d items", n)
	if n == 1 {
		items = "1 item"
	}
	switch code {
	case textTax, textRound:
		return code
	case "":
		return items
	}
	return cut(items+", tax code "+code, lineTextMax)
}

func summaryText(inv *connector.Invoice) string {
	if inv.Number == "" {
		return "Invoice"
	}
	return cut("Invoice "+inv.Number, lineTextMax)
}

// countable reports whether Stripe can hold each line: to its minor unit, and not
// above what it charges at once.
func countable(all []line) bool {
	return !slices.ContainsFunc(all, func(l line) bool {
		units, err := toUnits(l.amount)
		most := mostUnits(l.amount.Currency())
		return err != nil || units > most || units < -most
	})
}

func sumOf(all []line, c money.Currency) (money.Amount, error) {
	amounts := make([]money.Amount, len(all))
	for i, l := range all {
		amounts[i] = l.amount
	}
	return money.Sum(c, amounts...)
}

// inUnits converts lines to Stripe's integers.
func inUnits(all []line) ([]billLine, error) {
	out := make([]billLine, len(all))
	for i, l := range all {
		units, err := toUnits(l.amount)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", l.text, err)
		}
		out[i] = billLine{text: l.text, units: units}
	}
	return out, nil
}

// missing returns the wanted lines that are not among those there, each counted
// as often as it occurs. ok is false when something is there that is not wanted.
func missing(want, there []billLine) (out []int, ok bool) {
	left := map[billLine]int{}
	for _, l := range there {
		left[l]++
	}
	for i, l := range want {
		if left[l] > 0 {
			left[l]--
		} else {
			out = append(out, i)
		}
	}
	for _, n := range left {
		if n > 0 {
			return out, false
		}
	}
	return out, true
}

// unsettled leaves out what is already paid: it changes while the invoice does not.
func unsettled(all []billLine) []billLine {
	return slices.DeleteFunc(slices.Clone(all), func(l billLine) bool { return l.text == textSettled })
}
