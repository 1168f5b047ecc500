package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// linesMax is Stripe's limit for one invoice; an invoice holds the first ten of
// them and the others are listed. https://docs.stripe.com/api/invoiceitems
const linesMax = 250

// invoiceRecord reads one invoice with all its lines.
func (cn *conn) invoiceRecord(ctx context.Context, id string) (*connector.Record, error) {
	inv, err := cn.invoice(ctx, id)
	if err != nil {
		return nil, err
	}
	return cn.recordOfInvoice(inv)
}

// invoice reads one invoice with its payment intent, its charge and all its lines. A deleted
// one is NotFound.
func (cn *conn) invoice(ctx context.Context, id string) (*stripe.Invoice, error) {
	const op = "stripe: get invoice"
	p := &stripe.InvoiceParams{}
	p.AddExpand("payment_intent")
	p.AddExpand("charge")
	var inv *stripe.Invoice
	err := cn.read(ctx, op, &p.Params, func() (err error) {
		inv, err = cn.api.Invoices.Get(id, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	if inv.Deleted {
		return nil, connector.Errorf(connector.NotFound, op, "invoice %s was deleted", id)
	}
	return inv, cn.completeLines(ctx, inv)
}

// completeLines lists the lines that the invoice itself left out.
func (cn *conn) completeLines(ctx context.Context, inv *stripe.Invoice) error {
	const op = "stripe: list lines"
	if inv.Lines == nil || !inv.Lines.HasMore {
		return nil
	}
	var all []*stripe.InvoiceLineItem
	p := &stripe.InvoiceListLinesParams{Invoice: stripe.String(inv.ID)}
	for more := true; more; {
		rows, again, _, err := list[*stripe.InvoiceLineItem](ctx, op, &p.ListParams, func() *stripe.Iter {
			return cn.api.Invoices.ListLines(p).Iter
		})
		if err != nil {
			return err
		}
		all = append(all, rows...)
		if more = again && len(rows) > 0; more {
			p.StartingAfter = stripe.String(rows[len(rows)-1].ID)
		}
		if len(all) > 4*linesMax { // never at this version; a bound all the same
			return connector.Errorf(connector.Invalid, op, "invoice %s has more lines than Stripe allows", inv.ID)
		}
	}
	inv.Lines.Data, inv.Lines.HasMore = all, false
	return nil
}

// recordOfInvoice turns an invoice with all its lines into a record.
func (cn *conn) recordOfInvoice(inv *stripe.Invoice) (*connector.Record, error) {
	const op = "stripe: read invoice"
	if err := cn.sameMode(op, "invoice", inv.ID, inv.Livemode); err != nil {
		return nil, err
	}
	out := connector.Invoice{
		Kind: connector.InvoiceSale, Status: invoiceStatus(inv.Status), Number: inv.Number,
		ContactName: inv.CustomerName, PayURL: inv.HostedInvoiceURL, Marks: merged(inv.Metadata),
		IssueDate: dateOf(cmpOr(inv.EffectiveAt, inv.Created)), DueDate: dateOf(inv.DueDate),
		Extra: map[string]connector.Value{},
	}
	if number := numberIn(inv.Metadata); number != "" { // what people know it by
		out.Number, out.Extra["stripe_number"] = number, connector.Value{Text: inv.Number}
	}
	if inv.Customer != nil {
		out.ContactID = inv.Customer.ID
	}
	if inv.Charge != nil {
		out.PaymentIDs = []string{inv.Charge.ID}
	}
	if pi := inv.PaymentIntent; pi != nil {
		out.Extra["payment_intent"] = connector.Value{Text: pi.ID}
	}
	outside := inv.PaidOutOfBand
	out.Extra["paid_out_of_band"] = connector.Value{Flag: &outside}
	if err := invoiceSums(&out, inv); err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "invoice %s: %w", inv.ID, err)
	}
	rec := withVersion(connector.Record{Entity: connector.EntityInvoice, ID: inv.ID, Invoice: &out})
	return &rec, nil
}

// invoiceSums fills in money and lines. What is due counts only while the
// invoice can be paid; what a credit note took off counts as credited; the rest
// is paid. A void invoice has been credited as a whole.
func invoiceSums(out *connector.Invoice, inv *stripe.Invoice) error {
	due, credited := int64(0), inv.PrePaymentCreditNotesAmount
	switch inv.Status {
	case stripe.InvoiceStatusOpen, stripe.InvoiceStatusUncollectible:
		due = inv.AmountRemaining
	case stripe.InvoiceStatusDraft:
		due = inv.Total
	case stripe.InvoiceStatusVoid:
		credited = inv.Total - inv.AmountPaid
	}
	var err error
	set := func(to *money.Amount, units int64) {
		if err == nil {
			*to, err = fromUnits(units, inv.Currency)
		}
	}
	set(&out.Total, inv.Total)
	set(&out.TaxTotal, inv.Tax)
	set(&out.AmountDue, due)
	set(&out.AmountCredited, credited)
	set(&out.AmountPaid, inv.Total-due-credited)
	if err != nil {
		return err
	}
	out.Currency = out.Total.Currency()
	out.TaxMode = taxMode(inv)
	if inv.Lines == nil {
		return nil
	}
	for _, l := range inv.Lines.Data {
		line := connector.InvoiceLine{Description: l.Description}
		set(&line.Amount, l.Amount)
		var tax int64
		for _, t := range l.TaxAmounts {
			tax += t.Amount
		}
		set(&line.Tax, tax)
		if err != nil {
			return err
		}
		if line.Quantity, err = money.ParseDecimal(strconv.FormatInt(l.Quantity, 10)); err != nil {
			return err
		}
		out.Lines = append(out.Lines, line)
	}
	return err
}

// taxMode tells how Stripe's own taxes stand to the lines. Invoices of ours have
// their tax as a line and none of Stripe's.
func taxMode(inv *stripe.Invoice) connector.TaxMode {
	switch {
	case len(inv.TotalTaxAmounts) == 0:
		return connector.TaxNone
	case slices.ContainsFunc(inv.TotalTaxAmounts, func(t *stripe.InvoiceTotalTaxAmount) bool { return !t.Inclusive }):
		return connector.TaxExclusive
	}
	return connector.TaxInclusive
}

// invoiceStatus translates a status. An uncollectible invoice can still be paid:
// https://docs.stripe.com/invoicing/overview#invoice-statuses
func invoiceStatus(s stripe.InvoiceStatus) connector.InvoiceStatus {
	switch s {
	case stripe.InvoiceStatusDraft:
		return connector.InvoiceDraft
	case stripe.InvoiceStatusPaid:
		return connector.InvoicePaid
	case stripe.InvoiceStatusVoid:
		return connector.InvoiceVoid
	}
	return connector.InvoiceOpen
}

// invoicesOf lists a customer's invoices, newest first, with their payment
// intents and charges: the newest page, and further ones back to a time.
func (cn *conn) invoicesOf(ctx context.Context, customer string, backTo time.Time) ([]*stripe.Invoice, error) {
	const (
		op       = "stripe: list invoices"
		pagesMax = 20
	)
	p := &stripe.InvoiceListParams{Customer: stripe.String(customer)}
	p.AddExpand("data.payment_intent")
	p.AddExpand("data.charge")
	var out []*stripe.Invoice
	for range pagesMax {
		rows, more, _, err := list[*stripe.Invoice](ctx, op, &p.ListParams, func() *stripe.Iter {
			return cn.api.Invoices.List(p).Iter
		})
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
		if !more || len(rows) == 0 || rows[len(rows)-1].Created < backTo.Unix() {
			return out, nil
		}
		p.StartingAfter = stripe.String(rows[len(rows)-1].ID)
	}
	return nil, connector.Errorf(connector.Conflict, op,
		"customer %s has more than %d invoices since %s; which one is ours cannot be told", customer, pagesMax*pageSizeMax, backTo.Format(time.RFC3339)).
		WithRemedy("Look for the invoice in Stripe and link it by hand.")
}

func dateOf(unix int64) connector.Date {
	if unix == 0 {
		return connector.Date{}
	}
	return connector.DateOf(time.Unix(unix, 0).UTC())
}

func currencyText(c stripe.Currency) string { return strings.ToUpper(string(c)) }

func cmpOr(a, b int64) int64 {
	if a != 0 {
		return a
	}
	return b
}
