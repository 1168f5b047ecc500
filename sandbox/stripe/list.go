package stripe

import (
	"net/http"
	"slices"
)

const (
	limitDefault = 10
	limitMax     = 100
)

// listing says how the objects of one noun are listed.
type listing[T any] struct {
	noun   string
	all    []T // oldest first
	id     func(T) string
	keep   func(T) bool
	render func(T) obj
}

// page reads limit, starting_after and ending_before; done has checked that
// nothing else was sent. The newest object is first.
func page[T any](c *call, l listing[T]) (obj, error) {
	limit := int64(limitDefault)
	c.p.intTo("limit", &limit)
	if limit < 1 || limit > limitMax {
		c.p.fail(refuse("parameter_invalid_integer", "limit", "This value must be at least 1 and at most %d: limit", limitMax))
	}
	var after, before string
	c.p.str("starting_after", 255, &after)
	c.p.str("ending_before", 255, &before)
	if after != "" && before != "" {
		c.p.fail(refuse("", "", "You can only pass one of starting_after and ending_before."))
	}
	if err := c.p.done(); err != nil {
		return nil, err
	}
	all := slices.Clone(l.all)
	slices.Reverse(all)
	from, to := 0, len(all)
	for name, cursor := range map[string]string{"starting_after": after, "ending_before": before} {
		if cursor == "" {
			continue
		}
		at := slices.IndexFunc(all, func(v T) bool { return l.id(v) == cursor })
		switch {
		case at < 0:
			return nil, missingObject(http.StatusBadRequest, l.noun, name, cursor)
		case name == "starting_after":
			from = at + 1
		default:
			to = at
		}
	}
	kept := make([]T, 0, limitMax)
	for _, v := range all[from:to] {
		if l.keep(v) {
			kept = append(kept, v)
		}
	}
	more := len(kept) > int(limit)
	if more && before != "" {
		kept = kept[len(kept)-int(limit):] // the page next to the cursor
	} else if more {
		kept = kept[:limit]
	}
	data := make([]any, len(kept))
	for i, v := range kept {
		data[i] = l.render(v)
	}
	return embedded(c.path, data, more), nil
}

// span is a filter on a time: `created=1` or `created[gte]=1`.
type span struct {
	set      bool
	min, max int64 // inclusive
}

// span reads a filter on a time; without one everything is inside.
func (p *params) span(name string) span {
	out := span{min: 0, max: 1<<62 - 1}
	n := p.node.kids[name]
	if n == nil {
		return out
	}
	out.set = true
	if n.leaf {
		if t, ok := p.integer(name); ok {
			out.min, out.max = t, t
		}
		return out
	}
	in, _ := p.sub(name)
	for op, apply := range map[string]func(int64){
		"gt":  func(t int64) { out.min = max(out.min, t+1) },
		"gte": func(t int64) { out.min = max(out.min, t) },
		"lt":  func(t int64) { out.max = min(out.max, t-1) },
		"lte": func(t int64) { out.max = min(out.max, t) },
	} {
		if t, ok := in.integer(op); ok {
			apply(t)
		}
	}
	return out
}

func (s span) has(t int64) bool { return t >= s.min && t <= s.max }

// filter reads an optional id to filter by; empty means any.
func (p *params) filter(name string) string {
	var v string
	p.str(name, 512, &v)
	return v
}

// matches is the test that filter stands for.
func matches(want, got string) bool { return want == "" || want == got }
