package stripe

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Search is eventually consistent: a change is found only after the configured
// lag (https://docs.stripe.com/search). Terms are joined by AND or by OR, not by
// both: `email:'a@b.c' AND metadata['k']:'v'`.

const searchTermsMax = 10

// searchIndex is what search knows: an older state of the customers.
type searchIndex struct {
	pending []indexed // oldest first
	docs    map[string]customer
}

type indexed struct {
	at  time.Time
	doc customer
}

// index queues the state of a customer for the search.
func (s *Server) index(x *customer) {
	s.searchIndex.catchUp(s.now.Add(-s.cfg.SearchLag)) // keeps the queue short
	s.searchIndex.pending = append(s.searchIndex.pending, indexed{at: s.now, doc: *x})
}

// catchUp takes in what is older than the lag.
func (x *searchIndex) catchUp(until time.Time) {
	if x.docs == nil {
		x.docs = map[string]customer{}
	}
	for len(x.pending) > 0 && !x.pending[0].at.After(until) {
		doc := x.pending[0].doc
		x.pending = x.pending[1:]
		if doc.deleted {
			delete(x.docs, doc.id)
			continue
		}
		x.docs[doc.id] = doc
	}
}

var (
	termShape = regexp.MustCompile(`^\s*(-?)([a-z_]+)(?:\[(?:'([^']*)'|"([^"]*)")\])?\s*(:|~|>=|<=|>|<)\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\d+))`)
	joinShape = regexp.MustCompile(`(?i)^\s*(AND|OR)?\s+|^\s*$`)
)

// term is one condition of a query.
type term struct {
	not          bool
	field, key   string
	op           string
	value        string
	quotedString bool
}

func parseQuery(q string) (terms []term, any bool, err error) {
	bad := refuse("", "query", "We were unable to parse your search query. The sandbox models field:'value' terms joined by AND or by OR.")
	joins := map[string]bool{}
	for strings.TrimSpace(q) != "" {
		m := termShape.FindStringSubmatch(q)
		if m == nil || len(terms) >= searchTermsMax {
			return nil, false, bad
		}
		t := term{not: m[1] == "-", field: m[2], key: m[3] + m[4], op: m[5], value: unescape(m[6] + m[7]), quotedString: m[8] == ""}
		if m[8] != "" {
			t.value = m[8]
		}
		terms = append(terms, t)
		q = q[len(m[0]):]
		join := joinShape.FindStringSubmatch(q)
		if join == nil {
			return nil, false, bad
		}
		if strings.TrimSpace(q) != "" {
			joins[strings.ToUpper(join[1])] = true
		}
		q = q[len(join[0]):]
	}
	if len(terms) == 0 || len(joins) > 1 {
		return nil, false, bad
	}
	return terms, joins["OR"], nil
}

func unescape(s string) string {
	return strings.NewReplacer(`\'`, `'`, `\"`, `"`, `\\`, `\`).Replace(s)
}

// check refuses a field or operator that is not modelled.
func (t term) check() error {
	switch t.field {
	case "email", "name", "phone":
		if t.key == "" && (t.op == ":" || t.op == "~") && t.quotedString {
			return nil
		}
	case "metadata":
		if t.key != "" && (t.op == ":" || t.op == "~") && t.quotedString {
			return nil
		}
	case "created":
		if t.op != "~" && !t.quotedString {
			return nil
		}
	}
	return refuse("", "query", "The sandbox does not model the search term %s%s.", t.field, t.op)
}

func (t term) holds(x customer) bool {
	if t.field == "created" {
		want, err := strconv.ParseInt(t.value, 10, 64)
		if err != nil {
			return false
		}
		ok := map[string]bool{":": x.created == want, ">": x.created > want, "<": x.created < want,
			">=": x.created >= want, "<=": x.created <= want}[t.op]
		return ok != t.not
	}
	got := map[string]string{"email": x.email, "name": x.name, "phone": x.phone}[t.field]
	if t.field == "metadata" {
		got = x.metadata[t.key]
	}
	got, want := strings.ToLower(got), strings.ToLower(t.value) // search ignores case
	if t.op == "~" {
		return strings.Contains(got, want) != t.not
	}
	return (got == want) != t.not
}

func (s *Server) searchCustomers(c *call) (obj, error) {
	limit, start := int64(limitDefault), int64(0)
	c.p.intTo("limit", &limit)
	if limit < 1 || limit > limitMax {
		c.p.fail(refuse("parameter_invalid_integer", "limit", "This value must be at least 1 and at most %d: limit", limitMax))
	}
	if c.p.has("page") { // our page tokens are the number of results before the page
		c.p.intTo("page", &start)
	}
	query := c.p.need("query")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	terms, either, err := parseQuery(query)
	if err != nil {
		return nil, err
	}
	for _, t := range terms {
		if err := t.check(); err != nil {
			return nil, err
		}
	}
	hits := s.searchHits(terms, either)
	from := min(max(start, 0), int64(len(hits)))
	to := min(from+limit, int64(len(hits)))
	out := obj{"object": "search_result", "data": hits[from:to], "has_more": to < int64(len(hits)), "url": c.path, "next_page": nil}
	if to < int64(len(hits)) {
		out["next_page"] = strconv.FormatInt(to, 10)
	}
	return out, nil
}

// searchHits finds customers by what the index knows, newest first, and shows
// them as they are now.
func (s *Server) searchHits(terms []term, either bool) []any {
	s.searchIndex.catchUp(s.now.Add(-s.cfg.SearchLag))
	hits := []any{}
	for i := len(s.customers.all) - 1; i >= 0; i-- {
		x := s.customers.all[i]
		doc, known := s.searchIndex.docs[x.id]
		if !known || x.deleted {
			continue
		}
		held := 0
		for _, t := range terms {
			if t.holds(doc) {
				held++
			}
		}
		if held == len(terms) || (either && held > 0) {
			hits = append(hits, s.renderCustomer(x))
		}
	}
	return hits
}
