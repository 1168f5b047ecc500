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
	of func(l lane) (n int, known bool)

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
		// A database that is too busy to answer is no sign that the backlog is gone.
		if n, known := b.of(l); known {
			b.num[l] = n
		}
		b.at[l] = time.Now()
	}
	return b.num[l]
}

// countQueued counts the queued work of the flows that write to a lane, that
// which waits for a budget of calls included.
func (e *Engine) countQueued(l lane) (total int, known bool) {
	ctx, cancel := context.WithTimeout(context.Background(), backlogEvery)
	defer cancel()
	for _, name := range e.order {
		p := e.plans[name]
		for _, f := range p.Recipe.Flows {
			if p.Connection(f.To) != l.connection || f.To.Entity != l.entity {
				continue
			}
			var n int
			err := e.cfg.DB.Read().QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM work WHERE connection = $3 AND entity = $4 AND state = 'pending'
					AND recipe = $1 AND flow = $2 AND done_generation < generation)
				+ (SELECT COUNT(*) FROM work WHERE state = 'waiting' AND recipe = $1 AND flow = $2 AND done_generation < generation)`,
				name, f.Name, p.Connection(f.From), string(f.From.Entity)).Scan(&n)
			if err != nil {
				return 0, false
			}
			total += n
		}
	}
	return total, true
}
