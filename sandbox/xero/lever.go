package xero

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Levers are what a person does in Xero's own screens. They keep the same
// accounting rules as the API; an error says which one was broken.

// Number is an exact decimal. JSON may have it as a number or as a string.
type Number string

// UnmarshalJSON keeps the digits as they are written.
func (n *Number) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if _, err := scaled(s, ratePlaces); err != nil && s != "" {
		return err
	}
	*n = Number(s)
	return nil
}

var _ json.Unmarshaler = (*Number)(nil)

func (n Number) scaled(places int) (int64, error) {
	if n == "" {
		return 0, nil
	}
	return scaled(string(n), places)
}

// LineInput is a line as a person enters it.
type LineInput struct {
	Description  string `json:"description"`
	Quantity     Number `json:"quantity"`      // default 1
	UnitAmount   Number `json:"unit_amount"`   // required
	DiscountRate Number `json:"discount_rate"` // per cent
	Tax          string `json:"tax"`           // OUTPUT2 or NONE; default the account's
	Account      string `json:"account"`       // code or id; default 200
}

// InvoiceInput is an invoice as a person enters it. When an invoice is edited,
// empty fields stay as they are and Lines, if any, replace the old ones.
type InvoiceInput struct {
	Type            string      `json:"type"`       // ACCREC or ACCPAY; default ACCREC
	Contact         string      `json:"contact"`    // its name; one that nobody has makes a new contact
	ContactID       string      `json:"contact_id"` // instead of the name
	Number          string      `json:"number"`     // default the next one
	Reference       string      `json:"reference"`
	Currency        string      `json:"currency"`          // default the contact's, or the base currency
	Date            string      `json:"date"`              // YYYY-MM-DD; default today
	Due             string      `json:"due"`               // YYYY-MM-DD; default 14 days after Date
	Status          string      `json:"status"`            // DRAFT, SUBMITTED or AUTHORISED, the default
	LineAmountTypes string      `json:"line_amount_types"` // Exclusive, Inclusive or NoTax; default Exclusive
	Lines           []LineInput `json:"lines"`
}

const dueAfter = 14 * 24 * time.Hour

func (in InvoiceInput) patch() (docPatch, error) {
	p := docPatch{kind: in.Type, number: in.Number, status: in.Status, currency: in.Currency, types: in.LineAmountTypes,
		hasLines: len(in.Lines) > 0}
	if in.Contact != "" || in.ContactID != "" {
		p.contact = &contactRef{id: in.ContactID, name: in.Contact}
	}
	if in.Reference != "" {
		p.reference = &in.Reference
	}
	for _, d := range []struct {
		to   *day
		from string
	}{{&p.date, in.Date}, {&p.due, in.Due}} {
		if d.from == "" {
			continue
		}
		parsed, err := parseDay(d.from)
		if err != nil {
			return p, err
		}
		*d.to = parsed
	}
	for _, l := range in.Lines {
		line, err := l.input()
		if err != nil {
			return p, err
		}
		p.lines = append(p.lines, line)
	}
	return p, nil
}

func (l LineInput) input() (lineInput, error) {
	out := lineInput{description: l.Description, account: l.Account, taxType: l.Tax, hasQuantity: true, hasUnit: true}
	if l.Quantity == "" {
		l.Quantity = "1"
	}
	if out.account == "" {
		out.account = "200"
	}
	for _, n := range []struct {
		to   *frac
		from Number
	}{{&out.quantity, l.Quantity}, {&out.unit, l.UnitAmount}, {&out.discount, l.DiscountRate}} {
		v, err := n.from.scaled(fracPlaces)
		if err != nil {
			return out, err
		}
		*n.to = frac(v)
	}
	return out, nil
}

// CreateInvoice is a person making an invoice.
func (s *Server) CreateInvoice(in InvoiceInput) (Invoice, error) {
	p, err := in.patch()
	if err != nil {
		return Invoice{}, err
	}
	if p.kind == "" {
		p.kind = kindSale
	}
	if p.status == "" {
		p.status = statusAuthorised
	}
	if p.date == "" {
		p.date = s.today()
	}
	if p.due == "" {
		p.due = day(p.date.time().Add(dueAfter).Format(dayLayout))
	}
	return s.changeInvoice("", p)
}

// EditInvoice is a person changing an invoice, named by its number or id.
func (s *Server) EditInvoice(ref string, in InvoiceInput) (Invoice, error) {
	p, err := in.patch()
	if err != nil {
		return Invoice{}, err
	}
	return s.changeInvoice(ref, p)
}

// ApproveInvoice is a person approving a draft.
func (s *Server) ApproveInvoice(ref string) (Invoice, error) {
	return s.changeInvoice(ref, docPatch{status: statusAuthorised})
}

