package connector

import (
	"time"

	"github.com/ml-connector/ml-connector/money"
)

// Entity is a kind of thing that every connector may offer.
type Entity string

// The entities. New ones are added at the end.
const (
	EntityInvoice Entity = "invoice"
	EntityPayment Entity = "payment"
	EntityContact Entity = "contact"
)

// Entities lists every entity, in the order in which records depend on each
// other: a payment needs its invoice, an invoice its contact.
func Entities() []Entity { return []Entity{EntityContact, EntityInvoice, EntityPayment} }

// Ref names a record within one connection.
type Ref struct {
	Entity Entity
	ID     string
}

// String returns "invoice/4f2c…".
func (r Ref) String() string { return string(r.Entity) + "/" + r.ID }

// Record is one instance of an entity, as fetched or as wanted. Exactly the
// body that Entity names is set; it may be nil when Gone.
type Record struct {
	Entity    Entity
	ID        string    // the service's id; empty in a record that is wanted but not there yet
	Version   string    // opaque; differs when the record differs, and never comes back
	UpdatedAt time.Time // by the service's clock, UTC; zero when it does not say
	Gone      bool      // deleted in the service

	Invoice *Invoice
	Payment *Payment
	Contact *Contact
}

// Ref returns the record's own name.
func (r Record) Ref() Ref { return Ref{Entity: r.Entity, ID: r.ID} }

// Marks returns the marks of whatever body is set; it may be nil.
func (r Record) Marks() map[string]string {
	switch {
	case r.Invoice != nil:
		return r.Invoice.Marks
	case r.Payment != nil:
		return r.Payment.Marks
	case r.Contact != nil:
		return r.Contact.Marks
	}
	return nil
}

// Label returns what people call the record: an invoice's number, a contact's
// name, the invoice number or reference of a payment. It may be empty.
func (r Record) Label() string {
	switch {
	case r.Invoice != nil:
		return r.Invoice.Number
	case r.Contact != nil:
		return r.Contact.Name
	case r.Payment != nil && r.Payment.Label != "":
		return r.Payment.Label
	case r.Payment != nil:
		return r.Payment.Reference
	}
	return ""
}

// Value is a field that only one service knows. At most one of its parts is
// set; the zero Value is empty text.
type Value struct {
	Text    string
	Flag    *bool
	Integer *int64
	Money   money.Amount
	Time    time.Time
}
