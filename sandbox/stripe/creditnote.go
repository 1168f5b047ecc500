package stripe

import (
	"net/http"
)

// creditNote lowers what an invoice comes to. On an open invoice it lowers the
// amount due and the amount of the payment intent (pre_payment); on a paid one
// its total is refunded, credited to the balance, or settled elsewhere
// (post_payment): https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
type creditNote struct {
	id          string
	created     int64
	invoice     string
	customer    string
	currency    string
	number      string
	status      string // issued, void
	kind        string // pre_payment, post_payment
	amount      int64
	outOfBand   int64
	credited    int64
	refund      string
	reason      string
	memo        string
	metadata    map[string]string
	effectiveAt int64
	voidedAt    int64
	lines       []creditLine
}

type creditLine struct {
	id          string
	kind        string // custom_line_item, invoice_line_item
	line        string // of the invoice
	description string
	amount      int64
	quantity    int64 // 0: none given
	unit        int64
}

// settlement says how a credit note on a paid invoice is settled.
type settlement struct {
	refundAmount, credit, outOfBand int64
	refund                          *refund // made before
}

func (s *Server) createCreditNote(c *call) (obj, error) {
	x := creditNote{id: newID("cn"), created: s.now.Unix(), status: "issued", metadata: map[string]string{}, effectiveAt: s.now.Unix()}
	x.invoice = c.p.need("invoice")
	inv := named(c.p, &s.invoices, "invoice", "invoice", x.invoice)
	c.p.enum("reason", &x.reason, "duplicate", "fraudulent", "order_change", "product_unsatisfactory")
	c.p.str("memo", 5000, &x.memo)
	c.p.metadata(&x.metadata)
	c.p.intTo("effective_at", &x.effectiveAt)
	for _, in := range c.p.items("lines") {
		x.lines = append(x.lines, readCreditLine(in, inv))
	}
	c.p.intTo("amount", &x.amount)
	if !c.p.has("amount") && !c.p.has("lines") {
		c.p.fail(missingParam("amount"))
	}
	var sum int64
	for _, l := range x.lines {
		sum += l.amount
	}
	if c.p.has("amount") && c.p.has("lines") && sum != x.amount {
		c.p.fail(refuse("", "amount", "The amount (%d) must be the sum of the lines (%d).", x.amount, sum))
	}
	if c.p.has("lines") {
		x.amount = sum
	}
	how := s.readSettlement(c.p)
	c.p.refuseUnmodelled("shipping_cost")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	if err := s.issue(&x, inv, how); err != nil {
		return nil, err
	}
	return s.renderCreditNote(&x), nil
}

func readCreditLine(in *params, inv *invoice) creditLine {
	l := creditLine{id: newID("cnli")}
	in.need("type")
	in.enum("type", &l.kind, "custom_line_item", "invoice_line_item")
	in.str("description", 5000, &l.description)
	in.intTo("quantity", &l.quantity)
	in.intTo("unit_amount", &l.unit)
	in.intTo("amount", &l.amount)
	in.onlyEmpty("tax_rates", "tax_amounts")
	in.refuseUnmodelled("unit_amount_decimal")
	if l.kind == "invoice_line_item" {
		l.line = in.need("invoice_line_item")
		known := inv == nil
		for _, x := range invLines(inv) {
			known = known || x.line == l.line
		}
		if !known {
			in.fail(missingObject(http.StatusBadRequest, "line_item", in.full("invoice_line_item"), l.line))
		}
	} else if in.has("invoice_line_item") {
		in.need("invoice_line_item")
		in.fail(refuse("", in.full("invoice_line_item"), "A custom_line_item has no invoice_line_item."))
	}
	if !in.has("amount") {
		l.amount = l.quantity * l.unit
	}
	return l
}

func invLines(inv *invoice) []*invoiceItem {
	if inv == nil {
		return nil
	}
	return inv.items
}

func (s *Server) readSettlement(p *params) settlement {
	var how settlement
	p.intTo("refund_amount", &how.refundAmount)
	p.intTo("credit_amount", &how.credit)
	p.intTo("out_of_band_amount", &how.outOfBand)
	how.refund = named(p, &s.refunds, "refund", "refund", p.filter("refund"))
	for name, n := range map[string]int64{"refund_amount": how.refundAmount, "credit_amount": how.credit, "out_of_band_amount": how.outOfBand} {
		if n < 0 {
			p.fail(refuse("parameter_invalid_integer", name, "This value must be greater than or equal to 0."))
		}
	}
	return how
}

