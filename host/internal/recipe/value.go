package recipe

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// The types that CEL does not have. They are opaque: nothing converts into
// them by itself, so that a sum of money with a number is refused at load.
var (
	amountType  = types.NewOpaqueType("money").WithTraits(traits.AdderType | traits.SubtractorType | traits.NegatorType | traits.ComparerType)
	decimalType = types.NewOpaqueType("decimal").WithTraits(traits.AdderType | traits.SubtractorType | traits.MultiplierType | traits.NegatorType | traits.ComparerType)
	dateType    = types.NewOpaqueType("date").WithTraits(traits.ComparerType)
)

// amountValue is money in an expression.
type amountValue struct{ amount money.Amount }

func (v amountValue) Type() ref.Type { return amountType }
func (v amountValue) Value() any     { return v.amount }

func (v amountValue) ConvertToNative(t reflect.Type) (any, error) { return noNative(v, t) }
func (v amountValue) ConvertToType(t ref.Type) ref.Val            { return convert(v, t, v.amount.String()) }

func (v amountValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(amountValue)
	return types.Bool(ok && v.amount == o.amount)
}

func (v amountValue) Add(other ref.Val) ref.Val {
	return v.combine(other, money.Amount.Add)
}

func (v amountValue) Subtract(other ref.Val) ref.Val {
	return v.combine(other, money.Amount.Sub)
}

func (v amountValue) combine(other ref.Val, op func(a, b money.Amount) (money.Amount, error)) ref.Val {
	o, ok := other.(amountValue)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	sum, err := op(v.amount, o.amount)
	if err != nil {
		return types.WrapErr(err)
	}
	return amountValue{sum}
}

func (v amountValue) Negate() ref.Val {
	n, err := v.amount.Neg()
	if err != nil {
		return types.WrapErr(err)
	}
	return amountValue{n}
}

func (v amountValue) Compare(other ref.Val) ref.Val {
	o, ok := other.(amountValue)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	c, err := v.amount.Cmp(o.amount)
	if err != nil {
		return types.WrapErr(err)
	}
	return types.Int(c)
}

// decimalValue is an exact number in an expression.
type decimalValue struct{ number money.Decimal }

func (v decimalValue) Type() ref.Type { return decimalType }
func (v decimalValue) Value() any     { return v.number }

func (v decimalValue) ConvertToNative(t reflect.Type) (any, error) { return noNative(v, t) }
func (v decimalValue) ConvertToType(t ref.Type) ref.Val            { return convert(v, t, v.number.String()) }

func (v decimalValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(decimalValue)
	return types.Bool(ok && v.number.Cmp(o.number) == 0)
}

func (v decimalValue) Add(other ref.Val) ref.Val {
	return v.combine(other, money.Decimal.Add)
}

func (v decimalValue) Subtract(other ref.Val) ref.Val {
	return v.combine(other, money.Decimal.Sub)
}

func (v decimalValue) Multiply(other ref.Val) ref.Val {
	return v.combine(other, money.Decimal.Mul)
}

func (v decimalValue) Negate() ref.Val {
	return decimalValue{}.combine(v, money.Decimal.Sub)
}

func (v decimalValue) combine(other ref.Val, op func(a, b money.Decimal) (money.Decimal, error)) ref.Val {
	o, ok := other.(decimalValue)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	d, err := op(v.number, o.number)
	if err != nil {
		return types.WrapErr(err)
	}
	return decimalValue{d}
}

func (v decimalValue) Compare(other ref.Val) ref.Val {
	o, ok := other.(decimalValue)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	return types.Int(v.number.Cmp(o.number))
}

// dateValue is a calendar date in an expression.
type dateValue struct{ date connector.Date }

func (v dateValue) Type() ref.Type { return dateType }
func (v dateValue) Value() any     { return v.date }

func (v dateValue) ConvertToNative(t reflect.Type) (any, error) { return noNative(v, t) }
func (v dateValue) ConvertToType(t ref.Type) ref.Val            { return convert(v, t, v.date.String()) }

func (v dateValue) Equal(other ref.Val) ref.Val {
	o, ok := other.(dateValue)
	return types.Bool(ok && v.date == o.date)
}

// Compare refuses an unset date: whether nothing is before something is for the
// recipe to say, with has().
func (v dateValue) Compare(other ref.Val) ref.Val {
	o, ok := other.(dateValue)
	if !ok {
		return types.MaybeNoSuchOverloadErr(other)
	}
	switch {
	case v.date.IsZero() || o.date.IsZero():
		return types.NewErr("a date that is not set cannot be compared")
	case v.date.Before(o.date):
		return types.IntNegOne
	case o.date.Before(v.date):
		return types.IntOne
	}
	return types.IntZero
}

// convert serves string(v) and type(v) for the opaque types.
func convert(v ref.Val, t ref.Type, text string) ref.Val {
	switch t {
	case types.StringType:
		return types.String(text)
	case types.TypeType:
		return v.Type().(*types.Type)
	case v.Type():
		return v
	}
	return types.NewErr("%s cannot become %s", v.Type().TypeName(), t.TypeName())
}

