package main

import (
	"context"
	"slices"
	"strings"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

const noteMax = 500 // characters of a note; Stripe's descriptions are a line or two

// feeOf is what Stripe took with a balance transaction, in its currency's units;
// negative when a fee came back, 0 when it has no fee that stands for itself.
func feeOf(bt *stripe.BalanceTransaction) int64 {
	switch placeOf(bt) {
	case inFees:
		return -bt.Net
	case inAdjustments:
		return 0
	}
	return bt.Fee
}

// recordOfFee is the fee of a balance transaction.
func (cn *conn) recordOfFee(ctx context.Context, bt *stripe.BalanceTransaction) (*connector.Record, error) {
	units := feeOf(bt)
	pay, err := paidFee(units, bt.Currency)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "stripe: read fee", "balance transaction %s: %w", bt.ID, err)
	}
	pay.PaidAt, pay.Note = eventTime(bt.Created), feeNote(bt)
	pay.Extra = map[string]connector.Value{"type": {Text: string(bt.Type)}}
	if tax := taxIn(bt); tax != 0 {
		if a, err := fromUnits(signum(units)*tax, bt.Currency); err == nil {
			pay.Extra["tax"] = connector.Value{Money: a}
		}
	}
	ch, err := cn.chargeOf(ctx, bt)
	if err != nil {
		return nil, err
	}
	if ch != nil {
		if err := cn.sameMode("stripe: read fee", "balance transaction", bt.ID, ch.Livemode); err != nil {
			return nil, err
		}
		if err := cn.concern(ctx, &pay, ch); err != nil {
			return nil, err
		}
	}
	rec := withVersion(connector.Record{Entity: connector.EntityPayment, ID: bt.ID, Payment: &pay})
	return &rec, nil
}

// paidFee is a fee over units, positive when money left.
func paidFee(units int64, c stripe.Currency) (connector.Payment, error) {
	pay := connector.Payment{Kind: connector.PaymentFee, Status: connector.PaymentSucceeded}
	if units < 0 {
		pay.Kind = connector.PaymentFeeRefund
	}
	amount, err := fromUnits(signum(units)*units, c)
	pay.Amount, pay.Settled = amount, amount
	return pay, err
}

func signum(n int64) int64 {
	if n < 0 {
		return -1
	}
	return 1
}

// feeNote says what a fee is for.
func feeNote(bt *stripe.BalanceTransaction) string {
	var parts []string
	for _, d := range bt.FeeDetails {
		if text := strings.TrimSpace(d.Description); text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		parts = []string{bt.Description}
	}
	return cut(scrub(strings.Join(parts, ", ")), noteMax)
}

// taxIn is the tax within a fee, in the same units and with its sign.
func taxIn(bt *stripe.BalanceTransaction) int64 {
	var sum int64
	for _, d := range bt.FeeDetails {
		if d.Type == "tax" && d.Currency == bt.Currency {
			sum += d.Amount
		}
	}
	return sum
}

// chargeOf is the charge that a balance transaction concerns; nil when it concerns
// the account, or something that is not there any more.
func (cn *conn) chargeOf(ctx context.Context, bt *stripe.BalanceTransaction) (*stripe.Charge, error) {
	id := sourceID(bt)
	if id == "" {
		return nil, nil
	}
	var ch *stripe.Charge
	var err error
	switch placeOf(bt) {
	case inReceipts:
		ch, err = cn.charge(ctx, id)
	case inRefunds:
		ch, err = cn.chargeOfRefund(ctx, id)
	case inFailures:
		if ch, err = cn.charge(ctx, id); isMissing(err) {
			ch, err = cn.chargeOfRefund(ctx, id)
		}
	case inDisputes:
		var d *stripe.Dispute
		if d, err = cn.dispute(ctx, id); err == nil {
			ch = d.Charge
		}
	}
	if isMissing(err) {
		return nil, nil
	}
	return ch, err
}

func (cn *conn) chargeOfRefund(ctx context.Context, id string) (*stripe.Charge, error) {
	re, err := cn.refund(ctx, id)
	if err != nil {
		return nil, err
	}
	return re.Charge, nil
}

func isMissing(err error) bool { return err != nil && connector.KindOf(err) == connector.NotFound }

// concern tells which charge, and so whose invoice, a payment is about.
func (cn *conn) concern(ctx context.Context, pay *connector.Payment, ch *stripe.Charge) error {
	if ch.Object == "" { // only its id
		got, err := cn.charge(ctx, ch.ID)
		if err != nil {
			return err
		}
		ch = got
	}
	inv, err := cn.invoiceOfCharge(ctx, ch)
	if err != nil {
		return err
	}
	pay.PaymentOf, pay.Marks = ch.ID, merged(pay.Marks, chargeMarks(ch, inv))
	if ch.Customer != nil {
		pay.ContactID = ch.Customer.ID
	}
	if inv != nil {
		pay.InvoiceID, pay.Label = inv.ID, inv.Number
	}
	if number := numberIn(pay.Marks); number != "" {
		pay.Label = number
	}
	return nil
}
