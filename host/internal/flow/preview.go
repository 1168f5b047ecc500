package flow

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// Wish says what would become of one record.
type Wish struct {
	Recipe string            `json:"recipe"`
	Flow   string            `json:"flow"`
	Source string            `json:"source"`
	Target string            `json:"target,omitempty"` // empty: not there yet
	Label  string            `json:"label,omitempty"`
	Action string            `json:"action"` // write, link, nothing, skip, hold, settle
	Reason string            `json:"reason,omitempty"`
	Needs  []string          `json:"needs,omitempty"` // what would be written first
	Record *connector.Record `json:"record,omitempty"`

	Matched bool `json:"-"` // a Matching tells of it, too
}

// String is one line for people.
func (w Wish) String() string {
	s := fmt.Sprintf("%-8s %s", w.Action, w.Source)
	if w.Label != "" {
		s += " (" + w.Label + ")"
	}
	switch {
	case w.Target != "":
		s += " -> " + w.Target
	case w.Action == "write":
		s += " -> new"
	}
	if w.Reason != "" {
		s += ": " + w.Reason
	}
	return s
}

// CountWrites returns how many of the wishes would write.
func CountWrites(ws []Wish) int {
	n := 0
	for _, w := range ws {
		if w.Action == "write" || w.Action == "settle" {
			n++
		}
	}
	return n
}

// Previewed is what a pass would do.
type Previewed struct {
	Wishes   []Wish     `json:"wishes"`
	Matching []Matching `json:"matching"` // of contacts; left out when all that take part are linked
}

// previewAtOnce bounds how many records are looked at side by side, so that they
// share the calls that read them.
const previewAtOnce = 200

