package recipe

import (
	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

type invoiceLine = connector.InvoiceLine

var lineStruct = newStruct("line", "One line of an invoice.", func() any { return new(invoiceLine) },
	text("description", "", func(l *invoiceLine) *string { return &l.Description }),
	decimal("quantity", "explains the amount; may be 0", func(l *invoiceLine) *money.Decimal { return &l.Quantity }),
	decimal("unit_price", "in major units; may be 0", func(l *invoiceLine) *money.Decimal { return &l.UnitPrice }),
	amount("amount", "what the service arrived at, after discount and rounding", func(l *invoiceLine) *money.Amount { return &l.Amount }),
	amount("tax", "", func(l *invoiceLine) *money.Amount { return &l.Tax }),
	text("tax_code", "", func(l *invoiceLine) *string { return &l.TaxCode }),
	text("account_code", "", func(l *invoiceLine) *string { return &l.AccountCode }),
)

type invoice = connector.Invoice

var invoiceTable = newTable(connector.EntityInvoice,
	newStruct("invoice", "A demand for money, in one currency.", func() any { return new(invoice) },
		word("kind", "who owes whom", func(i *invoice) *connector.InvoiceKind { return &i.Kind },
			connector.InvoiceSale, connector.InvoicePurchase),
		word("status", "where it stands: not approved, approved, paid, voided or deleted", func(i *invoice) *connector.InvoiceStatus { return &i.Status },
			connector.InvoiceDraft, connector.InvoiceOpen, connector.InvoicePaid, connector.InvoiceVoid),
		text("number", "as printed; never a key", func(i *invoice) *string { return &i.Number }),
		text("reference", "", func(i *invoice) *string { return &i.Reference }),
		text("contact_id", "id in the same service", func(i *invoice) *string { return &i.ContactID }),
		text("contact_name", "for people; may be empty", func(i *invoice) *string { return &i.ContactName }),
		currency("currency", "ISO 4217 code", func(i *invoice) *money.Currency { return &i.Currency }),
		date("issue_date", "", func(i *invoice) *connector.Date { return &i.IssueDate }),
		date("due_date", "", func(i *invoice) *connector.Date { return &i.DueDate }),
		word("tax_mode", "whether line amounts contain their tax", func(i *invoice) *connector.TaxMode { return &i.TaxMode },
			connector.TaxExclusive, connector.TaxInclusive, connector.TaxNone),
		structures("lines", "", lineStruct, func(i *invoice) *[]invoiceLine { return &i.Lines }),
		amount("total", "with tax", func(i *invoice) *money.Amount { return &i.Total }),
		amount("tax_total", "", func(i *invoice) *money.Amount { return &i.TaxTotal }),
		amount("amount_due", "", func(i *invoice) *money.Amount { return &i.AmountDue }),
		amount("amount_paid", "", func(i *invoice) *money.Amount { return &i.AmountPaid }),
		amount("amount_credited", "", func(i *invoice) *money.Amount { return &i.AmountCredited }),
		serviceSets(text("pay_url", "where the customer can pay; may expire", func(i *invoice) *string { return &i.PayURL })),
		serviceSets(text("view_url", "where a person sees it", func(i *invoice) *string { return &i.ViewURL })),
		serviceSets(texts("payment_ids", "ids of its payments in the same service", func(i *invoice) *[]string { return &i.PaymentIDs })),
		texts("payment_references", "marks of the payments that are posted on it: their ids where the money moved", func(i *invoice) *[]string { return &i.PaymentReferences }),
		textMap("marks", "our marks in the service, by name", func(i *invoice) *map[string]string { return &i.Marks }),
		structMap("extra", "fields that only one service knows", valueStruct, func(i *invoice) *map[string]connector.Value { return &i.Extra }),
	),
	func(r *connector.Record) **invoice { return &r.Invoice })
