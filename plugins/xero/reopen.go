package main

import (
	"context"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// With the policy "reopen" a refund shrinks the receipt: its payment is deleted,
// and what was not refunded is posted again under the receipt's own mark, with
// the refund's mark behind the word "less":
//
//	ch_1abc less re_1def re_2ghi INV-0042
//
// So the references say which refunds are in the books.

const reopenedWord = " less "

// lessRefund is a receipt's reference with one more refund taken off.
func lessRefund(reference, mark string) string {
	receipt := markOf(reference)
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(reference), receipt))
	if before, ok := strings.CutPrefix(" "+rest, reopenedWord); ok {
		return receipt + reopenedWord + mark + " " + before
	}
	return strings.TrimSpace(receipt + reopenedWord + mark + " " + rest)
}

// moreRefund is a receipt's reference with a refund no longer taken off.
func moreRefund(reference, mark string) string {
	words := slices.DeleteFunc(strings.Fields(reference), func(w string) bool { return w == mark })
	if len(words) > 1 && words[1] == strings.TrimSpace(reopenedWord) && (len(words) == 2 || !marked(words[2])) {
		words = slices.Delete(words, 1, 2)
	}
	return strings.Join(words, " ")
}

// takesOffAny reports whether a reference says that some refund was taken off.
func takesOffAny(reference string) bool {
	words := strings.Fields(reference)
	return len(words) > 2 && words[1] == strings.TrimSpace(reopenedWord) && marked(words[2])
}

// takesOff reports whether a reference says that this refund was taken off.
func takesOff(reference, mark string) bool {
	return takesOffAny(reference) && slices.Contains(strings.Fields(reference), mark)
}

// reduced is the payment whose reference says that this refund is in the books.
// A deleted one says so as long as nothing stands for the receipt any more.
func (r *refund) reduced() *paymentForm {
	row := r.lastOf()
	if row == nil {
		row = r.lastDeleted()
	}
	if row == nil || !takesOff(row.Reference, r.mark) {
		return nil
	}
	return row
}

// lastOf is the payment that stands for the receipt now; nil when none does.
func (r *refund) lastOf() *paymentForm {
	for i := range r.book.rows {
		row := &r.book.rows[i]
		if row.live() && (r.receiptMark != "" && markOf(row.Reference) == r.receiptMark || sameID(row.PaymentID, r.pay.PaymentOf)) {
			return row
		}
	}
	return nil
}

// lastDeleted is the payment that stood for the receipt last.
func (r *refund) lastDeleted() *paymentForm {
	var last *paymentForm
	for i := range r.book.rows {
		row := &r.book.rows[i]
		if row.live() || r.receiptMark == "" || markOf(row.Reference) != r.receiptMark {
			continue
		}
		if last == nil || last.UpdatedDateUTC.Before(row.UpdatedDateUTC.Time) {
			last = row
		}
	}
	return last
}

// reopen takes the refund off the receipt. Each step can be cut off and found
// again, so the steps go one by one.
func (b *batch) reopen(ctx context.Context, r *refund, off money.Amount) error {
	row := r.lastOf()
	switch {
	case r.receiptMark == "":
		r.conflict("take the refund "+r.mark+" off the payment in Xero by hand", "a person entered the payment that is refunded")
		return nil
	case row == nil:
		return b.reopenOn(ctx, r)
	}
	amount, err := r.book.amount(row.Amount)
	if err != nil {
		return unreadable(opPost, "payment "+row.Reference, row.PaymentID, err)
	}
	left, err := amount.Sub(off)
	switch {
	case err != nil:
		return err
	case left.Sign() < 0: // until an earlier refund that failed is undone
		return connector.Errorf(connector.Unavailable, opPost, "the refund of %s is more than the receipt of %s", off, amount).
			WithRemedy("look at the refund %s in the payment service", r.mark)
	case !r.chooseDay(b.org.lockDate()):
		return nil
	}
	if err := b.withdraw(ctx, r, row, replacement{left: left, mark: r.mark}, "reopen"); err != nil {
		return err
	}
	r.effect("payment deleted", row.PaymentID, amount)
	r.out.ID = strings.ToLower(row.PaymentID)
	return b.reopened(ctx, r, row, left)
}

// reopenOn goes on when no payment stands for the receipt: with what an earlier
// attempt has begun.
func (b *batch) reopenOn(ctx context.Context, r *refund) error {
	row := r.lastDeleted()
	if row == nil {
		r.conflict("look at the refund "+r.mark+" in the payment service", "the receipt that is refunded is not on invoice %s", r.label())
		return nil
	}
	notes, err := b.replacements(ctx, r.book.inv.InvoiceID)
	if err != nil {
		return err
	}
	why, noted := notes[strings.ToLower(row.PaymentID)]
	switch {
	case !noted:
		r.conflict("enter what was not refunded in Xero with the reference "+lessRefund(row.Reference, r.mark), "the receipt that is refunded was deleted in Xero")
		return nil
	case why.mark != r.mark || why.undone:
		return underWay(r.posting, why)
	case why.left.IsZero():
		r.settle(connector.Unchanged, row.PaymentID, "the receipt was reversed before")
		return nil
	case !r.chooseDay(b.org.lockDate()):
		return nil
	}
	return b.reopened(ctx, r, row, why.left)
}

// reopened posts what is left of a receipt whose payment has been deleted.
func (b *batch) reopened(ctx context.Context, r *refund, row *paymentForm, left money.Amount) error {
	if left.Sign() > 0 {
		if err := b.repost(ctx, r, row, left, lessRefund(row.Reference, r.mark)); err != nil {
			return err
		}
	}
	if !r.settled() {
		r.settle(connector.Updated, r.out.ID, "the invoice is due again")
	}
	return nil
}

// repost posts a payment for the receipt again with another amount, on the day
// of the old one unless that is locked by now.
func (b *batch) repost(ctx context.Context, r *refund, old *paymentForm, amount money.Amount, reference string) error {
	day, trueDay := r.day, r.trueDay
	defer func() { r.day, r.trueDay = day, trueDay }()
	r.trueDay = old.Date.date()
	if !r.chooseDay(b.org.lockDate()) {
		return nil
	}
	account := r.account
	defer func() { r.account = account }()
	if old.Account.AccountID != "" {
		r.account.AccountID = old.Account.AccountID
	}
	bank, err := b.rebooked(r, old, amount)
	if err != nil {
		return err
	}
	o, err := r.orderWith(toInvoice, strings.ToLower(r.book.inv.InvoiceID), amount, bank, cutRunes(reference, referenceRunesMax))
	if err != nil {
		return err
	}
	m := b.placeOrders(ctx, "repost", []order{o})[0]
	if m.err != nil {
		return m.err
	}
	r.effect("payment", m.payment.PaymentID, amount)
	r.out.ID = strings.ToLower(m.payment.PaymentID)
	return nil
}
