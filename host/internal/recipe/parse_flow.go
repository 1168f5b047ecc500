package recipe

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/ml-connector/ml-connector/connector"
)

// readFlows reads the flows in two rounds: their ends first, since a flow's
// needs and inverse speak of others.
func (p *parser) readFlows(n node) {
	type draft struct {
		flow *Flow
		at   node
		keys map[string]node
	}
	var drafts []draft
	for _, e := range p.mapping(n) {
		if !nameForm.MatchString(e.key) {
			p.report(e.keyAt, e.value.path, "lower-case letters, digits and dashes, beginning with a letter", "'%s' is not a name", e.key)
		}
		f := &Flow{Name: e.key, Poll: p.recipe.Poll, recipe: p.recipe}
		keys := p.object(e.value, flowKeys)
		p.readHead(f, keys)
		p.recipe.Flows = append(p.recipe.Flows, f)
		p.at[e.key] = e.keyAt
		drafts = append(drafts, draft{f, e.value, keys})
	}
	if len(drafts) == 0 {
		p.report(n.at, n.path, "", "a recipe needs a flow")
	}
	for _, d := range drafts {
		if n, ok := d.keys["inverse"]; ok {
			p.checkInverse(d.flow, n)
		}
		if d.flow.From.Entity != "" && d.flow.To.Entity != "" {
			p.readFlow(d.flow, d.keys)
		}
	}
	for _, d := range drafts {
		if n, ok := d.keys["owns"]; ok && len(d.flow.fields) > 0 {
			p.readOwns(d.flow, n)
		}
	}
	p.refuseCycles()
}

func (p *parser) readHead(f *Flow, keys map[string]node) {
	if n, ok := keys["description"]; ok {
		f.Description, _ = p.text(n)
	}
	if n, ok := keys["from"]; ok {
		f.From = p.readEnd(n)
	}
	if n, ok := keys["to"]; ok {
		f.To = p.readEnd(n)
		if f.To.Connection != "" && f.To.Connection == f.From.Connection {
			p.report(n.at, n.path, "", "a flow goes from one connection to another")
		}
	}
	if n, ok := keys["inverse"]; ok {
		f.Inverse, _ = p.text(n)
	}
	if n, ok := keys["poll"]; ok {
		f.Poll = p.duration(n, pollMin)
	}
}

// readEnd reads "connection.entity" or "connection.entity.stream". An unknown
// entity leaves Entity empty; which streams there are, only the connector knows.
func (p *parser) readEnd(n node) End {
	text, ok := p.text(n)
	if !ok {
		return End{}
	}
	connection, entity, dot := strings.Cut(text, ".")
	if !dot {
		p.report(n.at, n.path, "write connection.entity, such as xero.invoice", "'%s' names no entity", text)
		return End{}
	}
	p.knownConnection(n, connection)
	entity, stream, dotted := strings.Cut(entity, ".")
	if dotted && !identForm.MatchString(stream) {
		p.report(n.at, n.path, "write connection.entity.stream, such as stripe.payment.fees", "'%s' is not the name of a stream", stream)
	}
	return End{Connection: connection, Entity: p.entity(n, entity), Stream: stream}
}

func (p *parser) entity(n node, name string) connector.Entity {
	if tableOf(connector.Entity(name)) == nil {
		p.report(n.at, n.path, suggest(name, entityNames()), "unknown entity '%s': it is %s", name, listed(entityNames()))
		return ""
	}
	return connector.Entity(name)
}

func (p *parser) checkInverse(f *Flow, n node) {
	g := p.recipe.Flow(f.Inverse)
	switch {
	case g == nil:
		p.report(n.at, n.path, suggest(f.Inverse, p.flowNames()), "unknown flow '%s'", f.Inverse)
	case g.From != f.To || g.To != f.From:
		p.report(n.at, n.path, "", "%s goes from %s to %s: that is not the way back", g.Name, g.From, g.To)
	case g.Inverse != f.Name:
		p.report(n.at, n.path, "write 'inverse: "+f.Name+"' there", "%s does not name this flow as its inverse", g.Name)
	}
}

func (p *parser) flowNames() []string {
	out := make([]string, len(p.recipe.Flows))
	for i, f := range p.recipe.Flows {
		out[i] = f.Name
	}
	return out
}

