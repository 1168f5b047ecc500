package main

import (
	"context"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

func (cn *conn) payoutPayment(ctx context.Context, id string) (*connector.Record, error) {
	const op = "stripe: get payout"
	p := &stripe.PayoutParams{}
	p.AddExpand("balance_transaction")
	p.AddExpand("failure_balance_transaction")
	var po *stripe.Payout
	err := cn.read(ctx, op, &p.Params, func() (err error) {
		po, err = cn.api.Payouts.Get(id, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return cn.recordOfPayout(po)
}

// recordOfPayout turns an expanded payout into a record. Its money leaves the
// balance when it is made, whenever it arrives; one that fails or is canceled comes
// back: https://docs.stripe.com/api/payouts/object
func (cn *conn) recordOfPayout(po *stripe.Payout) (*connector.Record, error) {
	const op = "stripe: read payout"
	if err := cn.sameMode(op, "payout", po.ID, po.Livemode); err != nil {
		return nil, err
	}
	amount, err := fromUnits(signum(po.Amount)*po.Amount, po.Currency)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "payout %s: %w", po.ID, err)
	}
	arrives := connector.DateOf(eventTime(po.ArrivalDate)).String()
	pay := connector.Payment{
		Kind: connector.PaymentPayout, Status: connector.PaymentSucceeded, Amount: amount, Settled: amount,
		PaidAt: movedAt(po.BalanceTransaction, po.Created), Note: "arrives " + arrives,
		Extra: map[string]connector.Value{
			"arrival": {Text: arrives}, "state": {Text: string(po.Status)}, "method": {Text: string(po.Method)}, "automatic": {Flag: &po.Automatic},
		},
	}
	if po.Amount < 0 { // Stripe takes what the balance lacks from the bank account
		pay.Kind, pay.Note = connector.PaymentAdjustment, directed("payout", -po.Amount, "taken from the bank account on "+arrives)
		pay.Extra["direction"] = connector.Value{Text: direction(-po.Amount)}
	}
	if po.Status == stripe.PayoutStatusFailed || po.Status == stripe.PayoutStatusCanceled {
		pay.Status, pay.Note = connector.PaymentFailed, string(po.Status)
		if po.FailureMessage != "" {
			pay.Note = cut(scrub(po.FailureMessage), noteMax)
		}
		if back := po.FailureBalanceTransaction; back != nil {
			pay.PaidAt = movedAt(back, po.Created)
		}
	}
	rec := withVersion(connector.Record{Entity: connector.EntityPayment, ID: po.ID, Payment: &pay})
	return &rec, nil
}

func listPayouts(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error) {
	p := &stripe.PayoutListParams{ListParams: listParams(after, limit), CreatedRange: span(from, to)}
	rows, more, _, err := list[*stripe.Payout](ctx, "stripe: list payouts", &p.ListParams, func() *stripe.Iter {
		return cn.api.Payouts.List(p).Iter
	})
	var out []object
	for _, po := range rows {
		out = append(out, object{id: po.ID, created: po.Created})
	}
	return out, more, err
}
