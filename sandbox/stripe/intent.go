package stripe

import (
	"net/http"
)

// The states of a payment intent that are modelled.
const (
	intentNeedsMethod = "requires_payment_method"
	intentProcessing  = "processing"
	intentSucceeded   = "succeeded"
	intentCanceled    = "canceled"
)

// paymentIntent is what an invoice is paid through. Its metadata starts empty,
// whatever the invoice says, and is copied to a charge when the customer pays.
type paymentIntent struct {
	id          string
	created     int64
	customer    string // may be empty
	invoice     string // may be empty
	application string // that made it; empty: ours
	amount      int64
	currency    string
	status      string
	description string
	metadata    map[string]string
	secret      string
	charge      string // the latest one
	method      string // of the last payment
	received    int64
	canceledAt  int64
	reason      string // of the cancellation; empty: none given
	lastError   obj
}

func (s *Server) newIntent(customer, invoice string, amount int64, cur string) *paymentIntent {
	id := newID("pi")
	pi := &paymentIntent{id: id, created: s.now.Unix(), customer: customer, invoice: invoice, amount: amount, currency: cur,
		status: intentNeedsMethod, metadata: map[string]string{}, secret: id + "_secret_" + token()}
	s.intents.add(id, pi)
	s.emit("payment_intent.created", s.renderIntent(pi), nil)
	return pi
}

// cancelIntent ends the payment intent of an invoice that needs no payment any
// more.
func (s *Server) cancelIntent(inv *invoice, reason string) {
	pi, ok := s.intents.get(inv.intent)
	if !ok || pi.status != intentNeedsMethod {
		return
	}
	pi.status, pi.reason, pi.canceledAt = intentCanceled, reason, s.now.Unix()
	s.emit("payment_intent.canceled", s.renderIntent(pi), nil)
}

func (s *Server) intentRef(id string) ref {
	return ref{id: id, load: func() obj {
		pi, _ := s.intents.get(id)
		return s.renderIntent(pi)
	}}
}

func (s *Server) renderIntent(pi *paymentIntent) obj {
	var lastError, processing any
	if pi.lastError != nil {
		lastError = pi.lastError
	}
	if pi.status == intentProcessing {
		processing = obj{"type": "card"}
	}
	return obj{
		"id": pi.id, "object": "payment_intent", "amount": pi.amount, "amount_capturable": int64(0), "amount_details": obj{"tip": obj{}},
		"amount_received": pi.received, "application": ref{id: pi.application}, "application_fee_amount": nil,
		"automatic_payment_methods": nil, "canceled_at": unixOrNull(pi.canceledAt), "cancellation_reason": orNull(pi.reason),
		"capture_method": "automatic", "client_secret": pi.secret, "confirmation_method": "automatic", "created": pi.created,
		"currency": pi.currency, "customer": s.customerRef(pi.customer), "description": orNull(pi.description),
		"invoice": s.invoiceRef(pi.invoice), "last_payment_error": lastError, "latest_charge": s.chargeRef(pi.charge),
		"livemode": s.live, "metadata": metadataObj(pi.metadata), "next_action": nil, "on_behalf_of": nil,
		"payment_method": orNull(pi.method), "payment_method_configuration_details": nil, "payment_method_options": obj{},
		"payment_method_types": []any{"card"}, "processing": processing, "receipt_email": nil, "review": nil,
		"setup_future_usage": nil, "shipping": nil, "statement_descriptor": nil, "statement_descriptor_suffix": nil,
		"status": pi.status, "transfer_data": nil, "transfer_group": nil,
	}
}

func (s *Server) getIntent(c *call) (obj, error) {
	c.p.refuseUnmodelled("client_secret")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	pi, err := found(c, &s.intents, "payment_intent")
	if err != nil {
		return nil, err
	}
	return s.renderIntent(pi), nil
}

func (s *Server) listIntents(c *call) (obj, error) {
	created, owner := c.p.span("created"), c.p.filter("customer")
	return page(c, listing[*paymentIntent]{noun: "payment_intent", all: s.intents.all,
		id:     func(x *paymentIntent) string { return x.id },
		keep:   func(x *paymentIntent) bool { return created.has(x.created) && matches(owner, x.customer) },
		render: s.renderIntent})
}

// updateIntent changes metadata and description. The rest of an invoice's
// payment intent follows the invoice. There is no event for it.
func (s *Server) updateIntent(c *call) (obj, error) {
	pi, err := found(c, &s.intents, "payment_intent")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"amount", "currency", "customer", "payment_method_types", "receipt_email", "setup_future_usage", "shipping"} {
		if c.p.has(name) && pi.invoice != "" {
			return nil, refuse("payment_intent_unexpected_state", name, "The PaymentIntent of an invoice cannot be edited directly: %s.", name)
		}
	}
	next := *pi
	c.p.str("description", 1000, &next.description)
	c.p.metadata(&next.metadata)
	c.p.refuseUnmodelled("amount", "application_fee_amount", "capture_method", "currency", "customer", "payment_method", "payment_method_data",
		"payment_method_options", "payment_method_types", "receipt_email", "setup_future_usage", "shipping", "statement_descriptor",
		"statement_descriptor_suffix", "transfer_data", "transfer_group")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	if pi.status == intentCanceled {
		return nil, &apiError{status: http.StatusBadRequest, typ: typeInvalidRequest, code: "payment_intent_unexpected_state",
			message: "You cannot update this PaymentIntent because it has a status of canceled."}
	}
	*pi = next
	return s.renderIntent(pi), nil
}
