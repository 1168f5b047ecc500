package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// Sales invoices can be made and voided. They are not edited: an approved
// invoice is the organisation's own document. What is made is found again by
// its number, or by its reference when Xero is to give the number.

const opInvoice = "xero: write invoice"

type invoiceOrder struct {
	Type            string
	Status          string
	Contact         idForm
	InvoiceNumber   string `json:",omitempty"`
	Reference       string `json:",omitempty"`
	Date            string `json:",omitempty"`
	DueDate         string `json:",omitempty"`
	CurrencyCode    string
	LineAmountTypes string
	LineItems       []invoiceLineOrder
}

type invoiceLineOrder struct {
	Description string
	Quantity    json.Number `json:",omitempty"`
	UnitAmount  json.Number `json:",omitempty"`
	LineAmount  json.Number
	AccountCode string `json:",omitempty"`
	TaxType     string `json:",omitempty"`
}

// upsertInvoices takes the writes one by one: no recipe writes invoices here in
// numbers.
func (a *api) upsertInvoices(ctx context.Context, writes []connector.Write) []connector.Outcome {
	outs := make([]connector.Outcome, len(writes))
	for i, w := range writes {
		out, err := a.upsertInvoice(ctx, w)
		if err != nil {
			out = connector.Failed(err, opInvoice)
		}
		outs[i] = out
	}
	return outs
}

func (a *api) upsertInvoice(ctx context.Context, w connector.Write) (connector.Outcome, error) {
	want := w.Record.Invoice
	switch {
	case want == nil:
		return connector.Outcome{}, connector.Errorf(connector.Invalid, opInvoice, "the write holds no invoice")
	case want.Kind != connector.InvoiceSale:
		return connector.Outcome{}, connector.Errorf(connector.Invalid, opInvoice, "only sales invoices are written, not %q", string(want.Kind))
	case w.TargetID != "" && !isID(w.TargetID):
		return connector.Outcome{}, connector.Errorf(connector.Invalid, opInvoice, "%q is not an id of Xero", w.TargetID)
	}
	have, err := a.findInvoice(ctx, w)
	if err != nil {
		return connector.Outcome{}, err
	}
	switch {
	case have == nil && w.TargetID != "":
		return connector.Outcome{}, connector.Errorf(connector.NotFound, opInvoice, "invoice %s is not in Xero", w.TargetID)
	case have != nil && w.TargetID == "":
		return adoptInvoice(w, *have)
	case have != nil:
		return a.changeInvoice(ctx, w, *have)
	case want.Status == connector.InvoiceVoid:
		return connector.Outcome{}, connector.Errorf(connector.Invalid, opInvoice, "a void invoice is not made")
	}
	return a.makeInvoice(ctx, w)
}

// findInvoice looks for the invoice by its id, its number, or its reference.
func (a *api) findInvoice(ctx context.Context, w connector.Write) (*invoiceForm, error) {
	query := url.Values{}
	want := w.Record.Invoice
	switch {
	case w.TargetID != "":
		query.Set("IDs", strings.ToLower(w.TargetID))
	case want.Number != "":
		filter, ok := textIs("InvoiceNumber", want.Number)
		if !ok {
			return nil, connector.Errorf(connector.Invalid, opInvoice, "the number %q cannot be looked for in Xero", want.Number)
		}
		query.Set("where", `Type=="ACCREC" AND `+filter)
	default:
		filter, ok := textIs("Reference", want.Reference)
		if !ok {
			return nil, connector.Errorf(connector.Invalid, opInvoice, "an invoice needs a number or a reference, by which it is found again")
		}
		query.Set("where", `Type=="ACCREC" AND `+filter)
	}
	found, err := a.invoicesBy(ctx, query, lookupRows)
	if err != nil {
		return nil, err
	}
	var have []invoiceForm
	for _, f := range found {
		if w.TargetID != "" || f.Status != "VOIDED" && f.Status != "DELETED" {
			have = append(have, f)
		}
	}
	switch len(have) {
	case 0:
		return nil, nil
	case 1:
		return &have[0], nil
	}
	e := connector.Errorf(connector.Conflict, opInvoice, "%d invoices in Xero have the reference %q", len(have), want.Reference)
	for _, f := range have {
		e.Candidates = append(e.Candidates, strings.ToLower(f.InvoiceID))
	}
	return nil, e.WithRemedy("choose the right one, or void the others in Xero")
}