// Preview lists what changed on every side and says what would be written. It
// writes nothing: no cursor moves, no work is noted.
func (e *Engine) Preview(ctx context.Context, since time.Time) (Previewed, error) {
	out := Previewed{Matching: []Matching{}}
	all, err := e.changed(ctx, since)
	if err != nil {
		return out, err
	}
	lists := map[string]sides{}
	unlinked, err := e.anyUnlinked(ctx, all)
	if err != nil {
		return out, err
	}
	if unlinked {
		if lists, err = e.lists(ctx); err != nil {
			return out, err
		}
		now := map[hint]bool{}
		for _, c := range all {
			now[c.hint] = true
		}
		if out.Matching, err = e.matchings(ctx, lists, now); err != nil {
			return out, err
		}
	}
	out.Wishes = make([]Wish, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(previewAtOnce)
	for i, c := range all {
		group.Go(func() (err error) {
			both, ok := e.listsOf(lists, c.hint)
			if !ok {
				out.Wishes[i], err = e.previewHint(ctx, c.hint, c.rec, rosterOf{e.cfg.DB.Read(), c.hint.recipe})
				return err
			}
			if c.rec == nil {
				c.rec = both.get(c.hint.ref)
			}
			out.Wishes[i], err = e.previewHint(ctx, c.hint, c.rec, both)
			return err
		})
	}
	return out, group.Wait()
}

// changed is a record that a pass would look at, and its whole self when the
// list has brought it.
type changed struct {
	hint hint
	rec  *connector.Record
}

// changed lists what a pass would look at, in its order.
func (e *Engine) changed(ctx context.Context, since time.Time) ([]changed, error) {
	var out []changed
	seen := map[hint]bool{}
	for _, s := range e.Sources() {
		cur, err := e.cursor(ctx, s)
		if err != nil {
			return nil, err
		}
		req := connector.ListRequest{Entity: s.Entity, Stream: s.Stream, Cursor: cur.value, Since: e.plans[s.Recipe].Since, IDsOnly: true}
		if sup, err := e.support(ctx, lane{s.Connection, s.Entity}); err == nil {
			req.IDsOnly = !sup.ListsWhole
		}
		if !since.IsZero() {
			req.Cursor, req.Since = "", since
		}
		for {
			page, err := e.list(ctx, s.Connection, req)
			if err != nil {
				return nil, err
			}
			for _, rec := range page.Records {
				for _, h := range e.hints(s.Connection, rec.Ref(), s.Stream) {
					if h.recipe != s.Recipe || seen[h] {
						continue
					}
					seen[h] = true
					c := changed{hint: h}
					if rec.Invoice != nil || rec.Payment != nil || rec.Contact != nil {
						c.rec = &rec
					}
					out = append(out, c)
				}
			}
			if !page.More {
				break
			}
			req.Cursor = page.Next
		}
	}
	return out, nil
}

// anyUnlinked reports whether one of the contacts that a pass would look at has
// no counterpart yet.
func (e *Engine) anyUnlinked(ctx context.Context, all []changed) (bool, error) {
	for _, c := range all {
		p := e.plans[c.hint.recipe]
		f := p.Recipe.Flow(c.hint.flow)
		if f.Back() == nil || f.From.Entity != connector.EntityContact {
			continue
		}
		to, err := partner(ctx, e.cfg.DB.Read(), c.hint.recipe, c.hint.ref, lane{p.Connection(f.To), f.To.Entity}, false)
		if err != nil || to == "" {
			return err == nil, err
		}
	}
	return false, nil
}

// listsOf returns the lists that were read for the pair of a record's flow.
func (e *Engine) listsOf(lists map[string]sides, h hint) (sides, bool) {
	f := e.plans[h.recipe].Recipe.Flow(h.flow)
	both, ok := lists[h.recipe+" "+f.Name]
	if !ok && f.Inverse != "" {
		both, ok = lists[h.recipe+" "+f.Inverse]
	}
	return both, ok
}

// PreviewWork says what a replay of one piece of work would do.
func (e *Engine) PreviewWork(ctx context.Context, id int64) (Wish, error) {
	w, err := loadWork(ctx, e.cfg.DB.Read(), id)
	if err != nil {
		return Wish{}, err
	}
	if p := e.plans[w.Recipe]; p == nil || p.Recipe.Flow(w.Flow) == nil {
		return Wish{}, fmt.Errorf("no recipe with flow %s of entry %d is selected", w.Flow, id)
	}
	return e.previewHint(ctx, hint{recipe: w.Recipe, flow: w.Flow, ref: w.Source}, nil, rosterOf{e.cfg.DB.Read(), w.Recipe})
}

// previewHint says what would become of a record; rec is nil when it is to be read.
func (e *Engine) previewHint(ctx context.Context, h hint, rec *connector.Record, look lookup) (Wish, error) {
	r := &run{Engine: e, plan: e.plans[h.recipe], a: job.Attempt{Number: 1}}
	r.flow = r.plan.Recipe.Flow(h.flow)
	r.w = Work{Recipe: h.recipe, Flow: h.flow, Source: h.ref}
	wish := Wish{Recipe: h.recipe, Flow: h.flow, Source: h.ref.String()}
	found, err := workWhere(ctx, e.cfg.DB.Read(), `recipe = $1 AND flow = $2 AND connection = $3 AND entity = $4 AND record_id = $5`,
		h.recipe, h.flow, h.ref.Connection, string(h.ref.Entity), h.ref.ID)
	if err != nil {
		return wish, err
	}
	if len(found) == 1 {
		r.w = found[0]
		if r.open, err = openIntent(ctx, e.cfg.DB.Read(), r.w.ID); err != nil {
			return wish, err
		}
	}
	if r.open != nil {
		wish.Action, wish.Target, wish.Label = "settle", r.open.to.String(), r.w.Label
		wish.Reason, wish.Record = "an earlier write has no known outcome: look for it, and write it if it is not there", &r.open.write.Record
		return wish, nil
	}
	if rec == nil {
		now, err := e.fetch(ctx, h.ref)
		if err != nil {
			return wish, err
		}
		rec = &now
	}
	wish.Label = rec.Label()
	if rec.Entity != r.flow.From.Entity {
		wish.Action, wish.Reason = "nothing", "passed on to what it concerns"
		return wish, nil
	}
	return r.previewDecision(ctx, *rec, wish, look)
}

func (r *run) previewDecision(ctx context.Context, rec connector.Record, wish Wish, look lookup) (Wish, error) {
	in, err := r.input(ctx, rec)
	if err != nil {
		return wish, err
	}
	d, err := r.flow.Evaluate(in)
	if err != nil {
		return wish, err
	}
	wish.Target = r.to(in.TargetID).String()
	switch {
	case d.Skip != nil:
		wish.Action, wish.Reason = "skip", d.Skip.Reason
	case d.Hold != nil:
		wish.Action, wish.Reason = "hold", d.Hold.Reason
	case d.Wait != nil:
		wish.Action = "write"
		for _, n := range d.Wait.Needs {
			wish.Needs = append(wish.Needs, n.Flow+" "+n.ID)
			wish.Reason = "after its " + n.Name + " is there"
		}
	default:
		switch {
		case in.Linked && r.flow.Back() != nil:
			return r.previewMerge(ctx, in, d.Want.Record, wish)
		case r.flow.Back() != nil && rec.Contact != nil && d.Want.Record.Contact != nil:
			return r.previewMatch(ctx, rec, d.Want.Record, wish, look)
		}
		digest, err := recipe.Digest(d.Want.Record, d.Want.Policy)
		if err != nil {
			return wish, err
		}
		wish.Action, wish.Record = "write", &d.Want.Record
		if in.Linked && digest == r.w.digest {
			wish.Action, wish.Record, wish.Reason = "nothing", nil, "already so"
		}
	}
	return wish, nil
}

// previewMerge says what would be written to a linked record that the inverse
// flow carries as well.
func (r *run) previewMerge(ctx context.Context, in recipe.Input, want connector.Record, wish Wish) (Wish, error) {
	m, err := r.merge(ctx, in, want)
	if err != nil {
		return wish, err
	}
	wish.Action, wish.Reason = "nothing", "already so"
	if why := m.Reason(); why != "" {
		wish.Reason = why
	}
	if len(m.Write) > 0 {
		rec, err := r.flow.Reduce(want, m)
		if err != nil {
			return wish, err
		}
		wish.Action, wish.Record, wish.Reason = "write", &rec, "changes "+strings.Join(m.Write, ", ")
	}
	return wish, nil
}

// previewMatch says what would become of a contact that nothing links yet.
func (r *run) previewMatch(ctx context.Context, rec, want connector.Record, wish Wish, look lookup) (Wish, error) {
	v, err := question{
		recipe: r.w.Recipe, look: look, here: lane{r.w.Source.Connection, r.w.Source.Entity}, there: lane{r.plan.Connection(r.flow.To), r.flow.To.Entity},
		self: rec, want: want.Contact,
	}.verdict(ctx)
	if err != nil {
		return wish, err
	}
	wish.Matched = true
	switch {
	case v.reason != "":
		wish.Action, wish.Reason = "hold", v.reason
	case v.target != "":
		wish.Action, wish.Target, wish.Reason = "link", r.to(v.target).String(), likeness(v.why)
	default:
		wish.Action, wish.Record = "write", &want
	}
	return wish, nil
}
