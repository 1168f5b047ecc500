package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a stand-in for the service, and the connector connected to it.
type world struct {
	t       *testing.T
	s       *xero.Server
	clock   *sandbox.Clock
	x       *Xero
	session *connector.Session
	keys    int
	before  func(*http.Request) // runs before each request; set it before calling
}

func newWorld(t *testing.T, cfg xero.Config) *world {
	t.Helper()
	cfg.Clock = sandbox.NewClock()
	if cfg.Timezone == "" {
		cfg.Timezone = "UTC"
	}
	if cfg.MinuteLimit == 0 {
		cfg.MinuteLimit = 10000
	}
	s := xero.New(cfg)
	t.Cleanup(s.Close)
	w := &world{t: t, s: s, clock: cfg.Clock}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.before != nil {
			w.before(r)
		}
		s.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(srv.Close)
	x := newAt(cfg.Clock.Now)
	t.Cleanup(x.Close)
	settings := map[string]string{"api_url": srv.URL, "calls_per_minute": "10000", "calls_per_day": "100000"}
	w.x, w.session = x, &connector.Session{
		Connection: "xero", AccountID: s.TenantID(), Settings: settings, Priority: connector.PriorityWrite,
		AccessToken: connector.Secret(s.IssueTokens(strings.Fields(defaultScopes)...).AccessToken),
	}
	return w
}

// invoice is a person making an approved invoice over an amount without tax.
func (w *world) invoice(amount string) xero.Invoice {
	w.t.Helper()
	return w.invoiceOf(xero.InvoiceInput{Contact: "Ridgeway University", Lines: []xero.LineInput{{Description: "Work", UnitAmount: xero.Number(amount), Tax: "NONE"}}})
}

func (w *world) invoiceOf(in xero.InvoiceInput) xero.Invoice {
	w.t.Helper()
	inv, err := w.s.CreateInvoice(in)
	if err != nil {
		w.t.Fatalf("create invoice: %v", err)
	}
	return inv
}

func (w *world) now(number string) xero.Invoice {
	w.t.Helper()
	list := w.s.Invoices(number)
	if len(list) != 1 {
		w.t.Fatalf("%d invoices with number %q", len(list), number)
	}
	return list[0]
}

func nzd(text string) money.Amount {
	a, err := money.Parse(text, "NZD")
	if err != nil {
		panic(err)
	}
	return a
}

// receipt is the write that posts a receipt on an invoice.
func (w *world) receipt(inv xero.Invoice, mark, amount string) connector.Write {
	w.keys++
	return connector.Write{
		Key: "receipt-" + strconv.Itoa(w.keys), Attempt: 1, IntendedAt: w.clock.Now(),
		Record: connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
			Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Amount: nzd(amount), PaidAt: w.clock.Now(),
			InvoiceID: inv.InvoiceID, Account: "610", Reference: mark + " " + inv.Number, Label: inv.Number,
		}},
	}
}

// refund is the write that posts a refund of a receipt.
func (w *world) refund(inv xero.Invoice, receipt connector.Outcome, mark, amount string, policy connector.RefundPolicy) connector.Write {
	out := w.receipt(inv, mark, amount)
	out.Record.Payment.Kind = connector.PaymentRefund
	out.Record.Payment.PaymentOf = receipt.ID
	out.Policy.Refunds = policy
	return out
}

func (w *world) upsert(entity connector.Entity, writes ...connector.Write) []connector.Outcome {
	w.t.Helper()
	outs, err := w.x.Upsert(context.Background(), w.session, connector.UpsertRequest{Entity: entity, Writes: writes})
	if err != nil {
		w.t.Fatalf("upsert: %v", err)
	}
	if len(outs) != len(writes) {
		w.t.Fatalf("%d outcomes for %d writes", len(outs), len(writes))
	}
	for i, o := range outs {
		if (o.Err == nil) == (o.Result == "") {
			w.t.Errorf("outcome %d has result %q and error %v", i, o.Result, o.Err)
		}
	}
	return outs
}

func (w *world) pay(writes ...connector.Write) []connector.Outcome {
	w.t.Helper()
	return w.upsert(connector.EntityPayment, writes...)
}

// expect checks one outcome: a result, or the kind of an error.
func (w *world) expect(o connector.Outcome, want string) {
	w.t.Helper()
	got := string(o.Result)
	if o.Err != nil {
		got = o.Err.Kind.String()
	}
	if got != want {
		w.t.Fatalf("outcome %q (%s, %v), want %q", got, o.Reason, o.Err, want)
	}
	if o.Err != nil && (o.Err.Kind == connector.Conflict || o.Err.Kind == connector.Invalid) && o.Err.Remedy == "" {
		w.t.Errorf("no remedy for: %v", o.Err)
	}
}

// books sums up what is posted: one line per live payment and overpayment.
func (w *world) books() string {
	var lines []string
	for _, p := range w.s.Payments() {
		lines = append(lines, fmt.Sprintf("%s %s %s %q", p.PaymentType, p.Amount, p.Date, p.Reference))
	}
	for _, o := range w.s.Overpayments() {
		lines = append(lines, fmt.Sprintf("OVERPAYMENT %s left %s %q", o.Total, o.RemainingCredit, o.Reference))
	}
	for _, c := range w.s.CreditNotes() {
		if c.Status != "VOIDED" {
			lines = append(lines, fmt.Sprintf("CREDITNOTE %s tax %s %s %q", c.Total, c.TotalTax, c.Status, c.Reference))
		}
	}
	return strings.Join(lines, "\n")
}

func (w *world) expectBooks(want ...string) {
	w.t.Helper()
	if got := w.books(); got != strings.Join(want, "\n") {
		w.t.Errorf("books:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func (w *world) today() string { return w.clock.Now().UTC().Format(time.DateOnly) }

// again is the next attempt of a write.
func again(w connector.Write) connector.Write {
	w.Attempt++
	return w
}

func kindOf(t *testing.T, err error) connector.Kind {
	t.Helper()
	var e *connector.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is not a connector.Error", err)
	}
	return e.Kind
}
