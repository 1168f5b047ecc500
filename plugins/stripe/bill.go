package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

const (
	memoMax  = 1500 // runes of an invoice's description
	fieldMax = 30   // runes of a custom field's name and value at this version
	leadTime = 24 * time.Hour
)

// bill is a wanted invoice as Stripe needs it. It depends on the write alone,
// never on the clock, so a step that is repeated says the same again.
type bill struct {
	key         string
	wish        connector.InvoiceStatus // open, paid or void
	customer    string
	currency    stripe.Currency
	due         money.Amount
	units       int64 // due, as Stripe counts it
	lines       []billLine
	marks       map[string]string
	posted      []string // ids of charges that are in the source's books
	memo        string
	fields      []customField
	dueAt       int64 // Unix seconds; Stripe refuses a time that is past
	onTime      bool  // dueAt is the true due date
	effectiveAt int64 // printed date of issue; 0: the day of finalizing
	bareIntent  bool  // Stripe refused marks on the payment intent
	unmailed    bool  // Stripe refused to send it: the customer has no e-mail address
}

type customField struct{ name, value string }

// newBill reads the wish of a write. An invoice of which nothing is due counts as
// paid; one that was edited down to nothing was not paid by anybody.
func newBill(w connector.Write) (*bill, error) {
	const op = "stripe: upsert invoice"
	inv := w.Record.Invoice
	marks, err := checkMarks(op, inv.Marks)
	if err != nil {
		return nil, err
	}
	b := &bill{key: w.Key, wish: inv.Status, customer: inv.ContactID, due: inv.AmountDue, marks: marks, memo: memo(inv),
		posted: inv.PaymentReferences}
	if b.wish == connector.InvoicePaid && inv.Total.IsSet() && inv.Total.IsZero() {
		b.wish = connector.InvoiceVoid
	}
	switch {
	case marks[markSupersedes] != "":
		return nil, connector.Errorf(connector.Invalid, op, "the mark %q is the connector's own", markSupersedes)
	case inv.Kind == connector.InvoicePurchase:
		return nil, connector.Errorf(connector.Invalid, op, "a bill that we owe cannot be paid through Stripe")
	case b.wish == connector.InvoicePaid, b.wish == connector.InvoiceVoid:
		return b, nil
	case b.wish != connector.InvoiceOpen:
		return nil, connector.Errorf(connector.Invalid, op, "an invoice with status %q is not sent to Stripe", inv.Status)
	case !inv.AmountDue.IsSet() || inv.Currency != "" && inv.Currency != inv.AmountDue.Currency():
		return nil, connector.Errorf(connector.Invalid, op, "the amount due (%s) is not in the invoice's currency %q", inv.AmountDue, string(inv.Currency))
	case inv.AmountDue.Sign() < 0:
		return nil, connector.Errorf(connector.Invalid, op, "the amount due is negative: %s", inv.AmountDue)
	case inv.AmountDue.IsZero():
		b.wish = connector.InvoicePaid
		return b, nil
	}
	if err := checkID(b.customer); err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "the invoice names no customer of Stripe")
	}
	if len(marks) == 0 {
		return nil, connector.Errorf(connector.Invalid, op, "the invoice has no mark to find it again by")
	}
	b.currency = stripe.Currency(strings.ToLower(string(b.due.Currency())))
	if b.units, err = toUnits(b.due); err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "%w", err)
	}
	all, err := lines(inv)
	if err == nil {
		b.lines, err = inUnits(all)
	}
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "the lines cannot be billed: %w", err)
	}
	b.fields = customFields(inv)
	b.setDates(inv, w.IntendedAt.UTC())
	return b, nil
}

// setDates derives Stripe's dates. Stripe refuses a due date that is not in the
// future, so an overdue invoice is due a day after the intent; the true date is
// printed as a field.
func (b *bill) setDates(inv *connector.Invoice, intended time.Time) {
	b.dueAt = soonest(intended)
	if day := inv.DueDate.In(time.UTC).Add(24*time.Hour - time.Minute).Unix(); !inv.DueDate.IsZero() && day >= b.dueAt {
		b.dueAt, b.onTime = day, true
	}
	if issued := inv.IssueDate.In(time.UTC); !inv.IssueDate.IsZero() && !issued.After(intended) {
		b.effectiveAt = issued.Unix()
	}
}

// soonest is the earliest due date that is used at a time: a day later, at the
// full hour.
func soonest(t time.Time) int64 {
	return t.Add(leadTime + time.Hour - time.Nanosecond).Truncate(time.Hour).Unix()
}

// memo is the text below an invoice's head.
func memo(inv *connector.Invoice) string {
	text := summaryText(inv)
	if inv.Reference != "" {
		text += fmt.Sprintf(" (%s)", inv.Reference)
	}
	if inv.TaxMode == connector.TaxInclusive && inv.TaxTotal.Sign() > 0 {
		text += fmt.Sprintf(", includes tax of %s", inv.TaxTotal)
	}
	return strings.TrimSpace(cut(text, memoMax))
}

// customFields print what people know an invoice by, where it fits.
func customFields(inv *connector.Invoice) []customField {
	var out []customField
	for _, f := range []customField{{"Invoice", inv.Number}, {"Due date", inv.DueDate.String()}} {
		if f.value != "" && utf8.RuneCountInString(f.value) <= fieldMax {
			out = append(out, f)
		}
	}
	return out
}

// params are the parameters of the draft; after is the paid invoice that it
// follows, or empty.
func (b *bill) params(after string) *stripe.InvoiceParams {
	marks := b.marks
	if after != "" {
		marks = merged(b.marks, map[string]string{markSupersedes: after})
	}
	p := &stripe.InvoiceParams{
		Customer: stripe.String(b.customer), Currency: stripe.String(string(b.currency)),
		// We alone move it on: Stripe sends nothing and finalizes nothing by itself.
		AutoAdvance: stripe.Bool(false),
		// Nothing may change the sum: no items that wait on the customer, no
		// discount of the customer's, no tax of Stripe's.
		PendingInvoiceItemsBehavior: stripe.String("exclude"),
		Discounts:                   []*stripe.InvoiceDiscountParams{},
		AutomaticTax:                &stripe.InvoiceAutomaticTaxParams{Enabled: stripe.Bool(false)},
		Description:                 stripe.String(b.memo), Metadata: marks,
	}
	p.CollectionMethod, p.DueDate = stripe.String(string(stripe.InvoiceCollectionMethodSendInvoice)), stripe.Int64(b.dueAt)
	if b.unmailed {
		// Of the other kind, which has no due date. Without auto_advance Stripe
		// charges nobody by itself, and its page can be paid all the same.
		// https://docs.stripe.com/api/invoices/object#invoice_object-auto_advance
		p.CollectionMethod, p.DueDate = stripe.String(string(stripe.InvoiceCollectionMethodChargeAutomatically)), nil
	}
	if b.effectiveAt != 0 {
		p.EffectiveAt = stripe.Int64(b.effectiveAt)
	}
	for _, f := range b.fields {
		p.CustomFields = append(p.CustomFields, &stripe.InvoiceCustomFieldParams{
			Name: stripe.String(f.name), Value: stripe.String(f.value),
		})
	}
	return p
}