// readFlow reads all that has expressions.
func (p *parser) readFlow(f *Flow, keys map[string]node) {
	if n, ok := keys["enabled"]; ok {
		f.enabled = p.compile(p.paramsScope(), n, cel.BoolType)
	}
	if n, ok := keys["also"]; ok {
		p.readAlso(f, n)
	}
	early := p.flowScope(f, nil) // before needs are known
	if n, ok := keys["needs"]; ok {
		p.readNeeds(f, n, early)
	}
	if n, ok := keys["expand"]; ok {
		f.expand = p.compile(early, n, cel.ListType(cel.StringType))
	}
	if n, ok := keys["sweep"]; ok {
		p.readSweep(f, n, early)
	}
	f.needsType = needsStruct(f.needs)
	full := p.flowScope(f, f.needsType)
	rules := full
	if full != nil {
		rules = &scope{env: full.env, vars: full.vars, structs: full.structs, forbidden: requiredNeeds(f.needs)}
	}
	if n, ok := keys["skip"]; ok {
		f.skip = p.readRules(n, skipKeys, rules)
	}
	if n, ok := keys["hold"]; ok {
		f.hold = p.readRules(n, holdKeys, rules)
	}
	if n, ok := keys["policy"]; ok {
		p.readPolicy(f, n)
	}
	if n, ok := keys["map"]; ok {
		p.readMap(f, n, full)
	}
}

// flowScope is what a flow's expressions see; needs may be nil.
func (p *parser) flowScope(f *Flow, needs *structType) *scope {
	table := tableOf(f.From.Entity)
	own := []*structType{p.recipe.params}
	vars := map[string]*cel.Type{
		string(f.From.Entity): table.record.celType,
		"params":              p.recipe.params.celType,
		"linked":              cel.BoolType,
		"target_id":           cel.StringType,
		"from":                sideStruct.celType,
		"to":                  sideStruct.celType,
	}
	if needs != nil {
		own = append(own, needs)
		vars["needs"] = needs.celType
	}
	return p.scope(own, vars)
}

// The ends of a flow, as an also rule names them.
const (
	sideFrom = "from"
	sideTo   = "to"
)

func (p *parser) side(n node) string {
	text, _ := p.text(n)
	if text != sideFrom && text != sideTo {
		p.report(n.at, n.path, suggest(text, []string{sideFrom, sideTo}), "a side is 'from' or 'to'")
	}
	return text
}

func (p *parser) readAlso(f *Flow, n node) {
	for _, item := range p.list(n) {
		keys := p.object(item, alsoKeys)
		rule := alsoRule{}
		if n, ok := keys["entity"]; ok {
			text, _ := p.text(n)
			rule.entity = p.entity(n, text)
			if rule.entity == f.From.Entity {
				p.report(n.at, n.path, "", "the flow starts from %s as it is", f.From)
			}
		}
		if n, ok := keys["side"]; ok {
			rule.target = p.side(n) == sideTo
		}
		if n, ok := keys["records"]; ok && rule.entity != "" {
			params := p.recipe.params
			sc := p.scope([]*structType{params}, map[string]*cel.Type{
				string(rule.entity): tableOf(rule.entity).record.celType,
				"params":            params.celType,
				"from":              sideStruct.celType,
				"to":                sideStruct.celType,
			})
			rule.records = p.compile(sc, n, cel.ListType(cel.StringType))
		}
		f.also = append(f.also, rule)
	}
}

func (p *parser) readNeeds(f *Flow, n node, sc *scope) {
	for _, e := range p.mapping(n) {
		p.identifier(e)
		keys := p.object(e.value, needKeys)
		need := needRule{Need: Need{Name: e.key}}
		if n, ok := keys["reverse"]; ok {
			need.Reverse = p.flag(n)
		}
		if n, ok := keys["optional"]; ok {
			need.Optional = p.flag(n)
		}
		if need.Reverse && !need.Optional {
			p.report(e.keyAt, e.value.path, "write optional: true", "a reverse need is optional: no flow can be run for it")
		}
		if n, ok := keys["flow"]; ok {
			need.Flow, _ = p.text(n)
			p.checkNeed(f, need.Need, n)
		}
		if n, ok := keys["id"]; ok {
			need.id = p.compile(sc, n, cel.StringType)
		}
		f.needs = append(f.needs, need)
	}
}

