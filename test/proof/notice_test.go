package proof

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document is a small OpenAPI document in the manner of Xero's.
const document = `
openapi: 3.0.0
info: {title: Small, version: "1"}
paths:
  /Things:
    put:
      parameters:
        - {in: header, name: tenant, required: true, schema: {type: string}}
        - {in: query, name: page, schema: {type: integer}}
      requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Things"}}}}
      responses:
        "200": {description: done, content: {application/json: {schema: {$ref: "#/components/schemas/Things"}}}}
components:
  schemas:
    Things: {type: object, properties: {Things: {type: array, items: {$ref: "#/components/schemas/Thing"}}}}
    Thing:
      allOf:
        - {type: object, properties: {Name: {type: string, maxLength: 5}}}
      type: object
      properties:
        Kind: {type: string, enum: [BIG, SMALL]}
        Date: {type: string, x-is-msdate: true}
        Updated: {type: string, x-is-msdate-time: true}
        At: {type: string, format: date}
`

// TestMistakesAreNoticed makes each kind of mistake once.
func TestMistakesAreNoticed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "small.yaml")
	if err := os.WriteFile(file, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	c := loadContract(t, file, "https://api.example")
	const good = `{"Things":[{"Name":"a","Kind":"BIG","Date":"2026-10-31"}]}`
	const told = `{"Things":[{"Name":"a","Kind":"BIG","Date":"/Date(1793404800000+0000)/","Updated":"/Date(1793404800123)/","At":"2026-10-31"}]}`
	tests := []struct {
		name, query, tenant, body, answer string
		status                            int
		want                              string // in a finding; empty: there is none
	}{
		{name: "none", query: "page=1", tenant: "t", body: good, answer: told, status: 200},
		{name: "a header lacks", body: good, answer: told, status: 200, want: "header tenant"},
		{name: "a parameter of another type", query: "page=x", tenant: "t", body: good, answer: told, status: 200, want: "query page"},
		{name: "an unknown parameter", query: "size=1", tenant: "t", body: good, answer: told, status: 200, want: "query size: unknown"},
		{name: "an unknown field", tenant: "t", body: `{"Things":[{"Namee":"a"}]}`, answer: told, status: 200, want: "Things[].Namee: unknown"},
		{name: "a word of another list", tenant: "t", body: `{"Things":[{"Kind":"HUGE"}]}`, answer: told, status: 200, want: "Things[].Kind"},
		{name: "a text too long", tenant: "t", body: `{"Things":[{"Name":"abcdef"}]}`, answer: told, status: 200, want: "Things[]: "},
		{name: "a number as text", tenant: "t", body: `{"Things":[{"Name":7}]}`, answer: told, status: 200, want: "Things[]: "},
		{name: "a date of another country", tenant: "t", body: `{"Things":[{"Date":"31/10/2026"}]}`, answer: told, status: 200, want: "Things[].Date"},
		{name: "a date that is none", tenant: "t", body: `{"Things":[{"Date":"2026-02-30"}]}`, answer: told, status: 200, want: "Things[].Date"},
		{name: "an unknown field in the answer", tenant: "t", body: good, answer: `{"Thing":[]}`, status: 200, want: "body Thing: unknown"},
		{name: "a plain date in the answer", tenant: "t", body: good, answer: `{"Things":[{"Updated":"2026-10-31"}]}`, status: 200, want: "Things[].Updated"},
		{name: "an undocumented status", tenant: "t", body: good, answer: told, status: 418, want: "status is not supported"},
		{name: "an answer that is cut", tenant: "t", body: good, answer: `{"Things":[`, status: 200, want: "body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ex := exchange{method: http.MethodPut, url: &url.URL{Path: "/Things", RawQuery: tt.query}, body: []byte(tt.body),
				header: http.Header{"Content-Type": {"application/json"}}, status: tt.status, answer: []byte(tt.answer),
				answerHeader: http.Header{"Content-Type": {"application/json"}}}
			if tt.tenant != "" {
				ex.header.Set("tenant", tt.tenant)
			}
			req, route, params, err := c.operation(ex, "/Things")
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Concat(checkRequest(t, ex, req, route, params), checkAnswer(t, ex, req, route, params))
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("findings where there are none: %q", got)
			case tt.want != "" && !slices.ContainsFunc(got, func(f string) bool { return strings.Contains(f, tt.want) }):
				t.Errorf("got %q, want a finding with %q", got, tt.want)
			}
		})
	}
	if _, _, _, err := c.operation(exchange{method: http.MethodGet, url: &url.URL{Path: "/Things"}}, "/Things"); err == nil {
		t.Error("an operation that is not there was found")
	}
}

// An exception covers its findings, and one that covers none is a failure.
func TestExceptionsAreCounted(t *testing.T) {
	covers := exception{finding: regexp.MustCompile("^one$"), why: "w", source: "s"}
	idle := exception{finding: regexp.MustCompile("^three$"), why: "w", source: "s"}
	left, unused := sift([]string{"one", "two", "one", "two"}, []exception{covers, idle})
	if left["two"] != 2 || len(left) != 1 || len(unused) != 1 || unused[0].finding != idle.finding {
		t.Errorf("left %v, unused %v", left, unused)
	}
}
