package stripe_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

func stripeError(err error) *stripego.Error {
	var e *stripego.Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

func TestAuth(t *testing.T) {
	b := newBench(t, stripe.Config{})
	b.must(b.srv.AddKey("rk_test_reader0000000000", "rak_customer_read"))
	b.must(b.srv.AddKey("sk_live_other00000000000"))
	b.must(b.srv.AddKey("sk_test_rolled0000000000"))
	b.srv.ExpireKey("sk_test_rolled0000000000")
	cus := b.customer()
	basic := func(s string) string { return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name, auth, method, path string
		status                   int
		code, contains           string
	}{
		{name: "basic with colon", auth: basic(stripe.DefaultAPIKey + ":"), status: 200},
		{name: "basic without colon", auth: basic(stripe.DefaultAPIKey), status: 200},
		{name: "bearer", auth: "Authorization: Bearer " + stripe.DefaultAPIKey, status: 200},
		{name: "raw key as basic", auth: "Authorization: Basic " + stripe.DefaultAPIKey, status: 401},
		{name: "no scheme", auth: "Authorization: " + stripe.DefaultAPIKey, status: 401, contains: "did not provide"},
		{name: "wrong key", auth: "Authorization: Bearer sk_test_wrong0000000000000", status: 401, contains: "Invalid API Key provided: sk_test_"},
		{name: "publishable", auth: "Authorization: Bearer pk_test_x", status: 401, code: "secret_key_required"},
		{name: "expired", auth: "Authorization: Bearer sk_test_rolled0000000000", status: 401, code: "api_key_expired"},
		{name: "restricted may read", auth: "Authorization: Bearer rk_test_reader0000000000", status: 200},
		{name: "restricted may not write", auth: "Authorization: Bearer rk_test_reader0000000000", method: "POST", status: 403, contains: "'rak_customer_write'"},
		{name: "restricted may not read charges", auth: "Authorization: Bearer rk_test_reader0000000000", path: "/v1/charges", status: 403, contains: "'rak_charge_read'"},
		{name: "other mode sees nothing", auth: "Authorization: Bearer sk_live_other00000000000", path: "/v1/customers/" + cus, status: 404, code: "resource_missing", contains: "other mode"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = "GET"
			}
			if tt.path == "" {
				tt.path = "/v1/customers"
			}
			got := b.do(tt.method, tt.path, tt.auth)
			if got.status != tt.status || got.errorField("code") != tt.code || !strings.Contains(got.errorField("message"), tt.contains) {
				t.Errorf("got %d %s", got.status, got.raw)
			}
			if got.header.Get("Request-Id") == "" || got.header.Get("Stripe-Version") != stripe.Version {
				t.Errorf("headers: %v", got.header)
			}
			if strings.Contains(got.raw, "wrong0000000000000") {
				t.Error("the answer shows the key")
			}
		})
	}
}

