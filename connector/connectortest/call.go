package connectortest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// session makes up a session for one check: every check has its own connection,
// so that what a connector remembers of one's budget does not reach another.
// optional says whether secrets that are not required are there too.
func (s *suite) session(check string, optional bool) *connector.Session {
	out := &connector.Session{
		Connection: "conformance-" + check, AccountID: "conformance-account",
		Settings: map[string]string{}, Secrets: map[string]connector.Secret{}, Priority: connector.PriorityWrite,
	}
	for _, v := range s.manifest.Settings {
		given, ok := s.cfg.Settings[v.Name]
		switch {
		case v.Secret && (v.Required || optional):
			out.Secrets[v.Name] = s.marked.make(given)
		case v.Secret:
		case ok:
			out.Settings[v.Name] = given
		case v.Type == connector.SettingURL:
			out.Settings[v.Name] = s.trap.url
		case v.Default != "":
			out.Settings[v.Name] = v.Default
		case v.Type == connector.SettingInteger && v.Required:
			out.Settings[v.Name] = strconv.Itoa(1)
		case v.Required:
			out.Settings[v.Name] = "conformance"
		}
	}
	if s.manifest.OAuth != nil {
		out.AccessToken = s.marked.make("")
	}
	return out
}

// bare returns a session that lacks everything that is required.
func (s *suite) bare() *connector.Session {
	out := s.session("bare", false)
	for _, v := range s.manifest.Settings {
		if v.Required {
			delete(out.Settings, v.Name)
			delete(out.Secrets, v.Name)
		}
	}
	out.AccessToken = ""
	return out
}

// needsSomething reports whether a bare session lacks anything.
func (s *suite) needsSomething() bool {
	for _, v := range s.manifest.Settings {
		if v.Required {
			return true
		}
	}
	return s.manifest.OAuth != nil
}

// call is one verb for one entity, ready to be made.
type call struct {
	verb   connector.Verb // empty: Check
	entity connector.Entity
	do     func(ctx context.Context, s *connector.Session) error
}

func (c call) String() string {
	if c.verb == "" {
		return "check"
	}
	return fmt.Sprintf("%s %q", c.verb, c.entity)
}

// reads reports whether the call changes nothing in the service.
func (c call) reads() bool { return c.verb != connector.VerbUpsert }

// check is the call that asks who we are.
func (s *suite) checkCall() call {
	return call{do: func(ctx context.Context, sess *connector.Session) error {
		_, err := s.c.Check(ctx, sess, connector.CheckRequest{})
		return err
	}}
}

// calls returns the three verbs for an entity, whether offered or not.
func (s *suite) calls(e connector.Entity) []call {
	return []call{
		{connector.VerbList, e, func(ctx context.Context, sess *connector.Session) error {
			_, err := s.c.List(ctx, sess, connector.ListRequest{Entity: e, PageSize: 1})
			return err
		}},
		{connector.VerbGet, e, func(ctx context.Context, sess *connector.Session) error {
			_, err := s.c.Get(ctx, sess, connector.GetRequest{Entity: e, IDs: []string{"00000000-0000-4000-8000-000000000001"}})
			return err
		}},
		{connector.VerbUpsert, e, func(ctx context.Context, sess *connector.Session) error {
			return s.upsertMadeUp(ctx, sess, e)
		}},
	}
}

// offered returns the calls that the manifest offers, Check first.
func (s *suite) offered() []call {
	out := []call{s.checkCall()}
	for _, e := range s.manifest.Entities {
		for _, c := range s.calls(e.Entity) {
			if s.manifest.Can(c.entity, c.verb) {
				out = append(out, c)
			}
		}
	}
	return out
}

// upsertMadeUp writes a plausible record; a failed outcome is its error.
func (s *suite) upsertMadeUp(ctx context.Context, sess *connector.Session, e connector.Entity) error {
	out, err := s.c.Upsert(ctx, sess, connector.UpsertRequest{Entity: e, Writes: []connector.Write{{
		Key: s.key(), Record: madeUp(e), Attempt: 1, IntendedAt: time.Now().UTC(),
	}}})
	if err == nil && out[0].Err != nil {
		return out[0].Err
	}
	return err
}

func madeUp(e connector.Entity) connector.Record {
	sum := money.MustNew(1001, "USD")
	day := connector.DateOf(time.Now().UTC())
	switch e {
	case connector.EntityInvoice:
		return connector.Record{Entity: e, Invoice: &connector.Invoice{
			Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: "CONFORMANCE-1", ContactID: "conformance",
			Currency: sum.Currency(), IssueDate: day, DueDate: day.AddDays(7), TaxMode: connector.TaxNone,
			Lines: []connector.InvoiceLine{{Description: "made up", Amount: sum, Tax: money.Zero(sum.Currency())}},
			Total: sum, TaxTotal: money.Zero(sum.Currency()), AmountDue: sum,
			AmountPaid: money.Zero(sum.Currency()), AmountCredited: money.Zero(sum.Currency()),
		}}
	case connector.EntityPayment:
		return connector.Record{Entity: e, Payment: &connector.Payment{
			Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Amount: sum, PaidAt: time.Now().UTC(),
			Date: day, InvoiceID: "conformance", ContactID: "conformance", Account: "conformance", Reference: "conformance",
		}}
	}
	// An entity that is not known is put in a contact's clothes.
	return connector.Record{Entity: e, Contact: &connector.Contact{Name: "Conformance", Status: connector.ContactActive}}
}

// fault returns the classified error in err, or an error saying why there is none.
func fault(err error) (*connector.Error, error) {
	if err == nil {
		return nil, errors.New("it succeeded")
	}
	var e *connector.Error
	if !errors.As(err, &e) {
		return nil, fmt.Errorf("the error has no kind: %w", err)
	}
	if e.Message == "" {
		return e, errors.New("the error has no message")
	}
	return e, nil
}
