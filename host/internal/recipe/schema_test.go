package recipe

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// validator is as much of JSON Schema as Schema uses; a keyword that it does
// not know fails the test.
type validator struct {
	defs map[string]any
}

func (v validator) check(path string, value any, s map[string]any) []string {
	var out []string
	fail := func(format string, args ...any) {
		out = append(out, path+": "+fmt.Sprintf(format, args...))
	}
	for keyword, arg := range s {
		switch keyword {
		case "$schema", "$defs", "title", "description":
		case "$ref":
			name := strings.TrimPrefix(arg.(string), "#/$defs/")
			def, ok := v.defs[name].(map[string]any)
			if !ok {
				fail("no definition %s", name)
				continue
			}
			out = append(out, v.check(path, value, def)...)
		case "type":
			names, ok := arg.([]any)
			if !ok {
				names = []any{arg}
			}
			if !slices.ContainsFunc(names, func(n any) bool { return isType(value, n.(string)) }) {
				fail("%T is not %v", value, names)
			}
		case "enum":
			if !slices.Contains(arg.([]any), value) {
				fail("%v is not one of %v", value, arg)
			}
		case "pattern":
			if text, ok := value.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(text) {
				fail("%q does not match %s", text, arg)
			}
		case "minimum", "maximum":
			n, ok := value.(json.Number)
			if !ok {
				continue
			}
			i, _ := n.Int64()
			limit, _ := arg.(json.Number).Int64()
			if keyword == "minimum" && i < limit || keyword == "maximum" && i > limit {
				fail("%d is beyond %s %d", i, keyword, limit)
			}
		case "items", "minItems":
			out = append(out, v.list(path, keyword, value, arg)...)
		case "properties", "additionalProperties", "required", "minProperties":
			out = append(out, v.object(path, keyword, value, s)...)
		case "anyOf", "allOf", "if":
			out = append(out, v.combine(path, keyword, value, s)...)
		case "then", "else":
		default:
			fail("the test does not know the keyword %s", keyword)
		}
	}
	return out
}

func (v validator) list(path, keyword string, value, arg any) []string {
	list, ok := value.([]any)
	if !ok {
		return nil
	}
	if keyword == "minItems" {
		if len(list) == 0 {
			return []string{path + ": empty"}
		}
		return nil
	}
	var out []string
	for i, item := range list {
		out = append(out, v.check(fmt.Sprintf("%s[%d]", path, i), item, arg.(map[string]any))...)
	}
	return out
}

func (v validator) combine(path, keyword string, value any, s map[string]any) []string {
	var out []string
	switch keyword {
	case "anyOf":
		fits := func(a any) bool { return len(v.check(path, value, a.(map[string]any))) == 0 }
		if !slices.ContainsFunc(s[keyword].([]any), fits) {
			return []string{fmt.Sprintf("%s: %v fits none of %v", path, value, s[keyword])}
		}
	case "allOf":
		for _, a := range s[keyword].([]any) {
			out = append(out, v.check(path, value, a.(map[string]any))...)
		}
	case "if":
		if len(v.check(path, value, s[keyword].(map[string]any))) == 0 {
			return v.check(path, value, s["then"].(map[string]any))
		}
		if otherwise, ok := s["else"].(map[string]any); ok {
			return v.check(path, value, otherwise)
		}
	}
	return out
}

func (v validator) object(path, keyword string, value any, s map[string]any) []string {
	object, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	properties, _ := s["properties"].(map[string]any)
	var out []string
	switch keyword {
	case "properties":
		for name, sub := range properties {
			if x, there := object[name]; there {
				out = append(out, v.check(path+"."+name, x, sub.(map[string]any))...)
			}
		}
	case "additionalProperties":
		for name, x := range object {
			if _, known := properties[name]; known {
				continue
			}
			if sub, isSchema := s[keyword].(map[string]any); isSchema {
				out = append(out, v.check(path+"."+name, x, sub)...)
			} else {
				out = append(out, path+": unknown key "+name)
			}
		}
	case "required":
		for _, name := range s[keyword].([]any) {
			if _, there := object[name.(string)]; !there {
				out = append(out, path+": no "+name.(string))
			}
		}
	case "minProperties":
		if len(object) == 0 {
			out = append(out, path+": empty")
		}
	}
	return out
}

