package main

import (
	"context"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// contact reads one customer. A deleted one answers with a stub for ever:
// https://docs.stripe.com/api/customers/delete
func (cn *conn) contact(ctx context.Context, id string) (*connector.Record, error) {
	cu, err := cn.customer(ctx, id)
	if err != nil {
		return nil, err
	}
	return cn.contactRecord(cu)
}

func (cn *conn) customer(ctx context.Context, id string) (*stripe.Customer, error) {
	const op = "stripe: get customer"
	p := &stripe.CustomerParams{}
	var cu *stripe.Customer
	err := cn.read(ctx, op, &p.Params, func() (err error) {
		cu, err = cn.api.Customers.Get(id, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !cu.Deleted {
		err = cn.sameMode(op, "customer", cu.ID, cu.Livemode)
	}
	return cu, err
}

func (cn *conn) contactRecord(cu *stripe.Customer) (*connector.Record, error) {
	rec := connector.Record{Entity: connector.EntityContact, ID: cu.ID}
	if cu.Deleted {
		rec.Gone = true
		return &rec, nil
	}
	if err := cn.sameMode("stripe: read customer", "customer", cu.ID, cu.Livemode); err != nil {
		return nil, err
	}
	c := connector.Contact{
		Name: cu.Name, Email: cu.Email, Phone: cu.Phone, Status: connector.ContactActive,
		Currency: currencyText(cu.Currency), Marks: merged(cu.Metadata),
	}
	if a := cu.Address; a != nil {
		c.Address = connector.Address{
			Line1: a.Line1, Line2: a.Line2, City: a.City, Region: a.State, PostalCode: a.PostalCode, Country: a.Country,
		}
	}
	rec.Contact = &c
	rec = withVersion(rec)
	return &rec, nil
}

// customersByEmail lists customers with exactly that address. Stripe compares
// case: https://docs.stripe.com/api/customers/list
func (cn *conn) customersByEmail(ctx context.Context, email string) ([]*stripe.Customer, error) {
	p := &stripe.CustomerListParams{Email: stripe.String(email)}
	return cn.customers(ctx, p, customersByEmailMax)
}

// customersSince lists customers made at a time or later.
func (cn *conn) customersSince(ctx context.Context, at time.Time) ([]*stripe.Customer, error) {
	p := &stripe.CustomerListParams{CreatedRange: &stripe.RangeQueryParams{GreaterThanOrEqual: at.Unix()}}
	return cn.customers(ctx, p, customersSinceMax)
}

const (
	customersByEmailMax = 3  // pages: 300 customers with one address
	customersSinceMax   = 20 // pages: 2,000 customers made since an intent
)

// customers reads all pages of a list of customers, or refuses a longer one.
func (cn *conn) customers(ctx context.Context, p *stripe.CustomerListParams, pagesMax int) ([]*stripe.Customer, error) {
	const op = "stripe: list customers"
	var out []*stripe.Customer
	for range pagesMax {
		rows, more, _, err := list[*stripe.Customer](ctx, op, &p.ListParams, func() *stripe.Iter {
			return cn.api.Customers.List(p).Iter
		})
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
		if !more || len(rows) == 0 {
			return out, nil
		}
		p.StartingAfter = stripe.String(rows[len(rows)-1].ID)
	}
	return nil, connector.Errorf(connector.Conflict, op, "more than %d customers to choose from", pagesMax*pageSizeMax).
		WithRemedy("Link the record to one customer by hand, or remove the duplicates in Stripe.")
}
