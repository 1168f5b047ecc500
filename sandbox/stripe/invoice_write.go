package stripe

import (
	"slices"
	"time"
)

// Limits of an invoice's fields.
const (
	memoMax       = 1500
	footerMax     = 5000
	invoiceNumMax = 26
	descriptorMax = 22
	fieldsMax     = 4
	fieldNameMax  = 30
	fieldValueMax = 30
	dueDaysMax    = 365 * 5
)

// paymentMethodTypes may be offered on an invoice.
var paymentMethodTypes = []string{"ach_credit_transfer", "ach_debit", "acss_debit", "au_becs_debit", "bacs_debit", "bancontact", "boleto",
	"card", "cashapp", "customer_balance", "eps", "fpx", "giropay", "grabpay", "ideal", "konbini", "link", "p24", "paynow", "paypal",
	"promptpay", "revolut_pay", "sepa_debit", "sofort", "us_bank_account", "wechat_pay"}

// frozenFields can be changed in a draft only.
var frozenFields = []string{"collection_method", "due_date", "days_until_due", "footer", "number", "custom_fields", "statement_descriptor",
	"effective_at", "payment_settings", "discounts", "automatic_tax", "default_tax_rates", "pending_invoice_items_behavior"}

// readInvoice reads what create and update share into next.
func (s *Server) readInvoice(p *params, next *invoice) {
	p.str("description", memoMax, &next.description)
	p.str("footer", footerMax, &next.footer)
	p.str("statement_descriptor", descriptorMax, &next.descriptor)
	p.intTo("effective_at", &next.effectiveAt)
	p.metadata(&next.metadata)
	s.readNumber(p, next)
	s.readDue(p, next)
	next.readFields(p)
	var advance, tax bool
	if p.boolean("auto_advance", &advance); advance {
		p.fail(notModelled("auto_advance", "automatic collection (auto_advance=true)"))
	}
	if in, ok := p.sub("automatic_tax"); ok {
		in.boolean("enabled", &tax)
		if tax {
			p.fail(notModelled("automatic_tax[enabled]", "automatic tax"))
		}
	}
	if in, ok := p.sub("payment_settings"); ok {
		next.readMethods(in)
	}
	if p.cleared("discounts") {
		next.discount = nil
	}
	p.onlyEmpty("discounts", "default_tax_rates", "account_tax_ids")
	p.refuseUnmodelled("application_fee_amount", "default_payment_method", "default_source", "from_invoice", "issuer", "on_behalf_of",
		"rendering", "rendering_options", "shipping_cost", "shipping_details", "subscription", "transfer_data")
}

func (inv *invoice) readMethods(in *params) {
	list, sent := in.strings("payment_method_types")
	in.refuseUnmodelled("default_mandate", "payment_method_options")
	if !sent {
		return
	}
	inv.methods = list
	for _, m := range list {
		if !slices.Contains(paymentMethodTypes, m) {
			in.fail(refuse("", in.full("payment_method_types"), "Invalid payment_method_types: %s", m))
		}
	}
	if len(list) == 0 {
		inv.methods = nil
	}
}

func (s *Server) readNumber(p *params, next *invoice) {
	p.str("number", invoiceNumMax, &next.number)
	if !p.has("number") || next.number == "" {
		return
	}
	for _, other := range s.invoices.all {
		if other.number == next.number && other.id != next.id {
			p.fail(refuse("", "number", "An invoice with the number %s exists already.", next.number))
		}
	}
}

