package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// The roster is what we know of the contacts on either side: enough to tell
// which two are the same, and which cannot be told apart. It is filled from both
// lists before a flow with an inverse first runs, and kept up as records are
// evaluated. A service is asked for a record before anything is written to it:
// the roster decides only who is meant.

const (
	// similarMax bounds how many records with one e-mail address or name are
	// looked at; a person is asked long before.
	similarMax = 100
	// marksMax bounds the marks of a record that it can be found by.
	marksMax = 20
)

// listed is a record on the roster.
type listed struct {
	rec     connector.Record // its id, and what it is matched by
	label   string
	partner string // what it is linked to; empty: nothing
	part    bool   // its flow carries it
}

// lookup finds active records that may be a wanted contact, and what they are
// linked to on another lane.
type lookup interface {
	similar(ctx context.Context, at, other lane, want *connector.Contact) ([]listed, error)
}

// rosterOf is the stored roster of a recipe's state.
type rosterOf struct {
	q     reader
	state string
}

func (r rosterOf) similar(ctx context.Context, at, other lane, want *connector.Contact) ([]listed, error) {
	args := []any{
		r.state, at.connection, string(at.entity), connector.FoldText(want.Email), connector.FoldText(want.Name),
		other.connection, string(other.entity), similarMax,
	}
	marks := "''"
	for _, m := range markTexts(want.Marks) {
		args = append(args, m)
		marks += fmt.Sprintf(", $%d", len(args))
	}
	const mine = `recipe = $1 AND connection = $2 AND entity = $3 AND `
	rows, err := r.q.QueryContext(ctx, `SELECT record_id, label, email, name, marks, part,
			COALESCE((SELECT b_id FROM link WHERE recipe = $1 AND ended_at IS NULL AND a_connection = $2 AND a_entity = $3
				AND a_id = roster.record_id AND b_connection = $6 AND b_entity = $7 LIMIT 1),
			(SELECT a_id FROM link WHERE recipe = $1 AND ended_at IS NULL AND b_connection = $2 AND b_entity = $3
				AND b_id = roster.record_id AND a_connection = $6 AND a_entity = $7 LIMIT 1), '')
		FROM roster WHERE `+mine+`active <> 0 AND record_id IN (
			SELECT record_id FROM roster WHERE `+mine+`email = $4 AND email <> ''
			UNION SELECT record_id FROM roster WHERE `+mine+`name = $5 AND name <> ''
			UNION SELECT record_id FROM roster_mark WHERE `+mine+`mark IN (`+marks+`))
		ORDER BY record_id LIMIT $8`, args...)
	if err != nil {
		return nil, fmt.Errorf("look through the roster: %w", err)
	}
	var out []listed
	for rows.Next() {
		x := listed{rec: connector.Record{Entity: at.entity, Contact: &connector.Contact{}}}
		c := x.rec.Contact
		var text string
		if err := rows.Scan(&x.rec.ID, &x.label, &c.Email, &c.Name, &text, &x.part, &x.partner); err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		if err := json.Unmarshal([]byte(text), &c.Marks); err != nil {
			return nil, errors.Join(fmt.Errorf("roster: %s: %w", x.rec.ID, err), rows.Close())
		}
		out = append(out, x)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// markTexts are the marks that a record can be found by.
func markTexts(marks map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(marks)) {
		out = append(out, k+"="+marks[k])
	}
	return out[:min(len(out), marksMax)]
}

// onRoster is a record as the roster has it.
type onRoster struct {
	label, email, name, marks string
	active, part              bool
}

func newOnRoster(rec connector.Record, part bool) (onRoster, error) {
	c := rec.Contact
	marks, err := json.Marshal(c.Marks)
	if err != nil {
		return onRoster{}, err
	}
	return onRoster{
		label: c.Name, email: connector.FoldText(c.Email), name: connector.FoldText(c.Name), marks: string(marks),
		active: c.Status != connector.ContactArchived && c.MergedInto == "", part: part,
	}, nil
}

// enlist puts a record on the roster as it is now, or takes it off.
func (r *run) enlist(ctx context.Context, rec connector.Record, d recipe.Decision) error {
	if r.flow.Back() == nil || rec.Entity != connector.EntityContact {
		return nil
	}
	if rec.Gone || rec.Contact == nil {
		return r.cfg.DB.Update(ctx, func(tx *db.Tx) error { return delist(ctx, tx, r.w.Recipe, r.w.Source) })
	}
	now, err := newOnRoster(rec, d.Want != nil || d.Wait != nil)
	if err != nil {
		return err
	}
	var was onRoster
	err = r.cfg.DB.Read().QueryRowContext(ctx, `SELECT label, email, name, marks, active, part FROM roster
		WHERE recipe = $1 AND connection = $2 AND entity = $3 AND record_id = $4`,
		r.w.Recipe, r.w.Source.Connection, string(r.w.Source.Entity), r.w.Source.ID).Scan(&was.label, &was.email, &was.name, &was.marks, &was.active, &was.part)
	if err == nil && was == now { // the usual case costs no write
		return nil
	}
	return r.cfg.DB.Update(ctx, func(tx *db.Tx) error { return now.store(ctx, tx, r.w.Recipe, r.w.Source, rec.Contact.Marks) })
}

func (o onRoster) store(ctx context.Context, tx *db.Tx, state string, ref Ref, marks map[string]string) error {
	if err := delist(ctx, tx, state, ref); err != nil {
		return err
	}
	id := []any{state, ref.Connection, string(ref.Entity), ref.ID}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO roster (recipe, connection, entity, record_id, label, email, name, marks, active, part)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, append(id, o.label, o.email, o.name, o.marks, o.active, o.part)...)
	if err != nil {
		return fmt.Errorf("put %s on the roster: %w", ref, err)
	}
	for _, m := range markTexts(marks) {
		if _, err := tx.ExecContext(ctx, `INSERT INTO roster_mark (recipe, connection, entity, record_id, mark) VALUES ($1, $2, $3, $4, $5)`,
			append(id[:4:4], m)...); err != nil {
			return fmt.Errorf("put the marks of %s on the roster: %w", ref, err)
		}
	}
	return nil
}

