package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// An overpayment is made as a bank transaction: the service has no other way,
// and none to pay more than is due on an invoice.

type bankOrder struct {
	Type            string
	Contact         idForm
	BankAccount     idForm
	Date            string
	Reference       string // the bare mark: an exact filter finds it again
	LineAmountTypes string
	CurrencyCode    string
	LineItems       []bankLine
}

type bankLine struct {
	Description string
	LineAmount  json.Number
}

// bankSurplus posts what was left over of receipts whose part on the invoice
// is in the books, all in one request.
func (b *batch) bankSurplus(ctx context.Context, list []*posting, plans map[*posting]parts, books map[string]*book, again []*posting, round int) {
	var orders []bankOrder
	var waiting []*posting
	for _, p := range list {
		plan, ok := plans[p]
		if !ok || plan.surplus.IsZero() || p.settled() || slices.Contains(again, p) {
			continue
		}
		o, err := p.surplusOrder(plan, books[strings.ToLower(p.pay.InvoiceID)])
		if err != nil {
			p.fail(err)
			continue
		}
		orders, waiting = append(orders, o), append(waiting, p)
	}
	if len(orders) == 0 {
		return
	}
	r := request{op: "xero: post overpayment", method: http.MethodPut, path: accounting + "/BankTransactions",
		query: url.Values{"summarizeErrors": {"false"}}, step: stepName("surplus", round), writes: writesOf(waiting),
		body: map[string]any{"BankTransactions": orders}}
	elements, err := writeElements(ctx, b.api, r, func(env *envelope) []bankForm { return env.BankTransactions })
	if err != nil {
		failAll(waiting, err)
		return
	}
	for i, p := range waiting {
		el, ok := pick(elements, i, len(orders), func(el bankForm) bool { return el.Reference == p.mark })
		if !ok && len(elements) == len(orders) && elements[i].Reference == "" && !elements[i].bad() {
			// Some answers leave the reference of an overpayment out.
			total, err := elements[i].Total.amount(p.pay.Amount.Currency())
			el, ok = elements[i], err == nil && total == plans[p].surplus
		}
		b.judgeSurplus(p, plans[p], books[strings.ToLower(p.pay.InvoiceID)], r, el, ok)
	}
}

func (b *batch) judgeSurplus(p *posting, plan parts, bk *book, r request, el bankForm, found bool) {
	switch {
	case !found:
		p.fail(unpromised(r, "the answer does not say what became of the overpayment "+p.mark))
	case el.bad():
		p.fail(refusedBecause(r.op, el.messages()))
	case !isID(el.OverpaymentID):
		p.fail(unpromised(r, "the answer names no overpayment for "+p.mark))
	default:
		p.effect("overpayment", el.OverpaymentID, plan.surplus)
		id := p.out.ID
		if id == "" {
			id = el.OverpaymentID
		}
		reason := plan.surplus.String() + " more than was due became an overpayment"
		if bk = bk.in(p.pay.Amount.Currency()); !bk.payable() {
			reason = plan.surplus.String() + " became an overpayment, to be paid back: " + bk.whyUnpayable()
		}
		if bk.paidElsewhere(p) {
			reason += "; a person entered a payment of " + p.pay.Amount.String() + " in another account: delete that one if it is the same money"
		}
		if moved := b.movedReason(p); moved != "" {
			reason += "; " + moved
		}
		p.settle(connector.Created, id, reason)
	}
}

func (p *posting) surplusOrder(plan parts, bk *book) (bankOrder, error) {
	n, err := sum(plan.surplus)
	if err != nil {
		return bankOrder{}, connector.Errorf(connector.Invalid, opPost, "%w", err)
	}
	text := "Paid more than was due on " + bk.inv.InvoiceNumber
	if p.day != p.trueDay {
		text += " (paid " + p.trueDay.String() + ")"
	}
	return bankOrder{
		Type: "RECEIVE-OVERPAYMENT", Contact: idForm{"ContactID": bk.inv.Contact.ContactID},
		BankAccount: idForm{"AccountID": p.account.AccountID}, Date: dateForm(p.day), Reference: p.mark,
		LineAmountTypes: "NoTax", CurrencyCode: string(plan.surplus.Currency()),
		LineItems: []bankLine{{Description: text, LineAmount: n}},
	}, nil
}
