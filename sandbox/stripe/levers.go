package stripe

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"
)

// CustomerFields are what a person enters in the dashboard. A nil field stays as
// it is; an empty string clears.
type CustomerFields struct {
	Name, Email, Phone, Description *string
	City                            *string           // of the address; the rest of it stays
	Metadata                        map[string]string // merged; an empty value removes the key
	Balance                         *int64            // minor units; negative is credit
}

func (f CustomerFields) apply(x *customer) error {
	for _, in := range []struct {
		name string
		from *string
		to   *string
		max  int
	}{{"name", f.Name, &x.name, nameMax}, {"email", f.Email, &x.email, emailMax}, {"phone", f.Phone, &x.phone, phoneMax},
		{"description", f.Description, &x.description, descriptionMax}} {
		if in.from == nil {
			continue
		}
		if len([]rune(*in.from)) > in.max {
			return fmt.Errorf("%s is longer than %d characters", in.name, in.max)
		}
		*in.to = *in.from
	}
	if f.City != nil {
		a := address{}
		if x.address != nil {
			a = *x.address
		}
		a.city = *f.City
		x.address = &a
	}
	if x.email != "" && !looksLikeEmail(x.email) {
		return fmt.Errorf("%q is no email address", x.email)
	}
	if f.Balance != nil {
		x.balance = *f.Balance
	}
	merged := maps.Clone(x.metadata)
	for k, v := range f.Metadata {
		if len([]rune(k)) > metadataKeyMax || len([]rune(v)) > metadataValueMax {
			return fmt.Errorf("metadata %q is too long", k)
		}
		if v == "" {
			delete(merged, k)
			continue
		}
		merged[k] = v
	}
	if len(merged) > metadataKeysMax {
		return fmt.Errorf("metadata has more than %d keys", metadataKeysMax)
	}
	x.metadata = merged
	return nil
}

// CreateCustomer plays a person in the dashboard.
func (s *Server) CreateCustomer(f CustomerFields) (id string, err error) {
	err = s.lever(func() error {
		x := &customer{id: newID("cus"), created: s.now.Unix(), metadata: map[string]string{}, taxExempt: "none", prefix: rand.Text()[:8], sequence: 1}
		if err := f.apply(x); err != nil {
			return err
		}
		id = x.id
		s.customers.add(id, x)
		s.index(x)
		s.emit("customer.created", s.renderCustomer(x), nil)
		return nil
	})
	return id, err
}

// customerLever finds a customer that is not deleted.
func (s *Server) customerLever(id string, f func(*customer) error) error {
	return s.lever(func() error {
		x, ok := s.customers.get(id)
		if !ok || x.deleted {
			return fmt.Errorf("no customer %q", id)
		}
		return f(x)
	})
}

// UpdateCustomer plays a person in the dashboard.
func (s *Server) UpdateCustomer(id string, f CustomerFields) error {
	return s.customerLever(id, func(x *customer) error {
		next := *x
		if err := f.apply(&next); err != nil {
			return err
		}
		s.commitCustomer(x, next)
		return nil
	})
}

// DeleteCustomer plays a person in the dashboard.
func (s *Server) DeleteCustomer(id string) error {
	return s.customerLever(id, func(x *customer) error {
		s.dropCustomer(x)
		return nil
	})
}

// Discount is a coupon for a customer: Percent, or Amount in minor units of
// Currency. The zero value takes the coupon away.
type Discount struct {
	Percent  int64
	Amount   int64
	Currency string
}

