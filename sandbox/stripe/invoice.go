package stripe

import (
	"net/http"
	"slices"
)

// The states of an invoice:
//
//	draft --DELETE--> gone
//	draft --finalize--> open, or paid when nothing is to be charged
//	open --customer pays, pay out of band, credited to zero--> paid
//	open --void--> void
//	open --mark_uncollectible--> uncollectible --pay--> paid, --void--> void
//
// paid and void are the end. A refund does not reopen an invoice.
const (
	statusDraft         = "draft"
	statusOpen          = "open"
	statusPaid          = "paid"
	statusVoid          = "void"
	statusUncollectible = "uncollectible"

	sendInvoice         = "send_invoice"
	chargeAutomatically = "charge_automatically"
)

type customField struct{ name, value string }

// invoice is what a customer is asked to pay. Its lines are its invoice items.
type invoice struct {
	id           string
	created      int64
	customer     string
	currency     string
	status       string
	method       string // collection_method
	number       string
	description  string
	footer       string
	descriptor   string
	dueDate      int64 // 0: none
	daysUntilDue int64 // counts when byDays
	byDays       bool  // due that many days after it is finalized
	effectiveAt  int64
	metadata     map[string]string
	fields       []customField
	methods      []string // payment_settings[payment_method_types]; nil: the account's
	discount     *discount
	items        []*invoiceItem

	// set when it is finalized
	frozen          customer // the customer as it was
	due             int64    // before credit notes
	startingBalance int64
	endingBalance   *int64
	intent          string
	finalizedAt     int64

	charge        string // the last one
	amountPaid    int64  // by charges; what is paid out of band is not in it
	outOfBand     bool
	preCredit     int64 // by credit notes while open
	postCredit    int64 // by credit notes after it was paid
	attempts      int64
	paidAt        int64
	voidedAt      int64
	uncollectedAt int64
}

// lines are the items in the order of the invoice.
func (inv *invoice) lines() []*invoiceItem {
	var swept, added []*invoiceItem
	for _, x := range inv.items {
		if x.swept {
			swept = append(swept, x)
		} else {
			added = append(added, x)
		}
	}
	slices.Reverse(swept)
	return append(swept, added...)
}

// sums adds up the lines and takes the discount off.
func (inv *invoice) sums() (subtotal, off, total int64) {
	var base int64
	for _, x := range inv.items {
		subtotal += x.amount
		if x.discountable {
			base += x.amount
		}
	}
	off = inv.discount.off(base, inv.currency)
	return subtotal, off, subtotal - off
}

// amountDue is what a customer has to pay, credit notes counted. Of a draft it
// is a preview.
func (s *Server) amountDue(inv *invoice) int64 {
	if inv.status == statusDraft {
		due, _, _ := s.applyBalance(inv)
		return due
	}
	return inv.due - inv.preCredit
}

func (s *Server) invoiceRef(id string) ref {
	return ref{id: id, load: func() obj {
		inv, ok := s.invoices.get(id)
		if !ok {
			return obj{"id": id, "object": "invoice", "deleted": true}
		}
		return s.renderInvoice(inv)
	}}
}

func (s *Server) getInvoice(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	inv, err := found(c, &s.invoices, "invoice")
	if err != nil {
		return nil, err
	}
	return s.renderInvoice(inv), nil
}

func (s *Server) listInvoices(c *call) (obj, error) {
	created, due := c.p.span("created"), c.p.span("due_date")
	owner := c.p.filter("customer")
	var status, method string
	c.p.enum("status", &status, statusDraft, statusOpen, statusPaid, statusVoid, statusUncollectible)
	c.p.enum("collection_method", &method, sendInvoice, chargeAutomatically)
	c.p.refuseUnmodelled("subscription")
	return page(c, listing[*invoice]{noun: "invoice", all: s.invoices.all,
		id: func(x *invoice) string { return x.id },
		keep: func(x *invoice) bool {
			return created.has(x.created) && (!due.set || due.has(x.dueDate)) && matches(owner, x.customer) &&
				matches(status, x.status) && matches(method, x.method)
		},
		render: s.renderInvoice})
}

