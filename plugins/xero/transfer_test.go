package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const bankTransfers = "/api.xro/2.0/BankTransfers"

func (w *world) payout(mark, amount string) connector.Write {
	return w.movementOf(connector.PaymentPayout, mark, amount)
}

// moved is a person entering the transfer of a payout.
func (w *world) moved(amount, reference, date string) xero.BankTransfer {
	w.t.Helper()
	out, err := w.s.TransferMoney(xero.TransferInput{From: "610", To: "090", Amount: xero.Number(amount), Reference: reference, Date: date})
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// transfers sums up the live transfers, one line each.
func (w *world) transfers() string {
	var lines []string
	for _, b := range w.s.BankTransfers() {
		if b.Status == "AUTHORISED" {
			lines = append(lines, fmt.Sprintf("%s>%s %s %q", b.From, b.To, b.Amount, b.Reference))
		}
	}
	return strings.Join(lines, "\n")
}

func (w *world) expectTransfers(want ...string) {
	w.t.Helper()
	if got := w.transfers(); got != strings.Join(want, "\n") {
		w.t.Errorf("transfers:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

func TestPayoutIsATransfer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	first, second := w.payout("po_00000001", "120.05"), w.payout("po_00000002", "7.00")
	outs := w.pay(first, second)
	w.expect(outs[0], "created")
	w.expect(outs[1], "created")
	want := []string{`610>090 120.05 "po_00000001"`, `610>090 7.00 "po_00000002"`}
	w.expectTransfers(want...)
	w.expectHeld("610", "-127.05")
	w.expectHeld("090", "127.05")
	first.TargetID = outs[0].ID
	for _, o := range w.pay(first, again(second)) {
		w.expect(o, "unchanged")
	}
	w.expectTransfers(want...)
	rec := w.get(outs[0].ID)
	if p := rec.Payment; p.Kind != connector.PaymentPayout || p.Status != connector.PaymentSucceeded || p.Amount != nzd("120.05") || p.Account != "610" || p.CounterAccount != "090" {
		t.Errorf("%+v", p)
	}
}

func TestPayoutThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	write := w.payout("po_00000001", "50.00")
	w.expect(w.pay(failed(write, connector.Outcome{}))[0], "unchanged") // it failed before it was posted
	w.expectTransfers()
	out := w.pay(write)[0]
	w.expect(out, "created")
	back := failed(write, out)
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: bankTransfers, Kind: sandbox.FaultResetAfter})
	w.expect(w.pay(back)[0], "unknown outcome")
	returned := w.pay(again(back))[0]
	w.expect(returned, "unchanged")
	w.expectTransfers(`610>090 50.00 "po_00000001"`, `090>610 50.00 "po_00000001 returned"`)
	w.expectHeld("610", "0.00")
	p := w.get(returned.ID).Payment
	if p.Status != connector.PaymentFailed || p.Account != "610" || p.CounterAccount != "090" || p.Amount != nzd("50.00") {
		t.Errorf("%+v", p)
	}
	back.TargetID = returned.ID
	w.expect(w.pay(back)[0], "unchanged")
	if err := w.s.DeleteTransfer(returned.ID); err != nil {
		t.Fatal(err)
	}
	o := w.pay(again(back))[0]
	w.expect(o, "conflict")
	if !strings.Contains(o.Err.Message, "po_00000001 returned and deleted in Xero") {
		t.Errorf("says %q", o.Err.Message)
	}
	if _, err := w.s.TransferMoney(xero.TransferInput{From: "090", To: "610", Amount: "50.00", Reference: "po_00000001 returned"}); err != nil {
		t.Fatal(err)
	}
	w.expect(w.pay(again(back))[0], "unchanged")
	// It cannot have succeeded after all.
	write.TargetID = returned.ID
	w.expect(w.pay(write)[0], "conflict")
}

// I3: cut off before or after the write, soon or late, the payout is posted once.
func TestPayoutAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{sandbox.FaultResetBefore, sandbox.FaultResetAfter, sandbox.FaultTruncate} {
		for _, wait := range []time.Duration{0, 10 * time.Minute} {
			t.Run(kind+" "+wait.String(), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, xero.Config{})
				write, other := w.payout("po_00000001", "50.00"), w.payout("po_000000012", "50.00")
				w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: bankTransfers, Kind: kind})
				outs := w.pay(write, other)
				w.expect(outs[0], "unknown outcome")
				w.expect(outs[1], "created")
				w.clock.Advance(wait)
				for _, o := range w.pay(again(write), again(other)) {
					if o.Result != connector.Created && o.Result != connector.Unchanged {
						t.Errorf("second attempt: %q %v", o.Result, o.Err)
					}
				}
				w.expectHeld("610", "-100.00")
			})
		}
	}
}

func TestPayoutRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*connector.Payment)
		want   string
		says   string
	}{
		{name: "out of an account that is no bank account", want: "conflict", says: "not a bank account", change: func(p *connector.Payment) { p.Account = "620" }},
		{name: "into an account that is no bank account", want: "conflict", says: "no payout can arrive", change: func(p *connector.Payment) { p.CounterAccount = "620" }},
		{name: "into itself", want: "conflict", says: "itself", change: func(p *connector.Payment) { p.CounterAccount = "610" }},
		{name: "in another currency", want: "conflict", says: "another currency", change: func(p *connector.Payment) { p.Amount = money.MustNew(100, "USD") }},
		{name: "into another currency", want: "conflict", says: "USD bank", change: func(p *connector.Payment) { p.CounterAccount = "091" }},
		{name: "no account to arrive in", want: "invalid", says: "other account", change: func(p *connector.Payment) { p.CounterAccount = "" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			if _, err := w.s.AddAccount(xero.AccountInput{Code: "091", Name: "USD bank", Currency: "USD"}); err != nil {
				t.Fatal(err)
			}
			write := w.payout("po_00000001", "5.00")
			tt.change(write.Record.Payment)
			o := w.pay(write)[0]
			w.expect(o, tt.want)
			if !strings.Contains(o.Err.Message, tt.says) {
				t.Errorf("says %q", o.Err.Message)
			}
			w.expectTransfers()
		})
	}
}

func TestPayoutThatAPersonTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	write := w.payout("po_00000001", "50.00")
	out := w.pay(write)[0]
	w.expect(out, "created")
	changed := write
	changed.TargetID, changed.Record.Payment = out.ID, &connector.Payment{}
	*changed.Record.Payment = *write.Record.Payment
	changed.Record.Payment.Amount = nzd("51.00")
	w.expect(w.pay(changed)[0], "conflict")

	if err := w.s.DeleteTransfer(out.ID); err != nil {
		t.Fatal(err)
	}
	write.TargetID = out.ID
	o := w.pay(again(write))[0]
	w.expect(o, "conflict")
	if !strings.Contains(o.Err.Message, "deleted in Xero") {
		t.Errorf("says %q", o.Err.Message)
	}
	if p := w.get(out.ID).Payment; p.Status != connector.PaymentFailed {
		t.Errorf("%+v", p)
	}
	w.expect(w.pay(failed(write, out))[0], "unchanged") // it failed, and nothing of it is in the books
	// The person enters it again, as the remedy says.
	mine := w.moved("50.00", "po_00000001", "")
	found := w.pay(again(write))[0]
	w.expect(found, "unchanged")
	if found.ID != mine.BankTransferID {
		t.Errorf("found %s, want %s", found.ID, mine.BankTransferID)
	}
}

func TestPayoutAdoptsAPersonsTransfer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	day := func(n int) string { return w.clock.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	w.moved("50.00", "too early", day(-4))
	w.moved("49.99", "another sum", "")
	w.moved("50.00", "po_00000099", "") // ours, of another payout
	mine := w.moved("50.00", "from the bank feed", day(2))
	write := w.payout("po_00000001", "50.00")
	out := w.pay(write)[0]
	w.expect(out, "adopted")
	if out.ID != mine.BankTransferID {
		t.Errorf("adopted %s, want %s", out.ID, mine.BankTransferID)
	}
	w.expect(w.pay(again(write))[0], "adopted") // its answer was lost
	// Another payout of the same sum is another transfer.
	w.expect(w.pay(w.payout("po_00000002", "50.00"))[0], "created")
	if n := len(w.s.BankTransfers()); n != 5 {
		t.Errorf("%d transfers", n)
	}
	write.TargetID = out.ID
	w.expect(w.pay(write)[0], "unchanged")
	// What a person entered, a person takes back.
	o := w.pay(failed(write, out))[0]
	w.expect(o, "conflict")
	if !strings.Contains(o.Err.Remedy, "po_00000001 returned") {
		t.Errorf("remedy %q", o.Err.Remedy)
	}
}

func TestPayoutWithSeveralCandidates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	a, b := w.moved("50.00", "", ""), w.moved("50.00", "payout", "")
	o := w.pay(w.payout("po_00000001", "50.00"))[0]
	w.expect(o, "conflict")
	want := []string{a.BankTransferID, b.BankTransferID}
	slices.Sort(want)
	slices.Sort(o.Err.Candidates)
	if !slices.Equal(o.Err.Candidates, want) {
		t.Errorf("candidates %v, want %v", o.Err.Candidates, want)
	}
	// Two payouts of one call do not take the same transfer.
	if err := w.s.DeleteTransfer(a.BankTransferID); err != nil {
		t.Fatal(err)
	}
	outs := w.pay(w.payout("po_00000002", "50.00"), w.payout("po_00000003", "50.00"))
	w.expect(outs[0], "adopted")
	w.expect(outs[1], "created")
}

// A person deletes the transfer between our look and our return of it.
func TestReturnRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	write := w.payout("po_00000001", "50.00")
	out := w.pay(write)[0]
	w.expect(out, "created")
	w.beforeFirst(http.MethodPut, bankTransfers, func() error { return w.s.DeleteTransfer(out.ID) })
	back := failed(write, out)
	w.expect(w.pay(back)[0], "updated")
	o := w.pay(again(back))[0]
	w.expect(o, "conflict") // the return stands alone: a person is told
	if !strings.Contains(o.Err.Message, "come back and not go") {
		t.Errorf("says %q", o.Err.Message)
	}
}
