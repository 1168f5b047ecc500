package flow

import (
	"context"
	"slices"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// A record of one entity may concern records of another: a payment its invoice.
// Who reads such a record tells the flows that hear of it: a flow that starts from
// it, in passing, or else the flow that hears of it, which then reads it for that
// alone.

// lane is the connection and the entity of a flow's end.
func (p *plan) lane(end recipe.End) lane { return lane{p.Connection(end), end.Entity} }

// reader is the first flow that starts from the records of a lane that are in no
// stream; nil when none does.
func (p *plan) reader(at lane) *recipe.Flow {
	for _, f := range p.Recipe.Flows {
		if p.enabled[f.Name] && f.From.Stream == "" && p.lane(f.From) == at {
			return f
		}
	}
	return nil
}

// hears reports whether records of a lane matter to a flow, as its source's or its
// target's.
func (p *plan) hears(f *recipe.Flow, at lane, target bool) bool {
	return slices.ContainsFunc(f.Also(), func(a recipe.Also) bool { return a.Target == target && p.lane(a.End) == at })
}

// passOn turns a record of another entity (a payment) into hints for the flow's
// own records (its invoice).
func (r *run) passOn(ctx context.Context, in recipe.Input) (job.Result, error) {
	all, err := r.concerned(r.flow, in)
	if err != nil {
		return job.Result{}, err
	}
	version := in.Record.Version
	return r.finish(ctx, concern{state: Done, reason: "passed on to what it concerns", version: &version}, audit.Entry{},
		func(tx *db.Tx) error { return r.touchAll(ctx, tx, all) })
}

// tellOthers tells other flows of a record that matters to theirs, once for each
// version of it.
func (r *run) tellOthers(ctx context.Context, in recipe.Input) error {
	at := r.plan.lane(r.flow.From)
	if r.plan.reader(at) != r.flow || in.Record.Version != "" && in.Record.Version == r.w.version && !r.w.look {
		return nil
	}
	var all []hint
	for _, f := range r.plan.Recipe.Flows {
		if !r.plan.enabled[f.Name] || !r.plan.hears(f, at, false) && !r.plan.hears(f, at, true) {
			continue
		}
		theirs, err := r.sides(ctx, f, in.Record)
		if err != nil {
			return err
		}
		more, err := r.concerned(f, theirs)
		if err != nil {
			return err
		}
		all = append(all, more...)
	}
	if len(all) == 0 {
		return nil
	}
	return r.cfg.DB.Update(ctx, func(tx *db.Tx) error { return r.touchAll(ctx, tx, all) })
}

// concerned lists the records of a flow that the record of another entity concerns.
// One of the target's end has them look there.
func (r *run) concerned(f *recipe.Flow, in recipe.Input) (all []hint, err error) {
	if in.Record.Gone {
		return nil, nil
	}
	at := lane{r.w.Source.Connection, in.Record.Entity}
	for _, target := range []bool{false, true} {
		if !r.plan.hears(f, at, target) {
			continue
		}
		ids, err := f.AlsoRecords(in, target)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			all = append(all, hint{flow: f.Name, ref: Ref{r.plan.Connection(f.From), f.From.Entity, id}, look: target})
		}
	}
	return all, nil
}

// sides is what a flow may see of a record before its links are known.
func (r *run) sides(ctx context.Context, f *recipe.Flow, rec connector.Record) (recipe.Input, error) {
	in := recipe.Input{Record: rec, Params: r.plan.Params, Needs: map[string]string{}}
	for _, end := range []struct {
		of   recipe.End
		side *recipe.Side
	}{{f.From, &in.From}, {f.To, &in.To}} {
		c, err := r.cfg.Connections.Get(ctx, r.plan.Connection(end.of))
		if err != nil {
			return in, before(err)
		}
		*end.side = recipe.Side{Connection: c.Name, Account: c.AccountID}
	}
	return in, nil
}
