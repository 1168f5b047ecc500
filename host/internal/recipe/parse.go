package recipe

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/ml-connector/ml-connector/connector"
)

// Names of recipes, connections and flows; names that expressions use.
const (
	namePattern  = `^[a-z][a-z0-9-]*$`
	identPattern = `^[a-z][a-z0-9_]*$`
)

var (
	nameForm  = regexp.MustCompile(namePattern)
	identForm = regexp.MustCompile(identPattern)
)

// reserved are the words that CEL keeps for itself:
// https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
var reserved = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
	"namespace", "null", "package", "return", "true", "var", "void", "while",
}

// parser reads one file into one recipe and collects what is wrong with it.
type parser struct {
	src    *source
	stack  []layer // the file, and those below it
	diags  Diagnostics
	recipe *Recipe
	at     map[string]place // where each flow begins, by name

	extends     place // where the file says what it extends
	paramsWrong bool  // the declarations of params have a mistake
}

// Parse reads a recipe that extends no other. The error is Diagnostics: every
// mistake of the file, in order, or at least every one that does not follow from
// another.
func Parse(file string, data []byte) (*Recipe, error) { return Library{}.parse(file, data) }

// parse reads a recipe on top of those of the library that it extends.
func (l Library) parse(file string, data []byte) (*Recipe, error) {
	p := &parser{
		src:    newSource(file, data, 0),
		recipe: &Recipe{file: file, Connections: map[string]ConnectionDecl{}},
		at:     map[string]place{},
	}
	if root, ok := p.layers(p.src, data, l); ok {
		p.readRecipe(root)
	}
	if len(p.diags) > 0 {
		return nil, p.diags.ordered()
	}
	return p.recipe, nil
}

func (p *parser) readRecipe(root node) {
	keys := p.object(root, recipeKeys)
	r := p.recipe
	p.readName(keys)
	if n, ok := keys["description"]; ok {
		r.Description, _ = p.text(n)
	}
	if n, ok := keys["connections"]; ok {
		p.readConnections(n)
	}
	if n, ok := keys["params"]; ok {
		p.readParams(n)
	}
	r.params = paramStruct(r.Params)
	if n, ok := keys["checks"]; ok {
		p.readChecks(n)
	}
	if n, ok := keys["refuse"]; ok {
		r.refuse = p.readRules(n, refuseKeys, p.paramsScope())
	}
	p.readRetry(keys["retry"])
	r.Poll = pollDefault
	if n, ok := keys["poll"]; ok {
		r.Poll = p.duration(n, pollMin)
	}
	if n, ok := keys["flows"]; ok {
		p.readFlows(n)
	}
	if n, ok := keys["tests"]; ok {
		p.readCases(n)
	}
}

// name reads a name of lower-case letters, digits and dashes.
func (p *parser) name(n node) string {
	text, ok := p.text(n)
	if ok && !nameForm.MatchString(text) {
		p.report(n.at, n.path, "lower-case letters, digits and dashes, beginning with a letter", "'%s' is not a name", text)
	}
	return text
}

// identifier checks a name that expressions use.
func (p *parser) identifier(e entry) {
	switch {
	case slices.Contains(reserved, e.key):
		p.report(e.keyAt, e.value.path, "", "'%s' is a word of the expression language", e.key)
	case !identForm.MatchString(e.key):
		p.report(e.keyAt, e.value.path, "lower-case letters, digits and underscores, beginning with a letter", "'%s' is not a name", e.key)
	}
}

// duration reads a wait of at least low.
func (p *parser) duration(n node, low time.Duration) time.Duration {
	return p.durationWithin(n, low, waitMax)
}

// durationWithin reads a duration between low and high.
func (p *parser) durationWithin(n node, low, high time.Duration) time.Duration {
	text, ok := p.text(n)
	if !ok {
		return low
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		p.report(n.at, n.path, "", "'%s' is not a duration such as 90s or 5m", text)
		return low
	case d < low || d > high:
		p.report(n.at, n.path, "", "%s is not between %s and %s", d, low, high)
		return low
	}
	return d
}

