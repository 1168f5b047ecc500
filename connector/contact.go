package connector

// Contact is a person or company that we invoice or pay.
type Contact struct {
	Name       string
	Email      string
	Phone      string
	Address    Address
	Status     ContactStatus
	Currency   string // default currency; may be empty
	MergedInto string // id of the survivor in the same service; empty unless merged
	Marks      map[string]string
	Extra      map[string]Value
}

// Address is a postal address as the service has it; every part may be empty.
type Address struct {
	Line1, Line2, City, Region, PostalCode, Country string
}

// ContactStatus says whether a contact is in use.
type ContactStatus string

// The statuses of a contact.
const (
	ContactActive   ContactStatus = "active"
	ContactArchived ContactStatus = "archived"
)
