package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A dispute goes by the money: none has moved in an inquiry, some was withdrawn, or
// it came back. It names the invoice that had been paid.
func TestDisputes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		part    int64
		inquiry bool
		end     string
		status  connector.PaymentStatus
		amount  money.Amount
		settled money.Amount
		note    string
	}{
		{name: "open", status: connector.PaymentSucceeded, amount: nzd(11500), settled: nzd(11500), note: "fraudulent, needs response until DUE"},
		{name: "over a part", part: 999, status: connector.PaymentSucceeded, amount: nzd(999), settled: nzd(999), note: "fraudulent, needs response until DUE"},
		{name: "lost", end: "lost", status: connector.PaymentSucceeded, amount: nzd(11500), settled: nzd(11500), note: "fraudulent, lost"},
		{name: "won", end: "won", status: connector.PaymentFailed, amount: nzd(11500), settled: nzd(11500), note: "fraudulent, won"},
		{name: "inquiry", inquiry: true, status: connector.PaymentPending, amount: nzd(11500), note: "fraudulent, inquiry, needs response until DUE"},
		{name: "inquiry that ended", inquiry: true, end: "won", status: connector.PaymentFailed, amount: nzd(11500), note: "fraudulent, inquiry, closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			cus, inv, charge := b.paid()
			f := b.stream(streamDisputes, 10)
			f.all(nil)
			opened := b.clock.Now()
			id, err := b.srv.Dispute(charge, tt.part, tt.inquiry)
			b.must(err)
			b.clock.Advance(3 * 24 * time.Hour)
			if tt.end != "" {
				b.must(b.srv.CloseDispute(id, tt.end))
			}
			if diff := cmp.Diff([]string{id}, distinct(ids(f.all(nil)))); diff != "" {
				t.Fatalf("events (-want +got):\n%s", diff)
			}
			got := *b.one(connector.EntityPayment, id).Payment
			due := connector.DateOf(opened.AddDate(0, 0, 7)).String()
			want := connector.Payment{
				Kind: connector.PaymentDispute, Status: tt.status, Amount: tt.amount, Settled: tt.settled, PaidAt: got.PaidAt,
				PaymentOf: charge, InvoiceID: inv, ContactID: cus, Label: "INV-1", Marks: bill115("").Marks, Extra: got.Extra,
				Note: replaceDue(tt.note, due),
			}
			if diff := cmp.Diff(want, got); diff != "" || got.Extra["due_by"].Text != due || got.Extra["outcome"].Text == "" {
				t.Errorf("dispute, %v (-want +got):\n%s", got.Extra, diff)
			}
			if late := got.PaidAt.After(opened.Add(time.Hour)); late != (tt.end == "won" && !tt.inquiry) {
				t.Errorf("money moved at %s, opened at %s", got.PaidAt, opened)
			}
		})
	}
}

func replaceDue(note, due string) string {
	if len(note) > 3 && note[len(note)-3:] == "DUE" {
		return note[:len(note)-3] + due
	}
	return note
}

// In another currency the balance tells what left it. What a changed rate leaves
// when it comes back is an adjustment.
func TestDisputeInAnotherCurrency(t *testing.T) {
	b := newBench(t)
	id, err := b.srv.Dispute(b.charge(1000, "eur"), 0, false)
	b.must(err)
	got := b.one(connector.EntityPayment, id).Payment
	if got.Amount != money.MustNew(1000, "EUR") || got.Settled != nzd(1800) || got.Status != connector.PaymentSucceeded {
		t.Errorf("withdrawn: %+v", got)
	}
	b.must(b.srv.Revalue("eur", 1, 2))
	b.must(b.srv.CloseDispute(id, "won"))
	if got = b.one(connector.EntityPayment, id).Payment; got.Settled != nzd(1800) || got.Status != connector.PaymentFailed {
		t.Errorf("returned: %+v", got)
	}
	left := (&follower{b: b, entity: connector.EntityPayment, stream: streamAdjustments, size: 5, bodies: true}).all(nil)
	if len(left) != 1 || left[0].Payment.Amount != nzd(900) || left[0].Payment.Note != "adjustment: out, left when "+id+" came back" {
		t.Errorf("left: %+v", left)
	}
}

// The same change of a dispute has the same key in a poll and in a webhook, and
// another one than that of its charge.
func TestDisputeKeys(t *testing.T) {
	b := newBench(t)
	charge := b.charge(1000, "nzd")
	plain, disputes := b.stream("", 10), b.stream(streamDisputes, 10)
	plain.all(nil)
	disputes.all(nil)
	_, err := b.srv.Dispute(charge, 0, true)
	b.must(err)
	_, err = b.srv.Refund(b.charge(2000, "nzd"), 0, "")
	b.must(err)
	keys := map[string]string{}
	for _, f := range []*follower{plain, disputes} {
		for _, rec := range f.all(nil) {
			if rec.Version == "" || keys[rec.Version] != "" {
				t.Errorf("key %q of %s is that of %q", rec.Version, rec.ID, keys[rec.Version])
			}
			keys[rec.Version] = rec.ID
		}
	}
	ev := readEvent("evt_9", "charge.dispute.created", []byte(`{"id":"dp_1","object":"dispute","charge":"ch_1"}`))
	want := []touch{
		{entity: connector.EntityPayment, id: "ch_1", key: "evt_9"},
		{entity: connector.EntityPayment, stream: streamDisputes, id: "dp_1", key: "evt_9/dp_1"},
	}
	if diff := cmp.Diff(want, ev, cmp.AllowUnexported(touch{})); diff != "" {
		t.Errorf("touched (-want +got):\n%s", diff)
	}
}

// Disputes that were there before are listed too, oldest first.
func TestDisputesBackfill(t *testing.T) {
	b := newBench(t)
	var want []string
	for range 7 {
		id, err := b.srv.Dispute(b.charge(1000, "nzd"), 0, len(want)%2 == 0)
		b.must(err)
		want = append(want, id)
		b.clock.Advance(time.Hour)
	}
	if diff := cmp.Diff(want, ids(b.stream(streamDisputes, 3).all(nil))[:7]); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
}
