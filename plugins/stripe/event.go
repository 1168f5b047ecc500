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
	chargeEvents = []string{
		"charge.succeeded", "charge.pending", "charge.failed", "charge.updated", "charge.captured", "charge.expired",
		"charge.refunded", "charge.refund.updated",
	}
	disputeEvents = []string{
		"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
		"charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
	}
	// Sent for card refunds only by newer versions of the API than ours.
	refundEvents = []string{"refund.created", "refund.updated", "refund.failed"}
	// Looked for, never asked of a webhook endpoint: nobody waits for a payout.
	payoutEvents = []string{"payout.created", "payout.updated", "payout.paid", "payout.failed", "payout.canceled"}
)

// touch is what an event says: this record may have changed. Only ids are read
// from its object, for that comes in the version of the account, not ours.
type touch struct {
	entity connector.Entity
	stream string
	id     string
	gone   bool
	key    string // of the change: the same in a poll and in a webhook
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

// readEvent tells what an event of a type touches; nothing for other types. The
// first is what the event is about, and has the event's id for a key.
func readEvent(event, kind string, raw json.RawMessage) []touch {
	var o eventObject
	if err := json.Unmarshal(raw, &o); err != nil || o.ID == "" {
		return nil
	}
	var out []touch
	for _, t := range o.touches(kind) {
		if checkID(t.id) != nil { // cannot be Stripe's
			continue
		}
		t.key = event
		if len(out) > 0 {
			t.key += "/" + t.id
		}
		out = append(out, t)
	}
	return out
}

func (o eventObject) touches(kind string) []touch {
	payment := func(id, stream string) touch { return touch{entity: connector.EntityPayment, id: id, stream: stream} }
	gone := strings.HasSuffix(kind, ".deleted")
	switch {
	case kind == "customer.created", kind == "customer.updated", kind == "customer.deleted":
		return []touch{{entity: connector.EntityContact, id: o.ID, gone: gone}}
	case strings.HasPrefix(kind, "invoice.") && o.Object == "invoice":
		return []touch{{entity: connector.EntityInvoice, id: o.ID, gone: gone}}
	case strings.HasPrefix(kind, "credit_note.") && o.Invoice != "":
		return []touch{{entity: connector.EntityInvoice, id: string(o.Invoice)}}
	case strings.HasPrefix(kind, "charge.dispute.") && o.Charge != "":
		return []touch{payment(string(o.Charge), ""), payment(o.ID, streamDisputes)}
	case kind == "charge.refund.updated", strings.HasPrefix(kind, "refund."):
		return []touch{payment(o.ID, ""), payment(string(o.Charge), "")}
	case strings.HasPrefix(kind, "charge.") && o.Object == "charge":
		return []touch{payment(o.ID, "")}
	case strings.HasPrefix(kind, "payout.") && o.Object == "payout":
		return []touch{payment(o.ID, streamPayouts)}
	}
	return nil
}

func touchedBy(ev *stripe.Event) []touch {
	if ev.Data == nil {
		return nil
	}
	return readEvent(ev.ID, string(ev.Type), ev.Data.Raw)
}

func eventTime(unix int64) time.Time { return time.Unix(unix, 0).UTC() }
