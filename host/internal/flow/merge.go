package flow

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// A record that a flow and its inverse carry may change on both sides at any
// time. The link remembers what each direction wished for when both sides last
// agreed, field by field; only what differs from that is written (the rule is in
// package recipe). What is remembered moves with the outcome of the write (I4),
// so our own write is recognised when it comes back.

// agreements are the wishes of a flow and of its inverse, by flow name.
type agreements map[string]recipe.Fields

// pairIs is the condition that a link is the live one of two records, in
// whichever direction it was made. Each half has an index of its own.
const pairIs = `id IN (
	SELECT id FROM link WHERE recipe = $1 AND ended_at IS NULL
		AND a_connection = $2 AND a_entity = $3 AND a_id = $4 AND b_connection = $5 AND b_entity = $6 AND b_id = $7
	UNION ALL
	SELECT id FROM link WHERE recipe = $1 AND ended_at IS NULL
		AND b_connection = $2 AND b_entity = $3 AND b_id = $4 AND a_connection = $5 AND a_entity = $6 AND a_id = $7)`

func pairArgs(state string, from, to Ref) []any {
	return []any{state, from.Connection, string(from.Entity), from.ID, to.Connection, string(to.Entity), to.ID}
}

func loadAgreements(ctx context.Context, q reader, state string, from, to Ref) (agreements, error) {
	var text string
	err := q.QueryRowContext(ctx, `SELECT agreed FROM link WHERE `+pairIs, pairArgs(state, from, to)...).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return agreements{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what %s and %s agree on: %w", from, to, err)
	}
	out := agreements{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return nil, fmt.Errorf("read what %s and %s agree on: %w", from, to, err)
	}
	return out, nil
}

func (a agreements) store(ctx context.Context, tx *db.Tx, state string, from, to Ref) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE link SET agreed = $8 WHERE `+pairIs, append(pairArgs(state, from, to), string(text))...); err != nil {
		return fmt.Errorf("store what %s and %s agree on: %w", from, to, err)
	}
	return nil
}

// learn notes what a flow wishes for in the fields that it has decided on; "" is
// a field that was emptied.
func (a agreements) learn(flow string, saw recipe.Fields) {
	if a[flow] == nil {
		a[flow] = recipe.Fields{}
	}
	for name, v := range saw {
		if v == "" {
			delete(a[flow], name)
			continue
		}
		a[flow][name] = v
	}
}

// meet makes a linked record follow its source in the fields that changed here
// and are not to follow the other side.
func (r *run) meet(ctx context.Context, in recipe.Input, want recipe.Want, digest string) (job.Result, error) {
	if err := r.stir(ctx, in); err != nil {
		return job.Result{}, err
	}
	m, err := r.merge(ctx, in, want.Record)
	if err != nil {
		return job.Result{}, err
	}
	if len(m.Write) == 0 {
		return r.leave(ctx, in, m, digest)
	}
	req := request{Policy: want.Policy, Saw: m.Saw, BackSaw: m.BackSaw, Contests: m.Contests}
	if req.Record, err = r.flow.Reduce(want.Record, m); err != nil {
		return job.Result{}, err
	}
	return r.intend(ctx, in, digest, req)
}

// stir wakes the inverse flow's work that waits for a person: this record has
// changed since, and what stood in the way may have gone (an archived contact is
// in use again).
func (r *run) stir(ctx context.Context, in recipe.Input) error {
	if in.Record.Version == r.w.version {
		return nil
	}
	h := hint{recipe: r.w.Recipe, flow: r.flow.Inverse, ref: r.to(in.TargetID)}
	return r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		var n int
		err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM work WHERE recipe = $1 AND flow = $2 AND connection = $3 AND entity = $4 AND record_id = $5
			AND state IN ('held', 'dead') AND done_generation = generation`, h.recipe, h.flow, h.ref.Connection, string(h.ref.Entity), h.ref.ID).Scan(&n)
		if err != nil || n == 0 {
			return err
		}
		_, _, err = r.touch(ctx, tx, h)
		return err
	})
}

// merge compares a wish with what both sides last agreed on, and with what the
// other side says now.
func (r *run) merge(ctx context.Context, in recipe.Input, want connector.Record) (recipe.Merged, error) {
	to := r.to(in.TargetID)
	known, err := loadAgreements(ctx, r.cfg.DB.Read(), r.w.Recipe, r.w.Source, to)
	if err != nil {
		return recipe.Merged{}, err
	}
	m := recipe.Meeting{Agreed: known[r.flow.Name]}
	if m.Want, err = recipe.FieldsOf(want); err != nil {
		return recipe.Merged{}, err
	}
	if !r.flow.Shares(m.Want.Since(m.Agreed)) {
		return r.flow.Merge(m), nil
	}
	there, err := r.fetch(ctx, to)
	if err != nil {
		return recipe.Merged{}, err
	}
	if there.Gone {
		return r.flow.Merge(m), nil // its connector says what is to be done
	}
	if m.There, err = recipe.FieldsOf(there); err != nil {
		return recipe.Merged{}, err
	}
	if back := r.flow.Back(); r.plan.enabled[back.Name] {
		wish, err := r.wishBack(ctx, to, there)
		if err != nil {
			return recipe.Merged{}, err
		}
		if wish != nil {
			if m.Back, err = recipe.FieldsOf(wish.Record); err != nil {
				return recipe.Merged{}, err
			}
			m.BackAgreed = known[back.Name]
		}
	}
	out := r.flow.Merge(m)
	if !out.Timed() {
		return out, nil
	}
	if m.ChangedAt, err = r.changedAt(ctx, r.w.Source, in.Record); err != nil {
		return out, err
	}
	if m.BackSince, err = r.changedAt(ctx, to, there); err != nil {
		return out, err
	}
	return r.flow.Merge(m), nil
}

