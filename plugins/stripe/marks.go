package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// Limits of metadata: https://docs.stripe.com/api/metadata
const (
	markKeysMax  = 49 // of Stripe's 50: one is the connector's own, see markSupersedes
	markKeyMax   = 40
	markValueMax = 500
)

// checkMarks refuses marks that metadata cannot hold. A value that does not
// identify is cut; one that does must fit.
func checkMarks(op string, marks map[string]string) (map[string]string, error) {
	if len(marks) > markKeysMax {
		return nil, connector.Errorf(connector.Invalid, op, "%d marks; there is room for %d", len(marks), markKeysMax)
	}
	out := make(map[string]string, len(marks))
	for k, v := range marks {
		if k == "" || len(k) > markKeyMax || strings.ContainsAny(k, "[]") || identifies(k) && len(v) > markValueMax {
			return nil, connector.Errorf(connector.Invalid, op, "the mark %.60q does not fit into metadata", k)
		}
		if v != "" { // an empty value would delete the key
			out[k] = cut(v, markValueMax)
		}
	}
	return out, nil
}

// identifies reports whether a mark of that name identifies a record.
func identifies(name string) bool { return strings.HasSuffix(name, "_id") }

// identity returns the marks that identify; when none does, all of them.
func identity(marks map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range marks {
		if identifies(k) {
			out[k] = v
		}
	}
	if len(out) == 0 {
		return marks
	}
	return out
}

// ours reports whether metadata carries all marks that identify the record.
func ours(metadata, marks map[string]string) bool {
	id := identity(marks)
	return len(id) > 0 && carries(metadata, id)
}

// foreign reports whether metadata says that the object is another record's.
func foreign(metadata, marks map[string]string) bool {
	for k, v := range identity(marks) {
		if got := metadata[k]; got != "" && got != v {
			return true
		}
	}
	return false
}

// carries reports whether metadata holds every mark.
func carries(metadata, marks map[string]string) bool {
	for k, v := range marks {
		if metadata[k] != v {
			return false
		}
	}
	return true
}

// merged returns all marks of several objects; an earlier one wins.
func merged(all ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range slices.Backward(all) {
		maps.Copy(out, m)
	}
	return out
}

// numberIn finds the mark that people call an invoice by.
func numberIn(marks map[string]string) string {
	for _, k := range slices.Sorted(maps.Keys(marks)) {
		if strings.HasSuffix(k, "_invoice_number") {
			return marks[k]
		}
	}
	return ""
}

// withVersion sets a record's version: a digest of what it says. The pay URL is
// left out because Stripe may return a new one at every read.
func withVersion(rec connector.Record) connector.Record {
	seen := rec
	if rec.Invoice != nil {
		inv := *rec.Invoice
		inv.PayURL = ""
		seen.Invoice = &inv
	}
	text, err := json.Marshal(seen)
	if err != nil {
		return rec // no version: the record always counts as changed
	}
	sum := sha256.Sum256(text)
	rec.Version = hex.EncodeToString(sum[:12])
	return rec
}