func TestCallsAreCounted(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus := b.customer()
	b.ok(b.do("GET", "/v1/customers/"+cus))
	b.ok(b.do("GET", "/v1/customers/"+cus, "Authorization: Bearer "+stripe.DefaultAPIKey))
	got := b.srv.Calls()
	if got.Total != 3 || got.Writes != 1 || got.Basic != 2 || got.Bearer != 1 || got.ByPath["GET /v1/customers/{id}"] != 2 {
		t.Errorf("calls: %+v", got)
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus := b.customer()
	many := make([]string, 51)
	for i := range many {
		many[i] = "metadata[k" + strings.Repeat("x", i%10) + string(rune('a'+i/10)) + "]=v"
	}
	tests := []struct {
		name, method, path string
		params             []string
		status             int
		code, param        string
	}{
		{name: "unknown parameter", method: "POST", path: "/v1/customers", params: []string{"nickname=x"}, status: 400, code: "parameter_unknown", param: "nickname"},
		{name: "unknown nested parameter", method: "POST", path: "/v1/customers", params: []string{"address[planet]=x"}, status: 400, code: "parameter_unknown", param: "address[planet]"},
		{name: "unknown query parameter", method: "GET", path: "/v1/customers", params: []string{"name=x"}, status: 400, code: "parameter_unknown", param: "name"},
		{name: "missing parameter", method: "POST", path: "/v1/invoices", status: 400, code: "parameter_missing", param: "customer"},
		{name: "real but not modelled", method: "POST", path: "/v1/customers", params: []string{"coupon=x"}, status: 400, code: "sandbox_not_modelled", param: "coupon"},
		{name: "unknown path", method: "GET", path: "/v1/subscriptions", status: 404},
		{name: "unknown id in the path", method: "GET", path: "/v1/invoices/in_x", status: 404, code: "resource_missing", param: "id"},
		{name: "unknown id in a parameter", method: "POST", path: "/v1/invoices", params: []string{"customer=cus_x"}, status: 400, code: "resource_missing", param: "customer"},
		{name: "other version", method: "GET", path: "/v1/customers", params: []string{"Stripe-Version: 2024-04-10"}, status: 400},
		{name: "same version", method: "GET", path: "/v1/customers", params: []string{"Stripe-Version: 2023-10-16"}, status: 200},
		{name: "JSON body", method: "POST", path: "/v1/customers", params: []string{"Content-Type: application/json", "name=x"}, status: 400},
		{name: "limit of 101", method: "GET", path: "/v1/customers", params: []string{"limit=101"}, status: 400, code: "parameter_invalid_integer", param: "limit"},
		{name: "limit of 0", method: "GET", path: "/v1/customers", params: []string{"limit=0"}, status: 400, code: "parameter_invalid_integer", param: "limit"},
		{name: "unknown cursor", method: "GET", path: "/v1/customers", params: []string{"starting_after=cus_x"}, status: 400, code: "resource_missing", param: "starting_after"},
		{name: "name too long", method: "POST", path: "/v1/customers", params: []string{"name=" + strings.Repeat("ä", 257)}, status: 400, param: "name"},
		{name: "phone too long", method: "POST", path: "/v1/customers", params: []string{"phone=123456789012345678901"}, status: 400, param: "phone"},
		{name: "bad email", method: "POST", path: "/v1/customers", params: []string{"email=nobody"}, status: 400, code: "email_invalid", param: "email"},
		{name: "metadata key too long", method: "POST", path: "/v1/customers", params: []string{"metadata[" + strings.Repeat("k", 41) + "]=v"}, status: 400, param: "metadata"},
		{name: "metadata value too long", method: "POST", path: "/v1/customers", params: []string{"metadata[k]=" + strings.Repeat("v", 501)}, status: 400, param: "metadata[k]"},
		{name: "too much metadata", method: "POST", path: "/v1/customers", params: many, status: 400, param: "metadata"},
		{name: "expand of nothing", method: "GET", path: "/v1/customers/" + cus, params: []string{"expand[]=friends"}, status: 400, param: "expand"},
		{name: "bad expand does nothing", method: "POST", path: "/v1/customers", params: []string{"expand[]=friends"}, status: 400, param: "expand"},
		{name: "malformed name", method: "POST", path: "/v1/customers", params: []string{"metadata[k=v"}, status: 400, param: "metadata[k"},
		{name: "decimal amount", method: "POST", path: "/v1/invoiceitems", params: []string{"customer=" + cus, "amount=12.5"}, status: 400, code: "parameter_invalid_integer", param: "amount"},
		{name: "unknown currency", method: "POST", path: "/v1/invoiceitems", params: []string{"customer=" + cus, "amount=12", "currency=xau"}, status: 400, param: "currency"},
		{name: "wrong tax id", method: "POST", path: "/v1/customers/" + cus + "/tax_ids", params: []string{"type=nz_gst", "value=1"}, status: 400, code: "tax_id_invalid", param: "value"},
		{name: "endpoint with an event of a later version", method: "POST", path: "/v1/webhook_endpoints", params: []string{"url=https://example.com", "api_version=2023-10-16", "enabled_events[]=refund.failed"}, status: 400, param: "enabled_events"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := b.do(tt.method, tt.path, tt.params...)
			if got.status != tt.status || got.errorField("code") != tt.code || got.errorField("param") != tt.param {
				t.Errorf("got %d, code %q, param %q: %s", got.status, got.errorField("code"), got.errorField("param"), got.raw)
			}
		})
	}
	if n := b.srv.State().Count["customers"]; n != 1 {
		t.Errorf("%d customers after refusals, want 1", n)
	}
}

func TestIdempotency(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	key := "Idempotency-Key: k1"
	first := b.ok(b.do("POST", "/v1/customers", key, "name=Ada", "email=a@example.com"))
	again := b.ok(b.do("POST", "/v1/customers", key, "email=a@example.com", "name=Ada"))
	if again.raw != first.raw || again.header.Get("Idempotent-Replayed") != "true" || again.header.Get("Idempotency-Key") != "k1" {
		t.Errorf("replay: %v", again.header)
	}
	if first.header.Get("Idempotent-Replayed") != "" || first.header.Get("Request-Id") == again.header.Get("Request-Id") {
		t.Errorf("first: %v", first.header)
	}
	other := b.do("POST", "/v1/customers", key, "name=Bob")
	if other.status != 400 || other.errorField("type") != "idempotency_error" {
		t.Errorf("other parameters: %s", other.raw)
	}
	if bad := b.do("POST", "/v1/customers", "Idempotency-Key: k2", "email=nobody"); bad.status != 400 {
		t.Errorf("invalid: %s", bad.raw)
	}
	b.ok(b.do("POST", "/v1/customers", "Idempotency-Key: k2", "email=nobody@example.com")) // what was refused is not kept
	clock.Advance(24 * time.Hour)
	late := b.ok(b.do("POST", "/v1/customers", key, "name=Ada", "email=a@example.com"))
	if late.body["id"] == first.body["id"] {
		t.Error("a key was remembered for more than 24 hours")
	}
}

