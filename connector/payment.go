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
	RefundIDs []string // receipt: its refunds, in the same service
	Account   string   // code or id of the account that receives or pays it
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
	PaymentReceipt PaymentKind = "receipt"
	PaymentRefund  PaymentKind = "refund"
	PaymentFee     PaymentKind = "fee"
	PaymentPayout  PaymentKind = "payout"
	PaymentDispute PaymentKind = "dispute"
)

// PaymentStatus says whether the money moved.
type PaymentStatus string

// The statuses of a payment.
const (
	PaymentPending   PaymentStatus = "pending"
	PaymentSucceeded PaymentStatus = "succeeded"
	PaymentFailed    PaymentStatus = "failed" // never moved, came back, or was deleted
)