// readDue reads the collection method and when payment is due, and checks that
// they fit together.
func (s *Server) readDue(p *params, next *invoice) {
	p.enum("collection_method", &next.method, sendInvoice, chargeAutomatically)
	if p.has("due_date") && p.has("days_until_due") {
		p.fail(refuse("", "due_date", "You may only specify one of due_date and days_until_due."))
	}
	if p.has("due_date") {
		p.intTo("due_date", &next.dueDate)
		next.byDays = false
		if next.dueDate <= s.now.Unix() {
			p.fail(refuse("", "due_date", "Invalid timestamp: must be an integer Unix timestamp in the future."))
		}
	}
	if p.has("days_until_due") {
		p.intTo("days_until_due", &next.daysUntilDue)
		next.byDays = true
		if next.daysUntilDue < 0 || next.daysUntilDue > dueDaysMax {
			p.fail(refuse("parameter_invalid_integer", "days_until_due", "This value must be between 0 and %d: days_until_due", dueDaysMax))
		}
		next.dueDate = next.dueInDays(s.now)
	}
	due := next.dueDate != 0
	switch {
	case next.method == sendInvoice && !due:
		p.fail(refuse("", "days_until_due", "If the collection method is send_invoice, you must provide due_date or days_until_due."))
	case next.method == chargeAutomatically && due:
		p.fail(refuse("", "due_date", "You can only set due_date or days_until_due if the collection method is send_invoice."))
	}
	if x, ok := s.customers.get(next.customer); ok && next.method == sendInvoice && x.email == "" {
		p.fail(refuse("", "", "Missing email. In order to create invoices that are sent to the customer, the customer must have a valid email."))
	}
}

func (inv *invoice) dueInDays(now time.Time) int64 {
	return now.Add(time.Duration(inv.daysUntilDue) * 24 * time.Hour).Unix()
}

func (inv *invoice) readFields(p *params) {
	if !p.has("custom_fields") {
		return
	}
	if p.cleared("custom_fields") {
		p.child("custom_fields")
		inv.fields = nil
		return
	}
	inv.fields = nil
	for _, in := range p.items("custom_fields") {
		f := customField{name: in.need("name"), value: in.need("value")}
		in.str("name", fieldNameMax, &f.name)
		in.str("value", fieldValueMax, &f.value)
		inv.fields = append(inv.fields, f)
	}
	if len(inv.fields) > fieldsMax {
		p.fail(refuse("", "custom_fields", "An invoice can have at most %d custom fields.", fieldsMax))
	}
}

func (s *Server) createInvoice(c *call) (obj, error) {
	next := invoice{id: newID("in"), created: s.now.Unix(), status: statusDraft, method: chargeAutomatically, metadata: map[string]string{}}
	owner := s.liveCustomer(c.p, "customer")
	if owner != nil {
		next.discount = owner.discount // inherited unless discounts is sent empty
		next.customer = owner.id
		next.currency = s.balanceCurrency(owner)
	}
	if cur := c.p.currency("currency"); cur != "" {
		next.currency = cur
	}
	pending := "exclude"
	c.p.enum("pending_invoice_items_behavior", &pending, "include", "exclude", "include_and_require")
	s.readInvoice(c.p, &next)
	if err := c.p.done(); err != nil {
		return nil, err
	}
	inv := &next
	s.invoices.add(inv.id, inv)
	if pending != "exclude" {
		s.sweep(inv)
	}
	s.emit("invoice.created", s.renderInvoice(inv), nil)
	return s.renderInvoice(inv), nil
}

// sweep takes in the pending items of the customer in the invoice's currency.
func (s *Server) sweep(inv *invoice) {
	for _, x := range s.items.all {
		if x.customer == inv.customer && x.invoice == "" && x.currency == inv.currency && len(inv.items) < linesMax {
			x.invoice, x.swept = inv.id, true
			inv.items = append(inv.items, x)
		}
	}
}

func (s *Server) updateInvoice(c *call) (obj, error) {
	inv, err := found(c, &s.invoices, "invoice")
	if err != nil {
		return nil, err
	}
	if inv.status != statusDraft {
		for _, name := range frozenFields {
			if c.p.has(name) {
				return nil, notEditable(name, inv)
			}
		}
	}
	next := *inv
	if inv.status == statusDraft {
		s.readInvoice(c.p, &next)
	} else {
		var advance bool
		c.p.str("description", memoMax, &next.description)
		c.p.metadata(&next.metadata)
		if c.p.boolean("auto_advance", &advance); advance {
			c.p.fail(notModelled("auto_advance", "automatic collection (auto_advance=true)"))
		}
	}
	if err := c.p.done(); err != nil {
		return nil, err
	}
	before := s.renderInvoice(inv)
	*inv = next
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	return s.renderInvoice(inv), nil
}
