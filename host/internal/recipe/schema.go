package recipe

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// schema is a fragment of JSON Schema, draft 2020-12.
type schema map[string]any

const defsPath = "#/$defs/"

const durationPattern = `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`

var (
	textSchema       = schema{"type": "string"}
	scalarSchema     = schema{"type": []string{"string", "number", "boolean"}}
	scalarsSchema    = schema{"type": "array", "items": scalarSchema}
	expressionSchema = schema{"type": []string{"string", "number", "boolean"}, "description": "A CEL expression."}
	nameSchema       = schema{"type": "string", "pattern": namePattern}
	durationSchema   = schema{"type": "string", "pattern": durationPattern}
	entitySchema     = enumOf(entityNames()...)
	endSchema        = schema{"type": "string", "pattern": `^[a-z][a-z0-9-]*\.(` + strings.Join(entityNames(), "|") + `)(\.[a-z][a-z0-9_]*)?$`}
)

func refTo(name string) schema { return schema{"$ref": defsPath + name} }
func mapOf(name string) schema {
	return schema{"type": "object", "additionalProperties": refTo(name)}
}
func listOf(name string) schema { return schema{"type": "array", "items": refTo(name)} }
func enumOf(words ...string) schema {
	return schema{"enum": words}
}

func integerSchema(low, high int) schema {
	return schema{"type": "integer", "minimum": low, "maximum": high}
}

// Schema returns the JSON Schema of recipe files, for editors. It comes from
// the tables that Parse works with; what it cannot say, Parse still checks.
func Schema() []byte {
	defs := schema{
		"connection": connectionKeys.schema(), "param": paramKeys.schema(), "check": checkKeys.schema(), "refuse": refuseKeys.schema(),
		"retry": retryKeys.schema(), "also": alsoKeys.schema(), "sweep": sweepKeys.schema(), "skip": skipKeys.schema(),
		"hold": holdKeys.schema(), "need": needKeys.schema(), "policy": policyKeys.schema(),
		"test": testKeys.schema(), "side": sideKeys.schema(), "flow": flowSchema(),
		"record": bodiesSchema(recordFields()...),
		"want":   bodiesSchema(),
	}
	defs["wanted_policy"] = policyStruct.schema()
	defs["want"].(schema)["properties"].(schema)["policy"] = refTo("wanted_policy")
	for _, s := range []*structType{lineStruct, addressStruct, valueStruct} {
		defs[s.name] = s.schema()
	}
	for _, t := range entityTables {
		defs[t.body.name] = t.body.schema()
		defs["map_"+t.body.name] = t.mapSchema()
	}
	defs["recipe"] = recipeKeys.schema()
	for _, name := range append(joined, "recipe") {
		defs[name+"_over"] = defs[name].(schema).over()
	}
	defs["recipe_over"].(schema)["required"] = []string{"recipe", "extends"}
	root := schema{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "ml-connector recipe", "$defs": defs,
		"if": schema{"required": []string{"extends"}}, "then": refTo("recipe_over"), "else": refTo("recipe"),
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil // not reached: maps of text, numbers and lists always marshal
	}
	return append(out, '\n')
}

// schema describes a mapping with fixed keys.
func (t keyTable) schema() schema {
	properties, required := schema{}, []string{}
	for _, k := range t.keys {
		properties[k.name] = described(k.schema, k.doc)
		if k.required {
			required = append(required, k.name)
		}
	}
	return schema{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
}

// joined are the definitions of mappings that are joined with those of the recipe
// that is extended: what is there already need not be said again.
var joined = []string{"connection", "param", "retry", "flow", "sweep", "need", "policy"}

// over returns the form of a mapping's schema in a recipe that extends another: no
// key is required, nor are those of the mappings below it.
func (s schema) over() schema {
	out := maps.Clone(s)
	delete(out, "required")
	properties := schema{}
	for name, p := range s["properties"].(schema) {
		properties[name] = p.(schema).toOver()
	}
	out["properties"] = properties
	return out
}

// toOver refers to the form of a mapping that a recipe has which extends another.
func (s schema) toOver() schema {
	out := maps.Clone(s)
	if to, ok := s["$ref"].(string); ok && slices.Contains(joined, strings.TrimPrefix(to, defsPath)) {
		out["$ref"] = to + "_over"
	}
	if each, ok := s["additionalProperties"].(schema); ok {
		out["additionalProperties"] = each.toOver()
	}
	return out
}

// described returns a copy of s with a description.
func described(s schema, doc string) schema {
	out := schema{}
	for k, v := range s {
		out[k] = v
	}
	if doc != "" {
		out["description"] = doc
	}
	return out
}

// flowSchema ties a flow's map to the fields of the entity that it goes to.
func flowSchema() schema {
	s := flowKeys.schema()
	var rules []any
	for _, t := range entityTables {
		rules = append(rules, schema{
			"if":   schema{"properties": schema{"to": schema{"pattern": `\.` + t.body.name + `$`}}, "required": []string{"to"}},
			"then": schema{"properties": schema{"map": refTo("map_" + t.body.name)}},
		})
	}
	s["allOf"] = rules
	return s
}

// mapSchema lists the fields that a recipe can want.
func (t *entityTable) mapSchema() schema {
	properties := schema{}
	for _, f := range t.body.fields {
		if !f.readOnly {
			properties[f.name] = described(expressionSchema, f.describe())
		}
	}
	return schema{"type": "object", "additionalProperties": false, "minProperties": 1, "properties": properties}
}

// bodiesSchema describes a record in a test: fields beside one body.
func bodiesSchema(fields ...field) schema {
	properties := schema{}
	for _, f := range fields {
		properties[f.name] = described(valueSchema(f.celType), f.doc)
	}
	for _, t := range entityTables {
		properties[t.body.name] = refTo(t.body.name)
	}
	return schema{"type": "object", "additionalProperties": false, "properties": properties}
}

// schema describes a struct as a test writes it.
func (t *structType) schema() schema {
	properties := schema{}
	for _, f := range t.fields {
		s := valueSchema(f.celType)
		if f.words != nil {
			s = enumOf(f.words...)
		}
		properties[f.name] = schema{"anyOf": []any{described(s, f.doc), schema{"type": "null"}}}
	}
	return schema{"type": "object", "description": t.doc, "additionalProperties": false, "properties": properties}
}

// valueSchema describes how a value of a type is written in YAML.
func valueSchema(t *cel.Type) schema {
	switch t.Kind() {
	case types.ListKind:
		return schema{"type": "array", "items": valueSchema(t.Parameters()[0])}
	case types.MapKind:
		return schema{"type": "object", "additionalProperties": valueSchema(t.Parameters()[1])}
	case types.StructKind:
		return refTo(t.TypeName())
	case types.BoolKind:
		return schema{"type": "boolean"}
	case types.IntKind:
		return schema{"type": "integer"}
	}
	switch t {
	case amountType:
		return schema{"type": "string", "pattern": `^-?[0-9]+(\.[0-9]+)? [A-Z]{3}$`}
	case dateType:
		return schema{"type": "string", "pattern": `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`}
	}
	return scalarSchema // text and numbers: YAML may read "610" as either
}

// describe says in one line what a field is.
func (f field) describe() string {
	parts := []string{typeName(f.celType)}
	if f.words != nil {
		parts = append(parts, "one of "+strings.Join(f.words, ", "))
	}
	if f.doc != "" {
		parts = append(parts, f.doc)
	}
	return strings.Join(parts, "; ")
}
