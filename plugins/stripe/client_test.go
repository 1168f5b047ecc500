package main

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// canary is a key that must never be seen outside the Authorization header.
const canary = "sk_test_canary5Zq8"

// answer is a server that gives one answer and remembers what it was asked.
type answer struct {
	mu     sync.Mutex
	status int
	header map[string]string
	body   string
	seen   []*http.Request
}

func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, r)
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

func against(t *testing.T, a *answer) (*Connector, *connector.Session) {
	web := httptest.NewServer(a)
	t.Cleanup(web.Close)
	s := sessionAt(web.URL)
	s.Secrets[settingKey] = canary
	return newConnector(t), s
}

func TestErrorsByAnswer(t *testing.T) {
	body := func(typ, code, msg string) string {
		return `{"error":{"type":"` + typ + `","code":"` + code + `","message":"` + msg + `","payment_intent":{"id":"pi_1","client_secret":"pi_1_secret_canary"}}}`
	}
	tests := []struct {
		name   string
		status int
		header map[string]string
		body   string
		read   connector.Kind
		write  connector.Kind
		text   string
	}{
		{name: "bad key", status: 401, body: body("invalid_request_error", "", "Invalid API Key provided: "+canary), read: connector.Auth, write: connector.Auth, text: "[redacted]"},
		{name: "permission", status: 403, body: body("invalid_request_error", "", "The provided key 'rk_test_****1' does not have 'rak_customer_read'"), read: connector.Auth, write: connector.Auth, text: "rak_customer_read"},
		{name: "bad request", status: 400, body: body("invalid_request_error", "email_invalid", "no"), read: connector.Invalid, write: connector.Invalid, text: "email_invalid"},
		{name: "card", status: 402, body: body("card_error", "card_declined", "declined pi_1_secret_canary"), read: connector.Invalid, write: connector.Invalid},
		{name: "key reused", status: 400, body: body("idempotency_error", "", "same parameters"), read: connector.Invalid, write: connector.Invalid},
		{name: "not there", status: 404, body: body("invalid_request_error", "resource_missing", "No such customer"), read: connector.NotFound, write: connector.NotFound},
		{name: "in flight", status: 409, body: body("invalid_request_error", "idempotency_key_in_use", "x"), read: connector.Unavailable, write: connector.Unavailable},
		{name: "lock", status: 429, body: body("invalid_request_error", "lock_timeout", "x"), read: connector.Unavailable, write: connector.Unavailable},
		{name: "too fast", status: 429, header: map[string]string{limitReason: "global-rate"}, body: body("invalid_request_error", "rate_limit", "x"), read: connector.RateLimited, write: connector.RateLimited},
		{name: "500", status: 500, body: body("api_error", "", "oops"), read: connector.Unavailable, write: connector.UnknownOutcome},
		{name: "502 html", status: 502, body: "<html>" + canary, read: connector.Unavailable, write: connector.UnknownOutcome},
		{name: "503 empty", status: 503, read: connector.Unavailable, write: connector.UnknownOutcome},
		{name: "200 html", status: 200, body: "<html>hello", read: connector.Unavailable, write: connector.UnknownOutcome},
		{name: "200 cut", status: 200, body: `{"id":"cus_1","livemode":fal`, read: connector.Unavailable, write: connector.UnknownOutcome},
		{name: "redirect", status: 302, header: map[string]string{"Location": "https://evil.example/"}, body: `{"id":"cus_1"}`, read: connector.Invalid, write: connector.UnknownOutcome, text: "redirect"},
		{name: "other version", status: 200, header: map[string]string{"Stripe-Version": "2025-03-31.basil"}, body: `{"id":"cus_1"}`, read: connector.Invalid, write: connector.UnknownOutcome, text: "version"},
		{name: "asked to retry", status: 400, header: map[string]string{"Stripe-Should-Retry": "true"}, body: body("invalid_request_error", "", "x"), read: connector.Unavailable, write: connector.Unavailable},
		{name: "too large", status: 200, body: `{"id":"` + strings.Repeat("x", bodyBytesMax+10) + `"}`, read: connector.Unavailable, write: connector.UnknownOutcome},
		{name: "of live mode", status: 200, body: `{"id":"cus_1","object":"customer","livemode":true}`, read: connector.Invalid, write: connector.Invalid, text: "live mode"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &answer{status: tt.status, header: tt.header, body: tt.body}
			c, s := against(t, a)
			_, err := c.Get(t.Context(), s, connector.GetRequest{Entity: connector.EntityContact, IDs: []string{"cus_1"}})
			if tt.read == connector.NotFound {
				if err != nil {
					t.Errorf("read: %v", err)
				}
			} else {
				checkError(t, err, tt.read, tt.text)
			}
			w := contactWrite("k1", connector.Contact{Name: "x"})
			out, err := newConnector(t).Upsert(t.Context(), s, connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{w}})
			if err != nil {
				t.Fatal(err)
			}
			checkError(t, out[0].Err, tt.write, tt.text)
		})
	}
}