func TestIdempotencyKeepsFailures(t *testing.T) {
	b := newBench(t, stripe.Config{})
	b.srv.FailAfter(sandbox.Fault{Method: "POST", Path: "/v1/customers"})
	key := "Idempotency-Key: k1"
	first := b.do("POST", "/v1/customers", key, "name=Ada")
	again := b.do("POST", "/v1/customers", key, "name=Ada")
	if first.status != 500 || again.status != 500 || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("statuses %d and %d, %v", first.status, again.status, again.header)
	}
	if n := b.srv.State().Count["customers"]; n != 1 {
		t.Errorf("%d customers, want the one that was made before the failure", n)
	}
}

func TestIdempotencyKeyInFlight(t *testing.T) {
	b := newBench(t, stripe.Config{})
	release := b.srv.HoldWrites()
	defer release()
	done := make(chan response, 2)
	for range 2 {
		go func() { done <- b.do("POST", "/v1/customers", "Idempotency-Key: k1", "name=Ada") }()
	}
	conflict := <-done // only one of them can have the key
	if conflict.status != 409 || conflict.errorField("code") != "idempotency_key_in_use" {
		t.Errorf("got %s", conflict.raw)
	}
	release()
	if got := <-done; got.status != 200 {
		t.Errorf("the first: %s", got.raw)
	}
}

func TestRateLimit(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock, RatePerSecond: 1})
	var limited response
	for range 20 {
		if limited = b.do("GET", "/v1/customers"); limited.status == http.StatusTooManyRequests {
			break
		}
	}
	if limited.status != 429 || limited.header.Get("Stripe-Rate-Limited-Reason") != "global-rate" || limited.errorField("code") != "rate_limit" {
		t.Errorf("got %d %v", limited.status, limited.header)
	}
	clock.Advance(time.Second)
	b.ok(b.do("GET", "/v1/customers"))
	if n := b.srv.Calls().Rejected429; n != 1 {
		t.Errorf("%d refusals counted, want 1", n)
	}
}

func TestFaults(t *testing.T) {
	b := newBench(t, stripe.Config{})
	b.srv.Faults().Add(sandbox.Fault{Path: "/v1/customers", Kind: "status", Status: 429, Header: map[string]string{"Content-Type": "application/json"},
		Body: `{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"locked"}}`})
	if got := b.do("POST", "/v1/customers"); got.status != 429 || got.errorField("code") != "lock_timeout" || got.header.Get("Stripe-Rate-Limited-Reason") != "" {
		t.Errorf("lock timeout: %d %s", got.status, got.raw)
	}
	b.srv.Faults().Add(sandbox.Fault{Path: "/v1/customers", Kind: "reset_after", Times: 1})
	params := &stripego.CustomerParams{Name: stripego.String("Ada")}
	params.SetIdempotencyKey("k1")
	first, err := b.api.Customers.New(params)
	if err != nil { // net/http may have repeated the request by itself
		first, err = b.api.Customers.New(params)
	}
	b.must(err)
	if n := b.srv.State().Count["customers"]; n != 1 || first.ID == "" {
		t.Errorf("%d customers after a lost response, want 1", n)
	}
}

// TestConcurrentWrites makes sure that one key has one effect, whoever wins.
func TestConcurrentWrites(t *testing.T) {
	b := newBench(t, stripe.Config{})
	_, err := b.srv.AddEndpoint("", "whsec_x")
	b.must(err)
	done := make(chan int, 16)
	for i := range cap(done) {
		go func() {
			r := b.do("POST", "/v1/customers", "Idempotency-Key: k"+string(rune('a'+i%4)), "name=Ada")
			done <- r.status
		}()
	}
	for range cap(done) {
		if status := <-done; status != 200 && status != 409 {
			t.Errorf("status %d", status)
		}
	}
	if n := b.srv.State().Count["customers"]; n != 4 {
		t.Errorf("%d customers under four keys", n)
	}
}
