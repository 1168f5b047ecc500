package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// book is an invoice as the service has it now, with what this call has planned
// on it so far.
type book struct {
	inv      invoiceForm
	currency money.Currency
	due      money.Amount  // what is still due, less what this call has planned
	rows     []paymentForm // its payments; nested ones have neither account nor status
	over     []overpaymentForm
	taken    map[string]bool   // payments of people that this call has adopted
	claims   map[string]string // payment id -> the mark that it was recognised for earlier
	foreign  bool              // the invoice is in another currency: it takes no payment in this one
	err      error             // the sums cannot be held exactly
}

func newBook(f invoiceForm) *book {
	bk := &book{inv: f, rows: f.Payments, taken: map[string]bool{}}
	if bk.currency, bk.err = currencyOf(f.CurrencyCode); bk.err == nil {
		bk.due, bk.err = f.AmountDue.amount(bk.currency)
	}
	return bk
}

// payable reports whether payments can stand on the invoice.
func (bk *book) payable() bool {
	return !bk.foreign && (bk.inv.Status == "AUTHORISED" || bk.inv.Status == "PAID")
}

// whyUnpayable says why no payment can stand on the invoice.
func (bk *book) whyUnpayable() string {
	if bk.foreign {
		return "the payment is in " + string(bk.currency) + ", invoice " + bk.inv.InvoiceNumber + " in " + bk.inv.CurrencyCode
	}
	return "invoice " + bk.inv.InvoiceNumber + " is " + strings.ToLower(bk.inv.Status)
}

// in is the book for money in a currency. When the invoice is in another one,
// which an edit may have given it, nothing is due on it in this one.
func (bk *book) in(c money.Currency) *book {
	if bk.err != nil || bk.currency == c {
		return bk
	}
	return &book{inv: bk.inv, currency: c, due: money.Zero(c), over: bk.over, taken: map[string]bool{}, foreign: true}
}

// amount reads a sum of the invoice's currency.
func (bk *book) amount(n number) (money.Amount, error) { return n.amount(bk.currency) }

// readBooks reads every invoice concerned, in one call.
func (b *batch) readBooks(ctx context.Context, list []*posting) (map[string]*book, error) {
	var ids []string
	for _, p := range list {
		ids = append(ids, p.pay.InvoiceID)
	}
	ids = guids(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := b.readInvoices(ctx, ids)
	if err != nil {
		return nil, err
	}
	books := map[string]*book{}
	for _, f := range found {
		books[strings.ToLower(f.InvoiceID)] = newBook(f)
	}
	return books, nil
}

// bookOf finds the posting's invoice, or fails the posting.
func (p *posting) bookOf(books map[string]*book) *book {
	bk := books[strings.ToLower(p.pay.InvoiceID)]
	switch {
	case bk == nil:
		p.fail(connector.Errorf(connector.NotFound, opPost, "invoice %s is not in Xero", p.label()).
			WithRemedy("refund the money in the payment service, or enter it in Xero by hand with the reference %s", p.mark))
		return nil
	case bk.err != nil:
		p.fail(unreadable(opPost, "invoice "+bk.inv.InvoiceNumber, bk.inv.InvoiceID, bk.err))
		return nil
	case bk.inv.Type != "ACCREC":
		p.fail(connector.Errorf(connector.Invalid, opPost, "%s is not a sales invoice", bk.inv.InvoiceNumber))
		return nil
	}
	return bk.in(p.pay.Amount.Currency())
}

// confirmRows replaces the nested payments of some invoices by the full rows,
// which have references, states and what is deleted.
func (b *batch) confirmRows(ctx context.Context, books []*book) error {
	var filters []string
	for _, bk := range books {
		filters = append(filters, guidIs("Invoice.InvoiceID", strings.ToLower(bk.inv.InvoiceID)))
	}
	rows, err := b.paymentsWhere(ctx, filters)
	if err != nil {
		return err
	}
	for _, bk := range books {
		bk.rows = slices.DeleteFunc(slices.Clone(rows), func(r paymentForm) bool { return !sameID(r.targetID(), bk.inv.InvoiceID) })
	}
	return nil
}

// doubtful reports whether a nested payment may be the one that is looked for: it
// has no mark, and to tell it needs the account.
func (bk *book) doubtful(p *posting) bool {
	return slices.ContainsFunc(bk.rows, func(r paymentForm) bool {
		if marked(r.Reference) {
			return false
		}
		amount, err := bk.amount(r.Amount)
		return p.write.Attempt > 1 && r.Reference == "" || err == nil && amount == p.pay.Amount
	})
}

// readOverpayments finds the overpayments that bear the marks; they carry the
// bare mark as reference, so that an exact filter finds them.
func (b *batch) readOverpayments(ctx context.Context, marks []string) ([]overpaymentForm, error) {
	var filters []string
	for _, mark := range marks {
		if f, ok := textIs("Reference", mark); ok && !slices.Contains(filters, f) {
			filters = append(filters, f)
		}
	}
	var out []overpaymentForm
	for _, where := range anyOf(filters) {
		r := request{op: "xero: read overpayments", method: http.MethodGet, path: accounting + "/Overpayments", query: url.Values{
			"where": {where}, "page": {"1"}, "pageSize": {strconv.Itoa(lookupRows)},
		}}
		var env envelope
		if _, err := b.call(ctx, r, &env); err != nil {
			return nil, err
		}
		if env.Overpayments == nil {
			return nil, unpromised(r, "the answer holds no overpayments")
		}
		out = append(out, env.Overpayments...)
	}
	return slices.DeleteFunc(out, overpaymentForm.gone), nil
}