func isType(value any, name string) bool {
	switch name {
	case "object":
		_, ok := value.(map[string]any)
		return ok
	case "array":
		_, ok := value.([]any)
		return ok
	case "string":
		_, ok := value.(string)
		return ok
	case "boolean":
		_, ok := value.(bool)
		return ok
	case "null":
		return value == nil
	case "number":
		_, ok := value.(json.Number)
		return ok
	case "integer":
		n, ok := value.(json.Number)
		return ok && !strings.ContainsAny(n.String(), ".eE")
	}
	return false
}

// asJSON reads YAML as an editor does: as JSON values.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	converted, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return decodeJSON(t, converted)
}

func decodeJSON(t *testing.T, text []byte) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSchema(t *testing.T) {
	schema := decodeJSON(t, Schema()).(map[string]any)
	v := validator{defs: schema["$defs"].(map[string]any)}
	good, err := os.ReadFile(shippedFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range v.check("recipe", asJSON(t, good), schema) {
		t.Errorf("shipped recipe: %s", problem)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"unknown key", "poll: 60s", "pol: 60s", "unknown key pol"},
		{"unknown target field", "      kind: invoice.kind", "      knid: invoice.kind", "unknown key knid"},
		{"field of another entity", "      payment_of: needs.receipt", "      lines: needs.receipt", "unknown key lines"},
		{"unknown entity", "from: xero.invoice", "from: xero.invoise", "does not match"},
		{"wrong duration", "first: 1s", "first: soon", "does not match"},
		{"too many attempts", "attempts: 8", "attempts: 800", "beyond maximum"},
		{"wrong amount in a test", "amount_due: 75.00 NZD", "amount_due: 75.00", "fits none"},
		{"no remedy", "remedy: \"='void invoice '", "cure: \"='void invoice '", "no remedy"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(string(good), tt.old) {
				t.Fatalf("the shipped recipe has no %q", tt.old)
			}
			bad := strings.Replace(string(good), tt.old, tt.new, 1)
			problems := strings.Join(v.check("recipe", asJSON(t, []byte(bad)), schema), "\n")
			if !strings.Contains(problems, tt.want) {
				t.Errorf("got %q, want it to contain %q", problems, tt.want)
			}
		})
	}
}

// The tables must name every field of the SDK's structs, and each setter must
// put back what its getter reads.
func TestTablesCoverTheEntities(t *testing.T) {
	for _, tt := range []struct {
		of     *structType
		fields int
	}{
		{contactTable.body, reflect.TypeFor[contact]().NumField()},
		{invoiceTable.body, reflect.TypeFor[invoice]().NumField()},
		{paymentTable.body, reflect.TypeFor[payment]().NumField()},
		{lineStruct, reflect.TypeFor[invoiceLine]().NumField()},
		{policyStruct, reflect.TypeFor[policy]().NumField()},
	} {
		if len(tt.of.fields) != tt.fields {
			t.Errorf("%s: the table has %d fields, the SDK %d", tt.of.name, len(tt.of.fields), tt.fields)
		}
	}
}

func TestFieldsRoundTrip(t *testing.T) {
	structs := []*structType{lineStruct, addressStruct, valueStruct, policyStruct, contactTable.body, invoiceTable.body, paymentTable.body}
	for _, of := range structs {
		for i, f := range of.fields {
			from, to := of.construct(), of.construct()
			sample(t, from, i)
			if !f.isSet(from) {
				t.Errorf("%s.%s: a set field reads as unset", of.name, f.name)
				continue
			}
			v, err := f.get(from)
			if err != nil {
				t.Fatal(err)
			}
			if f.words != nil || f.name == "currency" && of != contactTable.body {
				continue // "x" is none of the words; the other tests set them
			}
			if err := f.set(to, v); err != nil {
				t.Errorf("%s.%s: %v", of.name, f.name, err)
				continue
			}
			if !reflect.DeepEqual(from, to) {
				t.Errorf("%s.%s: put back %+v, want %+v", of.name, f.name, to, from)
			}
		}
	}
}
