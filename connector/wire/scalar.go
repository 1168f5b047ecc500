package wire

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// enum pairs the Go words of an enumeration with its wire numbers.
type enum[G comparable, P ~int32] struct {
	name string
	to   map[G]P
	from map[P]G
}

func newEnum[G comparable, P ~int32](name string, to map[G]P) enum[G, P] {
	from := make(map[P]G, len(to))
	for g, p := range to {
		from[p] = g
	}
	return enum[G, P]{name: name, to: to, from: from}
}

// foreign is sent for a word that the contract does not have. No enumeration has
// this number, so the other side refuses it instead of taking it for unspecified.
const foreign = -1

// wire returns the number of a word; the zero word is unspecified.
func (e enum[G, P]) wire(g G) P {
	p, ok := e.to[g]
	if zero := *new(G); !ok && g != zero {
		return foreign
	}
	return p
}

// read returns the word of a number. Zero is the zero word; any other number
// that this build does not know is an error: guessing could move money.
func (e enum[G, P]) read(p P) (G, error) {
	g, ok := e.from[p]
	if !ok && p != 0 {
		return g, fmt.Errorf("%s %d is not known to this version", e.name, p)
	}
	return g, nil
}

func moneyToWire(a money.Amount) *pb.Money {
	if !a.IsSet() {
		return nil
	}
	return &pb.Money{Currency: string(a.Currency()), Minor: a.Minor(), Digits: int32(a.Currency().Digits())}
}

func moneyFromWire(m *pb.Money) (money.Amount, error) {
	if m == nil {
		return money.Amount{}, nil
	}
	a, err := money.New(m.GetMinor(), money.Currency(m.GetCurrency()))
	if err != nil {
		return money.Amount{}, err
	}
	// I6: both sides must mean the same unit by a minor unit.
	if d := a.Currency().Digits(); int32(d) != m.GetDigits() {
		return money.Amount{}, fmt.Errorf("amount in %s comes with %d digits, the currency has %d", m.GetCurrency(), m.GetDigits(), d)
	}
	return a, nil
}

func dateToWire(d connector.Date) *pb.Date {
	if d.IsZero() {
		return nil
	}
	return &pb.Date{Year: int32(d.Year), Month: int32(d.Month), Day: int32(d.Day)}
}

func dateFromWire(d *pb.Date) (connector.Date, error) {
	if d == nil || (d.GetYear() == 0 && d.GetMonth() == 0 && d.GetDay() == 0) {
		return connector.Date{}, nil
	}
	out := connector.Date{Year: int(d.GetYear()), Month: time.Month(d.GetMonth()), Day: int(d.GetDay())}
	if d.GetYear() < 1 || d.GetYear() > 9999 || connector.DateOf(out.In(time.UTC)) != out {
		return connector.Date{}, fmt.Errorf("%04d-%02d-%02d is not in the calendar", d.GetYear(), d.GetMonth(), d.GetDay())
	}
	return out, nil
}

func timeToWire(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// timeFromWire reads a time in UTC; only the years 1 to 9999 can be written as
// text again.
func timeFromWire(t *timestamppb.Timestamp) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if err := t.CheckValid(); err != nil {
		return time.Time{}, fmt.Errorf("time %d s is out of range: %w", t.GetSeconds(), err)
	}
	return t.AsTime(), nil
}

func decimalFromWire(s string) (money.Decimal, error) {
	if s == "" {
		return money.Decimal{}, nil
	}
	return money.ParseDecimal(s)
}

func valuesToWire(in map[string]connector.Value) map[string]*pb.Value {
	if in == nil {
		return nil
	}
	out := make(map[string]*pb.Value, len(in))
	for k, v := range in {
		w := &pb.Value{}
		switch {
		case v.Flag != nil:
			w.Kind = &pb.Value_Flag{Flag: *v.Flag}
		case v.Integer != nil:
			w.Kind = &pb.Value_Integer{Integer: *v.Integer}
		case v.Money.IsSet():
			w.Kind = &pb.Value_Money{Money: moneyToWire(v.Money)}
		case !v.Time.IsZero():
			w.Kind = &pb.Value_Time{Time: timeToWire(v.Time)}
		default:
			w.Kind = &pb.Value_Text{Text: v.Text}
		}
		out[k] = w
	}
	return out
}

func valuesFromWire(in map[string]*pb.Value) (map[string]connector.Value, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make(map[string]connector.Value, len(in))
	for k, w := range in {
		var v connector.Value
		switch x := w.GetKind().(type) {
		case *pb.Value_Flag:
			v.Flag = &x.Flag
		case *pb.Value_Integer:
			v.Integer = &x.Integer
		case *pb.Value_Money:
			m, err := moneyFromWire(x.Money)
			if err != nil {
				return nil, fmt.Errorf("extra field %s: %w", k, err)
			}
			v.Money = m
		case *pb.Value_Time:
			t, err := timeFromWire(x.Time)
			if err != nil {
				return nil, fmt.Errorf("extra field %s: %w", k, err)
			}
			v.Time = t
		case *pb.Value_Text:
			v.Text = x.Text
		}
		out[k] = v
	}
	return out, nil
}
