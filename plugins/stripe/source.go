package main

import (
	"context"

	"github.com/ml-connector/ml-connector/connector"
)

// The streams of payments: what moves the account's balance and is neither a
// charge nor a refund.
const (
	streamFees        = "fees"
	streamDailyFees   = "daily_fees"
	streamPayouts     = "payouts"
	streamDisputes    = "disputes"
	streamAdjustments = "adjustments"
)

// paymentStreams are the streams as the manifest offers them.
func paymentStreams() []connector.Stream {
	return []connector.Stream{
		{Name: streamFees, Help: "What Stripe charges, one record for each balance transaction with a fee; fees that come back are fee_refund."},
		{Name: streamDailyFees, Help: "The same fees added up by UTC day and currency, an hour after the day has ended."},
		{Name: streamPayouts, Help: "Money on its way from the Stripe balance to the bank account; failed when it came back."},
		{Name: streamDisputes, Help: "Money that a customer's bank took back; pending while none has moved, failed when it was returned."},
		{Name: streamAdjustments, Help: "Every other movement of the Stripe balance, such as top-ups and reserves; the note says which way it went."},
	}
}

// source is where the records of an entity or of one of its streams come from.
type source struct {
	kinds []kind // kinds of objects, in the order of the backfill
	feed  *feed  // what changes them; nil: days of fees, see days
}

// kind lists one kind of object: one page, newest first, within [from, to); to 0
// is without end.
type kind func(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error)

// object is what a backfill needs of one object in a list.
type object struct {
	id      string
	created int64
	key     string                            // of the change, see found
	skip    bool                              // it is in the list, but not of this source
	as      string                            // the record's id, where it is another one
	rec     func() (*connector.Record, error) // nil: read it by id
}

// sourceOf returns the source of what is listed. New and deleted drafts are looked
// for only here: a webhook of invoice.created that fails would hold up other
// invoices of the account.
func sourceOf(op string, e connector.Entity, stream string) (source, error) {
	switch {
	case e == connector.EntityContact && stream == "":
		return source{kinds: []kind{listCustomers}, feed: eventsOf(customerEvents)}, nil
	case e == connector.EntityInvoice && stream == "":
		drafts := []string{"invoice.created", "invoice.deleted"}
		return source{kinds: []kind{listInvoices}, feed: eventsOf(drafts, invoiceEvents)}, nil
	case e == connector.EntityPayment:
		return paymentSource(op, stream)
	case e == connector.EntityContact, e == connector.EntityInvoice:
		return source{}, unknownStream(op, e, stream)
	}
	return source{}, unknownEntity(op, e)
}

func paymentSource(op, stream string) (source, error) {
	switch stream {
	case "":
		return source{kinds: []kind{listCharges, listRefunds}, feed: eventsOf(chargeEvents, disputeEvents, refundEvents)}, nil
	case streamFees, streamAdjustments:
		return source{kinds: []kind{listMovements(stream)}, feed: movementsOf(stream)}, nil
	case streamDailyFees:
		return source{}, nil
	case streamPayouts:
		return source{kinds: []kind{listPayouts}, feed: eventsOf(payoutEvents)}, nil
	case streamDisputes:
		return source{kinds: []kind{listDisputes}, feed: eventsOf(disputeEvents)}, nil
	}
	return source{}, unknownStream(op, connector.EntityPayment, stream)
}

func unknownStream(op string, e connector.Entity, stream string) error {
	return connector.Errorf(connector.Invalid, op, "there is no stream %.60q of %s", stream, e)
}
