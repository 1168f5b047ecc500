package stripe

import (
	"fmt"
	"net/http"
	"time"
)

// adjustmentTypes are the balance transactions that Adjust makes, with their
// reporting category: https://docs.stripe.com/reports/reporting-categories
var adjustmentTypes = map[string]string{
	"adjustment":          "other_adjustment",
	"topup":               "topup",
	"topup_reversal":      "topup_reversal",
	"reserve_transaction": "risk_reserved_funds",
	"contribution":        "contribution",
	"application_fee":     "platform_earning",
}

// Movement orders a balance transaction that belongs to no payment.
type Movement struct {
	Amount      int64     `json:"amount"`   // minor units
	Currency    string    `json:"currency"` // default: the account's
	Type        string    `json:"type"`     // of an adjustment, default adjustment
	Description string    `json:"description"`
	At          time.Time `json:"at"` // default now
}

// Fee charges the account itself, such as for a month of invoicing; a negative
// amount gives a fee back.
func (s *Server) Fee(in Movement) (id string, err error) {
	if in.Type != "" {
		return "", fmt.Errorf("a fee has no type")
	}
	orDefault(&in.Description, "Billing - Usage Fee")
	return s.moveAlone(in, balanceTransaction{kind: "stripe_fee", category: "fee"}, -in.Amount)
}

// Adjust moves the balance by amount, for none of the usual reasons.
func (s *Server) Adjust(in Movement) (id string, err error) {
	orDefault(&in.Type, "adjustment")
	category, ok := adjustmentTypes[in.Type]
	if !ok {
		return "", fmt.Errorf("type %q is not modelled", in.Type)
	}
	return s.moveAlone(in, balanceTransaction{kind: in.Type, category: category}, in.Amount)
}

func (s *Server) moveAlone(in Movement, m balanceTransaction, amount int64) (id string, err error) {
	err = s.leverAt(in.At, func() error {
		orDefault(&in.Currency, s.cfg.DefaultCurrency)
		switch {
		case in.Currency != s.settlesIn(in.Currency):
			return fmt.Errorf("there is no balance in %q", in.Currency)
		case amount == 0:
			return fmt.Errorf("an amount of 0 moves nothing")
		}
		m.description = in.Description
		id = s.move(m, amount, in.Currency).id
		return nil
	})
	return id, err
}

// ReturnFees lets a refund give its share of the fee back, and a dispute that is
// won all of its own, as some accounts' contracts have it.
func (s *Server) ReturnFees(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.returnFees = on
}

// feeShare is the part of a charge's fee that goes with a refund, rounded down.
func (s *Server) feeShare(ch *charge, amount int64) int64 {
	m, ok := s.movements.get(ch.movement)
	if !ok || !s.returnFees {
		return 0
	}
	return m.fee * amount / ch.amount
}

// Revalue changes the rate of exchange: from now on a unit of a currency is worth
// num/den of what it was worth at first.
func (s *Server) Revalue(currency string, num, den int64) error {
	return s.lever(func() error {
		if _, ok := rates[currency]; !ok || num <= 0 || den <= 0 {
			return fmt.Errorf("%q cannot be worth %d/%d", currency, num, den)
		}
		s.worth[currency] = [2]int64{num, den}
		return nil
	})
}

// controlBalance has what moves the balance without a customer.
func (s *Server) controlBalance(mux *http.ServeMux) {
	control(mux, "GET /_stripe/balance", func(string, struct{}) (any, error) { return obj{"data": s.Balance()}, nil })
	control(mux, "POST /_stripe/fees", func(_ string, in Movement) (any, error) {
		id, err := s.Fee(in)
		return obj{"balance_transaction": id}, err
	})
	control(mux, "POST /_stripe/adjustments", func(_ string, in Movement) (any, error) {
		id, err := s.Adjust(in)
		return obj{"balance_transaction": id}, err
	})
	control(mux, "POST /_stripe/rates/{id}", func(cur string, in struct {
		Num int64 `json:"num"`
		Den int64 `json:"den"`
	}) (any, error) {
		return obj{"currency": cur}, s.Revalue(cur, in.Num, in.Den)
	})
	control(mux, "POST /_stripe/payouts", func(_ string, in PayoutOrder) (any, error) {
		p, err := s.PayOut(in)
		return obj{"payout": p}, err
	})
	for verb, f := range map[string]func(string) error{"pay": s.PayPayout, "fail": s.FailPayout, "cancel": s.CancelPayout} {
		control(mux, "POST /_stripe/payouts/{id}/"+verb, func(id string, _ struct{}) (any, error) { return obj{"payout": id}, f(id) })
	}
}