// integer reads a whole number between low and high.
func (p *parser) integer(n node, low, high int) int {
	text, ok := p.text(n)
	if !ok {
		return low
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < low || i > high {
		p.report(n.at, n.path, "", "'%s' is not a whole number between %d and %d", text, low, high)
		return low
	}
	return i
}

func (p *parser) readConnections(n node) {
	for _, e := range p.mapping(n) {
		if !nameForm.MatchString(e.key) {
			p.report(e.keyAt, e.value.path, "lower-case letters, digits and dashes, beginning with a letter", "'%s' is not a name", e.key)
		}
		keys := p.object(e.value, connectionKeys)
		decl := ConnectionDecl{}
		if n, ok := keys["connector"]; ok {
			decl.Connector = p.name(n)
		}
		if n, ok := keys["connection"]; ok {
			decl.Connection, _ = p.text(n)
		}
		p.recipe.Connections[e.key] = decl
	}
}

func (p *parser) readParams(n node) {
	before := len(p.diags)
	defer func() { p.paramsWrong = len(p.diags) > before }()
	for _, e := range p.mapping(n) {
		p.identifier(e)
		keys := p.object(e.value, paramKeys)
		preset(keys)
		param := Param{Name: e.key}
		n, ok := keys["type"]
		if !ok {
			continue // reported
		}
		param.Type, _ = p.text(n)
		if _, ok := paramTypeOf(param.Type); !ok {
			p.report(n.at, n.path, suggest(param.Type, paramTypeNames()), "unknown type '%s': it is %s", param.Type, listed(paramTypeNames()))
			continue
		}
		if n, ok := keys["required"]; ok {
			param.Required = p.flag(n)
		}
		if n, ok := keys["help"]; ok {
			param.Help, _ = p.text(n)
		}
		if n, ok := keys["one_of"]; ok {
			p.readOneOf(n, &param)
		}
		if n, ok := keys["lasting"]; ok {
			p.readLasting(n, &param)
		}
		if n, ok := keys["default"]; ok {
			p.readDefault(n, &param)
		}
		p.recipe.Params = append(p.recipe.Params, param)
	}
}

func (p *parser) readOneOf(n node, param *Param) {
	for _, item := range p.list(n) {
		if text, ok := p.text(item); ok {
			param.OneOf = append(param.OneOf, text)
		}
	}
	if param.Type != "string" {
		p.report(n.at, n.path, "", "one_of is for parameters of type string")
		param.OneOf = nil
	}
}

func (p *parser) readLasting(n node, param *Param) {
	for _, item := range p.list(n) {
		text, ok := p.text(item)
		switch {
		case !ok:
		case !slices.Contains(param.OneOf, text):
			p.report(item.at, item.path, suggest(text, param.OneOf), "'%s' is not among one_of", text)
		default:
			param.Lasting = append(param.Lasting, text)
		}
	}
}

func (p *parser) readDefault(n node, param *Param) {
	text, ok := p.text(n)
	if !ok {
		return
	}
	if param.Required {
		p.report(n.at, n.path, "", "a required parameter has no default")
		return
	}
	first := connector.Date{}
	if text == firstRun && param.Type == "date" {
		first = caseFirstRun // any date will do to check the default
	}
	param.Default = text
	if _, err := param.value(text, first); err != nil {
		p.report(n.at, n.path, "", "%s", err)
	}
}

func (p *parser) readChecks(n node) {
	sc := p.paramsScope()
	for _, item := range p.list(n) {
		keys := p.object(item, checkKeys)
		check := Check{}
		if n, ok := keys["connection"]; ok {
			check.Connection, _ = p.text(n)
			p.knownConnection(n, check.Connection)
		}
		if n, ok := keys["posting_account"]; ok {
			check.posting = p.compile(sc, n, cel.StringType)
		}
		if n, ok := keys["currency_of"]; ok {
			check.CurrencyOf, _ = p.text(n)
			p.knownConnection(n, check.CurrencyOf)
		}
		if n, ok := keys["counter_account"]; ok {
			check.counter = p.compile(sc, n, cel.StringType)
		}
		p.recipe.Checks = append(p.recipe.Checks, check)
	}
}

func (p *parser) knownConnection(n node, name string) {
	if _, ok := p.recipe.Connections[name]; !ok {
		p.report(n.at, n.path, suggest(name, sortedKeys(p.recipe.Connections)), "unknown connection '%s'", name)
	}
}

func (p *parser) readRetry(n node) {
	r := Retry{Attempts: attemptsDefault, First: firstDefault, Factor: factorDefault, Cap: capDefault}
	if n.ast != nil {
		keys := p.object(n, retryKeys)
		if n, ok := keys["attempts"]; ok {
			r.Attempts = p.integer(n, 1, attemptsMax)
		}
		if n, ok := keys["first"]; ok {
			r.First = p.duration(n, time.Millisecond)
		}
		if n, ok := keys["factor"]; ok {
			r.Factor = p.integer(n, 1, factorMax)
		}
		if n, ok := keys["cap"]; ok {
			r.Cap = p.duration(n, time.Millisecond)
			if r.Cap < r.First {
				p.report(n.at, n.path, "", "the longest wait, %s, is shorter than the first, %s", r.Cap, r.First)
			}
		}
	}
	p.recipe.Retry = r
}

// paramsScope is what sees the parameters alone.
func (p *parser) paramsScope() *scope {
	return p.scope([]*structType{p.recipe.params}, map[string]*cel.Type{"params": p.recipe.params.celType})
}

// scope makes a scope; nil when our own tables are wrong, which a test excludes.
func (p *parser) scope(own []*structType, vars map[string]*cel.Type) *scope {
	sc, err := newScope(own, vars)
	if err != nil {
		p.report(p.src.start(), "", "", "%s", err)
		return nil
	}
	return sc
}
