package flow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

// Source is one thing to poll: an entity of a connection, or one of its streams,
// for a recipe.
type Source struct {
	Recipe     string
	Connection string
	Entity     connector.Entity
	Stream     string        // empty: the entity's records that are in none
	Every      time.Duration // the shortest that any of its flows asks for
}

// String returns "xero-stripe: xero invoice".
func (s Source) String() string {
	return fmt.Sprintf("%s: %s %s", s.Recipe, s.Connection, strings.TrimSpace(string(s.Entity)+" "+s.Stream))
}

// Sources lists what the enabled flows of the selected recipes start from.
func (e *Engine) Sources() []Source {
	var out []Source
	at := map[Source]int{}
	for _, name := range e.order {
		p := e.plans[name]
		for _, f := range p.Recipe.Flows {
			if !p.enabled[f.Name] {
				continue
			}
			every := f.Poll
			if every == 0 {
				every = p.Recipe.Poll
			}
			key := Source{Recipe: name, Connection: p.Connection(f.From), Entity: f.From.Entity, Stream: f.From.Stream}
			if i, ok := at[key]; ok {
				out[i].Every = min(out[i].Every, every)
				continue
			}
			at[key] = len(out)
			key.Every = every
			out = append(out, key)
		}
	}
	return out
}

// Polled is what one page brought.
type Polled struct {
	Records int  // that came
	Touched int  // pieces of work that follow from them
	More    bool // there is another page now
}

type cursor struct {
	value   string
	version int64
}

// Poll takes in one page of changes of a source. The page's work and the new
// cursor commit together (I5). since, if set, lists from that moment once,
// whatever the cursor says.
func (e *Engine) Poll(ctx context.Context, s Source, since time.Time) (Polled, error) {
	cur, err := e.cursor(ctx, s)
	if err != nil {
		return Polled{}, err
	}
	req := connector.ListRequest{Entity: s.Entity, Stream: s.Stream, Cursor: cur.value, Since: e.plans[s.Recipe].Since, IDsOnly: true}
	if sup, err := e.support(ctx, lane{s.Connection, s.Entity}); err == nil {
		req.IDsOnly = !sup.ListsWhole
	}
	if !since.IsZero() {
		req.Cursor, req.Since = "", since
	}
	page, err := e.listUnpaused(ctx, s.Connection, req)
	if err != nil {
		return Polled{}, err
	}
	if req.Cursor == "" {
		if err := e.muster(ctx, s); err != nil {
			return Polled{}, err
		}
	}
	out := Polled{Records: len(page.Records), More: page.More}
	var taken []takenIn
	err = e.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		taken = taken[:0]
		for _, rec := range page.Records {
			more, err := e.takeIn(ctx, tx, s, rec)
			if err != nil {
				return err
			}
			taken = append(taken, more...)
		}
		out.Touched = len(taken)
		if err := e.advance(ctx, tx, s, cur, page.Next, out.Touched); err != nil {
			return err
		}
		if out.Touched == 0 {
			return nil
		}
		_, err := e.cfg.Audit.Append(ctx, tx, audit.Entry{
			Kind: audit.KindPoll, Recipe: s.Recipe, Source: strings.TrimSuffix(s.Connection+":"+string(s.Entity)+"/"+s.Stream, "/"), Outcome: "found",
			Reason: fmt.Sprintf("%d of %d listed records have changed", out.Touched, out.Records),
		})
		return err
	})
	if err == nil {
		e.shelve(taken)
	}
	return out, err
}

// listUnpaused lists for a poll. A connection that waits for a person is not
// asked, and one whose credential is refused is paused: where little happens,
// a poll is the first to learn that a consent has ended.
func (e *Engine) listUnpaused(ctx context.Context, name string, req connector.ListRequest) (connector.Page, error) {
	c, err := e.cfg.Connections.Get(ctx, name)
	if err != nil {
		return connector.Page{}, err
	}
	if c.Paused() {
		return connector.Page{}, connector.Errorf(connector.Auth, "connection "+name, "it is paused: %s", c.PausedReason).WithRemedy("%s", c.PausedRemedy)
	}
	page, err := e.list(ctx, name, req)
	var refused *connector.Error
	if errors.As(err, &refused) && refused.Kind == connector.Auth {
		e.log.Error("connection paused", "connection", name, "reason", refused.Error(), "remedy", refused.Remedy)
		if pause := e.cfg.Connections.Pause(ctx, name, refused.Error(), refused.Remedy); pause != nil {
			e.log.Error("connection cannot be paused", "connection", name, "error", pause)
		}
	}
	return page, err
}

