package flow

import (
	"context"
	"errors"
	"fmt"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// append writes an audit entry about this attempt.
func (r *run) append(ctx context.Context, tx *db.Tx, en audit.Entry) error {
	en.Recipe, en.Flow, en.WorkID, en.Source, en.Attempt = r.w.Recipe, r.w.Flow, r.w.ID, r.w.Source.String(), r.a.Number
	if en.Detail == nil {
		en.Detail = audit.Detail{}
	}
	if r.w.Label != "" {
		en.Detail["label"] = r.w.Label
	}
	if r.plan != nil && r.plan.Recipe.Name != r.w.Recipe { // whose rules they were, not only whose state
		en.Detail["recipe"] = r.plan.Recipe.Name
	}
	en.At = r.now()
	_, err := r.cfg.Audit.Append(ctx, tx, en)
	return err
}

// finish ends the attempt without a write: the work's state, an audit entry and
// the job's end in one transaction. An empty entry, or one that would only
// repeat what the trail says already, is left out.
func (r *run) finish(ctx context.Context, c concern, en audit.Entry, also func(tx *db.Tx) error) (job.Result, error) {
	repeats := r.w.State == c.state && r.w.Reason == c.reason
	c.sweep = r.sweep
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return r.end(ctx, tx, c, func() error {
			if en.Kind == "" || repeats {
				return nil
			}
			en.Reason = c.reason
			return r.append(ctx, tx, en)
		})
	})
	if err != nil {
		return job.Result{}, err
	}
	if c.state == Dead || c.state == Held {
		return job.Park(), nil
	}
	return job.Done(), nil
}

// end stores the work's state and ends the job, running it again at once when a
// newer hint came meanwhile.
func (r *run) end(ctx context.Context, tx *db.Tx, c concern, entry func() error) error {
	now := r.now()
	attempts := 0
	if c.state == Dead || c.state == Held {
		attempts = r.a.Number
	}
	if err := store(ctx, tx, &r.w, c, attempts, true, now); err != nil {
		return err
	}
	if err := entry(); err != nil {
		return err
	}
	var generation int64
	if err := tx.QueryRowContext(ctx, `SELECT generation FROM work WHERE id = $1`, r.w.ID).Scan(&generation); err != nil {
		return err
	}
	if generation > r.w.generation {
		return r.cfg.Queue.CompleteAndAgain(ctx, tx, r.a)
	}
	return r.cfg.Queue.Complete(ctx, tx, r.a)
}

// recorded ends an attempt whose write succeeded (I4).
func (r *run) recorded(ctx context.Context, out connector.Outcome, version *string) (job.Result, error) {
	digest := r.open.digest
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if err := r.keep(ctx, tx, out); err != nil {
			return err
		}
		return r.end(ctx, tx, concern{state: Done, reason: out.Reason, digest: &digest, version: version, sweep: r.sweep}, func() error { return nil })
	})
	if err != nil {
		return job.Result{}, err
	}
	return job.Done(), nil
}

// settled stores the outcome of an intent of an earlier attempt; the attempt
// goes on with what the record looks like now.
func (r *run) settled(ctx context.Context, out connector.Outcome) error {
	digest := r.open.digest
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if err := r.keep(ctx, tx, out); err != nil {
			return err
		}
		return store(ctx, tx, &r.w, concern{state: Pending, reason: out.Reason, digest: &digest}, r.a.Number, false, r.now())
	})
	if err != nil {
		return err
	}
	r.open, r.w.digest, r.w.look = nil, digest, false // it has been looked for
	return nil
}

