package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// The credit note of a refund is over exactly the refunded sum, tax included,
// spread over the invoice's lines in proportion to what the customer owed for
// each, so that the tax is given back in proportion. Its lines contain their
// tax: then its total is their plain sum, and the service only works the tax out.

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
	Tracking    []trackingForm `json:",omitempty"`
}

// share is one line's part of a refund.
type share struct {
	line   lineForm
	amount money.Amount
}

// shares spreads a refund over an invoice's lines. The shares are above zero and
// sum to the refund exactly. Lines below zero (discounts, deposits) are counted
// against the lines of the same account and tax rate.
func shares(lines []lineForm, mode connector.TaxMode, refund money.Amount) ([]share, error) {
	weights := make([]int64, len(lines))
	negative := false
	for i, l := range lines {
		gross, err := l.gross(mode, refund.Currency())
		if err != nil {
			return nil, err
		}
		weights[i] = gross.Minor()
		negative = negative || weights[i] < 0
	}
	if negative {
		lines, weights = netted(lines, weights)
	}
	amounts, err := allocate(refund, weights)
	if err != nil {
		return nil, err
	}
	var out []share
	for i, a := range amounts {
		if a.Sign() > 0 {
			out = append(out, share{line: lines[i], amount: a})
		}
	}
	return out, nil
}

// allocate spreads an amount by weight in steps that the service can hold.
func allocate(a money.Amount, weights []int64) ([]money.Amount, error) {
	step := stepOf(a.Currency())
	if a.Minor()%step != 0 { // refused, with its reason, when it is written
		step = 1
	}
	steps, err := money.New(a.Minor()/step, a.Currency())
	if err != nil {
		return nil, err
	}
	out, err := steps.Allocate(weights)
	for i := range out {
		if err == nil {
			out[i], err = money.New(out[i].Minor()*step, a.Currency())
		}
	}
	return out, err
}

// gross is what the customer owes for a line, tax included.
func (l lineForm) gross(mode connector.TaxMode, c money.Currency) (money.Amount, error) {
	amount, err := l.LineAmount.amount(c)
	if err != nil || mode != connector.TaxExclusive {
		return amount, err
	}
	tax, err := l.TaxAmount.amount(c)
	if err != nil {
		return amount, err
	}
	return amount.Add(tax)
}

// netted sums the lines of one account and tax rate; what stays below zero
// takes no share.
func netted(lines []lineForm, weights []int64) ([]lineForm, []int64) {
	type group struct{ account, code, tax string }
	at := map[group]int{}
	var outLines []lineForm
	var outWeights []int64
	for i, l := range lines {
		g := group{l.AccountID, l.AccountCode, l.TaxType}
		k, ok := at[g]
		if !ok {
			k = len(outLines)
			at[g] = k
			outLines, outWeights = append(outLines, l), append(outWeights, 0)
		}
		outWeights[k] += weights[i]
	}
	for k := range outWeights {
		outWeights[k] = max(outWeights[k], 0)
	}
	return outLines, outWeights
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
	mode := r.book.inv.taxMode()
	list, err := shares(r.book.inv.LineItems, mode, r.credit)
	if err != nil {
		return noteOrder{}, connector.Errorf(connector.Invalid, opPost, "spread the refund over the lines of %s: %w", r.book.inv.InvoiceNumber, err).
			WithRemedy("enter the refund %s in Xero by hand", r.mark)
	}
	o := noteOrder{
		Type: "ACCRECCREDIT", Status: "AUTHORISED", Contact: idForm{"ContactID": r.book.inv.Contact.ContactID},
		Date: dateForm(r.day), CurrencyCode: string(r.credit.Currency()), Reference: r.mark, LineAmountTypes: "Inclusive",
	}
	if mode == connector.TaxNone {
		o.LineAmountTypes = "NoTax"
	}
	for _, s := range list {
		n, err := sum(s.amount)
		if err != nil {
			return noteOrder{}, connector.Errorf(connector.Invalid, opPost, "%w", err)
		}
		line := noteLine{
			Description: cutRunes(strings.TrimSuffix("Refund of "+r.book.inv.InvoiceNumber+": "+s.line.Description, ": "), 4000),
			Quantity:    "1", UnitAmount: n, AccountCode: s.line.AccountCode, TaxType: s.line.TaxType,
		}
		if line.AccountCode == "" {
			line.AccountID = s.line.AccountID
		}
		for _, t := range s.line.Tracking {
			line.Tracking = append(line.Tracking, trackingForm{Name: t.Name, Option: t.Option})
		}
		o.LineItems = append(o.LineItems, line)
	}
	return o, nil
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
