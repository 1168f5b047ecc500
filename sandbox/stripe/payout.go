package stripe

import (
	"fmt"
	"time"
)

const payoutTakes = 24 * time.Hour // until a payout arrives

// payout sends the available balance to the bank. An automatic one can be
// itemised: its movements carry its id.
type payout struct {
	id        string
	created   int64
	arrival   int64
	amount    int64
	currency  string
	status    string // in_transit, paid, failed
	automatic bool
	movement  string
	failure   string // balance transaction of the failure
}

// MakePayout makes an automatic payout of what is available; it is in transit
// until PayPayout.
func (s *Server) MakePayout() (payoutID string, err error) {
	err = s.lever(func() error {
		var amount int64
		var parts []*balanceTransaction
		for _, m := range s.movements.all {
			if m.payout == "" && m.available <= s.now.Unix() {
				amount += m.amount - m.fee
				parts = append(parts, m)
			}
		}
		if amount <= 0 {
			return fmt.Errorf("nothing to pay out: the available balance is %d", amount)
		}
		p := &payout{id: newID("po"), created: s.now.Unix(), arrival: s.now.Add(payoutTakes).Unix(), amount: amount,
			currency: s.cfg.DefaultCurrency, status: "in_transit", automatic: true}
		s.payouts.add(p.id, p)
		for _, m := range parts {
			m.payout = p.id
		}
		m := s.move(balanceTransaction{kind: "payout", category: "payout", description: "STRIPE PAYOUT", source: p.id, payout: p.id},
			-amount, p.currency)
		p.movement = m.id
		payoutID = p.id
		s.emit("payout.created", s.renderPayout(p), nil)
		return nil
	})
	return payoutID, err
}

// PayPayout lets a payout arrive.
func (s *Server) PayPayout(id string) error {
	return s.endPayout(id, "paid", func(p *payout) bool { return p.status == "in_transit" })
}

// FailPayout fails a payout, even one that was paid: the money comes back.
func (s *Server) FailPayout(id string) error {
	return s.endPayout(id, "failed", func(p *payout) bool { return p.status != "failed" })
}

func (s *Server) endPayout(id, status string, may func(*payout) bool) error {
	return s.lever(func() error {
		p, ok := s.payouts.get(id)
		if !ok {
			return fmt.Errorf("no payout %q", id)
		}
		if !may(p) {
			return fmt.Errorf("payout %s is %s already", id, p.status)
		}
		p.status = status
		if status == "failed" {
			p.failure = s.move(balanceTransaction{kind: "payout_failure", category: "payout_reversal", description: "STRIPE PAYOUT FAILURE",
				source: p.id}, p.amount, p.currency).id
		}
		s.emit("payout."+status, s.renderPayout(p), nil)
		if status == "paid" {
			s.emit("payout.reconciliation_completed", s.renderPayout(p), nil)
		}
		return nil
	})
}

// reconciled reports whether the payout's movements can be listed.
func (p *payout) reconciled() bool { return p.automatic && p.status != "in_transit" }

func (s *Server) getPayout(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	p, err := found(c, &s.payouts, "payout")
	if err != nil {
		return nil, err
	}
	return s.renderPayout(p), nil
}

func (s *Server) listPayouts(c *call) (obj, error) {
	created, arrival := c.p.span("created"), c.p.span("arrival_date")
	var status string
	c.p.enum("status", &status, "pending", "in_transit", "paid", "failed", "canceled")
	c.p.refuseUnmodelled("destination")
	return page(c, listing[*payout]{noun: "payout", all: s.payouts.all,
		id: func(p *payout) string { return p.id },
		keep: func(p *payout) bool {
			return created.has(p.created) && arrival.has(p.arrival) && matches(status, p.status)
		},
		render: s.renderPayout})
}

func (s *Server) renderPayout(p *payout) obj {
	var code, message any
	if p.status == "failed" {
		code, message = "account_closed", "The bank account has been closed."
	}
	reconciliation := "in_progress"
	if p.reconciled() {
		reconciliation = "completed"
	}
	return obj{
		"id": p.id, "object": "payout", "amount": p.amount,
		"arrival_date": p.arrival, "automatic": p.automatic, "balance_transaction": s.movementRef(p.movement), "created": p.created,
		"currency": p.currency, "description": "STRIPE PAYOUT", "destination": ref{id: "ba_1Sandbox"},
		"failure_balance_transaction": s.movementRef(p.failure), "failure_code": code, "failure_message": message, "livemode": s.live,
		"metadata": obj{}, "method": "standard", "original_payout": nil, "reconciliation_status": reconciliation, "reversed_by": nil,
		"source_type": "card", "statement_descriptor": nil, "status": p.status, "type": "bank_account",
	}
}
