package main

import (
	"context"
	"slices"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// Every balance transaction is accounted for by one record: that of the charge,
// refund, payout or dispute that it belongs to, or one of its own in the streams
// fees and adjustments. The fee that it carries is a record of its own in fees,
// whatever it belongs to; only an adjustment is listed with its fee taken off. So
// receipts less refunds and all streams add up to the account's balance.
// https://docs.stripe.com/reports/balance-transaction-types

// place says which records account for a balance transaction's gross amount.
type place int

const (
	inReceipts    place = iota + 1
	inFailures          // of a charge or a refund: its record fails, and then counts nothing
	inRefunds           //
	inFees              // it is itself a fee
	inPayouts           //
	inDisputes          //
	inAdjustments       // everything else, and every type that Stripe adds later
)

// places has every type of a balance transaction that is known.
var places = map[place][]stripe.BalanceTransactionType{
	inReceipts: {stripe.BalanceTransactionTypeCharge, stripe.BalanceTransactionTypePayment},
	inFailures: {stripe.BalanceTransactionTypePaymentFailureRefund, stripe.BalanceTransactionTypeRefundFailure},
	inRefunds:  {stripe.BalanceTransactionTypeRefund, stripe.BalanceTransactionTypePaymentRefund},
	inFees:     {stripe.BalanceTransactionTypeStripeFee, stripe.BalanceTransactionTypeStripeFxFee, stripe.BalanceTransactionTypeTaxFee},
	inPayouts:  {stripe.BalanceTransactionTypePayout, stripe.BalanceTransactionTypePayoutFailure, stripe.BalanceTransactionTypePayoutCancel},
	inAdjustments: {
		stripe.BalanceTransactionTypeAdjustment, // by its category, see placeOf
		stripe.BalanceTransactionTypeAdvance, stripe.BalanceTransactionTypeAdvanceFunding, stripe.BalanceTransactionTypeAnticipationRepayment,
		// What a platform earns is not what Stripe charges.
		stripe.BalanceTransactionTypeApplicationFee, stripe.BalanceTransactionTypeApplicationFeeRefund,
		stripe.BalanceTransactionTypeClimateOrderPurchase, stripe.BalanceTransactionTypeClimateOrderRefund,
		stripe.BalanceTransactionTypeConnectCollectionTransfer, stripe.BalanceTransactionTypeContribution,
		stripe.BalanceTransactionTypeIssuingAuthorizationHold, stripe.BalanceTransactionTypeIssuingAuthorizationRelease,
		stripe.BalanceTransactionTypeIssuingDispute, stripe.BalanceTransactionTypeIssuingTransaction,
		stripe.BalanceTransactionTypeObligationInbound, stripe.BalanceTransactionTypeObligationOutbound,
		stripe.BalanceTransactionTypeObligationPayout, stripe.BalanceTransactionTypeObligationPayoutFailure,
		stripe.BalanceTransactionTypeObligationReversalInbound, stripe.BalanceTransactionTypeObligationReversalOutbound,
		stripe.BalanceTransactionTypePaymentNetworkReserveHold, stripe.BalanceTransactionTypePaymentNetworkReserveRelease,
		stripe.BalanceTransactionTypePaymentReversal, stripe.BalanceTransactionTypePaymentUnreconciled,
		stripe.BalanceTransactionTypeReserveTransaction, stripe.BalanceTransactionTypeReservedFunds,
		stripe.BalanceTransactionTypeTopup, stripe.BalanceTransactionTypeTopupReversal,
		stripe.BalanceTransactionTypeTransfer, stripe.BalanceTransactionTypeTransferCancel,
		stripe.BalanceTransactionTypeTransferFailure, stripe.BalanceTransactionTypeTransferRefund,
	},
}

// placeOf decides what accounts for a balance transaction. An adjustment is told
// by its category: https://docs.stripe.com/reports/reporting-categories
func placeOf(bt *stripe.BalanceTransaction) place {
	if bt.Type == stripe.BalanceTransactionTypeAdjustment && sourceID(bt) != "" {
		switch bt.ReportingCategory {
		case stripe.BalanceTransactionReportingCategoryDispute, stripe.BalanceTransactionReportingCategoryDisputeReversal:
			return inDisputes
		case stripe.BalanceTransactionReportingCategoryRefundFailure, stripe.BalanceTransactionReportingCategoryChargeFailure:
			return inFailures
		}
	}
	if bt.Type == stripe.BalanceTransactionTypeAdjustment && bt.ReportingCategory == stripe.BalanceTransactionReportingCategoryFee {
		return inFees
	}
	for p, types := range places {
		if slices.Contains(types, bt.Type) {
			return p
		}
	}
	return inAdjustments
}

func sourceID(bt *stripe.BalanceTransaction) string {
	if bt.Source == nil {
		return ""
	}
	return bt.Source.ID
}

// Balance transactions are listed for as long as an account lives. That they show
// later than they are dated by is not documented; this is ample.
const movementsOverlap = 10 * time.Minute

// movementsOf is the feed of the balance transactions that a stream has records of.
// No event tells of them.
func movementsOf(stream string) *feed {
	return &feed{
		op: opMovements, overlap: int64(movementsOverlap / time.Second),
		read: func(ctx context.Context, l *lister, lp stripe.ListParams, from, to int64) ([]row, bool, *exchange, error) {
			p := &stripe.BalanceTransactionListParams{ListParams: lp}
			if from > 0 || to > 0 {
				p.CreatedRange = span(from, to)
			}
			all, more, ex, err := l.cn.movements(ctx, p)
			rows := make([]row, len(all))
			for i, bt := range all {
				rows[i] = row{id: bt.ID, created: bt.Created}
				if slices.Contains(l.cur.Recent, bt.ID) {
					continue
				}
				if id, err := l.cn.idIn(ctx, stream, bt); err != nil {
					return nil, false, ex, err
				} else if id != "" {
					rows[i].touches = []touch{{entity: connector.EntityPayment, stream: stream, id: id, key: id}}
				}
			}
			return rows, more, ex, err
		},
	}
}

// listMovements is the backfill of a stream of balance transactions.
func listMovements(stream string) kind {
	return func(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error) {
		p := &stripe.BalanceTransactionListParams{ListParams: listParams(after, limit), CreatedRange: span(from, to)}
		all, more, _, err := cn.movements(ctx, p)
		var out []object
		for _, bt := range all {
			id, err := cn.idIn(ctx, stream, bt)
			if err != nil {
				return nil, false, err
			}
			out = append(out, object{id: bt.ID, created: bt.Created, key: id, skip: id == "", as: id})
		}
		return out, more, err
	}
}

const opMovements = "stripe: list balance transactions"

func (cn *conn) movements(ctx context.Context, p *stripe.BalanceTransactionListParams) ([]*stripe.BalanceTransaction, bool, *exchange, error) {
	return list[*stripe.BalanceTransaction](ctx, opMovements, &p.ListParams, func() *stripe.Iter {
		return cn.api.BalanceTransactions.List(p).Iter
	})
}

// idIn returns the id of the record that a stream has of a balance transaction;
// empty when it has none.
func (cn *conn) idIn(ctx context.Context, stream string, bt *stripe.BalanceTransaction) (string, error) {
	if stream == streamFees {
		if feeOf(bt) == 0 {
			return "", nil
		}
		return bt.ID, nil
	}
	switch placeOf(bt) {
	case inAdjustments:
		if bt.Net != 0 {
			return bt.ID, nil
		}
	case inFailures, inDisputes:
		rest, err := cn.remainder(ctx, bt)
		if err != nil || rest == 0 {
			return "", err
		}
		return remainderPrefix + bt.ID, nil
	}
	return "", nil
}

func (cn *conn) movement(ctx context.Context, id string) (*stripe.BalanceTransaction, error) {
	const op = "stripe: get balance transaction"
	p := &stripe.BalanceTransactionParams{}
	var bt *stripe.BalanceTransaction
	err := cn.read(ctx, op, &p.Params, func() (err error) {
		bt, err = cn.api.BalanceTransactions.Get(id, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return bt, nil
}

// movementPayment reads a balance transaction as a fee or as an adjustment.
func (cn *conn) movementPayment(ctx context.Context, id string) (*connector.Record, error) {
	bt, err := cn.movement(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case feeOf(bt) != 0:
		return cn.recordOfFee(ctx, bt)
	case placeOf(bt) == inAdjustments && bt.Net != 0:
		return recordOfAdjustment(bt)
	}
	return nil, connector.Errorf(connector.NotFound, "stripe: get payment", "balance transaction %s is accounted for by what it belongs to", id)
}