func delist(ctx context.Context, tx *db.Tx, state string, ref Ref) error {
	for _, table := range []string{"roster_mark", "roster"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE recipe = $1 AND connection = $2 AND entity = $3 AND record_id = $4`,
			state, ref.Connection, string(ref.Entity), ref.ID); err != nil {
			return fmt.Errorf("take %s off the roster: %w", ref, err)
		}
	}
	return nil
}

// muster fills the roster with both lists of every pair of flows that a source is
// an end of, before its first page is worked on: once in the life of an engine.
func (e *Engine) muster(ctx context.Context, s Source) error {
	if s.Entity != connector.EntityContact {
		return nil
	}
	e.musterMu.Lock()
	defer e.musterMu.Unlock()
	p := e.plans[s.Recipe]
	for _, f := range p.pairs() {
		key := s.Recipe + " " + f.Name
		if e.mustered[key] || p.Connection(f.From) != s.Connection && p.Connection(f.To) != s.Connection {
			continue
		}
		for _, end := range []*recipe.Flow{f, f.Back()} {
			if err := e.musterSide(ctx, s.Recipe, end); err != nil {
				return err
			}
		}
		e.mustered[key] = true
	}
	return nil
}

// pairs are the flows that carry contacts and have an inverse, one of each two,
// of which at least one is enabled.
func (p *plan) pairs() []*recipe.Flow {
	var out []*recipe.Flow
	for _, f := range p.Recipe.Flows {
		back := f.Back()
		if back == nil || f.From.Entity != connector.EntityContact || slices.Contains(out, back) {
			continue
		}
		if p.enabled[f.Name] || p.enabled[back.Name] {
			out = append(out, f)
		}
	}
	return out
}

// musterSide puts all that a flow starts from on the roster.
func (e *Engine) musterSide(ctx context.Context, state string, f *recipe.Flow) error {
	side, err := e.side(ctx, state, f)
	if err != nil {
		return err
	}
	const rowsMax = 1000 // of one transaction: nobody waits long for the database
	for chunk := range slices.Chunk(side.all, rowsMax) {
		err := e.cfg.DB.Update(ctx, func(tx *db.Tx) error {
			for _, x := range chunk {
				row, err := newOnRoster(x.rec, x.part)
				if err != nil {
					return err
				}
				if err := row.store(ctx, tx, state, side.ref(x.rec.ID), x.rec.Contact.Marks); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	e.log.Info("roster filled", "recipe", state, "side", strings.Join([]string{side.at.connection, string(side.at.entity)}, " "), "records", len(side.all))
	return nil
}
