package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	hook "github.com/stripe/stripe-go/v76/webhook"

	"github.com/ml-connector/ml-connector/connector"
)

var hookTime = time.Unix(1_790_000_000, 0).UTC()

func sign(body string, at time.Time, secret string) string {
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(hook.ComputeSignature(at, []byte(body), secret)))
}

func eventBody(kind, object string) string {
	return fmt.Sprintf(`{"id":"evt_1","object":"event","type":%q,"created":%d,"livemode":false,"api_version":"2026-08-26.dahlia","data":{"object":%s}}`,
		kind, hookTime.Unix()-1, object)
}

func verify(t *testing.T, secret, body string, header ...string) connector.WebhookVerdict {
	t.Helper()
	s := sessionAt("http://127.0.0.1:1")
	s.Secrets[settingHook] = connector.Secret(secret)
	v, err := New().VerifyWebhook(context.Background(), s, connector.WebhookRequest{
		Header: http.Header{signatureHeader: header}, Body: []byte(body), ReceivedAt: hookTime,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWebhookSignature(t *testing.T) {
	body := eventBody("charge.succeeded", `{"id":"ch_1","object":"charge"}`)
	good := sign(body, hookTime, "whsec_a")
	tests := []struct {
		name   string
		secret string
		body   string
		header []string
		want   connector.Verdict
	}{
		{"genuine", "whsec_a", body, []string{good}, connector.Accepted},
		{"second of two secrets", "whsec_b, whsec_a", body, []string{good}, connector.Accepted},
		{"one of two signatures", "whsec_a", body, []string{good + ",v1=00ff,v0=zz"}, connector.Accepted},
		{"almost too old", "whsec_a", body, []string{sign(body, hookTime.Add(-5*time.Minute), "whsec_a")}, connector.Accepted},
		{"too old", "whsec_a", body, []string{sign(body, hookTime.Add(-5*time.Minute-time.Second), "whsec_a")}, connector.Refused},
		{"from the future", "whsec_a", body, []string{sign(body, hookTime.Add(5*time.Minute+time.Second), "whsec_a")}, connector.Refused},
		{"another secret", "whsec_b", body, []string{good}, connector.Refused},
		{"changed body", "whsec_a", body + " ", []string{good}, connector.Refused},
		{"changed time", "whsec_a", body, []string{strings.Replace(good, "t=1", "t=2", 1)}, connector.Refused},
		{"two times", "whsec_a", body, []string{"t=1," + good}, connector.Refused},
		{"time with a sign", "whsec_a", body, []string{strings.Replace(good, "t=", "t=+", 1)}, connector.Refused},
		{"old scheme only", "whsec_a", body, []string{strings.Replace(good, "v1", "v0", 1)}, connector.Refused},
		{"no header", "whsec_a", body, nil, connector.Refused},
		{"two headers", "whsec_a", body, []string{good, good}, connector.Refused},
		{"empty header", "whsec_a", body, []string{""}, connector.Refused},
		{"long header", "whsec_a", body, []string{good + strings.Repeat(",v0=a", signatureMax)}, connector.Refused},
		{"no secret", "", body, []string{sign(body, hookTime, "")}, connector.NotConfigured},
		{"only commas", " , ,", body, []string{sign(body, hookTime, "")}, connector.NotConfigured},
		{"empty among secrets", "whsec_a,,", body, []string{sign(body, hookTime, "")}, connector.Refused},
		{"too large", "whsec_a", strings.Repeat(" ", webhookBytesMax+1), []string{sign(strings.Repeat(" ", webhookBytesMax+1), hookTime, "whsec_a")}, connector.Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := verify(t, tt.secret, tt.body, tt.header...)
			if got.Verdict != tt.want || got.Verdict != connector.Accepted && (len(got.Events) > 0 || got.Reason == "") {
				t.Errorf("verdict %+v, want %d", got, tt.want)
			}
		})
	}
}

func TestWebhookEvents(t *testing.T) {
	type refs []string
	tests := []struct {
		kind   string
		object string
		want   refs
		event  connector.EventKind
	}{
		{"charge.succeeded", `{"id":"ch_1","object":"charge"}`, refs{"payment/ch_1"}, connector.EventCreated},
		{"charge.refunded", `{"id":"py_1","object":"charge"}`, refs{"payment/py_1"}, connector.EventUpdated},
		{"charge.refund.updated", `{"id":"re_1","object":"refund","charge":"ch_1"}`, refs{"payment/re_1", "payment/ch_1"}, connector.EventUpdated},
		{"refund.failed", `{"id":"re_1","object":"refund","charge":{"id":"ch_1"}}`, refs{"payment/re_1", "payment/ch_1"}, connector.EventUpdated},
		{"charge.dispute.created", `{"id":"dp_1","object":"dispute","charge":"ch_1"}`, refs{"payment/ch_1", "disputes payment/dp_1"}, connector.EventUpdated},
		{"invoice.paid", `{"id":"in_1","object":"invoice"}`, refs{"invoice/in_1"}, connector.EventUpdated},
		{"credit_note.created", `{"id":"cn_1","object":"credit_note","invoice":"in_1"}`, refs{"invoice/in_1"}, connector.EventUpdated},
		{"customer.deleted", `{"id":"cus_1","object":"customer"}`, refs{"contact/cus_1"}, connector.EventDeleted},
		{"customer.created", `{"id":"cus_1","object":"customer"}`, refs{"contact/cus_1"}, connector.EventCreated},
		{"customer.subscription.created", `{"id":"sub_1","object":"subscription"}`, nil, ""},
		{"invoice.upcoming", `{"object":"invoice"}`, nil, ""},
		{"payout.paid", `{"id":"po_1","object":"payout"}`, refs{"payouts payment/po_1"}, connector.EventUpdated},
		{"topup.succeeded", `{"id":"tu_1","object":"topup"}`, nil, ""},
		{"charge.succeeded", `{"id":"../admin","object":"charge"}`, nil, ""},
		{"charge.succeeded", `null`, nil, ""},
		{"charge.succeeded", `[1]`, nil, ""},
		{"charge.dispute.closed", `{"id":"dp_1","charge":7}`, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			body := eventBody(tt.kind, tt.object)
			got := verify(t, "whsec_a", body, sign(body, hookTime, "whsec_a"))
			if got.Verdict != connector.Accepted || got.DeliveryID != "evt_1" || (len(got.Events) == 0) == (got.Reason == "") {
				t.Fatalf("verdict %+v", got)
			}
			var have refs
			keys := map[string]bool{}
			for _, ev := range got.Events {
				have = append(have, strings.TrimSpace(ev.Stream+" "+ev.Ref.String()))
				keys[ev.DedupeKey] = true
				if ev.AccountID != "acct_1Sandbox" || !ev.OccurredAt.Equal(hookTime.Add(-time.Second)) {
					t.Errorf("event %+v", ev)
				}
			}
			if diff := cmp.Diff(tt.want, have); diff != "" || len(keys) != len(have) {
				t.Errorf("events, %d keys (-want +got):\n%s", len(keys), diff)
			}
			if len(have) > 0 && got.Events[0].Kind != tt.event {
				t.Errorf("kind %s, want %s", got.Events[0].Kind, tt.event)
			}
		})
	}
}

func TestWebhookIgnores(t *testing.T) {
	live := strings.Replace(eventBody("charge.succeeded", `{"id":"ch_1","object":"charge"}`), `"livemode":false`, `"livemode":true`, 1)
	for name, body := range map[string]string{"other mode": live, "not JSON": "hello", "thin event": `{"id":"evt_1","object":"v2.core.event","type":"v1.x"}`, "empty": ""} {
		got := verify(t, "whsec_a", body, sign(body, hookTime, "whsec_a"))
		if got.Verdict != connector.Accepted || len(got.Events) != 0 || got.Reason == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	connected := strings.Replace(eventBody("charge.succeeded", `{"id":"ch_1","object":"charge"}`), `"id":"evt_1"`, `"id":"evt_1","account":"acct_9"`, 1)
	if got := verify(t, "whsec_a", connected, sign(connected, hookTime, "whsec_a")); len(got.Events) != 1 || got.Events[0].AccountID != "acct_9" {
		t.Errorf("event of a connected account: %+v", got)
	}
}

func FuzzWebhook(f *testing.F) {
	body := eventBody("charge.refund.updated", `{"id":"re_1","object":"refund","charge":"ch_1"}`)
	f.Add("t=1,v1=aa", body)
	f.Add(sign(body, hookTime, "whsec_a"), body)
	f.Add(",,t=,v1=,=", "")
	f.Fuzz(func(t *testing.T, header, body string) {
		if got := verify(t, "whsec_fuzz_only", body, header); got.Verdict != connector.Refused {
			t.Fatalf("accepted without the secret: %+v", got)
		}
		got := verify(t, "whsec_a", body, sign(body, hookTime, "whsec_a"))
		if got.Verdict != connector.Accepted && len(body) <= webhookBytesMax {
			t.Fatalf("genuine, but %+v", got)
		}
		for _, ev := range got.Events {
			if checkID(ev.Ref.ID) != nil || ev.DedupeKey == "" {
				t.Fatalf("event %+v", ev)
			}
		}
	})
}

func TestRegisterWebhook(t *testing.T) {
	const url = "https://books.example/webhooks/stripe"
	b := newBench(t)
	b.s.Secrets[settingHook] = ""
	first, err := b.c.RegisterWebhook(b.ctx(), b.s, url)
	b.must(err)
	secret := first[settingHook]
	if !strings.HasPrefix(secret.Reveal(), "whsec_") {
		t.Fatalf("secret %v", first)
	}
	b.s.Secrets[settingHook] = secret
	b.srv.ResetCalls()
	if again, err := b.c.RegisterWebhook(b.ctx(), b.s, url); err != nil || len(again) != 0 || b.srv.Calls().Writes != 0 {
		t.Errorf("registered again: %v, %v, %+v", again, err, b.srv.Calls())
	}
	b.s.Secrets[settingHook] = "" // lost: only a new endpoint tells a secret
	next, err := b.c.RegisterWebhook(b.ctx(), b.s, url)
	b.must(err)
	if next[settingHook] == secret || next[settingHook] == "" || len(b.srv.Endpoints()) != 1 {
		t.Errorf("after the secret was lost: %v, endpoints %+v", next, b.srv.Endpoints())
	}
	id, err := b.srv.AddEndpoint(url+"2", "whsec_by_hand", "charge.succeeded")
	b.must(err)
	b.s.Secrets[settingHook] = "whsec_by_hand"
	if got, err := b.c.RegisterWebhook(b.ctx(), b.s, url+"2"); err != nil || len(got) != 0 {
		t.Errorf("an endpoint with few events: %v, %v", got, err)
	}
	for _, ep := range b.srv.Endpoints() {
		if ep.ID == id && len(ep.EnabledEvents) != len(hookedEvents()) {
			t.Errorf("events: %v", ep.EnabledEvents)
		}
	}
}
