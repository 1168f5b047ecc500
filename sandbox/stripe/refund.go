package stripe

import (
	"fmt"
	"time"
)

// The states of a refund that are modelled.
const (
	refundPending   = "pending"
	refundSucceeded = "succeeded"
	refundFailed    = "failed"
)

// refund gives money of a charge back. It inherits no metadata.
type refund struct {
	id         string
	created    int64
	charge     string
	intent     string
	amount     int64
	currency   string
	status     string
	reason     string
	metadata   map[string]string
	movement   string
	failure    string // balance transaction of the failure
	failReason string
}

// newRefund gives back amount of a charge; 0 means all that is left. A pending
// refund counts as refunded already.
func (s *Server) newRefund(ch *charge, amount int64, status, reason string, metadata map[string]string) (*refund, error) {
	left := ch.amount - ch.refunded
	switch {
	case ch.status != chargeSucceeded:
		return nil, refuse("", "charge", "Charge %s has not succeeded: it cannot be refunded.", ch.id)
	case ch.disputed && s.openDispute(ch):
		return nil, refuse("charge_disputed", "charge", "Charge %s has been charged back; cannot issue a refund.", ch.id)
	case left == 0:
		return nil, refuse("charge_already_refunded", "charge", "Charge %s has already been refunded.", ch.id)
	case amount > left:
		return nil, refuse("amount_too_large", "amount", "Refund amount (%d) is greater than unrefunded amount on charge (%d).", amount, left)
	case amount < 0:
		return nil, refuse("parameter_invalid_integer", "amount", "Invalid positive integer: %d", amount)
	case amount == 0:
		amount = left
	}
	if step := rates[ch.currency].step; amount%step != 0 {
		return nil, refuse("invalid_charge_amount_no_decimal_compatible", "amount", "Amounts in %s must be a multiple of %d.", ch.currency, step)
	}
	prefix, kind := "re", "refund"
	if ch.async {
		prefix, kind = "pyr", "payment_refund"
	}
	r := &refund{id: newID(prefix), created: s.now.Unix(), charge: ch.id, intent: ch.intent, amount: amount, currency: ch.currency,
		status: status, reason: reason, metadata: metadata}
	s.refunds.add(r.id, r)
	r.movement = s.move(balanceTransaction{kind: kind, category: "refund", description: "REFUND FOR CHARGE", source: r.id,
		fee: -s.feeShare(ch, amount), feeKind: "Stripe processing fee refund"}, -amount, ch.currency).id
	before := s.renderCharge(ch)
	ch.refunded += amount
	s.emitNewer("refund.created", s.renderRefund(r))
	after := plainObj(s.renderCharge(ch))
	s.emit("charge.refunded", after, previous(plainObj(before), after))
	return r, nil
}

// emitNewer emits an event that cards have since 2024-10-28.acacia only:
// https://docs.stripe.com/changelog/acacia
func (s *Server) emitNewer(kind string, object obj) {
	if s.cfg.AccountVersion != Version {
		s.emit(kind, object, nil)
	}
}

// settleRefund ends a refund, or fails one that seemed to have succeeded: then
// the money is back on the balance.
func (s *Server) settleRefund(r *refund, status string) error {
	if r.status == refundFailed || (r.status == refundSucceeded && status == refundSucceeded) {
		return fmt.Errorf("refund %s is %s already", r.id, r.status)
	}
	ch, _ := s.charges.get(r.charge)
	before, chargeBefore := s.renderRefund(r), s.renderCharge(ch)
	r.status = status
	if status == refundFailed {
		r.failReason = "expired_or_canceled_card"
		m, _ := s.movements.get(r.movement)
		r.failure = s.move(balanceTransaction{kind: "refund_failure", category: "refund_failure", description: "REFUND FAILURE",
			source: r.id, fee: -m.fee, feeKind: "Stripe processing fees"}, r.amount, r.currency).id
		ch.refunded -= r.amount
	}
	prev := previous(plainObj(before), plainObj(s.renderRefund(r)))
	s.emit("charge.refund.updated", s.renderRefund(r), prev)
	if s.cfg.AccountVersion != Version {
		s.emit("refund.updated", s.renderRefund(r), prev)
	}
	if status == refundFailed {
		s.emitNewer("refund.failed", s.renderRefund(r))
		s.emitChange("charge.updated", chargeBefore, s.renderCharge(ch))
	}
	return nil
}

// Refund plays the owner who refunds a charge in the dashboard. amount 0 is all
// that is left; status is "succeeded" (also when empty), "pending", or
// "failed_later": succeeded now, until FailRefund.
func (s *Server) Refund(chargeID string, amount int64, status string) (refundID string, err error) {
	return s.RefundAt(time.Time{}, chargeID, amount, status)
}

