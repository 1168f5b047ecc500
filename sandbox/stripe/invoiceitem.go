package stripe

import (
	"math/big"
	"net/http"
	"regexp"
	"strings"
)

const linesMax = 250 // of one invoice

// invoiceItem becomes a line of an invoice. Without an invoice it is pending and
// waits for the customer's next invoice that includes pending items.
type invoiceItem struct {
	id           string
	line         string // id of the line
	price        string // ids of the price and product made for it
	product      string
	created      int64
	customer     string
	invoice      string
	swept        bool // was pending before it came to the invoice
	currency     string
	amount       int64 // signed
	unit         string
	quantity     int64
	description  string
	discountable bool
	metadata     map[string]string
	start, end   int64 // period
}

func itemID(i *invoiceItem) string { return i.id }

var decimalShape = regexp.MustCompile(`^-?\d{1,15}(\.\d{1,12})?$`)

// readItem reads what create and update share into next.
func (s *Server) readItem(p *params, next *invoiceItem) {
	p.str("description", 5000, &next.description)
	p.metadata(&next.metadata)
	if in, ok := p.sub("period"); ok {
		in.need("start")
		in.need("end")
		in.intTo("start", &next.start)
		in.intTo("end", &next.end)
		if next.end < next.start {
			p.fail(refuse("", "period", "The period must end after it starts."))
		}
	}
	s.readItemAmount(p, next)
	p.boolean("discountable", &next.discountable)
	p.onlyEmpty("tax_rates", "discounts")
	p.refuseUnmodelled("price", "price_data", "subscription", "tax_behavior", "tax_code")
}

// readItemAmount reads amount, or a unit price times a quantity.
func (s *Server) readItemAmount(p *params, next *invoiceItem) {
	if p.has("quantity") {
		p.intTo("quantity", &next.quantity)
		if next.quantity < 0 {
			p.fail(refuse("parameter_invalid_integer", "quantity", "This value must be greater than or equal to 0."))
		}
	}
	unitSent := p.has("unit_amount") || p.has("unit_amount_decimal")
	if p.has("amount") {
		if unitSent || p.has("quantity") {
			p.fail(refuse("", "amount", "You may only specify one of amount, and unit_amount with quantity."))
		}
		p.intTo("amount", &next.amount)
		next.quantity = 1
		next.unit = big.NewInt(next.amount).String()
		return
	}
	if p.has("unit_amount") {
		n, _ := p.integer("unit_amount")
		next.unit = big.NewInt(n).String()
	}
	p.str("unit_amount_decimal", 30, &next.unit)
	unit, ok := new(big.Rat).SetString(next.unit)
	if next.unit != "" && (!decimalShape.MatchString(next.unit) || !ok) {
		p.fail(refuse("parameter_invalid_string", "unit_amount_decimal", "Invalid decimal: %s; at most 12 decimal places.", next.unit))
		return
	}
	if next.unit != "" && (unitSent || p.has("quantity")) {
		next.amount = roundRat(unit.Mul(unit, big.NewRat(next.quantity, 1)))
	}
}

// onlyEmpty accepts lists that clear something, and refuses others.
func (p *params) onlyEmpty(names ...string) {
	for _, name := range names {
		if p.cleared(name) {
			p.child(name)
			continue
		}
		p.refuseUnmodelled(name)
	}
}

func (s *Server) createItem(c *call) (obj, error) {
	next := invoiceItem{id: newID("ii"), line: newID("il"), price: newID("price"), product: newID("prod"), created: s.now.Unix(),
		quantity: 1, metadata: map[string]string{}, start: s.now.Unix(), end: s.now.Unix()}
	owner := s.liveCustomer(c.p, "customer")
	next.invoice = c.p.filter("invoice")
	inv := named(c.p, &s.invoices, "invoice", "invoice", next.invoice)
	next.currency = c.p.currency("currency")
	if !c.p.has("amount") && !c.p.has("unit_amount") && !c.p.has("unit_amount_decimal") {
		c.p.fail(missingParam("amount"))
	}
	s.readItem(c.p, &next)
	if !c.p.has("discountable") {
		next.discountable = next.amount >= 0
	}
	if err := c.p.done(); err != nil {
		return nil, err
	}
	next.customer = owner.id
	if err := s.placeItem(&next, owner, inv); err != nil {
		return nil, err
	}
	return s.renderItem(&next), nil
}

