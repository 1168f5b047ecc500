package main

import (
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// taxed is an invoice of 115.00 plus 10.00 without tax.
func (w *world) taxed() xero.Invoice {
	return w.invoiceOf(xero.InvoiceInput{Contact: "Ridgeway University", Lines: []xero.LineInput{
		{Description: "Work", UnitAmount: "100.00", Tax: "OUTPUT2"}, {Description: "Stamps", UnitAmount: "10.00", Tax: "NONE"},
	}})
}

func (w *world) paid(inv xero.Invoice, mark, amount string) connector.Outcome {
	w.t.Helper()
	out := w.pay(w.receipt(inv, mark, amount))[0]
	w.expect(out, "created")
	return out
}

func TestRefundAsCreditNote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.taxed()
	receipt := w.paid(inv, "ch_00000001", "125.00")
	write := w.refund(inv, receipt, "re_00000001", "62.50", "")
	out := w.pay(write)[0]
	w.expect(out, "created")
	if len(out.Effects) != 2 || out.Effects[0].What != "credit note" || out.Effects[1].ID != out.ID {
		t.Errorf("effects: %+v", out.Effects)
	}
	want := []string{
		`ACCRECPAYMENT 125.00 ` + w.today() + ` "ch_00000001 ` + inv.Number + `"`,
		`ARCREDITPAYMENT 62.50 ` + w.today() + ` "re_00000001 ` + inv.Number + `"`,
		`CREDITNOTE 62.50 tax 7.50 PAID "re_00000001"`,
	}
	w.expectBooks(want...)
	if got := w.now(inv.Number); got.AmountDue != "0.00" {
		t.Errorf("%s due: the invoice must not be due again", got.AmountDue)
	}
	w.expect(w.pay(again(write))[0], "unchanged")
	w.expectBooks(want...)

	write.TargetID = out.ID
	write.Record.Payment.Status = connector.PaymentFailed
	w.expect(w.pay(write)[0], "updated")
	w.expectBooks(want[0])
	w.expect(w.pay(again(write))[0], "unchanged")
}

// I3: a refund that was cut off anywhere is completed, once.
func TestRefundCutOff(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, path, kind string }{
		{"the credit note was not made", "PUT", "/api.xro/2.0/CreditNotes", sandbox.FaultResetBefore},
		{"the credit note's answer was lost", "PUT", "/api.xro/2.0/CreditNotes", sandbox.FaultResetAfter},
		{"the payment was not made", "PUT", payments, sandbox.FaultResetBefore},
		{"the payment's answer was lost", "PUT", payments, sandbox.FaultResetAfter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.taxed()
			write := w.refund(inv, w.paid(inv, "ch_00000001", "125.00"), "re_00000001", "125.00", connector.RefundCreditNote)
			w.s.Faults().Add(sandbox.Fault{Method: tt.method, Path: tt.path, Kind: tt.kind})
			w.expect(w.pay(write)[0], "unknown outcome")
			if out := w.pay(again(write))[0]; out.Err != nil || out.ID == "" {
				t.Fatalf("second attempt: %q %v", out.ID, out.Err)
			}
			w.expectBooks(
				`ACCRECPAYMENT 125.00 `+w.today()+` "ch_00000001 `+inv.Number+`"`,
				`ARCREDITPAYMENT 125.00 `+w.today()+` "re_00000001 `+inv.Number+`"`,
				`CREDITNOTE 125.00 tax 15.00 PAID "re_00000001"`,
			)
		})
	}
}

func TestRefundOfASurplusComesFirst(t *testing.T) {
	t.Parallel()
	for _, policy := range []connector.RefundPolicy{connector.RefundCreditNote, connector.RefundReopen} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			receipt := w.paid(inv, "ch_00000001", "130.00")
			small, large := w.refund(inv, receipt, "re_00000001", "10.00", policy), w.refund(inv, receipt, "re_00000002", "60.00", policy)
			for _, o := range w.pay(small, large) {
				if o.Err != nil {
					t.Fatal(o.Err)
				}
			}
			state := w.s.State()
			if over := w.s.Overpayments()[0]; over.RemainingCredit != "0.00" {
				t.Errorf("the overpayment has %s left", over.RemainingCredit)
			}
			if got, want := state.Accounts["610"].Balance, "60.00"; got != want {
				t.Errorf("the clearing account holds %s, want %s", got, want)
			}
			before := w.books()
			for _, o := range w.pay(again(small), again(large)) {
				w.expect(o, "unchanged")
			}
			if got := w.books(); got != before {
				t.Errorf("a second attempt changed the books:\n%s\nwas:\n%s", got, before)
			}
		})
	}
}

func TestRefundReopens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	receipt := w.paid(inv, "ch_00000001", "100.00")
	part := w.refund(inv, receipt, "re_00000001", "30.00", connector.RefundReopen)
	w.expect(w.pay(part)[0], "updated")
	if got := w.now(inv.Number); got.AmountDue != "30.00" {
		t.Errorf("%s due", got.AmountDue)
	}
	w.expectBooks(`ACCRECPAYMENT 70.00 ` + w.today() + ` "ch_00000001 less re_00000001 ` + inv.Number + `"`)
	w.expect(w.pay(again(part))[0], "unchanged")

	rest := w.refund(inv, receipt, "re_00000002", "70.00", connector.RefundReopen)
	done := w.pay(rest)[0]
	w.expect(done, "updated")
	if got := w.now(inv.Number); got.AmountDue != "100.00" {
		t.Errorf("%s due", got.AmountDue)
	}
	w.expect(w.pay(again(rest))[0], "unchanged")
	w.expect(w.pay(again(part))[0], "unchanged")

	rest.TargetID, rest.Record.Payment.Status = done.ID, connector.PaymentFailed
	w.expect(w.pay(rest)[0], "updated")
	w.expectBooks(`ACCRECPAYMENT 70.00 ` + w.today() + ` "ch_00000001 less re_00000001 ` + inv.Number + `"`)
	w.expect(w.pay(again(rest))[0], "unchanged")
	part.TargetID, part.Record.Payment.Status = done.ID, connector.PaymentFailed
	w.expect(w.pay(part)[0], "updated")
	w.expectBooks(`ACCRECPAYMENT 100.00 ` + w.today() + ` "ch_00000001 ` + inv.Number + `"`)
}

func TestSeveralReopeningsOfOneReceipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	receipt := w.paid(inv, "ch_00000001", "100.00")
	one, two := w.refund(inv, receipt, "re_00000001", "30.00", connector.RefundReopen), w.refund(inv, receipt, "re_00000002", "20.00", connector.RefundReopen)
	for _, o := range w.pay(one, two) {
		w.expect(o, "updated")
	}
	w.expectBooks(`ACCRECPAYMENT 50.00 ` + w.today() + ` "ch_00000001 less re_00000002 re_00000001 ` + inv.Number + `"`)
	for _, o := range w.pay(again(two), again(one)) {
		w.expect(o, "unchanged")
	}
	for i, write := range []*connector.Write{&one, &two} {
		write.TargetID, write.Attempt = receipt.ID, 1
		write.Key = []string{"undo-1", "undo-2"}[i]
		write.Record.Payment.Status = connector.PaymentFailed
	}
	for _, o := range w.pay(one, two) {
		w.expect(o, "updated")
	}
	w.expectBooks(`ACCRECPAYMENT 100.00 ` + w.today() + ` "ch_00000001 ` + inv.Number + `"`)
}

// What a person entered is credited as any receipt, and never deleted by us.
func TestRefundOfAnAdoptedPayment(t *testing.T) {
	t.Parallel()
	for policy, want := range map[connector.RefundPolicy]string{connector.RefundCreditNote: "created", connector.RefundReopen: "conflict"} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			if _, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{Account: "610"}); err != nil {
				t.Fatal(err)
			}
			receipt := w.pay(w.receipt(inv, "ch_00000001", "100.00"))[0]
			w.expect(receipt, "adopted")
			w.expect(w.pay(w.refund(inv, receipt, "re_00000001", "100.00", policy))[0], want)
		})
	}
}

// I3: the receipt is deleted and posted again, or both are found.
func TestRefundReopenCutOff(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, method, kind string }{
		{"the deletion's answer was lost", "POST", sandbox.FaultResetAfter},
		{"the deletion was not made", "POST", sandbox.FaultResetBefore},
		{"the new payment's answer was lost", "PUT", sandbox.FaultResetAfter},
		{"the new payment was not made", "PUT", sandbox.FaultResetBefore},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			write := w.refund(inv, w.paid(inv, "ch_00000001", "100.00"), "re_00000001", "30.00", connector.RefundReopen)
			w.s.Faults().Add(sandbox.Fault{Method: tt.method, Path: payments, Kind: tt.kind})
			w.expect(w.pay(write)[0], "unknown outcome")
			if out := w.pay(again(write))[0]; out.Err != nil {
				t.Fatalf("second attempt: %v", out.Err)
			}
			w.expectBooks(`ACCRECPAYMENT 70.00 ` + w.today() + ` "ch_00000001 less re_00000001 ` + inv.Number + `"`)
		})
	}
}

func TestRefundConflicts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy connector.RefundPolicy
		setup  func(w *world, inv xero.Invoice, receipt connector.Outcome) error
	}{
		{name: "the receipt was deleted", setup: func(w *world, _ xero.Invoice, r connector.Outcome) error { return w.s.DeletePayment(r.ID) }},
		{name: "the receipt was deleted, reopen", policy: connector.RefundReopen,
			setup: func(w *world, _ xero.Invoice, r connector.Outcome) error { return w.s.DeletePayment(r.ID) }},
		{name: "the receipt is reconciled", policy: connector.RefundReopen,
			setup: func(w *world, _ xero.Invoice, r connector.Outcome) error { return w.s.ReconcilePayment(r.ID) }},
		{name: "the contact is archived", setup: func(w *world, inv xero.Invoice, _ connector.Outcome) error {
			_, err := w.s.ArchiveContact(inv.ContactID)
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			receipt := w.paid(inv, "ch_00000001", "100.00")
			if err := tt.setup(w, inv, receipt); err != nil {
				t.Fatal(err)
			}
			w.expect(w.pay(w.refund(inv, receipt, "re_00000001", "30.00", tt.policy))[0], "conflict")
		})
	}
}

func TestSeveralRefundsShareTheirCalls(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	var writes []connector.Write
	for i := range 10 {
		inv := w.invoice("100.00")
		mark := string(rune('a' + i))
		writes = append(writes, w.refund(inv, w.paid(inv, "ch_0000000"+mark, "100.00"), "re_0000000"+mark, "100.00", ""))
	}
	w.s.ResetCalls()
	for _, o := range w.pay(writes...) {
		w.expect(o, "created")
	}
	if got := w.s.Calls().Total; got > 8 {
		t.Errorf("%d calls for 10 refunds", got)
	}
}
