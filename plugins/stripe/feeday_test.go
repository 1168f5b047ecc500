package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// midnight moves the clock to the next UTC midnight and returns it.
func (b *bench) midnight() time.Time {
	now := b.clock.Now()
	day := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
	b.clock.Advance(day.Sub(now))
	return day
}

func (b *bench) feeAt(at time.Time, minor int64, currency string) {
	b.t.Helper()
	_, err := b.srv.Fee(stand.Movement{Amount: minor, Currency: currency, At: at})
	b.must(err)
}

// A day is one record for each currency, from its first second to its last, an hour
// after it has ended and only once. Before that it is pending.
func TestADayOfFees(t *testing.T) {
	b := newBenchOf(t, stand.Config{Balances: []string{"usd", "jpy"}})
	day := b.midnight()
	b.clock.Advance(47 * time.Hour)
	for at, minor := range map[time.Duration]int64{-time.Second: 1000, 0: 10, 12 * time.Hour: 200, 24*time.Hour - time.Second: 3, 24 * time.Hour: 4000} {
		b.feeAt(day.Add(at), minor, "nzd")
	}
	b.feeAt(day.Add(time.Hour), -250, "usd")
	b.feeAt(day.Add(time.Hour), 70, "jpy")
	b.feeAt(day.Add(time.Hour), -70, "jpy") // comes to nothing
	date := connector.DateOf(day).String()
	next := connector.DateOf(day.AddDate(0, 0, 1)).String()
	f := &follower{b: b, entity: connector.EntityPayment, stream: streamDailyFees, size: 1, bodies: true, since: day.Add(18 * time.Hour)}
	got := f.all(nil)
	want := []connector.Record{
		dayOf("fees_"+date+"_nzd", connector.PaymentFee, nzd(213), day, "3 fees"),
		dayOf("fees_"+date+"_usd", connector.PaymentFeeRefund, money.MustNew(250, "USD"), day, "1 returned"),
	}
	for i := range got {
		got[i].Version = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("first day (-want +got):\n%s", diff)
	}
	later := "fees_" + next + "_nzd"
	if rec := b.one(connector.EntityPayment, later); rec.Payment.Status != connector.PaymentPending || rec.Payment.Amount != nzd(4000) {
		t.Errorf("a day that is not over: %+v", rec.Payment)
	}
	b.clock.Advance(time.Hour + 59*time.Minute + 50*time.Second) // 00:59:50
	b.srv.ResetCalls()
	if early := f.all(nil); len(early) > 0 || b.srv.Calls().Total != 1 {
		t.Errorf("before the day is over for an hour: %v, %+v", ids(early), b.srv.Calls())
	}
	b.clock.Advance(11 * time.Second)
	if got := ids(f.all(nil)); !slices.Equal(got, []string{later}) {
		t.Errorf("when it is: %v", got)
	}
	if rec := b.one(connector.EntityPayment, later); rec.Payment.Status != connector.PaymentSucceeded {
		t.Errorf("a day that is over: %+v", rec.Payment)
	}
	if again := f.all(nil); len(again) > 0 {
		t.Errorf("listed again: %v", ids(again))
	}
}

func dayOf(id string, kind connector.PaymentKind, amount money.Amount, day time.Time, note string) connector.Record {
	date := connector.DateOf(day)
	return connector.Record{Entity: connector.EntityPayment, ID: id, Payment: &connector.Payment{
		Kind: kind, Status: connector.PaymentSucceeded, Amount: amount, Settled: amount, Date: date,
		PaidAt: day.Add(24*time.Hour - time.Second), Label: "Stripe fees " + date.String(), Note: note,
	}}
}

// Days that nobody asked for, and days without fees, are not there.
func TestDaysThatAreNone(t *testing.T) {
	b := newBench(t)
	b.feeAt(b.clock.Now(), 100, "nzd")
	for _, id := range []string{
		"fees_2020-02-29_nzd", "fees_2020-02-30_nzd", "fees_2020-02-29_NZD", "fees_2020-02-29_nz", "fees_2020-02-29", "fees_1960-01-01_nzd", "fees__nzd", "fees_2099-01-01_nzd",
	} {
		if got := b.get(connector.EntityPayment, id); len(got) != 0 {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

// Long quiet times cost a handful of calls, a day with many balance transactions is
// added up whole, and any page size lists the same days.
func TestDaysArePaged(t *testing.T) {
	b := newBench(t)
	day := b.midnight()
	b.clock.Advance(400 * 24 * time.Hour)
	var want []string
	for _, n := range []int{0, 1, 2, 90, 91, 200, 390} {
		at := day.Add(time.Duration(n) * 24 * time.Hour)
		want = append(want, fmt.Sprintf("fees_%s_nzd", connector.DateOf(at)))
		b.feeAt(at, 5, "nzd")
	}
	for range 230 {
		b.feeAt(day.Add(200*24*time.Hour+time.Hour), 1, "nzd")
	}
	for _, size := range []int{1, 3, 100} {
		b.srv.ResetCalls()
		f := b.stream(streamDailyFees, size)
		if diff := cmp.Diff(want, ids(f.all(nil))); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
		if n := b.srv.Calls().Total; n > 90 {
			t.Errorf("pages of %d: %d calls", size, n)
		}
	}
	if got := b.one(connector.EntityPayment, want[5]).Payment; got.Amount != nzd(235) || got.Note != "231 fees" {
		t.Errorf("the busy day: %+v", got)
	}
}
