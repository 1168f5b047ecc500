package recipe

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// structType is a type with fields, as expressions see it.
type structType struct {
	name      string
	doc       string
	celType   *cel.Type
	fields    []field
	construct func() any // a pointer to an empty Go value; nil: expressions cannot build one
}

// field is one field of a structType: its name and type in recipes, and the way
// to it in a Go value. The functions take a pointer to the Go struct.
type field struct {
	name     string
	celType  *cel.Type
	doc      string
	words    []string // the words that the field can hold; nil: any
	readOnly bool     // the service sets it; a recipe cannot want it
	aside    bool     // told along with a wish, and no part of it: a change of it alone is not written
	isSet    func(obj any) bool
	get      func(obj any) (ref.Val, error)
	set      func(obj any, v ref.Val) error
}

func newStruct(name, doc string, construct func() any, fields ...field) *structType {
	return &structType{name: name, doc: doc, celType: cel.ObjectType(name), fields: fields, construct: construct}
}

func (t *structType) field(name string) (field, bool) {
	i := slices.IndexFunc(t.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return t.fields[i], true
}

func (t *structType) fieldNames() []string {
	out := make([]string, len(t.fields))
	for i, f := range t.fields {
		out[i] = f.name
	}
	return out
}

// serviceSets marks a field that only the service can set.
func serviceSets(f field) field {
	f.readOnly = true
	return f
}

// toldAlong marks a field that helps the target to grant a wish without being a
// part of it.
func toldAlong(f field) field {
	f.aside = true
	return f
}

// access builds a field of T from the place of its value in the struct.
func access[T, V any](name string, t *cel.Type, doc string, at func(*T) *V, isSet func(V) bool,
	wrap func(V) ref.Val, unwrap func(ref.Val) (V, error),
) field {
	return field{
		name: name, celType: t, doc: doc,
		isSet: func(obj any) bool { return isSet(*at(obj.(*T))) },
		get:   func(obj any) (ref.Val, error) { return wrap(*at(obj.(*T))), nil },
		set: func(obj any, v ref.Val) error {
			x, err := unwrap(v)
			if err != nil {
				return err
			}
			*at(obj.(*T)) = x
			return nil
		},
	}
}

// text is a field of text, or of a Go type whose base is text.
func text[T any, S ~string](name, doc string, at func(*T) *S) field {
	return access(name, cel.StringType, doc, at,
		func(s S) bool { return s != "" },
		func(s S) ref.Val { return types.String(s) },
		func(v ref.Val) (S, error) {
			s, ok := v.(types.String)
			if !ok {
				return "", wrongType(v, cel.StringType)
			}
			return S(s), nil
		})
}

// word is a field of text that holds one of a few words, or nothing.
func word[T any, S ~string](name, doc string, at func(*T) *S, words ...S) field {
	f := text(name, doc, at)
	for _, w := range words {
		f.words = append(f.words, string(w))
	}
	set := f.set
	f.set = func(obj any, v ref.Val) error {
		if s, ok := v.(types.String); ok && s != "" && !slices.Contains(f.words, string(s)) {
			return fmt.Errorf("'%s' is not %s", string(s), listed(f.words))
		}
		return set(obj, v)
	}
	return f
}

// currency is a field that holds an ISO 4217 code, or nothing.
func currency[T any](name, doc string, at func(*T) *money.Currency) field {
	return access(name, cel.StringType, doc, at,
		func(c money.Currency) bool { return c != "" },
		func(c money.Currency) ref.Val { return types.String(c) },
		func(v ref.Val) (money.Currency, error) {
			s, ok := v.(types.String)
			if !ok {
				return "", wrongType(v, cel.StringType)
			}
			if s == "" {
				return "", nil
			}
			return money.ParseCurrency(string(s))
		})
}

func amount[T any](name, doc string, at func(*T) *money.Amount) field {
	return access(name, amountType, doc, at, money.Amount.IsSet,
		func(a money.Amount) ref.Val { return amountValue{a} },
		func(v ref.Val) (money.Amount, error) {
			a, ok := v.(amountValue)
			if !ok {
				return money.Amount{}, wrongType(v, amountType)
			}
			return a.amount, nil
		})
}

func decimal[T any](name, doc string, at func(*T) *money.Decimal) field {
	return access(name, decimalType, doc, at,
		func(d money.Decimal) bool { return !d.IsZero() },
		func(d money.Decimal) ref.Val { return decimalValue{d} },
		func(v ref.Val) (money.Decimal, error) {
			d, ok := v.(decimalValue)
			if !ok {
				return money.Decimal{}, wrongType(v, decimalType)
			}
			return d.number, nil
		})
}

func date[T any](name, doc string, at func(*T) *connector.Date) field {
	return access(name, dateType, doc, at,
		func(d connector.Date) bool { return !d.IsZero() },
		func(d connector.Date) ref.Val { return dateValue{d} },
		func(v ref.Val) (connector.Date, error) {
			d, ok := v.(dateValue)
			if !ok {
				return connector.Date{}, wrongType(v, dateType)
			}
			return d.date, nil
		})
}

func instant[T any](name, doc string, at func(*T) *time.Time) field {
	return access(name, cel.TimestampType, doc, at,
		func(t time.Time) bool { return !t.IsZero() },
		func(t time.Time) ref.Val { return types.Timestamp{Time: t.UTC()} },
		func(v ref.Val) (time.Time, error) {
			t, ok := v.(types.Timestamp)
			if !ok {
				return time.Time{}, wrongType(v, cel.TimestampType)
			}
			return t.UTC(), nil
		})
}

func boolean[T any](name, doc string, at func(*T) *bool) field {
	return access(name, cel.BoolType, doc, at,
		func(b bool) bool { return b },
		func(b bool) ref.Val { return types.Bool(b) },
		unwrapFlag)
}

// optionalBoolean is a boolean that can be unset; unset reads as false.
func optionalBoolean[T any](name, doc string, at func(*T) **bool) field {
	return access(name, cel.BoolType, doc, at,
		func(b *bool) bool { return b != nil },
		func(b *bool) ref.Val { return types.Bool(b != nil && *b) },
		func(v ref.Val) (*bool, error) {
			b, err := unwrapFlag(v)
			return &b, err
		})
}

// optionalInteger is a whole number that can be unset; unset reads as 0.
func optionalInteger[T any](name, doc string, at func(*T) **int64) field {
	return access(name, cel.IntType, doc, at,
		func(n *int64) bool { return n != nil },
		func(n *int64) ref.Val {
			if n == nil {
				return types.IntZero
			}
			return types.Int(*n)
		},
		func(v ref.Val) (*int64, error) {
			n, ok := v.(types.Int)
			if !ok {
				return nil, wrongType(v, cel.IntType)
			}
			return (*int64)(&n), nil
		})
}

func unwrapFlag(v ref.Val) (bool, error) {
	b, ok := v.(types.Bool)
	if !ok {
		return false, wrongType(v, cel.BoolType)
	}
	return bool(b), nil
}

// structure is a field that holds another struct by value. It is set when any
// of its fields is.
func structure[T, V any](name, doc string, of *structType, at func(*T) *V) field {
	return access(name, of.celType, doc, at,
		func(x V) bool { return of.anySet(&x) },
		func(x V) ref.Val { return &object{of: of, ptr: &x} },
		unwrapStruct[V])
}

// structures is a list of structs.
func structures[T, V any](name, doc string, of *structType, at func(*T) *[]V) field {
	return access(name, cel.ListType(of.celType), doc, at,
		func(xs []V) bool { return len(xs) > 0 },
		func(xs []V) ref.Val {
			vals := make([]ref.Val, len(xs))
			for i := range xs {
				vals[i] = &object{of: of, ptr: &xs[i]}
			}
			return types.NewRefValList(adapter{}, vals)
		},
		func(v ref.Val) ([]V, error) { return unwrapList(v, unwrapStruct[V]) })
}

func texts[T any](name, doc string, at func(*T) *[]string) field {
	return access(name, cel.ListType(cel.StringType), doc, at,
		func(xs []string) bool { return len(xs) > 0 },
		func(xs []string) ref.Val { return types.NewStringList(adapter{}, xs) },
		unwrapTexts)
}

// textMap is a map from text to text.
func textMap[T any](name, doc string, at func(*T) *map[string]string) field {
	return access(name, cel.MapType(cel.StringType, cel.StringType), doc, at,
		func(m map[string]string) bool { return len(m) > 0 },
		func(m map[string]string) ref.Val { return types.NewStringStringMap(adapter{}, m) },
		func(v ref.Val) (map[string]string, error) { return unwrapMap(v, unwrapText) })
}

// structMap is a map from text to structs.
func structMap[T, V any](name, doc string, of *structType, at func(*T) *map[string]V) field {
	return access(name, cel.MapType(cel.StringType, of.celType), doc, at,
		func(m map[string]V) bool { return len(m) > 0 },
		func(m map[string]V) ref.Val {
			vals := make(map[ref.Val]ref.Val, len(m))
			for k, x := range m {
				vals[types.String(k)] = &object{of: of, ptr: &x}
			}
			return types.NewRefValMap(adapter{}, vals)
		},
		func(v ref.Val) (map[string]V, error) { return unwrapMap(v, unwrapStruct[V]) })
}

func unwrapText(v ref.Val) (string, error) {
	s, ok := v.(types.String)
	if !ok {
		return "", wrongType(v, cel.StringType)
	}
	return string(s), nil
}

func unwrapTexts(v ref.Val) ([]string, error) { return unwrapList(v, unwrapText) }

// unwrapStruct copies the Go struct out of an object.
func unwrapStruct[V any](v ref.Val) (V, error) {
	var zero V
	o, ok := v.(*object)
	if !ok {
		return zero, fmt.Errorf("%s is not a structure", v.Type().TypeName())
	}
	p, ok := o.ptr.(*V)
	if !ok {
		return zero, fmt.Errorf("%s is another structure", o.of.name)
	}
	return *p, nil
}

func unwrapList[V any](v ref.Val, unwrap func(ref.Val) (V, error)) ([]V, error) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, errors.New(v.Type().TypeName() + " is not a list")
	}
	var out []V
	for it := list.Iterator(); it.HasNext() == types.True; {
		x, err := unwrap(it.Next())
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

func unwrapMap[V any](v ref.Val, unwrap func(ref.Val) (V, error)) (map[string]V, error) {
	m, ok := v.(traits.Mapper)
	if !ok {
		return nil, errors.New(v.Type().TypeName() + " is not a map")
	}
	out := map[string]V{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		k := it.Next()
		name, err := unwrapText(k)
		if err != nil {
			return nil, err
		}
		x, err := unwrap(m.Get(k))
		if err != nil {
			return nil, err
		}
		out[name] = x
	}
	return out, nil
}

func wrongType(v ref.Val, want *cel.Type) error {
	return fmt.Errorf("%s is not %s", v.Type().TypeName(), typeName(want))
}
