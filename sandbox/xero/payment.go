package xero

import (
	"strings"
	"time"
)

// Payments settle a document out of or into an account. They are made and
// deleted, never changed: https://developer.xero.com/documentation/api/accounting/payments
//
// Xero does not notice a payment that is made twice: as long as it fits into
// what is open, both are accepted.

type payment struct {
	id                  string
	doc                 *document
	account             *account
	date                day
	amount              cents // in the document's currency
	bankAmount          cents // in the account's currency
	rate                rate
	reference           string
	reconciled, deleted bool
	updated             time.Time
}

// Unproven: Xero states no length for Reference.
const referenceLengthMax = 255

// paymentTypes and targetTypes are how a payment shows what it settles. The
// targets that are not invoices stand under Invoice, too.
var paymentTypes = map[string]string{kindSale: "ACCRECPAYMENT", kindBill: "ACCPAYPAYMENT", kindCredit: "ARCREDITPAYMENT",
	kindSupplierCredit: "APCREDITPAYMENT", kindOverpayment: "AROVERPAYMENTPAYMENT", kindPrepayment: "ARPREPAYMENTPAYMENT"}

var targetTypes = map[string]string{kindSale: kindSale, kindBill: kindBill, kindCredit: kindCredit,
	kindSupplierCredit: kindSupplierCredit, kindOverpayment: "AROVERPAYMENT", kindPrepayment: "ARPREPAYMENT"}

// in tells whether the payment brings money into its account.
func (p *payment) in() bool { return p.doc.kind == kindSale || p.doc.kind == kindSupplierCredit }

// paymentInput is what a request or a person says about a new payment.
type paymentInput struct {
	targets    []*document // what was named; exactly one non-nil is right
	account    *account
	date       day
	amount     cents
	bankAmount cents
	rate       rate
	hasRate    bool
	reference  string
	reconciled bool
}

func (s *Server) readPayment(f *fields) (paymentInput, error) {
	in := paymentInput{account: s.readAccount(f.obj("Account")), date: f.day("Date"), amount: f.cents("Amount"),
		bankAmount: f.cents("BankAmount"), rate: f.rate("CurrencyRate"), hasRate: f.has("CurrencyRate"),
		reference: f.str("Reference"), reconciled: f.boolean("IsReconciled")}
	if status := f.str("Status"); status != "" && status != statusAuthorised {
		return in, notModelled("Status %s on a new payment", status)
	}
	for _, t := range []struct{ field, id, number string }{{"Invoice", "InvoiceID", "InvoiceNumber"},
		{"CreditNote", "CreditNoteID", "CreditNoteNumber"}, {"Overpayment", "OverpaymentID", ""}, {"Prepayment", "PrepaymentID", ""}} {
		if o := f.obj(t.field); o != nil {
			in.targets = append(in.targets, s.readTarget(o, t.field+"s", t.id, t.number))
		}
	}
	return in, f.finish()
}

// readTarget finds the document of a resource by id or number; nil when there
// is none.
func (s *Server) readTarget(f *fields, resource, idName, numberName string) *document {
	id, number := f.str(idName), ""
	if numberName != "" {
		number = f.str(numberName)
	}
	d := s.documents.get(id)
	if id == "" && resource == "Invoices" {
		d = s.byNumber(kindSale, number)
	} else if id == "" {
		d = s.byNumber(kindCredit, number)
	}
	if d != nil {
		if _, r := d.noun(); r != resource {
			return nil
		}
	}
	return d
}

func (s *Server) pay(in paymentInput) (*payment, error) {
	if len(in.targets) != 1 {
		return nil, refuse("You must specify exactly one Invoice, CreditNote, Prepayment or Overpayment")
	}
	d := in.targets[0]
	if d == nil {
		return nil, refuse("The document to pay could not be found")
	}
	if in.date == "" {
		in.date = s.today()
	}
	if err := s.checkPayment(d, in); err != nil {
		return nil, err
	}
	p := &payment{id: newID(), doc: d, account: in.account, date: in.date, amount: in.amount, bankAmount: in.bankAmount,
		rate: in.rate, reference: in.reference, reconciled: in.reconciled, updated: s.now()}
	if err := s.convert(p); err != nil {
		return nil, err
	}
	s.payments.add(s, p.id, p)
	keep(s, d)
	d.payments = append(d.payments, p)
	s.resettle(d)
	s.tellPayment(p, "CREATE")
	return p, nil
}

