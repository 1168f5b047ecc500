package stripe

import (
	"fmt"
	"maps"
)

// The states of a charge.
const (
	chargePending   = "pending"
	chargeSucceeded = "succeeded"
	chargeFailed    = "failed"
)

// charge is one try to take money from a customer. Its metadata is a snapshot of
// the payment intent's at that moment; later changes of either do not reach the
// other.
type charge struct {
	id          string
	created     int64
	customer    string
	invoice     string
	intent      string
	application string
	amount      int64
	currency    string
	status      string
	description string
	metadata    map[string]string
	async       bool   // a bank debit, not a card
	movement    string // balance transaction; empty: none yet
	reversal    string // balance transaction of a failure after the success
	failCode    string
	failMessage string
	refunded    int64
	disputed    bool
}

// newCharge makes a charge of a payment intent.
func (s *Server) newCharge(pi *paymentIntent, async bool) *charge {
	prefix := "ch"
	if async {
		prefix = "py"
	}
	ch := &charge{id: newID(prefix), created: s.now.Unix(), customer: pi.customer, invoice: pi.invoice, intent: pi.id,
		application: pi.application, amount: pi.amount, currency: pi.currency, status: chargePending, description: pi.description,
		metadata: maps.Clone(pi.metadata), async: async}
	s.charges.add(ch.id, ch)
	pi.charge = ch.id
	pi.method = newID("pm")
	return ch
}

// bookCharge books the money of a succeeded charge, less the fee.
func (s *Server) bookCharge(ch *charge) {
	kind := "charge"
	if ch.async {
		kind = "payment"
	}
	home, _ := s.settled(ch.amount, ch.currency)
	m := s.move(balanceTransaction{kind: kind, category: "charge", description: ch.description, source: ch.id,
		fee: fee(home), feeKind: "Stripe processing fees"}, ch.amount, ch.currency)
	ch.movement = m.id
}

// DelayBalance leaves balance_transaction null on charges from now on, until
// SettleBalance; switching it off settles.
func (s *Server) DelayBalance(on bool) {
	_ = s.lever(func() error { // cannot fail
		s.delayBalance = on
		if !on {
			s.settleBalance()
		}
		return nil
	})
}

// SettleBalance books the charges that wait for their balance transaction, and
// tells of it with charge.updated.
func (s *Server) SettleBalance() {
	_ = s.lever(func() error { // cannot fail
		s.settleBalance()
		return nil
	})
}

func (s *Server) settleBalance() {
	for _, ch := range s.charges.all {
		if ch.status == chargeSucceeded && ch.movement == "" {
			before := s.renderCharge(ch)
			s.bookCharge(ch)
			s.emitChange("charge.updated", before, s.renderCharge(ch))
		}
	}
}

// FailCharge plays the bank that takes a bank debit back after it succeeded: the
// balance is reversed. Unproven: the invoice stays paid, which is final for an
// invoice: https://docs.stripe.com/invoicing/overview#invoice-statuses
func (s *Server) FailCharge(id string) error {
	return s.lever(func() error {
		ch, ok := s.charges.get(id)
		if !ok || !ch.async || ch.status != chargeSucceeded || ch.movement == "" || ch.refunded > 0 || ch.disputed {
			return fmt.Errorf("charge %q is no bank debit that stands in full", id)
		}
		ch.status, ch.failCode, ch.failMessage = chargeFailed, "payment_method_provider_decline", "The customer's bank took the payment back."
		ch.reversal = s.move(balanceTransaction{kind: "payment_failure_refund", category: "payment_failure_refund",
			description: "Payment failure refund", source: ch.id}, -ch.amount, ch.currency).id
		s.emit("charge.failed", s.renderCharge(ch), nil)
		if pi, ok := s.intents.get(ch.intent); ok {
			pi.status, pi.received, pi.method = intentNeedsMethod, 0, ""
			s.emit("payment_intent.payment_failed", s.renderIntent(pi), nil)
		}
		return nil
	})
}

func (s *Server) chargeRef(id string) ref {
	return ref{id: id, load: func() obj {
		ch, _ := s.charges.get(id)
		return s.renderCharge(ch)
	}}
}

