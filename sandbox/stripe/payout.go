package stripe

import (
	"fmt"
	"slices"
	"time"
)

const (
	payoutTakes    = 24 * time.Hour // until a payout arrives
	payoutReversal = "payout_reversal"
)

// payout sends the available balance to the bank. An automatic one can be
// itemised: its movements carry its id.
type payout struct {
	id        string
	created   int64
	arrival   int64
	amount    int64
	currency  string
	status    string // pending, in_transit, paid, failed, canceled
	automatic bool
	movement  string
	failure   string // balance transaction of the failure
}

// MakePayout makes an automatic payout of what is available; it is in transit
// until PayPayout.
func (s *Server) MakePayout() (payoutID string, err error) { return s.PayOut(PayoutOrder{}) }

// PayoutOrder says what to pay out. Its zero value is everything that is available
// in the default currency, automatically.
type PayoutOrder struct {
	Currency string    `json:"currency"` // default: the account's
	Amount   int64     `json:"amount"`   // minor units; 0: all, as the service itself does. Another makes it manual
	Pending  bool      `json:"pending"`  // not on its way yet: it can be canceled
	Debit    bool      `json:"debit"`    // take what the balance lacks from the bank account
	At       time.Time `json:"at"`       // default now
}

// PayOut makes a payout.
func (s *Server) PayOut(in PayoutOrder) (payoutID string, err error) {
	err = s.leverAt(in.At, func() error {
		orDefault(&in.Currency, s.cfg.DefaultCurrency)
		var ready int64
		var parts []*balanceTransaction
		for _, m := range s.movements.all {
			if m.currency == in.Currency && m.payout == "" && m.available <= s.now.Unix() {
				ready += m.amount - m.fee
				parts = append(parts, m)
			}
		}
		p := &payout{id: newID("po"), created: s.now.Unix(), arrival: s.now.Add(payoutTakes).Unix(), amount: ready,
			currency: in.Currency, status: "in_transit", automatic: in.Amount == 0}
		if !p.automatic {
			p.amount, parts = in.Amount, nil
		}
		switch {
		case in.Debit && (ready >= 0 || !p.automatic):
			return fmt.Errorf("nothing is lacking: the available balance is %d", ready)
		case !in.Debit && (p.amount <= 0 || p.amount > ready):
			return fmt.Errorf("nothing to pay out: the available balance is %d", ready)
		}
		if in.Pending {
			p.status = "pending"
		}
		s.payouts.add(p.id, p)
		for _, m := range parts {
			m.payout = p.id
		}
		m := balanceTransaction{kind: "payout", category: "payout", description: "STRIPE PAYOUT", source: p.id}
		if p.automatic {
			m.payout = p.id
		}
		p.movement = s.move(m, -p.amount, p.currency).id
		payoutID = p.id
		s.emit("payout.created", s.renderPayout(p), nil)
		return nil
	})
	return payoutID, err
}

// PayPayout lets a payout arrive.
func (s *Server) PayPayout(id string) error {
	return s.endPayout(id, "paid", "pending", "in_transit")
}

// FailPayout fails a payout, even one that was paid: the money comes back.
func (s *Server) FailPayout(id string) error {
	return s.endPayout(id, "failed", "pending", "in_transit", "paid")
}

// CancelPayout takes a payout back that is not on its way yet.
func (s *Server) CancelPayout(id string) error { return s.endPayout(id, "canceled", "pending") }

func (s *Server) endPayout(id, status string, from ...string) error {
	return s.lever(func() error {
		p, ok := s.payouts.get(id)
		if !ok {
			return fmt.Errorf("no payout %q", id)
		}
		if !slices.Contains(from, p.status) {
			return fmt.Errorf("payout %s is %s already", id, p.status)
		}
		p.status = status
		back := balanceTransaction{category: payoutReversal, source: p.id}
		switch status {
		case "failed":
			back.kind, back.description = "payout_failure", "STRIPE PAYOUT FAILURE"
		case "canceled":
			back.kind, back.description = "payout_cancel", "STRIPE PAYOUT CANCELED"
		}
		if back.kind != "" {
			p.failure = s.move(back, p.amount, p.currency).id
		}
		s.emit("payout."+status, s.renderPayout(p), nil)
		if status == "paid" && p.automatic {
			s.emit("payout.reconciliation_completed", s.renderPayout(p), nil)
		}
		return nil
	})
}

// reconciled reports whether the payout's movements can be listed.
func (p *payout) reconciled() bool {
	return p.automatic && p.status != "in_transit" && p.status != "pending"
}

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
	switch {
	case !p.automatic:
		reconciliation = "not_applicable"
	case p.reconciled():
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
