package stripe_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// inbox receives webhooks and keeps those whose signature is right.
type inbox struct {
	mu     sync.Mutex
	secret string
	refuse int // answers with 500 before it takes anything
	events []stripego.Event
	bad    []error
}

func (x *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refuse > 0 {
		x.refuse--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	e, verr := webhook.ConstructEvent(body, r.Header.Get("Stripe-Signature"), x.secret)
	if err != nil || verr != nil {
		x.bad = append(x.bad, verr)
		return
	}
	x.events = append(x.events, e)
}

func (x *inbox) kinds() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var out []string
	for _, e := range x.events {
		out = append(out, string(e.Type))
	}
	return out
}

func (b *bench) inbox(secret string) (*inbox, string) {
	b.t.Helper()
	x := &inbox{secret: secret}
	ts := httptest.NewServer(x)
	b.t.Cleanup(ts.Close)
	return x, ts.URL
}

// idle waits until all webhooks are delivered.
func (b *bench) idle() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	b.must(b.srv.Idle(ctx))
}

func TestWebhook(t *testing.T) {
	b := newBench(t, stripe.Config{})
	box, url := b.inbox("")
	we, err := b.api.WebhookEndpoints.New(&stripego.WebhookEndpointParams{URL: stripego.String(url), APIVersion: stripego.String(stripego.APIVersion),
		EnabledEvents: stripego.StringSlice([]string{"charge.succeeded", "charge.refunded", "invoice.paid"})})
	b.must(err)
	box.mu.Lock()
	box.secret = we.Secret
	box.mu.Unlock()
	again, err := b.api.WebhookEndpoints.Get(we.ID, nil)
	b.must(err)
	if we.Secret == "" || again.Secret != "" || again.APIVersion != stripego.APIVersion {
		t.Errorf("endpoint: secret %q, then %q", we.Secret, again.Secret)
	}
	if got := b.do("POST", "/v1/webhook_endpoints/"+we.ID, "api_version=2023-10-16"); got.errorField("code") != "parameter_unknown" {
		t.Errorf("change of the version: %s", got.raw)
	}
	inv := b.open(b.customer(), 5000, "nzd")
	chargeID, err := b.srv.Pay(inv.ID, "success")
	b.must(err)
	_, err = b.srv.Refund(chargeID, 1000, "")
	b.must(err)
	b.idle()
	if got := box.kinds(); !slices.Equal(got, []string{"charge.succeeded", "invoice.paid", "charge.refunded"}) || len(box.bad) > 0 {
		t.Fatalf("got %v, refused %v", got, box.bad)
	}
	var ch stripego.Charge
	b.must(json.Unmarshal(box.events[0].Data.Raw, &ch))
	if box.events[0].APIVersion != stripego.APIVersion || ch.Invoice == nil || ch.Invoice.ID != inv.ID || box.events[0].Livemode {
		t.Errorf("delivered %s: %s", box.events[0].APIVersion, box.events[0].Data.Raw)
	}
	prev := box.events[2].Data.PreviousAttributes
	if prev["amount_refunded"] != 0.0 {
		t.Errorf("previous_attributes of charge.refunded: %v", prev)
	}
}

// TestPolledEventsAreNewer shows the trap: the event log is in the account's
// version, in which a charge does not name its invoice.
func TestPolledEventsAreNewer(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 5000, "nzd")
	_, err := b.srv.Pay(inv.ID, "success")
	b.must(err)
	it := b.api.Events.List(&stripego.EventListParams{Type: stripego.String("charge.*")})
	if !it.Next() {
		t.Fatal("no events")
	}
	e := it.Event()
	if _, has := e.Data.Object["invoice"]; has || e.APIVersion != stripe.VersionNewer || e.Data.Object["payment_intent"] == nil {
		t.Errorf("polled %s: %s", e.APIVersion, e.Data.Raw)
	}
	paid := b.ok(b.do("GET", "/v1/events", "type=invoice.paid")).body["data"].([]any)[0].(map[string]any)["data"].(map[string]any)["object"].(map[string]any)
	for _, field := range []string{"payment_intent", "charge", "paid", "paid_out_of_band"} {
		if _, has := paid[field]; has {
			t.Errorf("a newer invoice has %s", field)
		}
	}
	old := newBench(t, stripe.Config{AccountVersion: stripe.Version})
	_, err = old.srv.Charge(stripe.OtherCharge{Amount: 500})
	old.must(err)
	it = old.api.Events.List(&stripego.EventListParams{Types: stripego.StringSlice([]string{"charge.succeeded"})})
	if !it.Next() || it.Event().APIVersion != stripe.Version {
		t.Errorf("an account at the old version: %v", it.Err())
	}
}

func TestEventsExpire(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	b.customer()
	events := b.ok(b.do("GET", "/v1/events")).body["data"].([]any)
	id := events[0].(map[string]any)["id"].(string)
	b.ok(b.do("GET", "/v1/events/"+id))
	clock.Advance(30*24*time.Hour + time.Second)
	if got := b.do("GET", "/v1/events/"+id); got.status != 404 {
		t.Errorf("an old event: %d", got.status)
	}
	if got := b.do("GET", "/v1/events", "ending_before="+id); got.errorField("code") != "resource_missing" {
		t.Errorf("an old cursor: %s", got.raw)
	}
	many := make([]string, 21)
	for i := range many {
		many[i] = "types[]=charge.succeeded"
	}
	if got := b.do("GET", "/v1/events", many...); got.status != 400 {
		t.Errorf("21 types: %d", got.status)
	}
}

func TestDeliverySuccess(t *testing.T) {
	b := newBench(t, stripe.Config{})
	box, url := b.inbox("whsec_x")
	box.refuse = 1
	_, err := b.srv.AddEndpoint(url, "whsec_x", "customer.created")
	b.must(err)
	b.must(b.srv.CourierMode(sandbox.ModeHold))
	b.customer()
	count := func(value string) int {
		return len(b.ok(b.do("GET", "/v1/events", "delivery_success="+value)).body["data"].([]any))
	}
	if count("false") != 1 || count("true") != 0 {
		t.Error("an event that is held counts as delivered")
	}
	b.srv.Release(false)
	b.idle()
	if count("false") != 0 || count("true") != 1 {
		t.Error("an event that was delivered after a retry counts as lost")
	}
	if st := b.srv.Endpoints()[0]; st.Delivered != 1 || st.Sent != 2 {
		t.Errorf("stats: %+v", st)
	}
}

func TestChaos(t *testing.T) {
	b := newBench(t, stripe.Config{})
	box, url := b.inbox("whsec_x")
	id, err := b.srv.AddEndpoint(url, "whsec_x", "customer.created", "customer.deleted")
	b.must(err)
	b.must(b.srv.CourierMode(sandbox.ModeHold))
	cus := b.customer()
	b.must(b.srv.DeleteCustomer(cus))
	b.srv.Release(true)
	b.idle()
	b.must(b.srv.RollSecret(id, "whsec_y"))
	b.must(b.srv.CourierMode(sandbox.ModeTwice))
	b.customer() // the old secret still signs
	b.idle()
	b.srv.TwinEvents(true)
	b.must(b.srv.CourierMode(sandbox.ModeNormal))
	b.customer()
	b.idle()
	want := []string{"customer.deleted", "customer.created", "customer.created", "customer.created", "customer.created", "customer.created"}
	if got := box.kinds(); !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if box.events[2].ID != box.events[3].ID || box.events[4].ID == box.events[5].ID {
		t.Error("a repeated delivery has one event id, twins have two")
	}
}
