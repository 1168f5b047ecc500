package main

import (
	"context"
	"errors"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// Limits of a customer's fields: https://docs.stripe.com/api/customers/create
const (
	nameMax    = 256
	emailMax   = 512
	phoneMax   = 20
	addressMax = 200
)

// clockSlack covers a difference between the host's clock and Stripe's.
const clockSlack = time.Minute

// wantedCustomer is what a customer should say, within Stripe's limits. An
// empty field is left alone.
type wantedCustomer struct {
	name, email, phone string
	address            connector.Address
	marks              map[string]string
}

func newWantedCustomer(c *connector.Contact) (wantedCustomer, error) {
	marks, err := checkMarks("stripe: upsert customer", c.Marks)
	trim := func(s string, n int) string { return cut(strings.TrimSpace(s), n) }
	return wantedCustomer{
		name: trim(c.Name, nameMax), email: trim(c.Email, emailMax), phone: trim(c.Phone, phoneMax), marks: marks,
		address: connector.Address{
			Line1: trim(c.Address.Line1, addressMax), Line2: trim(c.Address.Line2, addressMax),
			City: trim(c.Address.City, addressMax), Region: trim(c.Address.Region, addressMax),
			PostalCode: trim(c.Address.PostalCode, addressMax), Country: countryCode(c.Address.Country),
		},
	}, err
}

// upsertContact makes a customer say what is wanted. Without a known one it is
// found by our marks, then by e-mail, and made only when there is none.
func (cn *conn) upsertContact(ctx context.Context, w connector.Write) (connector.Outcome, error) {
	const op = "stripe: upsert customer"
	want, err := newWantedCustomer(w.Record.Contact)
	if err != nil {
		return connector.Outcome{}, err
	}
	release, err := cn.locks.acquire(ctx, "customer "+strings.ToLower(want.email))
	if err != nil {
		return connector.Outcome{}, err
	}
	defer release()
	archived := w.Record.Contact.Status == connector.ContactArchived
	switch {
	case archived && w.TargetID == "":
		return connector.Outcome{}, connector.Errorf(connector.Invalid, op, "an archived contact is not made a customer")
	case archived:
		return connector.Outcome{Result: connector.Unchanged, ID: w.TargetID, Reason: "Stripe has no archive; the customer is left as it is"}, nil
	case w.TargetID != "":
		return cn.updateKnown(ctx, w, want)
	}
	return cn.findOrCreate(ctx, w, want)
}

func (cn *conn) updateKnown(ctx context.Context, w connector.Write, want wantedCustomer) (connector.Outcome, error) {
	const op = "stripe: upsert customer"
	cu, err := cn.customer(ctx, w.TargetID)
	gone := err != nil && connector.KindOf(err) == connector.NotFound
	switch {
	case gone || err == nil && cu.Deleted:
		return connector.Outcome{}, connector.Errorf(connector.Conflict, op, "customer %s was deleted in Stripe", w.TargetID).
			WithRemedy("Unlink the contact, so that it is matched or made anew, or archive it at its source.")
	case err != nil:
		return connector.Outcome{}, err
	case foreign(cu.Metadata, want.marks):
		return connector.Outcome{}, connector.Errorf(connector.Conflict, op, "the metadata of customer %s names another record", cu.ID).
			WithRemedy("Correct the customer's metadata in Stripe, or link the contact to another customer.")
	}
	return cn.updateCustomer(ctx, w, cu, want, connector.Unchanged)
}

// findOrCreate looks once more whenever Stripe only repeats a failed answer.
func (cn *conn) findOrCreate(ctx context.Context, w connector.Write, want wantedCustomer) (connector.Outcome, error) {
	for try := 1; ; try++ {
		cu, mine, err := cn.findCustomer(ctx, w, want)
		switch {
		case err != nil:
			return connector.Outcome{}, err
		case cu != nil && mine:
			return cn.updateCustomer(ctx, w, cu, want, connector.Unchanged)
		case cu != nil: // somebody else's: our marks, and only what is empty there
			return cn.updateCustomer(ctx, w, cu, want.onlyEmpty(cu), connector.Adopted)
		}
		out, err := cn.createCustomer(ctx, w, want, try)
		if errors.Is(err, errReplayed) && try < triesMax {
			continue
		}
		return out, err
	}
}

// findCustomer finds the customer that a contact is: mine when it carries our
// marks. Both nil: there is none.
func (cn *conn) findCustomer(ctx context.Context, w connector.Write, want wantedCustomer) (cu *stripe.Customer, mine bool, err error) {
	var rows []*stripe.Customer
	if want.email != "" {
		emails := []string{want.email}
		if lower := strings.ToLower(want.email); lower != want.email {
			emails = append(emails, lower)
		}
		for _, email := range emails {
			more, err := cn.customersByEmail(ctx, email)
			if err != nil {
				return nil, false, err
			}
			rows = append(rows, more...)
		}
	} else if w.Attempt > 1 {
		since, err := cn.customersSince(ctx, w.IntendedAt.Add(-clockSlack))
		if err != nil {
			return nil, false, err
		}
		for _, r := range since {
			if ours(r.Metadata, want.marks) {
				rows = append(rows, r)
			}
		}
	}
	return cn.choose(rows, want)
}

// choose picks our customer, or the only one that nobody else has marked, by the
// rule of connector.MatchContact.
func (cn *conn) choose(rows []*stripe.Customer, want wantedCustomer) (*stripe.Customer, bool, error) {
	const op = "stripe: upsert customer"
	among := make([]connector.Record, 0, len(rows))
	for _, cu := range rows {
		rec, err := cn.contactRecord(cu)
		if err != nil {
			return nil, false, err
		}
		among = append(among, *rec)
	}
	found := connector.MatchContact(&connector.Contact{Name: want.name, Email: want.email, Marks: identity(want.marks)}, among)
	if len(found.Candidates) > 0 {
		e := connector.Errorf(connector.Conflict, op, "%d customers in Stripe have the %s of this contact", len(found.Candidates), found.Why).
			WithRemedy("Link the contact to one of them, or give the others another address in Stripe.")
		e.Candidates = found.Candidates
		return nil, false, e
	}
	for _, cu := range rows {
		if cu.ID == found.ID {
			return cu, found.Why == connector.MatchMark, nil
		}
	}
	return nil, false, nil
}

func (cn *conn) createCustomer(ctx context.Context, w connector.Write, want wantedCustomer, try int) (connector.Outcome, error) {
	p := want.differences(&stripe.Customer{})
	if p == nil {
		return connector.Outcome{}, connector.Errorf(connector.Invalid, "stripe: create customer", "the contact has neither name, e-mail address nor mark")
	}
	var cu *stripe.Customer
	replayed, err := cn.write(ctx, "stripe: create customer", stepKey(w.Key, "customer", try), &p.Params, func() (err error) {
		cu, err = cn.api.Customers.New(p)
		return err
	})
	if err != nil {
		return connector.Outcome{}, err
	}
	result := connector.Created
	if replayed { // made by an earlier attempt; it may have changed since
		if cu, err = cn.customer(ctx, cu.ID); err != nil {
			return connector.Outcome{}, err
		}
		if cu.Deleted {
			return connector.Outcome{}, &connector.Error{Kind: connector.UnknownOutcome, Op: "stripe: create customer",
				Message: "the customer made by an earlier attempt was deleted", Err: errReplayed}
		}
		result = connector.Unchanged
	}
	return cn.customerOutcome(cu, result)
}

// updateCustomer sends what differs, if anything does. A repeated answer proves
// nothing about now, so the customer is read again after one.
func (cn *conn) updateCustomer(ctx context.Context, w connector.Write, cu *stripe.Customer, want wantedCustomer, result connector.Result) (connector.Outcome, error) {
	for try := 1; ; try++ {
		p := want.differences(cu)
		if p == nil {
			return cn.customerOutcome(cu, result)
		}
		id := cu.ID
		replayed, err := cn.write(ctx, "stripe: update customer", stepKey(w.Key, "update", try), &p.Params, func() (err error) {
			cu, err = cn.api.Customers.Update(id, p)
			return err
		})
		again := replayed && (err == nil || errors.Is(err, errReplayed)) && try < triesMax
		if err != nil && !again {
			return connector.Outcome{}, err
		}
		if again {
			if cu, err = cn.customer(ctx, id); err != nil {
				return connector.Outcome{}, err
			}
		}
		if result == connector.Unchanged {
			result = connector.Updated
		}
		if !again {
			return cn.customerOutcome(cu, result)
		}
	}
}

func (cn *conn) customerOutcome(cu *stripe.Customer, result connector.Result) (connector.Outcome, error) {
	rec, err := cn.contactRecord(cu)
	if err != nil {
		return connector.Outcome{}, err
	}
	out := connector.Outcome{Result: result, ID: cu.ID, Record: rec}
	if result == connector.Adopted {
		out.Reason = "a customer with the same e-mail address was there"
	}
	return out, nil
}

// onlyEmpty keeps of the wish what the customer does not say yet, and the marks.
func (want wantedCustomer) onlyEmpty(cu *stripe.Customer) wantedCustomer {
	if cu.Name != "" {
		want.name = ""
	}
	if cu.Phone != "" {
		want.phone = ""
	}
	if addressOf(cu) != (connector.Address{}) {
		want.address = connector.Address{}
	}
	want.email = "" // it matched, but for case
	return want
}

// differences returns the parameters that make cu say what is wanted, or nil.
func (want wantedCustomer) differences(cu *stripe.Customer) *stripe.CustomerParams {
	p, differs := &stripe.CustomerParams{}, false
	for _, f := range []struct {
		want, have string
		set        **string
	}{
		{want.name, cu.Name, &p.Name}, {want.email, cu.Email, &p.Email}, {want.phone, cu.Phone, &p.Phone},
	} {
		if f.want != "" && f.want != f.have {
			*f.set, differs = stripe.String(f.want), true
		}
	}
	if want.address != (connector.Address{}) && want.address != addressOf(cu) {
		a := want.address
		p.Address, differs = &stripe.AddressParams{
			Line1: stripe.String(a.Line1), Line2: stripe.String(a.Line2), City: stripe.String(a.City),
			State: stripe.String(a.Region), PostalCode: stripe.String(a.PostalCode), Country: stripe.String(a.Country),
		}, true
	}
	for k, v := range want.marks {
		if cu.Metadata[k] != v {
			p.AddMetadata(k, v)
			differs = true
		}
	}
	if !differs {
		return nil
	}
	return p
}

func addressOf(cu *stripe.Customer) connector.Address {
	if cu.Address == nil {
		return connector.Address{}
	}
	a := cu.Address
	return connector.Address{Line1: a.Line1, Line2: a.Line2, City: a.City, Region: a.State, PostalCode: a.PostalCode, Country: a.Country}
}
