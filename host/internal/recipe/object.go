package recipe

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// object is a value of a structType in an expression. It is never changed.
type object struct {
	of  *structType
	ptr any // a pointer to the Go struct that the fields' functions take
}

func (o *object) Type() ref.Type { return o.of.celType }

// Value returns the object itself: CEL hands it to the getters of its fields.
func (o *object) Value() any { return o }

func (o *object) ConvertToNative(t reflect.Type) (any, error) { return noNative(o, t) }

func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t {
	case types.TypeType:
		return o.of.celType
	case o.Type():
		return o
	}
	return types.NewErr("%s cannot become %s", o.of.name, t.TypeName())
}

// Equal compares field by field.
func (o *object) Equal(other ref.Val) ref.Val {
	p, ok := other.(*object)
	if !ok || p.of != o.of {
		return types.False
	}
	for _, f := range o.of.fields {
		if f.isSet(o.ptr) != f.isSet(p.ptr) {
			return types.False
		}
		a, err := f.get(o.ptr)
		if err != nil {
			return types.WrapErr(err)
		}
		b, err := f.get(p.ptr)
		if err != nil {
			return types.WrapErr(err)
		}
		if a.Equal(b) != types.True {
			return types.False
		}
	}
	return types.True
}

// Get reads a field whose name is known only now.
func (o *object) Get(index ref.Val) ref.Val {
	name, _ := index.(types.String)
	f, ok := o.of.field(string(name))
	if !ok {
		return types.NewErr("%s has no field '%s'", o.of.name, string(name))
	}
	v, err := f.get(o.ptr)
	if err != nil {
		return types.WrapErr(err)
	}
	return v
}

// IsSet serves has() for a field whose name is known only now.
func (o *object) IsSet(index ref.Val) ref.Val {
	name, _ := index.(types.String)
	f, ok := o.of.field(string(name))
	if !ok {
		return types.NewErr("%s has no field '%s'", o.of.name, string(name))
	}
	return types.Bool(f.isSet(o.ptr))
}

// anySet reports whether any field of the Go struct is set.
func (t *structType) anySet(ptr any) bool {
	for _, f := range t.fields {
		if f.isSet(ptr) {
			return true
		}
	}
	return false
}

// adapter is CEL's default adapter. It is a type of its own so that the tables
// can name it before an environment is there; our values are CEL values already.
type adapter struct{}

func (adapter) NativeToValue(v any) ref.Val {
	switch x := v.(type) {
	case map[string]string:
		return types.NewStringStringMap(adapter{}, x)
	case []string:
		return types.NewStringList(adapter{}, x)
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// provider tells CEL of our struct types.
type provider struct {
	types.Provider
	structs map[string]*structType
}

func newProvider(structs []*structType) (provider, error) {
	base, err := types.NewRegistry()
	if err != nil {
		return provider{}, fmt.Errorf("make CEL type registry: %w", err)
	}
	p := provider{Provider: base, structs: map[string]*structType{}}
	for _, s := range structs {
		p.structs[s.name] = s
	}
	return p, nil
}

func (p provider) FindStructType(name string) (*types.Type, bool) {
	if s, ok := p.structs[name]; ok {
		return types.NewTypeTypeWithParam(s.celType), true
	}
	return p.Provider.FindStructType(name)
}

func (p provider) FindStructFieldNames(name string) ([]string, bool) {
	if s, ok := p.structs[name]; ok {
		return s.fieldNames(), true
	}
	return p.Provider.FindStructFieldNames(name)
}

func (p provider) FindStructFieldType(name, fieldName string) (*types.FieldType, bool) {
	s, ok := p.structs[name]
	if !ok {
		return p.Provider.FindStructFieldType(name, fieldName)
	}
	f, ok := s.field(fieldName)
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:  f.celType,
		IsSet: func(target any) bool { return f.isSet(target.(*object).ptr) },
		GetFrom: func(target any) (any, error) {
			return f.get(target.(*object).ptr)
		},
	}, true
}

// NewValue builds a struct that an expression writes: line{description: 'x'}.
func (p provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	s, ok := p.structs[name]
	if !ok || s.construct == nil {
		return types.NewErr("%s cannot be built in an expression", name)
	}
	ptr := s.construct()
	for fieldName, v := range fields {
		f, ok := s.field(fieldName)
		if !ok {
			return types.NewErr("%s has no field '%s'", name, fieldName)
		}
		if err := f.set(ptr, v); err != nil {
			return types.WrapErr(fmt.Errorf("%s.%s: %w", name, fieldName, err))
		}
	}
	return &object{of: s, ptr: ptr}
}

// newEnv makes the environment of expressions that see these variables.
func newEnv(structs []*structType, vars map[string]*cel.Type) (*cel.Env, error) {
	p, err := newProvider(structs)
	if err != nil {
		return nil, err
	}
	opts := []cel.EnvOption{
		cel.CustomTypeProvider(p),
		cel.CustomTypeAdapter(adapter{}),
		cel.ParserExpressionSizeLimit(expressionCharsMax),
		cel.ExpressionNodeLimit(expressionNodesMax),
		cel.ParserRecursionLimit(expressionDepthMax),
		cel.ASTValidators(cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals(), cel.ValidateRegexLiterals()),
	}
	opts = append(opts, functions()...)
	for _, name := range sortedKeys(vars) {
		opts = append(opts, cel.Variable(name, vars[name]))
	}
	env, err := cel.NewEnv(opts...)
	if err != nil {
		return nil, fmt.Errorf("make CEL environment: %w", err)
	}
	return env, nil
}