func noNative(v ref.Val, t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s has no native form %s", v.Type().TypeName(), t)
}

// functions declares what expressions can call beyond CEL's standard library.
// The operators have no binding of their own: CEL calls the trait.
func functions() []cel.EnvOption {
	opts := []cel.EnvOption{
		cel.Function("money", cel.FunctionDocs("a sum of money: money('10.50', 'NZD')"),
			cel.Overload("money_from_text", []*cel.Type{cel.StringType, cel.StringType}, amountType, cel.BinaryBinding(parseAmount))),
		cel.Function("decimal", cel.FunctionDocs("an exact number: decimal('1.5')"),
			cel.Overload("decimal_from_text", []*cel.Type{cel.StringType}, decimalType, cel.UnaryBinding(parseDecimal))),
		cel.Function("date", cel.FunctionDocs("a calendar date: date('2026-09-14')"),
			cel.Overload("date_from_text", []*cel.Type{cel.StringType}, dateType, cel.UnaryBinding(parseDate))),
		cel.Function("currency", cel.FunctionDocs("the currency of a sum: 'NZD'"),
			cel.MemberOverload("money_currency", []*cel.Type{amountType}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return types.String(v.(amountValue).amount.Currency())
			}))),
		cel.Function("is_zero", cel.FunctionDocs("whether it is nothing; an unset sum is an error"),
			cel.MemberOverload("money_is_zero", []*cel.Type{amountType}, cel.BoolType, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return ofSign(v, func(sign int) ref.Val { return types.Bool(sign == 0) })
			})),
			cel.MemberOverload("decimal_is_zero", []*cel.Type{decimalType}, cel.BoolType, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return types.Bool(v.(decimalValue).number.IsZero())
			}))),
		cel.Function("sign", cel.FunctionDocs("-1, 0 or 1; an unset sum is an error"),
			cel.MemberOverload("money_sign", []*cel.Type{amountType}, cel.IntType, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return ofSign(v, func(sign int) ref.Val { return types.Int(sign) })
			})),
			cel.MemberOverload("decimal_sign", []*cel.Type{decimalType}, cel.IntType, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return types.Int(v.(decimalValue).number.Sign())
			}))),
	}
	for _, t := range []*cel.Type{amountType, decimalType, dateType} {
		opts = append(opts, operatorsOf(t)...)
		opts = append(opts, cel.Function("string",
			cel.Overload(t.TypeName()+"_to_text", []*cel.Type{t}, cel.StringType, cel.UnaryBinding(func(v ref.Val) ref.Val {
				return v.ConvertToType(types.StringType)
			}))))
	}
	return opts
}

// operatorsOf declares the operators that a type's traits allow.
func operatorsOf(t *cel.Type) []cel.EnvOption {
	var opts []cel.EnvOption
	for _, op := range []struct {
		symbol, name string
		trait        int
		unary        bool
		result       *cel.Type
	}{
		{symbol: "_+_", name: "add", trait: traits.AdderType, result: t},
		{symbol: "_-_", name: "subtract", trait: traits.SubtractorType, result: t},
		{symbol: "_*_", name: "multiply", trait: traits.MultiplierType, result: t},
		{symbol: "-_", name: "negate", trait: traits.NegatorType, unary: true, result: t},
		{symbol: "_<_", name: "less", trait: traits.ComparerType, result: cel.BoolType},
		{symbol: "_<=_", name: "less_equals", trait: traits.ComparerType, result: cel.BoolType},
		{symbol: "_>_", name: "greater", trait: traits.ComparerType, result: cel.BoolType},
		{symbol: "_>=_", name: "greater_equals", trait: traits.ComparerType, result: cel.BoolType},
	} {
		if !t.HasTrait(op.trait) {
			continue
		}
		args := []*cel.Type{t, t}
		if op.unary {
			args = args[:1]
		}
		opts = append(opts, cel.Function(op.symbol, cel.Overload(op.name+"_"+t.TypeName(), args, op.result)))
	}
	return opts
}

func ofSign(v ref.Val, then func(sign int) ref.Val) ref.Val {
	amount := v.(amountValue).amount
	if !amount.IsSet() {
		return types.NewErr("a sum that is not set has no sign; ask has() first")
	}
	return then(amount.Sign())
}

func parseAmount(text, currency ref.Val) ref.Val {
	c, err := money.ParseCurrency(string(currency.(types.String)))
	if err != nil {
		return types.WrapErr(err)
	}
	amount, err := money.Parse(string(text.(types.String)), c)
	if err != nil {
		return types.WrapErr(err)
	}
	return amountValue{amount}
}

func parseDecimal(text ref.Val) ref.Val {
	d, err := money.ParseDecimal(string(text.(types.String)))
	if err != nil {
		return types.WrapErr(err)
	}
	return decimalValue{d}
}

func parseDate(text ref.Val) ref.Val {
	d, err := connector.ParseDate(string(text.(types.String)))
	if err != nil {
		return types.WrapErr(err)
	}
	return dateValue{d}
}
