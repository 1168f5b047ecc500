package main

import (
	"context"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"golang.org/x/sync/errgroup"

	"github.com/ml-connector/ml-connector/connector"
)

// found is one change on the way to becoming a record.
type found struct {
	id   string
	at   time.Time // of the event; zero in a backfill
	key  string    // the event's dedupe key, as a webhook would carry it; empty in a backfill
	gone bool
	rec  *connector.Record // when the list already said it all
}

// List returns what changed, oldest first.
func (c *Connector) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	const op = "stripe: list"
	if _, ok := kinds[req.Entity]; !ok {
		return connector.Page{}, unknownEntity(op, req.Entity)
	}
	if req.PageSize < 1 || req.PageSize > pageSizeMax {
		return connector.Page{}, connector.Errorf(connector.Invalid, op, "a page has from 1 to %d records, not %d", pageSizeMax, req.PageSize)
	}
	cn, err := c.connect(s, op)
	if err != nil {
		return connector.Page{}, err
	}
	cur, fresh, err := readCursor(req.Cursor, req.Since, len(kinds[req.Entity]))
	if err != nil {
		return connector.Page{}, err
	}
	l := &lister{cn: cn, req: req, cur: cur}
	if fresh {
		if err := l.setMark(ctx); err != nil {
			return connector.Page{}, err
		}
	}
	var rows []found
	more := true
	if cur.Events {
		rows, more, err = l.events(ctx)
	} else {
		rows, err = l.backfill(ctx)
	}
	if err != nil {
		return connector.Page{}, err
	}
	page := connector.Page{More: more}
	if page.Records, err = l.records(ctx, rows); err != nil {
		return connector.Page{}, err
	}
	page.Next, err = cur.text()
	return page, err
}

// lister is one call of List.
type lister struct {
	cn  *conn
	req connector.ListRequest
	cur *cursor
}

// records turns changes into records, read afresh where needed.
func (l *lister) records(ctx context.Context, rows []found) ([]connector.Record, error) {
	out := make([]connector.Record, len(rows))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, f := range rows {
		group.Go(func() error {
			rec := &connector.Record{Entity: l.req.Entity, ID: f.id, Gone: f.gone}
			switch {
			case l.req.IDsOnly || f.gone:
				rec.Version = f.key // a change that a webhook told of is recognised by it
			case f.rec != nil:
				rec = f.rec
			default:
				got, err := l.cn.record(ctx, l.req.Entity, f.id)
				if err != nil && connector.KindOf(err) == connector.NotFound {
					rec.Gone = true // deleted since
				} else if err != nil {
					return err
				} else {
					rec = got
				}
			}
			rec.UpdatedAt = f.at
			out[i] = *rec
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, connector.AsError(err, "stripe: list")
	}
	return out, nil
}

// object is what a backfill needs of one object in a list.
type object struct {
	id      string
	created int64
	rec     func() (*connector.Record, error) // nil: read it by id
}

// kind is one kind of object that an entity consists of. Its list function
// reads one page, newest first, within [from, to); to 0 is without end.
type kind struct {
	list func(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error)
}

// kinds of objects by entity, in the order of the backfill.
var kinds = map[connector.Entity][]kind{
	connector.EntityContact: {{listCustomers}},
	connector.EntityInvoice: {{listInvoices}},
	connector.EntityPayment: {{listCharges}, {listRefunds}},
}

func span(from, to int64) *stripe.RangeQueryParams {
	r := &stripe.RangeQueryParams{GreaterThanOrEqual: from}
	if to > 0 {
		r.LesserThan = to
	}
	return r
}

func listParams(after string, limit int) stripe.ListParams {
	p := stripe.ListParams{Limit: stripe.Int64(int64(limit))}
	if after != "" {
		p.StartingAfter = stripe.String(after)
	}
	return p
}

func listCustomers(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error) {
	p := &stripe.CustomerListParams{ListParams: listParams(after, limit), CreatedRange: span(from, to)}
	rows, more, _, err := list[*stripe.Customer](ctx, "stripe: list customers", &p.ListParams, func() *stripe.Iter {
		return cn.api.Customers.List(p).Iter
	})
	var out []object
	for _, cu := range rows {
		out = append(out, object{cu.ID, cu.Created, func() (*connector.Record, error) { return cn.contactRecord(cu) }})
	}
	return out, more, err
}

func listInvoices(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error) {
	p := &stripe.InvoiceListParams{ListParams: listParams(after, limit), CreatedRange: span(from, to)}
	rows, more, _, err := list[*stripe.Invoice](ctx, "stripe: list invoices", &p.ListParams, func() *stripe.Iter {
		return cn.api.Invoices.List(p).Iter
	})
	var out []object
	for _, inv := range rows {
		o := object{id: inv.ID, created: inv.Created}
		if inv.Lines != nil && !inv.Lines.HasMore {
			o.rec = func() (*connector.Record, error) { return cn.recordOfInvoice(inv) }
		}
		out = append(out, o)
	}
	return out, more, err
}

func listCharges(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error) {
	p := &stripe.ChargeListParams{ListParams: listParams(after, limit), CreatedRange: span(from, to)}
	rows, more, _, err := list[*stripe.Charge](ctx, "stripe: list charges", &p.ListParams, func() *stripe.Iter {
		return cn.api.Charges.List(p).Iter
	})
	var out []object
	for _, ch := range rows {
		out = append(out, object{id: ch.ID, created: ch.Created})
	}
	return out, more, err
}

func listRefunds(ctx context.Context, cn *conn, from, to int64, after string, limit int) ([]object, bool, error) {
	p := &stripe.RefundListParams{ListParams: listParams(after, limit), CreatedRange: span(from, to)}
	rows, more, _, err := list[*stripe.Refund](ctx, "stripe: list refunds", &p.ListParams, func() *stripe.Iter {
		return cn.api.Refunds.List(p).Iter
	})
	var out []object
	for _, re := range rows {
		out = append(out, object{id: re.ID, created: re.Created})
	}
	return out, more, err
}
