package recipe

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// caseFirstRun is the day of the first run in test cases that name none.
var caseFirstRun = connector.Date{Year: 2026, Month: time.January, Day: 1}

// CaseResult is the result of one of the recipe's own test cases. Err is nil
// when it passed.
type CaseResult struct {
	Name string
	Err  error
}

// testCase is a test case of the recipe. Expectations that are not set are not
// compared.
type testCase struct {
	name string
	flow *Flow
	in   Input

	outcome string         // the key of the expected decision: "want", "skip", "hold", "waits_for", "nothing", or ""
	text    string         // for all of these but want
	want    map[string]any // canonical; nil values must be unset
	policy  map[string]any
	expand  []string
	records []string
	enabled *bool
	sweep   *bool
	merge   *mergeCase // nil: the record alone decides

	expectsExpand, expectsRecords bool
	target                        bool // the record is of the target's end; with records only
}

// Test runs the recipe's own cases, in the order of the file.
func (r *Recipe) Test() []CaseResult {
	out := make([]CaseResult, len(r.cases))
	for i, c := range r.cases {
		out[i] = CaseResult{Name: c.name, Err: c.run()}
	}
	return out
}

func (c testCase) run() error {
	var errs []error
	if c.enabled != nil {
		on, err := c.flow.Enabled(c.in.Params)
		if err != nil {
			return err
		}
		if on != *c.enabled {
			errs = append(errs, fmt.Errorf("enabled: got %t, want %t", on, *c.enabled))
		}
	}
	if c.expectsExpand {
		ids, err := c.flow.Expand(c.in)
		if err != nil {
			return err
		}
		errs = append(errs, sameIDs("expand", ids, c.expand))
	}
	if c.expectsRecords {
		ids, err := c.flow.AlsoRecords(c.in, c.target)
		if err != nil {
			return err
		}
		errs = append(errs, sameIDs("records", ids, c.records))
	}
	if c.sweep != nil {
		again, err := c.flow.SweepWhile(c.in)
		if err != nil {
			return err
		}
		if again != *c.sweep {
			errs = append(errs, fmt.Errorf("sweep: got %t, want %t", again, *c.sweep))
		}
	}
	if c.outcome != "" {
		d, err := c.flow.Evaluate(c.in)
		if err != nil {
			return err
		}
		var why []string
		if c.merge != nil {
			if d, why, err = c.merge.decide(c.flow, c.in, d); err != nil {
				return err
			}
		}
		errs = append(errs, c.compare(d, why))
	}
	return errors.Join(errs...)
}

func sameIDs(what string, got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s: got [%s], want [%s]", what, strings.Join(got, " "), strings.Join(want, " "))
}

// compare compares a decision with the expected one. An empty decision is that
// nothing is to be written, for the reasons in why.
func (c testCase) compare(d Decision, why []string) error {
	got, texts := "nothing", why
	if d != (Decision{}) {
		got, texts = d.describe()
	}
	if got != c.outcome {
		return fmt.Errorf("got %s: %s; want %s", got, strings.Join(texts, "; "), c.outcome)
	}
	if got != "want" {
		found := func(s string) bool {
			if c.outcome == "waits_for" {
				return s == c.text
			}
			return strings.Contains(s, c.text)
		}
		if !slices.ContainsFunc(texts, found) {
			return fmt.Errorf("%s: got '%s', want '%s'", got, strings.Join(texts, "; "), c.text)
		}
		return nil
	}
	table := tableOf(d.Want.Record.Entity)
	body, err := table.body.canonical(table.bodyOf(&d.Want.Record))
	if err != nil {
		return err
	}
	pol, err := policyStruct.canonical(&d.Want.Policy)
	if err != nil {
		return err
	}
	return errors.Join(append(differences(table.body.name, body, c.want), differences("policy", pol, c.policy)...)...)
}

// describe names the decision by the key that a test case expects it under, and
// what can be said of it.
func (d Decision) describe() (key string, texts []string) {
	switch {
	case d.Skip != nil:
		return "skip", []string{d.Skip.Reason}
	case d.Hold != nil:
		return "hold", []string{d.Hold.Reason, d.Hold.Remedy}
	case d.Wait != nil:
		for _, n := range d.Wait.Needs {
			texts = append(texts, n.Name)
		}
		return "waits_for", texts
	}
	return "want", []string{d.Want.Record.Ref().String()}
}

