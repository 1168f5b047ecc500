package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	webhookBytesMax  = 1 << 20 // an event is a few hundred bytes; more is refused
	webhookEventsMax = 10000
	signatureHeader  = "x-xero-signature"
)

// notification is the body of a webhook request:
// https://developer.xero.com/documentation/guides/webhooks/overview/
type notification struct {
	Events  []notice    `json:"events"`
	First   json.Number `json:"firstEventSequence"`
	Last    json.Number `json:"lastEventSequence"`
	Entropy string      `json:"entropy"`
}

type notice struct {
	ResourceID   string `json:"resourceId"`
	TenantID     string `json:"tenantId"`
	Category     string `json:"eventCategory"`
	Type         string `json:"eventType"`
	EventDateUTC string `json:"eventDateUtc"`
}

// VerifyWebhook implements connector.WebhookReceiver. The signature is the
// HMAC-SHA256 of the raw body in base64; the key is used as it is written,
// although it looks like base64 itself. There is no timestamp: repeats are
// harmless because an event is only a hint. While the service tries the address
// out it sends requests without events, some of them signed wrongly.
func (x *Xero) VerifyWebhook(_ context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	keys := webhookKeys(s.Secrets["webhook_key"])
	if len(keys) == 0 {
		return connector.WebhookVerdict{Verdict: connector.NotConfigured, Reason: "no webhook_key is set"}, nil
	}
	if len(req.Body) > webhookBytesMax {
		return refuse("the request is longer than %d bytes", webhookBytesMax), nil
	}
	signature := req.Header.Get(signatureHeader)
	if signature == "" {
		return refuse("the signature is missing"), nil
	}
	if !signedBy(keys, req.Body, signature) {
		return refuse("the signature is wrong"), nil
	}
	return readNotification(req.Body), nil
}

func refuse(format string, args ...any) connector.WebhookVerdict {
	return connector.WebhookVerdict{Verdict: connector.Refused, Reason: fmt.Sprintf(format, args...)}
}

// webhookKeys splits the setting: several keys are valid while one replaces another.
func webhookKeys(setting connector.Secret) []string {
	var out []string
	for _, key := range strings.Split(setting.Reveal(), ",") {
		if key = strings.TrimSpace(key); key != "" {
			out = append(out, key)
		}
	}
	return out
}

// signedBy tries every key, always all of them, in constant time.
func signedBy(keys []string, body []byte, signature string) bool {
	ok := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write(body)
		want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		ok = hmac.Equal([]byte(want), []byte(signature)) || ok
	}
	return ok
}

// readNotification reads a genuine request. What it does not know is ignored:
// new categories are added at any time. A genuine request that cannot be read is
// accepted without events, because it would be the same at every repeat.
func readNotification(body []byte) connector.WebhookVerdict {
	out := connector.WebhookVerdict{Verdict: connector.Accepted}
	var n notification
	if err := json.Unmarshal(body, &n); err != nil {
		out.Reason = "the signed request cannot be read; polling finds the changes"
		return out
	}
	if len(n.Events) > webhookEventsMax {
		n.Events = n.Events[:webhookEventsMax]
		out.Reason = "more events than are taken from one request; polling finds the others"
	}
	if n.Entropy != "" {
		out.DeliveryID = n.First.String() + "-" + n.Last.String() + "-" + n.Entropy
	}
	for _, one := range n.Events {
		if ev, ok := one.event(); ok {
			out.Events = append(out.Events, ev)
		}
	}
	return out
}

var categories = map[string]connector.Entity{
	"INVOICE": connector.EntityInvoice,
	"CONTACT": connector.EntityContact,
	"PAYMENT": connector.EntityPayment,
}

func (n notice) event() (connector.Event, bool) {
	category, kind := strings.ToUpper(n.Category), strings.ToUpper(n.Type)
	entity, ok := categories[category]
	if !ok || !isID(n.ResourceID) || !isGUID(n.TenantID) {
		return connector.Event{}, false
	}
	id, tenant := strings.ToLower(n.ResourceID), strings.ToLower(n.TenantID)
	ev := connector.Event{
		Ref: connector.Ref{Entity: entity, ID: id}, Kind: connector.EventUpdated, AccountID: tenant,
		DedupeKey: strings.Join([]string{tenant, category, id, n.EventDateUTC, kind}, "|"),
	}
	switch kind {
	case "CREATE":
		ev.Kind = connector.EventCreated
	case "DELETE":
		ev.Kind = connector.EventDeleted
	}
	if at, err := parseInstant(n.EventDateUTC); err == nil {
		ev.OccurredAt = at
	}
	return ev, true
}
