package main

import (
	"context"
	"slices"
	"strings"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

func (cn *conn) disputePayment(ctx context.Context, id string) (*connector.Record, error) {
	d, err := cn.dispute(ctx, id)
	if err != nil {
		return nil, err
	}
	return cn.recordOfDispute(ctx, d)
}

// dispute reads a dispute with its charge; its movements of the balance are always
// in it.
func (cn *conn) dispute(ctx context.Context, id string) (*stripe.Dispute, error) {
	const op = "stripe: get dispute"
	p := &stripe.DisputeParams{}
	for _, field := range []string{"charge", "charge.payment_intent", "charge.invoice"} {
		p.AddExpand(field)
	}
	var d *stripe.Dispute
	err := cn.read(ctx, op, &p.Params, func() (err error) {
		d, err = cn.api.Disputes.Get(id, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// recordOfDispute turns a dispute into a record. Money counts when it moves, not
// when the bank decides: https://docs.stripe.com/disputes/how-disputes-work
func (cn *conn) recordOfDispute(ctx context.Context, d *stripe.Dispute) (*connector.Record, error) {
	const op = "stripe: read dispute"
	if err := cn.sameMode(op, "dispute", d.ID, d.Livemode); err != nil {
		return nil, err
	}
	pay := connector.Payment{
		Kind: connector.PaymentDispute, Status: disputeStatus(d), PaidAt: eventTime(d.Created), Note: disputeNote(d),
		Marks: merged(d.Metadata), Extra: disputeExtra(d),
	}
	var err error
	if pay.Amount, err = fromUnits(d.Amount, d.Currency); err != nil {
		return nil, connector.Errorf(connector.Invalid, op, "dispute %s: %w", d.ID, err)
	}
	if out, back, last := withdrawn(d); last != nil {
		if !returned(d) {
			out -= back
		}
		if pay.Settled, err = fromUnits(out, last.Currency); err != nil {
			return nil, connector.Errorf(connector.Invalid, op, "dispute %s: %w", d.ID, err)
		}
		if last.Currency == d.Currency {
			pay.Amount = pay.Settled
		}
		pay.PaidAt = movedAt(last, d.Created)
	}
	if d.Charge != nil {
		if err := cn.concern(ctx, &pay, d.Charge); err != nil {
			return nil, err
		}
	}
	rec := withVersion(connector.Record{Entity: connector.EntityPayment, ID: d.ID, Payment: &pay})
	return &rec, nil
}

// withdrawn adds up what left the balance and what came back, in the balance's
// currency; last is the newest movement, nil when there is none.
func withdrawn(d *stripe.Dispute) (out, back int64, last *stripe.BalanceTransaction) {
	for _, bt := range d.BalanceTransactions {
		if bt.Amount < 0 {
			out -= bt.Amount
		} else {
			back += bt.Amount
		}
		if last == nil || bt.Created >= last.Created {
			last = bt
		}
	}
	return out, back, last
}

// returned reports whether the money came back. After an exchange it need not be
// the same sum; without one, less than all leaves the dispute standing.
func returned(d *stripe.Dispute) bool {
	out, back, last := withdrawn(d)
	return back > 0 && (back >= out || last.Currency != d.Currency && last.Amount > 0)
}

// disputeStatus goes by the money. Where none moved, an end means that none will.
func disputeStatus(d *stripe.Dispute) connector.PaymentStatus {
	out, _, _ := withdrawn(d)
	ended := []stripe.DisputeStatus{stripe.DisputeStatusWon, stripe.DisputeStatusLost, stripe.DisputeStatusWarningClosed, disputePrevented}
	switch {
	case returned(d), out == 0 && slices.Contains(ended, d.Status):
		return connector.PaymentFailed
	case out == 0:
		return connector.PaymentPending
	}
	return connector.PaymentSucceeded
}

// disputePrevented is a status of newer versions of the API.
const disputePrevented stripe.DisputeStatus = "prevented"

// disputeNote tells people why and how it stands: "fraudulent, needs response
// until 2026-11-29".
func disputeNote(d *stripe.Dispute) string {
	state := string(d.Status)
	inquiry := strings.HasPrefix(state, "warning_")
	state = strings.ReplaceAll(strings.TrimPrefix(state, "warning_"), "_", " ")
	if due := dueBy(d); due != "" && strings.HasSuffix(state, "needs response") {
		state += " until " + due
	}
	if d.Status == stripe.DisputeStatusWon && disputeStatus(d) == connector.PaymentSucceeded {
		state += ", the money is not back yet"
	}
	parts := []string{strings.ReplaceAll(string(d.Reason), "_", " "), state}
	if inquiry {
		parts = slices.Insert(parts, 1, "inquiry")
	}
	return strings.Join(parts, ", ")
}

func disputeExtra(d *stripe.Dispute) map[string]connector.Value {
	out := map[string]connector.Value{"outcome": {Text: string(d.Status)}, "reason": {Text: string(d.Reason)}}
	if due := dueBy(d); due != "" {
		out["due_by"] = connector.Value{Text: due}
	}
	return out
}

// dueBy is the day until which an answer counts; empty when there is none.
func dueBy(d *stripe.Dispute) string {
	if d.EvidenceDetails == nil || d.EvidenceDetails.DueBy == 0 {
		return ""
	}
	return connector.DateOf(eventTime(d.EvidenceDetails.DueBy)).String()
}

func listDisputes(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error) {
	p := &stripe.DisputeListParams{ListParams: listParams(after, limit), CreatedRange: span(from, to)}
	rows, more, _, err := list[*stripe.Dispute](ctx, "stripe: list disputes", &p.ListParams, func() *stripe.Iter {
		return cn.api.Disputes.List(p).Iter
	})
	var out []object
	for _, d := range rows {
		out = append(out, object{id: d.ID, created: d.Created})
	}
	return out, more, err
}