// checkNeed makes sure that a need's flow joins the same two connections.
func (p *parser) checkNeed(f *Flow, need Need, n node) {
	g := p.recipe.Flow(need.Flow)
	if g == nil {
		p.report(n.at, n.path, suggest(need.Flow, p.flowNames()), "unknown flow '%s'", need.Flow)
		return
	}
	from, to := g.From.Connection, g.To.Connection
	if need.Reverse {
		from, to = to, from
	}
	if from == f.From.Connection && to == f.To.Connection {
		return
	}
	hint := ""
	if to == f.From.Connection && from == f.To.Connection {
		hint = "write reverse: true to look from its target back to its source"
		if need.Reverse {
			hint = "leave out reverse"
		}
	}
	p.report(n.at, n.path, hint, "%s goes from %s to %s: it does not lead from %s to %s", g.Name, g.From, g.To, f.From.Connection, f.To.Connection)
}

// needsStruct is the type of `needs` in a flow's expressions.
func needsStruct(needs []needRule) *structType {
	fields := make([]field, 0, len(needs))
	for _, n := range needs {
		name := n.Name
		fields = append(fields, field{
			name: name, celType: cel.StringType, doc: "id of the record that " + n.Flow + " brings; '' when there is none",
			isSet: func(obj any) bool { return (*obj.(*map[string]string))[name] != "" },
			get:   func(obj any) (ref.Val, error) { return types.String((*obj.(*map[string]string))[name]), nil },
		})
	}
	return newStruct("needs", "Ids of the records that the flow needs.", nil, fields...)
}

// requiredNeeds says why skip and hold cannot use a need that is not optional:
// they are asked before its flow is run, when the id may not be there yet.
func requiredNeeds(needs []needRule) map[string]string {
	out := map[string]string{}
	for _, n := range needs {
		if !n.Optional {
			out[n.Name] = "needs." + n.Name + " is required, so it may not be there yet when this is asked; only optional needs can be used here"
		}
	}
	return out
}

func (p *parser) readRules(n node, table keyTable, sc *scope) []rule {
	var out []rule
	for _, item := range p.list(n) {
		keys := p.object(item, table)
		r := rule{}
		if n, ok := keys["when"]; ok {
			r.when = p.compile(sc, n, cel.BoolType)
		}
		if n, ok := keys["because"]; ok {
			r.because = p.compileReason(sc, n)
		}
		if n, ok := keys["remedy"]; ok {
			r.remedy = p.compileReason(sc, n)
		}
		out = append(out, r)
	}
	return out
}

func (p *parser) readPolicy(f *Flow, n node) {
	sc := p.paramsScope()
	keys := p.object(n, policyKeys)
	for _, pf := range policyStruct.fields {
		if n, ok := keys[pf.name]; ok {
			f.policy = append(f.policy, mapping{pf, p.compileField(sc, n, pf)})
		}
	}
}

func (p *parser) readMap(f *Flow, n node, sc *scope) {
	body := tableOf(f.To.Entity).body
	entries := p.mapping(n)
	for _, e := range entries {
		target, ok := body.field(e.key)
		switch {
		case !ok:
			p.report(e.keyAt, e.value.path, suggest(e.key, body.fieldNames()), "%s has no field '%s'", body.name, e.key)
		case target.readOnly:
			p.report(e.keyAt, e.value.path, "", "%s.%s is set by the service", body.name, e.key)
		case e.value.isNull():
			p.report(e.keyAt, e.value.path, "leave the key out to leave the field alone", "'%s' has no value", e.key)
		default:
			f.fields = append(f.fields, mapping{target, p.compileField(sc, e.value, target)})
		}
	}
	if len(entries) == 0 {
		p.report(n.at, n.path, "", "map has no field")
	}
}

// refuseCycles reports flows that need each other: none could be run first.
func (p *parser) refuseCycles() {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(f *Flow, trail []string)
	visit = func(f *Flow, trail []string) {
		trail = append(trail, f.Name)
		state[f.Name] = visiting
		for _, n := range f.needs {
			g := p.recipe.Flow(n.Flow)
			if g == nil || n.Reverse {
				continue // reported, or never run on demand
			}
			switch state[g.Name] {
			case visiting:
				p.report(p.at[f.Name], "flows."+f.Name+".needs."+n.Name, "", "flows need each other: %s", strings.Join(append(trail, g.Name), " -> "))
			case 0:
				visit(g, trail)
			}
		}
		state[f.Name] = done
	}
	for _, f := range p.recipe.Flows {
		if state[f.Name] == 0 {
			visit(f, nil)
		}
	}
}
