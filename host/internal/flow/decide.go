package flow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// A dependency is asked after from dependencyFirst on, then after half of the
// time that the work has already waited, at most dependencyCap apart.
const (
	dependencyFirst = 150 * time.Millisecond
	dependencyCap   = 30 * time.Second
)

// decide asks the recipe and acts on its decision.
func (r *run) decide(ctx context.Context, in recipe.Input) (job.Result, error) {
	version := in.Record.Version
	d, err := r.flow.Evaluate(in)
	if err != nil {
		return job.Result{}, err
	}
	if err := r.enlist(ctx, in.Record, d); err != nil {
		return job.Result{}, err
	}
	again, err := r.flow.SweepWhile(in)
	if err != nil {
		return job.Result{}, err
	}
	r.sweep = &again
	switch {
	case d.Skip != nil:
		return r.finish(ctx, concern{state: Skipped, reason: d.Skip.Reason, version: &version},
			audit.Entry{Kind: audit.KindSkip, Outcome: "skipped"}, nil)
	case d.Hold != nil:
		return r.finish(ctx, concern{state: Held, reason: d.Hold.Reason, remedy: d.Hold.Remedy, version: &version},
			audit.Entry{Kind: audit.KindHold, Outcome: "held"}, nil)
	case d.Wait != nil:
		return r.await(ctx, d.Wait.Needs)
	}
	was := in.Linked
	res, ended, err := r.settleOn(ctx, &in, *d.Want)
	switch {
	case ended || err != nil:
		return res, err
	case in.Linked != was: // a recipe may wish for something else now
		return r.decide(ctx, in)
	}
	return r.want(ctx, in, *d.Want)
}

// want makes the other side hold what the recipe wishes for, or finds that it
// does already.
func (r *run) want(ctx context.Context, in recipe.Input, want recipe.Want) (job.Result, error) {
	version := in.Record.Version
	digest, err := recipe.Digest(want.Record, want.Policy)
	if err != nil {
		return job.Result{}, err
	}
	r.w.involve(in.To.Connection, want.Record)
	if in.Linked && r.flow.Back() != nil {
		return r.meet(ctx, in, want, digest)
	}
	if in.Linked && digest == r.w.digest && !r.w.look { // I11: our own echo, or nothing new
		return r.finish(ctx, concern{state: Done, reason: "nothing to change", version: &version},
			audit.Entry{Kind: audit.KindOutcome, Outcome: string(connector.Unchanged), Target: r.to(in.TargetID).String()}, nil)
	}
	req := request{Record: want.Record, Policy: want.Policy}
	if r.flow.Back() != nil {
		if req.Saw, err = recipe.FieldsOf(want.Record); err != nil {
			return job.Result{}, err
		}
	}
	return r.intend(ctx, in, digest, req)
}

// intend stores a write before it leaves (I2), sends it and records what became
// of it.
func (r *run) intend(ctx context.Context, in recipe.Input, digest string, req request) (job.Result, error) {
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if err := r.overtaken(ctx, tx); err != nil {
			return err
		}
		var err error
		if r.open, err = insertIntent(ctx, tx, &r.w, r.to(in.TargetID), in.To.Account, digest, req, r.now()); err != nil {
			return err
		}
		detail := audit.Detail{"key": r.open.key}
		maps.Copy(detail, contested(req.Contests))
		// I9: what cannot be put on the trail is not posted.
		return r.append(ctx, tx, audit.Entry{Kind: audit.KindIntent, Target: r.open.to.String(), Detail: detail})
	})
	if errors.Is(err, errOvertaken) {
		return r.rest(ctx, errOvertaken.Error(), dependencyFirst), nil
	}
	if err != nil {
		return job.Result{}, err
	}
	out, err := r.write(ctx)
	if err != nil {
		return job.Result{}, err
	}
	return r.recorded(ctx, out, &in.Record.Version)
}

// errOvertaken says that the inverse flow wrote the record after this attempt
// began: what was read may be older than that.
var errOvertaken = errors.New("the record was written by us meanwhile; it is read again")

