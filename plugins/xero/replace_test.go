package main

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// bounced is a refund that has failed after it was booked as out.
func bounced(w connector.Write, out connector.Outcome) connector.Write {
	p := *w.Record.Payment
	p.Status = connector.PaymentFailed
	w.Record.Payment, w.TargetID, w.Key, w.Attempt = &p, out.ID, "undo "+w.Key, 1
	return w
}

func TestReplacementNotes(t *testing.T) {
	t.Parallel()
	const id = "5b0fa7a5-1b5e-4d2a-9d3e-0123456789ab"
	for _, x := range []replacement{
		{left: money.MustNew(7000, "NZD"), mark: "re_1def"},
		{left: money.Zero("JPY"), mark: "re_1def", undone: true},
		{left: money.MustNew(12150, "KWD"), mark: "re_for_ever"},
	} {
		gotID, got, ok := readReplacement(historyForm{Details: x.sentence(id)})
		if !ok || gotID != id || !cmp.Equal(got, x, cmp.AllowUnexported(replacement{}), cmp.Comparer(func(a, b money.Amount) bool { return a == b })) {
			t.Errorf("%q reads as %q %+v, %t", x.sentence(id), gotID, got, ok)
		}
	}
	for _, text := range []string{"", "Approved", "ml-connector: payment " + id + " was recognised as ch_1; nothing was posted",
		"ml-connector: payment x is replaced by 1.00 NZD for re_1", "ml-connector: payment " + id + " is replaced by money for re_1"} {
		if _, _, ok := readReplacement(historyForm{Details: text}); ok {
			t.Errorf("%q is read as a replacement", text)
		}
	}
}

// A refund that was partly paid back from the receipt's surplus took only the
// rest off the receipt, and only that comes back when it fails.
func TestFailedRefundOfASurplus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	refund := w.refund(inv, w.paid(inv, "ch_00000001", "130.00"), "re_00000001", "50.00", connector.RefundReopen)
	out := w.pay(refund)[0]
	w.expect(out, "updated")
	undo := bounced(refund, out)
	w.expect(w.pay(undo)[0], "updated")
	w.expectBooks(`ACCRECPAYMENT 100.00 `+w.today()+` "ch_00000001 `+inv.Number+`"`, `OVERPAYMENT 30.00 left 30.00 "ch_00000001"`)
	w.expect(w.pay(again(undo))[0], "unchanged")
}

// I3: undoing a refund again does not bring back what another refund took.
func TestFailedRefundThenAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	receipt := w.paid(inv, "ch_00000001", "100.00")
	part, all := w.refund(inv, receipt, "re_00000001", "18.00", connector.RefundReopen), w.refund(inv, receipt, "re_00000002", "100.00", connector.RefundReopen)
	out := w.pay(part)[0]
	w.expect(out, "updated")
	w.expect(w.pay(all)[0], "unavailable") // the failure of the first has not been told yet
	undo := bounced(part, out)
	w.expect(w.pay(undo)[0], "updated")
	w.expect(w.pay(again(all))[0], "updated")
	w.expect(w.pay(again(undo))[0], "unchanged")
	w.expectBooks("")
}

// Of two refunds that took all of a receipt either may fail, in any order.
func TestEitherRefundFails(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		w := newWorld(t, xero.Config{})
		inv := w.invoice("100.00")
		receipt := w.paid(inv, "ch_00000001", "100.00")
		refunds := []connector.Write{w.refund(inv, receipt, "re_00000001", "30.00", connector.RefundReopen), w.refund(inv, receipt, "re_00000002", "70.00", connector.RefundReopen)}
		outs := w.pay(refunds...)
		left := []string{"30.00", "70.00"}[order[0]]
		for i, at := range order {
			w.expect(outs[at], "updated")
			undo := bounced(refunds[at], outs[at])
			w.expect(w.pay(undo)[0], "updated")
			w.expect(w.pay(again(undo))[0], "unchanged")
			if got := w.s.Payments(); len(got) != 1 || got[0].Amount != []string{left, "100.00"}[i] {
				t.Errorf("after %v: %+v", order[:i+1], got)
			}
		}
	}
}

