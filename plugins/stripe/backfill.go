package main

import (
	"cmp"
	"context"
	"slices"
)

// spansMax bounds the lists that one page of a backfill may cost. Halving sixty
// years down to a second takes 31.
const spansMax = 64

// backfill returns the oldest objects that are not done yet, at most a page.
//
// Stripe lists newest first, so a span of time is taken that fits into a page:
// all of it at first, half as much while it does not fit, twice as much after it
// did. Objects made in one and the same second need not be in order; if they do
// not fit, they come page by page.
func (l *lister) backfill(ctx context.Context) ([]found, error) {
	cur := l.cur
	for range spansMax {
		to := int64(0)
		if cur.Width > 0 {
			to = cur.From + cur.Width
		}
		rows, more, err := l.src.kinds[cur.Kind](ctx, l.cn, cur.From, to, cur.After, l.req.PageSize)
		if err != nil {
			return nil, err
		}
		switch {
		case more && cur.Width == 1:
			cur.After = rows[len(rows)-1].id
			return l.oldestFirst(rows)
		case more && cur.Width == 0:
			cur.Top = rows[0].created
			cur.Width = max(1, (cur.Top-cur.From+1)/2)
			continue
		case more:
			cur.Width = max(1, cur.Width/2)
			continue
		}
		done := cur.Width == 0
		cur.After = ""
		if !done {
			cur.From, cur.Width = to, 2*cur.Width
			if cur.From > cur.Top {
				cur.Width = 0
			}
		} else {
			l.nextKind()
		}
		if len(rows) > 0 || cur.Events {
			return l.oldestFirst(rows)
		}
	}
	return nil, nil // more of it in the next call
}

// nextKind goes on to the next kind of object, or to the feed.
func (l *lister) nextKind() {
	cur := l.cur
	cur.From, cur.Width, cur.Top, cur.After = cur.Since, 0, 0, ""
	if cur.Kind++; cur.Kind >= len(l.src.kinds) {
		cur.Kind, cur.From, cur.Events = 0, 0, true
	}
}

func (l *lister) oldestFirst(rows []object) ([]found, error) {
	out := make([]found, 0, len(rows))
	for _, o := range slices.Backward(rows) {
		if l.isRowToo(o) && len(l.cur.Recent) < recentMax {
			l.cur.Recent = append(l.cur.Recent, o.id) // the feed need not tell of it again
		}
		if o.skip {
			continue
		}
		f := found{id: cmp.Or(o.as, o.id), key: o.key}
		if o.rec != nil && !l.req.IDsOnly {
			rec, err := o.rec()
			if err != nil {
				return nil, err
			}
			f.rec = rec
		}
		out = append(out, f)
	}
	return out, nil
}

// isRowToo reports whether an object will be among the feed's rows after the mark.
func (l *lister) isRowToo(o object) bool {
	return l.src.feed.kept == 0 && o.created > l.cur.Seen-l.src.feed.overlap
}
