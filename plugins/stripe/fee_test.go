package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

func (b *bench) stream(name string, size int) *follower {
	return &follower{b: b, entity: connector.EntityPayment, stream: name, size: size}
}

func (b *bench) charge(minor int64, currency string) string {
	b.t.Helper()
	id, err := b.srv.Charge(stand.OtherCharge{Amount: minor, Currency: currency})
	b.must(err)
	return id
}

// The fee of a payment names the invoice that was paid; so does the share of it
// that comes back with a refund, and the fee of a dispute.
func TestFeesOfAnInvoice(t *testing.T) {
	b := newBench(t)
	cus, inv, charge := b.paid()
	b.srv.ReturnFees(true)
	_, err := b.srv.Refund(charge, 5750, "")
	b.must(err)
	_, err = b.srv.Dispute(charge, 0, false)
	b.must(err)
	got := (&follower{b: b, entity: connector.EntityPayment, stream: streamFees, size: 10, bodies: true}).all(nil)
	want := []connector.Payment{
		{Kind: connector.PaymentFee, Amount: nzd(364), Note: "Stripe processing fees", Extra: typed("charge")},
		{Kind: connector.PaymentFeeRefund, Amount: nzd(182), Note: "Stripe processing fee refund", Extra: typed("refund")},
		{Kind: connector.PaymentFee, Amount: nzd(2500), Note: "Dispute fee", Extra: typed("adjustment")},
	}
	if len(got) != len(want) {
		t.Fatalf("listed %v", ids(got))
	}
	for i, rec := range got {
		w := want[i]
		w.Status, w.Settled, w.PaidAt = connector.PaymentSucceeded, w.Amount, rec.Payment.PaidAt
		w.PaymentOf, w.InvoiceID, w.ContactID, w.Label, w.Marks = charge, inv, cus, "INV-1", bill115("").Marks
		if diff := cmp.Diff(w, *rec.Payment); diff != "" || rec.Version == "" {
			t.Errorf("fee %d (-want +got):\n%s", i, diff)
		}
	}
}

func typed(name string) map[string]connector.Value {
	return map[string]connector.Value{"type": {Text: name}}
}

// A fee of the account itself concerns no charge, whichever way it goes; a charge
// in another currency has its fee in that of the balance.
func TestFeesOfTheAccount(t *testing.T) {
	b := newBench(t)
	bill, err := b.srv.Fee(stand.Movement{Amount: 990, Description: "Invoicing"})
	b.must(err)
	back, err := b.srv.Fee(stand.Movement{Amount: -90, Description: "Credit"})
	b.must(err)
	for id, want := range map[string]connector.Payment{
		bill: {Kind: connector.PaymentFee, Amount: nzd(990), Note: "Invoicing"},
		back: {Kind: connector.PaymentFeeRefund, Amount: nzd(90), Note: "Credit"},
	} {
		got := *b.one(connector.EntityPayment, id).Payment
		want.Status, want.Settled, want.PaidAt, want.Extra = connector.PaymentSucceeded, want.Amount, got.PaidAt, typed("stripe_fee")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fee (-want +got):\n%s", diff)
		}
	}
	charge := b.charge(10000, "eur") // 18,000.00 cents of NZD at the stand-in's rate
	fees := b.stream(streamFees, 5).all(nil)
	got := b.one(connector.EntityPayment, fees[2].ID).Payment
	if got.PaymentOf != charge || got.Amount != nzd(552) || b.one(connector.EntityPayment, charge).Payment.Settled != nzd(18000) {
		t.Errorf("fee of a foreign charge: %+v", got)
	}
}

// Fees are followed without events: nothing is missed in a backfill or later,
// however many there are within one second, and none comes twice.
func TestFeesArePaged(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		size int
		gap  time.Duration
	}{
		{"fits one page", 7, 100, time.Minute},
		{"many pages", 40, 7, time.Hour},
		{"all in one second", 25, 4, 0},
		{"one at a time", 9, 1, 10 * time.Second},
		{"more than is remembered", recentMax + 120, 60, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			trade := func(n int) {
				for range n {
					b.charge(1000, "nzd")
					_, err := b.srv.Adjust(stand.Movement{Amount: 5, Type: "topup"}) // no fee
					b.must(err)
					b.clock.Advance(tt.gap)
				}
			}
			trade(tt.n)
			f := b.stream(streamFees, tt.size)
			first := ids(f.all(func(page int) {
				if page < 3 {
					trade(1)
				}
			}))
			trade(tt.n)
			rest := ids(f.all(nil))
			all := slices.Concat(first, rest)
			var want []string
			for _, rec := range b.stream(streamFees, 100).all(nil) {
				want = append(want, rec.ID)
			}
			if diff := cmp.Diff(distinct(want), distinct(all)); diff != "" || len(want) < 2*tt.n {
				t.Fatalf("listed (-want +got):\n%s", diff)
			}
			b.clock.Advance(time.Hour)
			if late := f.all(nil); len(late) > 0 && tt.n < recentMax {
				t.Errorf("listed again: %v", ids(late))
			}
			b.srv.ResetCalls()
			if late := f.all(nil); len(late) > 0 || b.srv.Calls().Total != 1 {
				t.Errorf("a quiet poll: %v, %+v", ids(late), b.srv.Calls())
			}
		})
	}
}

