package connector

import "github.com/ml-connector/ml-connector/money"

// Invoice is a demand for money, in one currency.
//
// Total = AmountDue + AmountPaid + AmountCredited. The lines' amounts, plus
// their taxes unless TaxMode is inclusive, sum to Total up to the service's own
// rounding line; a connector that needs an exact sum compares before it writes.
type Invoice struct {
	Kind        InvoiceKind
	Status      InvoiceStatus
	Number      string // as printed; unique in most services, never a key
	Reference   string
	ContactID   string // id in the same service
	ContactName string // for people; may be empty
	Currency    money.Currency
	IssueDate   Date
	DueDate     Date
	TaxMode     TaxMode
	Lines       []InvoiceLine

	Total          money.Amount // with tax
	TaxTotal       money.Amount
	AmountDue      money.Amount
	AmountPaid     money.Amount
	AmountCredited money.Amount

	PayURL     string // where the customer can pay; may expire, read afresh
	ViewURL    string // where a person sees it in the service
	PaymentIDs []string
	// PaymentReferences are the marks of the payments that stand on it now: the
	// id that each has in the service where the money moved. Sorted; one that a
	// person entered has none, or a word that is no id.
	PaymentReferences []string
	Marks             map[string]string
	Extra             map[string]Value
}

// InvoiceKind says who owes whom.
type InvoiceKind string

// The kinds of invoice.
const (
	InvoiceSale     InvoiceKind = "sale"
	InvoicePurchase InvoiceKind = "purchase"
)

// InvoiceStatus is where an invoice stands, in words that every service knows.
type InvoiceStatus string

// The statuses of an invoice.
const (
	InvoiceDraft InvoiceStatus = "draft" // not approved, not binding
	InvoiceOpen  InvoiceStatus = "open"  // approved; something may be due
	InvoicePaid  InvoiceStatus = "paid"
	InvoiceVoid  InvoiceStatus = "void" // voided or deleted; final
)

// TaxMode says whether line amounts contain their tax.
type TaxMode string

// The tax modes.
const (
	TaxExclusive TaxMode = "exclusive"
	TaxInclusive TaxMode = "inclusive"
	TaxNone      TaxMode = "none"
)

// InvoiceLine is one line. Amount is what the service arrived at, after
// discount and rounding; Quantity and UnitPrice explain it and may be zero.
type InvoiceLine struct {
	Description string
	Quantity    money.Decimal
	UnitPrice   money.Decimal // major units
	Amount      money.Amount
	Tax         money.Amount
	TaxCode     string
	AccountCode string
}