func (s *Server) checkPayment(d *document, in paymentInput) error {
	var why invalid
	if d.status != statusAuthorised {
		why = append(why, "Payments can only be made against Authorised documents")
	}
	switch {
	case in.amount <= 0:
		why = append(why, "Payment amount must be greater than zero")
	case in.amount > d.open():
		why = append(why, "Payment amount exceeds the amount outstanding on this document")
	}
	if len([]rune(in.reference)) > referenceLengthMax {
		why = append(why, "The Reference is too long")
	}
	if len(why) > 0 {
		return why
	}
	if err := s.payInto(in.account, d.currency); err != nil {
		return err
	}
	return s.checkLock(in.date)
}

// convert works out what the account sees. A bank amount is believed before a
// rate; without either the document's own rate counts.
func (s *Server) convert(p *payment) error {
	foreign, own := p.doc.currency, s.currencyOf(p.account)
	if foreign == own {
		if p.bankAmount != 0 && p.bankAmount != p.amount {
			return refuse("The BankAmount must equal the Amount when both are in %s", own)
		}
		p.bankAmount = p.amount
		if p.rate == 0 {
			p.rate = p.doc.rate
		}
		return nil
	}
	switch {
	case p.bankAmount < 0 || p.rate < 0:
		return refuse("BankAmount and CurrencyRate must be greater than zero")
	case p.bankAmount > 0:
		p.rate = rateOf(p.amount, p.bankAmount)
	case p.rate > 0:
		p.bankAmount = p.rate.toBase(p.amount)
	default:
		p.rate, p.bankAmount = p.doc.rate, p.doc.rate.toBase(p.amount)
	}
	return nil
}

func (c *call) createPayment(f *fields) (object, error) {
	in, err := c.s.readPayment(f)
	if err != nil {
		return nil, err
	}
	p, err := c.s.pay(in)
	if err != nil {
		return nil, err
	}
	o := p.view(true, c.places())
	if in.hasRate && in.rate == rateOne && p.doc.currency != c.s.org.base {
		o["Warnings"] = messages([]string{"The CurrencyRate of 1 differs from the day rate of " + p.doc.currency})
	}
	return o, nil
}

func (c *call) putPayments() (reply, error) { return c.write("Payments", "PaymentID", c.createPayment) }

func (c *call) postPayments() (reply, error) {
	return c.writeOne("Payments", "PaymentID", c.createPayment)
}

// postPayment deletes a payment, which is all that can be done to one.
func (c *call) postPayment() (reply, error) {
	p := c.s.payments.get(c.id)
	if p == nil {
		return reply{}, notFound()
	}
	return c.writeOne("Payments", "PaymentID", func(f *fields) (object, error) {
		status := f.str("Status")
		if id := f.str("PaymentID"); id != "" && !strings.EqualFold(id, p.id) {
			return nil, notModelled("a PaymentID that differs from the path")
		}
		for name := range f.name {
			if name != "status" && name != "paymentid" {
				return nil, refuse("Only Status accepted for updates")
			}
		}
		if err := f.finish(); err != nil {
			return nil, err
		}
		if status != statusDeleted {
			return nil, refuse("Only Status accepted for updates")
		}
		if err := c.s.unpay(p, false); err != nil {
			return nil, err
		}
		return p.view(true, c.places()), nil
	})
}