// When others have paid the invoice meanwhile, a failed refund changes nothing
// and a person is told.
func TestFailedRefundOfAnInvoicePaidMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	refund := w.refund(inv, w.paid(inv, "ch_00000001", "100.00"), "re_00000001", "30.00", connector.RefundReopen)
	out := w.pay(refund)[0]
	if _, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{Amount: "10.00"}); err != nil {
		t.Fatal(err)
	}
	before := w.books()
	w.expect(w.pay(bounced(refund, out))[0], "conflict")
	if got := w.books(); got != before {
		t.Errorf("books:\n%s\nwere:\n%s", got, before)
	}
}

// I3: a receipt between two payments is left to the refund that it waits for.
func TestRefundWhileAnotherIsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	receipt := w.paid(inv, "ch_00000001", "100.00")
	one, two := w.refund(inv, receipt, "re_00000001", "91.00", connector.RefundReopen), w.refund(inv, receipt, "re_00000002", "9.00", connector.RefundReopen)
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: payments, Kind: sandbox.FaultStatus, Status: 503})
	w.expect(w.pay(one)[0], "unknown outcome")
	w.expect(w.pay(two)[0], "unavailable")
	w.expect(w.pay(again(two))[0], "unavailable")
	w.expect(w.pay(again(one))[0], "updated")
	w.expectBooks(`ACCRECPAYMENT 9.00 ` + w.today() + ` "ch_00000001 less re_00000001 ` + inv.Number + `"`)
	w.expect(w.pay(again(two))[0], "updated")
	w.expectBooks("")
}

// Calls that come at the same time replace a receipt one after the other.
func TestReplacingTakesTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	receipt := w.paid(inv, "ch_00000001", "100.00")
	var all sync.WaitGroup
	for _, mark := range []string{"re_00000001", "re_00000002", "re_00000003"} {
		write := w.refund(inv, receipt, mark, "20.00", connector.RefundReopen)
		all.Go(func() { w.pay(write) })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("they wait for each other")
	}
	if got := w.s.Payments(); len(got) != 1 || got[0].Amount != "40.00" {
		t.Errorf("got %+v", got)
	}
}

// A receipt that refunds have taken back altogether is as it should be, when it
// is looked at again; one that a person deleted is not.
func TestReceiptAfterItsRefunds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	receipt := w.receipt(inv, "ch_00000001", "100.00")
	out := w.pay(receipt)[0]
	for mark, amount := range map[string]string{"re_00000001": "30.00", "re_00000002": "70.00"} {
		w.expect(w.pay(w.refund(inv, out, mark, amount, connector.RefundReopen))[0], "updated")
	}
	receipt.TargetID, receipt.Key = out.ID, "replay"
	w.expect(w.pay(receipt)[0], "unchanged")
	w.expect(w.pay(again(receipt))[0], "unchanged")
	w.expectBooks("")

	other := w.invoice("100.00")
	receipt = w.receipt(other, "ch_00000002", "100.00")
	receipt.TargetID = w.pay(receipt)[0].ID
	if err := w.s.DeletePayment(receipt.TargetID); err != nil {
		t.Fatal(err)
	}
	w.expect(w.pay(again(receipt))[0], "conflict")
}

// A refund pays back the surplus before it makes a credit note over the rest, so
// that another refund cannot take what it has counted on.
func TestRefundOfASurplusCutOffBeforeAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	receipt := w.paid(inv, "ch_00000001", "130.00")
	one, two := w.refund(inv, receipt, "re_00000001", "60.00", connector.RefundCreditNote), w.refund(inv, receipt, "re_00000002", "40.00", connector.RefundCreditNote)
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: "/api.xro/2.0/CreditNotes", Kind: sandbox.FaultResetAfter})
	w.expect(w.pay(one)[0], "unknown outcome")
	w.expect(w.pay(two)[0], "created")
	w.expect(w.pay(again(one))[0], "created")
	if got := w.s.State().Accounts["610"].Balance; got != "30.00" {
		t.Errorf("the clearing account holds %s", got)
	}
	for _, n := range w.s.CreditNotes() {
		if n.Status != "PAID" || n.RemainingCredit != "0.00" {
			t.Errorf("credit note %+v", n)
		}
	}
}
