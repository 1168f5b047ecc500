package flow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// sweepBatch is how many rows of work one transaction takes: it holds the writer
// for some tens of milliseconds, and webhooks wait for it.
const sweepBatch = 500

// Sweep looks again at what the recipes' sweeps ask for, where the time for it
// has come: changes that a service's modification time does not show. It returns
// how many pieces of work it has queued. Work that is under way anyway, or waits
// for a person, is left alone.
func (e *Engine) Sweep(ctx context.Context) (int, error) {
	total := 0
	for _, name := range e.order {
		p := e.plans[name]
		for _, f := range p.Recipe.Flows {
			if f.Sweep == nil || !p.enabled[f.Name] {
				continue
			}
			n, err := e.sweepFlow(ctx, p, f)
			total += n
			if err != nil {
				return total, fmt.Errorf("sweep %s of recipe %s: %w", f.Name, name, err)
			}
		}
	}
	return total, nil
}

// sweepFlow sweeps one flow if its time has come. A sweep that was cut short
// begins anew: what it queued before is then under way, and left alone.
func (e *Engine) sweepFlow(ctx context.Context, p *plan, f *recipe.Flow) (int, error) {
	began := e.now()
	last, err := e.lastSweep(ctx, p.Recipe.State, f.Name)
	if err != nil {
		return 0, err
	}
	// A clock that was ahead must not put the sweep off for as long.
	if !last.IsZero() && !last.After(began) && began.Sub(last) < f.Sweep.Every {
		return 0, nil
	}
	c, err := e.cfg.Connections.Get(ctx, p.Connection(f.From))
	if err != nil || c.Paused() {
		return 0, err // a paused one is swept as soon as a person has acted
	}
	s := sweep{recipe: p.Recipe.State, flow: f.Name, connection: c.Name, entity: f.From.Entity, all: last.IsZero()}
	for more := true; more; {
		err := e.cfg.DB.Update(ctx, func(tx *db.Tx) (err error) {
			if more, err = e.sweepOn(ctx, tx, &s); err != nil || more {
				return err
			}
			return e.swept(ctx, tx, s, began)
		})
		if err != nil {
			return s.touched, err
		}
	}
	return s.touched, nil
}

// sweep is one sweep of a flow under way.
type sweep struct {
	recipe, flow, connection string
	entity                   connector.Entity
	all                      bool  // the flow has never been swept: older records do not say yet whether they are
	after                    int64 // the last row that was looked at
	touched                  int
}

// sweepOn queues the next batch. The work keeps its state: nobody has told of a
// change, and most have none, so there is nothing new to say of it yet.
func (e *Engine) sweepOn(ctx context.Context, tx *db.Tx, s *sweep) (more bool, err error) {
	which, args := `sweep <> 0`, []any{s.recipe, s.flow, s.connection, string(s.entity), s.after, sweepBatch}
	if s.all {
		which, args = `(sweep <> 0 OR changed_at < $7)`, append(args, e.made)
	}
	rows, err := tx.QueryContext(ctx, `
		UPDATE work SET generation = generation + 1 WHERE id IN (
			SELECT id FROM work WHERE recipe = $1 AND flow = $2 AND connection = $3 AND entity = $4 AND id > $5
				AND state IN ('done', 'skipped') AND done_generation = generation AND `+which+`
			ORDER BY id LIMIT $6)
		RETURNING id`, args...)
	if err != nil {
		return false, err
	}
	var runs []job.Run
	after := s.after
	for rows.Next() {
		var r job.Run
		if err := rows.Scan(&r.Work); err != nil {
			_ = rows.Close()
			return false, err
		}
		runs, after = append(runs, r), max(after, r.Work)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return false, err
	}
	if err := e.cfg.Queue.Enqueue(ctx, tx, runs...); err != nil {
		return false, err
	}
	s.after, s.touched = after, s.touched+len(runs)
	return len(runs) == sweepBatch, nil
}

// swept notes that a sweep is done, with the time at which it began.
func (e *Engine) swept(ctx context.Context, tx *db.Tx, s sweep, began time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO param (recipe, name, value, set_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (recipe, name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at`,
		s.recipe, lastSweepOf(s.flow), began.Format(time.RFC3339), began)
	if err != nil || s.touched == 0 {
		return err
	}
	_, err = e.cfg.Audit.Append(ctx, tx, audit.Entry{
		Kind: audit.KindPoll, Recipe: s.recipe, Flow: s.flow, Source: s.connection + ":" + string(s.entity), Outcome: "swept",
		Reason: fmt.Sprintf("%d records are looked at again", s.touched),
	})
	return err
}

// lastSweepOf is the name in table param; those of recipes' parameters have no slash.
func lastSweepOf(flow string) string { return "last_sweep/" + flow }

// lastSweep returns when the last sweep of a flow began; zero for never.
func (e *Engine) lastSweep(ctx context.Context, recipeName, flow string) (time.Time, error) {
	var text string
	err := e.cfg.DB.Read().QueryRowContext(ctx, `SELECT value FROM param WHERE recipe = $1 AND name = $2`,
		recipeName, lastSweepOf(flow)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the last sweep: %w", err)
	}
	return time.Parse(time.RFC3339, text)
}
