package wire

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// liar is a plugin that was not built with this package: it says what it likes.
type liar struct {
	pb.UnimplementedConnectorServer
	describe  *pb.DescribeResponse
	list      *pb.ListResponse
	get       *pb.GetResponse
	upsert    *pb.UpsertResponse
	subscribe *pb.SubscribeResponse
}

func (l *liar) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return l.describe, nil
}
func (l *liar) List(context.Context, *pb.ListRequest) (*pb.ListResponse, error) { return l.list, nil }
func (l *liar) Get(context.Context, *pb.GetRequest) (*pb.GetResponse, error)    { return l.get, nil }
func (l *liar) Upsert(context.Context, *pb.UpsertRequest) (*pb.UpsertResponse, error) {
	return l.upsert, nil
}
func (l *liar) Subscribe(context.Context, *pb.SubscribeRequest) (*pb.SubscribeResponse, error) {
	return l.subscribe, nil
}

// told returns a client of a plugin that answers so.
func told(t *testing.T, l *liar) *Client {
	t.Helper()
	c, stop, err := loopback(l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return c
}

// refused checks that an answer was not believed, and that the host knows what to
// do about it.
func refused(t *testing.T, err error, kind connector.Kind, want string) {
	t.Helper()
	var e *connector.Error
	if !errors.As(err, &e) || e.Kind != kind || !strings.Contains(e.Message, want) || e.Remedy == "" {
		t.Errorf("got %v (%s), want %s with %q and a remedy", err, connector.KindOf(err), kind, want)
	}
}

func invoiceWith(change func(*pb.Invoice)) *pb.Record {
	v := &pb.Invoice{Number: "INV-1", Total: &pb.Money{Currency: "NZD", Minor: 1050, Digits: 2}}
	if change != nil {
		change(v)
	}
	return &pb.Record{Entity: pb.Entity_ENTITY_INVOICE, Id: "1", Body: &pb.Record_Invoice{Invoice: v}}
}

func TestRecordsNotBelieved(t *testing.T) {
	for _, tc := range []struct {
		name   string
		record *pb.Record
		want   string
	}{
		// I6: both sides must mean the same unit.
		{name: "digits of another unit", want: "digits", record: invoiceWith(func(v *pb.Invoice) { v.Total.Digits = 3 })},
		{name: "no such currency", want: "currency", record: invoiceWith(func(v *pb.Invoice) { v.Total.Currency = "XXX" })},
		{name: "lower-case currency", want: "currency", record: invoiceWith(func(v *pb.Invoice) { v.Currency = "nzd" })},
		{name: "unknown status", want: "status 99", record: invoiceWith(func(v *pb.Invoice) { v.Status = 99 })},
		{name: "unknown kind", want: "kind 7", record: invoiceWith(func(v *pb.Invoice) { v.Kind = 7 })},
		{name: "a foreign word", want: "tax mode -1", record: invoiceWith(func(v *pb.Invoice) { v.TaxMode = foreign })},
		{name: "no such day", want: "calendar", record: invoiceWith(func(v *pb.Invoice) { v.DueDate = &pb.Date{Year: 2026, Month: 2, Day: 30} })},
		{name: "no such year", want: "calendar", record: invoiceWith(func(v *pb.Invoice) { v.DueDate = &pb.Date{Year: 20260, Month: 2, Day: 3} })},
		{name: "quantity is no number", want: "line 2", record: invoiceWith(func(v *pb.Invoice) { v.Lines = []*pb.InvoiceLine{{}, {Quantity: "1,5"}} })},
		{name: "extra sum in a wrong unit", want: "extra field fee", record: invoiceWith(func(v *pb.Invoice) {
			v.Extra = map[string]*pb.Value{"fee": {Kind: &pb.Value_Money{Money: &pb.Money{Currency: "JPY", Digits: 2}}}}
		})},
		{name: "extra time beyond the calendar", want: "extra field at", record: invoiceWith(func(v *pb.Invoice) {
			v.Extra = map[string]*pb.Value{"at": {Kind: &pb.Value_Time{Time: &timestamppb.Timestamp{Seconds: math.MaxInt64}}}}
		})},
		{name: "time beyond the calendar", want: "out of range", record: &pb.Record{
			Entity: pb.Entity_ENTITY_INVOICE, Id: "1", UpdatedAt: &timestamppb.Timestamp{Seconds: math.MinInt64}, Gone: true,
		}},
		{name: "another entity", want: "asked for invoice", record: &pb.Record{
			Entity: pb.Entity_ENTITY_CONTACT, Id: "1", Body: &pb.Record_Contact{Contact: &pb.Contact{Name: "Ada"}},
		}},
		{name: "another body", want: "holds contact", record: &pb.Record{
			Entity: pb.Entity_ENTITY_INVOICE, Id: "1", Body: &pb.Record_Contact{Contact: &pb.Contact{}},
		}},
		{name: "no body", want: "empty", record: &pb.Record{Entity: pb.Entity_ENTITY_INVOICE, Id: "1"}},
		{name: "no id", want: "asked for invoice", record: &pb.Record{Entity: pb.Entity_ENTITY_INVOICE, Gone: true}},
		{name: "unknown entity", want: "entity 42", record: &pb.Record{Entity: 42, Id: "1"}},
		{name: "nothing at all", want: "asked for invoice", record: &pb.Record{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := told(t, &liar{
				list:   &pb.ListResponse{Records: []*pb.Record{tc.record}, NextCursor: "2"},
				get:    &pb.GetResponse{Records: []*pb.Record{tc.record}},
				upsert: &pb.UpsertResponse{Outcomes: []*pb.Outcome{{Result: pb.OutcomeResult_OUTCOME_RESULT_CREATED, Id: "1", Record: tc.record}}},
			})
			s := &connector.Session{}
			_, err := c.List(t.Context(), s, connector.ListRequest{Entity: connector.EntityInvoice})
			if tc.name == "no body" { // it may not hold up its page; Get says what is wrong with it
				if err != nil {
					t.Errorf("an unreadable record holds up its page: %v", err)
				}
			} else {
				refused(t, err, connector.Unavailable, tc.want)
			}
			_, err = c.Get(t.Context(), s, connector.GetRequest{Entity: connector.EntityInvoice})
			refused(t, err, connector.Unavailable, tc.want)
			if tc.name == "no body" || tc.name == "no id" {
				return // an outcome may tell less of the record than a read
			}
			out, err := c.Upsert(t.Context(), s, connector.UpsertRequest{Entity: connector.EntityInvoice, Writes: make([]connector.Write, 1)})
			if err != nil {
				t.Fatal(err)
			}
			// I3: the write may have been made; the next attempt looks first.
			if out[0].Err == nil || out[0].Err.Kind != connector.UnknownOutcome || out[0].Result != "" {
				t.Errorf("outcome: got %+v", out[0])
			}
		})
	}
}

func TestNegativePaymentNotBelieved(t *testing.T) {
	c := told(t, &liar{get: &pb.GetResponse{Records: []*pb.Record{{
		Entity: pb.Entity_ENTITY_PAYMENT, Id: "1",
		Body: &pb.Record_Payment{Payment: &pb.Payment{Amount: &pb.Money{Currency: "NZD", Minor: -1, Digits: 2}}},
	}}}})
	_, err := c.Get(t.Context(), &connector.Session{}, connector.GetRequest{Entity: connector.EntityPayment})
	refused(t, err, connector.Unavailable, "negative")
}

func TestOutcomesNotBelieved(t *testing.T) {
	ok := &pb.Outcome{Result: pb.OutcomeResult_OUTCOME_RESULT_CREATED, Id: "1"}
	for _, tc := range []struct {
		name     string
		outcomes []*pb.Outcome
		want     string // of the whole call; empty: only the second outcome is bad
	}{
		{name: "none", want: "2 writes were answered with 0"},
		{name: "too few", outcomes: []*pb.Outcome{ok}, want: "2 writes were answered with 1"},
		{name: "too many", outcomes: []*pb.Outcome{ok, ok, ok}, want: "2 writes were answered with 3"},
		{name: "says nothing", outcomes: []*pb.Outcome{ok, {}}},
		{name: "unknown result", outcomes: []*pb.Outcome{ok, {Result: 9, Id: "2"}}},
		{name: "created without an id", outcomes: []*pb.Outcome{ok, {Result: pb.OutcomeResult_OUTCOME_RESULT_CREATED}}},
		{name: "adopted without an id", outcomes: []*pb.Outcome{ok, {Result: pb.OutcomeResult_OUTCOME_RESULT_ADOPTED}}},
		{name: "effect in a wrong unit", outcomes: []*pb.Outcome{ok, {
			Result: pb.OutcomeResult_OUTCOME_RESULT_CREATED, Id: "2", Effects: []*pb.Effect{{Amount: &pb.Money{Currency: "KWD", Digits: 2}}},
		}}},
		{name: "error of an unknown kind", outcomes: []*pb.Outcome{ok, {Error: &pb.Error{Kind: 77, Message: "new"}}}},
		{name: "error without a kind", outcomes: []*pb.Outcome{ok, {Error: &pb.Error{Message: "new"}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := told(t, &liar{upsert: &pb.UpsertResponse{Outcomes: tc.outcomes}})
			out, err := c.Upsert(t.Context(), &connector.Session{}, connector.UpsertRequest{
				Entity: connector.EntityInvoice, Writes: make([]connector.Write, 2),
			})
			if tc.want != "" {
				refused(t, err, connector.UnknownOutcome, tc.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if out[0].Err != nil || out[0].Result != connector.Created {
				t.Errorf("the good outcome: got %+v", out[0])
			}
			if out[1].Err == nil || out[1].Err.Kind != connector.UnknownOutcome {
				t.Errorf("the bad outcome: got %+v", out[1])
			}
		})
	}
}

func TestStandingCursorNotBelieved(t *testing.T) {
	c := told(t, &liar{list: &pb.ListResponse{NextCursor: "here", More: true}})
	req := connector.ListRequest{Entity: connector.EntityInvoice, Cursor: "here"}
	_, err := c.List(t.Context(), &connector.Session{}, req)
	refused(t, err, connector.Unavailable, "cursor stands still")
	req.Cursor = "before"
	if _, err := c.List(t.Context(), &connector.Session{}, req); err != nil {
		t.Errorf("a cursor that moved: %v", err)
	}
}

func TestBodilessRecordsWhenAskedForIDs(t *testing.T) {
	c := told(t, &liar{list: &pb.ListResponse{Records: []*pb.Record{{Entity: pb.Entity_ENTITY_INVOICE, Id: "1"}}}})
	page, err := c.List(t.Context(), &connector.Session{}, connector.ListRequest{Entity: connector.EntityInvoice, IDsOnly: true})
	if err != nil || len(page.Records) != 1 {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestManifestNotBelieved(t *testing.T) {
	good := func() *pb.Manifest {
		return &pb.Manifest{Name: "x", Entities: []*pb.EntitySupport{{
			Entity: pb.Entity_ENTITY_INVOICE, GetBatch: 1, UpsertBatch: 1, PageSize: 1,
		}}}
	}
	for _, tc := range []struct {
		name   string
		change func(*pb.Manifest)
	}{
		{"no name", func(m *pb.Manifest) { m.Name = "" }},
		{"no entities", func(m *pb.Manifest) { m.Entities = nil }},
		{"no batch", func(m *pb.Manifest) { m.Entities[0].GetBatch = 0 }},
		{"negative page", func(m *pb.Manifest) { m.Entities[0].PageSize = -1 }},
		{"unknown verb", func(m *pb.Manifest) { m.Entities[0].Verbs = []pb.Verb{12} }},
		{"unknown setting type", func(m *pb.Manifest) { m.Settings = []*pb.Setting{{Name: "a", Type: 12}} }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := good()
			tc.change(m)
			_, err := told(t, &liar{describe: &pb.DescribeResponse{Manifest: m}}).Describe(t.Context())
			refused(t, err, connector.Invalid, "cannot be used")
		})
	}
	if _, err := told(t, &liar{describe: &pb.DescribeResponse{Manifest: good()}}).Describe(t.Context()); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

func TestVerdictsNotBelieved(t *testing.T) {
	event := func(change func(*pb.Event)) *pb.SubscribeResponse {
		e := &pb.Event{Entity: pb.Entity_ENTITY_INVOICE, Id: "1"}
		change(e)
		return &pb.SubscribeResponse{Verdict: pb.Verdict_VERDICT_ACCEPTED, Events: []*pb.Event{e}}
	}
	for _, tc := range []struct {
		name string
		says *pb.SubscribeResponse
		want string
	}{
		{"nothing", &pb.SubscribeResponse{}, "no verdict"},
		{"unknown", &pb.SubscribeResponse{Verdict: 8}, "no verdict"},
		{"event of no record", event(func(e *pb.Event) { e.Id = "" }), "names no record"},
		{"event of no entity", event(func(e *pb.Event) { e.Entity = 0 }), "names no record"},
		{"event of a kind to come", event(func(e *pb.Event) { e.Kind = 9 }), "event kind 9"},
		{"event beyond the calendar", event(func(e *pb.Event) { e.OccurredAt = &timestamppb.Timestamp{Nanos: -1} }), "out of range"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := told(t, &liar{subscribe: tc.says}).VerifyWebhook(t.Context(), &connector.Session{},
				connector.WebhookRequest{Header: http.Header{}, ReceivedAt: time.Now()})
			refused(t, err, connector.Unavailable, tc.want)
		})
	}
}
