package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

const viewURL = "https://go.xero.com/AccountsReceivable/View.aspx?InvoiceID="

// versionOf is a record's version: its time of change, and a digest of what can
// change without one (due dates, merges).
func versionOf(updated instant, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return strconv.FormatInt(updated.UnixMilli(), 10) + "-" + hex.EncodeToString(h.Sum(nil)[:6])
}

// status is where the invoice stands, in the host's words.
func (f invoiceForm) status() (connector.InvoiceStatus, error) {
	switch f.Status {
	case "DRAFT", "SUBMITTED":
		return connector.InvoiceDraft, nil
	case "AUTHORISED":
		return connector.InvoiceOpen, nil
	case "PAID":
		return connector.InvoicePaid, nil
	case "VOIDED", "DELETED":
		return connector.InvoiceVoid, nil
	}
	return "", fmt.Errorf("status %q is not known to the connector", f.Status)
}

func (f invoiceForm) taxMode() connector.TaxMode {
	switch strings.ToLower(f.LineAmountTypes) {
	case "inclusive":
		return connector.TaxInclusive
	case "notax":
		return connector.TaxNone
	}
	return connector.TaxExclusive
}

// ref is the invoice without its body: all that can be said of one whose sums
// cannot be held exactly.
func (f invoiceForm) ref() connector.Record {
	return connector.Record{
		Entity: connector.EntityInvoice, ID: strings.ToLower(f.InvoiceID), UpdatedAt: f.UpdatedDateUTC.UTC(),
		Version: versionOf(f.UpdatedDateUTC, f.Status, f.InvoiceNumber, f.Contact.ContactID, string(f.Total), string(f.AmountDue),
			string(f.AmountPaid), f.DueDate.date().String()),
	}
}

// record is the invoice in the host's words.
func (f invoiceForm) record() (connector.Record, error) {
	rec := f.ref()
	status, err := f.status()
	if err != nil {
		return rec, err
	}
	c, err := currencyOf(f.CurrencyCode)
	if err != nil {
		return rec, err
	}
	body := &connector.Invoice{
		Kind: connector.InvoiceSale, Status: status, Number: f.InvoiceNumber, Reference: f.Reference,
		ContactID: strings.ToLower(f.Contact.ContactID), ContactName: f.Contact.Name, Currency: c,
		IssueDate: f.Date.date(), DueDate: f.DueDate.date(), TaxMode: f.taxMode(),
		ViewURL: viewURL + strings.ToLower(f.InvoiceID), Marks: map[string]string{}, Extra: map[string]connector.Value{},
	}
	if f.Type != "ACCREC" {
		body.Kind, body.ViewURL = connector.InvoicePurchase, ""
	}
	for _, part := range []struct {
		to   *money.Amount
		from number
	}{
		{&body.Total, f.Total}, {&body.TaxTotal, f.TotalTax}, {&body.AmountDue, f.AmountDue},
		{&body.AmountPaid, f.AmountPaid}, {&body.AmountCredited, f.AmountCredited},
	} {
		if *part.to, err = part.from.amount(c); err != nil {
			return rec, err
		}
	}
	if body.Lines, err = lines(f.LineItems, c); err != nil {
		return rec, err
	}
	for _, p := range f.Payments {
		body.PaymentIDs = append(body.PaymentIDs, strings.ToLower(p.PaymentID))
	}
	body.PaymentReferences = f.postedMarks()
	body.Extra["xero_status"] = connector.Value{Text: f.Status}
	rec.Invoice = body
	return rec, nil
}

