package main

import (
	"encoding/json"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// The event types that matter, by the entity whose records they touch. An
// events list takes at most twenty types: https://docs.stripe.com/api/events/list
var (
	customerEvents = []string{"customer.created", "customer.updated", "customer.deleted"}
	invoiceEvents  = []string{
		"invoice.finalized", "invoice.finalization_failed", "invoice.updated", "invoice.paid", "invoice.payment_failed",
		"invoice.voided", "invoice.marked_uncollectible", "credit_note.created", "credit_note.voided",
	}
	paymentEvents = []string{
		"charge.succeeded", "charge.pending", "charge.failed", "charge.updated", "charge.captured", "charge.expired",
		"charge.refunded", "charge.refund.updated",
		"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
		"charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
	}
	// Sent for card refunds only by newer versions of the API than ours.
	refundEvents = []string{"refund.created", "refund.updated", "refund.failed"}
)

// polledEvents returns the types that an entity's list asks for. New and deleted
// drafts are looked for only here: a webhook of invoice.created that fails would
// hold up other invoices of the account.
func polledEvents(e connector.Entity) []string {
	switch e {
	case connector.EntityContact:
		return customerEvents
	case connector.EntityInvoice:
		return append([]string{"invoice.created", "invoice.deleted"}, invoiceEvents...)
	}
	return append(append([]string{}, paymentEvents...), refundEvents...)
}

// touched is what an event says: these records may have changed. Only ids are
// read from its object, for that comes in the version of the account, not ours.
type touched struct {
	entity connector.Entity
	ids    []string // for a refund its own id, then its charge's
	gone   bool
}

// eventObject are the ids of an event's object.
type eventObject struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Charge  idOrNode `json:"charge"`
	Invoice idOrNode `json:"invoice"`
}

// idOrNode reads an id, whether the object is expanded or not.
type idOrNode string

// UnmarshalJSON implements json.Unmarshaler; what is neither is no id.
func (v *idOrNode) UnmarshalJSON(data []byte) error {
	var id string
	if json.Unmarshal(data, &id) == nil {
		*v = idOrNode(id)
		return nil
	}
	var node struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(data, &node) == nil {
		*v = idOrNode(node.ID)
	}
	return nil
}

// readEvent tells what an event of a type touches; nothing for other types.
func readEvent(kind string, raw json.RawMessage) touched {
	var o eventObject
	if err := json.Unmarshal(raw, &o); err != nil || o.ID == "" {
		return touched{}
	}
	gone := strings.HasSuffix(kind, ".deleted")
	switch {
	case kind == "customer.created", kind == "customer.updated", kind == "customer.deleted":
		return touched{connector.EntityContact, []string{o.ID}, gone}
	case strings.HasPrefix(kind, "invoice.") && o.Object == "invoice":
		return touched{connector.EntityInvoice, []string{o.ID}, gone}
	case strings.HasPrefix(kind, "credit_note.") && o.Invoice != "":
		return touched{connector.EntityInvoice, []string{string(o.Invoice)}, false}
	case strings.HasPrefix(kind, "charge.dispute.") && o.Charge != "":
		return touched{connector.EntityPayment, []string{string(o.Charge)}, false}
	case kind == "charge.refund.updated", strings.HasPrefix(kind, "refund."):
		ids := []string{o.ID}
		if o.Charge != "" {
			ids = append(ids, string(o.Charge))
		}
		return touched{connector.EntityPayment, ids, false}
	case strings.HasPrefix(kind, "charge.") && o.Object == "charge":
		return touched{connector.EntityPayment, []string{o.ID}, false}
	}
	return touched{}
}

// valid drops ids that cannot be Stripe's.
func (t touched) valid() touched {
	var ids []string
	for _, id := range t.ids {
		if checkID(id) == nil {
			ids = append(ids, id)
		}
	}
	t.ids = ids
	return t
}

func touchedBy(ev *stripe.Event) touched {
	if ev.Data == nil {
		return touched{}
	}
	return readEvent(string(ev.Type), ev.Data.Raw).valid()
}

func eventTime(unix int64) time.Time { return time.Unix(unix, 0).UTC() }
