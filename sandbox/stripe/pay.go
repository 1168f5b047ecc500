package stripe

import (
	"fmt"
	"maps"
	"time"
)

// The outcomes of a payment by the customer.
const (
	OutcomeSuccess            = "success"
	OutcomeDecline            = "decline"
	OutcomeAsync              = "async" // a bank debit: processing until Settle
	OutcomeDeclineThenSuccess = "decline_then_success"
)

// Pay plays the customer who pays an invoice on its hosted page. The invoice is
// named by its id or by its metadata xero_invoice_number. The result is the id
// of the (last) charge. The amount is always the amount due: the hosted page
// takes no other.
func (s *Server) Pay(invoice, outcome string) (chargeID string, err error) {
	return s.PayAt(time.Time{}, invoice, outcome)
}

// PayAt is Pay at an earlier moment, of which Stripe tells only now; the zero
// moment is now.
func (s *Server) PayAt(at time.Time, invoice, outcome string) (chargeID string, err error) {
	err = s.leverAt(at, func() error {
		inv, err := s.payable(invoice)
		if err != nil {
			return err
		}
		chargeID, err = s.pay(inv, outcome)
		return err
	})
	return chargeID, err
}

// Settle ends an asynchronous payment: "success" or "fail".
func (s *Server) Settle(invoice, outcome string) (chargeID string, err error) {
	return s.SettleAt(time.Time{}, invoice, outcome)
}

// SettleAt is Settle at an earlier moment, of which Stripe tells only now; the
// zero moment is now.
func (s *Server) SettleAt(at time.Time, invoice, outcome string) (chargeID string, err error) {
	err = s.leverAt(at, func() error {
		inv, err := s.byName(invoice, s.processing)
		if err != nil {
			return err
		}
		if !s.processing(inv) {
			return fmt.Errorf("invoice %s has no payment in progress", inv.id)
		}
		pi, _ := s.intents.get(inv.intent)
		ch, _ := s.charges.get(pi.charge)
		chargeID = ch.id
		switch outcome {
		case OutcomeSuccess:
			s.succeed(pi, ch)
		case "fail":
			s.fail(pi, ch, "payment_method_provider_decline", "The customer's bank did not pay.")
		default:
			return fmt.Errorf("unknown outcome %q: success or fail", outcome)
		}
		return nil
	})
	return chargeID, err
}

func (s *Server) processing(inv *invoice) bool {
	pi, ok := s.intents.get(inv.intent)
	return ok && pi.status == intentProcessing
}

// byName finds an invoice by id or by metadata xero_invoice_number; of several
// with the number, the newest that want holds for, else the newest.
func (s *Server) byName(name string, want func(*invoice) bool) (*invoice, error) {
	if inv, ok := s.invoices.get(name); ok {
		return inv, nil
	}
	var last *invoice
	for i := len(s.invoices.all) - 1; i >= 0; i-- {
		inv := s.invoices.all[i]
		if inv.metadata["xero_invoice_number"] != name {
			continue
		}
		if want(inv) {
			return inv, nil
		}
		if last == nil {
			last = inv
		}
	}
	if last == nil {
		return nil, fmt.Errorf("no invoice has the id or the metadata xero_invoice_number %q", name)
	}
	return last, nil
}

// payable finds an invoice that a customer can pay now.
func (s *Server) payable(name string) (*invoice, error) {
	inv, err := s.byName(name, openInvoice)
	if err != nil {
		return nil, err
	}
	if !openInvoice(inv) {
		return nil, fmt.Errorf("invoice %s is %s: only an open one can be paid", inv.id, inv.status)
	}
	if s.processing(inv) {
		return nil, fmt.Errorf("invoice %s has a payment in progress", inv.id)
	}
	return inv, nil
}

