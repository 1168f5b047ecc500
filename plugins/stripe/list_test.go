package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// follower lists an entity to the end, page by page, as the host does.
type follower struct {
	b      *bench
	entity connector.Entity
	stream string
	size   int
	since  time.Time
	bodies bool
	cursor string
}

func (f *follower) page() connector.Page {
	f.b.t.Helper()
	page, err := f.b.c.List(f.b.ctx(), f.b.s, connector.ListRequest{
		Entity: f.entity, Stream: f.stream, Cursor: f.cursor, Since: f.since, PageSize: f.size, IDsOnly: !f.bodies,
	})
	f.b.must(err)
	if len(page.Records) > f.size {
		f.b.t.Fatalf("%d records in a page of %d", len(page.Records), f.size)
	}
	f.cursor = page.Next
	return page
}

// all reads until there is no more; between is called after each page.
func (f *follower) all(between func(page int)) []connector.Record {
	f.b.t.Helper()
	var out []connector.Record
	for i := range 500 {
		page := f.page()
		out = append(out, page.Records...)
		if !page.More {
			return out
		}
		if between != nil {
			between(i)
		}
	}
	f.b.t.Fatal("the list does not end")
	return nil
}

func ids(recs []connector.Record) []string {
	var out []string
	for _, r := range recs {
		out = append(out, r.ID)
	}
	return out
}

func distinct(ids []string) []string {
	s := slices.Clone(ids)
	slices.Sort(s)
	return slices.Compact(s)
}

func (b *bench) people(from, n int, gap time.Duration) []string {
	b.t.Helper()
	var out []string
	for i := range n {
		out = append(out, person(b, fmt.Sprintf("P%d", from+i), fmt.Sprintf("p%d@example.com", from+i), nil))
		b.clock.Advance(gap)
	}
	return out
}

