package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/ml-connector/ml-connector/connector"
)

// Param is something that the owner chooses.
type Param struct {
	Name     string
	Type     string // "string", "bool", "int", "decimal", "date" or "duration"
	Required bool
	Default  string // empty: none
	OneOf    []string
	Lasting  []string // values that exclude each other once the recipe has run with one
	Help     string
}

// firstRun is the default of a date that stands for the day of the first run.
const firstRun = "first_run"

const paramCharsMax = 1024 // of one value

// paramType is a type that a parameter can have.
type paramType struct {
	name    string
	celType *cel.Type
	parse   func(text string) (ref.Val, error)
}

var paramTypes = []paramType{
	{"string", cel.StringType, func(s string) (ref.Val, error) { return types.String(s), nil }},
	{"bool", cel.BoolType, func(s string) (ref.Val, error) {
		if s != "true" && s != "false" {
			return nil, fmt.Errorf("'%s' is not true or false", s)
		}
		return types.Bool(s == "true"), nil
	}},
	{"int", cel.IntType, func(s string) (ref.Val, error) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("'%s' is not a whole number", s)
		}
		return types.Int(n), nil
	}},
	{"decimal", decimalType, func(s string) (ref.Val, error) { return valueOrError(parseDecimal(types.String(s))) }},
	{"date", dateType, func(s string) (ref.Val, error) { return valueOrError(parseDate(types.String(s))) }},
	{"duration", cel.DurationType, func(s string) (ref.Val, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			return nil, fmt.Errorf("'%s' is not a duration such as 90s or 5m", s)
		}
		return types.Duration{Duration: d}, nil
	}},
}

func paramTypeNames() []string {
	out := make([]string, len(paramTypes))
	for i, t := range paramTypes {
		out[i] = t.name
	}
	return out
}

func paramTypeOf(name string) (paramType, bool) {
	i := slices.IndexFunc(paramTypes, func(t paramType) bool { return t.name == name })
	if i < 0 {
		return paramType{}, false
	}
	return paramTypes[i], true
}

// valueOrError turns a CEL error value into a Go error.
func valueOrError(v ref.Val) (ref.Val, error) {
	if e, ok := v.(*types.Err); ok {
		return nil, e.Unwrap()
	}
	return v, nil
}

// value reads a parameter's text.
func (p Param) value(text string, first connector.Date) (ref.Val, error) {
	if len(text) > paramCharsMax {
		return nil, fmt.Errorf("longer than %d characters", paramCharsMax)
	}
	if p.OneOf != nil && !slices.Contains(p.OneOf, text) {
		err := fmt.Errorf("'%s' is not %s", text, listed(p.OneOf))
		if hint := suggest(text, p.OneOf); hint != "" {
			err = fmt.Errorf("%w (%s)", err, hint)
		}
		return nil, err
	}
	t, ok := paramTypeOf(p.Type)
	if !ok {
		return nil, fmt.Errorf("unknown type '%s'", p.Type)
	}
	if text == firstRun && p.Default == firstRun {
		if first.IsZero() {
			return nil, errors.New("the day of the first run is not known")
		}
		return dateValue{first}, nil
	}
	return t.parse(text)
}

// Params are the values of a recipe's parameters, made by Recipe.Bind.
type Params struct {
	of     *structType
	values map[string]ref.Val
}

// Text returns a value as text, as a person would write it, and whether there
// is one.
func (p Params) Text(name string) (string, bool) {
	v, ok := p.values[name]
	if !ok {
		return "", false
	}
	return scalarText(v), true
}

// All returns every value as text.
func (p Params) All() map[string]string {
	out := make(map[string]string, len(p.values))
	for name, v := range p.values {
		out[name] = scalarText(v)
	}
	return out
}

func scalarText(v ref.Val) string {
	if d, ok := v.(types.Duration); ok {
		return d.Duration.String()
	}
	s, _ := v.ConvertToType(types.StringType).(types.String)
	return string(s)
}

func (p Params) object() *object { return &object{of: p.of, ptr: &p} }

// Bind checks the owner's values and fills in defaults. first is the day of the
// recipe's first run. The error lists everything that is wrong.
func (r *Recipe) Bind(values map[string]string, first connector.Date) (Params, error) {
	p, errs := r.bind(values, first)
	for _, decl := range r.Params {
		if _, ok := p.values[decl.Name]; !ok && decl.Required && values[decl.Name] == "" {
			errs = append(errs, fmt.Errorf("parameter %s is required: %s", decl.Name, decl.Help))
		}
	}
	if len(errs) == 0 {
		errs = r.refused(p)
	}
	if len(errs) > 0 {
		return Params{}, fmt.Errorf("recipe %s: %w", r.Name, errors.Join(errs...))
	}
	return p, nil
}

// refused says which of the chosen values do not go together.
func (r *Recipe) refused(p Params) (errs []error) {
	vars := map[string]any{"params": p.object()}
	for _, rule := range r.refuse {
		holds, err := rule.when.holds(vars)
		because := ""
		if err == nil && holds {
			because, err = rule.because.text(vars)
		}
		switch {
		case err != nil:
			errs = append(errs, err)
		case holds:
			errs = append(errs, errors.New(because))
		}
	}
	return errs
}

// bind is Bind, leaving out what is required and not given: reading such a
// parameter is an error.
func (r *Recipe) bind(values map[string]string, first connector.Date) (Params, []error) {
	var errs []error
	names := make([]string, len(r.Params))
	for i, decl := range r.Params {
		names[i] = decl.Name
	}
	for _, name := range sortedKeys(values) {
		if slices.Contains(names, name) {
			continue
		}
		err := fmt.Errorf("there is no parameter %s", name)
		if hint := suggest(name, names); hint != "" {
			err = fmt.Errorf("%w (%s)", err, hint)
		}
		errs = append(errs, err)
	}
	p := Params{of: r.params, values: map[string]ref.Val{}}
	for _, decl := range r.Params {
		text := values[decl.Name]
		if text == "" {
			text = decl.Default
		}
		if text == "" {
			if !decl.Required && decl.Type == "string" {
				p.values[decl.Name] = types.String("")
			}
			continue
		}
		v, err := decl.value(text, first)
		if err != nil {
			errs = append(errs, fmt.Errorf("parameter %s: %w", decl.Name, err))
			continue
		}
		p.values[decl.Name] = v
	}
	return p, errs
}

// paramStruct is the type of `params` in a recipe's expressions.
func paramStruct(decls []Param) *structType {
	fields := make([]field, 0, len(decls))
	for _, decl := range decls {
		t, ok := paramTypeOf(decl.Type)
		if !ok {
			continue // reported where it was read
		}
		name := decl.Name
		fields = append(fields, field{
			name: name, celType: t.celType, doc: decl.Help, words: decl.OneOf,
			isSet: func(obj any) bool {
				_, ok := obj.(*Params).values[name]
				return ok
			},
			get: func(obj any) (ref.Val, error) {
				v, ok := obj.(*Params).values[name]
				if !ok {
					return nil, fmt.Errorf("parameter %s has no value", name)
				}
				return v, nil
			},
		})
	}
	return newStruct("params", "What the owner chose.", nil, fields...)
}
