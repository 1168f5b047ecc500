package connector_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

func TestErrorKinds(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	classified := connector.Errorf(connector.RateLimited, "xero: list", "too many calls: %w", cause).WithRemedy("wait %d s", 5)
	for _, tc := range []struct {
		name string
		err  error
		kind connector.Kind
		text string
	}{
		{name: "classified", err: classified, kind: connector.RateLimited, text: "xero: list: too many calls: unexpected EOF"},
		{name: "deep in a chain", err: fmt.Errorf("attempt: %w", classified), kind: connector.RateLimited, text: "attempt: xero: list: too many calls: unexpected EOF"},
		{name: "joined", err: errors.Join(cause, classified), kind: connector.RateLimited, text: "unexpected EOF\nxero: list: too many calls: unexpected EOF"},
		{name: "not classified", err: cause, kind: connector.UnknownOutcome, text: "unexpected EOF"},
		{name: "kind forgotten", err: &connector.Error{Message: "m"}, kind: connector.UnknownOutcome, text: "m"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := connector.KindOf(tc.err); got != tc.kind {
				t.Errorf("kind: got %s, want %s", got, tc.kind)
			}
			if got := tc.err.Error(); got != tc.text {
				t.Errorf("text: got %q, want %q", got, tc.text)
			}
		})
	}
	if !errors.Is(classified, cause) {
		t.Error("the cause is lost")
	}
	if got := connector.AsError(fmt.Errorf("x: %w", classified), "op"); got != classified {
		t.Errorf("AsError of a classified one: got %+v", got)
	}
	if got := connector.AsError(cause, "op"); got.Kind != connector.UnknownOutcome || got.Op != "op" || !errors.Is(got, cause) {
		t.Errorf("AsError of another: got %+v", got)
	}
	if got := connector.Failed(classified, "op"); got.Err != classified || got.Result != "" {
		t.Errorf("Failed: got %+v", got)
	}
	if got := connector.Kind(99).String(); got != "unknown kind" {
		t.Errorf("a kind to come: got %q", got)
	}
}

func TestDate(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{name: "a day", text: "2026-09-14", want: "2026-09-14"},
		{name: "leap day", text: "2028-02-29", want: "2028-02-29"},
		{name: "no leap day", text: "2026-02-29"},
		{name: "no month", text: "2026-13-01"},
		{name: "with a time", text: "2026-09-14T00:00:00Z"},
		{name: "short", text: "2026-9-14"},
		{name: "empty", text: ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := connector.ParseDate(tc.text)
			if got.String() != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
	d := connector.Date{Year: 2026, Month: time.February, Day: 28}
	if got := d.AddDays(1).String(); got != "2026-03-01" {
		t.Errorf("AddDays: got %s", got)
	}
	if !d.Before(d.AddDays(1)) || d.Before(d) {
		t.Error("Before is wrong")
	}
	var back, unset connector.Date
	b, err := json.Marshal(map[string]connector.Date{"a": d, "b": unset})
	if err != nil || string(b) != `{"a":"2026-02-28","b":""}` {
		t.Errorf("JSON: got %s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`"2026-02-28"`), &back); err != nil || back != d {
		t.Errorf("JSON back: got %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`""`), &back); err != nil || !back.IsZero() {
		t.Errorf("JSON back, unset: got %v, %v", back, err)
	}
}

// A date is a day in the books of one place: the same instant is another day elsewhere.
func TestDateOfIsLocal(t *testing.T) {
	at := time.Date(2026, 3, 31, 12, 30, 0, 0, time.UTC)
	auckland := time.FixedZone("NZDT", 13*3600)
	if got := connector.DateOf(at.In(auckland)).String(); got != "2026-04-01" {
		t.Errorf("got %s", got)
	}
	if got := (connector.Date{Year: 2026, Month: 4, Day: 1}).In(auckland).UTC(); !got.Equal(time.Date(2026, 3, 31, 11, 0, 0, 0, time.UTC)) {
		t.Errorf("first instant: got %s", got)
	}
}

func TestRecordLabelAndMarks(t *testing.T) {
	marks := map[string]string{"m": "1"}
	for _, tc := range []struct {
		name   string
		record connector.Record
		label  string
		marked bool
	}{
		{name: "invoice", record: connector.Record{Invoice: &connector.Invoice{Number: "INV-1", Marks: marks}}, label: "INV-1", marked: true},
		{name: "contact", record: connector.Record{Contact: &connector.Contact{Name: "Ada", Marks: marks}}, label: "Ada", marked: true},
		{name: "payment", record: connector.Record{Payment: &connector.Payment{Label: "INV-1", Reference: "ch_1", Marks: marks}}, label: "INV-1", marked: true},
		{name: "payment without a label", record: connector.Record{Payment: &connector.Payment{Reference: "ch_1"}}, label: "ch_1"},
		{name: "gone", record: connector.Record{Gone: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.record.Label(); got != tc.label {
				t.Errorf("label: got %q, want %q", got, tc.label)
			}
			if got := tc.record.Marks() != nil; got != tc.marked {
				t.Errorf("marks: got %v", tc.record.Marks())
			}
		})
	}
}

func TestManifestLookups(t *testing.T) {
	m := connector.Manifest{
		Settings: []connector.Setting{{Name: "url", Default: "https://example.com"}},
		Entities: []connector.EntitySupport{{Entity: connector.EntityInvoice, Verbs: []connector.Verb{connector.VerbList}, PageSize: 7}},
	}
	if !m.Can(connector.EntityInvoice, connector.VerbList) || m.Can(connector.EntityInvoice, connector.VerbGet) || m.Can(connector.EntityContact, connector.VerbList) {
		t.Error("Can is wrong")
	}
	if s, ok := m.Support(connector.EntityInvoice); !ok || s.PageSize != 7 {
		t.Errorf("Support: got %+v, %t", s, ok)
	}
	if s, ok := m.Setting("url"); !ok || s.Default == "" {
		t.Errorf("Setting: got %+v, %t", s, ok)
	}
	if _, ok := m.Setting("key"); ok {
		t.Error("a setting that is not there")
	}
}
