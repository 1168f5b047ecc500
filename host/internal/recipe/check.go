package recipe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// CEL's messages, in the forms of its type checker.
var (
	undeclared  = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	typeAsValue = regexp.MustCompile(`^type 'type\(([a-z]+)\)' does not support field selection$`)
	syntaxError = regexp.MustCompile(`^Syntax error: (.*?)( expecting \{.*)?$`)
	noField     = regexp.MustCompile(`^undefined field '([^']*)'$`)
	noOverload  = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	numberTypes = regexp.MustCompile(`\b(int|uint|double)\b`)
)

// reportIssue reports a mistake that CEL found, in our words.
func (c *compilation) reportIssue(e *common.Error) {
	at := c.placeAt(c.offsetOf(e.Location.Line(), e.Location.Column()))
	message, hint := e.Message, ""
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		message, hint = "unknown name '"+m[1]+"'", suggest(m[1], c.names())
		if hint == "" {
			hint = c.visible()
		}
	} else if m := typeAsValue.FindStringSubmatch(e.Message); m != nil {
		message, hint = "'"+m[1]+"' is not known here", c.visible()
	} else if m := noField.FindStringSubmatch(e.Message); m != nil {
		message, hint = c.explainField(e.ExprID, m[1])
	} else if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		message = fmt.Sprintf("'%s' does not apply to %s", symbolOf(m[1]), m[2])
		if strings.Contains(m[2], "money") && numberTypes.MatchString(m[2]) {
			hint = "money goes only with money: money('10.50', 'NZD')"
		}
	} else if m := syntaxError.FindStringSubmatch(e.Message); m != nil {
		message = "this is not an expression: " + strings.Replace(m[1], "mismatched input '<EOF>'", "it ends too early", 1)
	}
	c.parser.report(at, c.node.path, hint, "%s", message)
}

// symbolOf returns an operator as it is written: '+' for '_+_'.
func symbolOf(function string) string {
	if symbol, ok := operators.FindReverse(function); ok && symbol != "" {
		return symbol
	}
	return function
}

// names lists what the code can name, for suggestions.
func (c *compilation) names() []string {
	names := sortedKeys(c.scope.vars)
	for name := range c.scope.env.Functions() {
		if name[0] >= 'a' && name[0] <= 'z' { // not an operator
			names = append(names, name)
		}
	}
	return names
}

// visible says what the code can see.
func (c *compilation) visible() string {
	return "this expression sees " + strings.ReplaceAll(listed(sortedKeys(c.scope.vars)), " or ", " and ")
}

// explainField names the type that lacks a field, where its operand is a plain
// chain of names, and the field that may have been meant.
func (c *compilation) explainField(id int64, name string) (message, hint string) {
	message = "unknown field '" + name + "'"
	parsed, issues := c.scope.env.Parse(c.code)
	if issues.Err() != nil {
		return message, ""
	}
	var owner *structType
	ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch {
		case e.Kind() == ast.SelectKind && e.ID() == id:
			owner = c.structOf(e.AsSelect().Operand())
		case e.Kind() == ast.StructKind:
			for _, entry := range e.AsStruct().Fields() {
				if entry.ID() == id {
					owner = c.scope.structs[e.AsStruct().TypeName()]
				}
			}
		}
	}))
	if owner != nil {
		if len(owner.fields) == 0 {
			return fmt.Sprintf("%s has no field '%s'", owner.name, name), "there are none"
		}
		return fmt.Sprintf("%s has no field '%s'", owner.name, name), suggest(name, owner.fieldNames())
	}
	var all []string
	for _, s := range c.scope.structs {
		all = append(all, s.fieldNames()...)
	}
	return message, suggest(name, all)
}

// structOf returns the struct type of an expression like a.b.c, or nil.
func (c *compilation) structOf(e ast.Expr) *structType {
	var t *cel.Type
	switch e.Kind() {
	case ast.IdentKind:
		t = c.scope.vars[e.AsIdent()]
	case ast.SelectKind:
		owner := c.structOf(e.AsSelect().Operand())
		if owner == nil {
			return nil
		}
		f, _ := owner.field(e.AsSelect().FieldName())
		t = f.celType
	}
	if t == nil || t.Kind() != types.StructKind {
		return nil
	}
	return c.scope.structs[t.TypeName()]
}

