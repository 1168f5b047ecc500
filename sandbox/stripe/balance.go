package stripe

import (
	"math/big"
	"slices"
	"time"
)

// balanceTransaction is a movement of the account's balance, in the currency in
// which it settles: https://docs.stripe.com/api/balance_transactions/object
type balanceTransaction struct {
	id          string
	created     int64
	kind        string // type: charge, refund, adjustment, payout, …
	category    string // reporting_category
	description string
	amount      int64 // gross; negative when it leaves
	fee         int64
	feeKind     string // description of the fee; empty: none
	currency    string
	rate        any // exchange rate as a JSON number, or nil
	source      string
	available   int64  // when its funds are available
	payout      string // the automatic payout that paid it out; the payout's own movement too
}

// settlesIn is the currency of the balance that a payment in cur moves.
func (s *Server) settlesIn(cur string) string {
	if slices.Contains(s.cfg.Balances, cur) {
		return cur
	}
	return s.cfg.DefaultCurrency
}

// settled is an amount in the currency in which it settles, and the rate of
// exchange; nil when there was none.
func (s *Server) settled(amount int64, cur string) (int64, *big.Rat) {
	home := s.settlesIn(cur)
	if home == cur {
		return amount, nil
	}
	rate := exchange(cur, home)
	if w, ok := s.worth[cur]; ok {
		rate.Mul(rate, big.NewRat(w[0], w[1]))
	}
	return convertAt(rate, amount, cur, home), rate
}

// move books a movement of amount in minor units of cur, exchanged into the
// settlement currency. The fee is in the settlement currency already.
func (s *Server) move(m balanceTransaction, amount int64, cur string) *balanceTransaction {
	var rate *big.Rat
	m.id = newID("txn")
	m.created = s.now.Unix()
	m.currency = s.settlesIn(cur)
	if m.amount, rate = s.settled(amount, cur); rate != nil {
		m.rate = rateNumber(rate)
	}
	m.available = s.now.Add(s.cfg.AvailableAfter).Unix()
	if amount < 0 || m.category == payoutReversal {
		m.available = m.created // what leaves, leaves at once; what did not arrive is there
	}
	s.movements.add(m.id, &m)
	return &m
}

func (s *Server) movementRef(id string) ref {
	return ref{id: id, load: func() obj {
		m, _ := s.movements.get(id)
		return s.renderMovement(m)
	}}
}

func (s *Server) renderMovement(m *balanceTransaction) obj {
	fees := []any{}
	if m.fee != 0 {
		fees = append(fees, obj{"amount": m.fee, "application": nil, "currency": m.currency, "description": m.feeKind, "type": "stripe_fee"})
	}
	status := "pending"
	if m.available <= s.now.Unix() {
		status = "available"
	}
	return obj{
		"id": m.id, "object": "balance_transaction", "amount": m.amount, "available_on": m.available,
		"created": m.created, "currency": m.currency, "description": orNull(m.description), "exchange_rate": m.rate,
		"fee": m.fee, "fee_details": fees, "net": m.amount - m.fee, "reporting_category": m.category,
		"source": s.sourceRef(m.source), "status": status, "type": m.kind,
	}
}

// sourceRef refers to whatever a movement came from.
func (s *Server) sourceRef(id string) ref {
	return ref{id: id, load: func() obj {
		if x, ok := s.charges.get(id); ok {
			return s.renderCharge(x)
		}
		if x, ok := s.refunds.get(id); ok {
			return s.renderRefund(x)
		}
		if x, ok := s.disputes.get(id); ok {
			return s.renderDispute(x)
		}
		if x, ok := s.payouts.get(id); ok {
			return s.renderPayout(x)
		}
		return obj{"id": id}
	}}
}

func (s *Server) getMovement(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	m, err := found(c, &s.movements, "balance_transaction")
	if err != nil {
		return nil, err
	}
	return s.renderMovement(m), nil
}