// SetDiscount gives a customer a coupon, which new drafts inherit.
func (s *Server) SetDiscount(customerID string, d Discount) error {
	return s.customerLever(customerID, func(x *customer) error {
		next := *x
		next.discount = nil
		if d != (Discount{}) {
			if d.Percent < 0 || d.Percent > 100 || d.Amount < 0 || (d.Percent > 0) == (d.Amount > 0) {
				return fmt.Errorf("a discount has a percentage of 1 to 100, or an amount")
			}
			if _, ok := rates[d.Currency]; d.Amount > 0 && !ok {
				return fmt.Errorf("currency %q is not modelled", d.Currency)
			}
			next.discount = &discount{id: newID("di"), start: s.now.Unix(), percent: d.Percent, amount: d.Amount, currency: d.Currency}
		}
		s.commitCustomer(x, next)
		if next.discount != nil {
			o, _ := next.discount.obj(x.id, "").(obj)
			s.emit("customer.discount.created", o, nil)
		}
		return nil
	})
}

// SetBalance sets a customer's balance in minor units; negative is credit.
func (s *Server) SetBalance(customerID string, balance int64) error {
	return s.UpdateCustomer(customerID, CustomerFields{Balance: &balance})
}

// VoidInvoice is a person voiding an invoice in the dashboard. Here and below the
// invoice is named by id or by metadata xero_invoice_number.
func (s *Server) VoidInvoice(name string) error {
	return s.invoiceLever(name, s.void)
}

// MarkUncollectible gives an open invoice up.
func (s *Server) MarkUncollectible(name string) error {
	return s.invoiceLever(name, s.markUncollectible)
}

// PayOutOfBand marks an open invoice as paid elsewhere.
func (s *Server) PayOutOfBand(name string) error {
	return s.invoiceLever(name, func(inv *invoice) error {
		if err := s.mayChangeState(inv); err != nil {
			return err
		}
		inv.outOfBand = true
		s.cancelIntent(inv, "")
		s.markPaid(inv)
		return nil
	})
}

func (s *Server) invoiceLever(name string, f func(*invoice) error) error {
	return s.lever(func() error {
		inv, err := s.byName(name, openInvoice)
		if err != nil {
			return err
		}
		return f(inv)
	})
}

// Sums are totals by currency in minor units, with counts.
type Sums struct {
	Charges      map[string]int64 `json:"charges"`       // succeeded
	Refunds      map[string]int64 `json:"refunds"`       // not failed
	OpenInvoices map[string]int64 `json:"open_invoices"` // amount remaining of open ones
	Disputed     map[string]int64 `json:"disputed"`      // taken back by disputes
	Count        map[string]int   `json:"count"`         // objects by noun, drafts included
	Available    int64            `json:"available"`     // balance in the settlement currency
	Pending      int64            `json:"pending"`
}

// State adds up what is there.
func (s *Server) State() Sums {
	out := Sums{Charges: map[string]int64{}, Refunds: map[string]int64{}, OpenInvoices: map[string]int64{}, Disputed: map[string]int64{}}
	_ = s.lever(func() error { // cannot fail
		for _, x := range s.charges.all {
			if x.status == chargeSucceeded {
				out.Charges[x.currency] += x.amount
			}
		}
		for _, x := range s.refunds.all {
			if x.status != refundFailed {
				out.Refunds[x.currency] += x.amount
			}
		}
		for _, x := range s.invoices.all {
			if x.status == statusOpen {
				out.OpenInvoices[x.currency] += s.amountDue(x) - x.amountPaid
			}
		}
		for _, x := range s.disputes.all {
			if slices.Contains([]string{"needs_response", "lost"}, x.status) {
				out.Disputed[x.currency] += x.amount
			}
		}
		live := 0
		for _, x := range s.customers.all {
			if !x.deleted {
				live++
			}
		}
		out.Count = map[string]int{"customers": live, "invoices": len(s.invoices.all), "charges": len(s.charges.all),
			"refunds": len(s.refunds.all), "credit_notes": len(s.creditNotes.all), "payment_intents": len(s.intents.all),
			"events": len(s.events.all), "payouts": len(s.payouts.all), "disputes": len(s.disputes.all)}
		home := s.balance()[0]
		out.Available, out.Pending = home.Available, home.Pending
		return nil
	})
	return out
}

// Advance moves the clock.
func (s *Server) Advance(d time.Duration) { s.clock.Advance(d) }