func (s *Server) getCharge(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	ch, err := found(c, &s.charges, "charge")
	if err != nil {
		return nil, err
	}
	return s.renderCharge(ch), nil
}

func (s *Server) listCharges(c *call) (obj, error) {
	created, owner, intent := c.p.span("created"), c.p.filter("customer"), c.p.filter("payment_intent")
	c.p.refuseUnmodelled("transfer_group")
	return page(c, listing[*charge]{noun: "charge", all: s.charges.all,
		id: func(x *charge) string { return x.id },
		keep: func(x *charge) bool {
			return created.has(x.created) && matches(owner, x.customer) && matches(intent, x.intent)
		},
		render: s.renderCharge})
}

func (s *Server) updateCharge(c *call) (obj, error) {
	ch, err := found(c, &s.charges, "charge")
	if err != nil {
		return nil, err
	}
	next := *ch
	c.p.str("description", 40000, &next.description)
	c.p.metadata(&next.metadata)
	c.p.refuseUnmodelled("customer", "fraud_details", "receipt_email", "shipping", "transfer_group")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	before := s.renderCharge(ch)
	*ch = next
	s.emitChange("charge.updated", before, s.renderCharge(ch))
	return s.renderCharge(ch), nil
}

func (s *Server) renderCharge(ch *charge) obj {
	won := ch.status == chargeSucceeded
	captured := int64(0)
	if won {
		captured = ch.amount
	}
	method := obj{"type": "card", "card": obj{"brand": "visa", "country": "NZ", "exp_month": int64(12), "exp_year": int64(2034),
		"funding": "credit", "last4": "4242", "network": "visa"}}
	if ch.async {
		method = obj{"type": "au_becs_debit", "au_becs_debit": obj{"bsb_number": "000000", "last4": "3456", "fingerprint": nil}}
	}
	return obj{
		"id": ch.id, "object": "charge", "amount": ch.amount, "amount_captured": captured, "amount_refunded": ch.refunded,
		"application": ref{id: ch.application}, "application_fee": nil, "application_fee_amount": nil,
		"balance_transaction": s.movementRef(ch.movement), "billing_details": s.billing(ch), "calculated_statement_descriptor": "SANDBOX",
		"captured": won, "created": ch.created, "currency": ch.currency, "customer": s.customerRef(ch.customer),
		"description": orNull(ch.description), "disputed": ch.disputed,
		"failure_balance_transaction": s.movementRef(ch.reversal), "failure_code": orNull(ch.failCode), "failure_message": orNull(ch.failMessage),
		"fraud_details": obj{}, "invoice": s.invoiceRef(ch.invoice), "livemode": s.live, "metadata": metadataObj(ch.metadata),
		"on_behalf_of": nil, "outcome": ch.outcome(), "paid": won, "payment_intent": s.intentRef(ch.intent),
		"payment_method": s.methodOf(ch), "payment_method_details": method, "receipt_email": nil, "receipt_number": nil,
		"receipt_url": nil, "refunded": won && ch.refunded == ch.amount, "refunds": lazy{func() any { return s.embeddedRefunds(ch) }},
		"review": nil, "shipping": nil, "source_transfer": nil, "statement_descriptor": nil,
		"statement_descriptor_suffix": nil, "status": ch.status, "transfer_data": nil, "transfer_group": nil,
	}
}

func (ch *charge) outcome() obj {
	if ch.status == chargeFailed {
		return obj{"network_status": "declined_by_network", "reason": orNull(ch.failCode), "risk_level": "normal",
			"seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined"}
	}
	return obj{"network_status": "approved_by_network", "reason": nil, "risk_level": "normal", "seller_message": "Payment complete.",
		"type": "authorized"}
}

func (s *Server) methodOf(ch *charge) any {
	pi, ok := s.intents.get(ch.intent)
	if !ok {
		return nil
	}
	return orNull(pi.method)
}

func (s *Server) billing(ch *charge) obj {
	out := obj{"address": (&address{}).obj(), "email": nil, "name": nil, "phone": nil}
	if x, ok := s.customers.get(ch.customer); ok {
		out["email"], out["name"], out["phone"] = orNull(x.email), orNull(x.name), orNull(x.phone)
	}
	return out
}
