package main

import (
	"context"
	"errors"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// reader reads one record by its id, or fails as NotFound.
type reader func(ctx context.Context, id string) (*connector.Record, error)

// payment reads whatever of payments has an id, of whatever stream.
func (cn *conn) payment(ctx context.Context, id string) (*connector.Record, error) {
	var absent error
	for _, read := range cn.readersOf(id) {
		rec, err := read(ctx, id)
		if !isMissing(err) {
			return rec, err
		}
		absent = err
	}
	return nil, absent
}

// readersOf returns what to try, in order. Stripe does not promise what an id looks
// like, so its prefix only says what to try first; ids that are our own are sure.
func (cn *conn) readersOf(id string) []reader {
	prefix, _, _ := strings.Cut(id, "_")
	switch prefix + "_" {
	case dayPrefix:
		return []reader{cn.dayPayment}
	case remainderPrefix:
		return []reader{cn.remainderPayment}
	case "ch_", "py_":
		return []reader{cn.chargePayment, cn.refundPayment}
	case "re_", "pyr_":
		return []reader{cn.refundPayment, cn.chargePayment}
	case "txn_":
		return []reader{cn.movementPayment, cn.chargePayment, cn.refundPayment}
	case "po_":
		return []reader{cn.payoutPayment, cn.chargePayment, cn.refundPayment}
	case "dp_", "du_":
		return []reader{cn.disputePayment, cn.chargePayment, cn.refundPayment}
	}
	return []reader{cn.chargePayment, cn.refundPayment, ifAllowed(cn.disputePayment), ifAllowed(cn.payoutPayment), ifAllowed(cn.movementPayment)}
}

// ifAllowed takes what the key may not read for absent: a connection that needs
// charges only has no permission for the rest.
func ifAllowed(read reader) reader {
	return func(ctx context.Context, id string) (*connector.Record, error) {
		rec, err := read(ctx, id)
		var lacking permissionError
		if errors.As(err, &lacking) {
			return nil, connector.Errorf(connector.NotFound, "stripe: get payment", "the key may not look for %.60q", id)
		}
		return rec, err
	}
}
