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

// getAnyPayments finds payments, and bank transactions and transfers among the
// ids that are none.
func (a *api) getAnyPayments(ctx context.Context, ids []string) ([]connector.Record, error) {
	out, err := a.getPayments(ctx, ids)
	if err != nil {
		return nil, err
	}
	rest := notAmong(ids, out)
	if len(rest) == 0 {
		return out, nil
	}
	spends, err := a.bankTransactionsByID(ctx, rest)
	if err != nil {
		return nil, err
	}
	for _, t := range spends {
		rec, err := t.record()
		if err != nil {
			return nil, unreadable("xero: read bank transactions", "bank transaction "+t.Reference, t.BankTransactionID, err)
		}
		out = append(out, rec)
	}
	if rest = notAmong(rest, out); len(rest) == 0 {
		return out, nil
	}
	transfers, err := a.transfersByID(ctx, rest)
	if err != nil || len(transfers) == 0 {
		return out, err
	}
	l, err := a.ledger(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range transfers {
		rec, err := t.record(l)
		if err != nil {
			return nil, unreadable("xero: read bank transfers", "bank transfer "+t.Reference, t.BankTransferID, err)
		}
		out = append(out, rec)
	}
	return out, nil
}

// notAmong are the ids that are not among the records.
func notAmong(ids []string, found []connector.Record) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(found, func(r connector.Record) bool { return r.ID == id })
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
	var passed []transferForm
	for _, t := range rows {
		if !seen[t.seenKey()] {
			if len(page.Records) == size {
				page.More = true
				break
			}
			page.Records = append(page.Records, t.listed(l))
		}
		passed = append(passed, t)
		if last := t.CreatedDateUTC.Truncate(time.Second).Add(-overlap); last.After(next.Since) {
			next.Since = last
		}
	}
	for _, t := range passed {
		// Rows from before the place came for a change of theirs, and will again.
		if t.CreatedDateUTC.Before(p.Since) || !t.CreatedDateUTC.Before(next.Since) {
			next.Seen = append(next.Seen, t.seenKey())
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