// keep stores what a write achieved: the settled intent, the link, what the
// other direction needs to recognise our echo, the audit entry, and a hint for
// the work that waited for this record.
func (r *run) keep(ctx context.Context, tx *db.Tx, out connector.Outcome) error {
	now := r.now()
	if err := settle(ctx, tx, r.open, string(out.Result), out.Reason, now); err != nil {
		return err
	}
	to := r.open.to
	if out.ID != "" {
		to.ID = out.ID
	}
	if to.ID != "" {
		if err := r.unshared(ctx, tx, to); err != nil {
			return err
		}
		why := string(out.Result)
		if out.Reason != "" {
			why += ": " + out.Reason
		}
		if err := r.storeLink(ctx, tx, r.w.Recipe, r.w.Source, to, r.w.Label, why, out, r.open.id); err != nil {
			return err
		}
		if err := r.foresee(ctx, tx, to, out); err != nil {
			return err
		}
	}
	r.w.Records = nonNil(r.w.Records)
	detail := audit.Detail{"key": r.open.key}
	for _, x := range out.Effects {
		detail[x.What] = x.ID
		r.w.Records[to.Connection+" "+x.What] = x.ID
	}
	if to.ID != "" {
		r.w.Records[to.Connection+" "+string(to.Entity)] = to.ID
	}
	if err := r.append(ctx, tx, audit.Entry{
		Kind: audit.KindOutcome, Target: to.String(), Outcome: string(out.Result), Reason: out.Reason, Detail: detail,
	}); err != nil {
		return err
	}
	if out.Result == connector.Adopted {
		if err := r.tellOfAdopted(ctx, tx, to); err != nil {
			return err
		}
	}
	return r.wake(ctx, tx, to)
}

// tellOfAdopted tells the flows that look at other records because of the one
// that was adopted: nothing of it has changed, so its service tells nobody.
func (r *run) tellOfAdopted(ctx context.Context, tx *db.Tx, to Ref) error {
	for _, h := range r.hints(to.Connection, connector.Ref{Entity: to.Entity, ID: to.ID}, "") {
		if r.plans[h.recipe].Recipe.Flow(h.flow).From.Entity == to.Entity {
			continue // its own record, which is as it was
		}
		if _, _, err := r.touch(ctx, tx, h); err != nil {
			return err
		}
	}
	return nil
}

// unshared refuses to take a record for the counterpart of two: one of them is a
// duplicate, and a person must say which. A refund may be booked by changing the
// receipt that it is of, and then shares that record.
func (r *run) unshared(ctx context.Context, tx *db.Tx, to Ref) error {
	if p := r.open.write.Record.Payment; p != nil && p.PaymentOf != "" {
		return nil
	}
	other, err := partner(ctx, tx, r.w.Recipe, to, lane{r.w.Source.Connection, r.w.Source.Entity}, false)
	if err != nil || other == "" || other == r.w.Source.ID {
		return err
	}
	e := connector.Errorf(connector.Conflict, "link "+r.w.Source.String(), "%s is already the counterpart of %s", to, other)
	e.Candidates = []string{other}
	return e.WithRemedy("one of the two is a duplicate: merge or remove it, then replay")
}

