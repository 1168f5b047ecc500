package flow

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// State is where a piece of work stands.
type State string

// The states. Dead and held need a person.
const (
	Pending  State = "pending"  // queued or running
	Waiting  State = "waiting"  // for another record, a budget, or a paused connection
	Retrying State = "retrying" // an attempt failed; the next is scheduled
	Done     State = "done"
	Skipped  State = "skipped"
	Dead     State = "dead" // attempts used up, or it can never succeed as it is
	Held     State = "held" // a person must decide
)

// Work is one record in one flow: what became of it, and why.
type Work struct {
	ID        int64             `json:"id"`
	Recipe    string            `json:"recipe"`
	Flow      string            `json:"flow"`
	Source    Ref               `json:"-"`
	SourceRef string            `json:"source"`
	Label     string            `json:"label"` // an invoice's number, a contact's name
	State     State             `json:"state"`
	Attempts  int               `json:"attempts"`
	Reason    string            `json:"reason"`
	Remedy    string            `json:"remedy"`
	Records   map[string]string `json:"records"` // the records concerned, on both sides, by what they are
	FirstSeen time.Time         `json:"first_seen_at"`
	ChangedAt time.Time         `json:"changed_at"`
	NextAt    *time.Time        `json:"next_at,omitempty"`

	generation     int64
	doneGeneration int64
	digest         string
	version        string
	look           bool
	waitsOn        int64
}

const workColumns = `id, recipe, flow, connection, entity, record_id, label, state, attempts, reason, remedy, detail,
	first_seen_at, changed_at, next_at, generation, done_generation, digest, version, look, waits_on`

type scanner interface{ Scan(dest ...any) error }

func scanWork(row scanner) (Work, error) {
	var w Work
	var detail string
	var next sql.NullTime
	err := row.Scan(&w.ID, &w.Recipe, &w.Flow, &w.Source.Connection, &w.Source.Entity, &w.Source.ID, &w.Label, &w.State,
		&w.Attempts, &w.Reason, &w.Remedy, &detail, &w.FirstSeen, &w.ChangedAt, &next,
		&w.generation, &w.doneGeneration, &w.digest, &w.version, &w.look, &w.waitsOn)
	if err != nil {
		return w, err
	}
	if next.Valid {
		w.NextAt = &next.Time
	}
	w.SourceRef = w.Source.String()
	if err := json.Unmarshal([]byte(detail), &w.Records); err != nil {
		return w, fmt.Errorf("work %d: %w", w.ID, err)
	}
	return w, nil
}

// ErrNoWork says that there is no work of that id.
var ErrNoWork = errors.New("no such entry")

// Work returns one piece of work.
func (e *Engine) Work(ctx context.Context, id int64) (Work, error) {
	return loadWork(ctx, e.cfg.DB.Read(), id)
}

type reader interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func loadWork(ctx context.Context, q reader, id int64) (Work, error) {
	w, err := scanWork(q.QueryRowContext(ctx, `SELECT `+workColumns+` FROM work WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return w, fmt.Errorf("%w: %d", ErrNoWork, id)
	}
	return w, err
}

// hint asks for work on one record in one flow.
type hint struct {
	recipe, flow string
	ref          Ref
	look         bool // what is there may not be what was written: look, though nothing new is wanted
}

// touch notes that a record may have changed and sees to it that a job will
// look. It returns the work and its new generation. It may be called for a record that is being worked on: the running job
// finds the newer generation when it ends, and runs again.
func (e *Engine) touch(ctx context.Context, tx *db.Tx, h hint) (id, generation int64, err error) {
	now := e.now()
	// A record that waits for a person stays visible as such until the job has
	// looked again.
	err = tx.QueryRowContext(ctx, `
		INSERT INTO work (recipe, flow, connection, entity, record_id, state, generation, first_seen_at, changed_at, look)
		VALUES ($1, $2, $3, $4, $5, 'pending', 1, $6, $6, $7)
		ON CONFLICT (recipe, flow, connection, entity, record_id) DO UPDATE SET
			generation = work.generation + 1, look = CASE WHEN excluded.look <> 0 THEN excluded.look ELSE work.look END,
			state = CASE WHEN work.state IN ('done', 'skipped') THEN 'pending' ELSE work.state END
		RETURNING id, generation`, h.recipe, h.flow, h.ref.Connection, string(h.ref.Entity), h.ref.ID, now, h.look).Scan(&id, &generation)
	if err != nil {
		return 0, 0, fmt.Errorf("note change of %s: %w", h.ref, err)
	}
	return id, generation, e.cfg.Queue.Enqueue(ctx, tx, job.Run{Work: id})
}

// concern is what is stored of a piece of work when it changes.
type concern struct {
	state   State
	reason  string
	remedy  string
	digest  *string // nil: as it was
	version *string
	waitsOn int64
	next    time.Time
	sweep   *bool // nil: as it was
}

// store writes a work row's new state. done says that its present generation
// has been looked at. A replay that came meanwhile keeps its wish to look first.
func store(ctx context.Context, tx *db.Tx, w *Work, c concern, attempts int, done bool, now time.Time) error {
	detail, err := json.Marshal(nonNil(w.Records))
	if err != nil {
		return err
	}
	// w stays as it is: should the transaction be rolled back, what it would have
	// noted must not be stored with the failure.
	digest, version, doneGeneration, look := w.digest, w.version, w.doneGeneration, w.look
	if c.digest != nil {
		digest = *c.digest
	}
	if c.version != nil {
		version = *c.version
	}
	if done {
		doneGeneration = w.generation
		look = look && (c.state == Dead || c.state == Held)
	}
	var next any
	if !c.next.IsZero() {
		next = c.next.UTC()
	}
	_, err = tx.ExecContext(ctx, `
		UPDATE work SET label = $2, state = $3, attempts = $4, reason = $5, remedy = $6, detail = $7, digest = $8,
			version = $9, look = CASE WHEN generation > $15 THEN look ELSE $10 END, waits_on = $11, done_generation = $12, changed_at = $13, next_at = $14,
			sweep = COALESCE($16, sweep)
		WHERE id = $1`,
		w.ID, w.Label, string(c.state), attempts, c.reason, c.remedy, string(detail), digest,
		version, look, c.waitsOn, doneGeneration, now, next, w.generation, c.sweep)
	if err != nil {
		return fmt.Errorf("store work %d: %w", w.ID, err)
	}
	return nil
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// involve adds the records that rec names to those concerned, under the name of
// its connection: "stripe payment": "ch_…".
func (w *Work) involve(connection string, rec connector.Record) {
	if w.Records == nil {
		w.Records = map[string]string{}
	}
	add := func(what, id string) {
		if id != "" {
			w.Records[connection+" "+what] = id
		}
	}
	add(string(rec.Entity), rec.ID)
	switch {
	case rec.Invoice != nil:
		add("contact", rec.Invoice.ContactID)
	case rec.Payment != nil:
		add("invoice", rec.Payment.InvoiceID)
		add("contact", rec.Payment.ContactID)
		add("receipt", rec.Payment.PaymentOf)
	}
	if l := rec.Label(); l != "" && w.Label == "" {
		w.Label = l
	}
}
