package recipe

import (
	"fmt"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// mergeCase is what a test case of a linked record says about both sides.
type mergeCase struct {
	agreed any               // body of the flow's target, as both sides last agreed on it
	there  *connector.Record // the target as it is now; nil: as agreed
}

// readMerge reads the keys of a case that are about both sides.
func (p *parser) readMerge(c *testCase, keys map[string]node) {
	n, ok := keys["agreed"]
	if !ok {
		for _, name := range []string{"there", "nothing"} {
			if n, ok := keys[name]; ok {
				p.report(n.at, n.path, "add agreed", "'%s' says something only beside 'agreed'", name)
			}
		}
		return
	}
	if c.flow.Back() == nil {
		p.report(n.at, n.path, "", "%s has no inverse: nothing is merged", c.flow.Name)
		return
	}
	table := tableOf(c.flow.To.Entity)
	c.in.Linked = true
	c.merge = &mergeCase{agreed: table.body.construct()}
	p.readStruct(n, table.body, c.merge.agreed)
	if n, ok := keys["there"]; ok {
		c.merge.there = &connector.Record{Entity: table.entity}
		p.readRecordOf(n, []string{string(table.entity)}, c.merge.there)
	}
}

// decide merges a wish as the host does, and puts what is left of it into d.
func (m *mergeCase) decide(f *Flow, in Input, d Decision) (Decision, []string, error) {
	if d.Want == nil {
		return d, nil, nil
	}
	meeting, err := m.meeting(f, in, d.Want.Record)
	if err != nil {
		return d, nil, err
	}
	merged := f.Merge(meeting)
	if len(merged.Write) == 0 {
		return Decision{}, []string{merged.Reason()}, nil
	}
	want := *d.Want
	want.Record, err = f.Reduce(want.Record, merged)
	return Decision{Want: &want}, nil, err
}

func (m *mergeCase) meeting(f *Flow, in Input, want connector.Record) (Meeting, error) {
	agreed := connector.Record{Entity: f.To.Entity, ID: in.TargetID}
	tableOf(f.To.Entity).attach(&agreed, m.agreed)
	there := agreed
	if m.there != nil {
		there = *m.there
	}
	out := Meeting{ChangedAt: in.Record.UpdatedAt, BackSince: there.UpdatedAt}
	var err error
	if out.Want, err = FieldsOf(want); err != nil {
		return out, err
	}
	if out.Agreed, err = FieldsOf(agreed); err != nil {
		return out, err
	}
	for name, v := range out.Want { // what only this flow writes has been written
		if !f.Back().Maps(name) {
			out.Agreed[name] = v
		}
	}
	if out.There, err = FieldsOf(there); err != nil {
		return out, err
	}
	if out.Back, err = f.Back().wishOf(in, there); err != nil {
		return out, err
	}
	out.BackAgreed, err = f.Back().wishOf(in, agreed)
	return out, err
}

// wishOf is what a flow wishes for when it sees a record that is linked to that
// of in; nil when it has no wish.
func (f *Flow) wishOf(in Input, rec connector.Record) (Fields, error) {
	d, err := f.Evaluate(Input{Record: rec, Params: in.Params, Needs: map[string]string{}, Linked: true, TargetID: in.Record.ID, From: in.To, To: in.From})
	if err != nil || d.Want == nil {
		return nil, err
	}
	return FieldsOf(d.Want.Record)
}

// Reason says for people why fields were left as they are; "" when none was.
func (m Merged) Reason() string {
	var out []string
	if len(m.Theirs) > 0 {
		out = append(out, fmt.Sprintf("left to the other side, which owns it: %s", strings.Join(m.Theirs, ", ")))
	}
	for _, c := range m.Contests {
		if !c.Won {
			out = append(out, fmt.Sprintf("%s %q gives way to %q on the other side: %s", c.Field, c.Here, c.There, c.Why))
		}
	}
	if len(m.Emptied) > 0 {
		out = append(out, fmt.Sprintf("emptied here, left as it is on the other side: %s", strings.Join(m.Emptied, ", ")))
	}
	return strings.Join(out, "; ")
}