func (s *Server) renderInvoice(inv *invoice) obj {
	subtotal, off, total := inv.sums()
	due := s.amountDue(inv)
	paid := inv.status == statusPaid
	out := obj{
		"id": inv.id, "object": "invoice", "account_country": accountCountry, "account_name": accountName, "account_tax_ids": nil,
		"amount_due": due, "amount_paid": inv.amountPaid, "amount_remaining": due - inv.amountPaid, "amount_shipping": int64(0),
		"application": nil, "application_fee_amount": nil, "attempt_count": inv.attempts, "attempted": inv.attempts > 0 || paid,
		"auto_advance": false, "automatic_tax": obj{"enabled": false, "liability": nil, "status": nil}, "billing_reason": "manual",
		"charge": s.chargeRef(inv.charge), "collection_method": inv.method, "created": inv.created, "currency": inv.currency,
		"custom_fields": inv.fieldList(), "customer": s.customerRef(inv.customer),
		"default_payment_method": nil, "default_source": nil, "default_tax_rates": []any{}, "description": orNull(inv.description),
		"discount": inv.discount.obj(inv.customer, ""), "discounts": s.discountList(inv), "due_date": unixOrNull(inv.dueDate),
		"effective_at": unixOrNull(inv.effectiveAt), "footer": orNull(inv.footer), "from_invoice": nil, "issuer": obj{"type": "self"},
		"last_finalization_error": nil, "latest_revision": nil, "lines": s.embeddedLines(inv), "livemode": s.live,
		"metadata": metadataObj(inv.metadata), "next_payment_attempt": nil, "number": orNull(inv.number), "on_behalf_of": nil,
		"paid": paid, "paid_out_of_band": inv.outOfBand, "payment_intent": s.intentRef(inv.intent),
		"payment_settings": obj{"default_mandate": nil, "payment_method_options": nil, "payment_method_types": inv.methodList()},
		"period_end":       inv.created, "period_start": inv.created, "post_payment_credit_notes_amount": inv.postCredit,
		"pre_payment_credit_notes_amount": inv.preCredit, "quote": nil, "receipt_number": nil, "rendering": nil,
		"shipping_cost": nil, "shipping_details": nil, "statement_descriptor": orNull(inv.descriptor), "status": inv.status,
		"status_transitions": obj{"finalized_at": unixOrNull(inv.finalizedAt), "marked_uncollectible_at": unixOrNull(inv.uncollectedAt),
			"paid_at": unixOrNull(inv.paidAt), "voided_at": unixOrNull(inv.voidedAt)},
		"subscription": nil, "subscription_details": nil, "subtotal": subtotal, "subtotal_excluding_tax": subtotal, "tax": nil,
		"test_clock": nil, "total": total, "total_discount_amounts": inv.discountAmounts(off), "total_excluding_tax": total,
		"total_tax_amounts": []any{}, "transfer_data": nil, "webhooks_delivered_at": nil,
	}
	s.renderBuyer(inv, out)
	return out
}

// renderBuyer adds what depends on the customer and on being finalized.
func (s *Server) renderBuyer(inv *invoice, out obj) {
	x := inv.frozen
	if inv.status == statusDraft {
		if now, ok := s.customers.get(inv.customer); ok {
			x = *now
		}
	}
	for k, v := range map[string]any{"customer_address": x.address.obj(), "customer_email": orNull(x.email), "customer_name": orNull(x.name),
		"customer_phone": orNull(x.phone), "customer_shipping": x.shipping.obj(), "customer_tax_exempt": orNull(x.taxExempt),
		"customer_tax_ids": s.taxIDList(inv)} {
		out[k] = v
	}
	out["hosted_invoice_url"], out["invoice_pdf"], out["ending_balance"] = nil, nil, nil
	_, out["starting_balance"], _ = s.applyBalance(inv)
	if inv.finalizedAt != 0 {
		link := s.hostedURL(inv)
		out["hosted_invoice_url"], out["invoice_pdf"] = link, link+"/pdf"
		out["starting_balance"], out["ending_balance"] = inv.startingBalance, *inv.endingBalance
	}
}

func (s *Server) taxIDList(inv *invoice) []any {
	out := []any{}
	for _, t := range s.taxIDs.all {
		if t.customer == inv.customer {
			out = append(out, obj{"type": t.kind, "value": t.value})
		}
	}
	return out
}

func (inv *invoice) fieldList() any {
	if len(inv.fields) == 0 {
		return nil
	}
	out := []any{}
	for _, f := range inv.fields {
		out = append(out, obj{"name": f.name, "value": f.value})
	}
	return out
}

func (inv *invoice) methodList() any {
	if inv.methods == nil {
		return nil
	}
	return strs(inv.methods)
}

func (s *Server) discountList(inv *invoice) []any {
	if inv.discount == nil {
		return []any{}
	}
	return []any{ref{id: inv.discount.id, load: func() obj {
		o, _ := inv.discount.obj(inv.customer, "").(obj)
		return o
	}}}
}

func (inv *invoice) discountAmounts(off int64) []any {
	if inv.discount == nil {
		return []any{}
	}
	return []any{obj{"amount": off, "discount": inv.discount.id}}
}

// embeddedLines shows the first ten lines; the others are listed by url.
func (s *Server) embeddedLines(inv *invoice) obj {
	lines := inv.lines()
	data := []any{}
	for _, x := range lines[:min(len(lines), limitDefault)] {
		data = append(data, s.renderLine(x))
	}
	return embedded("/v1/invoices/"+inv.id+"/lines", data, len(lines) > limitDefault)
}

// openInvoice finds an invoice that is neither draft, paid nor void.
func openInvoice(inv *invoice) bool {
	return inv.status == statusOpen || inv.status == statusUncollectible
}

func (s *Server) deleteInvoice(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	inv, err := found(c, &s.invoices, "invoice")
	if err != nil {
		return nil, err
	}
	if inv.status != statusDraft {
		return nil, &apiError{status: http.StatusBadRequest, typ: typeInvalidRequest, code: "invoice_not_editable",
			message: "You can only delete draft invoices."}
	}
	s.dropDraft(inv)
	return obj{"id": inv.id, "object": "invoice", "deleted": true}, nil
}

// dropDraft deletes a draft with its items; those that were pending before are
// pending again.
func (s *Server) dropDraft(inv *invoice) {
	last := s.renderInvoice(inv)
	for _, x := range inv.items {
		if x.swept {
			x.invoice, x.swept = "", false
		}
	}
	s.items.remove(func(x *invoiceItem) bool { return x.invoice == inv.id }, itemID)
	s.invoices.remove(func(x *invoice) bool { return x == inv }, func(x *invoice) string { return x.id })
	s.emit("invoice.deleted", last, nil)
}