func (s *Server) pay(inv *invoice, outcome string) (string, error) {
	pi, ok := s.intents.get(inv.intent)
	if !ok {
		return "", fmt.Errorf("invoice %s has no payment intent", inv.id)
	}
	switch outcome {
	case OutcomeSuccess:
		return s.succeed(pi, s.newCharge(pi, false)), nil
	case OutcomeDecline:
		return s.decline(pi), nil
	case OutcomeDeclineThenSuccess:
		s.decline(pi)
		return s.succeed(pi, s.newCharge(pi, false)), nil
	case OutcomeAsync:
		ch := s.newCharge(pi, true)
		pi.status = intentProcessing
		s.emit("charge.pending", s.renderCharge(ch), nil)
		s.emit("payment_intent.processing", s.renderIntent(pi), nil)
		return ch.id, nil
	}
	return "", fmt.Errorf("unknown outcome %q: success, decline, async or decline_then_success", outcome)
}

func (s *Server) decline(pi *paymentIntent) string {
	return s.fail(pi, s.newCharge(pi, false), "card_declined", "Your card was declined.")
}

// succeed ends a charge well: the money is booked and the invoice is paid.
func (s *Server) succeed(pi *paymentIntent, ch *charge) string {
	ch.status = chargeSucceeded
	if !s.delayBalance {
		s.bookCharge(ch)
	}
	pi.status, pi.received, pi.lastError = intentSucceeded, ch.amount, nil
	inv, ok := s.invoices.get(pi.invoice)
	var before obj
	if ok {
		before = s.renderInvoice(inv)
		inv.charge, inv.amountPaid, inv.attempts = ch.id, inv.amountPaid+ch.amount, inv.attempts+1
		inv.status, inv.paidAt = statusPaid, s.now.Unix()
	}
	s.emit("charge.succeeded", s.renderCharge(ch), nil)
	s.emit("payment_intent.succeeded", s.renderIntent(pi), nil)
	if ok {
		s.emitChange("invoice.updated", before, s.renderInvoice(inv))
		s.emit("invoice.paid", s.renderInvoice(inv), nil)
		s.emit("invoice.payment_succeeded", s.renderInvoice(inv), nil)
	}
	return ch.id
}

// fail ends a charge badly: the invoice stays open and can be paid again.
func (s *Server) fail(pi *paymentIntent, ch *charge, code, message string) string {
	ch.status, ch.failCode, ch.failMessage = chargeFailed, code, message
	pi.status = intentNeedsMethod
	pi.lastError = obj{"type": typeCard, "code": code, "message": message, "charge": ch.id, "decline_code": "generic_decline"}
	pi.method = ""
	s.emit("charge.failed", s.renderCharge(ch), nil)
	s.emit("payment_intent.payment_failed", s.renderIntent(pi), nil)
	if inv, ok := s.invoices.get(pi.invoice); ok {
		before := s.renderInvoice(inv)
		inv.charge, inv.attempts = ch.id, inv.attempts+1
		s.emitChange("invoice.updated", before, s.renderInvoice(inv))
		s.emit("invoice.payment_failed", s.renderInvoice(inv), nil)
	}
	return ch.id
}

// OtherCharge describes a charge that another application made on the account.
type OtherCharge struct {
	Amount   int64
	Currency string // default: the account's
	Customer string // may be empty
	Metadata map[string]string
	Debit    bool // a bank debit that has arrived: see FailCharge
}

// Charge makes a succeeded charge that has nothing to do with an invoice, by
// another application.
func (s *Server) Charge(x OtherCharge) (chargeID string, err error) {
	err = s.lever(func() error {
		if x.Currency == "" {
			x.Currency = s.cfg.DefaultCurrency
		}
		if _, ok := rates[x.Currency]; !ok {
			return fmt.Errorf("currency %q is not modelled", x.Currency)
		}
		if x.Amount <= 0 || s.belowMinimum(x.Amount, x.Currency) {
			return fmt.Errorf("amount %d is below the minimum", x.Amount)
		}
		if err := checkAmount(x.Amount, x.Currency); err != nil {
			return err
		}
		if _, ok := s.customers.get(x.Customer); x.Customer != "" && !ok {
			return fmt.Errorf("no customer %q", x.Customer)
		}
		pi := s.newIntent(x.Customer, "", x.Amount, x.Currency)
		pi.application = "ca_1OtherApplication"
		pi.metadata = maps.Clone(x.Metadata)
		chargeID = s.succeed(pi, s.newCharge(pi, x.Debit))
		return nil
	})
	return chargeID, err
}
