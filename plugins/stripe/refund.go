package main

import (
	"context"
	"errors"
	"slices"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// intentMark is the one mark that is this connector's own: it finds a refund
// again whose creation went unanswered.
const intentMark = "ml_connector_intent"

func (cn *conn) refundPayment(ctx context.Context, id string) (*connector.Record, error) {
	re, err := cn.refund(ctx, id)
	if err != nil {
		return nil, err
	}
	return cn.recordOfRefund(ctx, re)
}

func (cn *conn) refund(ctx context.Context, id string) (*stripe.Refund, error) {
	const op = "stripe: get refund"
	p := &stripe.RefundParams{}
	for _, field := range []string{"charge", "charge.payment_intent", "charge.invoice", "charge.refunds", "balance_transaction"} {
		p.AddExpand(field)
	}
	var re *stripe.Refund
	err := cn.read(ctx, op, &p.Params, func() (err error) {
		re, err = cn.api.Refunds.Get(id, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return re, nil
}

// recordOfRefund turns a refund into a record. Its marks are its charge's, for
// Stripe gives a refund none.
func (cn *conn) recordOfRefund(ctx context.Context, re *stripe.Refund) (*connector.Record, error) {
	const op = "stripe: read refund"
	amount, err := fromUnits(re.Amount, re.Currency)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "refund %s: %w", re.ID, err)
	}
	pay := connector.Payment{
		Kind: connector.PaymentRefund, Status: refundStatus(re.Status), Amount: amount,
		PaidAt: movedAt(re.BalanceTransaction, re.Created), Settled: settled(re.BalanceTransaction), Note: refundNote(re), Marks: merged(re.Metadata),
	}
	ch := re.Charge
	if ch != nil && ch.Object == "" { // only its id
		if ch, err = cn.charge(ctx, ch.ID); err != nil {
			return nil, err
		}
	}
	if ch != nil {
		if err := cn.sameMode(op, "refund", re.ID, ch.Livemode); err != nil {
			return nil, err
		}
		if err := cn.concern(ctx, &pay, ch); err != nil {
			return nil, err
		}
		if pay.RefundIDs, err = cn.refundIDs(ctx, ch); err != nil {
			return nil, err
		}
		if i := slices.Index(pay.RefundIDs, re.ID); i >= 0 { // those that came before it
			pay.RefundIDs = pay.RefundIDs[:i:i]
		}
	}
	rec := withVersion(connector.Record{Entity: connector.EntityPayment, ID: re.ID, Payment: &pay})
	return &rec, nil
}

// refundStatus translates a status. A refund that needs an action of the
// customer has not moved money yet.
func refundStatus(s stripe.RefundStatus) connector.PaymentStatus {
	switch s {
	case stripe.RefundStatusSucceeded:
		return connector.PaymentSucceeded
	case stripe.RefundStatusFailed, stripe.RefundStatusCanceled:
		return connector.PaymentFailed
	}
	return connector.PaymentPending
}

func refundNote(re *stripe.Refund) string {
	if re.FailureReason != "" {
		return string(re.FailureReason)
	}
	return string(re.Reason)
}

// upsertPayment gives money back. It cannot take any: only the customer pays.
func (cn *conn) upsertPayment(ctx context.Context, w connector.Write) (connector.Outcome, error) {
	const op = "stripe: refund"
	pay := w.Record.Payment
	if pay.Kind != connector.PaymentRefund {
		return connector.Outcome{}, connector.Errorf(connector.Invalid, op, "a %s cannot be made in Stripe; only the customer pays there", pay.Kind).
			WithRemedy("Let the customer pay through the invoice's link.")
	}
	if pay.Status == connector.PaymentFailed {
		return connector.Outcome{}, connector.Errorf(connector.Invalid, op, "a refund cannot be taken back")
	}
	units, err := toUnits(pay.Amount)
	if err != nil || units <= 0 {
		return connector.Outcome{}, connector.Errorf(connector.Invalid, op, "cannot refund %s", pay.Amount)
	}
	if err := checkID(pay.PaymentOf); err != nil {
		return connector.Outcome{}, connector.Errorf(connector.Invalid, op, "the refund names no charge")
	}
	marks, err := checkMarks(op, pay.Marks)
	if err != nil {
		return connector.Outcome{}, err
	}
	release, err := cn.locks.acquire(ctx, "charge "+pay.PaymentOf)
	if err != nil {
		return connector.Outcome{}, err
	}
	defer release()
	if w.TargetID != "" {
		re, err := cn.refund(ctx, w.TargetID)
		if err != nil {
			return connector.Outcome{}, err
		}
		return cn.refundThere(ctx, re, pay)
	}
	return cn.createRefund(ctx, w, units, marks)
}

// createRefund looks for the refund of this write, then makes it. A failed
// answer that Stripe only repeats is over: after another look a new key serves.
func (cn *conn) createRefund(ctx context.Context, w connector.Write, units int64, marks map[string]string) (connector.Outcome, error) {
	pay := w.Record.Payment
	marks = merged(marks, map[string]string{intentMark: w.Key})
	for try := 1; ; try++ {
		rows, err := cn.refundsOf(ctx, pay.PaymentOf)
		if err != nil {
			return connector.Outcome{}, err
		}
		for _, re := range rows {
			if re.Metadata[intentMark] == w.Key {
				return cn.refundThere(ctx, re, pay)
			}
		}
		re, err := cn.sendRefund(ctx, w, units, marks, try)
		if errors.Is(err, errReplayed) && try < triesMax {
			continue
		}
		if err != nil {
			return connector.Outcome{}, err
		}
		rec, err := cn.recordOfRefund(ctx, re)
		if err != nil {
			return connector.Outcome{}, err
		}
		return connector.Outcome{
			Result: connector.Created, ID: re.ID, Record: rec,
			Effects: []connector.Effect{{What: "refund", ID: re.ID, Amount: rec.Payment.Amount}},
		}, nil
	}
}

func (cn *conn) sendRefund(ctx context.Context, w connector.Write, units int64, marks map[string]string, try int) (*stripe.Refund, error) {
	p := &stripe.RefundParams{
		Charge: stripe.String(w.Record.Payment.PaymentOf), Amount: stripe.Int64(units), Metadata: marks,
		Reason: stripe.String(string(stripe.RefundReasonRequestedByCustomer)),
	}
	var re *stripe.Refund
	_, err := cn.write(ctx, "stripe: create refund", stepKey(w.Key, "refund", try), &p.Params, func() (err error) {
		re, err = cn.api.Refunds.New(p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return re, nil
}

// refundThere is the outcome of a write whose refund exists.
func (cn *conn) refundThere(ctx context.Context, re *stripe.Refund, pay *connector.Payment) (connector.Outcome, error) {
	rec, err := cn.recordOfRefund(ctx, re)
	if err != nil {
		return connector.Outcome{}, err
	}
	if rec.Payment.Amount != pay.Amount || rec.Payment.PaymentOf != pay.PaymentOf {
		return connector.Outcome{}, connector.Errorf(connector.Conflict, "stripe: refund",
			"refund %s gives back %s of %s, wanted are %s of %s", re.ID, rec.Payment.Amount, rec.Payment.PaymentOf, pay.Amount, pay.PaymentOf).
			WithRemedy("A refund cannot be changed. Correct it in Stripe by hand, then replay.")
	}
	return connector.Outcome{Result: connector.Unchanged, ID: re.ID, Record: rec}, nil
}
