package stripe_test

import (
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// A bank debit that began and arrived on earlier days carries those days, and is
// told of now.
func TestLeversDateBack(t *testing.T) {
	b := newBench(t, stripe.Config{})
	in := b.open(b.customer(), 5000, "nzd").ID
	began := time.Date(2025, 1, 30, 9, 0, 0, 0, time.UTC)
	arrived := began.AddDate(0, 0, 4)
	id, err := b.srv.PayAt(began, in, stripe.OutcomeAsync)
	b.must(err)
	_, err = b.srv.SettleAt(arrived, in, stripe.OutcomeSuccess)
	b.must(err)
	params := &stripego.ChargeParams{}
	params.AddExpand("balance_transaction")
	ch, err := b.api.Charges.Get(id, params)
	b.must(err)
	if ch.Created != began.Unix() || ch.BalanceTransaction.Created != arrived.Unix() {
		t.Errorf("charge of %d, balance of %d; want %d and %d", ch.Created, ch.BalanceTransaction.Created, began.Unix(), arrived.Unix())
	}
	events := b.api.Events.List(&stripego.EventListParams{Type: stripego.String("charge.succeeded")})
	if !events.Next() || time.Since(time.Unix(events.Event().Created, 0)) > time.Hour {
		t.Errorf("event of %d is not of now (%v)", events.Event().Created, events.Err())
	}
	if _, err := b.srv.RefundAt(time.Now().Add(time.Hour), id, 0, ""); err == nil {
		t.Error("a refund in the future was taken")
	}
}

// A bank may take a debit back after it succeeded: the charge fails, the balance
// is reversed, and the invoice stays paid.
func TestChargeFailsLate(t *testing.T) {
	b := newBench(t, stripe.Config{})
	in := b.open(b.customer(), 5000, "nzd").ID
	id, err := b.srv.Pay(in, stripe.OutcomeAsync)
	b.must(err)
	if err := b.srv.FailCharge(id); err == nil {
		t.Error("a pending charge failed late")
	}
	_, err = b.srv.Settle(in, stripe.OutcomeSuccess)
	b.must(err)
	b.must(b.srv.FailCharge(id))
	if err := b.srv.FailCharge(id); err == nil {
		t.Error("a charge failed twice")
	}
	params := &stripego.ChargeParams{}
	params.AddExpand("failure_balance_transaction")
	ch, err := b.api.Charges.Get(id, params)
	b.must(err)
	if ch.Status != "failed" || ch.FailureBalanceTransaction == nil || ch.FailureBalanceTransaction.Amount != -5000 {
		t.Errorf("charge after the bank took it back: %s %+v", ch.Status, ch.FailureBalanceTransaction)
	}
	inv, err := b.api.Invoices.Get(in, nil)
	b.must(err)
	if inv.Status != "paid" {
		t.Errorf("the invoice is %s", inv.Status)
	}
	if _, err := b.srv.Refund(id, 0, ""); err == nil {
		t.Error("a failed charge was refunded")
	}
}
