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
	key  string    // the change's dedupe key, as a webhook would carry it; empty: not known
	gone bool
	rec  *connector.Record // when the list already said it all
}

// List returns what changed, oldest first.
func (c *Connector) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	const op = "stripe: list"
	src, err := sourceOf(op, req.Entity, req.Stream)
	if err != nil {
		return connector.Page{}, err
	}
	if req.PageSize < 1 || req.PageSize > pageSizeMax {
		return connector.Page{}, connector.Errorf(connector.Invalid, op, "a page has from 1 to %d records, not %d", pageSizeMax, req.PageSize)
	}
	cn, err := c.connect(s, op)
	if err != nil {
		return connector.Page{}, err
	}
	cur, fresh, err := readCursor(req.Cursor, req.Since, max(1, len(src.kinds)))
	if err != nil {
		return connector.Page{}, err
	}
	l := &lister{cn: cn, req: req, src: src, cur: cur}
	rows, more, err := l.next(ctx, fresh)
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
	src source
	cur *cursor
}

// next reads one page of changes.
func (l *lister) next(ctx context.Context, fresh bool) (rows []found, more bool, err error) {
	if l.src.feed == nil {
		return l.days(ctx)
	}
	if fresh {
		if err := l.setMark(ctx); err != nil {
			return nil, false, err
		}
	}
	if l.cur.Events {
		return l.follow(ctx)
	}
	rows, err = l.backfill(ctx)
	return rows, true, err
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
		out = append(out, object{id: cu.ID, created: cu.Created, rec: func() (*connector.Record, error) { return cn.contactRecord(cu) }})
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
