package stripe

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
)

// Limits of a customer's fields.
const (
	nameMax        = 256
	emailMax       = 512
	phoneMax       = 20
	descriptionMax = 5000
	addressMax     = 5000
)

// customer may share its email with others; ids are never used twice.
type customer struct {
	id          string
	created     int64
	deleted     bool
	name        string
	email       string
	phone       string
	description string
	address     *address
	shipping    *shipping
	metadata    map[string]string
	balance     int64  // negative: credit; in its currency
	currency    string // of its first invoice; empty before
	discount    *discount
	taxExempt   string
	locales     []string
	prefix      string // of invoice numbers
	sequence    int64  // of the next invoice
	footer      string
}

type address struct{ line1, line2, city, state, postalCode, country string }

type shipping struct {
	name, phone string
	address     address
}

func (a *address) obj() any {
	if a == nil {
		return nil
	}
	return obj{"city": orNull(a.city), "country": orNull(a.country), "line1": orNull(a.line1), "line2": orNull(a.line2),
		"postal_code": orNull(a.postalCode), "state": orNull(a.state)}
}

func (x *shipping) obj() any {
	if x == nil {
		return nil
	}
	return obj{"address": x.address.obj(), "name": orNull(x.name), "phone": orNull(x.phone), "carrier": nil, "tracking_number": nil}
}

// readAddress merges the fields sent into a copy of the address.
func (p *params) readAddress(name string, to **address) {
	if p.cleared(name) {
		p.child(name)
		*to = nil
		return
	}
	in, ok := p.sub(name)
	if !ok {
		return
	}
	a := address{}
	if *to != nil {
		a = **to
	}
	for field, at := range map[string]*string{"line1": &a.line1, "line2": &a.line2, "city": &a.city, "state": &a.state,
		"postal_code": &a.postalCode, "country": &a.country} {
		in.str(field, addressMax, at)
	}
	*to = &a
}

func (p *params) readShipping(to **shipping) {
	if p.cleared("shipping") {
		p.child("shipping")
		*to = nil
		return
	}
	in, ok := p.sub("shipping")
	if !ok {
		return
	}
	x := shipping{}
	in.str("name", nameMax, &x.name)
	in.str("phone", phoneMax, &x.phone)
	a := &address{}
	in.readAddress("address", &a)
	if a != nil {
		x.address = *a
	}
	if x.name == "" {
		p.fail(missingParam("shipping[name]"))
	}
	*to = &x
}

// readCustomer reads what create and update share into next.
func (s *Server) readCustomer(p *params, next *customer) {
	p.str("name", nameMax, &next.name)
	p.str("email", emailMax, &next.email)
	p.str("phone", phoneMax, &next.phone)
	p.str("description", descriptionMax, &next.description)
	if next.email != "" && !looksLikeEmail(next.email) {
		p.fail(refuse("email_invalid", "email", "Invalid email address: %s", next.email))
	}
	p.readAddress("address", &next.address)
	p.readShipping(&next.shipping)
	p.metadata(&next.metadata)
	p.intTo("balance", &next.balance)
	p.intTo("next_invoice_sequence", &next.sequence)
	p.str("invoice_prefix", 12, &next.prefix)
	p.enum("tax_exempt", &next.taxExempt, "none", "exempt", "reverse", "")
	if list, sent := p.strings("preferred_locales"); sent {
		next.locales = list
	}
	if in, ok := p.sub("invoice_settings"); ok {
		in.str("footer", 5000, &next.footer)
		in.refuseUnmodelled("custom_fields", "default_payment_method", "rendering_options")
	}
	p.refuseUnmodelled("cash_balance", "coupon", "default_source", "payment_method", "promotion_code", "source", "tax", "test_clock", "validate")
}

// looksLikeEmail is the part of the check that is certain: one @ with something
// on both sides, and no space.
func looksLikeEmail(s string) bool {
	name, host, ok := strings.Cut(s, "@")
	return ok && name != "" && host != "" && !strings.ContainsAny(s, " \t\r\n") && !strings.Contains(host, "@")
}

func (s *Server) createCustomer(c *call) (obj, error) {
	next := customer{id: newID("cus"), created: s.now.Unix(), metadata: map[string]string{}, taxExempt: "none",
		prefix: rand.Text()[:8], sequence: 1}
	s.readCustomer(c.p, &next)
	var taxes []*taxID
	for _, in := range c.p.items("tax_id_data") {
		taxes = append(taxes, s.readTaxID(in, next.id))
	}
	if err := c.p.done(); err != nil {
		return nil, err
	}
	s.customers.add(next.id, &next)
	for _, t := range taxes {
		s.taxIDs.add(t.id, t)
	}
	s.index(&next)
	s.emit("customer.created", s.renderCustomer(&next), nil)
	return s.renderCustomer(&next), nil
}

