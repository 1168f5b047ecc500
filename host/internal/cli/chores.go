package cli

import (
	"context"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/host/internal/webhook"
)

const (
	// keepAliveAfter is how long an OAuth token may rest. Xero's refresh tokens
	// die after 60 days; what fails has 40 left in which a person hears of it.
	keepAliveAfter = 20 * 24 * time.Hour
	keepAliveEvery = 6 * time.Hour

	// sweepLook is how often the service looks whether a sweep is due: it costs
	// one read of the database.
	sweepLook = time.Minute

	// keepEvents is how long deliveries and events stay. Services send again for
	// days, and list what happened for a month.
	keepEvents = 90 * 24 * time.Hour
	pruneEvery = time.Hour
)

// chore is what the service does from time to time, besides its work.
type chore struct {
	name  string
	every time.Duration
	do    func(ctx context.Context) error
}

func (s *service) chores() []chore {
	return []chore{
		{"keep connections alive", keepAliveEvery, func(ctx context.Context) error {
			return s.r.conns.KeepAlive(ctx, keepAliveAfter)
		}},
		{"sweep", sweepLook, func(ctx context.Context) error {
			n, err := s.engine.Sweep(ctx)
			if n > 0 {
				s.r.log.Info("records are looked at again", "work", n)
			}
			return err
		}},
		{"remove old events", pruneEvery, func(ctx context.Context) error {
			return s.prune(ctx, time.Now().Add(-keepEvents))
		}},
	}
}

// prune removes what came before a moment: events first, then the deliveries
// that have none any more.
func (s *service) prune(ctx context.Context, before time.Time) error {
	events, err := flow.Prune(ctx, s.r.db, before)
	if err != nil {
		return err
	}
	deliveries, err := webhook.Prune(ctx, s.r.db, before, flow.DeliveriesKept)
	if events+deliveries > 0 {
		s.r.log.Info("old events are removed", "events", events, "deliveries", deliveries)
	}
	return err
}

// startChores does each chore at once and then at its interval, until ctx ends.
// One that fails is done again at its next time.
func (s *service) startChores(ctx context.Context) {
	for _, c := range s.chores() {
		s.polls.Go(func() {
			tick := time.NewTicker(c.every)
			defer tick.Stop()
			for {
				if err := c.do(ctx); err != nil && ctx.Err() == nil {
					s.r.log.Warn("housekeeping failed, will try again", "chore", c.name, "in", c.every, "error", withRemedy(err))
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
}
