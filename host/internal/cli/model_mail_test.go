package cli

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// letter is one event of a service on its way to the host.
type letter struct {
	connection string
	body       []byte
	about      []byte // the part that names records
}

// mailbox takes what the services send and keeps it for the model, which loses
// it, doubles it, or delivers it late.
type mailbox struct {
	mu      sync.Mutex
	letters []letter
}

func (m *mailbox) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 10<<20))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	all, err := lettersOf(req.PathValue("connection"), body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.letters = append(m.letters, all...)
}

// lettersOf takes a delivery of Xero apart: the events of one request may concern
// several stories.
func lettersOf(connection string, body []byte) ([]letter, error) {
	if connection != "xero" {
		return []letter{{connection: connection, body: body, about: body}}, nil
	}
	var d struct {
		Events []json.RawMessage `json:"events"`
		First  json.Number       `json:"firstEventSequence"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, err
	}
	first, err := d.First.Int64()
	if err != nil {
		return nil, err
	}
	out := make([]letter, len(d.Events))
	for i, e := range d.Events {
		at := first + int64(i)
		out[i] = letter{connection: connection, about: e, body: fmt.Appendf(nil,
			`{"events":[%s],"firstEventSequence": %d,"lastEventSequence": %d, "entropy": "ENTROPY%dENTROPY"}`, e, at, at, at)}
	}
	return out, nil
}

// take empties the mailbox.
func (m *mailbox) take() []letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.letters
	m.letters = nil
	return out
}

// deliver brings letters to the host, one after the other. Like the services it
// comes back with one that the host is too busy for.
func (w *modelWorld) deliver(ctx context.Context, letters []letter) error {
	const tries = 6
	for _, l := range letters {
		for try := 1; ; try++ {
			code := w.knock(ctx, l)
			if code == http.StatusOK {
				break
			}
			if code != http.StatusServiceUnavailable || try == tries {
				return fmt.Errorf("the host answered %d to a webhook of %s: %s", code, l.connection, l.body)
			}
		}
	}
	return nil
}

// knock delivers one letter, signed as its service would now, and returns the
// answer's status.
func (w *modelWorld) knock(ctx context.Context, l letter) int {
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks/"+l.connection, bytes.NewReader(l.body))
	req.Header.Set("Content-Type", "application/json")
	switch l.connection {
	case "xero":
		mac := hmac.New(sha256.New, []byte(xero.DefaultWebhookKey))
		mac.Write(l.body)
		req.Header.Set("X-Xero-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	default:
		now := time.Now().Unix()
		mac := hmac.New(sha256.New, []byte(demoSecret))
		fmt.Fprintf(mac, "%d.%s", now, l.body)
		req.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%x", now, mac.Sum(nil)))
	}
	res := httptest.NewRecorder()
	w.svc.http.Handler.ServeHTTP(res, req)
	return res.Code
}

// How a story's mail is delivered at the end of a step.
const (
	mailAll      = "delivered"
	mailReversed = "delivered in reverse"
	mailTwice    = "delivered twice"
	mailHeld     = "held back"
	mailLost     = "lost"
	mailSome     = "every other one lost"
)

// sorted turns what waits into what is delivered now and what stays.
func sorted(mode string, waiting []letter) (now, later []letter) {
	switch mode {
	case mailHeld:
		return nil, waiting
	case mailLost:
		return nil, nil
	case mailReversed:
		now = slices.Clone(waiting)
		slices.Reverse(now)
		return now, nil
	case mailTwice:
		return slices.Concat(waiting, waiting), nil
	case mailSome:
		for i, l := range waiting {
			if i%2 == 0 {
				now = append(now, l)
			}
		}
		return now, nil
	}
	return waiting, nil
}

func (m *mailbox) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.letters) == 0
}
