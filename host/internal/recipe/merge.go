package recipe

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// A flow and its inverse keep one record on two sides. Each side may change at
// any time, so the two are merged field by field:
//
//   - a field that changed only here since both sides agreed is written there;
//   - a field that changed only there is left for the inverse to bring;
//   - a field that changed on both sides goes to its owner, and without an owner
//     to the record that changed last;
//   - a field that the inverse owns is written when the record is made, and as
//     long as it is empty there;
//   - a field that was emptied here stays as it is there.

// Fields are the fields of a record that are set, each as canonical JSON.
type Fields map[string]string

// FieldsOf returns the fields of a record's body.
func FieldsOf(rec connector.Record) (Fields, error) {
	table := tableOf(rec.Entity)
	if table == nil {
		return nil, fmt.Errorf("fields: unknown entity %q", rec.Entity)
	}
	body, err := table.body.canonical(table.bodyOf(&rec))
	if err != nil {
		return nil, fmt.Errorf("fields of %s: %w", rec.Ref(), err)
	}
	out := Fields{}
	for name, v := range body {
		// encoding/json sorts the keys of maps: equal values have equal text.
		text, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("fields of %s: %s: %w", rec.Ref(), name, err)
		}
		out[name] = string(text)
	}
	return out, nil
}

// Shown is a field's value for people.
func (f Fields) Shown(name string) string {
	var text string
	if json.Unmarshal([]byte(f[name]), &text) == nil {
		return text
	}
	return f[name]
}

