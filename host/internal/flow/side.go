package flow

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// side is the whole list that a flow starts from, in memory: what a first run
// meets, read in few calls.
type side struct {
	at, other lane
	flow      *recipe.Flow
	all       []sided
	byID      map[string]int
	byEmail   map[string][]int // folded
	byName    map[string][]int // folded
	byMark    map[string][]int
}

// sided is a record of a side and what its flow makes of it.
type sided struct {
	listed
	in      recipe.Input
	want    *connector.Record // nil: it takes no part
	skipped string            // why
}

// side lists every record that a flow starts from, whenever it changed, and asks
// the recipe about each.
func (e *Engine) side(ctx context.Context, state string, f *recipe.Flow) (*side, error) {
	p := e.plans[state]
	s := &side{
		at: lane{p.Connection(f.From), f.From.Entity}, other: lane{p.Connection(f.To), f.To.Entity}, flow: f,
		byID: map[string]int{}, byEmail: map[string][]int{}, byName: map[string][]int{}, byMark: map[string][]int{},
	}
	all, err := e.ListAll(ctx, s.at.connection, f.From.Entity, f.From.Stream, time.Time{})
	if err != nil {
		return nil, err
	}
	for _, rec := range all {
		if rec.Gone || rec.Contact == nil { // deleted, or its connector cannot read it
			continue
		}
		r := &run{Engine: e, plan: p, flow: f, a: job.Attempt{Number: 1}, w: Work{Recipe: state, Flow: f.Name, Source: s.ref(rec.ID)}}
		x := sided{listed: listed{rec: rec, label: rec.Contact.Name}}
		if x.in, err = r.input(ctx, rec); err != nil {
			return nil, err
		}
		x.partner = x.in.TargetID
		d, err := f.Evaluate(x.in)
		switch {
		case err != nil:
			x.skipped = err.Error()
		case d.Want != nil:
			x.want, x.part = &d.Want.Record, true
		case d.Skip != nil:
			x.skipped = d.Skip.Reason
		case d.Hold != nil:
			x.skipped = d.Hold.Reason
		case d.Wait != nil:
			x.part = true
		}
		s.add(x)
	}
	return s, nil
}

func (s *side) ref(id string) Ref { return Ref{s.at.connection, s.at.entity, id} }

func (s *side) add(x sided) {
	i, c := len(s.all), x.rec.Contact
	s.all = append(s.all, x)
	s.byID[x.rec.ID] = i
	if c.Status == connector.ContactArchived || c.MergedInto != "" {
		return
	}
	if email := connector.FoldText(c.Email); email != "" {
		s.byEmail[email] = append(s.byEmail[email], i)
	}
	if name := connector.FoldText(c.Name); name != "" {
		s.byName[name] = append(s.byName[name], i)
	}
	for _, m := range markTexts(c.Marks) {
		s.byMark[m] = append(s.byMark[m], i)
	}
}

// sides are the two lists of a pair of flows.
type sides [2]*side

func (both sides) similar(_ context.Context, at, _ lane, want *connector.Contact) ([]listed, error) {
	s := both[0]
	if s.at != at {
		s = both[1]
	}
	found := slices.Concat(s.byEmail[connector.FoldText(want.Email)], s.byName[connector.FoldText(want.Name)])
	for _, m := range markTexts(want.Marks) {
		found = append(found, s.byMark[m]...)
	}
	slices.Sort(found)
	var out []listed
	for _, i := range slices.Compact(found) {
		out = append(out, s.all[i].listed)
	}
	// As the stored roster has them, so that both decide the same.
	slices.SortFunc(out, func(x, y listed) int { return strings.Compare(x.rec.ID, y.rec.ID) })
	return out[:min(len(out), similarMax)], nil
}

// get returns a record of either side, or nil.
func (both sides) get(ref Ref) *connector.Record {
	for _, s := range both {
		if i, ok := s.byID[ref.ID]; ok && s.at == (lane{ref.Connection, ref.Entity}) {
			return &s.all[i].rec
		}
	}
	return nil
}
