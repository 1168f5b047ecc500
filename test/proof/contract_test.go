package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// contract is one published OpenAPI document.
type contract struct {
	router routers.Router
	base   string // the address of its paths
}

// loadContract reads a document. It does not judge the document itself: Xero's
// holds examples that break its own schemas, and paths that overlap.
func loadContract(t *testing.T, file, base string) *contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	doc.Servers = openapi3.Servers{{URL: base}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	return &contract{router: router, base: base}
}

// operation finds the operation of a path below the document's address.
func (c *contract) operation(ex exchange, path string) (*http.Request, *routers.Route, map[string]string, error) {
	u, err := url.Parse(c.base + path)
	if err != nil {
		return nil, nil, nil, err
	}
	u.RawQuery = ex.url.RawQuery
	req := &http.Request{Method: ex.method, URL: u, Host: u.Host, Header: ex.header.Clone(), ContentLength: int64(len(ex.body)),
		Body: io.NopCloser(bytes.NewReader(ex.body))}
	route, params, err := c.router.FindRoute(req)
	return req, route, params, err
}

func options() *openapi3filter.Options {
	return &openapi3filter.Options{
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus: true, // an undocumented status is a finding
		MultiError:            true,
		// Xero's document gives booleans the text "false" as default.
		SkipSettingDefaults: true,
	}
}

// checkRequest compares a request with its operation.
func checkRequest(t *testing.T, ex exchange, req *http.Request, route *routers.Route, params map[string]string) []string {
	input := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: options()}
	out := flatten(openapi3filter.ValidateRequest(t.Context(), input))
	out = append(out, unknownParameters(ex, route)...)
	if len(ex.body) == 0 {
		return out
	}
	if body := route.Operation.RequestBody; body == nil || body.Value.Content.Get("application/json") == nil {
		return append(out, "body: none is documented")
	}
	schema := route.Operation.RequestBody.Value.Content.Get("application/json").Schema
	return append(out, walkJSON(ex.body, schema, requestDates)...)
}

// checkAnswer compares an answer with its operation.
func checkAnswer(t *testing.T, ex exchange, req *http.Request, route *routers.Route, params map[string]string) []string {
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: options()},
		Status:                 ex.status, Header: ex.answerHeader, Options: options(),
	}
	input.SetBodyBytes(ex.answer)
	out := flatten(openapi3filter.ValidateResponse(t.Context(), input))
	answer := route.Operation.Responses.Status(ex.status)
	if answer == nil {
		answer = route.Operation.Responses.Default()
	}
	if answer == nil || answer.Value.Content.Get("application/json") == nil {
		return out // the status or the type is a finding already
	}
	return append(out, walkJSON(ex.answer, answer.Value.Content.Get("application/json").Schema, answerDates)...)
}

// plainHeaders are HTTP's own, which no operation lists.
var plainHeaders = []string{"Accept", "Accept-Encoding", "Authorization", "Content-Length", "Content-Type", "User-Agent"}

// unknownParameters finds query parameters and headers that the operation does
// not have: the validator passes over them.
func unknownParameters(ex exchange, route *routers.Route) (out []string) {
	known := func(in, name string) bool {
		for _, list := range []openapi3.Parameters{route.Operation.Parameters, route.PathItem.Parameters} {
			for _, p := range list {
				if p.Value.In == in && (p.Value.Name == name || in == openapi3.ParameterInHeader && strings.EqualFold(p.Value.Name, name)) {
					return true
				}
			}
		}
		return false
	}
	for name := range ex.url.Query() {
		if !known(openapi3.ParameterInQuery, name) {
			out = append(out, "query "+name+": unknown parameter")
		}
	}
	for name := range ex.header {
		if !slices.Contains(plainHeaders, name) && !known(openapi3.ParameterInHeader, name) {
			out = append(out, "header "+name+": unknown parameter")
		}
	}
	return out
}

// flatten takes an error of the validator apart, one finding for each cause.
func flatten(err error) []string {
	//nolint:errorlint // Each layer is looked at by itself: what it wraps comes next.
	switch e := err.(type) {
	case nil:
		return nil
	case openapi3.MultiError:
		var out []string
		for _, part := range e {
			out = append(out, flatten(part)...)
		}
		return out
	case *openapi3filter.RequestError:
		if e.Parameter != nil {
			return []string{e.Parameter.In + " " + e.Parameter.Name + ": " + cause(err)}
		}
		if e.Err != nil {
			return flatten(e.Err)
		}
	case *openapi3filter.ResponseError:
		if e.Err != nil {
			return flatten(e.Err)
		}
	case *openapi3.SchemaError:
		return []string{"body " + pointer(e.JSONPointer()) + ": " + cause(err)}
	}
	return []string{firstLine(err)}
}

