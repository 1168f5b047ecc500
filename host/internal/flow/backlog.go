package flow

import (
	"context"
	"sync"
	"time"
)

// backlogEvery is how often the backlog is counted anew.
const backlogEvery = 500 * time.Millisecond

// backlog counts the work that is queued for each target. The count may be
// half a second old: it only decides how long to wait for company.
type backlog struct {
	of func(l lane) int

	mu  sync.Mutex
	at  map[lane]time.Time
	num map[lane]int
}

func (b *backlog) count(l lane) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.at, b.num = map[lane]time.Time{}, map[lane]int{}
	}
	if time.Since(b.at[l]) > backlogEvery {
		b.at[l], b.num[l] = time.Now(), b.of(l)
	}
	return b.num[l]
}

// countQueued counts the queued work of the flows that write to a lane.
func (e *Engine) countQueued(l lane) int {
	ctx, cancel := context.WithTimeout(context.Background(), backlogEvery)
	defer cancel()
	total := 0
	for _, name := range e.order {
		p := e.plans[name]
		for _, f := range p.Recipe.Flows {
			if p.Connection(f.To) != l.connection || f.To.Entity != l.entity {
				continue
			}
			var n int
			err := e.cfg.DB.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM work
				WHERE recipe = $1 AND flow = $2 AND state = 'pending' AND done_generation < generation`, name, f.Name).Scan(&n)
			if err == nil { // not known: as if there were none
				total += n
			}
		}
	}
	return total
}
