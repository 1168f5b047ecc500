package wire

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

func TestPanicBecomesAnError(t *testing.T) {
	boom := false
	c := &script{check: func(context.Context) (connector.CheckResult, error) {
		if boom {
			var none *connector.Session
			_ = none.Connection //nolint:govet // nilness: the kind of slip that connectors make
		}
		return connector.CheckResult{}, nil
	}}
	client := dial(t, c)
	for _, boom = range []bool{true, true, false} {
		_, err := client.Check(t.Context(), &connector.Session{}, connector.CheckRequest{})
		var e *connector.Error
		if !boom && err != nil {
			t.Errorf("after the panics: %v", err)
		}
		if boom && (!errors.As(err, &e) || e.Kind != connector.UnknownOutcome || !strings.Contains(e.Message, "crashed")) {
			t.Errorf("got %v", err)
		}
	}
}

func TestCancellationReachesTheConnector(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	client := dial(t, &script{check: func(ctx context.Context) (connector.CheckResult, error) {
		close(begun)
		<-ctx.Done()
		close(ended)
		return connector.CheckResult{}, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	_, err := client.Check(ctx, &connector.Session{}, connector.CheckRequest{})
	if connector.KindOf(err) != connector.Unavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v (%s)", err, connector.KindOf(err))
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the connector's context did not end")
	}
}

func TestDeadline(t *testing.T) {
	client := dial(t, &script{})
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := client.Get(ctx, &connector.Session{}, connector.GetRequest{Entity: connector.EntityInvoice})
	if connector.KindOf(err) != connector.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read: got %v (%s)", err, connector.KindOf(err))
	}
	// I3: whether the write left is not known here.
	_, err = client.Upsert(ctx, &connector.Session{}, connector.UpsertRequest{Entity: connector.EntityInvoice})
	if connector.KindOf(err) != connector.UnknownOutcome {
		t.Errorf("write: got %v (%s)", err, connector.KindOf(err))
	}
}

func TestMessageSize(t *testing.T) {
	c := &script{}
	client := dial(t, c)
	big := func(bytes int) connector.Record {
		r := contact("1")
		r.Contact.Name = strings.Repeat("a", bytes)
		return r
	}
	c.records = []connector.Record{big(messageBytesMax - 1024)}
	got, err := client.Get(t.Context(), &connector.Session{}, connector.GetRequest{Entity: connector.EntityContact})
	if err != nil || len(got) != 1 {
		t.Fatalf("a page just below the limit: %v", err)
	}
	c.records = []connector.Record{big(messageBytesMax + 1)}
	_, err = client.Get(t.Context(), &connector.Session{}, connector.GetRequest{Entity: connector.EntityContact})
	if connector.KindOf(err) != connector.Unavailable || !strings.Contains(err.Error(), "larger than max") {
		t.Errorf("a page above the limit: got %v", err)
	}
	_, err = client.Upsert(t.Context(), &connector.Session{}, connector.UpsertRequest{
		Entity: connector.EntityContact, Writes: []connector.Write{{Key: "k", Record: big(messageBytesMax + 1)}},
	})
	if connector.KindOf(err) != connector.UnknownOutcome || c.asked == nil {
		t.Errorf("a write above the limit: got %v", err)
	}
}

// A plugin must not be handed what its author did not think of.
func TestServerRefusesTheHost(t *testing.T) {
	c := &script{}
	s := newServer(hooked{c}, nil)
	one := func(w *pb.Write) *pb.UpsertRequest {
		return &pb.UpsertRequest{Entity: pb.Entity_ENTITY_CONTACT, Writes: []*pb.Write{w}}
	}
	good := recordToWire(contact(""))
	for _, tc := range []struct {
		name string
		call func(ctx context.Context) error
	}{
		{"write without a key", func(ctx context.Context) error {
			_, err := s.Upsert(ctx, one(&pb.Write{Record: good}))
			return err
		}},
		{"write of nothing", func(ctx context.Context) error {
			_, err := s.Upsert(ctx, one(&pb.Write{Key: "k"}))
			return err
		}},
		{"write without a body", func(ctx context.Context) error {
			_, err := s.Upsert(ctx, one(&pb.Write{Key: "k", Record: &pb.Record{Entity: pb.Entity_ENTITY_CONTACT}}))
			return err
		}},
		{"write of another entity", func(ctx context.Context) error {
			_, err := s.Upsert(ctx, &pb.UpsertRequest{Entity: pb.Entity_ENTITY_INVOICE, Writes: []*pb.Write{{Key: "k", Record: good}}})
			return err
		}},
		{"a policy to come", func(ctx context.Context) error {
			_, err := s.Upsert(ctx, one(&pb.Write{Key: "k", Record: good, Policy: &pb.Policy{Refunds: 9}}))
			return err
		}},
		{"an entity to come", func(ctx context.Context) error {
			_, err := s.List(ctx, &pb.ListRequest{Entity: 42})
			return err
		}},
		{"an entity to come, get", func(ctx context.Context) error {
			_, err := s.Get(ctx, &pb.GetRequest{Entity: 42})
			return err
		}},
		{"a priority to come", func(ctx context.Context) error {
			_, err := s.Check(ctx, &pb.CheckRequest{Session: &pb.Session{Priority: 42}})
			return err
		}},
		{"neither delivery nor registration", func(ctx context.Context) error {
			_, err := s.Subscribe(ctx, &pb.SubscribeRequest{})
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.asked = nil
			err := errorOf(tc.call(t.Context()), "test", connector.Unavailable)
			if connector.KindOf(err) != connector.Invalid || c.asked != nil {
				t.Errorf("got %v (%s); the connector was asked %v", err, connector.KindOf(err), c.asked)
			}
		})
	}
}

func TestPowersThatAreMissing(t *testing.T) {
	client := dial(t, &script{})
	_, verify := client.VerifyWebhook(t.Context(), &connector.Session{}, connector.WebhookRequest{})
	_, register := client.RegisterWebhook(t.Context(), &connector.Session{}, "https://example.com")
	for name, err := range map[string]error{"verify": verify, "register": register} {
		if connector.KindOf(err) != connector.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A word that the contract does not have is a slip in the connector. It must not
// become a default on the other side.
func TestForeignWordsAreRefused(t *testing.T) {
	c := &script{records: []connector.Record{{
		Entity: connector.EntityInvoice, ID: "1", Invoice: &connector.Invoice{Status: "AUTHORISED", Total: money.MustNew(1, "NZD")},
	}}}
	client := dial(t, c)
	_, err := client.Get(t.Context(), &connector.Session{}, connector.GetRequest{Entity: connector.EntityInvoice})
	if connector.KindOf(err) != connector.Unavailable || !strings.Contains(err.Error(), "invoice status -1") {
		t.Errorf("status: got %v", err)
	}
	w := connector.Write{Key: "k", Record: contact(""), Policy: connector.Policy{Refunds: "creditnote"}}
	_, err = client.Upsert(t.Context(), &connector.Session{}, connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{w}})
	if connector.KindOf(err) != connector.Invalid || !strings.Contains(err.Error(), "refund policy -1") {
		t.Errorf("policy: got %v", err)
	}
	_, err = client.List(t.Context(), &connector.Session{}, connector.ListRequest{Entity: "payslip"})
	if connector.KindOf(err) != connector.Invalid {
		t.Errorf("entity: got %v", err)
	}
}

// An error keeps its kind whatever its text is.
func TestErrorTextIsMadePlain(t *testing.T) {
	c := &script{}
	client := dial(t, c)
	for _, tc := range []struct{ name, text, want string }{
		{"another charset", "Zahlung f\xfcr nichts", "Zahlung f\uFFFDr nichts"},
		{"a whole page", strings.Repeat("ä", 1<<20), "…"},
		{"controls", "a\x00b\r\nc", "a\x00b\r\nc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.err = &connector.Error{Kind: connector.Auth, Op: tc.text, Message: tc.text, Remedy: tc.text, Candidates: []string{tc.text}}
			_, err := client.Get(t.Context(), &connector.Session{}, connector.GetRequest{Entity: connector.EntityContact})
			var e *connector.Error
			if !errors.As(err, &e) || e.Kind != connector.Auth {
				t.Fatalf("got %v", err)
			}
			for _, s := range []string{e.Op, e.Message, e.Remedy, e.Candidates[0]} {
				if len(s) > errorTextBytesMax || !utf8.ValidString(s) || !strings.HasSuffix(s, tc.want) {
					t.Errorf("got %d bytes ending in %.20q, want %q", len(s), s[max(0, len(s)-20):], tc.want)
				}
			}
		})
	}
	c.err = &connector.Error{Kind: connector.Conflict, Message: "many", Candidates: make([]string, 10_000)}
	_, err := client.Get(t.Context(), &connector.Session{}, connector.GetRequest{Entity: connector.EntityContact})
	var e *connector.Error
	if !errors.As(err, &e) || e.Kind != connector.Conflict || len(e.Candidates) != errorCandidatesMax {
		t.Errorf("candidates: got %v", err)
	}
}

// A header may hold any bytes; the request must reach the connector all the same,
// so that it is refused and not called our own failure.
func TestHeadersOfAnyBytes(t *testing.T) {
	c := &script{verdict: connector.WebhookVerdict{Verdict: connector.Refused, Reason: "bad \xff"}}
	got, err := dial(t, hooked{c}).VerifyWebhook(t.Context(), &connector.Session{}, connector.WebhookRequest{
		Header: http.Header{"X-Signature": {"\xff\xfe", "second"}, "Empty": nil}, Body: []byte{0xff},
	})
	if err != nil || got.Verdict != connector.Refused {
		t.Fatalf("got %+v, %v", got, err)
	}
	req := c.asked.(connector.WebhookRequest)
	if sig := req.Header.Get("X-Signature"); sig != "\uFFFD" || req.Body[0] != 0xff {
		t.Errorf("got signature %q, body %x", sig, req.Body)
	}
}

func TestBrokenPlugin(t *testing.T) {
	err := errorOf(status.Error(codes.Unavailable, "connection refused"), "get", connector.Unavailable)
	if connector.KindOf(err) != connector.Unavailable || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
	client := dial(t, &script{})
	ctx := t.Context()
	if _, err := client.Get(ctx, &connector.Session{}, connector.GetRequest{Entity: connector.EntityContact}); err != nil {
		t.Errorf("an empty answer: %v", err)
	}
	for name, broken := range map[string]*connector.Error{
		"no kind": {Message: "forgotten"}, "kind to come": {Kind: 99, Message: "new"},
	} {
		_, err := dial(t, &script{err: broken}).Get(ctx, &connector.Session{}, connector.GetRequest{Entity: connector.EntityContact})
		if connector.KindOf(err) != connector.UnknownOutcome {
			t.Errorf("%s: got %s", name, connector.KindOf(err))
		}
	}
	_, err = dial(t, &script{err: errors.New("unclassified")}).Get(ctx, &connector.Session{}, connector.GetRequest{Entity: connector.EntityContact})
	if connector.KindOf(err) != connector.UnknownOutcome || !strings.Contains(err.Error(), "unclassified") {
		t.Errorf("unclassified: got %v", err)
	}
}
