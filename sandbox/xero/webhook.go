package xero

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Webhooks: https://developer.xero.com/documentation/guides/webhooks/overview
// Everything that changes is told, whoever changed it: the app hears of its own
// writes. The events of one request travel in one delivery.

// event is one entry of a delivery.
type event struct {
	category, kind, id string
	data               object
	at                 time.Time
}

type webhook struct {
	url      string
	sequence int // of the last event
}

var resources = map[string]string{"INVOICE": "Invoices", "CONTACT": "Contacts", "CREDITNOTE": "CreditNotes",
	"OVERPAYMENT": "Overpayments", "PREPAYMENT": "Prepayments", "PAYMENT": "Payments"}

// tell queues an event for the end of the current request. One record is told of
// once, and a creation stays a creation. d is the document, where it is one.
func (s *Server) tell(category, kind, id string, d *document) {
	e := event{category: category, kind: kind, id: id, at: s.now()}
	if d != nil && category != "INVOICE" {
		e.data = object{"Type": d.kind, "Status": d.status}
		if category != "CREDITNOTE" {
			e.data["UpdatedDateUTCString"] = zDate(d.updated)
		}
	}
	for i, old := range s.events {
		if old.category == category && old.id == id {
			e.kind = old.kind
			s.events = append(append(append([]event{}, s.events[:i]...), e), s.events[i+1:]...)
			return
		}
	}
	s.events = append(s.events, e)
}

func (s *Server) tellPayment(p *payment, kind string) {
	if s.cfg.Unproven.PaymentEvents {
		s.tell("PAYMENT", kind, p.id, nil)
	}
}

// sendEvents hands the events of the current request to the courier.
func (s *Server) sendEvents() {
	if len(s.events) == 0 {
		return
	}
	var list []object
	for _, e := range s.events {
		o := object{"resourceUrl": s.cfg.BaseURL + apiPrefix + "/" + resources[e.category] + "/" + e.id, "resourceId": e.id,
			"tenantId": s.org.id, "tenantType": "ORGANISATION", "eventCategory": e.category, "eventType": e.kind,
			"eventDateUtc": e.at.Format(momentLayout)}
		if e.data != nil {
			o["data"] = e.data
		}
		list = append(list, o)
	}
	first := s.webhook.sequence + 1
	s.webhook.sequence += len(list)
	s.courier.Send(payload(list, first, s.webhook.sequence))
	s.events = nil
}

// SendEvent delivers one event that nothing caused: a repeated one, one in title
// case, or one of a category that did not exist when the receiver was written.
func (s *Server) SendEvent(category, kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = []event{{category: category, kind: kind, id: id, at: s.now()}}
	s.sendEvents()
}

// payload writes a delivery with the irregular spacing that Xero's have, so that
// only the raw bytes can be verified.
func payload(events []object, first, last int) []byte {
	b, err := json.Marshal(events)
	if err != nil || events == nil {
		b = []byte("[]")
	}
	return fmt.Appendf(nil, "{\"events\":%s,\"firstEventSequence\": %d,\"lastEventSequence\": %d, \"entropy\": \"%s\"}",
		b, first, last, newSecret()[:20])
}

// signature is base64(HMAC-SHA256(body)) with the key's own bytes, not decoded.
func (s *Server) signature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(s.cfg.WebhookKey))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Server) signHeader(body []byte, _ time.Time) http.Header {
	return http.Header{"X-Xero-Signature": {s.signature(body)}}
}

// SetWebhookURL subscribes url; empty unsubscribes, and deliveries are held.
func (s *Server) SetWebhookURL(url string) {
	s.mu.Lock()
	s.webhook.url = url
	s.mu.Unlock()
	s.courier.SetURL(url)
}

// answerWithin is how long a receiver may take.
const answerWithin = 5 * time.Second

// IntentToReceive runs the check that Xero makes of a receiver: it must answer
// 200 to a delivery that is signed right and 401 to those that are not, with an
// empty body and without cookies, within five seconds. Nil means that it passed:
// https://developer.xero.com/documentation/guides/webhooks/configuring-your-server
func (s *Server) IntentToReceive(ctx context.Context) error {
	s.mu.Lock()
	url := s.webhook.url
	s.mu.Unlock()
	if url == "" {
		return errors.New("intent to receive: no webhook URL is set")
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: answerWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	// The wrong signatures differ in their first, a middle and their last character.
	for _, wrongAt := range []int{-1, 0, 20, 42} {
		body := payload(nil, 0, 0)
		signature, want := []byte(s.signature(body)), http.StatusOK
		if wrongAt >= 0 {
			want = http.StatusUnauthorized
			if signature[wrongAt]++; !isWordByte(signature[wrongAt]) || signature[wrongAt] == '.' || signature[wrongAt] == '_' {
				signature[wrongAt] = 'A'
			}
		}
		if err := knock(ctx, client, url, body, string(signature), want); err != nil {
			return fmt.Errorf("intent to receive: %w", err)
		}
	}
	return nil
}

func knock(ctx context.Context, client *http.Client, url string, body []byte, signature string, want int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", jsonType)
	req.Header.Set("X-Xero-Signature", signature)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, 1024))
	switch {
	case err != nil:
		return err
	case res.StatusCode != want:
		return fmt.Errorf("answered %d, want %d", res.StatusCode, want)
	case want == http.StatusOK && len(got) > 0:
		return fmt.Errorf("answered with a body of %d bytes or more", len(got))
	case len(res.Header.Values("Set-Cookie")) > 0:
		return errors.New("answered with a cookie")
	}
	return nil
}
