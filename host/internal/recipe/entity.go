package recipe

import (
	"time"

	"cel.dev/cel-go/common/types/ref"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// entityTable is what recipes know of one entity.
type entityTable struct {
	entity connector.Entity
	body   *structType                        // what can be wanted
	record *structType                        // what can be read: the body and the record's own fields
	bodyOf func(r *connector.Record) any      // pointer to the body; an empty one when the record has none
	attach func(r *connector.Record, ptr any) // makes ptr, from body.construct, the record's body
}

// entityTables lists the entities that flows can carry.
var entityTables = []*entityTable{contactTable, invoiceTable, paymentTable}

// tableOf returns the table of an entity, or nil.
func tableOf(e connector.Entity) *entityTable {
	for _, t := range entityTables {
		if t.entity == e {
			return t
		}
	}
	return nil
}

func entityNames() []string {
	out := make([]string, len(entityTables))
	for i, t := range entityTables {
		out[i] = string(t.entity)
	}
	return out
}

// builtStructs are the types that every expression can name.
func builtStructs() []*structType {
	out := []*structType{lineStruct, addressStruct, valueStruct, sideStruct}
	for _, t := range entityTables {
		out = append(out, t.record)
	}
	return out
}

// newTable puts a body's fields and the record's own into one table.
func newTable[B any](e connector.Entity, body *structType, at func(*connector.Record) **B) *entityTable {
	t := &entityTable{
		entity: e,
		body:   body,
		bodyOf: func(r *connector.Record) any {
			if b := *at(r); b != nil {
				return b
			}
			return new(B)
		},
		attach: func(r *connector.Record, ptr any) { *at(r) = ptr.(*B) },
	}
	fields := recordFields()
	for _, f := range body.fields {
		fields = append(fields, t.lift(f))
	}
	t.record = newStruct(body.name, body.doc, nil, fields...)
	return t
}

// lift makes a field of the body a field of the record.
func (t *entityTable) lift(f field) field {
	inner := f
	f.isSet = func(obj any) bool { return inner.isSet(t.bodyOf(obj.(*connector.Record))) }
	f.get = func(obj any) (ref.Val, error) { return inner.get(t.bodyOf(obj.(*connector.Record))) }
	f.set = func(obj any, v ref.Val) error {
		r := obj.(*connector.Record)
		b := t.bodyOf(r)
		t.attach(r, b)
		return inner.set(b, v)
	}
	return f
}

// recordFields are the fields that a record of any entity has.
func recordFields() []field {
	type record = connector.Record
	return []field{
		serviceSets(text("id", "the service's id of the record", func(r *record) *string { return &r.ID })),
		serviceSets(text("version", "differs when the record differs", func(r *record) *string { return &r.Version })),
		serviceSets(instant("updated_at", "by the service's clock", func(r *record) *time.Time { return &r.UpdatedAt })),
		serviceSets(boolean("gone", "deleted in the service; the other fields may be empty", func(r *record) *bool { return &r.Gone })),
	}
}

// Side is one end of a flow at run time.
type Side struct {
	Connection string // the connection's name
	Account    string // the account that it is bound to: an organisation, a merchant
}

var sideStruct = newStruct("side", "One end of the flow.", nil,
	text("connection", "the connection's name", func(s *Side) *string { return &s.Connection }),
	text("account", "the account that the connection is bound to", func(s *Side) *string { return &s.Account }),
)

var valueStruct = newStruct("value", "A field that only one service knows; at most one part is set.",
	func() any { return new(connector.Value) },
	text("text", "", func(v *connector.Value) *string { return &v.Text }),
	optionalBoolean("flag", "", func(v *connector.Value) **bool { return &v.Flag }),
	optionalInteger("integer", "", func(v *connector.Value) **int64 { return &v.Integer }),
	amount("money", "", func(v *connector.Value) *money.Amount { return &v.Money }),
	instant("time", "", func(v *connector.Value) *time.Time { return &v.Time }),
)
