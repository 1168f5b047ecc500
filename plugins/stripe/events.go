package main

import (
	"context"
	"slices"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
)

const (
	// eventsKept is how long Stripe keeps events, less a margin:
	// https://docs.stripe.com/api/events
	eventsKept    = 30*24*time.Hour - 5*24*time.Hour
	eventsOverlap = 2 * time.Minute
)

// eventsOf is the feed of events of some types. An events list takes at most
// twenty of them: https://docs.stripe.com/api/events/list
func eventsOf(types ...[]string) *feed {
	const op = "stripe: list events"
	all := slices.Concat(types...)
	return &feed{
		op: op, kept: int64(eventsKept / time.Second), overlap: int64(eventsOverlap / time.Second),
		read: func(ctx context.Context, l *lister, lp stripe.ListParams, from, to int64) ([]row, bool, *exchange, error) {
			p := &stripe.EventListParams{ListParams: lp, Types: stripe.StringSlice(all)}
			if from > 0 || to > 0 {
				p.CreatedRange = span(from, to)
			}
			events, more, ex, err := list[*stripe.Event](ctx, op, &p.ListParams, func() *stripe.Iter {
				return l.cn.api.Events.List(p).Iter
			})
			rows := make([]row, len(events))
			for i, ev := range events {
				rows[i] = row{id: ev.ID, created: ev.Created, touches: touchedBy(ev)}
			}
			return rows, more, ex, err
		},
	}
}
