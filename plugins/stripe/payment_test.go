package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// paid bills 115.00 and lets the customer pay it.
func (b *bench) paid() (customer, invoice, charge string) {
	b.t.Helper()
	customer = b.customer("a")
	invoice = b.ok(invoiceWrite("k1", "", bill115(customer)), connector.Created).ID
	charge, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
	b.must(err)
	return customer, invoice, charge
}

func TestChargeAndRefunds(t *testing.T) {
	b := newBench(t)
	cus, inv, charge := b.paid()
	first, err := b.srv.Refund(charge, 1500, "")
	b.must(err)
	second, err := b.srv.Refund(charge, 1000, "failed_later")
	b.must(err)
	b.must(b.srv.FailRefund(second))
	pending, err := b.srv.Refund(charge, 500, "pending")
	b.must(err)

	rec := b.one(connector.EntityPayment, charge)
	got := *rec.Payment
	fee := got.Extra["fee"].Money
	want := connector.Payment{
		Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Amount: nzd(11500), Settled: nzd(11500), PaidAt: got.PaidAt,
		InvoiceID: inv, ContactID: cus, RefundIDs: []string{first, second, pending}, Label: "INV-1",
		Marks: bill115("").Marks, Extra: got.Extra,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("charge (-want +got):\n%s", diff)
	}
	if fee.Currency() != "NZD" || fee.Sign() <= 0 || rec.Version == "" || got.PaidAt.IsZero() {
		t.Errorf("fee %s, version %q, paid at %s", fee, rec.Version, got.PaidAt)
	}
	for id, want := range map[string]connector.Payment{
		first:   {Status: connector.PaymentSucceeded, Amount: nzd(1500), RefundIDs: []string{}},
		second:  {Status: connector.PaymentFailed, Amount: nzd(1000), RefundIDs: []string{first}},
		pending: {Status: connector.PaymentPending, Amount: nzd(500), RefundIDs: []string{first, second}},
	} {
		re := *b.one(connector.EntityPayment, id).Payment
		want.Kind, want.PaymentOf, want.InvoiceID, want.ContactID = connector.PaymentRefund, charge, inv, cus
		want.Settled = want.Amount
		want.Marks, want.Label, want.PaidAt, want.Note = bill115("").Marks, "INV-1", re.PaidAt, re.Note
		if diff := cmp.Diff(want, re); diff != "" {
			t.Errorf("refund %s (-want +got):\n%s", id, diff)
		}
	}
	if got := b.get(connector.EntityPayment, "ch_none", charge, "re_none"); len(got) != 1 {
		t.Errorf("of one id that is there and two that are not: %d records", len(got))
	}
}

func TestMoreRefundsThanAChargeHolds(t *testing.T) {
	b := newBench(t)
	_, _, charge := b.paid()
	var want []string
	for range 13 {
		re, err := b.srv.Refund(charge, 100, "")
		b.must(err)
		want = append(want, re)
	}
	if diff := cmp.Diff(want, b.one(connector.EntityPayment, charge).Payment.RefundIDs); diff != "" {
		t.Errorf("refunds (-want +got):\n%s", diff)
	}
}

// The link must be published last: a charge made before the payment intent was
// marked is found by its invoice all the same.
func TestChargeWithoutMarksFindsItsInvoice(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	b.srv.Faults().Add(sandbox.Fault{Method: "POST", Path: "/v1/payment_intents", Kind: sandbox.FaultResetBefore})
	b.fails(invoiceWrite("k1", "", bill115(cus)), connector.UnknownOutcome, "")
	b.srv.ClearFaults()
	charge, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
	b.must(err)
	if got := b.one(connector.EntityPayment, charge).Payment; got.Marks["xero_invoice_id"] != "x-1" || got.Label != "INV-1" {
		t.Errorf("charge: %+v", got)
	}
}

func TestChargeStates(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created)
	failed, err := b.srv.Pay("INV-1", stand.OutcomeDecline)
	b.must(err)
	if got := b.one(connector.EntityPayment, failed).Payment; got.Status != connector.PaymentFailed || got.Note == "" {
		t.Errorf("declined: %+v", got)
	}
	debit, err := b.srv.Pay("INV-1", stand.OutcomeAsync)
	b.must(err)
	if got := b.one(connector.EntityPayment, debit).Payment; got.Status != connector.PaymentPending {
		t.Errorf("in flight: %+v", got)
	}
	b.srv.DelayBalance(true)
	_, err = b.srv.Settle("INV-1", stand.OutcomeSuccess)
	b.must(err)
	if got := b.one(connector.EntityPayment, debit).Payment; got.Status != connector.PaymentPending || got.Settled.IsSet() || got.Extra["fee"].Money.IsSet() {
		t.Errorf("settled, not booked: %+v", got)
	}
	b.srv.DelayBalance(false)
	if got := b.one(connector.EntityPayment, debit).Payment; got.Status != connector.PaymentSucceeded || got.Settled != nzd(11500) || !got.Extra["fee"].Money.IsSet() {
		t.Errorf("settled and booked: %+v", got)
	}
	other, err := b.srv.Charge(stand.OtherCharge{Amount: 700, Currency: "jpy"})
	b.must(err)
	if got := b.one(connector.EntityPayment, other).Payment; got.Amount.String() != "700 JPY" || len(got.Marks) != 0 || got.InvoiceID != "" {
		t.Errorf("another application's charge: %+v", got)
	}
}

