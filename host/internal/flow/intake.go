package flow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// Origin says how we heard of a change.
type Origin string

// The origins of an event.
const (
	ByWebhook    Origin = "webhook"
	ByPoll       Origin = "poll"
	ByPerson     Origin = "person"
	ByDependency Origin = "dependency"
)

// Intake stores events and the work that follows from them, in the caller's
// transaction (I1). An event that was stored before adds nothing. It returns
// how many pieces of work were touched.
func (e *Engine) Intake(ctx context.Context, tx *db.Tx, connection string, deliveryID int64, events []connector.Event, origin Origin) (int, error) {
	touched := 0
	for _, ev := range events {
		fresh, err := e.storeEvent(ctx, tx, connection, deliveryID, ev, origin)
		if err != nil {
			return touched, err
		}
		if !fresh {
			continue
		}
		for _, h := range e.hints(connection, ev.Ref) {
			if _, err := e.touch(ctx, tx, h); err != nil {
				return touched, err
			}
			touched++
		}
	}
	return touched, nil
}

func (e *Engine) storeEvent(ctx context.Context, tx *db.Tx, connection string, deliveryID int64, ev connector.Event, origin Origin) (bool, error) {
	now := e.now()
	occurred := ev.OccurredAt.UTC()
	if ev.OccurredAt.IsZero() {
		occurred = now
	}
	var id int64
	err := tx.QueryRowContext(ctx, `
		INSERT INTO event (delivery_id, connection, entity, record_id, kind, occurred_at, dedupe, origin, seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (connection, dedupe) DO NOTHING RETURNING id`,
		deliveryID, connection, string(ev.Ref.Entity), ev.Ref.ID, string(ev.Kind), occurred,
		string(ev.Ref.Entity)+"|"+ev.Ref.ID+"|"+ev.DedupeKey, string(origin), now).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil // the service told us twice
	}
	if err != nil {
		return false, fmt.Errorf("store event: %w", err)
	}
	return true, nil
}

// hints lists the flows that a record concerns: those that start from it and
// those that said that it matters to theirs.
func (e *Engine) hints(connection string, ref connector.Ref) []hint {
	var out []hint
	for _, name := range e.order {
		p := e.plans[name]
		for _, f := range p.Recipe.Flows {
			if !p.enabled[f.Name] || p.connection(f.From) != connection {
				continue
			}
			also := slices.ContainsFunc(f.Also(), func(a recipe.Also) bool { return a.Entity == ref.Entity })
			if f.From.Entity == ref.Entity || also {
				out = append(out, hint{recipe: name, flow: f.Name, ref: Ref{connection, ref.Entity, ref.ID}})
			}
		}
	}
	return out
}
