package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// A payout counts from the moment when its money left the balance; when it fails or
// is canceled it came back then.
func TestPayouts(t *testing.T) {
	b := newBenchOf(t, stand.Config{Balances: []string{"usd"}})
	b.charge(100_000, "nzd")
	b.charge(50_000, "usd")
	b.clock.Advance(72 * time.Hour)
	f := b.stream(streamPayouts, 2)
	order := func(o stand.PayoutOrder) string {
		id, err := b.srv.PayOut(o)
		b.must(err)
		return id
	}
	waiting := order(stand.PayoutOrder{Amount: 10_000, Pending: true})
	arrived := order(stand.PayoutOrder{Currency: "usd"})
	failed := order(stand.PayoutOrder{Amount: 20_000})
	canceled := order(stand.PayoutOrder{Amount: 30_000, Pending: true})
	all := []string{waiting, arrived, failed, canceled}
	if diff := cmp.Diff(distinct(all), distinct(ids(f.all(nil)))); diff != "" {
		t.Fatalf("backfill (-want +got):\n%s", diff)
	}
	made := b.clock.Now()
	b.clock.Advance(30 * time.Hour)
	b.must(b.srv.PayPayout(arrived))
	b.must(b.srv.FailPayout(failed))
	b.must(b.srv.CancelPayout(canceled))
	if diff := cmp.Diff(distinct(all[1:]), distinct(ids(f.all(nil)))); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for id, want := range map[string]struct {
		status connector.PaymentStatus
		amount money.Amount
		back   bool
		note   string
	}{
		waiting:  {connector.PaymentSucceeded, nzd(10_000), false, "arrives " + connector.DateOf(made.AddDate(0, 0, 1)).String()},
		arrived:  {connector.PaymentSucceeded, money.MustNew(48_520, "USD"), false, "arrives " + connector.DateOf(made.AddDate(0, 0, 1)).String()},
		failed:   {connector.PaymentFailed, nzd(20_000), true, "The bank account has been closed."},
		canceled: {connector.PaymentFailed, nzd(30_000), true, "canceled"},
	} {
		p := b.one(connector.EntityPayment, id).Payment
		back := p.PaidAt.After(made.Add(24 * time.Hour))
		if p.Kind != connector.PaymentPayout || p.Status != want.status || p.Amount != want.amount || p.Settled != want.amount ||
			back != want.back || p.Note != want.note || p.Extra["arrival"].Text == "" {
			t.Errorf("payout: %+v, want %+v", p, want)
		}
	}
}

// What Stripe takes from the bank account comes in: no payout, but an adjustment.
func TestADebitOfTheBankAccount(t *testing.T) {
	b := newBench(t)
	b.feeAt(b.clock.Now(), 1234, "nzd")
	id, err := b.srv.PayOut(stand.PayoutOrder{Debit: true})
	b.must(err)
	p := b.one(connector.EntityPayment, id).Payment
	arrives := connector.DateOf(b.clock.Now().AddDate(0, 0, 1)).String()
	if p.Kind != connector.PaymentAdjustment || p.Status != connector.PaymentSucceeded || p.Amount != nzd(1234) || p.Extra["direction"].Text != "in" ||
		p.Note != "payout: in, taken from the bank account on "+arrives {
		t.Errorf("debit: %+v", p)
	}
	b.must(b.srv.FailPayout(id))
	if p := b.one(connector.EntityPayment, id).Payment; p.Status != connector.PaymentFailed || p.Kind != connector.PaymentAdjustment {
		t.Errorf("a debit that the bank refused: %+v", p)
	}
}

// The records of a stream are not in the list without one, and a key that may not
// read payouts still reads charges.
func TestStreamsAreApart(t *testing.T) {
	b := newBench(t)
	charge := b.charge(100_000, "nzd")
	b.clock.Advance(72 * time.Hour)
	payouts := b.stream(streamPayouts, 10)
	plain := b.stream("", 10)
	plain.all(nil)
	payouts.all(nil)
	_, err := b.srv.Dispute(charge, 500, false)
	b.must(err)
	_, err = b.srv.MakePayout()
	b.must(err)
	if got := distinct(ids(plain.all(nil))); !slices.Equal(got, []string{charge}) {
		t.Errorf("without a stream: %v", got)
	}
	if got := ids(payouts.all(nil)); len(got) != 1 || got[0][:3] != "po_" {
		t.Errorf("payouts: %v", got)
	}
	for _, req := range []connector.ListRequest{
		{Entity: connector.EntityPayment, Stream: "charges", PageSize: 1}, {Entity: connector.EntityContact, Stream: streamFees, PageSize: 1},
		{Entity: connector.EntityInvoice, Stream: streamPayouts, PageSize: 1},
	} {
		if _, err := b.c.List(b.ctx(), b.s, req); err == nil || connector.KindOf(err) != connector.Invalid {
			t.Errorf("stream %q of %s: %v", req.Stream, req.Entity, err)
		}
	}
	b.must(b.srv.AddKey("rk_test_receiptsonly", "rak_charge_read", "rak_invoice_read", "rak_payment_intent_read", "rak_balance_transaction_read"))
	b.s.Secrets[settingKey] = "rk_test_receiptsonly"
	if got := b.get(connector.EntityPayment, charge, "ch_none", "unknown1"); len(got) != 1 {
		t.Errorf("with a key for receipts: %d records", len(got))
	}
	_, err = b.c.List(b.ctx(), b.s, connector.ListRequest{Entity: connector.EntityPayment, Stream: streamPayouts, PageSize: 1})
	checkError(t, err, connector.Auth, "rak_")
}

// A failure in the middle of a page moves no cursor: the page comes again.
func TestStreamSurvivesFaults(t *testing.T) {
	b := newBench(t)
	b.charge(1000, "nzd")
	f := b.stream(streamFees, 10)
	b.srv.Faults().Add(sandbox.Fault{Method: "GET", Path: "/v1/balance_transactions", Kind: sandbox.FaultStatus, Status: 503})
	req := connector.ListRequest{Entity: f.entity, Stream: f.stream, PageSize: 10}
	if _, err := b.c.List(b.ctx(), b.s, req); connector.KindOf(err) != connector.Unavailable {
		t.Errorf("with the service down: %v", err)
	}
	if got := f.all(nil); len(got) != 1 {
		t.Errorf("afterwards: %v", ids(got))
	}
}
