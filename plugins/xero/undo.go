package main

import (
	"context"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A receipt that failed later is taken out of the books: its payment is
// deleted, and an overpayment that it left is paid back out of the same
// account, because the service deletes no overpayment that counts.

func (b *batch) undoReceipts(ctx context.Context, list []*posting) {
	if len(list) == 0 {
		return
	}
	var filters, marks []string
	for _, p := range list {
		filters = append(filters, guidIs("Invoice.InvoiceID", strings.ToLower(p.pay.InvoiceID)))
		if p.write.TargetID != "" {
			filters = append(filters, guidIs("PaymentID", strings.ToLower(p.write.TargetID)))
		}
		marks = append(marks, p.mark)
	}
	rows, err := b.paymentsWhere(ctx, filters)
	var over []overpaymentForm
	if err == nil {
		over, err = b.readOverpayments(ctx, marks)
	}
	if err != nil {
		failAll(list, err)
		return
	}
	for _, p := range list {
		if err := b.undoReceipt(ctx, p, rows, over); err != nil {
			p.fail(err)
		}
	}
}

func (b *batch) undoReceipt(ctx context.Context, p *posting, rows []paymentForm, over []overpaymentForm) error {
	id, changed := p.write.TargetID, false
	for _, r := range rows {
		ours := markOf(r.Reference) == p.mark && (sameID(r.targetID(), p.pay.InvoiceID) || sameID(r.PaymentID, p.write.TargetID))
		switch {
		case !r.live():
		case ours:
			if err := b.deletePayment(ctx, p, r, "undo receipt"); err != nil {
				return err
			}
			id, changed = r.PaymentID, true
			if c, err := currencyOf(r.currency()); err == nil {
				if amount, err := r.Amount.amount(c); err == nil {
					p.effect("payment", r.PaymentID, amount)
				}
			}
		case sameID(r.PaymentID, p.write.TargetID):
			p.conflict("delete the payment in Xero if the money did not arrive", "a person entered the payment that the failed receipt %s was recognised as", p.mark)
			return nil
		}
	}
	for _, o := range over {
		if o.Reference != p.mark {
			continue
		}
		paid, err := b.payBack(ctx, p, o)
		if err != nil || p.settled() {
			return err
		}
		if id == "" {
			id = o.OverpaymentID
		}
		changed = changed || paid
	}
	if !changed {
		p.settle(connector.Unchanged, id, "nothing of it is in the books")
		return nil
	}
	p.settle(connector.Updated, id, "taken out of the books")
	return nil
}

func (p paymentForm) currency() string {
	if p.Invoice == nil {
		return ""
	}
	return p.Invoice.CurrencyCode
}

// payBack pays an overpayment back, all of it that is left. It reports false
// when nothing was left because it has been paid back before.
func (b *batch) payBack(ctx context.Context, p *posting, o overpaymentForm) (bool, error) {
	c, err := currencyOf(o.CurrencyCode)
	if err != nil {
		return false, unreadable(opPost, "overpayment "+p.mark, o.OverpaymentID, err)
	}
	total, err := o.Total.amount(c)
	if err != nil {
		return false, unreadable(opPost, "overpayment "+p.mark, o.OverpaymentID, err)
	}
	left, err := o.RemainingCredit.amount(c)
	if err != nil {
		return false, unreadable(opPost, "overpayment "+p.mark, o.OverpaymentID, err)
	}
	paid, err := paidFrom(o.Payments, p.mark, c)
	if err != nil {
		return false, err
	}
	if used, err := total.Sub(left); err != nil || used != paid {
		p.conflict("remove the allocation of the overpayment in Xero and run the work again", "the overpayment of the failed receipt %s is in use", p.mark)
		return false, err
	}
	if left.IsZero() {
		return false, nil
	}
	if !p.chooseDay(b.org.lockDate()) {
		return false, nil
	}
	ord, err := p.order(toOverpayment, o.OverpaymentID, left, p.bookReference())
	if err != nil {
		return false, err
	}
	m := b.placeOrders(ctx, "undo surplus", []order{ord})[0]
	if m.err != nil {
		return false, m.err
	}
	p.effect("payment", m.payment.PaymentID, left)
	return true, nil
}

// paidFrom sums the payments that bear a mark.
func paidFrom(rows []paymentForm, mark string, c money.Currency) (money.Amount, error) {
	total := money.Zero(c)
	for _, r := range rowsMarked(rows, mark) {
		amount, err := r.Amount.amount(c)
		if err == nil {
			total, err = total.Add(amount)
		}
		if err != nil {
			return total, unreadable(opPost, "payment "+r.Reference, r.PaymentID, err)
		}
	}
	return total, nil
}
