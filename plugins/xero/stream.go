package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// Payments without an invoice are listed in streams of their own, so that a
// recipe that wants none of them does not pay for the calls.

var paymentStreams = []connector.Stream{
	{Name: streamBank, Help: "Money spent and received without an invoice, such as fees: bank transactions of type SPEND and RECEIVE."},
	{Name: streamTransfers, Help: "Money moved between bank accounts, such as payouts. A deletion may only be seen by reading the transfer again."},
}

// listPayments lists the payments of a stream.
func (a *api) listPayments(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	switch req.Stream {
	case streamBank:
		return listChanges(ctx, a, req, bankFeed)
	case streamTransfers:
		return a.listTransfers(ctx, req)
	}
	return listChanges(ctx, a, req, paymentFeed)
}

// getAnyPayments finds payments, and among the ids that are none bank
// transactions, transfers and overpayments.
func (a *api) getAnyPayments(ctx context.Context, ids []string) ([]connector.Record, error) {
	out, rest, err := a.getPayments(ctx, ids)
	for _, get := range []func(context.Context, []string) ([]connector.Record, []string, error){a.getBankTransactions, a.getTransfers} {
		if err != nil || len(rest) == 0 {
			return out, err
		}
		var more []connector.Record
		more, rest, err = get(ctx, rest)
		out = append(out, more...)
	}
	if err != nil {
		return nil, err
	}
	more, err := a.getOverpayments(ctx, rest)
	return append(out, more...), err
}

func (a *api) getBankTransactions(ctx context.Context, ids []string) (out []connector.Record, rest []string, err error) {
	found, err := a.bankTransactionsByID(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range found {
		rec, err := t.record()
		if err != nil {
			return nil, nil, unreadable("xero: read bank transactions", "bank transaction "+t.Reference, t.BankTransactionID, err)
		}
		out = append(out, rec)
	}
	return out, notAmong(ids, found, func(t bankForm) string { return t.BankTransactionID }), nil
}

func (a *api) getTransfers(ctx context.Context, ids []string) (out []connector.Record, rest []string, err error) {
	found, err := a.transfersByID(ctx, ids)
	if err != nil || len(found) == 0 {
		return nil, ids, err
	}
	l, err := a.ledger(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range found {
		rec, err := t.record(l)
		if err != nil {
			return nil, nil, unreadable("xero: read bank transfers", "bank transfer "+t.Reference, t.BankTransferID, err)
		}
		out = append(out, rec)
	}
	return out, notAmong(ids, found, func(t transferForm) string { return t.BankTransferID }), nil
}

// notAmong are the ids that are not of a record found.
func notAmong[T any](ids []string, found []T, id func(T) string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(one string) bool {
		return slices.ContainsFunc(found, func(f T) bool { return sameID(id(f), one) })
	})
}

// listTransfers follows the bank transfers. The service has neither pages nor a
// time of change for them: the place is the last creation that was returned, and
// the rows that come again are recognised by what they say. One that was deleted
// comes again as another row, if the service counts that as a change.
func (a *api) listTransfers(ctx context.Context, req connector.ListRequest) (connector.Page, error) {
	const op = "xero: list bank transfers"
	at, err := readCursor(op, req)
	if err != nil {
		return connector.Page{}, err
	}
	r := request{op: op, method: http.MethodGet, path: accounting + pathTransfers, query: url.Values{"includeDeleted": {"true"}}, since: at.Since}
	var env envelope
	notModified, err := a.call(ctx, r, &env)
	if err != nil {
		return connector.Page{}, err
	}
	if env.BankTransfers == nil && !notModified {
		return connector.Page{}, unpromised(r, "the answer holds no bank transfers")
	}
	rows := env.BankTransfers
	slices.SortStableFunc(rows, func(s, t transferForm) int {
		return cmp.Or(s.CreatedDateUTC.Compare(t.CreatedDateUTC.Time), cmp.Compare(s.BankTransferID, t.BankTransferID))
	})
	var l ledger
	if len(rows) > 0 {
		if l, err = a.ledger(ctx); err != nil {
			return connector.Page{}, err
		}
	}
	page := connector.Page{}
	next := place{Version: cursorVersion, Since: at.Since, Seen: at.Seen}
	if len(rows) > 0 {
		page, next = at.transferPage(rows, l, req.PageSize)
	}
	page.Next, err = next.bounded().encode()
	return page, err
}

// transferPage takes a page off the rows that are new, and returns it with the
// place behind it.
func (p place) transferPage(rows []transferForm, l ledger, size int) (page connector.Page, next place) {
	seen := map[string]bool{}
	for _, key := range p.Seen {
		seen[key] = true
	}
	next = place{Version: cursorVersion, Since: p.Since}
	for _, t := range rows {
		if !seen[t.seenKey()] {
			if len(page.Records) == size {
				page.More = true
				break
			}
			page.Records = append(page.Records, t.listed(l))
		}
		// Not only those behind the place come again: a deleted one does, too.
		next.Seen = append(next.Seen, t.seenKey())
		if last := t.CreatedDateUTC.Truncate(time.Second).Add(-overlap); last.After(next.Since) {
			next.Since = last
		}
	}
	return page, next
}

// listed is the transfer as it is listed: without its body when its sum cannot
// be held exactly.
func (t transferForm) listed(l ledger) connector.Record {
	if rec, err := t.record(l); err == nil {
		return rec
	}
	return t.ref()
}

// seenKey is short: a cursor may hold thousands.
func (t transferForm) seenKey() string {
	h := sha256.Sum256([]byte(t.BankTransferID + t.ref().Version))
	return hex.EncodeToString(h[:6])
}
