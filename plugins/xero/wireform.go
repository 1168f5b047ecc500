package main

import (
	"encoding/json"
	"fmt"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// number is a JSON number as its digits. The service writes a few sums as text;
// both are read, neither passes through a binary fraction. Absent is "".
type number string

// UnmarshalJSON keeps the digits.
func (n *number) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*n = ""
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*n = number(s)
		return nil
	}
	var j json.Number
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("not a number: %w", err)
	}
	*n = number(j)
	return nil
}

// amount reads a sum; absent is 0. The service writes sums with two decimals
// whatever the currency, so a sum of a currency without decimals may not fit:
// money.ErrPrecision.
func (n number) amount(c money.Currency) (money.Amount, error) {
	if n == "" {
		return money.New(0, c)
	}
	return money.Parse(string(n), c)
}

// decimal reads a quantity or a unit price; absent is 0.
func (n number) decimal() (money.Decimal, error) {
	if n == "" {
		return money.Decimal{}, nil
	}
	return money.ParseDecimal(string(n))
}

// sum writes an amount for the service, which has two decimals for every
// currency: a third one that is not zero cannot be posted.
func sum(a money.Amount) (json.Number, error) {
	text := a.Decimal()
	if digits := a.Currency().Digits(); digits > 2 {
		if a.Minor()%stepOf(a.Currency()) != 0 {
			return "", fmt.Errorf("%s has more than the two decimals that Xero keeps", a)
		}
		text = text[:len(text)-(digits-2)]
	}
	return json.Number(text), nil
}

// stepOf is the smallest sum of a currency that the service can hold, in minor units.
func stepOf(c money.Currency) int64 {
	step := int64(1)
	for range c.Digits() - 2 {
		step *= 10
	}
	return step
}

// envelope is every answer of the accounting API: one of the lists is there.
type envelope struct {
	Pagination       *pagination       `json:"pagination"`
	Organisations    []organisation    `json:"Organisations"`
	Accounts         []account         `json:"Accounts"`
	Contacts         []contactForm     `json:"Contacts"`
	Invoices         []invoiceForm     `json:"Invoices"`
	Payments         []paymentForm     `json:"Payments"`
	CreditNotes      []creditNoteForm  `json:"CreditNotes"`
	Overpayments     []overpaymentForm `json:"Overpayments"`
	BankTransactions []bankForm        `json:"BankTransactions"`
	BankTransfers    []transferForm    `json:"BankTransfers"`
	HistoryRecords   []historyForm     `json:"HistoryRecords"`
}

type pagination struct {
	PageSize  int `json:"pageSize"`
	PageCount int `json:"pageCount"`
}

// issues is what an element says of its own success when errors are not
// summarised.
type issues struct {
	StatusAttributeString string         `json:",omitempty"`
	HasErrors             bool           `json:",omitempty"`
	HasValidationErrors   bool           `json:",omitempty"`
	ValidationErrors      []issueMessage `json:",omitempty"`
}

type issueMessage struct{ Message, Description string }

// bad reports whether the element was refused, whatever else it says.
func (i issues) bad() bool {
	return i.HasErrors || i.HasValidationErrors || len(i.ValidationErrors) > 0 || i.StatusAttributeString == "ERROR"
}

func (i issues) messages() []string {
	var out []string
	for _, m := range i.ValidationErrors {
		if m.Message != "" {
			out = append(out, m.Message)
		} else if m.Description != "" {
			out = append(out, m.Description)
		}
	}
	return out
}

type contactRef struct {
	ContactID string
	Name      string
	issues
}

// accountRef carries ids and, in nested places, only one of them.
type accountRef struct {
	AccountID string
	Code      string
	Name      string
	issues
}

type invoiceForm struct {
	InvoiceID       string
	Type            string
	Status          string
	InvoiceNumber   string
	Reference       string
	CurrencyCode    string
	LineAmountTypes string
	Contact         contactRef
	Date            instant
	DueDate         instant
	UpdatedDateUTC  instant
	TotalTax        number
	Total           number
	AmountDue       number
	AmountPaid      number
	AmountCredited  number
	LineItems       []lineForm
	Payments        []paymentForm
	issues
}

type lineForm struct {
	Description string
	Quantity    number
	UnitAmount  number
	LineAmount  number
	TaxAmount   number
	TaxType     string
	AccountCode string
	AccountID   string
	Tracking    []trackingForm
}

type trackingForm struct {
	Name   string `json:",omitempty"`
	Option string `json:",omitempty"`
}

// paymentForm is a payment. Nested in an invoice it has no account, no status
// and, when it is empty, no reference.
type paymentForm struct {
	PaymentID      string
	Date           instant
	Amount         number
	BankAmount     number
	Reference      string
	PaymentType    string
	Status         string
	IsReconciled   bool
	BatchPaymentID string
	BatchPayment   *struct{ BatchPaymentID string }
	UpdatedDateUTC instant
	Account        accountRef
	Invoice        *invoiceForm
	CreditNote     *creditNoteForm
	Overpayment    *overpaymentForm
	issues
}

func (p paymentForm) inBatch() bool { return p.BatchPaymentID != "" || p.BatchPayment != nil }

// live reports whether a payment counts. A nested row has no status and is live.
func (p paymentForm) live() bool { return p.Status == "" || p.Status == "AUTHORISED" }

// targetID is the document that was paid: for a refund the service puts the id
// of the credit note or overpayment under Invoice too.
func (p paymentForm) targetID() string {
	switch {
	case p.CreditNote != nil && p.CreditNote.CreditNoteID != "":
		return p.CreditNote.CreditNoteID
	case p.Overpayment != nil && p.Overpayment.OverpaymentID != "":
		return p.Overpayment.OverpaymentID
	case p.Invoice != nil:
		return p.Invoice.InvoiceID
	}
	return ""
}

// messages are those of the payment and of what it names.
func (p paymentForm) messages() []string {
	out := append(p.issues.messages(), p.Account.messages()...)
	if p.Invoice != nil {
		out = append(out, p.Invoice.messages()...)
	}
	if p.CreditNote != nil {
		out = append(out, p.CreditNote.messages()...)
	}
	if p.Overpayment != nil {
		out = append(out, p.Overpayment.messages()...)
	}
	return out
}

type creditNoteForm struct {
	CreditNoteID     string
	CreditNoteNumber string
	Type             string
	Status           string
	Reference        string
	CurrencyCode     string
	Contact          contactRef
	Total            number
	RemainingCredit  number
	LineItems        []lineForm
	Payments         []paymentForm
	Allocations      []struct{ Amount number }
	issues
}

// gone reports whether the credit note no longer counts.
func (c creditNoteForm) gone() bool { return c.Status == "VOIDED" || c.Status == "DELETED" }

type overpaymentForm struct {
	OverpaymentID   string
	Type            string
	Status          string
	Reference       string
	CurrencyCode    string
	Contact         contactRef
	Date            instant
	Total           number
	RemainingCredit number
	Payments        []paymentForm
	UpdatedDateUTC  instant
	issues
}

func (o overpaymentForm) gone() bool { return o.Status == "VOIDED" || o.Status == "DELETED" }

type historyForm struct {
	Details string
	DateUTC instant
	issues
}

// Reading currencies and dates -------------------------------------------------

func currencyOf(code string) (money.Currency, error) { return money.ParseCurrency(code) }

// dateForm writes a date for the service.
func dateForm(d connector.Date) string { return d.String() }