// VoidInvoice is a person voiding an approved invoice.
func (s *Server) VoidInvoice(ref string) (Invoice, error) {
	return s.changeInvoice(ref, docPatch{status: statusVoided})
}

// DeleteInvoice is a person deleting a draft.
func (s *Server) DeleteInvoice(ref string) (Invoice, error) {
	return s.changeInvoice(ref, docPatch{status: statusDeleted})
}

func (s *Server) changeInvoice(ref string, p docPatch) (Invoice, error) {
	var out Invoice
	err := s.locked(func() error {
		var old *document
		if ref != "" {
			if old = s.invoice(ref); old == nil {
				return fmt.Errorf("no invoice %q", ref)
			}
		}
		d, err := s.save(old, p)
		if err == nil {
			out = d.report()
		}
		return err
	})
	return out, err
}

// PaymentDetails are a payment as a person enters it.
type PaymentDetails struct {
	Amount     Number `json:"amount"`      // default all that is due
	BankAmount Number `json:"bank_amount"` // in the account's currency
	Account    string `json:"account"`     // code or id; default 090, the business bank account
	Date       string `json:"date"`        // YYYY-MM-DD; default today
	Reference  string `json:"reference"`
	Reconciled bool   `json:"reconciled"`
}

// PayInvoice is a person recording that an invoice was paid, by bank transfer
// unless told otherwise.
func (s *Server) PayInvoice(ref string, in PaymentDetails) (Payment, error) {
	var out Payment
	err := s.locked(func() error {
		d := s.invoice(ref)
		if d == nil {
			return fmt.Errorf("no invoice %q", ref)
		}
		if in.Account == "" {
			in.Account = "090"
		}
		p := paymentInput{targets: []*document{d}, account: s.account(in.Account), date: day(in.Date), reference: in.Reference,
			reconciled: in.Reconciled, amount: d.open()}
		amount, err := in.Amount.scaled(centsPlaces)
		if err != nil {
			return err
		}
		if in.Amount != "" {
			p.amount = cents(amount)
		}
		bank, err := in.BankAmount.scaled(centsPlaces)
		if err != nil {
			return err
		}
		p.bankAmount = cents(bank)
		if in.Date != "" {
			if p.date, err = parseDay(in.Date); err != nil {
				return err
			}
		}
		made, err := s.pay(p)
		if err == nil {
			out = made.report()
		}
		return err
	})
	return out, err
}

// CreditDetails are a credit as a person gives it.
type CreditDetails struct {
	Amount    Number `json:"amount"` // tax included; default all that is due
	Reference string `json:"reference"`
}

// CreditInvoice is a person giving a credit note over an amount and allocating
// all of it to the invoice.
func (s *Server) CreditInvoice(ref string, in CreditDetails) (Credit, error) {
	var out Credit
	err := s.locked(func() error {
		d := s.invoice(ref)
		if d == nil || d.kind != kindSale || len(d.lines) == 0 {
			return fmt.Errorf("no sales invoice %q", ref)
		}
		amount := d.open()
		if in.Amount != "" {
			n, err := in.Amount.scaled(centsPlaces)
			if err != nil {
				return err
			}
			amount = cents(n)
		}
		types := "Inclusive"
		if d.types == "NoTax" {
			types = "NoTax"
		}
		first := d.lines[0]
		credit, err := s.create(docPatch{kind: kindCredit, status: statusAuthorised, reference: &in.Reference,
			contact: &contactRef{id: d.contact.id}, currency: d.currency, rate: d.rate, hasRate: true, types: types, hasLines: true,
			lines: []lineInput{{description: "Credit for " + d.number, account: first.account.id, taxType: first.taxType,
				quantity: fracOne, unit: frac(amount) * 100, hasQuantity: true, hasUnit: true}}})
		if err != nil {
			return err
		}
		if _, err := s.allocate(credit, d, amount, ""); err != nil {
			return err
		}
		out = credit.reportCredit()
		return nil
	})
	return out, err
}

// DeletePayment is a person removing a payment, reconciled or not.
func (s *Server) DeletePayment(id string) error {
	return s.withPayment(id, func(p *payment) error { return s.unpay(p, true) })
}

// ReconcilePayment is a person matching a payment with a bank statement.
func (s *Server) ReconcilePayment(id string) error {
	return s.withPayment(id, func(p *payment) error {
		if p.deleted {
			return refuse("The payment has been deleted")
		}
		keep(s, p)
		p.reconciled, p.updated = true, s.now()
		s.tellPayment(p, "UPDATE")
		return nil
	})
}

func (s *Server) withPayment(id string, fn func(*payment) error) error {
	return s.locked(func() error {
		p := s.payments.get(id)
		if p == nil {
			return fmt.Errorf("no payment %q", id)
		}
		return fn(p)
	})
}