// checkTree makes the checks that CEL does not: no floating point, no struct
// that only a service can make, no word that a field never holds, no constant
// that is not one.
func (c *compilation) checkTree(a *ast.AST) {
	ast.PreOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if a.GetType(e.ID()).Kind() == types.DoubleKind {
			c.reportAt(a, e, "write decimal('1.5')", "there are no floating-point numbers in recipes")
			return
		}
		switch e.Kind() {
		case ast.StructKind:
			name := e.AsStruct().TypeName()
			if s := c.scope.structs[name]; s == nil || s.construct == nil {
				c.reportAt(a, e, "", "%s cannot be built in an expression", name)
			}
		case ast.SelectKind:
			c.checkNeed(a, e)
		case ast.CallKind:
			c.checkCall(a, e)
		}
	}))
}

// checkNeed refuses needs that the place cannot rely on.
func (c *compilation) checkNeed(a *ast.AST, e ast.Expr) {
	operand := e.AsSelect().Operand()
	if operand.Kind() != ast.IdentKind || operand.AsIdent() != "needs" {
		return
	}
	if why, ok := c.scope.forbidden[e.AsSelect().FieldName()]; ok {
		c.reportAt(a, e, "", "%s", why)
	}
}

// checkCall checks comparisons with words, and constants of our own types.
func (c *compilation) checkCall(a *ast.AST, e ast.Expr) {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals:
		if words := c.wordsOf(a, args[0]); words != nil {
			c.checkWords(a, args[1], words)
		}
		if words := c.wordsOf(a, args[1]); words != nil {
			c.checkWords(a, args[0], words)
		}
	case operators.In:
		if words := c.wordsOf(a, args[0]); words != nil && args[1].Kind() == ast.ListKind {
			for _, element := range args[1].AsList().Elements() {
				c.checkWords(a, element, words)
			}
		}
	case "money", "decimal", "date":
		c.checkConstant(a, e)
	}
}

// checkConstant computes money('…', '…') and its like when all is constant.
func (c *compilation) checkConstant(a *ast.AST, e ast.Expr) {
	var args []ref.Val
	for _, arg := range e.AsCall().Args() {
		if arg.Kind() != ast.LiteralKind {
			return
		}
		args = append(args, arg.AsLiteral())
	}
	var v ref.Val
	switch e.AsCall().FunctionName() {
	case "money":
		v = parseAmount(args[0], args[1])
	case "decimal":
		v = parseDecimal(args[0])
	default:
		v = parseDate(args[0])
	}
	if _, err := valueOrError(v); err != nil {
		c.reportAt(a, e, "", "%s", err)
	}
}

// checkWords reports constant text that is none of the words, nor empty, in
// every branch of a conditional.
func (c *compilation) checkWords(a *ast.AST, e ast.Expr, words []string) {
	switch {
	case e.Kind() == ast.LiteralKind:
		s, ok := e.AsLiteral().(types.String)
		if ok && s != "" && !slices.Contains(words, string(s)) {
			c.reportAt(a, e, suggest(string(s), words), "'%s' is not %s", string(s), listed(words))
		}
	case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Conditional:
		c.checkWords(a, e.AsCall().Args()[1], words)
		c.checkWords(a, e.AsCall().Args()[2], words)
	default:
		foreign := slices.DeleteFunc(slices.Clone(c.wordsOf(a, e)), func(w string) bool { return slices.Contains(words, w) })
		if len(foreign) > 0 {
			c.reportAt(a, e, "", "this can be %s; expected %s", listed(foreign), listed(words))
		}
	}
}

// wordsOf returns the words that a field can hold, or nil when any text.
func (c *compilation) wordsOf(a *ast.AST, e ast.Expr) []string {
	if e.Kind() != ast.SelectKind || e.AsSelect().IsTestOnly() {
		return nil
	}
	t := a.GetType(e.AsSelect().Operand().ID())
	owner := c.scope.structs[t.TypeName()]
	if owner == nil || t.Kind() != types.StructKind {
		return nil
	}
	f, _ := owner.field(e.AsSelect().FieldName())
	return f.words
}

// reportAt reports a mistake where a sub-expression begins.
func (c *compilation) reportAt(a *ast.AST, e ast.Expr, hint, format string, args ...any) {
	at := c.placeAt(0)
	if span, ok := a.SourceInfo().GetOffsetRange(c.leftmost(e).ID()); ok {
		at = c.placeAt(int(span.Start))
	}
	c.parser.report(at, c.node.path, hint, format, args...)
}

// leftmost returns the sub-expression with which e begins: CEL gives a
// selection the position of its dot.
func (c *compilation) leftmost(e ast.Expr) ast.Expr {
	for e.Kind() == ast.SelectKind {
		e = e.AsSelect().Operand()
	}
	return e
}