func (s *Server) updateCustomer(c *call) (obj, error) {
	x, err := found(c, &s.customers, "customer")
	if err == nil && x.deleted {
		err = missingObject(http.StatusNotFound, "customer", "id", x.id)
	}
	if err != nil {
		return nil, err
	}
	next := *x
	s.readCustomer(c.p, &next)
	if err := c.p.done(); err != nil {
		return nil, err
	}
	s.commitCustomer(x, next)
	return s.renderCustomer(x), nil
}

// commitCustomer replaces a customer and tells of it when something changed.
func (s *Server) commitCustomer(x *customer, next customer) {
	before := s.renderCustomer(x)
	*x = next
	s.index(x)
	s.emitChange("customer.updated", before, s.renderCustomer(x))
}

func (s *Server) getCustomer(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	x, err := found(c, &s.customers, "customer")
	if err != nil {
		return nil, err
	}
	return s.renderCustomer(x), nil
}

func (s *Server) deleteCustomer(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	x, err := found(c, &s.customers, "customer")
	if err == nil && x.deleted {
		err = missingObject(http.StatusNotFound, "customer", "id", x.id)
	}
	if err != nil {
		return nil, err
	}
	s.dropCustomer(x)
	return s.renderCustomer(x), nil
}

// dropCustomer deletes for good, with the drafts and pending items. The event
// carries the last full object.
func (s *Server) dropCustomer(x *customer) {
	last := s.renderCustomer(x)
	for _, inv := range s.invoices.all {
		if inv.customer == x.id && inv.status == statusDraft {
			s.dropDraft(inv)
		}
	}
	s.items.remove(func(i *invoiceItem) bool { return i.customer == x.id && i.invoice == "" }, itemID)
	x.deleted = true
	s.index(x)
	s.emit("customer.deleted", last, nil)
}

func (s *Server) listCustomers(c *call) (obj, error) {
	created, email := c.p.span("created"), c.p.filter("email")
	c.p.refuseUnmodelled("test_clock")
	return page(c, listing[*customer]{noun: "customer", all: s.customers.all,
		id: func(x *customer) string { return x.id },
		keep: func(x *customer) bool {
			return !x.deleted && created.has(x.created) && matches(email, x.email)
		},
		render: s.renderCustomer})
}

func (s *Server) customerRef(id string) ref {
	return ref{id: id, load: func() obj {
		x, _ := s.customers.get(id)
		return s.renderCustomer(x)
	}}
}

func (s *Server) renderCustomer(x *customer) obj {
	if x.deleted {
		return obj{"id": x.id, "object": "customer", "deleted": true}
	}
	return obj{
		"id": x.id, "object": "customer", "address": x.address.obj(), "balance": x.balance, "created": x.created,
		"currency": orNull(x.currency), "default_source": nil, "delinquent": false, "description": orNull(x.description),
		"discount": x.discount.obj(x.id, ""), "email": orNull(x.email), "invoice_prefix": x.prefix,
		"invoice_settings": obj{"custom_fields": nil, "default_payment_method": nil, "footer": orNull(x.footer), "rendering_options": nil},
		"livemode":         s.live, "metadata": metadataObj(x.metadata), "name": orNull(x.name),
		"next_invoice_sequence": x.sequence, "phone": orNull(x.phone), "preferred_locales": strs(x.locales),
		"shipping": x.shipping.obj(), "tax_exempt": x.taxExempt, "test_clock": nil,
		"tax_ids": lazy{func() any { return s.embeddedTaxIDs(x) }},
	}
}

// balanceCurrency is the currency in which the customer's balance is kept.
func (s *Server) balanceCurrency(x *customer) string {
	if x.currency == "" {
		return s.cfg.DefaultCurrency
	}
	return x.currency
}

// liveCustomer reads a required customer parameter that must not be deleted.
func (s *Server) liveCustomer(p *params, name string) *customer {
	id := p.need(name)
	x := named(p, &s.customers, "customer", name, id)
	if x != nil && x.deleted {
		p.fail(missingObject(http.StatusBadRequest, "customer", name, id))
	}
	return x
}

// nextNumber takes the next invoice number of the customer: prefix and sequence.
func (x *customer) nextNumber() string {
	n := fmt.Sprintf("%s-%04d", x.prefix, x.sequence)
	x.sequence++
	return n
}