// to is the target end of the flow, for a known or a not yet known record.
func (r *run) to(id string) Ref {
	return Ref{r.plan.Connection(r.flow.To), r.flow.To.Entity, id}
}

// write sends the open intent. From the second attempt on, and when a person
// replays, the connector looks for what may already be there.
func (r *run) write(ctx context.Context) (connector.Outcome, error) {
	w := r.open.write
	w.Attempt = r.open.attempts
	if r.w.look {
		w.Attempt = max(w.Attempt, 2)
	}
	return r.writes.ask(ctx, lane{r.open.to.Connection, r.open.to.Entity}, w)
}

// patience is how long to rest before the next look at what is waited for. Who
// only begins to wait looks again soon, however long ago the record changed.
func (r *run) patience() time.Duration {
	if r.w.State != Waiting {
		return dependencyFirst
	}
	return min(max(r.now().Sub(r.w.ChangedAt)/2, dependencyFirst), dependencyCap)
}

// await sees to it that the records that are needed get worked, and rests.
func (r *run) await(ctx context.Context, needs []recipe.Need) (job.Result, error) {
	var blocked *Work
	for _, n := range needs {
		f := r.plan.Recipe.Flow(n.Flow)
		ref := Ref{r.plan.Connection(f.From), f.From.Entity, n.ID}
		dep, err := r.depend(ctx, hint{recipe: r.w.Recipe, flow: n.Flow, ref: ref})
		if err != nil {
			return job.Result{}, err
		}
		if dep.blocks() {
			blocked = &dep
			break
		}
	}
	if blocked == nil {
		return r.rest(ctx, fmt.Sprintf("waits for %s", needs[0].Name), r.patience()), nil
	}
	return r.holdFor(ctx, *blocked)
}

// holdFor gives work to a person together with the work that it needs, unless
// that has come to life since it was looked at: then nobody would wake us.
func (r *run) holdFor(ctx context.Context, blocked Work) (job.Result, error) {
	reason := fmt.Sprintf("needs %s of %s, which is %s: %s", blocked.Source.Entity, label(blocked), blocked.State, blocked.Reason)
	remedy := blocked.Remedy
	if remedy == "" {
		remedy = fmt.Sprintf("put that right first: ml-connector failures show %d", blocked.ID)
	}
	res, err := r.finish(ctx, concern{state: Held, reason: reason, remedy: remedy, waitsOn: blocked.ID},
		audit.Entry{Kind: audit.KindHold, Outcome: "held"}, func(tx *db.Tx) error {
			now, err := loadWork(ctx, tx, blocked.ID)
			if err == nil && !now.blocks() {
				err = errUnblocked
			}
			return err
		})
	if errors.Is(err, errUnblocked) {
		return r.rest(ctx, "waits for "+label(blocked), dependencyFirst), nil
	}
	return res, err
}

// errUnblocked rolls a hold back.
var errUnblocked = errors.New("what it needs is being worked on again")

// blocks reports whether nothing will come of the work before a person or a new
// hint moves it.
func (w Work) blocks() bool {
	return (w.State == Dead || w.State == Held || w.State == Skipped) && w.doneGeneration == w.generation
}

func label(w Work) string {
	if w.Label != "" {
		return w.Label
	}
	return w.Source.ID
}

// depend returns the work that a need is about, touching it when nobody has yet.
func (r *run) depend(ctx context.Context, h hint) (Work, error) {
	var dep Work
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		row := tx.QueryRowContext(ctx, `SELECT `+workColumns+` FROM work
			WHERE recipe = $1 AND flow = $2 AND connection = $3 AND entity = $4 AND record_id = $5`,
			h.recipe, h.flow, h.ref.Connection, string(h.ref.Entity), h.ref.ID)
		var err error
		if dep, err = scanWork(row); err == nil && dep.State != Done {
			return nil
		}
		// Never seen, or done without a link: look at it again.
		id, _, err := r.touch(ctx, tx, h)
		if err != nil {
			return err
		}
		dep, err = loadWork(ctx, tx, id)
		return err
	})
	return dep, err
}
