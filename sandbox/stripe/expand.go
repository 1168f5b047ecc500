package stripe

import (
	"slices"
	"strings"
)

// expandDepthMax is the deepest path that may be expanded:
// https://docs.stripe.com/api/expanding_objects
const expandDepthMax = 4

// expandPathsMax bounds the work of one answer; real callers send a handful.
const expandPathsMax = 20

// tree holds the fields to expand, by name.
type tree map[string]tree

// anyNoun stands for a field that holds objects of several nouns.
const anyNoun = "*"

// expandable says which fields of a noun can be expanded, and to what. A field
// that is always an object, such as lines, is listed because callers name it.
var expandable = map[string]map[string]string{
	"customer":            {"tax_ids": "list:tax_id"},
	"invoice":             {"customer": "customer", "charge": "charge", "payment_intent": "payment_intent", "lines": "list:line_item", "latest_revision": "invoice", "discounts": "discount"},
	"line_item":           {"invoice_item": "invoiceitem"},
	"invoiceitem":         {"customer": "customer", "invoice": "invoice"},
	"credit_note":         {"customer": "customer", "invoice": "invoice", "refund": "refund", "lines": "list:credit_note_line_item"},
	"payment_intent":      {"customer": "customer", "invoice": "invoice", "latest_charge": "charge"},
	"charge":              {"customer": "customer", "invoice": "invoice", "payment_intent": "payment_intent", "balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction", "refunds": "list:refund"},
	"refund":              {"charge": "charge", "payment_intent": "payment_intent", "balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction"},
	"dispute":             {"charge": "charge", "payment_intent": "payment_intent"},
	"balance_transaction": {"source": anyNoun},
	"payout":              {"balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction"},
	"tax_id":              {"customer": "customer"},
}

// expandTree reads the paths of `expand[]` for an answer that holds noun. It
// refuses what is not expandable before anything is done.
func expandTree(paths []string, noun string, may func(noun string) error) (tree, error) {
	if len(paths) > expandPathsMax {
		return nil, refuse("", "expand", "The sandbox expands at most %d properties.", expandPathsMax)
	}
	root := tree{}
	for _, path := range paths {
		parts := strings.Split(path, ".")
		if len(parts) > expandDepthMax {
			return nil, refuse("property_expansion_max_depth", "expand", "You cannot expand more than %d levels of a property (%s).", expandDepthMax, path)
		}
		if err := checkPath(parts, noun, may); err != nil {
			return nil, err
		}
		at := root
		for _, part := range parts {
			if at[part] == nil {
				at[part] = tree{}
			}
			at = at[part]
		}
	}
	return root, nil
}

func checkPath(parts []string, noun string, may func(string) error) error {
	for _, part := range parts {
		if noun == anyNoun {
			return nil
		}
		next, ok := expandable[noun][part]
		if element, isList := strings.CutPrefix(noun, "list:"); isList && part == "data" {
			next, ok = element, true
		}
		if !ok {
			return refuse("", "expand", "This property cannot be expanded (%s).", strings.Join(parts, "."))
		}
		noun = next
		if stem := strings.TrimPrefix(noun, "list:"); permissionStem[stem] != "" {
			if err := may(stem); err != nil {
				return err
			}
		}
	}
	return nil
}

// expand replaces the refs and lazies of o that t names by their objects.
func expand(o obj, t tree) {
	for name, sub := range t {
		if field, ok := o[name]; ok {
			o[name] = expandField(field, sub)
		}
	}
}

func expandField(field any, sub tree) any {
	switch v := field.(type) {
	case ref:
		if v.id == "" || v.load == nil {
			return v
		}
		o := v.load()
		expand(o, sub)
		return o
	case lazy:
		return expandField(v.load(), sub)
	case obj:
		expand(v, sub)
		return v
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = expandField(out[i], sub)
		}
		return out
	}
	return field
}
