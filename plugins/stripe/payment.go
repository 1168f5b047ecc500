package main

import (
	"context"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// chargeExpansions are what a charge is read with: where its marks may be, its
// refunds and its fee.
var chargeExpansions = []string{"payment_intent", "invoice", "refunds", "balance_transaction"}

func (cn *conn) chargePayment(ctx context.Context, id string) (*connector.Record, error) {
	ch, err := cn.charge(ctx, id)
	if err != nil {
		return nil, err
	}
	return cn.recordOfCharge(ctx, ch)
}

func (cn *conn) charge(ctx context.Context, id string) (*stripe.Charge, error) {
	const op = "stripe: get charge"
	p := &stripe.ChargeParams{}
	for _, field := range chargeExpansions {
		p.AddExpand(field)
	}
	var ch *stripe.Charge
	err := cn.read(ctx, op, &p.Params, func() (err error) {
		ch, err = cn.api.Charges.Get(id, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ch, nil
}

// recordOfCharge turns an expanded charge into a record.
func (cn *conn) recordOfCharge(ctx context.Context, ch *stripe.Charge) (*connector.Record, error) {
	const op = "stripe: read charge"
	if err := cn.sameMode(op, "charge", ch.ID, ch.Livemode); err != nil {
		return nil, err
	}
	inv, err := cn.invoiceOfCharge(ctx, ch)
	if err != nil {
		return nil, err
	}
	units, status := ch.Amount, chargeStatus(ch)
	if ch.Captured {
		units = ch.AmountCaptured
	}
	amount, err := fromUnits(units, ch.Currency)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "charge %s: %w", ch.ID, err)
	}
	pay := connector.Payment{
		Kind: connector.PaymentReceipt, Status: status, Amount: amount, PaidAt: movedAt(ch.BalanceTransaction, ch.Created),
		Settled: settled(ch.BalanceTransaction), Note: ch.FailureMessage, Marks: chargeMarks(ch, inv), Extra: chargeExtra(ch),
	}
	if inv != nil {
		pay.InvoiceID, pay.Label = inv.ID, inv.Number
	}
	if number := numberIn(pay.Marks); number != "" {
		pay.Label = number
	}
	if ch.Customer != nil {
		pay.ContactID = ch.Customer.ID
	}
	if pay.RefundIDs, err = cn.refundIDs(ctx, ch); err != nil {
		return nil, err
	}
	rec := withVersion(connector.Record{Entity: connector.EntityPayment, ID: ch.ID, Payment: &pay})
	return &rec, nil
}

// movedAt is when money reached or left the account's balance. A bank debit gets
// there days after its charge was made; made stands in until Stripe has booked it:
// https://docs.stripe.com/api/balance_transactions/object
func movedAt(bt *stripe.BalanceTransaction, made int64) time.Time {
	if bt != nil && bt.Created > 0 {
		made = bt.Created
	}
	return time.Unix(made, 0).UTC()
}

// settled is what moved the account's balance, before fees, in its own currency;
// unset until Stripe has booked it.
func settled(bt *stripe.BalanceTransaction) money.Amount {
	if bt == nil || bt.Currency == "" {
		return money.Amount{}
	}
	units := bt.Amount
	if units < 0 { // it left
		units = -units
	}
	a, err := fromUnits(units, bt.Currency)
	if err != nil {
		return money.Amount{}
	}
	return a
}

// invoiceOfCharge returns the invoice that a charge pays, or nil. The payment
// intent knows it too, should the charge not say.
func (cn *conn) invoiceOfCharge(ctx context.Context, ch *stripe.Charge) (*stripe.Invoice, error) {
	inv := ch.Invoice
	if inv == nil && ch.PaymentIntent != nil {
		inv = ch.PaymentIntent.Invoice
	}
	if inv == nil || inv.Object != "" { // none, or already expanded
		return inv, nil
	}
	got, err := cn.invoice(ctx, inv.ID)
	if err != nil && connector.KindOf(err) == connector.NotFound {
		return inv, nil
	}
	return got, err
}

// chargeMarks merges metadata: the charge's own is a snapshot of its payment
// intent's, which has none of the invoice's.
// https://docs.stripe.com/api/metadata
func chargeMarks(ch *stripe.Charge, inv *stripe.Invoice) map[string]string {
	all := []map[string]string{ch.Metadata}
	if ch.PaymentIntent != nil {
		all = append(all, ch.PaymentIntent.Metadata)
	}
	if inv != nil {
		all = append(all, inv.Metadata)
	}
	return merged(all...)
}

// chargeStatus translates a status. An authorisation alone has moved no money, nor
// has a charge that Stripe books a little later: charge.updated tells of that.
// https://docs.stripe.com/payments/payment-intents/asynchronous-capture
func chargeStatus(ch *stripe.Charge) connector.PaymentStatus {
	switch {
	case ch.Status == stripe.ChargeStatusFailed:
		return connector.PaymentFailed
	case ch.Status == stripe.ChargeStatusSucceeded && ch.Captured && ch.BalanceTransaction != nil:
		return connector.PaymentSucceeded
	}
	return connector.PaymentPending
}

// chargeExtra holds what only Stripe knows of a charge. The fee is in the
// settlement currency and unset until Stripe has booked it.
func chargeExtra(ch *stripe.Charge) map[string]connector.Value {
	disputed := ch.Disputed
	out := map[string]connector.Value{"disputed": {Flag: &disputed}}
	if ch.PaymentIntent != nil {
		out["payment_intent"] = connector.Value{Text: ch.PaymentIntent.ID}
	}
	if bt := ch.BalanceTransaction; bt != nil && bt.Currency != "" {
		for name, units := range map[string]int64{"fee": bt.Fee, "net": bt.Net} {
			if a, err := fromUnits(units, bt.Currency); err == nil {
				out[name] = connector.Value{Money: a}
			}
		}
	}
	return out
}

// refundIDs returns all refunds of a charge, also those that failed. The
// expanded list holds the ten newest.
func (cn *conn) refundIDs(ctx context.Context, ch *stripe.Charge) ([]string, error) {
	rows, complete := []*stripe.Refund(nil), false
	if ch.Refunds != nil {
		rows, complete = ch.Refunds.Data, !ch.Refunds.HasMore
	}
	if !complete {
		var err error
		if rows, err = cn.refundsOf(ctx, ch.ID); err != nil {
			return nil, err
		}
	}
	var ids []string
	for i := len(rows) - 1; i >= 0; i-- { // oldest first
		ids = append(ids, rows[i].ID)
	}
	return ids, nil
}

// refundsOf lists the refunds of a charge, newest first.
func (cn *conn) refundsOf(ctx context.Context, charge string) ([]*stripe.Refund, error) {
	const (
		op       = "stripe: list refunds"
		pagesMax = 10 // 1,000 refunds of one charge
	)
	p := &stripe.RefundListParams{Charge: stripe.String(charge)}
	var out []*stripe.Refund
	for range pagesMax {
		rows, more, _, err := list[*stripe.Refund](ctx, op, &p.ListParams, func() *stripe.Iter {
			return cn.api.Refunds.List(p).Iter
		})
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
		if !more || len(rows) == 0 {
			return out, nil
		}
		p.StartingAfter = stripe.String(rows[len(rows)-1].ID)
	}
	return nil, connector.Errorf(connector.Invalid, op, "charge %s has more than %d refunds", charge, pagesMax*pageSizeMax)
}