// A balance transaction may show after younger ones have: it is listed all the same.
func TestFeesThatShowLate(t *testing.T) {
	b := newBench(t)
	b.charge(1000, "nzd")
	b.clock.Advance(time.Hour)
	f := b.stream(streamFees, 10)
	f.all(nil)
	b.charge(1000, "nzd")
	f.all(nil)
	late, err := b.srv.Fee(stand.Movement{Amount: 1, At: b.clock.Now().Add(-5 * time.Minute)})
	b.must(err)
	if got := ids(f.all(nil)); !slices.Equal(got, []string{late}) {
		t.Errorf("listed %v, want %s", got, late)
	}
	if got := f.all(nil); len(got) != 0 {
		t.Errorf("listed again: %v", ids(got))
	}
}

// In a rush the cursor keeps a bounded memory.
func TestFeedCursorIsBounded(t *testing.T) {
	b := newBench(t)
	f := b.stream(streamFees, 100)
	f.all(nil)
	for range recentMax + 250 {
		b.charge(1000, "nzd")
	}
	if got := distinct(ids(f.all(nil))); len(got) != recentMax+250 {
		t.Errorf("%d fees listed", len(got))
	}
	if len(f.cursor) > recentMax*40 {
		t.Errorf("a cursor of %d bytes", len(f.cursor))
	}
}

// What moves the balance for other reasons is an adjustment, and says which way.
func TestAdjustments(t *testing.T) {
	b := newBenchOf(t, stand.Config{Balances: []string{"usd"}})
	b.charge(1000, "nzd")
	in, err := b.srv.Adjust(stand.Movement{Amount: 5000, Type: "topup", Description: "From the bank"})
	b.must(err)
	out, err := b.srv.Adjust(stand.Movement{Amount: -700, Type: "reserve_transaction", Currency: "usd"})
	b.must(err)
	got := (&follower{b: b, entity: connector.EntityPayment, stream: streamAdjustments, size: 3, bodies: true}).all(nil)
	if diff := cmp.Diff([]string{in, out}, ids(got)); diff != "" {
		t.Fatalf("listed (-want +got):\n%s", diff)
	}
	for i, want := range []struct {
		amount money.Amount
		note   string
		way    string
	}{{nzd(5000), "topup: in, From the bank", "in"}, {money.MustNew(700, "USD"), "reserve_transaction: out", "out"}} {
		p := got[i].Payment
		if p.Kind != connector.PaymentAdjustment || p.Status != connector.PaymentSucceeded || p.Amount != want.amount || p.Settled != want.amount ||
			p.Note != want.note || p.Extra["direction"].Text != want.way {
			t.Errorf("adjustment: %+v, want %v", p, want)
		}
	}
}

// A payment that comes back at another rate of exchange leaves a difference, which
// is an adjustment; at the same rate it leaves none.
func TestWhatALateFailureLeaves(t *testing.T) {
	b := newBench(t)
	debit := func(cur string) string {
		id, err := b.srv.Charge(stand.OtherCharge{Amount: 1000, Currency: cur, Debit: true})
		b.must(err)
		return id
	}
	same, eur := debit("usd"), debit("eur") // 18.00 NZD
	b.must(b.srv.Revalue("eur", 11, 10))
	b.must(b.srv.FailCharge(same))
	b.must(b.srv.FailCharge(eur)) // 19.80 NZD
	re, err := b.srv.Refund(b.charge(1000, "eur"), 500, "failed_later")
	b.must(err)
	b.must(b.srv.Revalue("eur", 1, 1))
	b.must(b.srv.FailRefund(re)) // 9.90 out, 9.00 in
	got := (&follower{b: b, entity: connector.EntityPayment, stream: streamAdjustments, size: 10, bodies: true}).all(nil)
	var notes []string
	for _, rec := range got {
		again := b.one(connector.EntityPayment, rec.ID)
		notes = append(notes, rec.Payment.Amount.String()+" "+rec.Payment.Note)
		if diff := cmp.Diff(rec.Payment, again.Payment); diff != "" {
			t.Errorf("listed, and read (-listed +read):\n%s", diff)
		}
	}
	want := []string{"1.80 NZD payment_failure_refund: out, left when " + eur + " came back", "0.90 NZD refund_failure: out, left when " + re + " came back"}
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// What was looked into once is not looked into again at each poll while it is
// recent.
func TestRecentReversalsAreReadOnce(t *testing.T) {
	b := newBench(t)
	b.charge(1000, "nzd")
	f := b.stream(streamAdjustments, 10)
	f.all(nil)
	re, err := b.srv.Refund(b.charge(1000, "nzd"), 500, "failed_later")
	b.must(err)
	b.must(b.srv.FailRefund(re))
	f.all(nil)
	b.srv.ResetCalls()
	if got := f.all(nil); len(got) > 0 || b.srv.Calls().Total != 1 {
		t.Errorf("a quiet poll: %v, %+v", ids(got), b.srv.Calls())
	}
}
