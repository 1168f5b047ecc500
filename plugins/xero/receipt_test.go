package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const payments = "/api.xro/2.0/Payments"

func TestReceiptPaysTheInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	write := w.receipt(inv, "ch_00000001", "100.00")
	out := w.pay(write)[0]
	w.expect(out, "created")
	if got := w.now(inv.Number); got.Status != "PAID" || got.AmountDue != "0.00" {
		t.Errorf("invoice is %s with %s due", got.Status, got.AmountDue)
	}
	w.expectBooks(`ACCRECPAYMENT 100.00 ` + w.today() + ` "ch_00000001 ` + inv.Number + `"`)

	write.TargetID = out.ID
	w.expect(w.pay(write)[0], "unchanged")
	w.expect(w.pay(again(write))[0], "unchanged")
	if n := len(w.s.Payments()); n != 1 {
		t.Errorf("%d payments", n)
	}
}

// I3: an answer that is lost does not lead to a second posting.
func TestReceiptAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		wait time.Duration // until the next attempt; the service forgets keys after six minutes
	}{{name: "at once"}, {name: "after the key is forgotten", wait: 10 * time.Minute}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			write := w.receipt(inv, "ch_00000001", "60.00")
			w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: payments, Kind: sandbox.FaultResetAfter})
			w.expect(w.pay(write)[0], "unknown outcome")
			w.clock.Advance(tt.wait)
			w.expect(w.pay(again(write))[0], "unchanged")
			if got := w.now(inv.Number); got.AmountDue != "40.00" {
				t.Errorf("%s due", got.AmountDue)
			}
		})
	}
}

func TestReceiptFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault sandbox.Fault
		want  string
	}{
		{name: "reset before a write", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultResetBefore}, want: "unknown outcome"},
		{name: "503 on a write", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 503}, want: "unknown outcome"},
		{name: "503 on a read", fault: sandbox.Fault{Method: "GET", Kind: sandbox.FaultStatus, Status: 503}, want: "unavailable"},
		{name: "half an answer to a write", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultTruncate}, want: "unknown outcome"},
		{name: "half an answer to a read", fault: sandbox.Fault{Method: "GET", Kind: sandbox.FaultTruncate}, want: "unavailable"},
		{name: "a page of HTML for a write", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 200, Body: "<html>"}, want: "unknown outcome"},
		{name: "an answer without payments", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 200, Body: `{"Status":"OK"}`}, want: "unknown outcome"},
		{name: "an answer with an empty list", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 200, Body: `{"Payments":[]}`}, want: "unknown outcome"},
		{name: "a redirect", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 302, Header: map[string]string{"Location": "http://127.0.0.1:1/"}}, want: "unknown outcome"},
		{name: "429 for a minute", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 429,
			Header: map[string]string{"X-Rate-Limit-Problem": "minute", "Retry-After": "26"}}, want: "rate limited"},
		{name: "401", fault: sandbox.Fault{Method: "PUT", Kind: sandbox.FaultStatus, Status: 401, Body: `{"Title":"Unauthorized"}`}, want: "auth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			write := w.receipt(inv, "ch_00000001", "100.00")
			w.s.Faults().Add(tt.fault)
			w.expect(w.pay(write)[0], tt.want)
			w.clock.Advance(time.Minute)
			write = again(again(write)) // the second attempt may meet the remembered failure
			if out := w.pay(write)[0]; out.Result != connector.Created && out.Result != connector.Unchanged {
				t.Errorf("next attempt: %q, %v", out.Result, out.Err)
			}
			if n := len(w.s.Payments()); n != 1 {
				t.Errorf("%d payments", n)
			}
		})
	}
}

func TestReceiptSurplus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	first, second := w.receipt(inv, "ch_00000001", "70.00"), w.receipt(inv, "ch_00000002", "70.00")
	outs := w.pay(first, second)
	w.expect(outs[0], "created")
	w.expect(outs[1], "created")
	if n := len(outs[1].Effects); n != 2 {
		t.Errorf("%d effects", n)
	}
	want := []string{
		`ACCRECPAYMENT 70.00 ` + w.today() + ` "ch_00000001 ` + inv.Number + `"`,
		`ACCRECPAYMENT 30.00 ` + w.today() + ` "ch_00000002 ` + inv.Number + `"`,
		`OVERPAYMENT 40.00 left 40.00 "ch_00000002"`,
	}
	w.expectBooks(want...)
	for _, o := range w.pay(again(first), again(second)) {
		w.expect(o, "unchanged")
	}
	w.expectBooks(want...)
}