// issue checks a credit note against its invoice and carries it out.
func (s *Server) issue(x *creditNote, inv *invoice, how settlement) error {
	x.customer, x.currency = inv.customer, inv.currency
	if x.amount <= 0 {
		return refuse("parameter_invalid_integer", "amount", "The total of a credit note must be greater than 0.")
	}
	n := 1
	for _, other := range s.creditNotes.all {
		if other.invoice == inv.id {
			n++
		}
	}
	x.number = inv.number + "-CN-" + pad2(n)
	switch {
	case openInvoice(inv):
		return s.creditOpen(x, inv, how)
	case inv.status == statusPaid:
		return s.creditPaid(x, inv, how)
	}
	return refuse("", "invoice", "You can only credit an open or a paid invoice. This invoice is %s.", inv.status)
}

func pad2(n int) string {
	return string([]byte{'0' + byte(n/10%10), '0' + byte(n%10)})
}

// creditOpen lowers the amount due; at zero the invoice is paid.
func (s *Server) creditOpen(x *creditNote, inv *invoice, how settlement) error {
	if how != (settlement{}) {
		return refuse("", "", "refund_amount, credit_amount, out_of_band_amount and refund are for paid invoices.")
	}
	if err := s.mayChangeState(inv); err != nil {
		return err
	}
	left := s.amountDue(inv) - inv.amountPaid
	if x.amount > left {
		return refuse("amount_too_large", "amount", "The credit note amount (%d) is greater than the amount remaining on the invoice (%d).", x.amount, left)
	}
	if rest := left - x.amount; rest > 0 && s.belowMinimum(rest, inv.currency) {
		return refuse("amount_too_small", "amount", "The rest of the invoice (%d) would be below the minimum charge.", rest)
	}
	x.kind = "pre_payment"
	s.creditNotes.add(x.id, x)
	before := s.renderInvoice(inv)
	inv.preCredit += x.amount
	s.followAmount(inv)
	s.emit("credit_note.created", s.renderCreditNote(x), nil)
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	if s.amountDue(inv) == inv.amountPaid {
		s.cancelIntent(inv, "")
		s.markPaid(inv)
	}
	return nil
}

// followAmount sets the payment intent of an open invoice to what remains.
func (s *Server) followAmount(inv *invoice) {
	if pi, ok := s.intents.get(inv.intent); ok && pi.status == intentNeedsMethod {
		if rest := s.amountDue(inv) - inv.amountPaid; rest > 0 {
			pi.amount = rest
		}
	}
}

// creditPaid settles a credit note on a paid invoice.
func (s *Server) creditPaid(x *creditNote, inv *invoice, how settlement) error {
	sum := how.refundAmount + how.credit + how.outOfBand
	if how.refund != nil {
		sum += how.refund.amount
	}
	if sum != x.amount {
		return refuse("", "amount", "The sum of refund_amount, refund, credit_amount and out_of_band_amount (%d) must equal the credit note total (%d).", sum, x.amount)
	}
	if left := s.amountDue(inv) - inv.postCredit; x.amount > left {
		return refuse("amount_too_large", "amount", "The credit note amount (%d) is greater than what is left of the invoice (%d).", x.amount, left)
	}
	if how.refund != nil && how.refundAmount > 0 {
		return refuse("", "refund", "You may only specify one of refund and refund_amount.")
	}
	buyer, _ := s.customers.get(inv.customer)
	if how.credit > 0 && (buyer.deleted || s.balanceCurrency(buyer) != inv.currency) {
		return refuse("", "credit_amount", "The customer is deleted or has its balance in another currency.")
	}
	if how.refund != nil {
		if ch, _ := s.charges.get(how.refund.charge); ch == nil || ch.invoice != inv.id {
			return refuse("", "refund", "The refund does not belong to a charge of the invoice.")
		}
		x.refund = how.refund.id
	}
	if how.refundAmount > 0 {
		ch, ok := s.charges.get(inv.charge)
		if !ok {
			return refuse("", "refund_amount", "The invoice has no charge to refund.")
		}
		r, err := s.newRefund(ch, how.refundAmount, refundSucceeded, "requested_by_customer", map[string]string{})
		if err != nil {
			return err
		}
		x.refund = r.id
	}
	x.kind, x.outOfBand, x.credited = "post_payment", how.outOfBand, how.credit
	if how.credit > 0 {
		s.withCustomer(buyer, func() { buyer.balance -= how.credit })
	}
	s.creditNotes.add(x.id, x)
	before := s.renderInvoice(inv)
	inv.postCredit += x.amount
	s.emit("credit_note.created", s.renderCreditNote(x), nil)
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	return nil
}