// Since returns the names of the fields that differ from an earlier state,
// sorted; those that were emptied are among them.
func (f Fields) Since(earlier Fields) []string {
	var out []string
	for name, v := range f {
		if earlier[name] != v {
			out = append(out, name)
		}
	}
	for name := range earlier {
		if _, ok := f[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Only returns the record with no other fields set than those named.
func Only(rec connector.Record, names []string) (connector.Record, error) {
	table := tableOf(rec.Entity)
	if table == nil {
		return rec, fmt.Errorf("unknown entity %q", rec.Entity)
	}
	from, to := table.bodyOf(&rec), table.body.construct()
	for _, name := range names {
		f, ok := table.body.field(name)
		if !ok || !f.isSet(from) {
			continue
		}
		v, err := f.get(from)
		if err != nil {
			return rec, fmt.Errorf("%s: %w", name, err)
		}
		if err := f.set(to, v); err != nil {
			return rec, fmt.Errorf("%s: %w", name, err)
		}
	}
	out := connector.Record{Entity: rec.Entity, ID: rec.ID, Version: rec.Version, UpdatedAt: rec.UpdatedAt}
	table.attach(&out, to)
	return out, nil
}

// Back returns the flow that carries the same records back, or nil when nothing
// is to be merged.
func (f *Flow) Back() *Flow {
	if back := f.recipe.Flow(f.Inverse); back != nil && f.From.Entity == f.To.Entity {
		return back
	}
	return nil
}

// Maps reports whether the flow says something of a field of its target.
func (f *Flow) Maps(name string) bool {
	return slices.ContainsFunc(f.fields, func(m mapping) bool { return m.field.name == name })
}

// Owns reports whether the flow has the last word on a field.
func (f *Flow) Owns(name string) bool { return slices.Contains(f.owns, name) }

// Shares reports whether the inverse carries one of the fields as well: then what
// the target says of it now matters.
func (f *Flow) Shares(names []string) bool { return slices.ContainsFunc(names, f.Back().Maps) }

// Meeting is what is known of the two sides of a linked record.
type Meeting struct {
	Want, Agreed         Fields    // what the flow wishes for now, and wished for when both sides last agreed
	Back, BackAgreed     Fields    // the same of the inverse; Back is nil when it has no wish, or takes no part
	There                Fields    // the target's own fields as they are now; nil when it is not there
	ChangedAt, BackSince time.Time // when the source and the target changed last; zero: not known
}

// Contest is a field that changed on both sides.
type Contest struct {
	Field       string
	Here, There string // the values, for people
	Won         bool   // here prevails
	Owned       bool   // because one of the two owns the field
	Why         string
}

// Merged is what a flow does about a linked record.
type Merged struct {
	Write    []string // fields to write, sorted; none: nothing to change
	Saw      Fields   // what the flow wishes for in every field that it has decided on; "" where it was emptied
	BackSaw  Fields   // what the inverse wishes for in fields that are the same on both sides already
	Contests []Contest
	Emptied  []string // fields that were emptied here: they stay as they are there
	Theirs   []string // fields that the inverse owns: a change here is not carried over
}

// Merge decides field by field what the flow writes to the record that it is
// linked to.
func (f *Flow) Merge(m Meeting) Merged {
	out := Merged{Saw: Fields{}, BackSaw: Fields{}}
	back := f.Back()
	for _, name := range m.Want.Since(m.Agreed) {
		now, set := m.Want[name]
		out.Saw[name] = now
		shared := back.Maps(name)
		there, known := m.There[name]
		switch {
		case !set:
			out.Emptied = append(out.Emptied, name)
		case known && there == now: // both made the same change, or we did
			if v := m.Back[name]; v != "" && shared {
				out.BackSaw[name] = v
			}
		case shared && back.Owns(name) && m.There[name] != "":
			out.Theirs = append(out.Theirs, name)
		case shared && m.Back[name] != "" && m.Back[name] != m.BackAgreed[name]:
			c := Contest{Field: name, Here: m.Want.Shown(name), There: m.There.Shown(name)}
			c.Owned = f.Owns(name) || back.Owns(name)
			c.Won, c.Why = f.prevails(name, m)
			out.Contests = append(out.Contests, c)
			if c.Won {
				out.Write = append(out.Write, name)
			}
		default:
			out.Write = append(out.Write, name)
		}
	}
	return out
}

// Timed reports whether a contest was decided by the times of the changes.
func (m Merged) Timed() bool {
	return slices.ContainsFunc(m.Contests, func(c Contest) bool { return !c.Owned })
}

// Reduce returns the wish with the fields that are to be written, and those that
// only this flow writes: a connector may know the record by them.
func (f *Flow) Reduce(want connector.Record, m Merged) (connector.Record, error) {
	names := slices.Clone(m.Write)
	for _, x := range f.fields {
		if !f.Back().Maps(x.field.name) {
			names = append(names, x.field.name)
		}
	}
	return Only(want, names)
}

// prevails decides a field that changed on both sides. Both flows decide the
// same: times count in whole seconds, as the coarser of two clocks has them, and
// the flow that stands first in the recipe has it when they are equal.
func (f *Flow) prevails(name string, m Meeting) (won bool, why string) {
	here, there := m.ChangedAt.Truncate(time.Second), m.BackSince.Truncate(time.Second)
	switch {
	case f.Owns(name):
		return true, f.Name + " owns it"
	case f.Back().Owns(name):
		return false, f.Inverse + " owns it"
	case here.After(there):
		return true, "it changed last"
	case there.After(here):
		return false, "it changed last"
	}
	first := slices.Index(f.recipe.Flows, f) < slices.Index(f.recipe.Flows, f.Back())
	return first, "both changed at the same time"
}

// readOwns reads the fields that a flow has the last word on, once the maps of
// all flows are known.
func (p *parser) readOwns(f *Flow, n node) {
	back := f.recipe.Flow(f.Inverse)
	if f.Inverse == "" || f.From.Entity != f.To.Entity {
		p.report(n.at, n.path, "leave it out, or name the way back with inverse", "only a flow with an inverse of the same entity shares its fields")
		return
	}
	body := tableOf(f.To.Entity).body
	mapped := slices.Sorted(maps.Keys(f.mapped()))
	for _, item := range p.list(n) {
		name, ok := p.text(item)
		if !ok {
			continue
		}
		_, known := body.field(name)
		switch {
		case !known:
			p.report(item.at, item.path, suggest(name, mapped), "%s has no field '%s'", body.name, name)
		case !f.Maps(name):
			p.report(item.at, item.path, suggest(name, mapped), "the flow does not map '%s'", name)
		case f.Owns(name):
			p.report(item.at, item.path, "", "'%s' is listed twice", name)
		case back != nil && !back.Maps(name):
			p.report(item.at, item.path, "leave it out", "%s does not map '%s': nobody else writes it", back.Name, name)
		case back != nil && back.Owns(name):
			p.report(item.at, item.path, "leave it out in one of the two", "%s owns '%s' already", back.Name, name)
		default:
			f.owns = append(f.owns, name)
		}
	}
}

// mapped returns the fields of the target that the flow says something of.
func (f *Flow) mapped() map[string]bool {
	out := map[string]bool{}
	for _, m := range f.fields {
		out[m.field.name] = true
	}
	return out
}
