package main

import (
	"context"
	"net/http"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// Xero is the connector. It is safe for concurrent use and keeps nothing but
// its call budgets and, for a few minutes, what it read of an organisation.
type Xero struct {
	now     func() time.Time
	http    *http.Client
	budgets budgets
	orgs    organisations
}

// New makes the connector.
func New() *Xero { return newAt(time.Now) }

// newAt makes a connector with a clock of its own, for tests.
func newAt(now func() time.Time) *Xero {
	return &Xero{now: now, http: newHTTPClient(), budgets: budgets{now: now}, orgs: organisations{now: now}}
}

// Close ends the idle connections.
func (x *Xero) Close() { x.http.CloseIdleConnections() }

// List implements connector.Connector.
func (x *Xero) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	a, err := x.openBound(s)
	if err != nil {
		return connector.Page{}, err
	}
	if req.PageSize < 1 || req.PageSize > pageRowsMax {
		req.PageSize = pageRowsMax
	}
	if req.Stream != "" && !x.Manifest().HasStream(req.Entity, req.Stream) {
		return connector.Page{}, connector.Errorf(connector.Invalid, "xero: list", "the connector has no stream %q of %q", req.Stream, string(req.Entity))
	}
	switch req.Entity {
	case connector.EntityContact:
		return listChanges(ctx, a, req, contactFeed)
	case connector.EntityInvoice:
		return listChanges(ctx, a, req, invoiceFeed)
	case connector.EntityPayment:
		return a.listPayments(ctx, req)
	}
	return connector.Page{}, unknownEntity("xero: list", req.Entity)
}

// Get implements connector.Connector. A record whose sums cannot be held
// exactly (a yen invoice with decimals) fails the call as Invalid and is named
// among the error's Candidates, so that the others can be asked for without it.
func (x *Xero) Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	a, err := x.openBound(s)
	if err != nil {
		return nil, err
	}
	ids := guids(req.IDs)
	if len(ids) == 0 {
		return nil, nil
	}
	switch req.Entity {
	case connector.EntityContact:
		return a.getContacts(ctx, ids)
	case connector.EntityInvoice:
		return a.getInvoices(ctx, ids)
	case connector.EntityPayment:
		return a.getAnyPayments(ctx, ids)
	}
	return nil, unknownEntity("xero: get", req.Entity)
}

// Upsert implements connector.Connector.
func (x *Xero) Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	a, err := x.openBound(s)
	if err != nil {
		return nil, err
	}
	if sup, ok := x.Manifest().Support(req.Entity); ok && len(req.Writes) > sup.UpsertBatch {
		return nil, connector.Errorf(connector.Invalid, "xero: upsert", "%d writes in one call, at most %d are allowed", len(req.Writes), sup.UpsertBatch)
	}
	switch req.Entity {
	case connector.EntityContact:
		return a.upsertContacts(ctx, req.Writes), nil
	case connector.EntityInvoice:
		return a.upsertInvoices(ctx, req.Writes), nil
	case connector.EntityPayment:
		return a.upsertPayments(ctx, req.Writes), nil
	}
	return nil, unknownEntity("xero: upsert", req.Entity)
}

func unknownEntity(op string, e connector.Entity) error {
	return connector.Errorf(connector.Invalid, op, "the connector has no entity %q", string(e))
}