// takenIn is work that follows from a listed record.
type takenIn struct {
	work, generation int64
	rec              connector.Record
}

// shelve keeps the whole records of a page for the work that follows from it.
func (e *Engine) shelve(all []takenIn) {
	for _, t := range all {
		if t.rec.Invoice != nil || t.rec.Payment != nil || t.rec.Contact != nil {
			e.fresh.put(t.work, t.generation, t.rec)
		}
	}
}

func (e *Engine) list(ctx context.Context, name string, req connector.ListRequest) (connector.Page, error) {
	sup, err := e.support(ctx, lane{name, req.Entity})
	if err != nil {
		return connector.Page{}, err
	}
	req.PageSize = sup.PageSize
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var page connector.Page
	err = e.call(ctx, name, connector.PriorityPoll, func(plug Connector, sess *connector.Session) (err error) {
		page, err = plug.List(ctx, sess, req)
		return err
	})
	return page, err
}

// takeIn touches the work of one listed record. A record whose version we have
// already worked on, through a webhook or as our own echo, is left alone.
func (e *Engine) takeIn(ctx context.Context, tx *db.Tx, s Source, rec connector.Record) ([]takenIn, error) {
	concerned := slices.DeleteFunc(e.hints(s.Connection, rec.Ref(), s.Stream), func(h hint) bool { return h.recipe != s.Recipe })
	untold, err := e.untold(ctx, tx, s, rec, concerned)
	if err != nil {
		return nil, err
	}
	var out []takenIn
	for _, h := range untold {
		known, err := seen(ctx, tx, h, rec.Version)
		if err != nil {
			return nil, err
		}
		if known {
			continue
		}
		id, generation, err := e.touch(ctx, tx, h)
		if err != nil {
			return nil, err
		}
		out = append(out, takenIn{id, generation, rec})
	}
	return out, nil
}

// untold returns the flows that were not told of a listed change before, by a
// webhook or an earlier poll: a service that lists events gives each a version
// that is the webhook's key. It notes the change, so that a later webhook for it
// adds nothing.
func (e *Engine) untold(ctx context.Context, tx *db.Tx, s Source, rec connector.Record, concerned []hint) ([]hint, error) {
	if rec.Version == "" {
		return concerned, nil
	}
	return e.storeEvent(ctx, tx, s.Connection, 0, connector.Event{
		Ref: rec.Ref(), Stream: s.Stream, Kind: connector.EventUpdated, OccurredAt: rec.UpdatedAt, DedupeKey: rec.Version,
	}, ByPoll, concerned)
}

func seen(ctx context.Context, tx *db.Tx, h hint, version string) (bool, error) {
	if version == "" {
		return false, nil
	}
	var id int64
	err := tx.QueryRowContext(ctx, `
		SELECT id FROM work WHERE recipe = $1 AND flow = $2 AND connection = $3 AND entity = $4 AND record_id = $5
			AND version = $6 AND done_generation = generation`,
		h.recipe, h.flow, h.ref.Connection, string(h.ref.Entity), h.ref.ID, version).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (e *Engine) cursor(ctx context.Context, s Source) (cursor, error) {
	var c cursor
	err := e.cfg.DB.Read().QueryRowContext(ctx,
		`SELECT value, version FROM cursor WHERE recipe = $1 AND connection = $2 AND entity = $3 AND stream = $4`,
		s.Recipe, s.Connection, string(s.Entity), s.Stream).Scan(&c.value, &c.version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("read cursor of %s: %w", s, err)
	}
	return c, nil
}

// advance stores the new cursor, unless another host was faster: then its page
// counts and this one only touched what will be found unchanged.
func (e *Engine) advance(ctx context.Context, tx *db.Tx, s Source, old cursor, next string, caught int) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO cursor (recipe, connection, entity, stream, value, version, polled_at, caught) VALUES ($1, $2, $3, $8, $4, 1, $5, $6)
		ON CONFLICT (recipe, connection, entity, stream) DO UPDATE SET value = excluded.value, version = cursor.version + 1,
			polled_at = excluded.polled_at, caught = cursor.caught + excluded.caught
		WHERE cursor.version = $7`,
		s.Recipe, s.Connection, string(s.Entity), next, e.now(), caught, old.version, s.Stream)
	if err != nil {
		return fmt.Errorf("store cursor of %s: %w", s, err)
	}
	return nil
}
