package stripe

import (
	"net/http"
)

// applyBalance works out what an invoice comes to with the customer's balance,
// which counts in its own currency only. A balance below zero is credit.
func (s *Server) applyBalance(inv *invoice) (due, start, end int64) {
	_, _, total := inv.sums()
	x, ok := s.customers.get(inv.customer)
	if ok && s.balanceCurrency(x) == inv.currency {
		start = x.balance
	}
	switch {
	case total < 0: // becomes credit
		return 0, start, start + total
	case total == 0:
		return 0, start, start
	case total+start >= 0:
		return total + start, start, 0
	}
	return 0, start, total + start
}

func (s *Server) finalizeInvoice(c *call) (obj, error) {
	var advance bool
	if c.p.boolean("auto_advance", &advance); advance {
		c.p.fail(notModelled("auto_advance", "automatic collection (auto_advance=true)"))
	}
	if err := c.p.done(); err != nil {
		return nil, err
	}
	inv, err := found(c, &s.invoices, "invoice")
	if err != nil {
		return nil, err
	}
	if err := s.finalize(inv); err != nil {
		return nil, err
	}
	return s.renderInvoice(inv), nil
}

// finalize freezes a draft and asks for its payment. What is too small to charge
// goes to the customer's balance, and the invoice is paid.
func (s *Server) finalize(inv *invoice) error {
	if inv.status != statusDraft {
		return refuse("invoice_not_editable", "", "This invoice is already finalized, you can't re-finalize a non-draft invoice.")
	}
	if len(inv.items) == 0 {
		return refuse("invoice_no_customer_line_items", "", "There is nothing to invoice: the draft has no line items.")
	}
	if inv.dueDate != 0 && !inv.byDays && inv.dueDate <= s.now.Unix() {
		return refuse("", "due_date", "The due date of the draft has passed: set one in the future before finalizing.")
	}
	due, start, end := s.applyBalance(inv)
	if err := checkAmount(due, inv.currency); err != nil {
		return err
	}
	x, _ := s.customers.get(inv.customer)
	small := due > 0 && s.belowMinimum(due, inv.currency)
	if x.currency == "" && (x.balance == 0 || inv.currency == s.cfg.DefaultCurrency) {
		s.withCustomer(x, func() { x.currency = inv.currency })
	}
	if small {
		if s.balanceCurrency(x) != inv.currency {
			return refuse("amount_too_small", "", "The amount due is below the minimum charge, and the customer's balance is in another currency.")
		}
		end, due = end+due, 0
	}
	if s.balanceCurrency(x) == inv.currency && x.balance != end {
		s.withCustomer(x, func() { x.balance = end })
	}
	inv.frozen, inv.due, inv.startingBalance, inv.endingBalance = *x, due, start, &end
	inv.finalizedAt = s.now.Unix()
	if inv.effectiveAt == 0 {
		inv.effectiveAt = inv.finalizedAt
	}
	if inv.number == "" {
		inv.number = x.nextNumber()
	}
	if inv.byDays {
		inv.dueDate = inv.dueInDays(s.now)
	}
	inv.status = statusOpen
	if due > 0 {
		inv.intent = s.newIntent(inv.customer, inv.id, due, inv.currency).id
	}
	s.emit("invoice.finalized", s.renderInvoice(inv), nil)
	if due == 0 {
		s.markPaid(inv)
		s.emit("invoice.payment_succeeded", s.renderInvoice(inv), nil)
	}
	return nil
}

// withCustomer changes a customer and tells of it.
func (s *Server) withCustomer(x *customer, f func()) {
	if x.deleted {
		return // what is owed or credited ended with it
	}
	before := s.renderCustomer(x)
	f()
	s.emitChange("customer.updated", before, s.renderCustomer(x))
}

// markPaid ends an open invoice as paid.
func (s *Server) markPaid(inv *invoice) {
	before := s.renderInvoice(inv)
	inv.status = statusPaid
	inv.paidAt = s.now.Unix()
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	s.emit("invoice.paid", s.renderInvoice(inv), nil)
}

