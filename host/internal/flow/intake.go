package flow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
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
// transaction (I1). An event that was told before adds nothing. It returns
// how many pieces of work were touched.
func (e *Engine) Intake(ctx context.Context, tx *db.Tx, connection string, deliveryID int64, events []connector.Event, origin Origin) (int, error) {
	touched := 0
	for _, ev := range events {
		untold, err := e.storeEvent(ctx, tx, connection, deliveryID, ev, origin, e.hints(connection, ev.Ref, ev.Stream))
		if err != nil {
			return touched, err
		}
		for _, h := range untold {
			if _, _, err := e.touch(ctx, tx, h); err != nil {
				return touched, err
			}
			touched++
		}
	}
	return touched, nil
}

// storeEvent notes an event with the flows that hear of it, and returns those of
// them that had not heard of it yet: all when it is new, none when the service
// told us twice, and what is left when it came while a flow took no part. An
// event without a key is a change of its own in each delivery.
func (e *Engine) storeEvent(ctx context.Context, tx *db.Tx, connection string, deliveryID int64, ev connector.Event, origin Origin, concerned []hint) ([]hint, error) {
	now := e.now()
	occurred := ev.OccurredAt.UTC()
	if ev.OccurredAt.IsZero() {
		occurred = now
	}
	key := ev.DedupeKey
	if key == "" {
		key = fmt.Sprintf("delivery %d", deliveryID)
	}
	dedupe := string(ev.Ref.Entity) + "|" + ev.Ref.ID + "|" + key
	var told string
	err := tx.QueryRowContext(ctx, `SELECT note FROM event WHERE connection = $1 AND dedupe = $2`, connection, dedupe).Scan(&told)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("look for event: %w", err)
	}
	names := strings.Fields(told)
	var untold []hint
	for _, h := range concerned {
		if name := h.recipe + "/" + h.flow; !slices.Contains(names, name) {
			names, untold = append(names, name), append(untold, h)
		}
	}
	if known && len(untold) == 0 {
		return nil, nil
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO event (delivery_id, connection, entity, record_id, kind, occurred_at, dedupe, origin, seen_at, note)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (connection, dedupe) DO UPDATE SET note = excluded.note`,
		deliveryID, connection, string(ev.Ref.Entity), ev.Ref.ID, string(ev.Kind), occurred,
		dedupe, string(origin), now, strings.Join(names, " "))
	if err != nil {
		return nil, fmt.Errorf("store event: %w", err)
	}
	return untold, nil
}

// hints lists the flows that a record concerns: those that start from it and
// those that said that it matters to theirs. The latter are told by one of the
// former, if there is any, which reads the record anyway: see tellOthers.
func (e *Engine) hints(connection string, ref connector.Ref, stream string) []hint {
	var out []hint
	for _, name := range e.order {
		p := e.plans[name]
		at := lane{connection, ref.Entity}
		unread := stream == "" && p.reader(at) == nil
		for _, f := range p.Recipe.Flows {
			if !p.enabled[f.Name] {
				continue
			}
			own := p.lane(f.From) == at && f.From.Stream == stream
			if own || unread && (p.hears(f, at, false) || p.hears(f, at, true)) {
				out = append(out, hint{recipe: name, flow: f.Name, ref: Ref{connection, ref.Entity, ref.ID}})
			}
		}
	}
	return out
}
