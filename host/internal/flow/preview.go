package flow

import (
	"context"
	"fmt"
	"strings"
	"time"

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
	Action string            `json:"action"` // write, nothing, skip, hold, settle
	Reason string            `json:"reason,omitempty"`
	Needs  []string          `json:"needs,omitempty"` // what would be written first
	Record *connector.Record `json:"record,omitempty"`
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

// Preview lists what changed on every side and says what would be written. It
// writes nothing: no cursor moves, no work is noted.
func (e *Engine) Preview(ctx context.Context, since time.Time) ([]Wish, error) {
	out := []Wish{}
	seen := map[hint]bool{}
	for _, s := range e.Sources() {
		cur, err := e.cursor(ctx, s)
		if err != nil {
			return nil, err
		}
		req := connector.ListRequest{Entity: s.Entity, Stream: s.Stream, Cursor: cur.value, Since: e.plans[s.Recipe].Since, IDsOnly: true}
		if !since.IsZero() {
			req.Cursor, req.Since = "", since
		}
		for {
			page, err := e.list(ctx, s.Connection, req)
			if err != nil {
				return nil, err
			}
			for _, rec := range page.Records {
				if out, err = e.previewRecord(ctx, s, rec, seen, out); err != nil {
					return nil, err
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

func (e *Engine) previewRecord(ctx context.Context, s Source, rec connector.Record, seen map[hint]bool, out []Wish) ([]Wish, error) {
	for _, h := range e.hints(s.Connection, rec.Ref(), s.Stream) {
		if h.recipe != s.Recipe || seen[h] {
			continue
		}
		seen[h] = true
		w, err := e.previewHint(ctx, h)
		if err != nil {
			return out, err
		}
		out = append(out, w)
	}
	return out, nil
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
	return e.previewHint(ctx, hint{recipe: w.Recipe, flow: w.Flow, ref: w.Source})
}

func (e *Engine) previewHint(ctx context.Context, h hint) (Wish, error) {
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
	rec, err := e.fetch(ctx, h.ref)
	if err != nil {
		return wish, err
	}
	wish.Label = rec.Label()
	if rec.Entity != r.flow.From.Entity {
		wish.Action, wish.Reason = "nothing", "passed on to what it concerns"
		return wish, nil
	}
	return r.previewDecision(ctx, rec, wish)
}

func (r *run) previewDecision(ctx context.Context, rec connector.Record, wish Wish) (Wish, error) {
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
		if in.Linked && r.flow.Back() != nil {
			return r.previewMerge(ctx, in, d.Want.Record, wish)
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
