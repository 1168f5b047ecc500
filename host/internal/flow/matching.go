package flow

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// Matching says how the contacts of two sides belong together: what a first run
// will link, make and leave to a person, before anything is written.
type Matching struct {
	Recipe     string      `json:"recipe"`
	Flow       string      `json:"flow"`
	From       string      `json:"from"` // connection
	To         string      `json:"to"`
	Records    [2]int      `json:"records"` // on each side, deleted ones left out
	Linked     int         `json:"linked"`  // pairs that are linked already
	Link       []Pairing   `json:"link"`
	Create     []Pairing   `json:"create"`
	Person     []Pairing   `json:"person"`
	Duplicates []Duplicate `json:"duplicates"`
	LeftAlone  []LeftAlone `json:"left_alone"`
}

// Pairing is what becomes of one contact that nothing links yet.
type Pairing struct {
	Flow       string      `json:"flow"`
	Source     string      `json:"source"`
	Name       string      `json:"name"`
	Target     string      `json:"target,omitempty"`
	TargetName string      `json:"target_name,omitempty"`
	Reason     string      `json:"reason,omitempty"`
	Remedy     string      `json:"remedy,omitempty"`
	Candidates []Candidate `json:"candidates,omitempty"` // those that a person must tell apart
	Now        bool        `json:"now"`                  // this pass works on it; else when it changes, or an invoice needs it
}

// Candidate is one of several records that may be the same.
type Candidate struct {
	Ref  string `json:"ref"`
	Name string `json:"name"`
}

// Duplicate is a group of contacts on one side that have something in common.
type Duplicate struct {
	Connection string      `json:"connection"`
	Same       string      `json:"same"` // "e-mail address" or "name"
	Value      string      `json:"value"`
	Records    []Candidate `json:"records"`
}

// LeftAlone counts contacts that take no part, by the recipe's reason.
type LeftAlone struct {
	Connection string `json:"connection"`
	Reason     string `json:"reason"`
	Count      int    `json:"count"`
}

// matchings reads both lists of every pair of flows, and decides about each
// contact as a pass would. now are the records that a pass will work on.
func (e *Engine) matchings(ctx context.Context, lists map[string]sides, now map[hint]bool) ([]Matching, error) {
	out := []Matching{}
	for _, name := range e.order {
		for _, f := range e.plans[name].pairs() {
			m, err := e.matching(ctx, name, lists[name+" "+f.Name], now)
			if err != nil {
				return nil, err
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// lists reads both sides of every pair of flows: a page at a time, whatever
// their number.
func (e *Engine) lists(ctx context.Context) (map[string]sides, error) {
	out := map[string]sides{}
	for _, name := range e.order {
		for _, f := range e.plans[name].pairs() {
			var both sides
			for i, end := range []*recipe.Flow{f, f.Back()} {
				var err error
				if both[i], err = e.side(ctx, name, end); err != nil {
					return nil, err
				}
			}
			out[name+" "+f.Name] = both
		}
	}
	return out, nil
}

func (e *Engine) matching(ctx context.Context, state string, both sides, now map[hint]bool) (Matching, error) {
	p := e.plans[state]
	m := Matching{
		Recipe: p.Recipe.Name, Flow: both[0].flow.Name, From: both[0].at.connection, To: both[1].at.connection,
		Link: []Pairing{}, Create: []Pairing{}, Person: []Pairing{}, Duplicates: []Duplicate{}, LeftAlone: []LeftAlone{},
	}
	told := map[string]bool{} // pairs and questions that the other side has told of
	for i, s := range both {
		m.Records[i] = len(s.all)
		for _, x := range s.all {
			if x.partner != "" && i == 0 {
				m.Linked++
			}
			if x.partner != "" || x.want == nil || !p.enabled[s.flow.Name] {
				continue
			}
			v, err := question{recipe: state, look: both, here: s.at, there: s.other, self: x.rec, want: x.want.Contact}.verdict(ctx)
			if err != nil {
				return m, err
			}
			pair := Pairing{Flow: s.flow.Name, Source: s.ref(x.rec.ID).String(), Name: x.label,
				Now: now[hint{recipe: state, flow: s.flow.Name, ref: s.ref(x.rec.ID)}]}
			m.add(both[1-i], pair, v, told)
		}
		m.Duplicates = append(m.Duplicates, s.duplicates()...)
		m.LeftAlone = append(m.LeftAlone, s.leftAlone()...)
	}
	return m, nil
}

// add files what becomes of a contact. A pair, or a question to a person, that
// both sides come to is told once.
func (m *Matching) add(there *side, pair Pairing, v verdict, told map[string]bool) {
	refs := []string{pair.Source}
	switch {
	case v.target != "":
		to := there.ref(v.target)
		pair.Target, pair.TargetName, pair.Reason = to.String(), there.all[there.byID[v.target]].label, likeness(v.why)
		refs = append(refs, pair.Target)
	case v.reason != "":
		pair.Reason, pair.Remedy = v.reason, v.remedy
		for _, c := range v.among {
			pair.Candidates = append(pair.Candidates, Candidate{c.ref.String(), c.label})
			refs = append(refs, c.ref.String())
		}
	}
	slices.Sort(refs)
	key := strings.Join(slices.Compact(refs), " ")
	if told[key] {
		return
	}
	told[key] = true
	switch {
	case v.target != "":
		m.Link = append(m.Link, pair)
	case v.reason != "":
		m.Person = append(m.Person, pair)
	default:
		m.Create = append(m.Create, pair)
	}
}

// duplicates are the groups of a side's active contacts with one e-mail address,
// and of those with one name whose e-mail addresses do not tell them apart.
func (s *side) duplicates() []Duplicate {
	var out []Duplicate
	group := func(same connector.MatchWhy, by map[string][]int, keep func(ids []int) bool) {
		for _, value := range slices.Sorted(maps.Keys(by)) {
			ids := by[value]
			if len(ids) < 2 || !keep(ids) {
				continue
			}
			d := Duplicate{Connection: s.at.connection, Same: string(same), Value: value}
			for _, i := range ids {
				d.Records = append(d.Records, Candidate{s.ref(s.all[i].rec.ID).String(), s.all[i].label})
			}
			out = append(out, d)
		}
	}
	group(connector.MatchEmail, s.byEmail, func([]int) bool { return true })
	group(connector.MatchName, s.byName, func(ids []int) bool {
		return slices.ContainsFunc(ids, func(i int) bool { return s.all[i].rec.Contact.Email == "" })
	})
	return out
}

func (s *side) leftAlone() []LeftAlone {
	reasons := map[string]int{}
	for _, x := range s.all {
		if x.skipped != "" && x.partner == "" {
			reasons[x.skipped]++
		}
	}
	var out []LeftAlone
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		out = append(out, LeftAlone{s.at.connection, reason, reasons[reason]})
	}
	return out
}
