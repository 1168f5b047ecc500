package xero

import (
	"errors"
	"strings"
	"time"
)

// Credit notes: https://developer.xero.com/documentation/api/accounting/creditnotes
// A credit note is used up by allocations to invoices and by payments, which
// are refunds.

func readCreditNote(c *call, f *fields) (docPatch, error) {
	p := docPatch{id: f.str("CreditNoteID"), kind: f.str("Type"), number: f.str("CreditNoteNumber"), status: f.str("Status"),
		reference: f.text("Reference"), contact: readContactRef(f.obj("Contact")), date: f.day("Date"),
		currency: f.str("CurrencyCode"), types: f.str("LineAmountTypes"), rate: f.rate("CurrencyRate"),
		hasRate: f.has("CurrencyRate"), hasLines: f.has("LineItems"), lines: readLines(f.list("LineItems"), c.places()), byApp: true}
	if f.has("SentToContact") {
		sent := f.boolean("SentToContact")
		p.sent = &sent
	}
	if err := f.finish(); err != nil {
		return p, err
	}
	if p.kind == kindSupplierCredit {
		return p, notModelled("Type %s", p.kind)
	}
	if p.kind != "" && p.kind != kindCredit {
		return p, refuse("Type %s is not ACCRECCREDIT or ACCPAYCREDIT", p.kind)
	}
	return p, nil
}

func (c *call) putCreditNotes() (reply, error) {
	return c.write("CreditNotes", "CreditNoteID", func(f *fields) (object, error) {
		p, err := readCreditNote(c, f)
		if err != nil {
			return nil, err
		}
		if p.id != "" {
			return nil, notModelled("a CreditNoteID in PUT /CreditNotes, which only creates")
		}
		return c.saveCreditNote(nil, p)
	})
}

func (c *call) postCreditNotes() (reply, error) {
	one := func(f *fields) (object, error) {
		p, err := readCreditNote(c, f)
		if err != nil {
			return nil, err
		}
		if c.id != "" {
			if p.id != "" && !strings.EqualFold(p.id, c.id) {
				return nil, notModelled("a CreditNoteID that differs from the path")
			}
			p.id = c.id
		}
		old := c.s.byNumber(kindCredit, p.number)
		if p.id != "" {
			if old = c.s.creditNote(p.id); old == nil {
				return nil, notFound()
			}
		}
		return c.saveCreditNote(old, p)
	}
	if c.id != "" {
		return c.writeOne("CreditNotes", "CreditNoteID", one)
	}
	return c.write("CreditNotes", "CreditNoteID", one)
}

func (c *call) saveCreditNote(old *document, p docPatch) (object, error) {
	if old == nil && p.kind == "" {
		return nil, refuse("The Type of the credit note must be specified")
	}
	d, err := c.s.save(old, p)
	if err != nil {
		return nil, err
	}
	return d.creditView(true, c.places()), nil
}

// creditNote finds one by its id or number.
func (s *Server) creditNote(ref string) *document {
	if d := s.documents.get(ref); d != nil && d.kind == kindCredit {
		return d
	}
	return s.byNumber(kindCredit, ref)
}

func (c *call) listCreditNotes() (reply, error) {
	return c.listCredits("CreditNotes", "creditnote", nil)
}

// listCredits lists the documents of one resource. references nil lets all pass.
func (c *call) listCredits(plural, noun string, references map[string]bool) (reply, error) {
	return list(c, listing[document]{plural: plural, rows: c.s.documents.rows, cols: documentColumns(noun),
		updated: func(d *document) time.Time { return d.updated },
		id:      func(d *document) string { return d.id },
		only: func(d *document) bool {
			_, resource := d.noun()
			return resource == plural && in(references, d.reference)
		},
		view: func(d *document, full bool) object { return d.creditView(full, c.places()) }})
}

func (c *call) getCreditNote() (reply, error) {
	d := c.s.creditNote(c.id)
	if d == nil {
		return reply{}, notFound()
	}
	return c.ok("CreditNotes", []object{d.creditView(true, c.places())}), nil
}