func (s *Server) listMovements(c *call) (obj, error) {
	created := c.p.span("created")
	paidBy, source, kind := c.p.filter("payout"), c.p.filter("source"), c.p.filter("type")
	cur := c.p.currency("currency")
	if paidBy != "" {
		po := named(c.p, &s.payouts, "payout", "payout", paidBy)
		if po != nil && !po.reconciled() {
			c.p.fail(refuse("payout_reconciliation_not_ready", "payout", "The balance transactions of payout %s are not known yet.", po.id))
		}
	}
	return page(c, listing[*balanceTransaction]{noun: "balance_transaction", all: s.movements.all,
		id: func(m *balanceTransaction) string { return m.id },
		keep: func(m *balanceTransaction) bool {
			return created.has(m.created) && matches(paidBy, m.payout) && matches(source, m.source) &&
				matches(kind, m.kind) && matches(cur, m.currency)
		},
		render: s.renderMovement})
}

// getBalance is the sum of what is available and of what is still pending.
func (s *Server) getBalance(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	var available, pending []any
	for _, f := range s.balance() {
		amount := func(n int64) obj { return obj{"amount": n, "currency": f.Currency, "source_types": obj{"card": n}} }
		available, pending = append(available, amount(f.Available)), append(pending, amount(f.Pending))
	}
	return obj{"object": "balance", "available": available, "pending": pending, "livemode": s.live}, nil
}

// Funds are a balance in minor units.
type Funds struct {
	Currency  string `json:"currency"`
	Available int64  `json:"available"`
	Pending   int64  `json:"pending"`
	Total     int64  `json:"total"`
}

// balance returns the balances, the default currency's first.
func (s *Server) balance() []Funds {
	out := make([]Funds, 0, 1+len(s.cfg.Balances))
	for _, cur := range append([]string{s.cfg.DefaultCurrency}, s.cfg.Balances...) {
		f := Funds{Currency: cur}
		for _, m := range s.movements.all {
			switch net := m.amount - m.fee; {
			case m.currency != cur:
			case m.available <= s.now.Unix():
				f.Available += net
			default:
				f.Pending += net
			}
		}
		f.Total = f.Available + f.Pending
		out = append(out, f)
	}
	return out
}

// Balance returns the balances, the default currency's first.
func (s *Server) Balance() (out []Funds) {
	_ = s.lever(func() error { // cannot fail
		out = s.balance()
		return nil
	})
	return out
}

func (s *Server) getAccount(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	return obj{
		"id": s.cfg.AccountID, "object": "account", "type": "standard", "business_type": "company",
		"business_profile": obj{"mcc": nil, "name": accountName, "product_description": nil, "support_address": nil,
			"support_email": nil, "support_phone": nil, "support_url": nil, "url": nil},
		"capabilities":    obj{"card_payments": "active", "transfers": "active"},
		"charges_enabled": true, "payouts_enabled": true, "details_submitted": true,
		"country": accountCountry, "created": time.Date(2023, 10, 16, 0, 0, 0, 0, time.UTC).Unix(),
		"default_currency": s.cfg.DefaultCurrency, "email": "owner@sandbox.example", "metadata": obj{},
		"settings": obj{
			"branding":      obj{"icon": nil, "logo": nil, "primary_color": nil, "secondary_color": nil},
			"card_payments": obj{"statement_descriptor_prefix": nil, "statement_descriptor_prefix_kana": nil, "statement_descriptor_prefix_kanji": nil},
			"dashboard":     obj{"display_name": accountName, "timezone": "Pacific/Auckland"},
			"payments":      obj{"statement_descriptor": "SANDBOX"},
			"payouts":       obj{"debit_negative_balances": true, "schedule": obj{"delay_days": 2, "interval": "daily"}},
		},
	}, nil
}

const (
	accountName    = "Sandbox Ltd"
	accountCountry = "NZ"
)
