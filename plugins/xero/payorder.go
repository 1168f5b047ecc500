package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// made is what became of one order.
type made struct {
	payment paymentForm
	err     *connector.Error // refused, or unknown
	refusal []string         // the service's own words when it refused

	// wholesale: the request was refused as a whole, perhaps for another order's
	// sake. Whether any of it was done is for the next look to say.
	wholesale bool
}

// placeOrders makes all payments in one request and returns what became of
// each, in order. A payment counts as made only when the answer names it, has
// no error on it, and calls it authorised.
func (b *batch) placeOrders(ctx context.Context, step string, orders []order) []made {
	out := make([]made, len(orders))
	if len(orders) == 0 {
		return out
	}
	r := request{op: opPost, method: http.MethodPut, path: accounting + "/Payments",
		query: url.Values{"summarizeErrors": {"false"}}, step: step}
	forms := make([]paymentOrder, len(orders))
	for i, o := range orders {
		forms[i] = o.form
		r.writes = append(r.writes, o.p.write)
	}
	r.body = map[string]any{"Payments": forms}
	elements, err := writeElements(ctx, b.api, r, func(env *envelope) []paymentForm { return env.Payments })
	for i, o := range orders {
		if err != nil {
			out[i] = refusedAltogether(err, len(orders))
			continue
		}
		el, ok := pick(elements, i, len(orders), o.answers)
		out[i] = o.judge(r, el, ok)
	}
	return out
}

// refusedAltogether is what became of an order whose request failed.
func refusedAltogether(err error, orders int) made {
	e := connector.AsError(err, opPost)
	if orders == 1 || e.Kind != connector.NotFound && e.Kind != connector.Invalid {
		return made{err: e}
	}
	whole := connector.Errorf(connector.UnknownOutcome, opPost, "Xero refused %d payments together: %s", orders, e.Message)
	return made{err: whole, wholesale: true}
}

// answers reports whether an element of the answer is about this order: the
// same document and, as far as it says, the same mark.
func (o order) answers(el paymentForm) bool {
	if id := el.targetID(); id != "" && id != noID && !strings.EqualFold(id, o.targetID) {
		return false
	}
	return markOf(el.Reference) == markOf(o.form.Reference)
}

func (o order) judge(r request, el paymentForm, found bool) made {
	switch {
	case !found:
		return made{err: connector.AsError(unpromised(r, "the answer does not say what became of the payment "+o.form.Reference), opPost)}
	case el.bad() || len(el.messages()) > 0:
		messages := el.messages()
		if len(messages) == 0 {
			messages = []string{"Xero refused the payment without a reason"}
		}
		return made{err: refusedBecause(opPost, messages), refusal: messages}
	case !isID(el.PaymentID) || el.Status != "AUTHORISED":
		return made{err: connector.AsError(unpromised(r, "the answer names no authorised payment for "+o.form.Reference), opPost)}
	}
	return made{payment: el}
}

// deletePayment takes a payment out of the books. Deleting one that is gone
// already is success.
func (b *batch) deletePayment(ctx context.Context, p *posting, row paymentForm, step string) error {
	if !row.live() {
		return nil
	}
	if err := b.deletable(ctx, row); err != nil {
		return err
	}
	r := request{op: "xero: delete payment", method: http.MethodPost, path: accounting + "/Payments/" + strings.ToLower(row.PaymentID),
		body: map[string]string{"Status": "DELETED"}, writes: []connector.Write{p.write}, step: step}
	elements, err := writeElements(ctx, b.api, r, func(env *envelope) []paymentForm { return env.Payments })
	if err != nil && says([]string{err.Error()}, textLockDate) {
		return inLockedPeriod(row, "a later day") // it moved since it was read
	}
	if err != nil {
		return err
	}
	el, ok := pick(elements, 0, 1, func(el paymentForm) bool { return sameID(el.PaymentID, row.PaymentID) || el.bad() })
	switch {
	case !ok:
		return unpromised(r, "the answer does not say what became of the payment")
	case el.bad() && says(el.messages(), textLockDate):
		return inLockedPeriod(row, "a later day")
	case el.bad():
		return refusedBecause(r.op, el.messages())
	case el.Status != "DELETED":
		return unpromised(r, "the answer does not call the payment deleted")
	}
	return nil
}

// deletable says why a payment that stands cannot be deleted.
func (b *batch) deletable(ctx context.Context, row paymentForm) error {
	switch {
	case row.IsReconciled:
		return connector.Errorf(connector.Conflict, opPost, "payment %s is reconciled with a bank statement", markOf(row.Reference)).
			WithRemedy("undo the reconciliation in Xero (Account transactions, Remove & Redo) and run the work again")
	case row.inBatch():
		return connector.Errorf(connector.Conflict, opPost, "payment %s belongs to a batch payment", markOf(row.Reference)).
			WithRemedy("delete the batch payment in Xero")
	}
	locked, err := b.locks(ctx, row.Date.date())
	switch {
	case err != nil:
		return err
	case locked:
		return inLockedPeriod(row, b.org.lockDate().String())
	}
	return nil
}

// inLockedPeriod is why a payment cannot be taken out of the books.
func inLockedPeriod(row paymentForm, lock string) error {
	return connector.Errorf(connector.Conflict, opPost, "payment %s of %s stands in a period that is locked up to %s", markOf(row.Reference), row.Date.date(), lock).
		WithRemedy("unlock the period in Xero, run the work again, and lock it again")
}

// raced reports whether a refusal means that somebody was faster.
func (m made) raced() bool {
	return m.refusal != nil && (says(m.refusal, textExceeds) || says(m.refusal, textNotAuthorised))
}

// locked reports whether a refusal is about a lock date.
func (m made) locked() bool { return m.refusal != nil && says(m.refusal, textLockDate) }

// rowsMarked returns the payments that bear a mark and count.
func rowsMarked(rows []paymentForm, mark string) []paymentForm {
	return slices.DeleteFunc(slices.Clone(rows), func(r paymentForm) bool { return !r.live() || markOf(r.Reference) != mark })
}
