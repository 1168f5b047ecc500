package flow

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

const (
	// unselectedWait is how long work of a recipe that is not selected rests
	// before it looks again whether it is.
	unselectedWait = 10 * time.Minute
	// pausedWait is how long work of a paused connection rests.
	pausedWait = 5 * time.Second
	// storeWait is how long work rests when the database could not be written.
	storeWait = 2 * time.Second
)

// run is one attempt at one piece of work.
type run struct {
	*Engine
	a    job.Attempt
	w    Work
	plan *plan
	flow *recipe.Flow
	open *intent  // being settled
	read *shelved // the source record, once it has been read

	sweep *bool // whether the flow's sweeps look at the record again, once it has been evaluated
}

// Run makes one attempt: it is the queue's handler.
func (e *Engine) Run(ctx context.Context, a job.Attempt) job.Result {
	w, err := loadWork(ctx, e.cfg.DB.Read(), a.Work)
	if err != nil {
		e.log.Error("work cannot be read", "work", a.Work, "error", err)
		return job.Wait(storeWait)
	}
	r := &run{Engine: e, a: a, w: w, plan: e.plans[w.Recipe]}
	if r.plan != nil {
		r.flow = r.plan.Recipe.Flow(w.Flow)
	}
	if r.flow == nil && r.plan != nil && w.look {
		return r.foreign(ctx)
	}
	if r.flow == nil {
		return r.rest(ctx, fmt.Sprintf("recipe %s with flow %s is not running", w.Recipe, w.Flow), unselectedWait)
	}
	if _, more := a.Next(r.plan.backoff()); a.Crash != "" && !more {
		return r.dead(ctx, connector.Errorf(connector.Invalid, "host", "the attempt broke down again and again: %s", a.Crash), Dead)
	}
	if name, reason := r.pausedBy(ctx); name != "" {
		return r.rest(ctx, fmt.Sprintf("connection %s is paused: %s", name, reason), pausedWait)
	}
	res, err := r.attempt(ctx)
	if err != nil {
		return r.failed(ctx, err)
	}
	return res
}

// foreign gives a replay back to the person who asked for it: the recipe that
// runs goes on with the state of one that had the flow, and has no such flow.
func (r *run) foreign(ctx context.Context) job.Result {
	name := r.plan.Recipe.Name
	remedy := fmt.Sprintf("run a recipe that has flow %s instead of %s, then replay", r.w.Flow, name)
	reason := r.w.Reason
	if r.w.Remedy != remedy { // it was not given back before
		reason = strings.TrimSuffix(fmt.Sprintf("recipe %s, which runs, has no flow %s; before that: %s", name, r.w.Flow, reason), "; before that: ")
	}
	return r.dead(ctx, connector.Errorf(connector.Conflict, "", "%s", reason).WithRemedy("%s", remedy), Held)
}

// attempt reads the steps aloud: settle what is open, read, evaluate, intend,
// write, record.
func (r *run) attempt(ctx context.Context) (job.Result, error) {
	var err error
	if r.open, err = openIntent(ctx, r.cfg.DB.Read(), r.w.ID); err != nil {
		return job.Result{}, err
	}
	if r.open != nil { // I2
		if err := r.countAttempt(ctx, r.open); err != nil {
			return job.Result{}, err
		}
		out, err := r.write(ctx)
		if err != nil {
			return job.Result{}, err
		}
		if err := r.settled(ctx, out); err != nil {
			return job.Result{}, err
		}
	}
	if open, err := r.unsettledInverse(ctx); err != nil || open {
		return r.rest(ctx, "waits for the outcome of our own write to it", r.patience()), err
	}
	rec, err := r.readSource(ctx)
	if err != nil {
		return job.Result{}, err
	}
	r.w.involve(r.w.Source.Connection, rec)
	in, err := r.input(ctx, rec)
	if err != nil {
		return job.Result{}, err
	}
	if rec.Entity != r.flow.From.Entity {
		return r.passOn(ctx, in)
	}
	if err := r.bringAlong(ctx, in); err != nil {
		return job.Result{}, err
	}
	if err := r.tellOthers(ctx, in); err != nil {
		return job.Result{}, err
	}
	return r.decide(ctx, in)
}

