package flow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

// listMax bounds every list that is shown; what is beyond is counted, not shown.
const listMax = 1000

// Failures returns what needs a person, the oldest first.
func Failures(ctx context.Context, d *db.DB) ([]Work, error) {
	return workWhere(ctx, d.Read(), `state IN ('dead', 'held') ORDER BY changed_at, id`)
}

// WorkByID returns one piece of work, whatever its state.
func WorkByID(ctx context.Context, d *db.DB, id int64) (Work, error) {
	return loadWork(ctx, d.Read(), id)
}

func workWhere(ctx context.Context, q reader, where string, args ...any) ([]Work, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+workColumns+` FROM work WHERE `+where+fmt.Sprintf(` LIMIT %d`, listMax), args...)
	if err != nil {
		return nil, fmt.Errorf("list work: %w", err)
	}
	defer rows.Close()
	out := []Work{}
	for rows.Next() {
		w, err := scanWork(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, rows.Err()
}

// LinkFilter narrows Links. The zero filter means every link that is in force.
type LinkFilter struct {
	Entity connector.Entity
	ID     string // a record's id on either side, or a label such as an invoice's number
	Ended  bool   // also links that were replaced
}

// Links returns links, the newest first.
func Links(ctx context.Context, d *db.DB, f LinkFilter) ([]Link, error) {
	where, args := []string{"1 = 1"}, []any{}
	if !f.Ended {
		where = append(where, "ended_at IS NULL")
	}
	if f.Entity != "" {
		args = append(args, string(f.Entity))
		where = append(where, fmt.Sprintf("(a_entity = $%d OR b_entity = $%d)", len(args), len(args)))
	}
	if f.ID != "" {
		args = append(args, f.ID)
		where = append(where, fmt.Sprintf("(a_id = $%d OR b_id = $%d OR label = $%d)", len(args), len(args), len(args)))
	}
	rows, err := d.Read().QueryContext(ctx, `SELECT `+linkColumns+` FROM link WHERE `+strings.Join(where, " AND ")+
		fmt.Sprintf(` ORDER BY id DESC LIMIT %d`, listMax), args...)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	defer rows.Close()
	out := []Link{}
	for rows.Next() {
		l, err := scanLink(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// Standing is how one flow of a recipe stands.
type Standing struct {
	Recipe      string        `json:"recipe"`
	Flow        string        `json:"flow"`
	Done        int           `json:"done"`
	Skipped     int           `json:"skipped"`
	Queued      int           `json:"queued"` // pending or waiting; with a person, and to be looked at again
	Retrying    int           `json:"retrying"`
	Person      int           `json:"need_person"`
	LastSuccess *time.Time    `json:"last_success,omitempty"`
	Lag         time.Duration `json:"lag_ns"` // age of the oldest hint that was not yet worked; 0 when none
}

// Status tells how every flow stands that has ever had work.
func Status(ctx context.Context, d *db.DB, now time.Time) ([]Standing, error) {
	rows, err := d.Read().QueryContext(ctx, `
		SELECT recipe, flow,
			SUM(CASE WHEN state = 'done' THEN 1 ELSE 0 END),
			SUM(CASE WHEN state = 'skipped' THEN 1 ELSE 0 END),
			SUM(CASE WHEN state IN ('pending', 'waiting') OR state IN ('dead', 'held') AND done_generation < generation THEN 1 ELSE 0 END),
			SUM(CASE WHEN state = 'retrying' THEN 1 ELSE 0 END),
			SUM(CASE WHEN state IN ('dead', 'held') THEN 1 ELSE 0 END)
		FROM work GROUP BY recipe, flow ORDER BY recipe, flow`)
	if err != nil {
		return nil, fmt.Errorf("status: %w", err)
	}
	defer rows.Close()
	out := []Standing{}
	for rows.Next() {
		var s Standing
		if err := rows.Scan(&s.Recipe, &s.Flow, &s.Done, &s.Skipped, &s.Queued, &s.Retrying, &s.Person); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for i := range out {
		if err := times(ctx, d.Read(), &out[i], now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func times(ctx context.Context, q reader, s *Standing, now time.Time) error {
	var at time.Time
	err := q.QueryRowContext(ctx, `SELECT changed_at FROM work WHERE recipe = $1 AND flow = $2 AND state = 'done'
		ORDER BY changed_at DESC LIMIT 1`, s.Recipe, s.Flow).Scan(&at)
	if err == nil {
		s.LastSuccess = &at
	} else if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	// What a sweep looks at again stays done or skipped: nobody told of a change.
	err = q.QueryRowContext(ctx, `SELECT changed_at FROM work WHERE recipe = $1 AND flow = $2 AND done_generation < generation
		AND state NOT IN ('dead', 'held', 'done', 'skipped') ORDER BY changed_at LIMIT 1`, s.Recipe, s.Flow).Scan(&at)
	if err == nil {
		s.Lag = max(now.Sub(at), 0)
	} else if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return nil
}

// PollStatus is how polling of one source stands.
type PollStatus struct {
	Recipe     string    `json:"recipe"`
	Connection string    `json:"connection"`
	Entity     string    `json:"entity"`
	Stream     string    `json:"stream,omitempty"`
	PolledAt   time.Time `json:"polled_at"`
	Caught     int       `json:"caught"` // changes that polling found before a webhook told of them
}

// Polls tells how polling stands.
func Polls(ctx context.Context, d *db.DB) ([]PollStatus, error) {
	rows, err := d.Read().QueryContext(ctx, `SELECT recipe, connection, entity, stream, polled_at, caught FROM cursor ORDER BY recipe, connection, entity, stream`)
	if err != nil {
		return nil, fmt.Errorf("status of polling: %w", err)
	}
	defer rows.Close()
	out := []PollStatus{}
	for rows.Next() {
		var p PollStatus
		if err := rows.Scan(&p.Recipe, &p.Connection, &p.Entity, &p.Stream, &p.PolledAt, &p.Caught); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// Totals counts what has been done since the database was made.
type Totals struct {
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Adopted   int `json:"adopted"`
	Unchanged int `json:"unchanged"`
	Skipped   int `json:"skipped"`
	Person    int `json:"need_person"` // now
	Waiting   int `json:"waiting"`     // now
}

// Totals counts the outcomes of intents and the states of work.
func (e *Engine) Totals(ctx context.Context) (Totals, error) {
	var t Totals
	err := e.cfg.DB.Read().QueryRowContext(ctx, `
		SELECT COALESCE(SUM(CASE WHEN outcome = 'created' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN outcome = 'updated' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN outcome = 'adopted' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN outcome = 'unchanged' THEN 1 ELSE 0 END), 0)
		FROM intent WHERE state = 'settled'`).Scan(&t.Created, &t.Updated, &t.Adopted, &t.Unchanged)
	if err != nil {
		return t, fmt.Errorf("count outcomes: %w", err)
	}
	err = e.cfg.DB.Read().QueryRowContext(ctx, `
		SELECT COALESCE(SUM(CASE WHEN state = 'skipped' THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN state IN ('dead', 'held') THEN 1 ELSE 0 END), 0),
			COALESCE(SUM(CASE WHEN state IN ('pending', 'waiting', 'retrying') THEN 1 ELSE 0 END), 0)
		FROM work`).Scan(&t.Skipped, &t.Person, &t.Waiting)
	if err != nil {
		return t, fmt.Errorf("count work: %w", err)
	}
	return t, nil
}

// Since returns what was added after an earlier count; Person and Waiting stay
// as they are now.
func (t Totals) Since(before Totals) Totals {
	t.Created -= before.Created
	t.Updated -= before.Updated
	t.Adopted -= before.Adopted
	t.Unchanged -= before.Unchanged
	t.Skipped -= before.Skipped
	return t
}

// FirstRun returns when a recipe ran for the first time here, remembering now
// if it never has.
func FirstRun(ctx context.Context, d *db.DB, recipe string, now time.Time) (time.Time, error) {
	now = now.UTC().Truncate(time.Second)
	var text string
	err := d.Update(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO param (recipe, name, value, set_at) VALUES ($1, 'first_run', $2, $3)
			ON CONFLICT (recipe, name) DO NOTHING`, recipe, now.Format(time.RFC3339), now); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT value FROM param WHERE recipe = $1 AND name = 'first_run'`, recipe).Scan(&text)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("first run of %s: %w", recipe, err)
	}
	return time.Parse(time.RFC3339, text)
}