// postedMarks are the marks of the payments that stand on the invoice, sorted.
// What a person wrote as a reference is among them, and is nobody's id.
func (f invoiceForm) postedMarks() []string {
	var out []string
	for _, p := range f.Payments {
		if mark := markOf(p.Reference); p.live() && mark != "" {
			out = append(out, mark)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func lines(forms []lineForm, c money.Currency) ([]connector.InvoiceLine, error) {
	out := make([]connector.InvoiceLine, 0, len(forms))
	for _, f := range forms {
		line := connector.InvoiceLine{Description: f.Description, TaxCode: f.TaxType, AccountCode: f.AccountCode}
		var err error
		if line.Quantity, err = f.Quantity.decimal(); err != nil {
			return nil, err
		}
		if line.UnitPrice, err = f.UnitAmount.decimal(); err != nil {
			return nil, err
		}
		if line.Amount, err = f.LineAmount.amount(c); err != nil {
			return nil, err
		}
		if line.Tax, err = f.TaxAmount.amount(c); err != nil {
			return nil, err
		}
		out = append(out, line)
	}
	return out, nil
}

// A list goes on when one of its invoices cannot be held exactly: that one
// comes without its body, and reading it fails and says why.
var invoiceFeed = feed{
	op: "xero: list invoices", path: "/Invoices",
	query: url.Values{"unitdp": {"4"}, "includeArchived": {"true"}},
	brief: url.Values{"summaryOnly": {"true"}},
	rows: func(env *envelope, idsOnly bool) ([]row, bool) {
		var out []row
		for _, f := range env.Invoices {
			r := row{id: f.InvoiceID, updated: f.UpdatedDateUTC.Time, record: f.ref()}
			if rec, err := f.record(); err == nil && !idsOnly {
				r.record = rec
			}
			out = append(out, r)
		}
		return out, env.Invoices != nil
	},
	complete: func(ctx context.Context, a *api, env *envelope) error { return a.recognise(ctx, env.Invoices) },
}

// readInvoices reads invoices by id with their lines and payments.
func (a *api) readInvoices(ctx context.Context, ids []string) ([]invoiceForm, error) {
	return a.invoicesBy(ctx, url.Values{"IDs": {strings.Join(ids, ",")}}, len(ids))
}

// invoicesBy asks for a page: only then do lines come with several invoices.
func (a *api) invoicesBy(ctx context.Context, query url.Values, size int) ([]invoiceForm, error) {
	query.Set("page", "1")
	query.Set("pageSize", strconv.Itoa(size))
	query.Set("includeArchived", "true")
	query.Set("unitdp", "4")
	r := request{op: "xero: read invoices", method: http.MethodGet, path: accounting + "/Invoices", query: query}
	var env envelope
	if _, err := a.call(ctx, r, &env); err != nil {
		return nil, err
	}
	if env.Invoices == nil {
		return nil, unpromised(r, "the answer holds no invoices")
	}
	return env.Invoices, nil
}

func (a *api) getInvoices(ctx context.Context, ids []string) ([]connector.Record, error) {
	found, err := a.readInvoices(ctx, ids)
	if err != nil {
		return nil, err
	}
	if err := a.recognise(ctx, found); err != nil {
		return nil, err
	}
	out := make([]connector.Record, 0, len(found))
	for _, f := range found {
		rec, err := f.record()
		if err != nil {
			return nil, unreadable("xero: read invoices", "invoice "+f.InvoiceNumber, f.InvoiceID, err)
		}
		out = append(out, rec)
	}
	return out, nil
}

// unsure reports whether a payment of the invoice may serve a receipt although a
// person entered it, and whether that matters: something is due beside it.
func (f invoiceForm) unsure() bool {
	due, err := f.AmountDue.decimal()
	return err == nil && due.Sign() > 0 && f.Type == "ACCREC" && f.Status == "AUTHORISED" &&
		slices.ContainsFunc(f.Payments, func(p paymentForm) bool { return p.live() && !marked(p.Reference) })
}

// recognise gives payments that a person entered the mark of the receipt that
// they serve, where the invoice's history says so: what is due is then due on
// top of that receipt. It costs a call for each invoice that is part paid in
// another way, and nothing for others.
func (a *api) recognise(ctx context.Context, found []invoiceForm) error {
	for i := range found {
		if !found[i].unsure() {
			continue
		}
		claims, err := a.readClaims(ctx, invoiceHistory(found[i].InvoiceID))
		if err != nil {
			return err
		}
		for k, p := range found[i].Payments {
			if mark := claims[strings.ToLower(p.PaymentID)]; mark != "" && p.live() {
				found[i].Payments[k].Reference = mark
			}
		}
	}
	return nil
}

// unreadable fails a call for one record whose sums cannot be held exactly.
func unreadable(op, what, id string, err error) error {
	e := connector.Errorf(connector.Invalid, op, "%s: %w", what, err)
	e.Candidates = []string{strings.ToLower(id)}
	return e.WithRemedy("correct the document in Xero: its currency allows no such amounts")
}