// I3: a receipt that was cut off between its two parts is completed.
func TestReceiptCutOffBeforeItsSurplus(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{sandbox.FaultResetBefore, sandbox.FaultResetAfter} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			write := w.receipt(inv, "ch_00000001", "150.00")
			w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: "/api.xro/2.0/BankTransactions", Kind: kind})
			w.expect(w.pay(write)[0], "unknown outcome")
			out := w.pay(again(write))[0]
			if out.Err != nil || out.ID == "" {
				t.Fatalf("second attempt: %v", out.Err)
			}
			w.expectBooks(`ACCRECPAYMENT 100.00 `+w.today()+` "ch_00000001 `+inv.Number+`"`, `OVERPAYMENT 50.00 left 50.00 "ch_00000001"`)
		})
	}
}

func TestReceiptConflicts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		setup func(*world) (xero.Invoice, connector.Write)
		want  string
	}{
		{name: "draft", want: "conflict", setup: func(w *world) (xero.Invoice, connector.Write) {
			inv := w.invoiceOf(xero.InvoiceInput{Contact: "A", Status: "DRAFT", Lines: []xero.LineInput{{Description: "x", UnitAmount: "10", Tax: "NONE"}}})
			return inv, w.receipt(inv, "ch_00000001", "10.00")
		}},
		{name: "voided", want: "conflict", setup: func(w *world) (xero.Invoice, connector.Write) {
			inv := w.invoice("10.00")
			if _, err := w.s.VoidInvoice(inv.Number); err != nil {
				w.t.Fatal(err)
			}
			return inv, w.receipt(inv, "ch_00000001", "10.00")
		}},
		{name: "another currency", want: "conflict", setup: func(w *world) (xero.Invoice, connector.Write) {
			inv := w.invoice("10.00")
			write := w.receipt(inv, "ch_00000001", "10.00")
			write.Record.Payment.Amount = money.MustNew(1000, "USD")
			return inv, write
		}},
		{name: "an unknown account", want: "invalid", setup: func(w *world) (xero.Invoice, connector.Write) {
			inv := w.invoice("10.00")
			write := w.receipt(inv, "ch_00000001", "10.00")
			write.Record.Payment.Account = "999"
			return inv, write
		}},
		{name: "a revenue account", want: "invalid", setup: func(w *world) (xero.Invoice, connector.Write) {
			inv := w.invoice("10.00")
			write := w.receipt(inv, "ch_00000001", "10.00")
			write.Record.Payment.Account = "200"
			return inv, write
		}},
		{name: "an unknown invoice", want: "not found", setup: func(w *world) (xero.Invoice, connector.Write) {
			inv := w.invoice("10.00")
			inv.InvoiceID = "5d1c6a1e-0000-4000-8000-000000000000"
			return inv, w.receipt(inv, "ch_00000001", "10.00")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			_, write := tt.setup(w)
			w.expect(w.pay(write)[0], tt.want)
			w.expectBooks()
		})
	}
}

func TestReceiptAdoptsAPersonsPayment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	manual, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{Account: "610"})
	if err != nil {
		t.Fatal(err)
	}
	write := w.receipt(inv, "ch_00000001", "100.00")
	out := w.pay(write)[0]
	w.expect(out, "adopted")
	if out.ID != manual.PaymentID {
		t.Errorf("adopted %s, want %s", out.ID, manual.PaymentID)
	}
	w.expect(w.pay(again(write))[0], "adopted")
	write.TargetID = out.ID
	w.expect(w.pay(again(write))[0], "unchanged")
	if n := len(w.s.Payments()); n != 1 {
		t.Errorf("%d payments", n)
	}

	// The customer pays a second time: the person's payment serves the first.
	w.expect(w.pay(w.receipt(inv, "ch_00000002", "100.00"))[0], "created")
	if over := w.s.Overpayments(); len(over) != 1 || over[0].Total != "100.00" {
		t.Errorf("overpayments: %+v", over)
	}
}

