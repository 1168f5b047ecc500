package recipe

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// The records of test cases are written in YAML with the same field names as in
// expressions: sums as "115.00 NZD", dates as "2026-09-14", times in RFC 3339.

// readStruct reads a mapping into a Go struct.
func (p *parser) readStruct(n node, t *structType, ptr any) {
	for _, e := range p.mapping(n) {
		f, ok := t.field(e.key)
		if !ok {
			p.report(e.keyAt, e.value.path, suggest(e.key, t.fieldNames()), "%s has no field '%s'", t.name, e.key)
			continue
		}
		p.readField(e.value, f, ptr)
	}
}

// readField reads one field; no value leaves it unset.
func (p *parser) readField(n node, f field, ptr any) {
	if n.isNull() {
		return
	}
	v, ok := p.value(n, f.celType)
	if !ok {
		return
	}
	if err := f.set(ptr, v); err != nil {
		p.report(n.at, n.path, "", "%s", err)
	}
}

// readCanonical reads expected fields in the form in which they are compared;
// nil means that the field must be unset.
func (p *parser) readCanonical(n node, t *structType) map[string]any {
	out := map[string]any{}
	for _, e := range p.mapping(n) {
		f, ok := t.field(e.key)
		if !ok {
			p.report(e.keyAt, e.value.path, suggest(e.key, t.fieldNames()), "%s has no field '%s'", t.name, e.key)
			continue
		}
		out[e.key] = p.canonical(e.value, f, t.construct())
	}
	return out
}

// canonical reads an expected value; ptr is a struct to try it on. Structs and
// lists of them keep to the fields that the test lists.
func (p *parser) canonical(n node, f field, ptr any) any {
	if n.isNull() {
		return nil
	}
	t := f.celType
	if of := constructible(t); of != nil {
		return p.readCanonical(n, of)
	}
	if t.Kind() == types.ListKind {
		if of := constructible(t.Parameters()[0]); of != nil {
			out := []any{}
			for _, item := range p.list(n) {
				out = append(out, p.readCanonical(item, of))
			}
			return out
		}
	}
	v, ok := p.value(n, t)
	if !ok {
		return nil
	}
	if err := f.set(ptr, v); err != nil {
		p.report(n.at, n.path, "", "%s", err)
		return nil
	}
	if !f.isSet(ptr) {
		return nil // '' and 0 are the unset values of text and numbers
	}
	c, err := canonicalValue(v)
	if err != nil {
		p.report(n.at, n.path, "", "%s", err)
	}
	return c
}

// value reads a value of a type.
func (p *parser) value(n node, t *cel.Type) (ref.Val, bool) {
	switch t.Kind() {
	case types.StructKind:
		of := constructible(t)
		if of == nil {
			break
		}
		ptr := of.construct()
		p.readStruct(n, of, ptr)
		return &object{of: of, ptr: ptr}, true
	case types.ListKind:
		var vals []ref.Val
		for _, item := range p.list(n) {
			if v, ok := p.value(item, t.Parameters()[0]); ok {
				vals = append(vals, v)
			}
		}
		return types.NewRefValList(adapter{}, vals), true
	case types.MapKind:
		vals := map[ref.Val]ref.Val{}
		for _, e := range p.mapping(n) {
			if v, ok := p.value(e.value, t.Parameters()[1]); ok {
				vals[types.String(e.key)] = v
			}
		}
		return types.NewRefValMap(adapter{}, vals), true
	}
	text, ok := p.text(n)
	if !ok {
		return nil, false
	}
	v, err := parseScalar(text, t)
	if err != nil {
		p.report(n.at, n.path, "", "%s", err)
		return nil, false
	}
	return v, true
}

// constructible returns the struct of a type that recipes can write, or nil.
func constructible(t *cel.Type) *structType {
	if t.Kind() != types.StructKind {
		return nil
	}
	for _, s := range builtStructs() {
		if s.name == t.TypeName() && s.construct != nil {
			return s
		}
	}
	return nil
}

// parseScalar reads the text of a value.
func parseScalar(text string, t *cel.Type) (ref.Val, error) {
	switch t {
	case cel.StringType:
		return types.String(text), nil
	case cel.BoolType:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("'%s' is not true or false", text)
		}
		return types.Bool(b), nil
	case cel.IntType:
		i, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("'%s' is not a whole number", text)
		}
		return types.Int(i), nil
	case cel.TimestampType:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, fmt.Errorf("'%s' is not a time such as 2026-09-14T10:00:00Z", text)
		}
		return types.Timestamp{Time: at.UTC()}, nil
	case dateType:
		return valueOrError(parseDate(types.String(text)))
	case decimalType:
		return valueOrError(parseDecimal(types.String(text)))
	case amountType:
		number, currency, ok := strings.Cut(text, " ")
		if !ok {
			return nil, fmt.Errorf("'%s' is not a sum such as 115.00 NZD", text)
		}
		return valueOrError(parseAmount(types.String(number), types.String(currency)))
	}
	return nil, fmt.Errorf("%s cannot be written in a test", typeName(t))
}
