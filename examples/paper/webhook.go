package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// A delivery is signed in the header Paper-Signature: "t=1767225600,v1=HEX",
// where HEX is the HMAC-SHA256 of "1767225600." and the body. Signing the time
// lets old deliveries be refused that somebody kept and sends again.
const (
	signatureHeader = "Paper-Signature"
	signedWithin    = 5 * time.Minute
	eventsMax       = 1000
)

// delivery is a webhook's body: {"events":[{"entity":"invoice","id":"INV-1"}]}.
type delivery struct {
	Events []struct {
		Entity connector.Entity `json:"entity"`
		ID     string           `json:"id"`
	} `json:"events"`
}

// VerifyWebhook accepts a delivery that was signed with one of our keys just now.
func (p *Paper) VerifyWebhook(_ context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	keys := s.Secrets[settingKey].Reveal()
	if keys == "" {
		return connector.WebhookVerdict{Verdict: connector.NotConfigured, Reason: "no webhook_key is set"}, nil
	}
	at, err := signedAt(req, strings.Split(keys, ","))
	if err != nil {
		return refuse("%v", err)
	}
	if age := req.ReceivedAt.Sub(at).Abs(); age > signedWithin {
		return refuse("it was signed %s away from now", age.Round(time.Second))
	}
	var d delivery
	if err := json.Unmarshal(req.Body, &d); err != nil {
		return refuse("the body is not what it should be: %v", err)
	}
	if len(d.Events) > eventsMax {
		return refuse("%d events are more than %d", len(d.Events), eventsMax)
	}
	out := connector.WebhookVerdict{Verdict: connector.Accepted}
	for i, e := range d.Events {
		if known(e.Entity) != nil || !idForm.MatchString(e.ID) {
			return refuse("event %d names no record", i+1)
		}
		out.Events = append(out.Events, connector.Event{
			Ref: connector.Ref{Entity: e.Entity, ID: e.ID}, Kind: connector.EventUpdated,
			OccurredAt: at, DedupeKey: fmt.Sprintf("%s/%s@%d", e.Entity, e.ID, at.Unix()), AccountID: s.AccountID,
		})
	}
	return out, nil
}

func refuse(format string, args ...any) (connector.WebhookVerdict, error) {
	return connector.WebhookVerdict{Verdict: connector.Refused, Reason: fmt.Sprintf(format, args...)}, nil
}

// signedAt checks the signature and returns the time that was signed with it.
func signedAt(req connector.WebhookRequest, keys []string) (time.Time, error) {
	t, sig, _ := strings.Cut(strings.TrimPrefix(req.Header.Get(signatureHeader), "t="), ",v1=")
	unix, err := strconv.ParseInt(t, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("header %s is missing or wrong", signatureHeader)
	}
	got, err := hex.DecodeString(sig)
	if err != nil {
		return time.Time{}, fmt.Errorf("the signature is not in hexadecimal digits")
	}
	for _, key := range keys {
		if key = strings.TrimSpace(key); key != "" && hmac.Equal(got, sign(key, unix, req.Body)) {
			return time.Unix(unix, 0).UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("the signature is wrong")
}

func sign(key string, unix int64, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "%d.", unix)
	mac.Write(body)
	return mac.Sum(nil)
}