// Only what stands in the clearing account can be the customer's payment by card;
// another payment is other money, and the customer has paid twice.
func TestReceiptAdoptsInTheClearingAccountOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		person xero.PaymentDetails
		want   string
	}{
		{name: "clearing account", person: xero.PaymentDetails{Account: "610"}, want: "adopted"},
		{name: "clearing account, with words", person: xero.PaymentDetails{Account: "610", Reference: "card payment"}, want: "adopted"},
		{name: "clearing account, long ago", person: xero.PaymentDetails{Account: "610", Date: "2025-01-31"}, want: "created"},
		{name: "business bank", person: xero.PaymentDetails{Account: "090"}, want: "created"},
		{name: "business bank, with words", person: xero.PaymentDetails{Account: "090", Reference: "thanks"}, want: "created"},
		{name: "business bank, reconciled", person: xero.PaymentDetails{Account: "090", Reconciled: true}, want: "created"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			if _, err := w.s.PayInvoice(inv.Number, tt.person); err != nil {
				t.Fatal(err)
			}
			write := w.receipt(inv, "ch_00000001", "100.00")
			out := w.pay(write)[0]
			w.expect(out, tt.want)
			w.expect(w.pay(again(write))[0], map[string]string{"adopted": "adopted", "created": "unchanged"}[tt.want])
			over := w.s.Overpayments()
			if got := len(over) == 1; got != (tt.want == "created") {
				t.Errorf("overpayments: %+v", over)
			}
			if got := strings.Contains(out.Reason, "in another account"); got != (tt.person.Account == "090") {
				t.Errorf("reason: %s", out.Reason)
			}
		})
	}
}

// The clearing account is archived after it was read: the person is told of the
// account, not of a contact.
func TestReceiptIntoAnArchivedAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	w.expect(w.pay(w.receipt(inv, "ch_00000001", "40.00"))[0], "created")
	if err := w.s.ArchiveAccount("610"); err != nil {
		t.Fatal(err)
	}
	out := w.pay(w.receipt(inv, "ch_00000002", "60.00"))[0]
	w.expect(out, "conflict")
	if !strings.Contains(out.Err.Remedy, "restore the account in Xero") {
		t.Errorf("%s (%s)", out.Err.Message, out.Err.Remedy)
	}
}

// What is too much in another currency than the account's cannot be posted. What a
// person books of it under the mark settles it.
func TestReceiptInAnotherCurrencyIsSettledByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	lines := []xero.LineInput{{Description: "Work", UnitAmount: "100.00", Tax: "NONE"}}
	inv := w.invoiceOf(xero.InvoiceInput{Contact: "Ridgeway University", Currency: "EUR", Lines: lines})
	other := w.invoiceOf(xero.InvoiceInput{Contact: "Ridgeway University", Currency: "NZD", Lines: lines})
	if _, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{Amount: "30.00"}); err != nil {
		t.Fatal(err)
	}
	write := w.receipt(inv, "ch_00000001", "100.00")
	write.Record.Payment.Amount = money.MustNew(10000, "EUR")
	out := w.pay(write)[0]
	w.expect(out, "conflict")
	if !strings.Contains(out.Err.Message, "30.00 EUR more than invoice "+inv.Number+" has due") || !strings.Contains(out.Err.Remedy, "with the reference ch_00000001") {
		t.Errorf("%s (%s)", out.Err.Message, out.Err.Remedy)
	}
	if _, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{Account: "610", Reference: "ch_00000001 by hand"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.OverpayInvoice(other.Number, xero.ReceivedDetails{Amount: "54.00", Account: "610", Reference: "ch_00000001"}); err != nil {
		t.Fatal(err)
	}
	out = w.pay(again(write))[0]
	w.expect(out, "unchanged")
	if i := slices.IndexFunc(w.s.Payments(), func(p xero.Payment) bool { return p.PaymentID == out.ID }); i < 0 {
		t.Errorf("the receipt is %q, which is no payment", out.ID)
	}
}