// RefundAt is Refund at an earlier moment, of which Stripe tells only now; the
// zero moment is now.
func (s *Server) RefundAt(at time.Time, chargeID string, amount int64, status string) (refundID string, err error) {
	err = s.leverAt(at, func() error {
		ch, ok := s.charges.get(chargeID)
		if !ok {
			return fmt.Errorf("no charge %q", chargeID)
		}
		switch status {
		case "", "failed_later", "failed-later":
			status = refundSucceeded
		case refundSucceeded, refundPending:
		default:
			return fmt.Errorf("unknown status %q: succeeded, pending or failed_later", status)
		}
		r, err := s.newRefund(ch, amount, status, "", map[string]string{})
		if err != nil {
			return err
		}
		refundID = r.id
		return nil
	})
	return refundID, err
}

// FailRefund fails a pending or a succeeded refund.
func (s *Server) FailRefund(id string) error { return s.endRefund(id, refundFailed) }

// SucceedRefund ends a pending refund well.
func (s *Server) SucceedRefund(id string) error { return s.endRefund(id, refundSucceeded) }

func (s *Server) endRefund(id, status string) error {
	return s.lever(func() error {
		r, ok := s.refunds.get(id)
		if !ok {
			return fmt.Errorf("no refund %q", id)
		}
		return s.settleRefund(r, status)
	})
}

func (s *Server) createRefund(c *call) (obj, error) {
	chargeID, intentID := c.p.filter("charge"), c.p.filter("payment_intent")
	ch := named(c.p, &s.charges, "charge", "charge", chargeID)
	if chargeID == "" {
		pi := named(c.p, &s.intents, "payment_intent", "payment_intent", intentID)
		switch {
		case intentID == "":
			c.p.fail(missingParam("charge"))
		case pi != nil && pi.charge == "":
			c.p.fail(refuse("", "payment_intent", "This PaymentIntent does not have a successful charge to refund."))
		case pi != nil:
			ch, _ = s.charges.get(pi.charge)
		}
	} else if intentID != "" && ch != nil && ch.intent != intentID {
		c.p.fail(refuse("", "payment_intent", "The charge does not belong to the PaymentIntent."))
	}
	var amount int64
	if n, ok := c.p.integer("amount"); ok {
		if n < 1 {
			c.p.fail(refuse("parameter_invalid_integer", "amount", "Invalid positive integer: %d", n))
		}
		amount = n
	}
	var reason string
	c.p.enum("reason", &reason, "duplicate", "fraudulent", "requested_by_customer")
	metadata := map[string]string{}
	c.p.metadata(&metadata)
	c.p.refuseUnmodelled("currency", "customer", "instructions_email", "origin", "refund_application_fee", "reverse_transfer")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	r, err := s.newRefund(ch, amount, refundSucceeded, reason, metadata)
	if err != nil {
		return nil, err
	}
	return s.renderRefund(r), nil
}

func (s *Server) getRefund(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	r, err := found(c, &s.refunds, "refund")
	if err != nil {
		return nil, err
	}
	return s.renderRefund(r), nil
}

func (s *Server) updateRefund(c *call) (obj, error) {
	r, err := found(c, &s.refunds, "refund")
	if err != nil {
		return nil, err
	}
	next := *r
	c.p.metadata(&next.metadata)
	if err := c.p.done(); err != nil {
		return nil, err
	}
	before := s.renderRefund(r)
	*r = next
	s.emitChange("charge.refund.updated", before, s.renderRefund(r))
	return s.renderRefund(r), nil
}

func (s *Server) listRefunds(c *call) (obj, error) {
	created, chargeID, intent := c.p.span("created"), c.p.filter("charge"), c.p.filter("payment_intent")
	return page(c, listing[*refund]{noun: "refund", all: s.refunds.all,
		id: func(r *refund) string { return r.id },
		keep: func(r *refund) bool {
			return created.has(r.created) && matches(chargeID, r.charge) && matches(intent, r.intent)
		},
		render: s.renderRefund})
}

// embeddedRefunds are the ten newest refunds of a charge, for expand.
func (s *Server) embeddedRefunds(ch *charge) obj {
	data, more := []any{}, false
	for i := len(s.refunds.all) - 1; i >= 0; i-- {
		if r := s.refunds.all[i]; r.charge == ch.id {
			if more = len(data) == limitDefault; more {
				break
			}
			data = append(data, s.renderRefund(r))
		}
	}
	return embedded("/v1/charges/"+ch.id+"/refunds", data, more)
}

func (s *Server) refundRef(id string) ref {
	return ref{id: id, load: func() obj {
		r, _ := s.refunds.get(id)
		return s.renderRefund(r)
	}}
}

func (s *Server) renderRefund(r *refund) obj {
	out := obj{
		"id": r.id, "object": "refund", "amount": r.amount, "balance_transaction": s.movementRef(r.movement), "charge": s.chargeRef(r.charge),
		"created": r.created, "currency": r.currency, "destination_details": obj{"type": "card", "card": obj{"type": "refund"}},
		"metadata": metadataObj(r.metadata), "payment_intent": s.intentRef(r.intent), "reason": orNull(r.reason), "receipt_number": nil,
		"source_transfer_reversal": nil, "status": r.status, "transfer_reversal": nil,
	}
	if r.status == refundFailed {
		out["failure_reason"] = r.failReason
		out["failure_balance_transaction"] = s.movementRef(r.failure)
	}
	return out
}
