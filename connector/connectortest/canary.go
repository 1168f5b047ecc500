package connectortest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/ml-connector/ml-connector/connector"
)

// canaries are the secrets that were handed out: wherever one turns up, it leaked.
type canaries struct {
	mu     sync.Mutex
	values []string
}

// secretCharsMin keeps a short real secret ("x", "test") from being found in
// everything.
const secretCharsMin = 8

func (c *canaries) make(prefix string) connector.Secret {
	v := prefix + "canary" + strings.ToLower(rand.Text())
	c.add(v)
	return connector.Secret(v)
}

func (c *canaries) add(v string) {
	if len(v) < secretCharsMin {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, have := range c.values {
		if have == v {
			return
		}
	}
	c.values = append(c.values, v)
}

// in reports whether text holds a secret, as it is or encoded.
func (c *canaries) in(text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.values {
		for _, form := range forms(v) {
			if strings.Contains(text, form) {
				return true
			}
		}
	}
	return false
}

// hide takes the secrets out of what is shown to people.
func (c *canaries) hide(text string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range c.values {
		for _, form := range forms(v) {
			text = strings.ReplaceAll(text, form, "[a secret]")
		}
	}
	return text
}

// forms are the ways in which a value is commonly written. Base64 depends on how
// many bytes come before: in Basic authentication a name and a colon do.
func forms(v string) []string {
	out := []string{v, hex.EncodeToString([]byte(v))}
	for before := range 3 {
		e := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + v))
		first := []int{0, 2, 3}[before] // letters that the bytes before have a part in
		out = append(out, e[first:len(e)-2])
	}
	return out
}

// watched is a connector whose every answer is searched for secrets.
type watched struct {
	Connector
	marked *canaries

	mu    sync.Mutex
	leaks []string
}

func (w *watched) leaked() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.leaks) == 0 {
		return nil
	}
	return fmt.Errorf("a secret is in %s", strings.Join(w.leaks, "; "))
}

// look searches an answer and its error. answer may be any type that JSON takes.
func (w *watched) look(s *connector.Session, call string, answer any, err error) {
	if s != nil {
		w.marked.add(s.AccessToken.Reveal())
		for _, v := range s.Secrets {
			for part := range strings.SplitSeq(v.Reveal(), ",") {
				w.marked.add(strings.TrimSpace(part))
			}
		}
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // a secret with an ampersand must be found
	if enc.Encode(answer) != nil {
		fmt.Fprintf(&text, "%+v", answer)
	}
	if w.marked.in(text.String()) {
		w.leak("the answer to " + call)
	}
	var e *connector.Error
	if errors.As(err, &e) && w.marked.in(strings.Join(append(e.Candidates, e.Op, e.Message, e.Remedy), "\n")) {
		w.leak("the error of " + call + ": " + w.marked.hide(e.Error()))
	}
}

func (w *watched) leak(where string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const leaksMax = 10 // enough to see where to look
	if len(w.leaks) < leaksMax {
		w.leaks = append(w.leaks, where)
	}
}

func (w *watched) Check(ctx context.Context, s *connector.Session, req connector.CheckRequest) (connector.CheckResult, error) {
	res, err := w.Connector.Check(ctx, s, req)
	w.look(s, "Check", res, err)
	return res, err
}

func (w *watched) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	res, err := w.Connector.List(ctx, s, req)
	w.look(s, "List "+string(req.Entity), res, err)
	return res, err
}

func (w *watched) Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	res, err := w.Connector.Get(ctx, s, req)
	w.look(s, "Get "+string(req.Entity), res, err)
	return res, err
}

func (w *watched) Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	res, err := w.Connector.Upsert(ctx, s, req)
	w.look(s, "Upsert "+string(req.Entity), res, err)
	for _, o := range res {
		if o.Err != nil {
			w.look(s, "a write of Upsert "+string(req.Entity), nil, o.Err)
		}
	}
	return res, err
}

func (w *watched) VerifyWebhook(ctx context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	res, err := w.Connector.VerifyWebhook(ctx, s, req)
	w.look(s, "VerifyWebhook", res, err)
	return res, err
}