func checkError(t *testing.T, err error, kind connector.Kind, text string) {
	t.Helper()
	var e *connector.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("error %T %v, want kind %s", err, err, kind)
	}
	all := e.Error() + e.Remedy
	for u := e.Unwrap(); u != nil; u = nil {
		all += u.Error()
	}
	if strings.Contains(all, "canary") {
		t.Errorf("a secret is in %q", all)
	}
	if !strings.Contains(all, text) {
		t.Errorf("%q lacks %q", all, text)
	}
	if kind == connector.RateLimited && e.RetryAfter <= 0 {
		t.Error("no time to wait")
	}
}

func TestWhatIsSent(t *testing.T) {
	a := &answer{status: 200, body: `{"id":"cus_1","object":"customer","livemode":false}`}
	c, s := against(t, a)
	meter := &connector.Meter{}
	ctx := connector.WithMeter(t.Context(), meter)
	_, err := c.Get(ctx, s, connector.GetRequest{Entity: connector.EntityContact, IDs: []string{"cus_1"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Upsert(ctx, s, connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{contactWrite("k1", connector.Contact{Name: "x"})}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.seen {
		if got, want := r.Header.Get("Authorization"), "Basic "+base64.StdEncoding.EncodeToString([]byte(canary+":")); got != want {
			t.Errorf("%s %s: authorization %q", r.Method, r.URL, got)
		}
		if r.Header.Get("Stripe-Version") != apiVersion || r.Header.Get("X-Stripe-Client-User-Agent") != "" || r.Header.Get("X-Stripe-Client-Telemetry") != "" {
			t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
		}
		key := r.Header.Get("Idempotency-Key")
		if (r.Method == http.MethodPost) != strings.HasPrefix(key, "k1-customer-") || len(key) > 255 {
			t.Errorf("%s %s: idempotency key %q", r.Method, r.URL, key)
		}
	}
	if got := meter.Usage().Calls; got != len(a.seen) || got != 2 {
		t.Errorf("%d calls counted, %d seen", got, len(a.seen))
	}
}

func TestNobodyAnswers(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	s := sessionAt(web.URL)
	web.Close()
	c := newConnector(t)
	_, err := c.Get(t.Context(), s, connector.GetRequest{Entity: connector.EntityContact, IDs: []string{"cus_1"}})
	checkError(t, err, connector.Unavailable, "no answer")
	out, err := c.Upsert(t.Context(), s, connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{contactWrite("k1", connector.Contact{Name: "x"})}})
	if err != nil {
		t.Fatal(err)
	}
	checkError(t, out[0].Err, connector.Unavailable, "no answer") // nothing was sent
}

func TestSettingsAreChecked(t *testing.T) {
	tests := []struct {
		name  string
		key   string
		url   string
		speed string
		kind  connector.Kind
	}{
		{name: "no key", kind: connector.Auth},
		{name: "publishable key", key: "pk_live_1", kind: connector.Auth},
		{name: "key with a line break", key: "sk_live_1\nX: y", kind: connector.Auth},
		{name: "plain http", key: "sk_live_1", url: "http://api.stripe.com", kind: connector.Invalid},
		{name: "user in the URL", key: "sk_live_1", url: "https://a:b@api.stripe.com", kind: connector.Invalid},
		{name: "no URL", key: "sk_live_1", url: "://", kind: connector.Invalid},
		{name: "speed", key: "sk_live_1", speed: "fast", kind: connector.Invalid},
		{name: "no speed", key: "sk_live_1", speed: "0", kind: connector.Invalid},
		{name: "defaults", key: "rk_live_1"},
		{name: "loopback", key: "sk_test_1", url: "http://localhost:1/v1/"},
	}
	for _, tt := range tests {
		s := &connector.Session{Settings: map[string]string{settingURL: tt.url, settingSpeed: tt.speed},
			Secrets: map[string]connector.Secret{settingKey: connector.Secret(tt.key)}}
		cn, err := newConnector(t).connect(s, "test")
		switch {
		case tt.kind == 0 && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.kind != 0 && (err == nil || connector.KindOf(err) != tt.kind):
			t.Errorf("%s: %v, want kind %s", tt.name, err, tt.kind)
		case tt.name == "defaults" && (!cn.live || cn.full):
			t.Errorf("%s: live %v, full %v", tt.name, cn.live, cn.full)
		}
	}
}

func TestClientsAreSharedAndBounded(t *testing.T) {
	c := newConnector(t)
	s := sessionAt("http://127.0.0.1:1")
	first, err := c.connect(s, "test")
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.connect(s, "test")
	if err != nil || again.remote != first.remote {
		t.Errorf("the same settings make another client (%v)", err)
	}
	for i := range 3 * remotesMax {
		s.Secrets[settingKey] = connector.Secret("sk_test_" + strings.Repeat("x", i+1))
		if _, err := c.connect(s, "test"); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.remotes) > remotesMax {
		t.Errorf("%d clients kept", len(c.remotes))
	}
}

func TestBudget(t *testing.T) {
	now := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	b := newBudget(2, func() time.Time { return now })
	var wait time.Duration
	for range 12 { // two at once; those that would wait long are sent back
		ctx, cancel := testCancelled()
		err := b.take(ctx, "GET v1/customers")
		cancel()
		var e *connector.Error
		if errors.As(err, &e) {
			if e.Kind != connector.RateLimited {
				t.Fatal(err)
			}
			wait = e.RetryAfter
		}
	}
	if wait <= waitMax {
		t.Errorf("sent back for %s", wait)
	}
	b = newBudget(100, func() time.Time { return now })
	h := http.Header{limitReason: {"global-rate"}}
	for range 8 {
		b.note(http.StatusTooManyRequests, h)
	}
	var e *connector.Error
	if err := b.take(t.Context(), "x"); !errors.As(err, &e) || e.RetryAfter != backoffMax {
		t.Errorf("after eight refusals: %+v", e)
	}
	now = now.Add(2 * backoffMax)
	b.note(200, nil)
	if err := b.take(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{
		"/v1/invoices/in_1Ab/finalize": "v1/invoices/*/finalize", "/v1/customers": "v1/customers", "/v1/refunds/re_9": "v1/refunds/*",
	} {
		if got := operation(path); got != want {
			t.Errorf("operation(%q) = %q", path, got)
		}
	}
}

func TestRateLimitedByStripe(t *testing.T) {
	b := newBench(t)
	id := b.customer("a")
	b.srv.Faults().Add(sandbox.Fault{Kind: sandbox.FaultStatus, Status: 429, Times: 1,
		Header: map[string]string{limitReason: "global-rate"}, Body: `{"error":{"type":"invalid_request_error","code":"rate_limit","message":"slow down"}}`})
	_, err := b.c.Get(b.ctx(), b.s, connector.GetRequest{Entity: connector.EntityContact, IDs: []string{id}})
	checkError(t, err, connector.RateLimited, "slow down")
	b.clock.Advance(3 * time.Second)
	b.one(connector.EntityContact, id)
}

func TestCheck(t *testing.T) {
	b := newBench(t)
	res, err := b.c.Check(b.ctx(), b.s, connector.CheckRequest{})
	b.must(err)
	if res.Account.ID != "acct_1Sandbox" || res.Account.Currency != "NZD" || res.Account.Live || len(res.Missing) != 0 || len(res.Excess) != 1 {
		t.Errorf("full key: %+v", res)
	}
	b.must(b.srv.AddKey("rk_test_part", "rak_customer_write", "rak_invoice_write", "rak_accounts_kyc_basic_read", "rak_event_read"))
	b.s.Secrets[settingKey] = "rk_test_part"
	res, err = b.c.Check(b.ctx(), b.s, connector.CheckRequest{})
	b.must(err)
	if len(res.Excess) != 0 || len(res.Missing) < 3 || !slices.Contains(res.Missing, "rak_dispute_read") || !strings.HasPrefix(res.Missing[0], "rak_") {
		t.Errorf("restricted key: %+v", res)
	}
	if want := "optional, for payouts: the key lacks rak_payout_read"; !slices.Contains(res.Notes, want) {
		t.Errorf("notes %q lack %q", res.Notes, want)
	}
	b.s.Secrets[settingKey] = "sk_test_unknown"
	_, err = b.c.Check(b.ctx(), b.s, connector.CheckRequest{})
	checkError(t, err, connector.Auth, "")
	b.s.Secrets[settingKey], b.s.AccountID = stand.DefaultAPIKey, "acct_other"
	_, err = b.c.Check(b.ctx(), b.s, connector.CheckRequest{})
	checkError(t, err, connector.Auth, "acct_other")
	_, err = b.c.Check(b.ctx(), b.s, connector.CheckRequest{PostingAccounts: []string{"610"}})
	checkError(t, err, connector.Invalid, "610")
}

// testCancelled is a context that does not wait.
func testCancelled() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}
