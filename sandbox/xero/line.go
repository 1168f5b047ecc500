package xero

import (
	"slices"
	"strings"
)

// Lines. The sum of a line is quantity x unit amount less its discount, rounded
// to two decimals; its tax is rounded by itself, and the totals are sums of
// what was rounded. Halves are rounded away from zero.

type line struct {
	id, description          string
	account                  *account
	taxType                  string
	quantity, unit, discount frac
	amount, tax              cents
}

// lineInput is a line of a request.
type lineInput struct {
	id, description, account, taxType string
	quantity, unit, discount          frac
	amount, tax                       cents
	hasQuantity, hasUnit              bool
	hasAmount, hasTax                 bool
}

func readLines(list []*fields, places int) []lineInput {
	var out []lineInput
	for _, f := range list {
		l := lineInput{id: f.str("LineItemID"), description: f.str("Description"), taxType: f.str("TaxType"),
			hasQuantity: f.has("Quantity"), hasUnit: f.has("UnitAmount"), hasAmount: f.has("LineAmount"), hasTax: f.has("TaxAmount"),
			quantity: f.frac("Quantity"), unit: f.frac("UnitAmount").toPlaces(places), discount: f.frac("DiscountRate"),
			amount: f.cents("LineAmount"), tax: f.cents("TaxAmount")}
		if l.account = f.str("AccountID"); l.account == "" {
			l.account = f.str("AccountCode")
		} else {
			f.str("AccountCode")
		}
		if len(f.list("Tracking")) > 0 {
			f.fail(notModelled("the field %s.Tracking", f.path))
		}
		out = append(out, l)
	}
	return out
}

// makeLines checks the lines of a request. A line that names one of the
// document's old lines keeps its id.
func (s *Server) makeLines(d *document, list []lineInput) ([]line, error) {
	var out []line
	for _, in := range list {
		l := line{id: newID(), description: in.description, taxType: in.taxType, quantity: in.quantity, unit: in.unit,
			discount: in.discount}
		if in.id != "" {
			if !slices.ContainsFunc(d.lines, func(o line) bool { return strings.EqualFold(o.id, in.id) }) {
				return nil, refuse("The LineItemID %s is not one of this document", in.id)
			}
			l.id = lowerID(in.id)
		}
		if err := l.measure(in, d.kind); err != nil {
			return nil, err
		}
		if err := s.book(&l, in, d.types); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

// measure works out quantity, unit amount and the line's sum.
func (l *line) measure(in lineInput, kind string) error {
	if in.discount < 0 || in.discount > hundredPercent {
		return refuse("DiscountRate must be between 0 and 100")
	}
	if in.discount != 0 && kind != kindSale {
		return refuse("Discounts can only be used on sales invoices")
	}
	switch {
	case in.hasUnit && !in.hasQuantity, !in.hasUnit && !in.hasQuantity:
		l.quantity = fracOne
	case in.hasAmount && !in.hasUnit && in.quantity != fracOne:
		return notModelled("LineAmount with Quantity but without UnitAmount")
	}
	if !in.hasUnit && in.hasAmount {
		l.unit = frac(in.amount) * 100
	}
	l.amount = lineSum(l.quantity, l.unit, l.discount)
	if in.hasAmount && in.amount != l.amount {
		return refuse("The line total %s does not match the expected line total %s", in.amount, l.amount)
	}
	return nil
}

// book finds the line's account and tax.
func (s *Server) book(l *line, in lineInput, types string) error {
	if in.account != "" {
		a := s.account(in.account)
		if a == nil || a.archived || a.kind == "BANK" {
			return refuse("Account code %s is not a valid code for this document.", in.account)
		}
		l.account = a
		if l.taxType == "" {
			l.taxType = a.tax
		}
	}
	if l.taxType == "" || types == "NoTax" {
		l.taxType = "NONE"
	}
	rate := findTaxRate(l.taxType)
	if rate == nil {
		return refuse("The TaxType code '%s' does not exist or cannot be used for this type of transaction.", l.taxType)
	}
	if l.account != nil && !rate.fits(l.account) {
		return refuse("The TaxType code '%s' cannot be used with account code '%s'.", l.taxType, l.account.code)
	}
	switch types {
	case "Exclusive":
		l.tax = taxOn(l.amount, rate.percent)
	case "Inclusive":
		l.tax = taxIn(l.amount, rate.percent)
	}
	if in.hasTax && in.tax != l.tax {
		if types == "NoTax" || rate.percent == 0 {
			return refuse("TaxAmount %s cannot be used with TaxType %s and LineAmountTypes %s", in.tax, l.taxType, types)
		}
		l.tax = in.tax // Xero computes the tax unless it is given
	}
	return nil
}

// sum adds the lines up.
func (d *document) sum() {
	var amount, tax cents
	for _, l := range d.lines {
		amount += l.amount
		tax += l.tax
	}
	d.tax, d.subTotal, d.total = tax, amount, amount+tax
	if d.types == "Inclusive" {
		d.subTotal, d.total = amount-tax, amount
	}
}

// discount is what the lines' discounts take off.
func (d *document) discount() cents {
	var sum cents
	for _, l := range d.lines {
		sum += lineSum(l.quantity, l.unit, 0) - l.amount
	}
	return sum
}

func (l line) view(places int) object {
	o := object{"LineItemID": l.id, "Description": l.description, "UnitAmount": rawNumber(l.unit.text(places)),
		"TaxType": l.taxType, "TaxAmount": l.tax, "LineAmount": l.amount, "Quantity": l.quantity,
		"Tracking": []object{}, "ValidationErrors": []object{}}
	if l.account != nil {
		o["AccountCode"], o["AccountID"] = l.account.code, l.account.id
	}
	if l.discount != 0 {
		o["DiscountRate"] = l.discount
		o["DiscountAmount"] = lineSum(l.quantity, l.unit, 0) - l.amount
	}
	return o
}

func lineViews(lines []line, places int) []object {
	out := []object{}
	for _, l := range lines {
		out = append(out, l.view(places))
	}
	return out
}
