package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
)

// shelf is a feed in memory, in the order that Stripe documents: by time, and
// within a second in no order that anybody could know.
type shelf struct {
	now  int64
	rows []row // oldest first
}

func (s *shelf) add(created int64, id string) {
	s.rows = append(s.rows, row{id: id, created: created, touches: []touch{{entity: connector.EntityPayment, id: id, key: id}}})
	slices.SortFunc(s.rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.id, b.id)) })
}

func (s *shelf) read(_ context.Context, _ *lister, p stripe.ListParams, from, to int64) ([]row, bool, *exchange, error) {
	at := func(id *string) int { return slices.IndexFunc(s.rows, func(r row) bool { return r.id == *id }) }
	rows, limit := s.rows, int(*p.Limit)
	ex := &exchange{header: http.Header{"Date": {time.Unix(s.now, 0).UTC().Format(http.TimeFormat)}}}
	if p.EndingBefore != nil { // oldest first
		rows = rows[at(p.EndingBefore)+1:]
		return slices.Clone(rows[:min(limit, len(rows))]), len(rows) > limit, ex, nil
	}
	if p.StartingAfter != nil {
		rows = rows[:at(p.StartingAfter)]
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.created < from || to > 0 && r.created >= to })
	more := len(rows) > limit
	rows = rows[max(0, len(rows)-limit):]
	slices.Reverse(rows)
	return rows, more, ex, nil
}

// Whatever appears, also late or within a second that was read already, is told
// of; and when nothing appears, nothing is.
func TestFeedMissesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const overlap = 60
		s := &shelf{now: 1_700_000_000}
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{8}`), 400, 400, rapid.ID[string]).Draw(t, "ids")
		var told []string
		made := 0
		grow := func() {
			for range rapid.IntRange(0, 40).Draw(t, "rows") {
				if made < len(names) {
					s.add(s.now-rapid.Int64Range(0, overlap-1).Draw(t, "late"), names[made])
					made++
				}
			}
		}
		if rapid.Bool().Draw(t, "some before") {
			grow()
		}
		before := made
		l := &lister{
			cn: &conn{now: time.Now}, cur: &cursor{V: cursorVersion, Events: true},
			req: connector.ListRequest{Entity: connector.EntityPayment, PageSize: rapid.IntRange(1, 12).Draw(t, "page size")},
			src: source{feed: &feed{op: "test", overlap: overlap, read: s.read}},
		}
		if err := l.setMark(t.Context()); err != nil {
			t.Fatal(err)
		}
		poll := func(all bool) (n int) {
			for more := true; more; {
				rows, again, err := l.follow(t.Context())
				if err != nil || len(rows) > l.req.PageSize {
					t.Fatalf("%d rows: %v", len(rows), err)
				}
				for _, f := range rows {
					told = append(told, f.id)
				}
				n += len(rows)
				more = again && all
			}
			return n
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			grow()
			poll(rapid.Bool().Draw(t, "all"))
			s.now += rapid.Int64Range(0, 2*overlap).Draw(t, "seconds")
		}
		poll(true) // to the end of what an earlier poll began,
		poll(true) // and from the mark on
		for _, id := range names[before:made] {
			if !slices.Contains(told, id) {
				t.Fatalf("%s was never told of: %+v", id, l.cur)
			}
		}
		if n := poll(true); n > 0 || len(l.cur.Recent) > recentMax {
			t.Fatalf("%d rows when nothing happened; %d remembered", n, len(l.cur.Recent))
		}
	})
}

// In a rush what is remembered is bounded, and still nothing is missed.
func TestFeedInARush(t *testing.T) {
	s := &shelf{now: 1_700_000_000}
	s.add(s.now-3600, "first")
	l := &lister{
		cn: &conn{now: time.Now}, cur: &cursor{V: cursorVersion, Events: true},
		req: connector.ListRequest{Entity: connector.EntityPayment, PageSize: pageSizeMax},
		src: source{feed: &feed{op: "test", overlap: 60, read: s.read}},
	}
	if err := l.setMark(t.Context()); err != nil {
		t.Fatal(err)
	}
	const n = 3*recentMax + 7
	for i := range n {
		s.add(s.now, fmt.Sprintf("row%05d", i))
	}
	told := map[string]int{}
	for range 3 {
		for more := true; more; {
			rows, again, err := l.follow(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range rows {
				told[f.id]++
			}
			more = again
		}
	}
	if len(told) != n || len(l.cur.Recent) > recentMax || told["row00000"] != 1 {
		t.Errorf("%d of %d told, %d remembered, the first %d times", len(told), n, len(l.cur.Recent), told["row00000"])
	}
}
