package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// A person may have entered the payment before us. When the invoice has too
// little due for the receipt, a payment of the same amount in the clearing
// account that bears no mark and whose date is near is taken to be it. One in
// another account is other money: the customer paid twice, and what is left over
// becomes an overpayment. Payments cannot be changed, so a
// note in the invoice's history says which receipt it serves: without it a
// second payment by the customer would be taken for the same one.

const (
	adoptDays     = 5 // a person enters a card payment within a few days
	claimPrefix   = "ml-connector: payment "
	claimMiddle   = " was recognised as "
	claimSentence = claimPrefix + "%s" + claimMiddle + "%s; nothing was posted"
)

// adopt settles the posting when a person's payment serves, or when a person
// has to choose. Otherwise the posting stays open.
func (b *batch) adopt(ctx context.Context, p *posting, bk *book) error {
	candidates := bk.candidates(p)
	if len(candidates) == 0 {
		return nil
	}
	if bk.claims == nil {
		claims, err := b.readClaims(ctx, invoiceHistory(bk.inv.InvoiceID))
		if err != nil {
			return err
		}
		bk.claims = claims
	}
	var free []paymentForm
	for _, c := range candidates {
		id := strings.ToLower(c.PaymentID)
		switch bk.claims[id] {
		case p.mark:
			b.settleAdopted(p, bk, c)
			return nil
		case "":
			free = append(free, c)
		}
	}
	switch len(free) {
	case 0:
		return nil
	case 1:
		if err := b.claim(ctx, p, invoiceHistory(bk.inv.InvoiceID), free[0].PaymentID); err != nil {
			return err
		}
		bk.claims[strings.ToLower(free[0].PaymentID)] = p.mark
		b.settleAdopted(p, bk, free[0])
		return nil
	}
	e := connector.Errorf(connector.Conflict, opPost, "%d payments of %s on invoice %s may be the receipt %s", len(free), p.pay.Amount, bk.inv.InvoiceNumber, p.mark)
	for _, c := range free {
		e.Candidates = append(e.Candidates, strings.ToLower(c.PaymentID))
	}
	return e.WithRemedy("write %s at the beginning of the right payment's reference: delete it in Xero and enter it again", p.mark)
}

func (b *batch) settleAdopted(p *posting, bk *book, row paymentForm) {
	bk.taken[strings.ToLower(row.PaymentID)] = true
	p.effect("payment", row.PaymentID, p.pay.Amount)
	p.settle(connector.Adopted, row.PaymentID, "a payment that a person entered serves")
}

// candidates are the payments that a person may have entered for the receipt.
func (bk *book) candidates(p *posting) []paymentForm {
	var out []paymentForm
	for _, r := range bk.rows {
		if !r.live() || marked(r.Reference) || bk.taken[strings.ToLower(r.PaymentID)] {
			continue
		}
		amount, err := bk.amount(r.Amount)
		if err != nil || amount != p.pay.Amount || !p.account.holds(r) {
			continue
		}
		if day := r.Date.date(); day.Before(p.trueDay.AddDays(-adoptDays)) || p.trueDay.AddDays(adoptDays).Before(day) {
			continue
		}
		out = append(out, r)
	}
	return out
}

// holds reports whether a payment stands in the account.
func (a account) holds(r paymentForm) bool {
	return sameID(r.Account.AccountID, a.AccountID) || a.Code != "" && r.Account.Code == a.Code
}

// paidElsewhere reports whether a person entered a payment of the receipt's
// amount in another account.
func (bk *book) paidElsewhere(p *posting) bool {
	return slices.ContainsFunc(bk.rows, func(r paymentForm) bool {
		amount, err := bk.amount(r.Amount)
		return r.live() && !marked(r.Reference) && err == nil && amount == p.pay.Amount && !p.account.holds(r)
	})
}

func invoiceHistory(invoiceID string) string {
	return accounting + "/Invoices/" + strings.ToLower(invoiceID) + "/History"
}

// history reads the notes of a document.
func (a *api) history(ctx context.Context, path string) ([]historyForm, error) {
	r := request{op: "xero: read history", method: http.MethodGet, path: path}
	var env envelope
	if _, err := a.call(ctx, r, &env); err != nil {
		return nil, err
	}
	if env.HistoryRecords == nil {
		return nil, unpromised(r, "the answer holds no history")
	}
	return env.HistoryRecords, nil
}

// addNote adds a note to the history of a document.
func (b *batch) addNote(ctx context.Context, w connector.Write, path, step, text string) error {
	r := request{op: "xero: note in history", method: http.MethodPut, path: path, step: step,
		writes: []connector.Write{w}, body: map[string]any{"HistoryRecords": []map[string]string{{"Details": text}}}}
	elements, err := writeElements(ctx, b.api, r, func(env *envelope) []historyForm { return env.HistoryRecords })
	if err != nil {
		return err
	}
	for _, el := range elements {
		if el.bad() {
			return refusedBecause(r.op, el.messages())
		}
	}
	return nil
}

// readClaims reads which payments were recognised for which mark, in the history
// of their document.
func (a *api) readClaims(ctx context.Context, path string) (map[string]string, error) {
	notes, err := a.history(ctx, path)
	if err != nil {
		return nil, err
	}
	claims := map[string]string{}
	for _, h := range notes {
		rest, ok := strings.CutPrefix(h.Details, claimPrefix)
		if !ok {
			continue
		}
		id, rest, ok := strings.Cut(rest, claimMiddle)
		if mark, _, _ := strings.Cut(rest, ";"); ok && isGUID(id) {
			claims[strings.ToLower(id)] = mark
		}
	}
	return claims, nil
}

// claim notes in the document's history what a payment of a person serves.
func (b *batch) claim(ctx context.Context, p *posting, path, paymentID string) error {
	return b.addNote(ctx, p.write, path, "claim", fmt.Sprintf(claimSentence, strings.ToLower(paymentID), p.mark))
}