// cause is the innermost reason, without the rule that it broke.
func cause(err error) string {
	var schema *openapi3.SchemaError
	if !errors.As(err, &schema) {
		return firstLine(err)
	}
	text, _, _ := strings.Cut(schema.Reason, " (")
	return firstLine(errors.New(text))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// pointer writes a place in a body: "Invoices[].Contact.Name".
func pointer(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		switch {
		case p != "" && strings.Trim(p, "0123456789") == "":
			b.WriteString("[]")
		case b.Len() > 0:
			b.WriteString("." + p)
		default:
			b.WriteString(p)
		}
	}
	return b.String()
}

// walkJSON looks for what the validator passes over: fields that the schema
// does not have, and dates, which are plain text to it.
func walkJSON(body []byte, schema *openapi3.SchemaRef, dates dateForms) []string {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return []string{"body: not JSON: " + err.Error()}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return []string{"body: something follows the JSON"}
	}
	w := walker{dates: dates}
	w.value(nil, schema.Value, v)
	return w.found
}

type walker struct {
	dates dateForms
	found []string
}

func (w *walker) add(at []string, text string) {
	w.found = append(w.found, "body "+pointer(at)+": "+text)
}

func (w *walker) value(at []string, s *openapi3.Schema, v any) {
	switch v := v.(type) {
	case map[string]any:
		known := properties(s)
		if len(known) == 0 {
			return // an object of any kind
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			here := append(slices.Clone(at), name)
			if p := known[name]; p == nil {
				w.add(here, "unknown field")
			} else {
				w.value(here, p, v[name])
			}
		}
	case []any:
		if s.Items == nil {
			return
		}
		for _, item := range v {
			w.value(append(slices.Clone(at), "0"), s.Items.Value, item)
		}
	case string:
		w.date(at, s, v)
	}
}

// properties are the fields of an object, inherited ones included.
func properties(s *openapi3.Schema) map[string]*openapi3.Schema {
	out := map[string]*openapi3.Schema{}
	for name, p := range s.Properties {
		out[name] = p.Value
	}
	for _, part := range s.AllOf {
		maps.Copy(out, properties(part.Value))
	}
	return out
}

// dateForms say how dates are written in one direction.
type dateForms struct {
	day, moment func(string) bool
}

var (
	// Xero takes a plain date, and answers in milliseconds since 1970:
	// https://developer.xero.com/documentation/api/accounting/requests-and-responses
	requestDates = dateForms{day: isDay, moment: isDay}
	answerDates  = dateForms{day: isTicks, moment: isTicks}
	ticks        = regexp.MustCompile(`^/Date\(-?\d{1,15}([+-]\d{4})?\)/$`)
)

func isDay(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func isTicks(s string) bool { return ticks.MatchString(s) }

// date checks the text of a field that the document marks as a date.
func (w *walker) date(at []string, s *openapi3.Schema, text string) {
	marked := func(name string) bool { v, _ := s.Extensions[name].(bool); return v }
	switch {
	case marked("x-is-msdate-time") && !w.dates.moment(text), marked("x-is-msdate") && !w.dates.day(text):
		w.add(at, fmt.Sprintf("%q is no date of this direction", text))
	case s.Format == "date-time" || s.Format == "date":
		for _, layout := range []string{time.DateOnly, "2006-01-02T15:04:05", time.RFC3339Nano} {
			if _, err := time.Parse(layout, text); err == nil {
				return
			}
		}
		w.add(at, fmt.Sprintf("%q is no date", text))
	}
}

// exception is a finding that we accept, because the document is wrong about
// the service.
type exception struct {
	finding *regexp.Regexp // of whole findings
	why     string
	source  string
}

// judge reports each finding that no exception covers, and each exception that
// covers none: the document may have been corrected.
func judge(t *testing.T, findings []string, exceptions []exception) {
	t.Helper()
	left, unused := sift(findings, exceptions)
	for _, f := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("%s (%d times)", f, left[f])
	}
	for _, e := range unused {
		t.Errorf("exception %s is never used: remove it", e.finding)
	}
	for _, e := range exceptions {
		if e.why == "" || e.source == "" {
			t.Errorf("exception %s gives no reason or no source", e.finding)
		}
	}
}

// sift counts the findings that no exception covers, and returns the exceptions
// that cover none.
func sift(findings []string, exceptions []exception) (left map[string]int, unused []exception) {
	left = map[string]int{}
	used := make([]bool, len(exceptions))
	for _, f := range findings {
		covered := false
		for i, e := range exceptions {
			if e.finding.MatchString(f) {
				used[i], covered = true, true
			}
		}
		if !covered {
			left[f]++
		}
	}
	for i, e := range exceptions {
		if !used[i] {
			unused = append(unused, e)
		}
	}
	return left, unused
}

// sameSet compares what was seen with the whole of what a story does. What may
// depend on the second in which something was made is allowed and not asked for.
func sameSet(t *testing.T, got map[string]bool, want, allowed []string) {
	t.Helper()
	for _, w := range want {
		if !got[w] {
			t.Errorf("request never seen: %s", w)
		}
	}
	for _, g := range slices.Sorted(maps.Keys(got)) {
		if !slices.Contains(want, g) && !slices.Contains(allowed, g) {
			t.Errorf("request not foreseen: %s", g)
		}
	}
}