// adoptInvoice takes an invoice that is there already, when it is the wanted one.
func adoptInvoice(w connector.Write, have invoiceForm) (connector.Outcome, error) {
	rec, err := have.record()
	if err != nil {
		return connector.Outcome{}, unreadable(opInvoice, "invoice "+have.InvoiceNumber, have.InvoiceID, err)
	}
	want := w.Record.Invoice
	if !sameID(have.Contact.ContactID, want.ContactID) || rec.Invoice.Currency != want.Currency || want.Total.IsSet() && rec.Invoice.Total != want.Total {
		e := connector.Errorf(connector.Conflict, opInvoice, "invoice %s is in Xero already, for another contact or sum", have.InvoiceNumber)
		e.Candidates = []string{rec.ID}
		return connector.Outcome{}, e.WithRemedy("give the new invoice another number")
	}
	out := connector.Outcome{Result: connector.Adopted, ID: rec.ID, Record: &rec}
	if w.Attempt > 1 { // it may well be our own, whose answer was lost
		out.Result = connector.Unchanged
	}
	return out, nil
}

// changeInvoice voids, or approves a draft; everything else is left alone.
func (a *api) changeInvoice(ctx context.Context, w connector.Write, have invoiceForm) (connector.Outcome, error) {
	is, err := have.status()
	if err != nil {
		return connector.Outcome{}, connector.Errorf(connector.Invalid, opInvoice, "invoice %s: %w", have.InvoiceNumber, err)
	}
	want := w.Record.Invoice.Status
	next := ""
	switch {
	case want == is || want == connector.InvoiceOpen && is == connector.InvoicePaid:
	case want == connector.InvoiceVoid && is == connector.InvoiceDraft:
		next = "DELETED"
	case want == connector.InvoiceVoid && is == connector.InvoiceOpen:
		next = "VOIDED"
	case want == connector.InvoiceOpen && is == connector.InvoiceDraft:
		next = "AUTHORISED"
	default:
		return connector.Outcome{}, connector.Errorf(connector.Conflict, opInvoice, "invoice %s is %s and cannot become %s", have.InvoiceNumber, is, want).
			WithRemedy("change the invoice in Xero by hand")
	}
	if next == "" {
		rec, err := have.record()
		if err != nil {
			return connector.Outcome{}, unreadable(opInvoice, "invoice "+have.InvoiceNumber, have.InvoiceID, err)
		}
		return connector.Outcome{Result: connector.Unchanged, ID: rec.ID, Record: &rec}, nil
	}
	form, err := a.setInvoiceStatus(ctx, w, have.InvoiceID, next)
	if err != nil {
		return connector.Outcome{}, err
	}
	return connector.Outcome{Result: connector.Updated, ID: strings.ToLower(form.InvoiceID),
		Effects: []connector.Effect{{What: "invoice", ID: strings.ToLower(form.InvoiceID)}}}, nil
}

// setInvoiceStatus sends no lines: lines that are left out would be deleted.
func (a *api) setInvoiceStatus(ctx context.Context, w connector.Write, id, status string) (invoiceForm, error) {
	return a.writeInvoice(ctx, http.MethodPost, w, status, map[string]string{"InvoiceID": id, "Status": status},
		func(f invoiceForm) bool { return sameID(f.InvoiceID, id) || f.bad() })
}