// foresee notes what the inverse flow will wish for when it sees the record that
// we have just written, so that our own echo is recognised and never sent back.
// The generation rises without a job: an attempt of the inverse flow that read
// the record before we wrote it looks again, else it would take the old record
// for a change and send it back. What was changed there meanwhile is not ours:
// the inverse flow is told to look.
func (r *run) foresee(ctx context.Context, tx *db.Tx, to Ref, out connector.Outcome) error {
	written := out.Record
	back := r.plan.Recipe.Flow(r.flow.Inverse)
	if back == nil {
		return nil
	}
	known, err := loadAgreements(ctx, tx, r.w.Recipe, r.w.Source, to)
	if err != nil {
		return err
	}
	known.learn(r.flow.Name, r.open.saw)
	known.learn(back.Name, r.open.backSaw)
	var wish *recipe.Want
	if written != nil {
		if wish, err = r.wishBack(ctx, to, *written); err != nil {
			return err
		}
	}
	if wish == nil { // a record that the way back has no wish for makes no echo
		return known.store(ctx, tx, r.w.Recipe, r.w.Source, to)
	}
	now, err := r.echo(known, back, wish.Record, out)
	if err != nil {
		return err
	}
	if err := known.store(ctx, tx, r.w.Recipe, r.w.Source, to); err != nil {
		return err
	}
	digest, err := recipe.Digest(wish.Record, wish.Policy)
	if err != nil {
		return err
	}
	rested, err := r.restedBack(ctx, tx, hint{recipe: r.w.Recipe, flow: back.Name, ref: to})
	if err != nil {
		return err
	}
	open := r.plan.enabled[back.Name] && (rested || len(now.Since(known[back.Name])) > 0)
	if open {
		digest = "beside " + r.open.key // nobody has wished for exactly this
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO work (recipe, flow, connection, entity, record_id, label, state, generation, done_generation, digest, version, reason, first_seen_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, 'done', 0, 0, $7, $8, 'written by us', $9, $9)
		ON CONFLICT (recipe, flow, connection, entity, record_id) DO UPDATE SET digest = excluded.digest, version = excluded.version,
			state = CASE WHEN work.state = 'skipped' THEN 'done' ELSE work.state END,
			reason = CASE WHEN work.state = 'skipped' THEN excluded.reason ELSE work.reason END,
			generation = work.generation + 1,
			done_generation = CASE WHEN work.done_generation = work.generation THEN work.generation + 1 ELSE work.done_generation END`,
		r.w.Recipe, back.Name, to.Connection, string(to.Entity), to.ID, r.w.Label, digest, written.Version, r.now())
	if err != nil || !open {
		return err
	}
	_, _, err = r.touch(ctx, tx, hint{recipe: r.w.Recipe, flow: back.Name, ref: to})
	return err
}

// restedBack reports whether the inverse flow has looked at the record before it
// was linked, and left it alone or to a person. What it saw may have been more
// than what we wrote, and it is linked now.
func (r *run) restedBack(ctx context.Context, tx *db.Tx, h hint) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM work WHERE recipe = $1 AND flow = $2 AND connection = $3 AND entity = $4 AND record_id = $5
		AND state IN ('skipped', 'held', 'dead')`, h.recipe, h.flow, h.ref.Connection, string(h.ref.Entity), h.ref.ID).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for work of %s: %w", h.ref, err)
	}
	return n > 0, nil
}

// echo notes that both sides agree on what was written, and returns what the
// inverse flow wishes for now. A field that this flow did not write, and the
// other side has, is the inverse flow's to bring; so is one that says something
// else in a record that an earlier attempt made: somebody has changed it since.
func (r *run) echo(known agreements, back *recipe.Flow, wish connector.Record, out connector.Outcome) (recipe.Fields, error) {
	now, err := recipe.FieldsOf(wish)
	if err != nil {
		return nil, err
	}
	wrote, err := recipe.FieldsOf(r.open.write.Record)
	if err != nil {
		return nil, err
	}
	there, err := recipe.FieldsOf(*out.Record)
	if err != nil {
		return nil, err
	}
	madeBefore := out.Result == connector.Unchanged && r.open.write.TargetID == ""
	ours := recipe.Fields{}
	for name, v := range now {
		changed := wrote[name] == "" || madeBefore && there[name] != wrote[name]
		if r.flow.Back() == nil || !changed {
			ours[name] = v
		}
	}
	known.learn(back.Name, ours)
	return now, nil
}

// wake touches the work that was held because it needed this record's
// counterpart, or this record as the counterpart of what was written: a link
// serves both directions.
func (r *run) wake(ctx context.Context, tx *db.Tx, to Ref) error {
	rows, err := tx.QueryContext(ctx, `SELECT `+workColumns+` FROM work WHERE waits_on <> 0 AND (waits_on = $1 OR waits_on IN (
		SELECT id FROM work WHERE recipe = $2 AND flow = $3 AND connection = $4 AND entity = $5 AND record_id = $6))`,
		r.w.ID, r.w.Recipe, r.flow.Inverse, to.Connection, string(to.Entity), to.ID)
	if err != nil {
		return err
	}
	var held []Work
	for rows.Next() {
		w, err := scanWork(rows)
		if err != nil {
			_ = rows.Close()
			return err
		}
		held = append(held, w)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, w := range held {
		if _, _, err := r.touch(ctx, tx, hint{recipe: w.Recipe, flow: w.Flow, ref: w.Source}); err != nil {
			return err
		}
	}
	return nil
}
