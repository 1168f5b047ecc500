package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// The credit note of a refund is over exactly the refunded sum, tax included,
// spread over the invoice's lines, so that the tax is given back in proportion.
// Its lines contain their tax: then its total is their plain sum, and the service
// only works the tax out.

type noteOrder struct {
	Type            string
	Status          string
	Contact         idForm
	Date            string
	CurrencyCode    string
	Reference       string // the bare mark: an exact filter finds it again
	LineAmountTypes string
	LineItems       []noteLine
}

type noteLine struct {
	Description string
	Quantity    json.Number
	UnitAmount  json.Number
	AccountCode string         `json:",omitempty"`
	AccountID   string         `json:",omitempty"`
	TaxType     string         `json:",omitempty"`
	TaxAmount   json.Number    `json:",omitempty"` // empty: the service works it out
	Tracking    []trackingForm `json:",omitempty"`
}

// makeNotes makes the credit notes that are planned and not there yet, all in
// one request.
func (b *batch) makeNotes(ctx context.Context, list []*refund) {
	var orders []noteOrder
	var waiting []*refund
	for _, r := range list {
		if r.settled() || r.note != nil || r.credit.IsZero() || !r.chooseDay(b.org.lockDate()) {
			continue
		}
		o, err := r.noteOrder()
		if err != nil {
			r.fail(err)
			continue
		}
		orders, waiting = append(orders, o), append(waiting, r)
	}
	if len(orders) == 0 {
		return
	}
	req := request{op: "xero: make credit note", method: http.MethodPut, path: accounting + "/CreditNotes",
		query: url.Values{"summarizeErrors": {"false"}, "unitdp": {"4"}}, step: "credit note", body: map[string]any{"CreditNotes": orders}}
	for _, r := range waiting {
		req.writes = append(req.writes, r.write)
	}
	elements, err := writeElements(ctx, b.api, req, func(env *envelope) []creditNoteForm { return env.CreditNotes })
	for i, r := range waiting {
		if err != nil {
			r.fail(err)
			continue
		}
		el, ok := pick(elements, i, len(orders), func(el creditNoteForm) bool { return markOf(el.Reference) == r.mark })
		b.judgeNote(ctx, r, req, el, ok)
	}
}

func (b *batch) judgeNote(ctx context.Context, r *refund, req request, el creditNoteForm, found bool) {
	switch {
	case !found:
		r.fail(unpromised(req, "the answer does not say what became of the credit note "+r.mark))
		return
	case el.bad():
		b.failRefund(ctx, r.posting, made{err: refusedBecause(req.op, el.messages()), refusal: el.messages()})
		return
	case !isID(el.CreditNoteID) || el.Status != "AUTHORISED":
		r.fail(unpromised(req, "the answer names no authorised credit note for "+r.mark))
		return
	}
	total, err := r.book.amount(el.Total)
	if err == nil && total == r.credit {
		r.note = &el
		r.effect("credit note", el.CreditNoteID, total)
		return
	}
	if err := b.voidNote(ctx, r.posting, el.CreditNoteID); err != nil {
		r.fail(err)
		return
	}
	r.fail(connector.Errorf(connector.Invalid, req.op, "Xero made a credit note over %s instead of %s; it was voided", total, r.credit).
		WithRemedy("enter the refund %s in Xero by hand", r.mark))
}

func (r *refund) noteOrder() (noteOrder, error) {
	list, err := shares(r.book.inv, r.credit, r.earlier)
	if err != nil {
		return noteOrder{}, connector.Errorf(connector.Invalid, opPost, "spread the refund over the lines of %s: %w", r.book.inv.InvoiceNumber, err).
			WithRemedy("enter the refund %s in Xero by hand", r.mark)
	}
	o := noteOrder{
		Type: "ACCRECCREDIT", Status: "AUTHORISED", Contact: idForm{"ContactID": r.book.inv.Contact.ContactID},
		Date: dateForm(r.day), CurrencyCode: string(r.credit.Currency()), Reference: r.mark, LineAmountTypes: "Inclusive",
	}
	if r.book.inv.taxMode() == connector.TaxNone {
		o.LineAmountTypes = "NoTax"
	}
	for _, s := range list {
		n, err := sum(s.amount)
		if err != nil {
			return noteOrder{}, connector.Errorf(connector.Invalid, opPost, "%w", err)
		}
		line := noteLine{
			Description: refundText(r.book.inv.InvoiceNumber, s.line),
			Quantity:    "1", UnitAmount: n, AccountCode: s.line.AccountCode, TaxType: s.line.TaxType,
		}
		if line.AccountCode == "" {
			line.AccountID = s.line.AccountID
		}
		if s.tax.IsSet() {
			if line.TaxAmount, err = sum(s.tax); err != nil {
				return noteOrder{}, connector.Errorf(connector.Invalid, opPost, "%w", err)
			}
		}
		for _, t := range s.line.Tracking {
			line.Tracking = append(line.Tracking, trackingForm{Name: t.Name, Option: t.Option})
		}
		o.LineItems = append(o.LineItems, line)
	}
	return o, nil
}

// refundText is what a line of the credit note says.
func refundText(number string, l lineForm) string {
	return cutRunes(strings.TrimSuffix("Refund of "+number+": "+l.Description, ": "), 4000)
}

// voidNote voids a credit note that nothing is paid from.
func (b *batch) voidNote(ctx context.Context, p *posting, id string) error {
	req := request{op: "xero: void credit note", method: http.MethodPost, path: accounting + "/CreditNotes",
		query: url.Values{"summarizeErrors": {"false"}}, step: "void " + id, writes: []connector.Write{p.write},
		body: map[string]any{"CreditNotes": []map[string]string{{"CreditNoteID": id, "Status": "VOIDED"}}}}
	elements, err := writeElements(ctx, b.api, req, func(env *envelope) []creditNoteForm { return env.CreditNotes })
	if err != nil {
		return err
	}
	el, ok := pick(elements, 0, 1, func(el creditNoteForm) bool { return sameID(el.CreditNoteID, id) || el.bad() })
	switch {
	case !ok:
		return unpromised(req, "the answer does not say what became of the credit note")
	case el.bad():
		return refusedBecause(req.op, el.messages())
	case !el.gone():
		return unpromised(req, "the answer does not call the credit note voided")
	}
	return nil
}