func (a *api) writeInvoice(ctx context.Context, method string, w connector.Write, step string, body any, agrees func(invoiceForm) bool) (invoiceForm, error) {
	r := request{op: opInvoice, method: method, path: accounting + "/Invoices", step: "invoice " + step,
		query: url.Values{"summarizeErrors": {"false"}, "unitdp": {"4"}}, writes: []connector.Write{w}, body: map[string]any{"Invoices": []any{body}}}
	elements, err := writeElements(ctx, a, r, func(env *envelope) []invoiceForm { return env.Invoices })
	if err != nil {
		return invoiceForm{}, err
	}
	f, ok := pick(elements, 0, 1, agrees)
	switch {
	case !ok:
		return f, unpromised(r, "the answer does not say what became of the invoice")
	case f.bad():
		return f, refusedBecause(opInvoice, append(f.messages(), f.Contact.messages()...))
	case !isID(f.InvoiceID):
		return f, unpromised(r, "the answer names no invoice")
	}
	return f, nil
}

// makeInvoice makes the invoice and compares what Xero made of it.
func (a *api) makeInvoice(ctx context.Context, w connector.Write) (connector.Outcome, error) {
	order, err := newInvoiceOrder(w.Record.Invoice)
	if err != nil {
		return connector.Outcome{}, connector.AsError(err, opInvoice)
	}
	form, err := a.writeInvoice(ctx, http.MethodPut, w, "make", order, func(f invoiceForm) bool {
		return f.bad() || order.InvoiceNumber != "" && f.InvoiceNumber == order.InvoiceNumber || order.InvoiceNumber == "" && f.Reference == order.Reference
	})
	if err != nil {
		return connector.Outcome{}, err
	}
	rec, err := form.record()
	if want := w.Record.Invoice.Total; err == nil && (!want.IsSet() || rec.Invoice.Total == want) {
		return connector.Outcome{Result: connector.Created, ID: rec.ID, Record: &rec, Effects: []connector.Effect{{What: "invoice", ID: rec.ID, Amount: rec.Invoice.Total}}}, nil
	}
	undo := "VOIDED"
	if form.Status == "DRAFT" {
		undo = "DELETED"
	}
	if _, err := a.setInvoiceStatus(ctx, w, form.InvoiceID, undo); err != nil {
		return connector.Outcome{}, err
	}
	return connector.Outcome{}, connector.Errorf(connector.Invalid, opInvoice, "Xero made an invoice over %s instead of %s; it was taken back", string(form.Total), w.Record.Invoice.Total).
		WithRemedy("check the lines and their tax rates")
}

func newInvoiceOrder(want *connector.Invoice) (invoiceOrder, error) {
	o := invoiceOrder{
		Type: "ACCREC", Contact: idForm{"ContactID": want.ContactID}, InvoiceNumber: want.Number, Reference: want.Reference,
		Date: dateForm(want.IssueDate), DueDate: dateForm(want.DueDate), CurrencyCode: string(want.Currency),
	}
	switch want.Status {
	case connector.InvoiceDraft:
		o.Status = "DRAFT"
	case connector.InvoiceOpen:
		o.Status = "AUTHORISED"
	default:
		return o, connector.Errorf(connector.Invalid, opInvoice, "an invoice is made as draft or open, not %q", string(want.Status))
	}
	switch want.TaxMode {
	case connector.TaxInclusive:
		o.LineAmountTypes = "Inclusive"
	case connector.TaxNone:
		o.LineAmountTypes = "NoTax"
	default:
		o.LineAmountTypes = "Exclusive"
	}
	if !isID(want.ContactID) || len(want.Lines) == 0 || !want.Currency.Valid() {
		return o, connector.Errorf(connector.Invalid, opInvoice, "an invoice needs a contact, a currency and lines")
	}
	for i, l := range want.Lines {
		if l.Amount.Currency() != want.Currency {
			return o, connector.Errorf(connector.Invalid, opInvoice, "line %s is in %s, the invoice in %s", strconv.Itoa(i+1), l.Amount, want.Currency)
		}
		amount, err := sum(l.Amount)
		if err != nil {
			return o, connector.Errorf(connector.Invalid, opInvoice, "%w", err)
		}
		line := invoiceLineOrder{Description: l.Description, LineAmount: amount, AccountCode: l.AccountCode, TaxType: l.TaxCode}
		if !l.Quantity.IsZero() {
			line.Quantity, line.UnitAmount = json.Number(l.Quantity.String()), json.Number(l.UnitPrice.String())
		}
		o.LineItems = append(o.LineItems, line)
	}
	return o, nil
}
