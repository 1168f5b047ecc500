package flow

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	// freshFor is how long a record that was read ahead may be used. It was read
	// after the last hint about it, so it is not older than what we were told.
	freshFor = 5 * time.Minute
	// freshMax bounds the records kept, some KiB each; beyond it they are read
	// again when their turn comes.
	freshMax = 4096
	// aheadLook bounds the due work that is looked through for company.
	aheadLook = 1000
)

// shelf keeps records that were read ahead of their job: a call to the service
// is filled up with others that are due, and a page of changes brings whole
// records. An entry serves one attempt, and only while no newer hint has come.
type shelf struct {
	now func() time.Time

	mu  sync.Mutex
	all map[int64]shelved // by work id
}

type shelved struct {
	rec        connector.Record
	generation int64
	at         time.Time
}

func newShelf(now func() time.Time) *shelf { return &shelf{now: now, all: map[int64]shelved{}} }

func (s *shelf) put(work, generation int64, rec connector.Record) {
	s.keep(work, shelved{rec, generation, s.now()})
}

// keep puts an entry back that was taken and not used up.
func (s *shelf) keep(work int64, x shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if len(s.all) >= freshMax {
		for id, x := range s.all {
			if now.Sub(x.at) > freshFor {
				delete(s.all, id)
			}
		}
	}
	if len(s.all) < freshMax {
		s.all[work] = x
	}
}

// take returns the record read ahead for a piece of work, once.
func (s *shelf) take(work, generation int64) (shelved, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.all[work]
	delete(s.all, work)
	return x, ok && x.generation == generation && s.now().Sub(x.at) <= freshFor
}

// holds reports whether a piece of work has its record on the shelf.
func (s *shelf) holds(work int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.all[work]
	return ok
}

// due is work that waits for its record to be read.
type due struct {
	work, generation int64
	id               string
}

// alsoDue lists work whose record can be read in the same call.
func (e *Engine) alsoDue(ctx context.Context, l lane, limit int) ([]due, error) {
	rows, err := e.cfg.DB.Read().QueryContext(ctx, `
		SELECT id, generation, record_id FROM work
		WHERE connection = $1 AND entity = $2 AND state = 'pending' AND done_generation < generation
		ORDER BY changed_at LIMIT $3`, l.connection, string(l.entity), limit)
	if err != nil {
		return nil, fmt.Errorf("look for due work: %w", err)
	}
	defer rows.Close()
	var out []due
	for rows.Next() {
		var d due
		if err := rows.Scan(&d.work, &d.generation, &d.id); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// readAhead fills a call up with records that are due, and returns what to put
// on the shelf once they are read. It helps only where the service reads many
// records in one call; what it cannot find out costs nothing.
func (e *Engine) readAhead(ctx context.Context, l lane, ids []string) (all []string, ahead []due) {
	limit, err := e.getBatch(ctx, l)
	if err != nil || len(ids) >= limit {
		return ids, nil
	}
	asked := make(map[string]bool, limit)
	for _, id := range ids {
		asked[id] = true
	}
	// The askers' own work is among the due, and so may be what is on the shelf.
	found, err := e.alsoDue(ctx, l, aheadLook)
	if err != nil {
		return ids, nil
	}
	all = ids
	for _, d := range found {
		if asked[d.id] || e.fresh.holds(d.work) {
			continue
		}
		if len(all) >= limit {
			break
		}
		asked[d.id] = true
		all = append(all, d.id)
		ahead = append(ahead, d)
	}
	return all, ahead
}
