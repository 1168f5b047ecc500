package main

import (
	"context"
	"strings"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// remainderPrefix goes before a balance transaction's id to name what is left of
// a payment that came back: the id alone may be that of its fee.
const remainderPrefix = "fx_"

// recordOfAdjustment is a balance transaction that belongs to nothing else.
func recordOfAdjustment(bt *stripe.BalanceTransaction) (*connector.Record, error) {
	var details []string
	if bt.Description != "" {
		details = append(details, bt.Description)
	}
	if bt.Fee != 0 {
		if fee, err := fromUnits(bt.Fee, bt.Currency); err == nil {
			details = append(details, "with a fee of "+fee.String())
		}
	}
	return adjustment(bt, bt.ID, bt.Net, details)
}

// adjustment is a movement of units, positive when money came in.
func adjustment(bt *stripe.BalanceTransaction, id string, units int64, details []string) (*connector.Record, error) {
	amount, err := fromUnits(signum(units)*units, bt.Currency)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "stripe: read adjustment", "balance transaction %s: %w", bt.ID, err)
	}
	pay := connector.Payment{
		Kind: connector.PaymentAdjustment, Status: connector.PaymentSucceeded, Amount: amount, Settled: amount,
		PaidAt: eventTime(bt.Created), Note: directed(string(bt.Type), units, details...),
		Extra: map[string]connector.Value{"type": {Text: string(bt.Type)}, "direction": {Text: direction(units)}},
	}
	if source := sourceID(bt); source != "" {
		pay.Extra["source"] = connector.Value{Text: source}
	}
	rec := withVersion(connector.Record{Entity: connector.EntityPayment, ID: id, Payment: &pay})
	return &rec, nil
}

// directed is an adjustment's note: "topup: in, Top-up from the bank".
func directed(what string, units int64, details ...string) string {
	parts := append([]string{what + ": " + direction(units)}, details...)
	return cut(scrub(strings.Join(parts, ", ")), noteMax)
}

func direction(units int64) string {
	if units < 0 {
		return "out"
	}
	return "in"
}

// remainder is what is left of a charge, refund or dispute after the balance
// transaction that takes it back: the rate of exchange may have moved meanwhile.
// The record of the thing itself counts nothing once it failed.
func (cn *conn) remainder(ctx context.Context, bt *stripe.BalanceTransaction) (int64, error) {
	if placeOf(bt) == inDisputes {
		return cn.disputeRemainder(ctx, bt)
	}
	id := sourceID(bt)
	if id == "" {
		return bt.Amount, nil
	}
	var first *stripe.BalanceTransaction
	ch, err := cn.charge(ctx, id)
	if err == nil {
		first = ch.BalanceTransaction
	}
	if isMissing(err) {
		var re *stripe.Refund
		if re, err = cn.refund(ctx, id); err == nil {
			first = re.BalanceTransaction
		}
	}
	if err != nil && !isMissing(err) {
		return 0, err
	}
	if first == nil {
		return bt.Amount, nil
	}
	if first.Currency != bt.Currency {
		return 0, connector.Errorf(connector.Invalid, "stripe: read adjustment", "%s was settled in %s and taken back in %s", id, first.Currency, bt.Currency)
	}
	return first.Amount + bt.Amount, nil
}

// disputeRemainder is what a dispute that came back left on the balance, told with
// the last of its movements.
func (cn *conn) disputeRemainder(ctx context.Context, bt *stripe.BalanceTransaction) (int64, error) {
	if bt.Amount <= 0 { // it withdraws: the dispute's own record counts it
		return 0, nil
	}
	d, err := cn.dispute(ctx, sourceID(bt))
	if err != nil {
		return 0, err
	}
	out, back, last := withdrawn(d)
	if !returned(d) || last.ID != bt.ID {
		return 0, nil
	}
	return back - out, nil
}

// remainderPayment reads what is left of a payment that came back.
func (cn *conn) remainderPayment(ctx context.Context, id string) (*connector.Record, error) {
	bt, err := cn.movement(ctx, strings.TrimPrefix(id, remainderPrefix))
	if err != nil {
		return nil, err
	}
	var rest int64
	if p := placeOf(bt); p == inFailures || p == inDisputes {
		if rest, err = cn.remainder(ctx, bt); err != nil {
			return nil, err
		}
	}
	if rest == 0 {
		return nil, connector.Errorf(connector.NotFound, "stripe: get payment", "balance transaction %s leaves nothing", bt.ID)
	}
	return adjustment(bt, id, rest, []string{"left when " + sourceID(bt) + " came back"})
}