func TestBackfillThenEvents(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		size int
		gap  time.Duration
	}{
		{"fits one page", 7, 100, time.Minute},
		{"many pages", 60, 7, time.Hour},
		{"all in one second", 25, 4, 0},
		{"one at a time", 9, 1, 10 * time.Second},
		{"years apart", 6, 2, 300 * 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			made := b.people(0, tt.n, tt.gap)
			f := &follower{b: b, entity: connector.EntityContact, size: tt.size}
			// While it pages, others are made and one is changed.
			var during []string
			got := ids(f.all(func(page int) {
				if page < 5 {
					during = append(during, b.people(1000+page, 1, 0)...)
				}
			}))
			if diff := cmp.Diff(distinct(slices.Concat(made, during)), distinct(got)); diff != "" {
				t.Fatalf("listed (-want +got):\n%s", diff)
			}
			if tt.gap > 0 && !slices.Equal(slices.DeleteFunc(slices.Clone(got), func(id string) bool { return !slices.Contains(made, id) })[:tt.n], made) {
				t.Errorf("not oldest first: %v, made %v", got, made)
			}
			b.clock.Advance(3 * time.Minute)
			if rest := f.all(nil); len(rest) != 0 && tt.gap < 24*time.Hour {
				t.Errorf("listed again without a change: %v", ids(rest))
			}
			b.must(b.srv.DeleteCustomer(made[0]))
			late := b.people(5000, 3, 0)
			if diff := cmp.Diff(distinct(append(late, made[0])), distinct(ids(f.all(nil)))); diff != "" {
				t.Errorf("after changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestListSince(t *testing.T) {
	b := newBench(t)
	b.people(0, 5, time.Hour)
	since := b.clock.Now()
	want := b.people(10, 4, time.Hour)
	f := &follower{b: b, entity: connector.EntityContact, size: 3, since: since}
	if diff := cmp.Diff(want, ids(f.all(nil))); diff != "" {
		t.Errorf("since (-want +got):\n%s", diff)
	}
}

func TestListOfAnEmptyAccount(t *testing.T) {
	b := newBench(t)
	f := &follower{b: b, entity: connector.EntityContact, size: 2}
	if got := f.all(nil); len(got) != 0 {
		t.Fatalf("listed %v", got)
	}
	want := b.people(0, 7, time.Second)
	if diff := cmp.Diff(want, ids(f.all(nil))); diff != "" {
		t.Errorf("first events (-want +got):\n%s", diff)
	}
	if again := f.all(nil); len(again) != 0 {
		t.Errorf("listed again: %v", ids(again))
	}
}

// Payments: charges, then refunds, with bodies of the pinned version although
// the account's events come in a newer one that lacks the charge's invoice.
func TestListPayments(t *testing.T) {
	b := newBench(t)
	_, inv, charge := b.paid()
	refund, err := b.srv.Refund(charge, 100, "failed_later")
	b.must(err)
	f := &follower{b: b, entity: connector.EntityPayment, size: 10, bodies: true}
	got := f.all(nil)
	if diff := cmp.Diff([]string{charge, refund}, ids(got)); diff != "" {
		t.Fatalf("backfill (-want +got):\n%s", diff)
	}
	b.must(b.srv.FailRefund(refund))
	second, err := b.srv.Refund(charge, 200, "")
	b.must(err)
	got = f.all(nil)
	if diff := cmp.Diff(distinct([]string{charge, refund, second}), distinct(ids(got))); diff != "" {
		t.Fatalf("events (-want +got):\n%s", diff)
	}
	for _, rec := range got {
		if rec.Payment.InvoiceID != inv || rec.Payment.Marks["xero_tenant_id"] != "t-1" || rec.UpdatedAt.IsZero() {
			t.Errorf("record %s: %+v", rec.ID, rec.Payment)
		}
	}
	one := &follower{b: b, entity: connector.EntityPayment, size: 1, cursor: ""}
	if diff := cmp.Diff(distinct([]string{charge, refund, second}), distinct(ids(one.all(nil)))); diff != "" {
		t.Errorf("one at a time (-want +got):\n%s", diff)
	}
}

func TestListInvoices(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	f := &follower{b: b, entity: connector.EntityInvoice, size: 10, bodies: true}
	f.all(nil)
	id := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
	got := f.all(nil)
	if len(got) != 1 || got[0].ID != id || got[0].Invoice.AmountDue != nzd(11500) || len(got[0].Invoice.Lines) != 3 {
		t.Fatalf("listed %+v", got)
	}
	_, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
	b.must(err)
	got = f.all(nil)
	if len(got) != 1 || got[0].Invoice.Status != connector.InvoicePaid || got[0].Invoice.AmountPaid != nzd(11500) || got[0].Invoice.AmountDue != nzd(0) {
		t.Errorf("after payment: %+v", got)
	}
}

// Events are gone after thirty days: everything is listed again, nothing missed.
func TestListAfterALongPause(t *testing.T) {
	b := newBench(t)
	made := b.people(0, 3, time.Minute)
	f := &follower{b: b, entity: connector.EntityContact, size: 10}
	f.all(nil)
	b.must(b.srv.DeleteCustomer(made[0]))
	late := b.people(10, 1, 0)
	b.clock.Advance(45 * 24 * time.Hour)
	if diff := cmp.Diff(distinct(append(late, made[1:]...)), distinct(ids(f.all(nil)))); diff != "" {
		t.Errorf("after 45 days (-want +got):\n%s", diff)
	}
}

// A quiet account keeps its place although its last event is forgotten.
func TestListStaysInPlaceWhenQuiet(t *testing.T) {
	b := newBench(t)
	b.people(0, 3, time.Minute)
	f := &follower{b: b, entity: connector.EntityContact, size: 10}
	f.all(nil)
	for day := range 20 {
		b.clock.Advance(4 * 24 * time.Hour)
		if got := f.all(nil); len(got) != 0 {
			t.Fatalf("step %d: listed %v", day, ids(got))
		}
	}
	want := b.people(10, 2, 0)
	if diff := cmp.Diff(want, ids(f.all(nil))); diff != "" {
		t.Errorf("after a long quiet (-want +got):\n%s", diff)
	}
}

func TestListRefusesNonsense(t *testing.T) {
	b := newBench(t)
	for name, req := range map[string]connector.ListRequest{
		"cursor":    {Entity: connector.EntityContact, Cursor: "{}", PageSize: 1},
		"cursor 2":  {Entity: connector.EntityContact, Cursor: `{"v":1,"kind":-4}`, PageSize: 1},
		"cursor 3":  {Entity: connector.EntityContact, Cursor: `{"v":1,"kind":1}`, PageSize: 1},
		"entity":    {Entity: "payout", PageSize: 1},
		"page size": {Entity: connector.EntityContact, PageSize: 101},
		"no size":   {Entity: connector.EntityContact},
	} {
		if _, err := b.c.List(b.ctx(), b.s, req); err == nil || connector.KindOf(err) != connector.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
