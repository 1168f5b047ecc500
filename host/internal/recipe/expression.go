package recipe

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/goccy/go-yaml/token"
)

// Limits of expressions. Real ones have a few dozen characters and cost a few
// dozen steps; an invoice of a thousand lines, mapped line by line, stays well
// below the cost.
const (
	expressionCharsMax = 4096
	expressionNodesMax = 2048
	expressionDepthMax = 64
	evaluationCostMax  = 1_000_000
)

// expression is a compiled CEL expression, or a constant.
type expression struct {
	path     string // where it stands: "skip[0].when"
	program  cel.Program
	constant ref.Val // set instead of program for plain text
}

// scope is what the expressions of one place can see.
type scope struct {
	env     *cel.Env
	vars    map[string]*cel.Type
	structs map[string]*structType

	// forbidden maps a name in `needs` to why the place cannot use it.
	forbidden map[string]string
}

// newScope makes a scope of the built-in types, some of the recipe's own, and
// variables.
func newScope(own []*structType, vars map[string]*cel.Type) (*scope, error) {
	structs := append(builtStructs(), own...)
	env, err := newEnv(structs, vars)
	if err != nil {
		return nil, err
	}
	sc := &scope{env: env, vars: vars, structs: map[string]*structType{}}
	for _, s := range structs {
		sc.structs[s.name] = s
	}
	return sc, nil
}

// compile checks an expression, which must be of type want. It returns nil when
// it is wrong; the mistakes are reported.
func (p *parser) compile(sc *scope, n node, want *cel.Type) *expression {
	text, ok := p.text(n)
	if !ok {
		return nil
	}
	return p.compileText(sc, n, text, 0, want, nil)
}

// compileField is compile for the value of a field, which may hold only a few
// words.
func (p *parser) compileField(sc *scope, n node, f field) *expression {
	text, ok := p.text(n)
	if !ok {
		return nil
	}
	return p.compileText(sc, n, text, 0, f.celType, f.words)
}

// compileReason reads plain text, or an expression after '='.
func (p *parser) compileReason(sc *scope, n node) *expression {
	text, ok := p.text(n)
	if !ok {
		return nil
	}
	if code, isCode := strings.CutPrefix(text, "="); isCode {
		return p.compileText(sc, n, code, 1, cel.StringType, nil)
	}
	if strings.TrimSpace(text) == "" {
		p.report(n.at, n.path, "", "a reason is needed")
		return nil
	}
	return &expression{path: n.path, constant: types.String(text)}
}

// compileText compiles code that begins after `skipped` characters of the
// node's text.
func (p *parser) compileText(sc *scope, n node, code string, skipped int, want *cel.Type, words []string) *expression {
	if sc == nil {
		return nil // what it would see is itself wrong, and reported
	}
	c := &compilation{parser: p, scope: sc, node: n, code: code, skipped: skipped}
	ast, issues := sc.env.Compile(code)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			c.reportIssue(e)
		}
		return nil
	}
	before := len(p.diags)
	c.checkTree(ast.NativeRep())
	if len(p.diags) == before && !assignable(want, ast.OutputType()) {
		hint := ""
		if want == amountType {
			hint = "write money('10.50', 'NZD')"
		}
		p.report(c.placeAt(0), n.path, hint, "this is %s; expected %s", typeName(ast.OutputType()), typeName(want))
	}
	if len(p.diags) == before && words != nil {
		c.checkWords(ast.NativeRep(), ast.NativeRep().Expr(), words)
	}
	if len(p.diags) != before {
		return nil
	}
	program, err := sc.env.Program(ast, cel.CostLimit(evaluationCostMax))
	if err != nil {
		p.report(n.at, n.path, "", "%s", err)
		return nil
	}
	return &expression{path: n.path, program: program}
}

// assignable reports whether a value of type got may stand where want is
// expected. Nothing dynamic may: its type is known only at run time.
func assignable(want, got *cel.Type) bool { return want.IsAssignableType(got) }

func typeName(t *cel.Type) string { return cel.FormatCELType(t) }

// eval computes the expression. Errors say what could not be computed.
func (e *expression) eval(vars any) (ref.Val, error) {
	if e.constant != nil {
		return e.constant, nil
	}
	v, _, err := e.program.Eval(vars)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	return v, nil
}

// text computes an expression whose type is text.
func (e *expression) text(vars any) (string, error) {
	v, err := e.eval(vars)
	if err != nil {
		return "", err
	}
	s, err := unwrapText(v)
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.path, err)
	}
	return s, nil
}

// holds computes an expression that is true or false.
func (e *expression) holds(vars any) (bool, error) {
	v, err := e.eval(vars)
	if err != nil {
		return false, err
	}
	b, err := unwrapFlag(v)
	if err != nil {
		return false, fmt.Errorf("%s: %w", e.path, err)
	}
	return b, nil
}

// ids computes a list of ids; empty ones and repeats are left out.
func (e *expression) ids(vars any) ([]string, error) {
	v, err := e.eval(vars)
	if err != nil {
		return nil, err
	}
	all, err := unwrapTexts(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	var out []string
	for _, id := range all {
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// compilation is one expression while it is checked.
type compilation struct {
	parser  *parser
	scope   *scope
	node    node
	code    string
	skipped int // characters of the node's text before the code
	places  []place
}

// placeAt returns where a character of the code stands in the file.
func (c *compilation) placeAt(offset int) place {
	if c.places == nil {
		text, _ := c.parser.text(c.node)
		c.places = c.node.at.in.places(tokenOf(c.node), text)
	}
	i := min(max(offset+c.skipped, 0), len(c.places)-1)
	return c.places[i]
}

// tokenOf returns the token at which the node's text begins.
func tokenOf(n node) *token.Token { return n.ast.GetToken() }

// offsetOf turns CEL's position in the code (line from 1, column from 0) into
// a number of characters.
func (c *compilation) offsetOf(line, column int) int {
	lines := strings.Split(c.code, "\n")
	offset := column
	for i := range min(line-1, len(lines)) {
		offset += len([]rune(lines[i])) + 1
	}
	return offset
}
