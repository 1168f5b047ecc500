package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// surveyMax bounds how many records of one entity a survey holds in memory.
const surveyMax = 200_000

// Surveyed is one source record of a flow, what the recipe wants of it, and
// what is there on the other side.
type Surveyed struct {
	Source   connector.Record
	Ref      Ref
	Skipped  string            // why the recipe leaves it alone; empty: it takes part
	Held     string            // why it waits for a person
	Waits    string            // for which need
	Want     *connector.Record // set when it takes part
	Policy   connector.Policy  // handed to the connector with Want
	TargetID string            // linked record; empty: none
	Target   *connector.Record // as it is now; nil: not there
	Effects  []Effect          // what was made for it
}

// Survey is both sides of a flow.
type Survey struct {
	Records []Surveyed
	Targets []connector.Record // all that the target listed, linked or not
}

// Flows lists the names of a selected recipe's enabled flows, in its order.
func (e *Engine) Flows(recipeName string) []string {
	p := e.plans[recipeName]
	var out []string
	for _, f := range p.Recipe.Flows {
		if p.enabled[f.Name] {
			out = append(out, f.Name)
		}
	}
	return out
}

// Recipes lists the selected recipes.
func (e *Engine) Recipes() []string { return e.order }

// Survey reads every record of a flow's source since a time, and its
// counterpart. It writes nothing.
func (e *Engine) Survey(ctx context.Context, recipeName, flowName string, since time.Time) (Survey, error) {
	p := e.plans[recipeName]
	f := p.Recipe.Flow(flowName)
	if since.IsZero() {
		since = p.Since
	}
	from, to := p.Connection(f.From), p.Connection(f.To)
	sources, err := e.ListAll(ctx, from, f.From.Entity, f.From.Stream, since)
	if err != nil {
		return Survey{}, err
	}
	out := Survey{Records: make([]Surveyed, 0, len(sources))}
	for _, rec := range sources {
		ref := Ref{from, f.From.Entity, rec.ID}
		r := &run{Engine: e, plan: p, flow: f, a: job.Attempt{Number: 1}, w: Work{Recipe: recipeName, Flow: flowName, Source: ref}}
		s, err := r.survey(ctx, rec)
		if err != nil {
			return Survey{}, err
		}
		out.Records = append(out.Records, s)
	}
	if out.Targets, err = e.ListAll(ctx, to, f.To.Entity, f.To.Stream, since); err != nil {
		return Survey{}, err
	}
	return out, e.attach(ctx, lane{to, f.To.Entity}, out)
}

// survey asks the recipe about one record.
func (r *run) survey(ctx context.Context, rec connector.Record) (Surveyed, error) {
	s := Surveyed{Source: rec, Ref: r.w.Source}
	if !rec.Gone && rec.Invoice == nil && rec.Payment == nil && rec.Contact == nil {
		s.Held = "its connector cannot read it"
		return s, nil
	}
	in, err := r.input(ctx, rec)
	if err != nil {
		return s, err
	}
	s.TargetID = in.TargetID
	if in.Linked {
		if s.Effects, err = r.effects(ctx, in.TargetID); err != nil {
			return s, err
		}
	}
	d, err := r.flow.Evaluate(in)
	if err != nil {
		return s, err
	}
	switch {
	case d.Skip != nil:
		s.Skipped = d.Skip.Reason
	case d.Hold != nil:
		s.Held = d.Hold.Reason
	case d.Wait != nil:
		s.Waits = d.Wait.Needs[0].Name
	default:
		s.Want, s.Policy = &d.Want.Record, d.Want.Policy
	}
	return s, nil
}

func (r *run) effects(ctx context.Context, target string) ([]Effect, error) {
	links, err := Links(ctx, r.cfg.DB, LinkFilter{Entity: r.w.Source.Entity, ID: r.w.Source.ID})
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if l.A.ID == target || l.B.ID == target {
			return l.Effects, nil
		}
	}
	return nil, nil
}

// attach finds the linked records: those of the period in the listing, the others
// by their ids.
func (e *Engine) attach(ctx context.Context, l lane, sv Survey) error {
	all := sv.Records
	found := make(map[string]*connector.Record, len(sv.Targets))
	for i := range sv.Targets {
		found[sv.Targets[i].ID] = &sv.Targets[i]
	}
	limit, err := e.getBatch(ctx, l)
	if err != nil {
		return err
	}
	var missing []string
	for _, s := range all {
		if s.TargetID != "" && found[s.TargetID] == nil {
			missing = append(missing, s.TargetID)
		}
	}
	for len(missing) > 0 {
		n := min(limit, len(missing))
		for _, rep := range e.callGet(ctx, l, missing[:n]) {
			if rep.err != nil {
				return rep.err
			}
			if rep.answer != nil {
				found[rep.answer.ID] = rep.answer
			}
		}
		missing = missing[n:]
	}
	for i := range all {
		all[i].Target = found[all[i].TargetID]
	}
	return nil
}

// ListAll lists every record of an entity's stream that changed since a time,
// each once, as it was last listed.
func (e *Engine) ListAll(ctx context.Context, connection string, entity connector.Entity, stream string, since time.Time) ([]connector.Record, error) {
	var out []connector.Record
	at := map[string]int{}
	req := connector.ListRequest{Entity: entity, Stream: stream, Since: since}
	for {
		page, err := e.list(ctx, connection, req)
		if err != nil {
			return nil, err
		}
		for _, rec := range page.Records {
			if i, ok := at[rec.ID]; ok {
				out[i] = rec
				continue
			}
			at[rec.ID] = len(out)
			out = append(out, rec)
		}
		if len(out) > surveyMax {
			return nil, fmt.Errorf("more than %d records of %s %s: narrow it with --since", surveyMax, connection, entity)
		}
		if !page.More {
			return out, nil
		}
		req.Cursor = page.Next
	}
}

// Sides returns the connections that a flow goes between.
func (e *Engine) Sides(recipeName, flowName string) (from, to string) {
	p := e.plans[recipeName]
	f := p.Recipe.Flow(flowName)
	return p.Connection(f.From), p.Connection(f.To)
}