// placeItem checks an item against its invoice and adds it.
func (s *Server) placeItem(x *invoiceItem, owner *customer, inv *invoice) error {
	if x.currency == "" {
		x.currency = s.balanceCurrency(owner)
		if inv != nil {
			x.currency = inv.currency
		}
	}
	if inv == nil {
		s.items.add(x.id, x)
		s.emit("invoiceitem.created", s.renderItem(x), nil)
		return nil
	}
	switch {
	case inv.status != statusDraft:
		return notEditable("invoice", inv)
	case inv.customer != owner.id:
		return refuse("", "invoice", "The invoice %s does not belong to the customer %s.", inv.id, owner.id)
	case inv.currency != x.currency:
		return refuse("", "currency", "The currency of the invoice item (%s) must match the currency of the invoice (%s).", x.currency, inv.currency)
	case len(inv.items) >= linesMax:
		return refuse("", "invoice", "An invoice can have at most %d line items.", linesMax)
	}
	before := s.renderInvoice(inv)
	s.items.add(x.id, x)
	inv.items = append(inv.items, x)
	s.emit("invoiceitem.created", s.renderItem(x), nil)
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
	return nil
}

func notEditable(param string, inv *invoice) error {
	return refuse("invoice_not_editable", param, "This invoice is no longer editable: it is %s.", inv.status)
}

// itemInvoice is the draft of an item that shall change, or nil when it is
// pending.
func (s *Server) itemInvoice(x *invoiceItem) (*invoice, error) {
	inv, ok := s.invoices.get(x.invoice)
	if ok && inv.status != statusDraft {
		return nil, notEditable("", inv)
	}
	return inv, nil
}

func (s *Server) updateItem(c *call) (obj, error) {
	x, err := found(c, &s.items, "invoiceitem")
	if err != nil {
		return nil, err
	}
	inv, err := s.itemInvoice(x)
	if err != nil {
		return nil, err
	}
	next := *x
	s.readItem(c.p, &next)
	if err := c.p.done(); err != nil {
		return nil, err
	}
	before := s.renderItem(x)
	s.withInvoice(inv, func() { *x = next })
	s.emitChange("invoiceitem.updated", before, s.renderItem(x))
	return s.renderItem(x), nil
}

// withInvoice does something that changes the sums of a draft, if there is one.
func (s *Server) withInvoice(inv *invoice, f func()) {
	if inv == nil {
		f()
		return
	}
	before := s.renderInvoice(inv)
	f()
	s.emitChange("invoice.updated", before, s.renderInvoice(inv))
}

func (s *Server) deleteItem(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	x, err := found(c, &s.items, "invoiceitem")
	if err != nil {
		return nil, err
	}
	inv, err := s.itemInvoice(x)
	if err != nil {
		return nil, err
	}
	last := s.renderItem(x)
	s.withInvoice(inv, func() {
		if inv != nil {
			inv.items = without(inv.items, x)
		}
		s.items.remove(func(i *invoiceItem) bool { return i == x }, itemID)
	})
	s.emit("invoiceitem.deleted", last, nil)
	return obj{"id": x.id, "object": "invoiceitem", "deleted": true}, nil
}

func without(list []*invoiceItem, x *invoiceItem) []*invoiceItem {
	out := make([]*invoiceItem, 0, len(list))
	for _, i := range list {
		if i != x {
			out = append(out, i)
		}
	}
	return out
}

func (s *Server) getItem(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	x, err := found(c, &s.items, "invoiceitem")
	if err != nil {
		return nil, err
	}
	return s.renderItem(x), nil
}

