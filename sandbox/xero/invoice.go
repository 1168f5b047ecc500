package xero

import (
	"encoding/json"
	"strings"
	"time"
)

// Invoices: https://developer.xero.com/documentation/api/accounting/invoices

// rawNumber is a number that is written already.
func rawNumber(s string) json.RawMessage { return json.RawMessage(s) }

func readInvoice(c *call, f *fields) (docPatch, error) {
	p := docPatch{id: f.str("InvoiceID"), kind: f.str("Type"), number: f.str("InvoiceNumber"), status: f.str("Status"),
		reference: f.text("Reference"), url: f.text("Url"), contact: readContactRef(f.obj("Contact")), date: f.day("Date"),
		due: f.day("DueDate"), currency: f.str("CurrencyCode"), types: f.str("LineAmountTypes"), rate: f.rate("CurrencyRate"),
		hasRate: f.has("CurrencyRate"), hasLines: f.has("LineItems"), lines: readLines(f.list("LineItems"), c.places()), byApp: true}
	if f.has("SentToContact") {
		sent := f.boolean("SentToContact")
		p.sent = &sent
	}
	if err := f.finish(); err != nil {
		return p, err
	}
	if p.kind != "" && p.kind != kindSale && p.kind != kindBill {
		return p, refuse("Type %s is not ACCREC or ACCPAY", p.kind)
	}
	if p.url != nil && strings.Contains(strings.ToLower(*p.url), "xero") {
		return p, refuse("The Url must not contain xero")
	}
	if p.kind == kindBill && p.reference != nil {
		return p, notModelled("Reference on a bill")
	}
	return p, nil
}

func (c *call) putInvoices() (reply, error) {
	return c.write("Invoices", "InvoiceID", func(f *fields) (object, error) {
		p, err := readInvoice(c, f)
		if err != nil {
			return nil, err
		}
		if p.id != "" {
			return nil, notModelled("an InvoiceID in PUT /Invoices, which only creates")
		}
		return c.saveInvoice(nil, p)
	})
}

func (c *call) postInvoices() (reply, error) {
	one := func(f *fields) (object, error) {
		p, err := readInvoice(c, f)
		if err != nil {
			return nil, err
		}
		if c.id != "" {
			if p.id != "" && !strings.EqualFold(p.id, c.id) {
				return nil, notModelled("an InvoiceID that differs from the path")
			}
			p.id = c.id
		}
		if p.id != "" {
			old := c.s.invoice(p.id)
			if old == nil {
				return nil, notFound()
			}
			return c.saveInvoice(old, p)
		}
		if p.kind == kindBill {
			return c.saveInvoice(nil, p)
		}
		return c.saveInvoice(c.s.byNumber(kindSale, p.number), p)
	}
	if c.id != "" {
		return c.writeOne("Invoices", "InvoiceID", one)
	}
	return c.write("Invoices", "InvoiceID", one)
}

func (c *call) saveInvoice(old *document, p docPatch) (object, error) {
	if old == nil && p.kind == "" {
		return nil, refuse("The Type of the invoice must be specified")
	}
	d, err := c.s.save(old, p)
	if err != nil {
		return nil, err
	}
	o := d.invoiceView(true, c.places())
	if old == nil && d.allocated() == 0 {
		delete(o, "AmountCredited") // Xero leaves it out when it creates
	}
	return o, nil
}

// invoice finds one by its id or number.
func (s *Server) invoice(ref string) *document {
	if d := s.documents.get(ref); d != nil && d.isInvoice() {
		return d
	}
	return s.byNumber(kindSale, ref)
}

func (c *call) listInvoices() (reply, error) {
	ids, numbers, contacts, statuses := c.idSet("IDs"), c.idSet("InvoiceNumbers"), c.idSet("ContactIDs"), c.idSet("Statuses")
	term := strings.ToLower(c.query.Get("searchTerm"))
	summary := c.query.Get("summaryOnly") == "true"
	return list(c, listing[document]{plural: "Invoices", rows: c.s.documents.rows, cols: documentColumns("invoice"),
		updated: func(d *document) time.Time { return d.updated },
		id:      func(d *document) string { return d.id },
		paged:   summary || statuses != nil,
		only: func(d *document) bool {
			text := strings.ToLower(d.number + "\n" + d.reference + "\n" + d.contact.name)
			return d.isInvoice() && in(ids, d.id) && in(numbers, d.number) && in(contacts, d.contact.id) && in(statuses, d.status) &&
				(c.query.Get("createdByMyApp") != "true" || d.byApp) && strings.Contains(text, term)
		},
		view: func(d *document, full bool) object {
			o := d.invoiceView(full && !summary, c.places())
			if summary {
				for _, k := range []string{"LineItems", "Payments", "CreditNotes", "Overpayments", "Prepayments", "HasAttachments"} {
					delete(o, k)
				}
			}
			return o
		}})
}

func (c *call) getInvoice() (reply, error) {
	d := c.s.invoice(c.id)
	if d == nil {
		return reply{}, notFound()
	}
	return c.ok("Invoices", []object{d.invoiceView(true, c.places())}), nil
}

