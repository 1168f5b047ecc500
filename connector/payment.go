package connector

import (
	"time"

	"github.com/ml-connector/ml-connector/money"
)

// Payment is money that moved or is moving. Amount is always positive; Kind
// tells the direction.
type Payment struct {
	Kind      PaymentKind
	Status    PaymentStatus
	Amount    money.Amount
	PaidAt    time.Time // UTC
	Date      Date      // calendar date in the books; zero: the connector derives it from PaidAt in its own time zone
	InvoiceID string    // the invoice it pays or gives back, in the same service
	ContactID string
	PaymentOf string   // refund: the receipt that is given back, in the same service
	RefundIDs []string // receipt: its refunds; refund: those of its receipt that came before it. In the service that has them, failed ones included
	Account   string   // code or id of the account that receives or pays it

	CounterAccount string       // code or id of the other account: a fee's expense, a payout's bank account
	ContactName    string       // whom it was paid to, where no ContactID is known
	Settled        money.Amount // Amount as it moved the account's balance, in the balance's currency; unset: not known
	TaxCode        string       // the service's code for the tax that Amount includes; empty: none

	Reference string
	Label     string // what people call it, usually the invoice's number
	Note      string // reason of a refund or a failure
	Marks     map[string]string
	Extra     map[string]Value
}

// PaymentKind says what the money was for.
type PaymentKind string

// The kinds of payment.
const (
	PaymentReceipt   PaymentKind = "receipt"
	PaymentRefund    PaymentKind = "refund"
	PaymentFee       PaymentKind = "fee"
	PaymentFeeRefund PaymentKind = "fee_refund" // a fee that came back
	PaymentPayout    PaymentKind = "payout"     // from the service's balance to a bank account
	PaymentDispute   PaymentKind = "dispute"    // money that a customer's bank took back
	// PaymentAdjustment is a movement of the service's balance that is none of the
	// others. Which way it went is in the note.
	PaymentAdjustment PaymentKind = "adjustment"
)

// PaymentStatus says whether the money moved.
type PaymentStatus string

// The statuses of a payment.
const (
	PaymentPending   PaymentStatus = "pending"
	PaymentSucceeded PaymentStatus = "succeeded"
	PaymentFailed    PaymentStatus = "failed" // never moved, came back, or was deleted
)
