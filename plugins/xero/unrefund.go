package main

import (
	"context"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A refund that failed later did not leave us after all: its payments are
// deleted and its credit note voided, or the receipt is made whole again.

func (b *batch) undoRefunds(ctx context.Context, list []*posting) {
	for _, wave := range waves(list) {
		for _, r := range b.lookAtRefunds(ctx, wave) {
			if err := b.undoRefund(ctx, r); err != nil {
				r.fail(err)
			}
			if !r.settled() {
				r.settle(connector.Unchanged, r.write.TargetID, "nothing of it is in the books")
			}
		}
	}
}

func (b *batch) undoRefund(ctx context.Context, r *refund) error {
	ids := r.paidOut()
	if len(ids) > 0 {
		rows, err := b.paymentsByID(ctx, ids)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := b.deletePayment(ctx, r.posting, row, "undo refund"); err != nil {
				return err
			}
			if amount, err := r.book.amount(row.Amount); err == nil {
				r.effect("payment deleted", row.PaymentID, amount)
			}
		}
	}
	if r.note != nil {
		if len(r.note.Allocations) > 0 {
			r.conflict("remove the allocation of the credit note in Xero and run the work again", "credit note %s of the failed refund is in use", r.note.CreditNoteNumber)
			return nil
		}
		if err := b.voidNote(ctx, r.posting, strings.ToLower(r.note.CreditNoteID)); err != nil {
			return err
		}
		total, _ := r.book.amount(r.note.Total) // read when the refund was planned; unset would only be left out
		r.effect("credit note voided", r.note.CreditNoteID, total)
	}
	if r.note == nil {
		if err := b.makeWhole(ctx, r); err != nil || r.settled() {
			return err
		}
	}
	if len(r.out.Effects) > 0 {
		r.settle(connector.Updated, undoneID(r, ids), "taken out of the books")
	}
	return nil
}

func undoneID(r *refund, ids []string) string {
	switch {
	case r.write.TargetID != "":
		return r.write.TargetID
	case len(ids) > 0:
		return ids[len(ids)-1]
	case r.note != nil:
		return r.note.CreditNoteID
	}
	return r.out.ID
}

// paidOut are the payments that were made for the refund.
func (r *refund) paidOut() []string {
	var ids []string
	for _, s := range r.surplus {
		for _, row := range rowsMarked(s.form.Payments, r.mark) {
			ids = append(ids, row.PaymentID)
		}
	}
	if r.note != nil {
		for _, row := range r.note.Payments {
			if row.live() {
				ids = append(ids, row.PaymentID)
			}
		}
	}
	return guids(ids)
}

// makeWhole undoes a reopening: the receipt counts in full again.
func (b *batch) makeWhole(ctx context.Context, r *refund) error {
	row := r.lastOf()
	if row != nil {
		if !takesOff(row.Reference, r.mark) {
			return nil // it is whole
		}
		amount, err := r.whole(row)
		if err != nil {
			return err
		}
		if err := b.deletePayment(ctx, r.posting, *row, "make whole"); err != nil {
			return err
		}
		return b.restore(ctx, r, row, amount)
	}
	row = r.lastDeleted()
	known := r.write.TargetID != "" || r.write.Attempt > 1
	switch {
	case row == nil || !known || len(r.out.Effects) > 0:
		return nil
	case !takesOff(row.Reference, r.mark):
		return b.restore(ctx, r, row, r.pay.Amount) // the refund was over all that was left
	case r.cutOff(row):
		amount, err := r.whole(row)
		if err != nil {
			return err
		}
		return b.restore(ctx, r, row, amount)
	}
	r.conflict("enter the payment again in Xero", "the receipt of the failed refund %s is no longer on invoice %s", r.mark, r.label())
	return nil
}

// whole is what the receipt was over before the refund was taken off.
func (r *refund) whole(row *paymentForm) (money.Amount, error) {
	amount, err := r.book.amount(row.Amount)
	if err == nil {
		amount, err = amount.Add(r.pay.Amount)
	}
	if err != nil {
		return amount, unreadable(opPost, "payment "+row.Reference, row.PaymentID, err)
	}
	return amount, nil
}

// restore posts the receipt again, when so much is due.
func (b *batch) restore(ctx context.Context, r *refund, old *paymentForm, amount money.Amount) error {
	if !r.chooseDay(b.org.lockDate()) {
		return nil
	}
	return b.repost(ctx, r, old, amount, moreRefund(old.Reference, r.mark))
}
