package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	lookupRows  = 1000 // the service's largest page
	lookupPages = 10   // no invoice has that many payments
)

// kind is what a payment was for. Only the sales side takes part: payments of
// bills, and refunds from suppliers, are none of ours.
func (p paymentForm) kind() (connector.PaymentKind, bool) {
	switch p.PaymentType {
	case "ACCRECPAYMENT":
		return connector.PaymentReceipt, true
	case "ARCREDITPAYMENT", "AROVERPAYMENTPAYMENT", "ARPREPAYMENTPAYMENT":
		return connector.PaymentRefund, true
	}
	return "", false
}

func (p paymentForm) ref() connector.Record {
	return connector.Record{
		Entity: connector.EntityPayment, ID: strings.ToLower(p.PaymentID), UpdatedAt: p.UpdatedDateUTC.UTC(),
		Version: versionOf(p.UpdatedDateUTC, p.Status, string(p.Amount), p.Reference, strconv.FormatBool(p.IsReconciled)),
	}
}

// record is the payment in the host's words. A deleted one has status failed.
func (p paymentForm) record() (connector.Record, error) {
	rec := p.ref()
	kind, _ := p.kind()
	code := ""
	body := &connector.Payment{
		Kind: kind, Status: connector.PaymentSucceeded, Date: p.Date.date(), Reference: p.Reference, Account: p.Account.Code,
		Marks: map[string]string{}, Extra: map[string]connector.Value{"xero_type": {Text: p.PaymentType}, "reconciled": {Flag: &p.IsReconciled}},
	}
	if body.Account == "" {
		body.Account = strings.ToLower(p.Account.AccountID)
	}
	if !p.live() {
		body.Status = connector.PaymentFailed
	}
	if doc := p.Invoice; doc != nil {
		code, body.ContactID, body.Label = doc.CurrencyCode, strings.ToLower(doc.Contact.ContactID), doc.InvoiceNumber
		if kind == connector.PaymentReceipt {
			body.InvoiceID = strings.ToLower(doc.InvoiceID)
		} else {
			body.Extra["document_id"] = connector.Value{Text: strings.ToLower(doc.InvoiceID)}
		}
	}
	if p.inBatch() {
		body.Extra["in_batch"] = connector.Value{Text: p.BatchPaymentID}
	}
	c, err := currencyOf(code)
	if err != nil {
		return rec, err
	}
	if body.Amount, err = p.Amount.amount(c); err != nil {
		return rec, err
	}
	rec.Payment = body
	return rec, nil
}

// record is an overpayment as the receipt that it is, on no invoice. One that was
// voided, or paid back under its own mark, has status failed.
func (o overpaymentForm) record() (connector.Record, error) {
	rec := connector.Record{
		Entity: connector.EntityPayment, ID: strings.ToLower(o.OverpaymentID), UpdatedAt: o.UpdatedDateUTC.UTC(),
		Version: versionOf(o.UpdatedDateUTC, o.Status, string(o.Total), o.Reference),
	}
	c, err := currencyOf(o.CurrencyCode)
	if err != nil {
		return rec, err
	}
	body := &connector.Payment{
		Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Date: o.Date.date(), Reference: o.Reference,
		ContactID: strings.ToLower(o.Contact.ContactID), Marks: map[string]string{},
		Extra: map[string]connector.Value{"xero_type": {Text: o.Type}},
	}
	if body.Amount, err = o.Total.amount(c); err != nil {
		return rec, err
	}
	undone, err := paidFrom(o.Payments, markOf(o.Reference), c)
	if err != nil {
		return rec, err
	}
	if o.gone() || undone == body.Amount {
		body.Status = connector.PaymentFailed
	}
	rec.Payment = body
	return rec, nil
}

var paymentFeed = feed{
	op: "xero: list payments", path: "/Payments",
	rows: func(env *envelope, _ bool) ([]row, bool) {
		var out []row
		for _, p := range env.Payments {
			r := row{id: p.PaymentID, updated: p.UpdatedDateUTC.Time, record: p.ref()}
			if _, ours := p.kind(); !ours {
				r.skip = true
			} else if rec, err := p.record(); err == nil {
				r.record = rec
			}
			out = append(out, r)
		}
		return out, env.Payments != nil
	},
}

// paymentsWhere reads the full rows, deleted ones included, that match any of
// the filters.
func (a *api) paymentsWhere(ctx context.Context, filters []string) ([]paymentForm, error) {
	var out []paymentForm
	for _, where := range anyOf(filters) {
		for page := 1; ; page++ {
			r := request{op: "xero: read payments", method: http.MethodGet, path: accounting + "/Payments", query: url.Values{
				"where": {where}, "page": {strconv.Itoa(page)}, "pageSize": {strconv.Itoa(lookupRows)},
			}}
			var env envelope
			if _, err := a.call(ctx, r, &env); err != nil {
				return nil, err
			}
			if env.Payments == nil {
				return nil, unpromised(r, "the answer holds no payments")
			}
			out = append(out, env.Payments...)
			if len(env.Payments) < lookupRows {
				break
			}
			if page == lookupPages {
				return nil, connector.Errorf(connector.Invalid, r.op, "more than %d payments match", lookupPages*lookupRows)
			}
		}
	}
	return out, nil
}

func (a *api) paymentsByID(ctx context.Context, ids []string) ([]paymentForm, error) {
	filters := make([]string, 0, len(ids))
	for _, id := range ids {
		filters = append(filters, guidIs("PaymentID", id))
	}
	return a.paymentsWhere(ctx, filters)
}

// getPayments returns the payments among the ids, and the ids that are none.
func (a *api) getPayments(ctx context.Context, ids []string) (out []connector.Record, rest []string, err error) {
	found, err := a.paymentsByID(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range found {
		if _, ours := p.kind(); !ours {
			continue
		}
		rec, err := p.record()
		if err != nil {
			return nil, nil, unreadable("xero: read payments", "payment "+p.Reference, p.PaymentID, err)
		}
		out = append(out, rec)
	}
	return out, notAmong(ids, found, func(p paymentForm) string { return p.PaymentID }), nil
}

// getOverpayments returns the receipts that are overpayments as a whole: their
// links name those. There are few, and they are read one by one.
func (a *api) getOverpayments(ctx context.Context, ids []string) ([]connector.Record, error) {
	var out []connector.Record
	for _, id := range ids {
		o, err := (&batch{api: a}).readOverpayment(ctx, id)
		if err != nil {
			return nil, err
		}
		if o.Type != "RECEIVE-OVERPAYMENT" { // also when there is none
			continue
		}
		rec, err := o.record()
		if err != nil {
			return nil, unreadable("xero: read overpayments", "overpayment "+o.Reference, o.OverpaymentID, err)
		}
		out = append(out, rec)
	}
	return out, nil
}