func refundWrite(key, charge string, minor int64) connector.Write {
	return connector.Write{Key: key, Attempt: 1, Record: connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
		Kind: connector.PaymentRefund, Status: connector.PaymentSucceeded, Amount: nzd(minor), PaymentOf: charge,
		Marks: map[string]string{"xero_credit_id": "cr-1"},
	}}}
}

func TestCreateRefund(t *testing.T) {
	for _, kind := range []string{"", sandbox.FaultResetAfter, sandbox.FaultResetBefore, "500 after"} {
		t.Run("cut: "+kind, func(t *testing.T) {
			b := newBench(t)
			_, _, charge := b.paid()
			w := refundWrite("r1", charge, 1000)
			switch kind {
			case "":
			case "500 after":
				b.srv.FailAfter(sandbox.Fault{Method: "POST", Path: "/v1/refunds"})
			default:
				b.srv.Faults().Add(sandbox.Fault{Method: "POST", Path: "/v1/refunds", Kind: kind})
			}
			out := b.upsert(w)
			b.srv.ClearFaults()
			if kind != "" {
				if out.Err == nil || out.Err.Kind != connector.UnknownOutcome {
					t.Fatalf("after the cut: %+v", out)
				}
				out = b.upsert(again(w))
			}
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			b.ok(again(again(w)), connector.Unchanged)
			if got := b.one(connector.EntityPayment, charge).Payment.RefundIDs; len(got) != 1 || got[0] != out.ID {
				t.Errorf("refunds %v, outcome %s", got, out.ID)
			}
			known := refundWrite("r2", charge, 1500)
			known.TargetID = out.ID
			b.fails(known, connector.Conflict, "gives back")
			b.fails(refundWrite("r3", charge, 20000), connector.Invalid, "")
		})
	}
}

func TestPaymentsThatCannotBeMade(t *testing.T) {
	b := newBench(t)
	w := refundWrite("r1", "ch_1", 100)
	w.Record.Payment.Kind = connector.PaymentReceipt
	b.fails(w, connector.Invalid, "only the customer pays")
	w = refundWrite("r1", "ch_1", 100)
	w.Record.Payment.Status = connector.PaymentFailed
	b.fails(w, connector.Invalid, "taken back")
	b.fails(refundWrite("r1", "ch_none", 100), connector.NotFound, "")
	b.fails(refundWrite("r1", "", 100), connector.Invalid, "no charge")
	w = refundWrite("r1", "ch_1", 0)
	b.fails(w, connector.Invalid, "cannot refund")
}

// A bank debit reaches the balance days after it began: that day counts, and
// while it is on its way the day it began.
func TestADebitIsPaidWhenItReachesTheBalance(t *testing.T) {
	b := newBench(t)
	b.ok(invoiceWrite("k1", "", bill115(b.customer("a"))), connector.Created)
	began := time.Date(2025, 1, 30, 9, 0, 0, 0, time.UTC)
	charge, err := b.srv.PayAt(began, "INV-1", stand.OutcomeAsync)
	b.must(err)
	pending := b.one(connector.EntityPayment, charge).Payment
	if pending.Status != connector.PaymentPending || pending.Settled.IsSet() || !pending.PaidAt.Equal(began) {
		t.Errorf("on its way: %s, settled %s, paid at %s", pending.Status, pending.Settled, pending.PaidAt)
	}
	arrived := began.AddDate(0, 0, 4)
	_, err = b.srv.SettleAt(arrived, "INV-1", stand.OutcomeSuccess)
	b.must(err)
	paid := b.one(connector.EntityPayment, charge).Payment
	if paid.Status != connector.PaymentSucceeded || paid.Settled != nzd(11500) || !paid.PaidAt.Equal(arrived) {
		t.Errorf("arrived: %s, settled %s, paid at %s", paid.Status, paid.Settled, paid.PaidAt)
	}
	b.must(b.srv.FailCharge(charge))
	failed := b.one(connector.EntityPayment, charge).Payment
	if failed.Status != connector.PaymentFailed || failed.Note == "" {
		t.Errorf("taken back: %s, %q", failed.Status, failed.Note)
	}
}
