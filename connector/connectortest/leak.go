package connectortest

import (
	"context"
	"fmt"
	"time"
)

const (
	leakRounds = 20               // of every call that the connector offers
	leakSlack  = 10               // tasks that idle connections and the like may add
	leakSettle = 10 * time.Second // until the tasks of the last calls have ended
)

// tasks tells how many tasks run in a plugin's process.
type tasks interface {
	Tasks(ctx context.Context) (int, error)
}

// noLeak makes many calls, one of them given up each round, and looks whether
// the process is left with tasks that never end.
func (s *suite) noLeak(ctx context.Context, c tasks) error {
	if n, err := c.Tasks(ctx); err != nil || n == 0 {
		return skip("the plugin does not tell how many tasks run in it")
	}
	s.trap.be(refusing)
	sess := s.session("leak", true)
	round := func() error {
		for _, call := range s.offered() {
			_ = call.do(ctx, sess) // refused, as it should be; other checks look at the answer
		}
		return s.shortDeadline(ctx, s.checkCall())
	}
	if err := round(); err != nil { // connections and caches are there afterwards
		return err
	}
	before, err := c.Tasks(ctx)
	if err != nil {
		return err
	}
	for range leakRounds {
		if err := round(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, leakSettle)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		after, err := c.Tasks(ctx)
		if err == nil && after <= before+leakSlack {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d tasks ran before %d rounds of calls, %d long after them", before, leakRounds, after)
		}
	}
}
