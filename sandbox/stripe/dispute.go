package stripe

import (
	"fmt"
)

const disputeFee = 2500 // in the settlement currency's minor unit; fixed, made up

// dispute is a customer's bank taking a charge back. An inquiry moves no money.
type dispute struct {
	id        string
	created   int64
	charge    string
	intent    string
	amount    int64
	currency  string
	status    string // needs_response, won, lost, warning_needs_response, warning_closed
	reason    string
	movements []string
}

// Dispute opens a dispute over amount of a charge; 0 is all of it. An inquiry
// takes no money yet.
func (s *Server) Dispute(chargeID string, amount int64, inquiry bool) (disputeID string, err error) {
	err = s.lever(func() error {
		ch, ok := s.charges.get(chargeID)
		if !ok || ch.status != chargeSucceeded {
			return fmt.Errorf("no succeeded charge %q", chargeID)
		}
		if amount == 0 {
			amount = ch.amount
		}
		if ch.disputed || amount < 0 || amount > ch.amount {
			return fmt.Errorf("charge %s cannot be disputed over %d", ch.id, amount)
		}
		d := &dispute{id: newID("dp"), created: s.now.Unix(), charge: ch.id, intent: ch.intent, amount: amount, currency: ch.currency,
			status: "needs_response", reason: "fraudulent"}
		if inquiry {
			d.status = "warning_needs_response"
		}
		disputeID = d.id
		s.disputes.add(d.id, d)
		before := s.renderCharge(ch)
		ch.disputed = true
		if !inquiry {
			s.moveDispute(d, -amount, "dispute", disputeFee)
		}
		s.emit("charge.dispute.created", s.renderDispute(d), nil)
		s.emitChange("charge.updated", before, s.renderCharge(ch))
		if !inquiry {
			s.emit("charge.dispute.funds_withdrawn", s.renderDispute(d), nil)
		}
		return nil
	})
	return disputeID, err
}

func (s *Server) moveDispute(d *dispute, amount int64, category string, fee int64) {
	m := s.move(balanceTransaction{kind: "adjustment", category: category, description: "Chargeback of " + d.charge, source: d.id,
		fee: fee, feeKind: "Dispute fee"}, amount, d.currency)
	d.movements = append(d.movements, m.id)
}

// CloseDispute ends a dispute: "won" brings the money back without the fee,
// "lost" does not. An inquiry just ends.
func (s *Server) CloseDispute(id, outcome string) error {
	return s.lever(func() error {
		d, ok := s.disputes.get(id)
		if !ok {
			return fmt.Errorf("no dispute %q", id)
		}
		inquiry := d.status == "warning_needs_response"
		if d.status != "needs_response" && !inquiry {
			return fmt.Errorf("dispute %s is %s already", id, d.status)
		}
		switch {
		case outcome != "won" && outcome != "lost":
			return fmt.Errorf("unknown outcome %q: won or lost", outcome)
		case inquiry:
			d.status = "warning_closed"
		default:
			d.status = outcome
		}
		if d.status == "won" {
			fee := int64(0)
			if s.returnFees {
				fee = -disputeFee
			}
			s.moveDispute(d, d.amount, "dispute_reversal", fee)
		}
		s.emit("charge.dispute.closed", s.renderDispute(d), nil)
		if d.status == "won" {
			s.emit("charge.dispute.funds_reinstated", s.renderDispute(d), nil)
		}
		return nil
	})
}

// openDispute reports whether a dispute keeps the charge from being refunded.
func (s *Server) openDispute(ch *charge) bool {
	for _, d := range s.disputes.all {
		if d.charge == ch.id && (d.status == "needs_response" || d.status == "lost") {
			return true
		}
	}
	return false
}

func (s *Server) getDispute(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	d, err := found(c, &s.disputes, "dispute")
	if err != nil {
		return nil, err
	}
	return s.renderDispute(d), nil
}

func (s *Server) listDisputes(c *call) (obj, error) {
	created, chargeID, intent := c.p.span("created"), c.p.filter("charge"), c.p.filter("payment_intent")
	return page(c, listing[*dispute]{noun: "dispute", all: s.disputes.all,
		id: func(d *dispute) string { return d.id },
		keep: func(d *dispute) bool {
			return created.has(d.created) && matches(chargeID, d.charge) && matches(intent, d.intent)
		},
		render: s.renderDispute})
}

func (s *Server) renderDispute(d *dispute) obj {
	movements := []any{} // always whole objects
	for _, id := range d.movements {
		m, _ := s.movements.get(id)
		movements = append(movements, s.renderMovement(m))
	}
	return obj{
		"id": d.id, "object": "dispute", "amount": d.amount, "balance_transactions": movements, "charge": s.chargeRef(d.charge),
		"created": d.created, "currency": d.currency, "evidence": obj{},
		"evidence_details":     obj{"due_by": d.created + 7*24*3600, "has_evidence": false, "past_due": false, "submission_count": int64(0)},
		"is_charge_refundable": d.status == "warning_needs_response", "livemode": s.live, "metadata": obj{},
		"payment_intent": s.intentRef(d.intent), "payment_method_details": obj{"type": "card", "card": obj{"brand": "visa", "network_reason_code": "10.4"}}, "reason": d.reason, "status": d.status,
	}
}