// differences compares canonical values: what want names must be in got, and
// what it names as nil must not be.
func differences(path string, got, want any) []error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok && len(w) > 0 {
			return []error{fmt.Errorf("%s: got %v", path, shown(got))}
		}
		var errs []error
		for _, k := range slices.Sorted(maps.Keys(w)) {
			errs = append(errs, differences(path+"."+k, g[k], w[k])...)
		}
		return errs
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return []error{fmt.Errorf("%s: got %d entries, want %d", path, len(g), len(w))}
		}
		var errs []error
		for i := range w {
			errs = append(errs, differences(fmt.Sprintf("%s[%d]", path, i), g[i], w[i])...)
		}
		return errs
	}
	if got != want {
		return []error{fmt.Errorf("%s: got %v, want %v", path, shown(got), shown(want))}
	}
	return nil
}

func shown(v any) any {
	if v == nil {
		return "nothing"
	}
	return v
}

// readCases reads the test cases. Their records are checked like the rest.
func (p *parser) readCases(n node) {
	for _, item := range p.list(n) {
		keys := p.object(item, testKeys)
		c := testCase{in: Input{}}
		if n, ok := keys["name"]; ok {
			c.name, _ = p.text(n)
		}
		if n, ok := keys["flow"]; ok {
			name, _ := p.text(n)
			if c.flow = p.recipe.Flow(name); c.flow == nil {
				p.report(n.at, n.path, suggest(name, p.flowNames()), "unknown flow '%s'", name)
			}
		}
		if c.flow == nil || tableOf(c.flow.From.Entity) == nil || tableOf(c.flow.To.Entity) == nil {
			continue // reported
		}
		p.readGiven(&c, item, keys)
		p.readExpected(&c, item, keys)
		p.recipe.cases = append(p.recipe.cases, c)
	}
}

// readGiven reads what a case starts from.
func (p *parser) readGiven(c *testCase, item node, keys map[string]node) {
	p.readCaseParams(c, item, keys)
	c.in.From = p.readSide(keys["from"], c.flow.From.Connection)
	c.in.To = p.readSide(keys["to"], c.flow.To.Connection)
	if n, ok := keys["linked"]; ok {
		c.in.Linked = p.flag(n)
	}
	if n, ok := keys["target_id"]; ok {
		c.in.TargetID, _ = p.text(n)
		c.in.Linked = true
	}
	p.readMerge(c, keys)
	if n, ok := keys["needs"]; ok {
		c.in.Needs = p.readTexts(n)
		for _, name := range sortedKeys(c.in.Needs) {
			if !slices.ContainsFunc(c.flow.needs, func(r needRule) bool { return r.Name == name }) {
				p.report(n.at, n.path, "", "%s has no need '%s'", c.flow.Name, name)
			}
		}
	}
	entity := c.flow.From.Entity
	if _, ok := keys["records"]; ok && len(c.flow.also) > 0 {
		entity = c.flow.also[0].entity
	}
	if n, ok := keys["side"]; ok {
		c.target = p.side(n) == sideTo
	}
	c.in.Record.Entity = entity
	if n, ok := keys["record"]; ok {
		p.readRecord(n, c, keys)
	}
}

func (p *parser) readCaseParams(c *testCase, item node, keys map[string]node) {
	values, at, first := map[string]string{}, item, caseFirstRun
	if n, ok := keys["params"]; ok {
		values, at = p.readTexts(n), n
	}
	if n, ok := keys["first_run"]; ok {
		text, _ := p.text(n)
		d, err := connector.ParseDate(text)
		if err != nil {
			p.report(n.at, n.path, "", "%s", err)
		}
		first = d
	}
	if p.paramsWrong {
		return // every case would report it again
	}
	bound, errs := p.recipe.bind(values, first)
	for _, err := range errs {
		p.report(at.at, at.path, "", "%s", err)
	}
	c.in.Params = bound
}

