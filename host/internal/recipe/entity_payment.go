package recipe

import (
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

type payment = connector.Payment

var paymentTable = newTable(connector.EntityPayment,
	newStruct("payment", "Money that moved or is moving. The amount is positive; the kind tells the direction.", func() any { return new(payment) },
		word("kind", "what the money was for", func(p *payment) *connector.PaymentKind { return &p.Kind },
			connector.PaymentReceipt, connector.PaymentRefund, connector.PaymentFee, connector.PaymentFeeRefund,
			connector.PaymentPayout, connector.PaymentDispute, connector.PaymentAdjustment),
		word("status", "failed: never moved, came back, or was deleted", func(p *payment) *connector.PaymentStatus { return &p.Status },
			connector.PaymentPending, connector.PaymentSucceeded, connector.PaymentFailed),
		amount("amount", "", func(p *payment) *money.Amount { return &p.Amount }),
		instant("paid_at", "", func(p *payment) *time.Time { return &p.PaidAt }),
		date("date", "date in the books; unset: the connector derives it from paid_at", func(p *payment) *connector.Date { return &p.Date }),
		text("invoice_id", "the invoice that it pays or gives back, in the same service", func(p *payment) *string { return &p.InvoiceID }),
		text("contact_id", "", func(p *payment) *string { return &p.ContactID }),
		text("payment_of", "refund: the receipt that is given back, in the same service", func(p *payment) *string { return &p.PaymentOf }),
		toldAlong(texts("refund_ids", "receipt: its refunds; refund: those of its receipt that came before it; ids in the service that has them", func(p *payment) *[]string { return &p.RefundIDs })),
		text("account", "code or id of the account that receives or pays it", func(p *payment) *string { return &p.Account }),
		text("counter_account", "code or id of the other account: a fee's expense, a payout's bank account", func(p *payment) *string { return &p.CounterAccount }),
		text("contact_name", "whom it was paid to, where no contact_id is known", func(p *payment) *string { return &p.ContactName }),
		amount("settled", "amount as it moved the account's balance, in the balance's currency", func(p *payment) *money.Amount { return &p.Settled }),
		text("tax_code", "the service's code for the tax that the amount includes; empty: none", func(p *payment) *string { return &p.TaxCode }),
		text("reference", "", func(p *payment) *string { return &p.Reference }),
		text("label", "what people call it, usually the invoice's number", func(p *payment) *string { return &p.Label }),
		text("note", "reason of a refund or a failure", func(p *payment) *string { return &p.Note }),
		textMap("marks", "our marks in the service, by name", func(p *payment) *map[string]string { return &p.Marks }),
		structMap("extra", "fields that only one service knows", valueStruct, func(p *payment) *map[string]connector.Value { return &p.Extra }),
	),
	func(r *connector.Record) **payment { return &r.Payment })
