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
	end, err := b.alone(ctx, list)
	if err != nil {
		failAll(list, err)
		return
	}
	defer end()
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
	if r.receiptMark == "" {
		return nil // a person entered it: it is never replaced
	}
	row := r.lastOf()
	if row != nil && !takesOff(row.Reference, r.mark) {
		return nil // it is whole
	}
	notes, err := b.replacements(ctx, r.book.inv.InvoiceID)
	if err != nil {
		return err
	}
	if row == nil {
		return b.bringBack(ctx, r, notes)
	}
	off, known, err := r.takenOff(notes)
	if err != nil {
		return err
	}
	amount, err := r.book.amount(row.Amount)
	if err != nil {
		return unreadable(opPost, "payment "+row.Reference, row.PaymentID, err)
	}
	if !known {
		r.conflict("raise the payment in Xero by what the refund took off: delete it and enter it again with the reference "+moreRefund(row.Reference, r.mark),
			"what the failed refund %s took off the receipt on invoice %s cannot be told", r.mark, r.label())
		return nil
	}
	if amount, err = amount.Add(off); err != nil {
		return err
	}
	return b.exchange(ctx, r, row, amount, moreRefund(row.Reference, r.mark))
}

// bringBack undoes a reopening when no payment stands for the receipt.
func (b *batch) bringBack(ctx context.Context, r *refund, notes map[string]replacement) error {
	row := r.lastDeleted()
	if row == nil {
		return nil
	}
	why, noted := notes[strings.ToLower(row.PaymentID)]
	mine := takesOff(row.Reference, r.mark)
	switch {
	case !noted && mine:
		r.conflict("enter the payment again in Xero", "the receipt of the failed refund %s is no longer on invoice %s", r.mark, r.label())
		return nil
	case !noted || why.mark != r.mark && !mine:
		return nil // nothing of it is in the books
	case why.mark == r.mark && why.undone: // cut off as it was made whole
		return b.exchange(ctx, r, row, why.left, moreRefund(row.Reference, r.mark))
	case why.mark == r.mark: // it took off all that was left, or was cut off
		amount, err := r.book.amount(row.Amount)
		if err != nil {
			return unreadable(opPost, "payment "+row.Reference, row.PaymentID, err)
		}
		return b.exchange(ctx, r, row, amount, row.Reference)
	case !why.left.IsZero():
		return underWay(r.posting, why)
	}
	// Another refund took all that this one had left.
	off, known, err := r.takenOff(notes)
	if err != nil || !known {
		return err
	}
	return b.exchange(ctx, r, row, off, lessRefund(moreRefund(row.Reference, r.mark), why.mark))
}

// takenOff is what the refund took off the receipt's payment.
func (r *refund) takenOff(notes map[string]replacement) (money.Amount, bool, error) {
	for _, row := range r.book.rows {
		why, noted := notes[strings.ToLower(row.PaymentID)]
		if row.live() || !noted || why.mark != r.mark || why.undone {
			continue
		}
		amount, err := r.book.amount(row.Amount)
		if err == nil {
			amount, err = amount.Sub(why.left)
		}
		if err != nil {
			return amount, false, unreadable(opPost, "payment "+row.Reference, row.PaymentID, err)
		}
		return amount, true, nil
	}
	return money.Zero(r.book.currency), false, nil
}