// creditView is a credit note, an overpayment or a prepayment.
func (d *document) creditView(full bool, places int) object {
	o := d.head(full, places)
	o["ID"], o["RemainingCredit"], o["Reference"] = d.id, d.open(), d.reference
	o["AppliedAmount"] = d.allocated()
	allocations := []object{}
	for _, a := range d.allocations {
		allocations = append(allocations, object{"AllocationID": a.id, "Amount": a.amount, "Date": a.date.ms(), "IsDeleted": false,
			"Invoice": object{"InvoiceID": a.invoice.id, "InvoiceNumber": a.invoice.number, "Payments": []object{}, "LineItems": []object{}}})
	}
	o["Allocations"] = allocations
	switch _, resource := d.noun(); resource {
	case "CreditNotes":
		o["CreditNoteID"], o["CreditNoteNumber"] = d.id, d.number
		o["SentToContact"], o["HasErrors"] = d.sent, false
	case "Overpayments":
		o["OverpaymentID"] = d.id
		delete(o, "FullyPaidOnDate") // of invoices and credit notes alone
	case "Prepayments":
		o["PrepaymentID"] = d.id
		delete(o, "FullyPaidOnDate")
	}
	return o
}

// allocate uses a part of a credit for an invoice of the same contact.
func (s *Server) allocate(credit, invoice *document, amount cents, on day) (*allocation, error) {
	if on == "" {
		on = s.today()
	}
	switch {
	case invoice == nil:
		return nil, refuse("The Invoice to allocate to could not be found")
	case credit.status != statusAuthorised || invoice.status != statusAuthorised:
		return nil, refuse("Allocations can only be made between Authorised documents")
	case invoice.kind != kindSale || invoice.contact != credit.contact || invoice.currency != credit.currency:
		return nil, refuse("The credit and the invoice must be of the same type, contact and currency")
	case amount <= 0:
		return nil, refuse("The Amount must be greater than zero")
	case amount > credit.open():
		return nil, refuse("The Amount exceeds the remaining credit of this document")
	case amount > invoice.open():
		return nil, refuse("The Amount exceeds the amount outstanding on this document")
	}
	if err := s.checkLock(on); err != nil {
		return nil, err
	}
	a := &allocation{id: newID(), credit: credit, invoice: invoice, amount: amount, date: on}
	for _, d := range []*document{credit, invoice} {
		keep(s, d)
		d.allocations = append(d.allocations, a)
		s.resettle(d)
	}
	return a, nil
}

// putAllocations allocates; its answer leaves the new allocation's id out.
func (c *call) putAllocations(credit *document, idName string) (reply, error) {
	if credit == nil {
		return reply{}, notFound()
	}
	return c.write("Allocations", "AllocationID", func(f *fields) (object, error) {
		invoice := f.obj("Invoice")
		var target *document
		if invoice != nil {
			target = c.s.readTarget(invoice, "Invoices", "InvoiceID", "InvoiceNumber")
		}
		amount, on := f.cents("Amount"), f.day("Date")
		if err := f.finish(); err != nil {
			return nil, err
		}
		if on == "" {
			return nil, refuse("The Date must be specified")
		}
		a, err := c.s.allocate(credit, target, amount, on)
		if err != nil {
			return nil, err
		}
		return object{"Amount": a.amount, "Date": a.date.ms(), "ValidationErrors": []object{},
			"Invoice":                        object{"InvoiceID": a.invoice.id, "InvoiceNumber": a.invoice.number, "LineItems": []object{}, "ValidationErrors": []object{}},
			strings.TrimSuffix(idName, "ID"): object{idName: credit.id, "ID": credit.id, "LineItems": []object{}}}, nil
	})
}

// deleteAllocation takes an allocation back. The answer has no envelope, and
// Invoice is an array in it.
func (c *call) deleteAllocation(credit *document) (reply, error) {
	if credit == nil {
		return reply{}, notFound()
	}
	for _, a := range credit.allocations {
		if !strings.EqualFold(a.id, c.sub) {
			continue
		}
		var locked invalid
		if err := c.s.checkLock(a.date); errors.As(err, &locked) {
			return validationException([]object{{"AllocationId": a.id, "ValidationErrors": messages(locked)}}), errRefused
		} else if err != nil {
			return reply{}, err
		}
		for _, d := range []*document{a.credit, a.invoice} {
			keep(c.s, d)
			d.allocations = without(d.allocations, a)
			c.s.resettle(d)
		}
		return jsonReply(200, object{"AllocationId": a.id, "Date": a.date.ms(), "IsDeleted": true,
			"Invoice": []object{{"InvoiceID": a.invoice.id}}}), nil
	}
	return reply{}, notFound()
}

func without(list []*allocation, gone *allocation) []*allocation {
	var out []*allocation
	for _, a := range list {
		if a != gone {
			out = append(out, a)
		}
	}
	return out
}
