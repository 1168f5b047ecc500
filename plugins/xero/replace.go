package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A receipt that a refund shrinks, or that is made whole again, is replaced: its
// payment is deleted and another one is made. A deleted payment does not say what
// it was deleted for, so a note in the invoice's history says it before:
//
//	ml-connector: payment 5b0f… is replaced by 70.00 NZD for re_1def
//
// By it an attempt that was cut off between the two is told from what another
// refund or a person did, and what a refund took off is known to the cent.

const (
	replacePrefix = "ml-connector: payment "
	replaceMiddle = " is replaced by "
	replaceFor    = " for "
	replaceUndone = " undone" // for a refund that failed after it was booked
)

// replacement says what a payment was deleted for.
type replacement struct {
	left   money.Amount // what is posted instead; zero: nothing
	mark   string       // the refund
	undone bool         // it failed: the receipt is made whole
	at     time.Time
}

func (x replacement) sentence(paymentID string) string {
	text := replacePrefix + strings.ToLower(paymentID) + replaceMiddle + x.left.String() + replaceFor + x.mark
	if x.undone {
		text += replaceUndone
	}
	return text
}

// readReplacement reads a note; false when it is another one.
func readReplacement(h historyForm) (paymentID string, x replacement, ok bool) {
	rest, ok := strings.CutPrefix(h.Details, replacePrefix)
	if !ok {
		return "", x, false
	}
	id, rest, ok := strings.Cut(rest, replaceMiddle)
	text, mark, found := strings.Cut(rest, replaceFor)
	decimal, code, spaced := strings.Cut(text, " ")
	if !ok || !found || !spaced || !isGUID(id) {
		return "", x, false
	}
	x.mark, x.undone = strings.CutSuffix(mark, replaceUndone)
	x.at = h.DateUTC.Time
	c, err := currencyOf(code)
	if err == nil {
		x.left, err = money.Parse(decimal, c)
	}
	return strings.ToLower(id), x, err == nil
}

// replacements reads what payments of the invoice were deleted for; of several
// notes about one payment the last one, which came before the deletion.
func (b *batch) replacements(ctx context.Context, invoiceID string) (map[string]replacement, error) {
	notes, err := b.history(ctx, invoiceHistory(invoiceID))
	if err != nil {
		return nil, err
	}
	out := map[string]replacement{}
	for _, h := range notes {
		if id, x, ok := readReplacement(h); ok && !x.at.Before(out[id].at) {
			out[id] = x
		}
	}
	return out, nil
}

// withdraw deletes a payment of the receipt, after a note that says for what.
func (b *batch) withdraw(ctx context.Context, r *refund, row *paymentForm, x replacement, step string) error {
	if err := b.deletable(ctx, *row); err != nil {
		return err
	}
	if err := b.addNote(ctx, r.write, invoiceHistory(r.book.inv.InvoiceID), step+" note", x.sentence(row.PaymentID)); err != nil {
		return err
	}
	return b.deletePayment(ctx, r.posting, *row, step)
}

// exchange makes the receipt whole: the payment that stands, if one does, gives
// way to one over more. It does nothing when the invoice has not so much due.
func (b *batch) exchange(ctx context.Context, r *refund, row *paymentForm, amount money.Amount, reference string) error {
	free := r.book.due
	if row.live() {
		stands, err := r.book.amount(row.Amount)
		if err == nil {
			free, err = free.Add(stands)
		}
		if err != nil {
			return unreadable(opPost, "payment "+row.Reference, row.PaymentID, err)
		}
	}
	lacks, err := amount.Sub(free)
	switch {
	case err != nil:
		return err
	case lacks.Sign() > 0:
		r.conflict(fmt.Sprintf("take back in Xero what has paid invoice %s meanwhile and run the work again, or enter %s as an overpayment of the contact on the clearing account",
			r.label(), lacks), "the refund %s failed, so that its receipt counts again, but invoice %s has %s too little due for it", r.mark, r.label(), lacks)
		return nil
	case !r.chooseDay(b.org.lockDate()):
		return nil
	}
	if row.live() {
		if err := b.withdraw(ctx, r, row, replacement{left: amount, mark: r.mark, undone: true}, "make whole"); err != nil {
			return err
		}
	}
	return b.repost(ctx, r, row, amount, reference)
}

// underWay says that the receipt is between two payments for another refund's
// sake: soon it is not.
func underWay(p *posting, x replacement) error {
	return connector.Errorf(connector.Unavailable, opPost, "%s waits: the receipt on invoice %s is being replaced for %s", p.mark, p.label(), x.mark)
}

// lastReplacement says what the last payment of a receipt was deleted for, of
// which none stands any more; false when no refund did.
func (b *batch) lastReplacement(ctx context.Context, p *posting) (replacement, bool, error) {
	rows, err := b.paymentsWhere(ctx, []string{guidIs("Invoice.InvoiceID", strings.ToLower(p.pay.InvoiceID))})
	if err != nil {
		return replacement{}, false, err
	}
	r := refund{posting: p, book: &book{rows: rows}, receiptMark: p.mark}
	last := r.lastDeleted()
	if last == nil {
		return replacement{}, false, nil
	}
	notes, err := b.replacements(ctx, p.pay.InvoiceID)
	why, noted := notes[strings.ToLower(last.PaymentID)]
	return why, noted, err
}

// alone lets one call at a time replace receipts of an organisation, and returns
// what ends that: two that read the same payment would each replace it.
func (b *batch) alone(ctx context.Context, list []*posting) (end func(), err error) {
	needed := false
	for _, p := range list {
		needed = needed || p.write.Policy.Refunds == connector.RefundReopen || p.pay.Status == connector.PaymentFailed
	}
	if !needed {
		return func() {}, nil
	}
	turn := b.x.orgs.of(b.cacheKey()).replacing
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, connector.Errorf(connector.Unavailable, opPost, "other refunds are being posted: %w", ctx.Err())
	}
}