func (c *call) getOnlineInvoice() (reply, error) {
	d := c.s.invoice(c.id)
	if d == nil || d.kind != kindSale || d.status == statusDraft || d.status == statusDeleted {
		return reply{}, notFound()
	}
	url := "https://in.xero.com/" + strings.ReplaceAll(d.id, "-", "")
	return c.ok("OnlineInvoices", []object{{"OnlineInvoiceUrl": url}}), nil
}

// documentColumns are the fields that a filter on invoices, credit notes,
// overpayments or prepayments may name; noun begins the names of id and number.
func documentColumns(noun string) columns[document] {
	return columns[document]{
		noun + "id":             func(d *document) value { return guidValue(d.id) },
		noun + "number":         func(d *document) value { return textValue(d.number) },
		"type":                  func(d *document) value { return textValue(d.kind) },
		"status":                func(d *document) value { return textValue(d.status) },
		"reference":             func(d *document) value { return textValue(d.reference) },
		"contact.contactid":     func(d *document) value { return guidValue(d.contact.id) },
		"contact.name":          func(d *document) value { return textValue(d.contact.name) },
		"contact.contactnumber": func(d *document) value { return textValue(d.contact.number) },
		"date":                  func(d *document) value { return dayValue(d.date) },
		"duedate":               func(d *document) value { return dayValue(d.due) },
		"currencycode":          func(d *document) value { return textValue(d.currency) },
		"total":                 func(d *document) value { return sumValue(d.total) },
		"amountdue":             func(d *document) value { return sumValue(d.open()) },
		"amountpaid":            func(d *document) value { return sumValue(d.paid()) },
		"remainingcredit":       func(d *document) value { return sumValue(d.open()) },
		"updateddateutc":        func(d *document) value { return timeValue(d.updated) },
	}
}

// head is what all documents show. Lists without pages leave out lines and show
// a thin contact.
func (d *document) head(full bool, places int) object {
	o := object{"Type": d.kind, "Status": d.status, "LineAmountTypes": d.types, "CurrencyCode": d.currency, "CurrencyRate": d.rate,
		"SubTotal": d.subTotal, "TotalTax": d.tax, "Total": d.total, "HasAttachments": false,
		"Date": d.date.ms(), "DateString": d.date.iso(),
		"UpdatedDateUTC": msDate(d.updated), "UpdatedDateUTCString": zDate(d.updated),
		"LineItems": []object{}, "Payments": paymentStubs(d.payments)}
	if d.contact != nil { // a bank transfer has none
		o["Contact"] = d.contact.thin()
	}
	if full && d.contact != nil {
		o["LineItems"], o["Contact"] = lineViews(d.lines, places), d.contact.view(true)
	}
	if d.paidOn != "" {
		o["FullyPaidOnDate"] = d.paidOn.ms()
	}
	return o
}

func (d *document) invoiceView(full bool, places int) object {
	o := d.head(full, places)
	o["InvoiceID"], o["InvoiceNumber"] = d.id, d.number
	o["AmountDue"], o["AmountPaid"], o["AmountCredited"] = d.open(), d.paid(), d.allocated()
	o["SentToContact"], o["HasErrors"], o["InvoicePaymentServices"] = d.sent, false, []object{}
	if d.kind == kindSale {
		o["Reference"] = d.reference
	}
	if d.due != "" {
		o["DueDate"], o["DueDateString"] = d.due.ms(), d.due.iso()
	}
	if d.url != "" {
		o["Url"] = d.url
	}
	off := d.discount()
	if o["IsDiscounted"] = off != 0; off != 0 {
		o["TotalDiscount"] = off
	}
	applied := map[string][]object{"CreditNotes": {}, "Overpayments": {}, "Prepayments": {}}
	for _, a := range d.allocations {
		_, resource := a.credit.noun()
		applied[resource] = append(applied[resource], a.appliedView())
	}
	for k, v := range applied {
		o[k] = v
	}
	return o
}

// appliedView is a credit inside the invoice that it settles.
func (a *allocation) appliedView() object {
	x := a.credit
	o := object{"ID": x.id, "AppliedAmount": a.amount, "Total": x.total, "Date": a.date.ms(), "DateString": a.date.iso(),
		"HasErrors": false, "LineItems": []object{}}
	switch _, resource := x.noun(); resource {
	case "CreditNotes":
		o["CreditNoteID"], o["CreditNoteNumber"] = x.id, x.number
	case "Overpayments":
		o["OverpaymentID"] = x.id
	case "Prepayments":
		o["PrepaymentID"] = x.id
	}
	return o
}

// paymentStubs are the payments inside their document.
func paymentStubs(list []*payment) []object {
	out := []object{}
	for _, p := range list {
		if p.deleted {
			continue
		}
		o := object{"PaymentID": p.id, "Date": p.date.ms(), "Amount": p.amount, "CurrencyRate": p.rate,
			"HasAccount": false, "HasValidationErrors": false}
		if p.reference != "" {
			o["Reference"] = p.reference
		}
		out = append(out, o)
	}
	return out
}