// unsettledInverse reports whether the inverse flow has written to the record
// and does not know the outcome yet. What would be read now may be our own
// write, and must not be taken for a change and sent back.
func (r *run) unsettledInverse(ctx context.Context) (bool, error) {
	if r.flow.Inverse == "" {
		return false, nil
	}
	var n int
	err := r.cfg.DB.Read().QueryRowContext(ctx, `
		SELECT COUNT(*) FROM intent JOIN work ON work.id = intent.work_id
		WHERE intent.state = 'open' AND intent.connection = $1 AND intent.entity = $2 AND intent.target_id = $3
			AND work.recipe = $4 AND work.flow = $5 AND work.state NOT IN ('dead', 'held')`,
		r.w.Source.Connection, string(r.w.Source.Entity), r.w.Source.ID, r.w.Recipe, r.flow.Inverse).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("look for an open intent of %s: %w", r.flow.Inverse, err)
	}
	return n > 0, nil
}

// readSource returns the record as it is now: read ahead of this attempt, but
// not before the last hint, or read with others that are due.
func (r *run) readSource(ctx context.Context) (connector.Record, error) {
	if x, ok := r.fresh.take(r.w.ID, r.w.generation); ok {
		r.read = &x
		return x.rec, nil
	}
	rec, err := r.fetch(ctx, r.w.Source)
	if err == nil {
		r.read = &shelved{rec, r.w.generation, r.now()}
	}
	return rec, err
}

// pausedBy names a connection of the flow that waits for a person.
func (r *run) pausedBy(ctx context.Context) (name, reason string) {
	for _, end := range []recipe.End{r.flow.From, r.flow.To} {
		c, err := r.cfg.Connections.Get(ctx, r.plan.Connection(end))
		if err == nil && c.Paused() {
			return c.Name, c.PausedReason
		}
		if errors.Is(err, connection.ErrUnknown) {
			return r.plan.Connection(end), "it does not exist"
		}
	}
	return "", ""
}

// input gathers what the recipe may see besides the record.
func (r *run) input(ctx context.Context, rec connector.Record) (recipe.Input, error) {
	to := r.plan.Connection(r.flow.To)
	in, err := r.sides(ctx, r.flow, rec)
	if err != nil {
		return in, err
	}
	if rec.Entity != r.flow.From.Entity {
		return in, nil
	}
	target, err := partner(ctx, r.cfg.DB.Read(), r.w.Recipe, r.w.Source, lane{to, r.flow.To.Entity}, false)
	if err != nil {
		return in, err
	}
	in.TargetID, in.Linked = target, target != ""
	needs, err := r.flow.Needs(in)
	if err != nil {
		return in, err
	}
	for _, n := range needs {
		if in.Needs[n.Name], err = r.resolve(ctx, n); err != nil {
			return in, err
		}
	}
	return in, nil
}

// resolve looks a need up among the links; "" when it is not there yet.
func (r *run) resolve(ctx context.Context, n recipe.Need) (string, error) {
	if n.ID == "" {
		return "", nil
	}
	f := r.plan.Recipe.Flow(n.Flow)
	here, there := f.From, f.To
	if n.Reverse {
		here, there = there, here
	}
	return partner(ctx, r.cfg.DB.Read(), r.w.Recipe,
		Ref{r.plan.Connection(here), here.Entity, n.ID},
		lane{r.plan.Connection(there), there.Entity}, n.Reverse)
}

// bringAlong touches the records that this one brings: a charge its refunds.
func (r *run) bringAlong(ctx context.Context, in recipe.Input) error {
	if in.Record.Gone {
		return nil
	}
	ids, err := r.flow.Expand(in)
	if err != nil || len(ids) == 0 {
		return err
	}
	return r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		var fresh []hint
		for _, id := range ids {
			known, err := settledBefore(ctx, tx, r.w, id)
			if err != nil {
				return err
			}
			if !known {
				fresh = append(fresh, hint{flow: r.w.Flow, ref: Ref{r.w.Source.Connection, r.w.Source.Entity, id}})
			}
		}
		return r.touchAll(ctx, tx, fresh)
	})
}

// settledBefore reports whether a record that another one brings along has been
// seen at least as recently as the one that brings it.
func settledBefore(ctx context.Context, tx *db.Tx, w Work, id string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `
		SELECT COUNT(*) FROM work WHERE recipe = $1 AND flow = $2 AND connection = $3 AND entity = $4 AND record_id = $5
			AND (done_generation < generation OR changed_at >= $6)`,
		w.Recipe, w.Flow, w.Source.Connection, string(w.Source.Entity), id, w.ChangedAt).Scan(&n)
	return n > 0, err
}

// touchAll touches records of this recipe; empty ids are left out.
func (r *run) touchAll(ctx context.Context, tx *db.Tx, all []hint) error {
	for _, h := range all {
		if h.ref.ID == "" {
			continue
		}
		h.recipe = r.w.Recipe
		if _, _, err := r.touch(ctx, tx, h); err != nil {
			return err
		}
	}
	return nil
}