// voidCreditNote takes a credit note on an open invoice back.
func (s *Server) voidCreditNote(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	x, err := found(c, &s.creditNotes, "credit_note")
	if err != nil {
		return nil, err
	}
	inv, ok := s.invoices.get(x.invoice)
	if !ok || x.status != "issued" || x.kind != "pre_payment" || !openInvoice(inv) {
		return nil, refuse("status_transition_invalid", "", "You can only void an issued credit note whose invoice is open.")
	}
	if err := s.mayChangeState(inv); err != nil {
		return nil, err
	}
	before := s.renderInvoice(inv)
	x.status, x.voidedAt = "void", s.now.Unix()
	inv.preCredit -= x.amount
	s.followAmount(inv)
	s.emit("credit_note.voided", s.renderCreditNote(x), nil)
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	return s.renderCreditNote(x), nil
}

func (s *Server) updateCreditNote(c *call) (obj, error) {
	x, err := found(c, &s.creditNotes, "credit_note")
	if err != nil {
		return nil, err
	}
	next := *x
	c.p.str("memo", 5000, &next.memo)
	c.p.metadata(&next.metadata)
	if err := c.p.done(); err != nil {
		return nil, err
	}
	before := s.renderCreditNote(x)
	*x = next
	s.emitChange("credit_note.updated", before, s.renderCreditNote(x))
	return s.renderCreditNote(x), nil
}

func (s *Server) getCreditNote(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	x, err := found(c, &s.creditNotes, "credit_note")
	if err != nil {
		return nil, err
	}
	return s.renderCreditNote(x), nil
}

func (s *Server) listCreditNotes(c *call) (obj, error) {
	created, owner, inv := c.p.span("created"), c.p.filter("customer"), c.p.filter("invoice")
	return page(c, listing[*creditNote]{noun: "credit_note", all: s.creditNotes.all,
		id: func(x *creditNote) string { return x.id },
		keep: func(x *creditNote) bool {
			return created.has(x.created) && matches(owner, x.customer) && matches(inv, x.invoice)
		},
		render: s.renderCreditNote})
}

func (s *Server) renderCreditNote(x *creditNote) obj {
	lines := []any{}
	for _, l := range x.lines {
		lines = append(lines, s.renderCreditLine(l))
	}
	var outOfBand any
	if x.outOfBand > 0 {
		outOfBand = x.outOfBand
	}
	return obj{
		"id": x.id, "object": "credit_note", "amount": x.amount, "amount_shipping": int64(0), "created": x.created, "currency": x.currency,
		"customer": s.customerRef(x.customer), "customer_balance_transaction": nil, "discount_amount": int64(0), "discount_amounts": []any{},
		"effective_at": unixOrNull(x.effectiveAt), "invoice": s.invoiceRef(x.invoice),
		"lines": embedded("/v1/credit_notes/"+x.id+"/lines", lines, false), "livemode": s.live, "memo": orNull(x.memo),
		"metadata": metadataObj(x.metadata), "number": x.number, "out_of_band_amount": outOfBand, "pdf": s.base + "/pay/credit_notes/" + x.id + "/pdf",
		"reason": orNull(x.reason), "refund": s.refundRef(x.refund), "shipping_cost": nil, "status": x.status, "subtotal": x.amount,
		"subtotal_excluding_tax": x.amount, "tax_amounts": []any{}, "total": x.amount, "total_excluding_tax": x.amount, "type": x.kind,
		"voided_at": unixOrNull(x.voidedAt),
	}
}

func (s *Server) renderCreditLine(l creditLine) obj {
	out := obj{"id": l.id, "object": "credit_note_line_item", "amount": l.amount, "amount_excluding_tax": l.amount,
		"description": orNull(l.description), "discount_amount": int64(0), "discount_amounts": []any{}, "livemode": s.live,
		"quantity": unixOrNull(l.quantity), "tax_amounts": []any{}, "tax_rates": []any{}, "type": l.kind, "unit_amount": nil,
		"unit_amount_decimal": nil, "unit_amount_excluding_tax": nil}
	if l.line != "" {
		out["invoice_line_item"] = l.line
	}
	return out
}