func (p *parser) readSide(n node, connection string) Side {
	side := Side{Connection: connection}
	if n.ast == nil {
		return side
	}
	keys := p.object(n, sideKeys)
	if n, ok := keys["connection"]; ok {
		side.Connection, _ = p.text(n)
	}
	if n, ok := keys["account"]; ok {
		side.Account, _ = p.text(n)
	}
	return side
}

// readTexts reads a mapping from names to scalars.
func (p *parser) readTexts(n node) map[string]string {
	out := map[string]string{}
	for _, e := range p.mapping(n) {
		if text, ok := p.text(e.value); ok {
			out[e.key] = text
		}
	}
	return out
}

// readExpected reads what a case expects.
func (p *parser) readExpected(c *testCase, item node, keys map[string]node) {
	for _, outcome := range []string{"want", "skip", "hold", "waits_for", "nothing"} {
		n, ok := keys[outcome]
		if !ok {
			continue
		}
		if c.outcome != "" {
			p.report(n.at, n.path, "", "a record cannot end in both %s and %s", c.outcome, outcome)
			continue
		}
		c.outcome = outcome
		if outcome == "want" {
			p.readWant(n, c)
			continue
		}
		c.text, _ = p.text(n)
	}
	if n, ok := keys["expand"]; ok {
		c.expand, c.expectsExpand = p.readIDs(n), true
	}
	if n, ok := keys["records"]; ok {
		c.records, c.expectsRecords = p.readIDs(n), true
	}
	if n, ok := keys["enabled"]; ok {
		on := p.flag(n)
		c.enabled = &on
	}
	if n, ok := keys["sweep"]; ok {
		again := p.flag(n)
		c.sweep = &again
	}
	ofRecord := c.outcome != "" || c.expectsExpand || c.expectsRecords || c.sweep != nil
	if !ofRecord && c.enabled == nil {
		p.report(item.at, item.path, "add want, skip, hold, waits_for, nothing, expand, sweep, records or enabled", "the test expects nothing")
	}
	if _, given := keys["record"]; !given && ofRecord {
		p.report(item.at, item.path, "", "the test needs a record")
	}
}

func (p *parser) readIDs(n node) []string {
	var out []string
	for _, item := range p.list(n) {
		if text, ok := p.text(item); ok {
			out = append(out, text)
		}
	}
	return out
}

// readWant reads the expected record and policy in canonical form.
func (p *parser) readWant(n node, c *testCase) {
	body := tableOf(c.flow.To.Entity).body
	for _, e := range p.mapping(n) {
		switch e.key {
		case body.name:
			c.want = p.readCanonical(e.value, body)
		case policyStruct.name:
			c.policy = p.readCanonical(e.value, policyStruct)
		default:
			p.report(e.keyAt, e.value.path, suggest(e.key, []string{body.name, policyStruct.name}),
				"%s writes %s: 'want' has '%s' and 'policy'", c.flow.Name, c.flow.To, body.name)
		}
	}
	if len(c.want) == 0 && len(c.policy) == 0 {
		p.report(n.at, n.path, "", "want lists no field")
	}
}

// readRecord reads the source record of a case.
func (p *parser) readRecord(n node, c *testCase, keys map[string]node) {
	_, isAlso := keys["records"]
	ours := []string{string(c.flow.From.Entity)}
	if isAlso {
		ours = ours[:0]
		for _, a := range c.flow.also {
			ours = append(ours, string(a.entity))
		}
	}
	p.readRecordOf(n, ours, &c.in.Record)
}

// readRecordOf reads a record whose body is one of those entities.
func (p *parser) readRecordOf(n node, ours []string, rec *connector.Record) {
	shared := newStruct("record", "", nil, recordFields()...)
	for _, e := range p.mapping(n) {
		f, isField := shared.field(e.key)
		switch {
		case isField:
			p.readField(e.value, f, rec)
		case slices.Contains(ours, e.key):
			table := tableOf(connector.Entity(e.key))
			ptr := table.body.construct()
			p.readStruct(e.value, table.body, ptr)
			table.attach(rec, ptr)
			rec.Entity = table.entity
		default:
			p.report(e.keyAt, e.value.path, suggest(e.key, append(shared.fieldNames(), ours...)),
				"unknown field '%s' in a record of %s", e.key, listed(ours))
		}
	}
}
