package main

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// beforeFirst runs fn before the first request with this method and path.
func (w *world) beforeFirst(method, path string, fn func() error) {
	var done atomic.Bool
	w.before = func(r *http.Request) {
		if r.Method == method && strings.HasPrefix(r.URL.Path, path) && done.CompareAndSwap(false, true) {
			if err := fn(); err != nil {
				w.t.Error(err)
			}
		}
	}
}

// A person is faster: between our look and our payment the invoice changes.
func TestReceiptRaces(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		person func(w *world, inv xero.Invoice) error
		want   string
		over   string // overpayment that is left; "": none
	}{
		{name: "the same payment is entered", want: "adopted", person: func(w *world, inv xero.Invoice) error {
			_, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{Account: "610"})
			return err
		}},
		{name: "a part is paid", want: "created", over: "40.00", person: func(w *world, inv xero.Invoice) error {
			_, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{Amount: "40.00"})
			return err
		}},
		{name: "a part is credited", want: "created", over: "25.00", person: func(w *world, inv xero.Invoice) error {
			_, err := w.s.CreditInvoice(inv.Number, xero.CreditDetails{Amount: "25.00"})
			return err
		}},
		{name: "the invoice is voided", want: "conflict", person: func(w *world, inv xero.Invoice) error {
			_, err := w.s.VoidInvoice(inv.Number)
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv, other := w.invoice("100.00"), w.invoice("20.00")
			w.beforeFirst("PUT", payments, func() error { return tt.person(w, inv) })
			outs := w.pay(w.receipt(inv, "ch_00000001", "100.00"), w.receipt(other, "ch_00000002", "20.00"))
			w.expect(outs[0], tt.want)
			w.expect(outs[1], "created")
			over := ""
			if list := w.s.Overpayments(); len(list) > 0 {
				over = list[0].Total
			}
			if over != tt.over {
				t.Errorf("overpayment %q, want %q", over, tt.over)
			}
		})
	}
}

// One request that is refused as a whole does not condemn the others in it.
func TestReceiptsRefusedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	a, b := w.invoice("10.00"), w.invoice("20.00")
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: payments, Kind: sandbox.FaultStatus, Status: 404})
	for _, o := range w.pay(w.receipt(a, "ch_00000001", "10.00"), w.receipt(b, "ch_00000002", "20.00")) {
		w.expect(o, "created")
	}
	if n := len(w.s.Payments()); n != 2 {
		t.Errorf("%d payments", n)
	}
}

func TestNothingWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("10.00")
	write := w.receipt(inv, "ch_00000001", "10.00")
	w.session.Settings["api_url"] = "http://127.0.0.1:1"
	w.expect(w.pay(write)[0], "unavailable")
	a, err := w.x.openBound(w.session)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.call(context.Background(), request{op: "op", method: http.MethodPut, path: "/x", body: map[string]string{}}, &envelope{})
	if kind := kindOf(t, err); kind != connector.Unavailable {
		t.Errorf("a write that found nobody: %s", kind)
	}
}

func TestReceiptsInOtherCurrencies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		currency money.Currency
		price    string
		paid     int64 // minor units
		over     string
	}{
		{currency: "USD", price: "100.00", paid: 12000, over: "20.00"},
		{currency: "JPY", price: "1000", paid: 1500, over: "500.00"},
		{currency: "KWD", price: "10.00", paid: 10500, over: "0.50"},
	}
	for _, tt := range tests {
		t.Run(string(tt.currency), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoiceOf(xero.InvoiceInput{Contact: "Abroad", Currency: string(tt.currency), Lines: []xero.LineInput{{Description: "x", UnitAmount: xero.Number(tt.price), Tax: "NONE"}}})
			write := w.receipt(inv, "ch_00000001", "1.00")
			write.Record.Payment.Amount = money.MustNew(tt.paid, tt.currency)
			w.expect(w.pay(write)[0], "conflict") // the overpayment would be in the account's currency
			w.expectBooks()

			own, err := w.s.AddAccount(xero.AccountInput{Code: "612", Name: "Clearing abroad", Currency: string(tt.currency)})
			if err != nil {
				t.Fatal(err)
			}
			write.Record.Payment.Account = own
			w.expect(w.pay(write)[0], "created")
			if over := w.s.Overpayments(); len(over) != 1 || over[0].Total != tt.over || over[0].Currency != string(tt.currency) {
				t.Errorf("overpayments %+v", over)
			}
			w.expect(w.pay(again(write))[0], "unchanged")
		})
	}
}

func TestSurplusNeedsABankAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	id, err := w.s.AddAccount(xero.AccountInput{Code: "611", Name: "Stripe asset", Type: "CURRENT", Payable: true})
	if err != nil {
		t.Fatal(err)
	}
	inv := w.invoice("10.00")
	exact, more := w.receipt(inv, "ch_00000001", "8.00"), w.receipt(inv, "ch_00000002", "8.00")
	exact.Record.Payment.Account, more.Record.Payment.Account = id, "611"
	outs := w.pay(exact, more)
	w.expect(outs[0], "created")
	w.expect(outs[1], "conflict")
	if n := len(w.s.Payments()); n != 1 {
		t.Errorf("%d payments: a receipt must not be posted by halves", n)
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	a := &api{tenant: tenant}
	key := func(attempt int, step, body string) string {
		return a.idempotencyKey(request{method: "PUT", path: "/x", step: step, writes: []connector.Write{{Key: "k", Attempt: attempt}}}, []byte(body))
	}
	first := key(1, "s", "b")
	if len(first) != 40 || key(1, "s", "b") != first || key(2, "s", "b") != first {
		t.Error("the second attempt must have the first one's key")
	}
	for name, other := range map[string]string{"third attempt": key(3, "s", "b"), "step": key(1, "t", "b"), "body": key(1, "s", "c")} {
		if other == first {
			t.Errorf("another %s has the same key", name)
		}
	}
}

func TestGetAFullBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	var ids []string
	for range getBatch {
		ids = append(ids, w.invoice("1.00").InvoiceID)
	}
	for _, entity := range []connector.Entity{connector.EntityInvoice, connector.EntityContact} {
		got, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: entity, IDs: ids})
		if err != nil || entity == connector.EntityInvoice && len(got) != getBatch {
			t.Errorf("%s: %d records, %v", entity, len(got), err)
		}
	}
}

// I8: no error, and nothing that prints a session, shows the token.
func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	canary := w.session.AccessToken.Reveal()
	inv := w.invoice("10.00")
	for _, f := range []sandbox.Fault{
		{Kind: sandbox.FaultResetBefore}, {Kind: sandbox.FaultStatus, Status: 500, Body: canary}, {Kind: sandbox.FaultStatus, Status: 401, Body: canary},
	} {
		w.s.Faults().Clear()
		f.Times = -1
		w.s.Faults().Add(f)
		o := w.pay(w.receipt(inv, "ch_00000001", "10.00"))[0]
		if o.Err == nil || strings.Contains(o.Err.Error()+o.Err.Remedy, canary) {
			t.Errorf("outcome %+v", o)
		}
	}
}