// A person who unlocks the period and runs the work again is not told once more
// that it is locked.
func TestReceiptAfterThePeriodWasUnlocked(t *testing.T) {
	t.Parallel()
	for _, policy := range []connector.LockedPeriodPolicy{connector.LockedPerson, connector.LockedNextOpenDay} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			if err := w.s.SetLockDates(w.today(), ""); err != nil {
				t.Fatal(err)
			}
			first := w.receipt(inv, "ch_00000001", "40.00")
			first.Policy.LockedPeriod = policy
			w.expect(w.pay(first)[0], map[connector.LockedPeriodPolicy]string{connector.LockedPerson: "conflict", connector.LockedNextOpenDay: "created"}[policy])
			if err := w.s.SetLockDates("", ""); err != nil {
				t.Fatal(err)
			}
			second := w.receipt(inv, "ch_00000002", "60.00")
			second.Policy.LockedPeriod = policy
			w.expect(w.pay(second)[0], "created")
			if !slices.ContainsFunc(w.s.Payments(), func(p xero.Payment) bool { return p.Amount == "60.00" && p.Date == w.today() }) {
				t.Errorf("payments: %+v", w.s.Payments())
			}
		})
	}
}

// What stands in a locked period is not taken out of it, and the books stay whole.
func TestNothingIsTakenOutOfALockedPeriod(t *testing.T) {
	t.Parallel()
	for name, write := range map[string]func(w *world, inv xero.Invoice, receipt connector.Outcome) connector.Write{
		"failed receipt": func(w *world, inv xero.Invoice, receipt connector.Outcome) connector.Write {
			write := w.receipt(inv, "ch_00000001", "100.00")
			write.TargetID, write.Record.Payment.Status = receipt.ID, connector.PaymentFailed
			return write
		},
		"reopened invoice": func(w *world, inv xero.Invoice, receipt connector.Outcome) connector.Write {
			return w.refund(inv, receipt, "re_00000001", "30.00", connector.RefundReopen)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			long := w.receipt(inv, "ch_00000001", "100.00")
			long.Record.Payment.PaidAt = time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
			receipt := w.pay(long)[0]
			w.expect(receipt, "created")
			if err := w.s.SetLockDates("2025-01-31", ""); err != nil {
				t.Fatal(err)
			}
			out := w.pay(write(w, inv, receipt))[0]
			w.expect(out, "conflict")
			if !strings.Contains(out.Err.Message, "of 2025-01-15 stands in a period that is locked") || !strings.Contains(out.Err.Remedy, "unlock the period") {
				t.Errorf("%s (%s)", out.Err.Message, out.Err.Remedy)
			}
			if got := w.now(inv.Number); got.AmountDue != "0.00" {
				t.Errorf("%s due", got.AmountDue)
			}
			if err := w.s.SetLockDates("", ""); err != nil {
				t.Fatal(err)
			}
			w.expect(w.pay(write(w, inv, receipt))[0], "updated")
			for _, p := range w.s.Payments() {
				if p.Date != "2025-01-15" {
					t.Errorf("%s of %s stands on %s", p.Amount, p.Reference, p.Date)
				}
			}
		})
	}
}

// Money for an invoice that takes none of it waits for a person. Who gives it back
// finds both movements in the books, through an overpayment.
func TestReceiptThatHasNoPlaceIsBookedToBePaidBack(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*world, string) error
		why    string
	}{
		{"voided", func(w *world, number string) error { _, err := w.s.VoidInvoice(number); return err }, "invoice INV-0001 is voided"},
		{"edited into another currency", func(w *world, number string) error {
			_, err := w.s.EditInvoice(number, xero.InvoiceInput{Currency: "USD"})
			return err
		}, "the payment is in NZD, invoice INV-0001 in USD"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			if err := tc.change(w, inv.Number); err != nil {
				t.Fatal(err)
			}
			write := w.receipt(inv, "ch_00000001", "100.00")
			out := w.pay(write)[0]
			w.expect(out, "conflict")
			if !strings.HasPrefix(out.Err.Message, "unapplied receipt: "+tc.why) || !strings.Contains(out.Err.Remedy, "refund the money") {
				t.Errorf("%s (%s)", out.Err.Message, out.Err.Remedy)
			}
			write = again(write)
			write.Record.Payment.RefundIDs = []string{"re_00000001"}
			out = w.pay(write)[0]
			w.expect(out, "created")
			if !strings.Contains(out.Reason, "to be paid back: "+tc.why) {
				t.Errorf("reason: %s", out.Reason)
			}
			w.expect(w.pay(again(write))[0], "unchanged")
			refund := w.refund(inv, out, "re_00000001", "100.00", connector.RefundCreditNote)
			w.expect(w.pay(refund)[0], "created")
			w.expect(w.pay(again(refund))[0], "unchanged")
			if over := w.s.Overpayments(); len(over) != 1 || over[0].RemainingCredit != "0.00" || over[0].Currency != "NZD" {
				t.Errorf("overpayments: %+v", over)
			}
			if got := w.s.State().Accounts["610"].Balance; got != "0.00" {
				t.Errorf("the clearing account holds %s", got)
			}
		})
	}
}

