package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const (
	tenant = "c2cc9b6e-9458-4c7d-93cc-f02b81b0594f"
	someID = "717f2bfc-c6d4-41fd-b238-3f2f0c0cf777"
)

func signature(key, body string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func notice1(category, kind string) string {
	return `{"events":[ {"resourceUrl":"https://api.xero.com/","resourceId":"` + strings.ToUpper(someID) + `","tenantId":"` + tenant +
		`","tenantType":"ORGANISATION","eventCategory":"` + category + `","eventType":"` + kind + `","eventDateUtc":"2026-05-30T00:44:09.923"}],` +
		`"firstEventSequence":76,"lastEventSequence":76,"entropy":"FXNGWLCCGVANWHKILRUB"}`
}

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	event := func(entity connector.Entity, kind connector.EventKind, category, typ string) []connector.Event {
		return []connector.Event{{
			Ref: connector.Ref{Entity: entity, ID: someID}, Kind: kind, AccountID: tenant, OccurredAt: time.Date(2026, time.May, 30, 0, 44, 9, 923e6, time.UTC),
			DedupeKey: tenant + "|" + category + "|" + someID + "|2026-05-30T00:44:09.923|" + typ,
		}}
	}
	const body = `{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S"}`
	tests := []struct {
		name, keys, body, signature string
		want                        connector.Verdict
		events                      []connector.Event
		delivery                    string
	}{
		{name: "intent to receive", keys: "k1", body: body, signature: signature("k1", body), want: connector.Accepted, delivery: "0-0-S"},
		{name: "one letter off", keys: "k1", body: body, signature: "A" + signature("k1", body)[1:], want: connector.Refused},
		{name: "missing", keys: "k1", body: body, want: connector.Refused},
		{name: "no key", body: body, signature: signature("", body), want: connector.NotConfigured},
		{name: "only commas", keys: " , ,", body: body, signature: signature("", body), want: connector.NotConfigured},
		{name: "the second key", keys: "k1, k2", body: body, signature: signature("k2", body), want: connector.Accepted, delivery: "0-0-S"},
		{name: "an invoice", keys: "k", body: notice1("INVOICE", "UPDATE"), want: connector.Accepted, events: event("invoice", connector.EventUpdated, "INVOICE", "UPDATE"), delivery: "76-76-FXNGWLCCGVANWHKILRUB"},
		{name: "title case", keys: "k", body: notice1("Contact", "Create"), want: connector.Accepted, events: event("contact", connector.EventCreated, "CONTACT", "CREATE"), delivery: "76-76-FXNGWLCCGVANWHKILRUB"},
		{name: "a payment", keys: "k", body: notice1("PAYMENT", "CREATE"), want: connector.Accepted, events: event("payment", connector.EventCreated, "PAYMENT", "CREATE"), delivery: "76-76-FXNGWLCCGVANWHKILRUB"},
		{name: "a credit note", keys: "k", body: notice1("CREDITNOTE", "CREATE"), want: connector.Accepted, delivery: "76-76-FXNGWLCCGVANWHKILRUB"},
		{name: "not JSON", keys: "k", body: "<xml>", want: connector.Accepted},
		{name: "too long", keys: "k", body: strings.Repeat(" ", webhookBytesMax+1), want: connector.Refused},
	}
	x := New()
	t.Cleanup(x.Close)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			sig := tt.signature
			if sig == "" && tt.keys == "k" {
				sig = signature("k", tt.body)
			}
			if sig != "" {
				header.Set(signatureHeader, sig)
			}
			s := &connector.Session{Secrets: map[string]connector.Secret{"webhook_key": connector.Secret(tt.keys)}}
			got, err := x.VerifyWebhook(context.Background(), s, connector.WebhookRequest{Header: header, Body: []byte(tt.body)})
			if err != nil {
				t.Fatal(err)
			}
			got.Reason = ""
			if diff := cmp.Diff(got, connector.WebhookVerdict{Verdict: tt.want, Events: tt.events, DeliveryID: tt.delivery}); diff != "" {
				t.Errorf("verdict (-got +want):\n%s", diff)
			}
		})
	}
}

func TestIntentToReceive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{WebhookKey: "spare+key=="})
	w.session.Secrets = map[string]connector.Secret{"webhook_key": "old,spare+key=="}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, err := w.x.VerifyWebhook(r.Context(), w.session, connector.WebhookRequest{Header: r.Header, Body: body})
		if err != nil || got.Verdict != connector.Accepted {
			rw.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(srv.Close)
	w.s.SetWebhookURL(srv.URL)
	if err := w.s.IntentToReceive(context.Background()); err != nil {
		t.Error(err)
	}
}

func FuzzReadNotification(f *testing.F) {
	f.Add([]byte(notice1("INVOICE", "UPDATE")))
	f.Add([]byte(`{"events":[{}],"firstEventSequence":1e99}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		v := readNotification(body)
		if v.Verdict != connector.Accepted {
			t.Fatalf("verdict %d", v.Verdict)
		}
		for _, ev := range v.Events {
			if !isID(ev.Ref.ID) || ev.DedupeKey == "" || !isGUID(ev.AccountID) {
				t.Fatalf("event %+v", ev)
			}
		}
	})
}
