package main

import (
	"context"
	"slices"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	// eventsKept is how long Stripe keeps events, less a margin:
	// https://docs.stripe.com/api/events
	eventsKept  = 30*24*time.Hour - 5*24*time.Hour
	keptSeconds = int64(eventsKept / time.Second)
	// eventsOverlap is read again: an event may appear a little later than its
	// time says.
	eventsOverlap = 2 * time.Minute
	seenEvery     = time.Hour // a quiet cursor moves no more often than that
	recentMax     = 300       // events remembered beyond the mark
	oldestPages   = 100       // pages walked to find the oldest event
)

// setMark remembers the newest event before a backfill begins.
func (l *lister) setMark(ctx context.Context) error {
	p := l.eventParams(1)
	rows, _, ex, err := list[*stripe.Event](ctx, "stripe: list events", &p.ListParams, func() *stripe.Iter {
		return l.cn.api.Events.List(p).Iter
	})
	if err != nil {
		return err
	}
	l.cur.Seen = l.clock(ex, rows)
	if len(rows) > 0 {
		l.cur.Last, l.cur.LastAt = rows[0].ID, rows[0].Created
	}
	return nil
}

// clock is Stripe's time as far as known: its answer's date or the newest event.
func (l *lister) clock(ex *exchange, rows []*stripe.Event) int64 {
	at := ex.serverTime()
	if at.IsZero() {
		at = l.cn.now()
	}
	t := at.Unix()
	for _, ev := range rows {
		t = max(t, ev.Created)
	}
	return t
}

func (l *lister) eventParams(limit int) *stripe.EventListParams {
	p := &stripe.EventListParams{ListParams: listParams("", limit)}
	p.Types = stripe.StringSlice(polledEvents(l.req.Entity))
	return p
}

// events returns what changed after the mark, oldest first. A mark that Stripe
// will soon forget gives way to the time of the last look; when that is too long
// ago as well, everything is listed again.
func (l *lister) events(ctx context.Context) ([]found, bool, error) {
	cur := l.cur
	if cur.Last != "" && cur.Seen-cur.LastAt > keptSeconds {
		cur.Last, cur.LastAt, cur.Recent = "", 0, nil // nothing came since
	}
	read := l.nextEvents
	if cur.Last == "" {
		read = l.firstEvents
	}
	rows, more, ex, err := read(ctx)
	switch {
	case err != nil && cur.Last != "" && connector.KindOf(err) == connector.NotFound:
		return nil, true, l.restart(ctx) // Stripe has forgotten the mark
	case err != nil:
		return nil, false, err
	}
	now := l.clock(ex, rows)
	if cur.Last == "" && now-cur.Seen > keptSeconds {
		return nil, true, l.restart(ctx)
	}
	out, used := l.fold(rows)
	more = more || used < len(rows)
	l.advance(rows[:used], more, now)
	return out, more, nil
}

// nextEvents reads the events after the mark.
func (l *lister) nextEvents(ctx context.Context) ([]*stripe.Event, bool, *exchange, error) {
	p := l.eventParams(l.eventsLimit())
	p.EndingBefore = stripe.String(l.cur.Last)
	return list[*stripe.Event](ctx, "stripe: list events", &p.ListParams, func() *stripe.Iter {
		return l.cn.api.Events.List(p).Iter
	})
}

// eventsLimit leaves room in a page of events for those that are known already.
func (l *lister) eventsLimit() int { return min(pageSizeMax, l.req.PageSize+len(l.cur.Recent)) }

// firstEvents reads events when none was there to start from: since the last
// look, the oldest page of them.
func (l *lister) firstEvents(ctx context.Context) ([]*stripe.Event, bool, *exchange, error) {
	const op = "stripe: list events"
	p := l.eventParams(l.eventsLimit())
	p.CreatedRange = span(l.cur.Seen-int64(eventsOverlap/time.Second), 0)
	for page := range oldestPages {
		rows, more, ex, err := list[*stripe.Event](ctx, op, &p.ListParams, func() *stripe.Iter {
			return l.cn.api.Events.List(p).Iter
		})
		if err != nil || !more || len(rows) == 0 {
			slices.Reverse(rows)
			return rows, page > 0, ex, err
		}
		p.StartingAfter = stripe.String(rows[len(rows)-1].ID)
	}
	return nil, false, nil, connector.Errorf(connector.Unavailable, op, "too many events at once to find the oldest")
}

// restart begins again with a list of all objects, because events are missing:
// what changed meanwhile cannot be told from when an object was made.
func (l *lister) restart(ctx context.Context) error {
	since := l.cur.Since
	*l.cur = cursor{V: cursorVersion, Since: since, From: since}
	return l.setMark(ctx)
}

// fold turns events into distinct records, as many as fit into the page. used
// says how many events are in them.
func (l *lister) fold(rows []*stripe.Event) (out []found, used int) {
	at := map[string]int{}
	for _, ev := range rows {
		t := touchedBy(ev)
		if t.entity != l.req.Entity || slices.Contains(l.cur.Recent, ev.ID) {
			used++
			continue
		}
		var fresh []string
		for _, id := range t.ids {
			if _, known := at[id]; !known {
				fresh = append(fresh, id)
			}
		}
		if room := l.req.PageSize - len(out); len(fresh) > room {
			if len(out) > 0 {
				return out, used
			}
			fresh = fresh[:room] // a refund alone; its charge has an event of its own
		}
		for _, id := range fresh {
			at[id] = len(out)
			out = append(out, found{id: id})
		}
		for n, id := range t.ids {
			if i, ok := at[id]; ok {
				out[i].at, out[i].gone, out[i].key = eventTime(ev.Created), t.gone, eventKey(ev.ID, id, n)
			}
		}
		used++
	}
	return out, used
}

// eventKey is the dedupe key of the nth record that an event concerns: the first
// is what the event is about, a further one the charge of a refund.
func eventKey(event, id string, n int) string {
	if n == 0 {
		return event
	}
	return event + "/" + id
}

// advance moves the mark. At the end it stays a little behind, and the events
// beyond it are remembered, so that one which appears late is not missed.
func (l *lister) advance(done []*stripe.Event, more bool, now int64) {
	cur := l.cur
	settled := len(done)
	if !more {
		for settled > 0 && done[settled-1].Created > now-int64(eventsOverlap/time.Second) {
			settled--
		}
		if len(done)-settled > recentMax {
			settled = len(done)
		}
	}
	if settled > 0 {
		cur.Last, cur.LastAt = done[settled-1].ID, done[settled-1].Created
	}
	cur.Recent = nil
	for _, ev := range done[settled:] {
		cur.Recent = append(cur.Recent, ev.ID)
	}
	if !more && now-cur.Seen >= int64(seenEvery/time.Second) {
		cur.Seen = now
	}
}
