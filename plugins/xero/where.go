package main

import (
	"net/url"
	"strings"
	"unicode"
)

// A filter is an expression in the query parameter "where":
//
//	PaymentID==guid("…") OR Reference=="…"
//
// The service documents no way to escape a quote within a text, so a text that
// would need one cannot be asked for.

// isGUID reports whether s is an id of the service: 8-4-4-4-12 hex digits.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if r != '-' {
				return false
			}
			continue
		}
		if !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

const noID = "00000000-0000-0000-0000-000000000000"

// isID reports whether s is the id of something: an element that was refused
// carries the id of zeros.
func isID(s string) bool { return isGUID(s) && s != noID }

// guids returns the well-formed ids, each once. Nothing in the service has
// another one.
func guids(ids []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, id := range ids {
		id = strings.ToLower(id)
		if isID(id) && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

func sameID(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// guidIs is the filter field == id.
func guidIs(field, id string) string { return field + `==guid("` + id + `")` }

// textIs is the filter field == text; ok is false when it cannot be written.
func textIs(field, text string) (filter string, ok bool) {
	if text == "" || strings.ContainsAny(text, "\"\\") || strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return "", false
	}
	return field + `=="` + text + `"`, true
}

const filterBytesMax = 3500 // escaped; leaves room for the rest of the URL

// anyOf joins filters with OR, in as many filters as the URL's limit needs.
func anyOf(filters []string) []string {
	var out []string
	var current strings.Builder
	size := 0
	for _, f := range filters {
		n := len(url.QueryEscape(f)) + 2*strings.Count(f, " ") + len("%20OR%20")
		if size > 0 && size+n > filterBytesMax {
			out = append(out, current.String())
			current.Reset()
			size = 0
		}
		if size > 0 {
			current.WriteString(" OR ")
		}
		current.WriteString(f)
		size += n
	}
	if size > 0 {
		out = append(out, current.String())
	}
	return out
}
