package main

import (
	"context"
	"flag"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("rapid.nofailfile", "true")
	goleak.VerifyTestMain(m)
}

// bench is a connector with a stand-in for Stripe behind it.
type bench struct {
	t     *testing.T
	c     *Connector
	srv   *stand.Server
	clock *sandbox.Clock
	s     *connector.Session
	start time.Time
	close func() // at the test's end at the latest
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchOf(t, stand.Config{})
}

func newBenchOf(t *testing.T, cfg stand.Config) *bench {
	t.Helper()
	clock := sandbox.NewClock()
	cfg.Clock = clock
	srv, err := stand.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(srv.Handler())
	srv.SetBaseURL(web.URL)
	c := newConnector(t)
	c.now = clock.Now
	b := &bench{t: t, c: c, srv: srv, clock: clock, start: clock.Now(), s: sessionAt(web.URL)}
	b.close = sync.OnceFunc(func() { web.Close(); srv.Close() })
	t.Cleanup(b.close)
	return b
}

// newConnector makes a connector whose idle connections end with the test.
func newConnector(t *testing.T) *Connector {
	c := New()
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

func sessionAt(url string) *connector.Session {
	return &connector.Session{
		Connection: "stripe", AccountID: "acct_1Sandbox",
		Settings: map[string]string{settingURL: url, settingSpeed: "5000"},
		Secrets:  map[string]connector.Secret{settingKey: stand.DefaultAPIKey, settingHook: "whsec_test"},
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) ctx() context.Context { return b.t.Context() }

// upsert sends one write and returns its outcome.
func (b *bench) upsert(w connector.Write) connector.Outcome {
	b.t.Helper()
	out, err := b.c.Upsert(b.ctx(), b.s, connector.UpsertRequest{Entity: w.Record.Entity, Writes: []connector.Write{w}})
	b.must(err)
	if len(out) != 1 || (out[0].Err == nil) == (out[0].Result == "") {
		b.t.Fatalf("outcome of one write: %+v", out)
	}
	return out[0]
}

// ok sends one write that must succeed with a result.
func (b *bench) ok(w connector.Write, want connector.Result) connector.Outcome {
	b.t.Helper()
	out := b.upsert(w)
	if out.Err != nil {
		b.t.Fatalf("upsert: %v (remedy: %s)", out.Err, out.Err.Remedy)
	}
	if out.Result != want {
		b.t.Fatalf("result %s (%s), want %s", out.Result, out.Reason, want)
	}
	return out
}

// fails sends one write that must fail with a kind.
func (b *bench) fails(w connector.Write, want connector.Kind, text string) *connector.Error {
	b.t.Helper()
	out := b.upsert(w)
	if out.Err == nil {
		b.t.Fatalf("succeeded with %s %s, want an error of kind %s", out.Result, out.ID, want)
	}
	if out.Err.Kind != want || !strings.Contains(out.Err.Error(), text) {
		b.t.Fatalf("error of kind %s: %v; want %s with %q", out.Err.Kind, out.Err, want, text)
	}
	return out.Err
}

func (b *bench) get(e connector.Entity, ids ...string) []connector.Record {
	b.t.Helper()
	recs, err := b.c.Get(b.ctx(), b.s, connector.GetRequest{Entity: e, IDs: ids})
	b.must(err)
	return recs
}

func (b *bench) one(e connector.Entity, id string) connector.Record {
	b.t.Helper()
	recs := b.get(e, id)
	if len(recs) != 1 {
		b.t.Fatalf("get %s %s: %d records", e, id, len(recs))
	}
	return recs[0]
}

func (b *bench) customer(key string) string {
	b.t.Helper()
	return b.ok(contactWrite(key, connector.Contact{
		Name: "Ada Ltd", Email: key + "@example.com", Marks: map[string]string{"xero_contact_id": "c-" + key},
	}), connector.Created).ID
}

func contactWrite(key string, c connector.Contact) connector.Write {
	return connector.Write{Key: key, Attempt: 1, IntendedAt: time.Now().UTC(),
		Record: connector.Record{Entity: connector.EntityContact, Contact: &c}}
}

func nzd(minor int64) money.Amount { return money.MustNew(minor, "NZD") }

// bill115 is an invoice over 100.00 and 15.00 tax.
func bill115(customer string) connector.Invoice {
	return connector.Invoice{
		Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: "INV-1", ContactID: customer, Currency: "NZD",
		IssueDate: connector.DateOf(time.Now().UTC()).AddDays(-40), DueDate: connector.DateOf(time.Now().UTC()).AddDays(-10),
		TaxMode: connector.TaxExclusive,
		Lines: []connector.InvoiceLine{
			{Description: "Work", Amount: nzd(7000), Tax: nzd(1050), TaxCode: "OUTPUT2"},
			{Description: "Travel", Amount: nzd(3000), Tax: nzd(450), TaxCode: "OUTPUT2"},
		},
		Total: nzd(11500), TaxTotal: nzd(1500), AmountDue: nzd(11500), AmountPaid: nzd(0), AmountCredited: nzd(0),
		Marks: map[string]string{"xero_invoice_id": "x-1", "xero_invoice_number": "INV-1", "xero_tenant_id": "t-1"},
	}
}

func invoiceWrite(key, target string, inv connector.Invoice) connector.Write {
	return connector.Write{Key: key, TargetID: target, Attempt: 1, IntendedAt: time.Now().UTC(),
		Record: connector.Record{Entity: connector.EntityInvoice, Invoice: &inv}}
}

// again is the same write at a later attempt.
func again(w connector.Write) connector.Write {
	w.Attempt++
	return w
}

// open lists the payable invoices of a customer, as the connector sees them.
func (b *bench) open(customer string) []connector.Record {
	b.t.Helper()
	cn, err := b.c.connect(b.s, "test")
	b.must(err)
	rows, err := cn.invoicesOf(b.ctx(), customer, time.Time{})
	b.must(err)
	var out []connector.Record
	for _, inv := range rows {
		if payable(inv) || string(inv.Status) == "draft" {
			rec, err := cn.recordOfInvoice(inv)
			b.must(err)
			out = append(out, *rec)
		}
	}
	return out
}

// due asserts that exactly one invoice of the customer can be paid, over due.
func (b *bench) due(customer string, due int64) connector.Record {
	b.t.Helper()
	all := b.open(customer)
	if len(all) != 1 || all[0].Invoice.Status != connector.InvoiceOpen || all[0].Invoice.AmountDue != nzd(due) {
		b.t.Fatalf("payable: %+v; want one invoice over %s", all, nzd(due))
	}
	return all[0]
}