// unpay deletes a payment. A person may delete a reconciled one; unproven: the
// API refuses it.
func (s *Server) unpay(p *payment, person bool) error {
	if p.deleted && s.cfg.Unproven.PaymentDeleteIsSilent {
		return nil
	}
	if p.deleted {
		return refuse("The payment has already been deleted")
	}
	if p.reconciled && !person && !s.cfg.Unproven.ReconciledDeletable {
		return refuse("The payment has been reconciled and cannot be deleted")
	}
	if err := s.checkLock(p.date); err != nil {
		return err
	}
	keep(s, p)
	keep(s, p.doc)
	p.deleted, p.reconciled, p.updated = true, false, s.now()
	s.resettle(p.doc)
	s.tellPayment(p, "UPDATE")
	return nil
}

func (c *call) listPayments() (reply, error) {
	return list(c, listing[payment]{plural: "Payments", rows: c.s.payments.rows, cols: paymentColumns,
		updated: func(p *payment) time.Time { return p.updated },
		id:      func(p *payment) string { return p.id },
		view:    func(p *payment, _ bool) object { return p.view(false, c.places()) }})
}

func (c *call) getPayment() (reply, error) {
	p := c.s.payments.get(c.id)
	if p == nil {
		return reply{}, notFound()
	}
	return c.ok("Payments", []object{p.view(true, c.places())}), nil
}

var paymentColumns = columns[payment]{
	"paymentid":             func(p *payment) value { return guidValue(p.id) },
	"paymenttype":           func(p *payment) value { return textValue(paymentTypes[p.doc.kind]) },
	"status":                func(p *payment) value { return textValue(p.status()) },
	"reference":             func(p *payment) value { return textValue(p.reference) },
	"date":                  func(p *payment) value { return dayValue(p.date) },
	"amount":                func(p *payment) value { return sumValue(p.amount) },
	"isreconciled":          func(p *payment) value { return boolValue(p.reconciled) },
	"invoice.invoiceid":     func(p *payment) value { return guidValue(p.doc.id) },
	"invoice.invoicenumber": func(p *payment) value { return textValue(p.doc.number) },
	"account.accountid":     func(p *payment) value { return guidValue(p.account.id) },
	"account.code":          func(p *payment) value { return textValue(p.account.code) },
	"updateddateutc":        func(p *payment) value { return timeValue(p.updated) },
}

func (p *payment) status() string {
	if p.deleted {
		return statusDeleted
	}
	return statusAuthorised
}

// view is the payment with its document under Invoice: all of it after a write
// and for a single payment, a few fields in lists.
func (p *payment) view(full bool, places int) object {
	o := object{"PaymentID": p.id, "Date": p.date.ms(), "Amount": p.amount, "BankAmount": p.bankAmount, "CurrencyRate": p.rate,
		"Reference": p.reference, "PaymentType": paymentTypes[p.doc.kind], "Status": p.status(), "IsReconciled": p.reconciled,
		"HasAccount": true, "HasValidationErrors": false, "Account": p.account.short(),
		"UpdatedDateUTC": msDate(p.updated), "UpdatedDateUTCString": zDate(p.updated)}
	d := p.doc
	doc := object{"InvoiceID": d.id, "InvoiceNumber": d.number, "Contact": d.contact.thin(), "CurrencyCode": d.currency,
		"Payments": []object{}, "CreditNotes": []object{}, "Prepayments": []object{}, "Overpayments": []object{},
		"LineItems": []object{}, "HasErrors": false, "IsDiscounted": false}
	if full {
		doc = d.head(true, places)
		doc["InvoiceID"], doc["InvoiceNumber"], doc["Reference"] = d.id, d.number, d.reference
		doc["AmountDue"], doc["AmountPaid"], doc["AmountCredited"] = d.open(), d.paid(), d.allocated()
		doc["SentToContact"], doc["HasErrors"] = d.sent, false
		if d.due != "" {
			doc["DueDate"], doc["DueDateString"] = d.due.ms(), d.due.iso()
		}
	}
	doc["Type"] = targetTypes[d.kind]
	o["Invoice"] = doc
	return o
}