func (s *Server) listItems(c *call) (obj, error) {
	created, owner, inv := c.p.span("created"), c.p.filter("customer"), c.p.filter("invoice")
	var pending bool
	c.p.boolean("pending", &pending)
	filtered := c.p.has("pending")
	return page(c, listing[*invoiceItem]{noun: "invoiceitem", all: s.items.all, id: itemID,
		keep: func(x *invoiceItem) bool {
			return created.has(x.created) && matches(owner, x.customer) && matches(inv, x.invoice) &&
				(!filtered || pending == (x.invoice == ""))
		},
		render: s.renderItem})
}

// listLines pages through the lines of an invoice in their own order: what was
// pending first, then the others as they were added.
func (s *Server) listLines(c *call) (obj, error) {
	inv, ok := s.invoices.get(c.args[0])
	if !ok {
		return nil, missingObject(http.StatusNotFound, "invoice", "id", c.args[0])
	}
	lines := inv.lines()
	for i, j := 0, len(lines)-1; i < j; i, j = i+1, j-1 { // page shows the last first
		lines[i], lines[j] = lines[j], lines[i]
	}
	return page(c, listing[*invoiceItem]{noun: "line_item", all: lines,
		id:     func(x *invoiceItem) string { return x.line },
		keep:   func(*invoiceItem) bool { return true },
		render: s.renderLine})
}

func (s *Server) itemRef(x *invoiceItem) ref {
	return ref{id: x.id, load: func() obj { return s.renderItem(x) }}
}

func (s *Server) renderItem(x *invoiceItem) obj {
	return obj{
		"id": x.id, "object": "invoiceitem", "amount": x.amount, "currency": x.currency, "customer": s.customerRef(x.customer),
		"date": x.created, "description": orNull(x.description), "discountable": x.discountable, "discounts": []any{},
		"invoice": s.invoiceRef(x.invoice), "livemode": s.live, "metadata": metadataObj(x.metadata),
		"period": obj{"start": x.start, "end": x.end}, "price": s.renderPrice(x), "proration": false,
		"quantity": x.quantity, "subscription": nil, "tax_rates": []any{}, "test_clock": nil,
		"unit_amount": x.unitAmount(), "unit_amount_decimal": x.unit,
	}
}

// unitAmount is null when the unit price has decimals.
func (x *invoiceItem) unitAmount() any {
	r, ok := new(big.Rat).SetString(x.unit)
	if !ok || !r.IsInt() {
		return nil
	}
	return r.Num().Int64()
}

func (s *Server) renderPrice(x *invoiceItem) obj {
	return obj{"id": x.price, "object": "price", "active": false, "billing_scheme": "per_unit", "created": x.created,
		"currency": x.currency, "custom_unit_amount": nil, "livemode": s.live, "lookup_key": nil, "metadata": obj{},
		"nickname": nil, "product": x.product, "recurring": nil, "tax_behavior": "unspecified", "tiers_mode": nil,
		"transform_quantity": nil, "type": "one_time", "unit_amount": x.unitAmount(), "unit_amount_decimal": x.unit}
}

func (s *Server) renderLine(x *invoiceItem) obj {
	return obj{
		"id": x.line, "object": "line_item", "amount": x.amount, "amount_excluding_tax": x.amount, "currency": x.currency,
		"description": orNull(x.description), "discount_amounts": []any{}, "discountable": x.discountable, "discounts": []any{},
		"invoice": x.invoice, "invoice_item": s.itemRef(x), "livemode": s.live, "metadata": metadataObj(x.metadata),
		"period": obj{"start": x.start, "end": x.end}, "price": s.renderPrice(x), "proration": false,
		"proration_details": obj{"credited_items": nil}, "quantity": x.quantity, "subscription": nil, "tax_amounts": []any{},
		"tax_rates": []any{}, "type": "invoiceitem", "unit_amount_excluding_tax": strings.TrimSuffix(x.unit, ".0"),
	}
}