func TestReceiptInALockedPeriod(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		policy connector.LockedPeriodPolicy
		late   bool // the lock date moves after the connector has read it
		want   string
	}{
		{name: "next open day", policy: connector.LockedNextOpenDay, want: "created"},
		{name: "default", want: "created"},
		{name: "person", policy: connector.LockedPerson, want: "conflict"},
		{name: "moved meanwhile", policy: connector.LockedNextOpenDay, late: true, want: "created"},
		{name: "moved meanwhile, person", policy: connector.LockedPerson, late: true, want: "conflict"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.invoice("100.00")
			if tt.late {
				w.expect(w.pay(w.receipt(inv, "ch_00000009", "1.00"))[0], "created")
			}
			if err := w.s.SetLockDates(w.today(), ""); err != nil {
				t.Fatal(err)
			}
			write := w.receipt(inv, "ch_00000001", "60.00")
			write.Policy.LockedPeriod = tt.policy
			w.expect(w.pay(write)[0], tt.want)
			if tt.want != "created" {
				return
			}
			tomorrow := w.clock.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
			for _, p := range w.s.Payments() {
				if markOf(p.Reference) != "ch_00000001" {
					continue
				}
				if want := "ch_00000001 " + inv.Number + " (paid " + w.today() + ")"; p.Date != tomorrow || p.Reference != want {
					t.Errorf("booked on %s as %q", p.Date, p.Reference)
				}
			}
			w.expect(w.pay(again(write))[0], "unchanged")
		})
	}
}

func TestReceiptDateIsTheOrganisations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{Timezone: "NEWZEALANDSTANDARDTIME"})
	inv := w.invoice("100.00")
	write := w.receipt(inv, "ch_00000001", "100.00")
	write.Record.Payment.PaidAt = time.Date(2026, time.October, 31, 12, 30, 0, 0, time.UTC) // 1 November in Auckland
	w.expect(w.pay(write)[0], "created")
	if got := w.s.Payments()[0].Date; got != "2026-11-01" {
		t.Errorf("booked on %s", got)
	}
}

func TestReceiptThatFailsLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	write := w.receipt(inv, "ch_00000001", "130.00")
	out := w.pay(write)[0]
	w.expect(out, "created")
	undo := write
	undo.Key, undo.TargetID = "undo-1", out.ID
	undo.Record.Payment.Status = connector.PaymentFailed
	w.expect(w.pay(undo)[0], "updated")
	if got := w.now(inv.Number); got.AmountDue != "100.00" {
		t.Errorf("%s due", got.AmountDue)
	}
	w.expectBooks(`AROVERPAYMENTPAYMENT 30.00 `+w.today()+` "ch_00000001 `+inv.Number+`"`, `OVERPAYMENT 30.00 left 0.00 "ch_00000001"`)
	w.expect(w.pay(again(undo))[0], "unchanged")

	unknown := w.receipt(inv, "ch_00000007", "10.00")
	unknown.Record.Payment.Status = connector.PaymentFailed
	w.expect(w.pay(unknown)[0], "unchanged")
}

func TestReconciledReceiptIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	write := w.receipt(inv, "ch_00000001", "100.00")
	out := w.pay(write)[0]
	if err := w.s.ReconcilePayment(out.ID); err != nil {
		t.Fatal(err)
	}
	write.TargetID = out.ID
	write.Record.Payment.Status = connector.PaymentFailed
	w.expect(w.pay(write)[0], "conflict")
}
