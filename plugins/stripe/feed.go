package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	seenEvery   = time.Hour // a quiet cursor moves no more often than that
	recentMax   = 300       // rows remembered beyond the mark
	oldestPages = 100       // pages walked to find the oldest row
)

// feed is a list of Stripe that grows at its new end and tells what changed.
type feed struct {
	op string
	// kept is how long Stripe keeps the rows, less a margin; 0: for ever.
	kept int64 // seconds
	// overlap is read again: a row may appear a little later than its time says.
	overlap int64 // seconds
	read    func(ctx context.Context, l *lister, p stripe.ListParams, from, to int64) ([]row, bool, *exchange, error)
}

// row is one line of a feed.
type row struct {
	id      string
	created int64
	touches []touch
}

// setMark remembers the newest row before a backfill begins. Where the rows are
// what is listed, and not only tell of it, it is the newest that is old enough for
// nothing to appear before it: a late one may be too late for the backfill.
func (l *lister) setMark(ctx context.Context) error {
	feed := l.src.feed
	rows, _, ex, err := feed.read(ctx, l, listParams("", 1), 0, 0)
	if err != nil {
		return err
	}
	l.cur.Seen = l.clock(ex, rows)
	if old := l.cur.Seen - feed.overlap; feed.kept == 0 && len(rows) > 0 && rows[0].created > old {
		if rows, _, _, err = feed.read(ctx, l, listParams("", 1), 0, old); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		l.cur.Last, l.cur.LastAt = rows[0].id, rows[0].created
	}
	return nil
}

// clock is Stripe's time as far as known: its answer's date or the newest row.
func (l *lister) clock(ex *exchange, rows []row) int64 {
	t := l.cn.clock(ex)
	for _, r := range rows {
		t = max(t, r.created)
	}
	return t
}

// clock is Stripe's time when it answered, else our own.
func (cn *conn) clock(ex *exchange) int64 {
	if at := ex.serverTime(); !at.IsZero() {
		return at.Unix()
	}
	return cn.now().Unix()
}

// follow returns what changed after the mark, oldest first. A mark that Stripe
// will soon forget gives way to the time of the last look; when that is too long
// ago as well, everything is listed again.
func (l *lister) follow(ctx context.Context) ([]found, bool, error) {
	cur, kept := l.cur, l.src.feed.kept
	if kept > 0 && cur.Last != "" && cur.Seen-cur.LastAt > kept {
		cur.Last, cur.LastAt, cur.Recent, cur.At, cur.Young = "", 0, nil, "", false // nothing came since
	}
	mark := cmp.Or(cur.At, cur.Last)
	read := l.rowsAfter
	if mark == "" {
		read = l.firstRows
	}
	rows, more, ex, err := read(ctx, mark)
	switch {
	case err != nil && mark != "" && connector.KindOf(err) == connector.NotFound:
		return nil, true, l.restart(ctx) // Stripe has forgotten the mark
	case err != nil:
		return nil, false, err
	}
	now := l.clock(ex, rows)
	if kept > 0 && cur.Last == "" && now-cur.Seen > kept {
		return nil, true, l.restart(ctx)
	}
	out, used := l.fold(rows)
	more = more || used < len(rows)
	l.advance(rows[:used], more, now)
	return out, more, nil
}

// rowsAfter reads the rows after a mark, oldest first.
func (l *lister) rowsAfter(ctx context.Context, mark string) ([]row, bool, *exchange, error) {
	p := listParams("", l.rowsLimit())
	p.EndingBefore = stripe.String(mark)
	return l.src.feed.read(ctx, l, p, 0, 0)
}

// rowsLimit leaves room in a page of rows for those that are known already.
func (l *lister) rowsLimit() int { return min(pageSizeMax, l.req.PageSize+len(l.cur.Recent)) }

// firstRows reads rows when none was there to start from: since the last look,
// the oldest page of them. What is kept for ever is read from its beginning.
func (l *lister) firstRows(ctx context.Context, _ string) ([]row, bool, *exchange, error) {
	feed := l.src.feed
	p, from := listParams("", l.rowsLimit()), max(1, l.cur.Seen-feed.overlap)
	if feed.kept == 0 {
		from = max(1, l.cur.Since)
	}
	for page := range oldestPages {
		rows, more, ex, err := feed.read(ctx, l, p, from, 0)
		if err != nil || !more || len(rows) == 0 {
			slices.Reverse(rows)
			return rows, page > 0, ex, err
		}
		p.StartingAfter = stripe.String(rows[len(rows)-1].id)
	}
	return nil, false, nil, connector.Errorf(connector.Unavailable, feed.op, "too many rows at once to find the oldest")
}

// restart begins again with a list of all objects, because rows are missing:
// what changed meanwhile cannot be told from when an object was made.
func (l *lister) restart(ctx context.Context) error {
	since := l.cur.Since
	*l.cur = cursor{V: cursorVersion, Since: since, From: since}
	return l.setMark(ctx)
}

// fold turns rows into distinct records, as many as fit into the page. used says
// how many rows are in them.
func (l *lister) fold(rows []row) (out []found, used int) {
	at := map[string]int{}
	for _, r := range rows {
		if slices.Contains(l.cur.Recent, r.id) {
			used++
			continue
		}
		touches := slices.DeleteFunc(slices.Clone(r.touches), func(t touch) bool {
			return t.entity != l.req.Entity || t.stream != l.req.Stream
		})
		var fresh []string
		for _, t := range touches {
			if _, known := at[t.id]; !known {
				fresh = append(fresh, t.id)
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
		for _, t := range touches {
			if i, ok := at[t.id]; ok {
				out[i].at, out[i].gone, out[i].key = eventTime(r.created), t.gone, t.key
			}
		}
		used++
	}
	return out, used
}

// advance moves the mark over the rows that are old enough for nothing to appear
// before them any more, and remembers the others: the next poll reads them again,
// so that one which appears late, or within the same second, is not missed. It
// stays as long as rows before it were too young when they were read. What is
// remembered is bounded: in a rush the mark follows closer.
func (l *lister) advance(done []row, more bool, now int64) {
	cur := l.cur
	settled := 0
	for i, r := range done {
		if !cur.Young && r.created <= now-l.src.feed.overlap {
			cur.Last, cur.LastAt, settled = r.id, r.created, i+1
		}
	}
	cur.Recent = slices.DeleteFunc(cur.Recent, func(id string) bool {
		return slices.ContainsFunc(done[:settled], func(r row) bool { return r.id == id })
	})
	for _, r := range done[settled:] {
		if !slices.Contains(cur.Recent, r.id) {
			cur.Recent = append(cur.Recent, r.id)
		}
	}
	if over := len(cur.Recent) - recentMax; over > 0 {
		cur.Last, cur.LastAt = cur.Recent[over-1], max(cur.LastAt, now-l.src.feed.overlap)
		cur.Recent = slices.Clone(cur.Recent[over:])
	}
	switch {
	case !more:
		cur.At, cur.Young = "", false
	case len(done) > 0:
		cur.At, cur.Young = done[len(done)-1].id, settled < len(done)
	}
	if !more && now-cur.Seen >= int64(seenEvery/time.Second) {
		cur.Seen = now
	}
}