// leave ends an attempt that has nothing to write. What it decided is kept, and
// the inverse brings what prevails on the other side.
func (r *run) leave(ctx context.Context, in recipe.Input, m recipe.Merged, digest string) (job.Result, error) {
	version := in.Record.Version
	c := concern{state: Done, reason: "nothing to change", version: &version}
	en := audit.Entry{Kind: audit.KindOutcome, Outcome: string(connector.Unchanged), Target: r.to(in.TargetID).String(), Detail: contested(m.Contests)}
	if why := m.Reason(); why != "" {
		c.reason = why
	}
	if len(m.Saw) > 0 {
		c.digest = &digest
	}
	res, err := r.finish(ctx, c, en, func(tx *db.Tx) error {
		if len(m.Saw) == 0 {
			return nil
		}
		if err := r.overtaken(ctx, tx); err != nil {
			return err
		}
		return r.agree(ctx, tx, r.to(in.TargetID), m)
	})
	if errors.Is(err, errOvertaken) {
		return r.rest(ctx, errOvertaken.Error(), dependencyFirst), nil
	}
	return res, err
}

// agree keeps what the flow has decided on. A field in which the other side
// prevails is left to the inverse, which looks at once.
func (r *run) agree(ctx context.Context, tx *db.Tx, to Ref, m recipe.Merged) error {
	known, err := loadAgreements(ctx, tx, r.w.Recipe, r.w.Source, to)
	if err != nil {
		return err
	}
	known.learn(r.flow.Name, m.Saw)
	known.learn(r.flow.Inverse, m.BackSaw)
	if err := known.store(ctx, tx, r.w.Recipe, r.w.Source, to); err != nil {
		return err
	}
	if !slices.ContainsFunc(m.Contests, func(c recipe.Contest) bool { return !c.Won }) {
		return nil
	}
	_, _, err = r.touch(ctx, tx, hint{recipe: r.w.Recipe, flow: r.flow.Inverse, ref: to})
	return err
}

// overtaken reports that the inverse flow wrote the record after this attempt
// began.
func (r *run) overtaken(ctx context.Context, tx *db.Tx) error {
	now, err := loadWork(ctx, tx, r.w.ID)
	if err == nil && now.digest != r.w.digest {
		err = errOvertaken
	}
	return err
}

// contested puts on the trail which value prevailed over which.
func contested(all []recipe.Contest) audit.Detail {
	if len(all) == 0 {
		return nil
	}
	out := audit.Detail{}
	for _, c := range all {
		kept, lost, where := c.Here, c.There, "there"
		if !c.Won {
			kept, lost, where = c.There, c.Here, "here"
		}
		out["kept "+c.Field] = kept
		out["lost "+c.Field] = fmt.Sprintf("%s (%s; %s)", lost, where, c.Why)
	}
	return out
}

// wishBack is what the inverse flow wishes for when it sees the record that this
// flow is linked to, or has written; nil when it has no wish for it.
func (r *run) wishBack(ctx context.Context, to Ref, rec connector.Record) (*recipe.Want, error) {
	in := recipe.Input{Record: rec, Params: r.plan.Params, Needs: map[string]string{}, Linked: true, TargetID: r.w.Source.ID}
	for name, side := range map[string]*recipe.Side{to.Connection: &in.From, r.w.Source.Connection: &in.To} {
		c, err := r.cfg.Connections.Get(ctx, name)
		if err != nil {
			return nil, before(err)
		}
		*side = recipe.Side{Connection: c.Name, Account: c.AccountID}
	}
	d, err := r.plan.Recipe.Flow(r.flow.Inverse).Evaluate(in)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // a record that the way back cannot map is none of its wishes
	}
	return d.Want, nil
}

// changesAhead bounds the pages that are looked through for the time of a change.
const changesAhead = 20

// changedAt is when a record changed last: as it says itself, or by what its
// service tells of changes, those included that no poll has taken in yet. Zero
// when nobody knows.
func (r *run) changedAt(ctx context.Context, ref Ref, rec connector.Record) (time.Time, error) {
	if !rec.UpdatedAt.IsZero() {
		return rec.UpdatedAt, nil
	}
	at, err := r.toldSince(ctx, ref)
	if err != nil {
		return at, err
	}
	var noted sql.NullTime
	err = r.cfg.DB.Read().QueryRowContext(ctx, `SELECT occurred_at FROM event WHERE connection = $1 AND entity = $2 AND record_id = $3
		ORDER BY occurred_at DESC LIMIT 1`, ref.Connection, string(ref.Entity), ref.ID).Scan(&noted)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return at, fmt.Errorf("look for the last change of %s: %w", ref, err)
	}
	if noted.Time.After(at) {
		at = noted.Time
	}
	return at.UTC(), nil
}

// toldSince lists the changes that the next poll will bring, and returns the
// time of the record's last one.
func (r *run) toldSince(ctx context.Context, ref Ref) (at time.Time, err error) {
	cur, err := r.cursor(ctx, Source{Recipe: r.w.Recipe, Connection: ref.Connection, Entity: ref.Entity})
	if err != nil {
		return at, err
	}
	req := connector.ListRequest{Entity: ref.Entity, Cursor: cur.value, Since: r.plan.Since, IDsOnly: true}
	for range changesAhead {
		page, err := r.list(ctx, ref.Connection, req)
		if err != nil {
			return at, err
		}
		for _, rec := range page.Records {
			if rec.ID == ref.ID && rec.UpdatedAt.After(at) {
				at = rec.UpdatedAt
			}
		}
		if !page.More {
			break
		}
		req.Cursor = page.Next
	}
	return at, nil
}