// payInvoice is payment by the API: only out of band, because the sandbox keeps
// no payment methods of customers.
func (s *Server) payInvoice(c *call) (obj, error) {
	var outOfBand bool
	c.p.boolean("paid_out_of_band", &outOfBand)
	c.p.refuseUnmodelled("forgive", "mandate", "off_session", "payment_method", "source")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	inv, err := found(c, &s.invoices, "invoice")
	if err != nil {
		return nil, err
	}
	if err := s.mayChangeState(inv); err != nil {
		return nil, err
	}
	if !outOfBand {
		return nil, refuse("resource_missing", "payment_method", "The customer has no payment method; the sandbox models paid_out_of_band=true, and payment by the customer on the hosted page.")
	}
	inv.outOfBand = true
	s.cancelIntent(inv, "")
	s.markPaid(inv)
	return s.renderInvoice(inv), nil
}

// mayChangeState refuses what is neither open nor uncollectible, and what a
// payment in flight would make wrong.
func (s *Server) mayChangeState(inv *invoice) error {
	switch {
	case inv.status == statusPaid:
		return refuse("invoice_already_paid", "", "Invoice is already paid")
	case inv.status == statusVoid:
		return refuse("status_transition_invalid", "", "Voided invoices cannot be paid or changed.")
	case !openInvoice(inv):
		return refuse("status_transition_invalid", "", "You can only do this with an open invoice. This invoice is %s.", inv.status)
	}
	if pi, ok := s.intents.get(inv.intent); ok && pi.status == intentProcessing {
		return &apiError{status: http.StatusBadRequest, typ: typeInvalidRequest, code: "payment_intent_unexpected_state",
			message: "This invoice has a payment in progress: its PaymentIntent is processing."}
	}
	return nil
}

// stateCall reads a call without parameters that changes an invoice's state.
func (s *Server) stateCall(c *call, change func(*invoice) error) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	inv, err := found(c, &s.invoices, "invoice")
	if err != nil {
		return nil, err
	}
	if err := change(inv); err != nil {
		return nil, err
	}
	return s.renderInvoice(inv), nil
}

func (s *Server) voidInvoice(c *call) (obj, error) { return s.stateCall(c, s.void) }

// void ends an invoice unpaid, cancels its payment intent and gives back the
// balance that it had used.
func (s *Server) void(inv *invoice) error {
	if err := s.mayChangeState(inv); err != nil {
		return err
	}
	before := s.renderInvoice(inv)
	inv.status = statusVoid
	inv.voidedAt = s.now.Unix()
	s.cancelIntent(inv, "void_invoice")
	if x, ok := s.customers.get(inv.customer); ok && inv.startingBalance != *inv.endingBalance {
		s.withCustomer(x, func() { x.balance += inv.startingBalance - *inv.endingBalance })
	}
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	s.emit("invoice.voided", s.renderInvoice(inv), nil)
	return nil
}

func (s *Server) markInvoice(c *call) (obj, error) { return s.stateCall(c, s.markUncollectible) }

func (s *Server) markUncollectible(inv *invoice) error {
	if inv.status != statusOpen {
		return refuse("status_transition_invalid", "", "You can only mark an open invoice as uncollectible. This invoice is %s.", inv.status)
	}
	before := s.renderInvoice(inv)
	inv.status = statusUncollectible
	inv.uncollectedAt = s.now.Unix()
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	s.emit("invoice.marked_uncollectible", s.renderInvoice(inv), nil)
	return nil
}

// sendInvoice finalizes a draft and tells the customer; no mail leaves.
func (s *Server) sendInvoice(c *call) (obj, error) {
	return s.stateCall(c, func(inv *invoice) error {
		if inv.method != sendInvoice {
			return refuse("", "", "You can only send an invoice whose collection method is send_invoice.")
		}
		if inv.status == statusDraft {
			if err := s.finalize(inv); err != nil {
				return err
			}
		}
		if inv.status != statusOpen {
			return refuse("status_transition_invalid", "", "You can only send an open invoice. This invoice is %s.", inv.status)
		}
		s.emit("invoice.sent", s.renderInvoice(inv), nil)
		return nil
	})
}
