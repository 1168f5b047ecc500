package main

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v76/webhook"

	"github.com/ml-connector/ml-connector/connector"
)

// The signature is an HMAC-SHA256 over time and raw body; each try of a delivery
// is signed anew. https://docs.stripe.com/webhooks/signatures
const (
	signatureHeader  = "Stripe-Signature"
	signatureMax     = 4 << 10         // bytes of the header; two signatures take 200
	signaturesMax    = 16              // more than a key rotation ever needs
	signatureSkew    = 5 * time.Minute // Stripe's own tolerance; also for times to come
	webhookBytesMax  = 1 << 20         // an event is at most a few hundred KiB
	webhookSecretMax = 8
)

// VerifyWebhook accepts a request only when Stripe signed it.
func (c *Connector) VerifyWebhook(_ context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	secrets := webhookSecrets(s)
	if len(secrets) == 0 {
		return connector.WebhookVerdict{Verdict: connector.NotConfigured, Reason: settingHook + " is not set"}, nil
	}
	if len(req.Body) > webhookBytesMax {
		return refusal("the body is too large"), nil
	}
	at := req.ReceivedAt
	if at.IsZero() {
		at = c.now()
	}
	if why := checkSignature(req.Header.Values(signatureHeader), req.Body, secrets, at); why != "" {
		return refusal(why), nil
	}
	return c.readDelivery(s, req.Body), nil
}

func refusal(why string) connector.WebhookVerdict {
	return connector.WebhookVerdict{Verdict: connector.Refused, Reason: why}
}

// webhookSecrets returns the signing secrets; several are valid at a time.
func webhookSecrets(s *connector.Session) []string {
	var out []string
	for part := range strings.SplitSeq(s.Secrets[settingHook].Reveal(), ",") {
		if part = strings.TrimSpace(part); part != "" && len(out) < webhookSecretMax {
			out = append(out, part)
		}
	}
	return out
}

// checkSignature returns why a delivery is not genuine, or "".
func checkSignature(headers []string, body []byte, secrets []string, now time.Time) string {
	if len(headers) != 1 || headers[0] == "" || len(headers[0]) > signatureMax {
		return "the signature is missing or not of Stripe's form"
	}
	stamp, signatures := readSignature(headers[0])
	if stamp == "" || len(signatures) == 0 {
		return "the signature is missing or not of Stripe's form"
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || seconds <= 0 || seconds > 1<<40 {
		return "the signature has no usable time"
	}
	t := time.Unix(seconds, 0)
	genuine := false
	for _, secret := range secrets {
		want := webhook.ComputeSignature(t, body, secret)
		for _, got := range signatures {
			if hmac.Equal(got, want) {
				genuine = true
			}
		}
	}
	switch age := now.Sub(t); {
	case !genuine:
		return "the signature does not match the body"
	case age > signatureSkew:
		return "the signature is too old"
	case age < -signatureSkew:
		return "the signature is from the future"
	}
	return ""
}

// readSignature reads "t=1700000000,v1=hex,v1=hex,v0=hex". Two times, or a time
// that is not written plainly, make it useless.
func readSignature(header string) (stamp string, signatures [][]byte) {
	for part := range strings.SplitSeq(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			if stamp != "" || value == "" || strings.Trim(value, "0123456789") != "" || value[0] == '0' {
				return "", nil
			}
			stamp = value
		case "v1":
			sig, err := hex.DecodeString(value)
			if err == nil && len(sig) > 0 && len(signatures) < signaturesMax {
				signatures = append(signatures, sig)
			}
		}
	}
	return stamp, signatures
}

// delivery is what is read of an event. Its object may be of another version of
// the API, when the endpoint was made by hand, so only ids are taken from it.
type delivery struct {
	ID       string `json:"id"`
	Object   string `json:"object"`
	Type     string `json:"type"`
	Created  int64  `json:"created"`
	Livemode bool   `json:"livemode"`
	Account  string `json:"account"`
	Data     struct {
		Object json.RawMessage `json:"object"`
	} `json:"data"`
}

// readDelivery turns a genuine delivery into events. One that means nothing to
// us is accepted all the same: Stripe would only send it again.
func (c *Connector) readDelivery(s *connector.Session, body []byte) connector.WebhookVerdict {
	out := connector.WebhookVerdict{Verdict: connector.Accepted}
	var d delivery
	if err := json.Unmarshal(body, &d); err != nil || d.ID == "" || d.Type == "" || d.Object != "event" {
		out.Reason = "not an event of the classic form"
		return out
	}
	out.DeliveryID = d.ID
	if live, _, err := keyMode(strings.TrimSpace(s.Secrets[settingKey].Reveal()), ""); err == nil && live != d.Livemode {
		out.Reason = "an event of the other mode (test or live) than the key's; ignored"
		return out
	}
	touches := readEvent(d.ID, d.Type, d.Data.Object)
	if len(touches) == 0 {
		out.Reason = cut("events of type "+d.Type+" are not used", 200)
		return out
	}
	account := d.Account
	if account == "" {
		account = s.AccountID
	}
	for i, t := range touches {
		kind := eventKind(d.Type)
		if i > 0 { // the charge of a refund, the dispute of a charge
			kind = connector.EventUpdated
		}
		out.Events = append(out.Events, connector.Event{
			Ref: connector.Ref{Entity: t.entity, ID: t.id}, Kind: kind, OccurredAt: eventTime(d.Created),
			DedupeKey: t.key, AccountID: account, Stream: t.stream,
		})
	}
	return out
}

// eventKind tells what happened. For money, only the first event of a charge or
// refund means a new record.
func eventKind(t string) connector.EventKind {
	switch {
	case strings.HasSuffix(t, ".deleted"):
		return connector.EventDeleted
	case t == "charge.succeeded", t == "charge.pending", t == "customer.created", t == "refund.created", t == "invoice.finalized":
		return connector.EventCreated
	}
	return connector.EventUpdated
}
