package connectortest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// model is a whole connector that keeps the contract, but for the one fault that a
// test gives it. Its service is the map below; with the right key it makes no call,
// with any other it asks its url, which in these tests is the trap.
type model struct {
	fault string
	calls *http.Client

	first   int // records when a list began
	mu      sync.Mutex
	records map[connector.Entity][]connector.Record
	keys    map[string]string // idempotency key to id
}

const modelKey = "model-key-0001"

// modelQuote is the one record of the stream quotes.
var modelQuote = connector.Record{Entity: connector.EntityInvoice, ID: "quote-000001", Invoice: &connector.Invoice{
	Kind: connector.InvoiceSale, Status: connector.InvoiceDraft, Number: "Q-1", Currency: "NZD",
}}

func newModel(fault string) *model {
	return &model{
		fault: fault, calls: &http.Client{Timeout: 20 * time.Second},
		records: map[connector.Entity][]connector.Record{}, keys: map[string]string{},
	}
}

func (m *model) Manifest() connector.Manifest {
	verbs := []connector.Verb{connector.VerbList, connector.VerbGet, connector.VerbUpsert, connector.VerbSubscribe}
	out := connector.Manifest{
		Name: "model", Title: "Model", Version: "1", Summary: "For tests.",
		Settings: []connector.Setting{
			{Name: "key", Help: "which", Secret: true, Required: true, Type: connector.SettingText},
			{Name: "hook", Help: "which", Secret: true, Type: connector.SettingText},
			{Name: "url", Help: "where", Default: "https://example.com", Type: connector.SettingURL},
		},
		Entities: []connector.EntitySupport{
			{Entity: connector.EntityInvoice, Verbs: verbs, GetBatch: 50, UpsertBatch: 50, PageSize: 50,
				Streams: []connector.Stream{{Name: "quotes", Help: "Not yet bills."}}},
			{Entity: connector.EntityContact, Verbs: verbs[:2], GetBatch: 50, UpsertBatch: 1, PageSize: 50},
		},
	}
	switch m.fault {
	case "bad stream":
		out.Entities[0].Streams[0].Name = "My Quotes"
	case "bad name":
		out.Name = "My Model"
	case "plain http":
		out.Settings[2].Default = "http://example.com"
	case "secret default":
		out.Settings[1].Default = "changeme"
	case "no get":
		out.Entities[1].Verbs = verbs[:1]
	case "silent webhooks":
		out.Entities[0].Verbs = verbs[:3]
	case "changing manifest":
		out.Version = time.Now().String()
	case "oauth of nothing":
		out.OAuth = &connector.OAuth{AuthorizeURLSetting: "url", TokenURLSetting: "url"}
	}
	return out
}

// call asks the service, unless the session's key is the right one.
func (m *model) call(ctx context.Context, s *connector.Session) error {
	key := s.Secrets["key"].Reveal()
	if key == modelKey {
		return nil
	}
	if m.fault == "logs" {
		fmt.Fprintln(os.Stderr, "calling with", key)
	}
	if m.fault == "leaks" {
		go func() { <-make(chan int) }()
	}
	if key == "" {
		if m.fault == "unclassified" {
			return fmt.Errorf("no key")
		}
		return connector.Errorf(connector.Invalid, "model", "no key is set")
	}
	if m.fault == "goes on" {
		ctx = context.WithoutCancel(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Settings["url"], nil)
	if err != nil {
		return connector.Errorf(connector.Invalid, "model", "%w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := m.calls.Do(req)
	if err != nil {
		return connector.Errorf(connector.Unavailable, "model", "%w", err)
	}
	defer res.Body.Close()
	var said struct{ Detail string }
	_ = json.NewDecoder(res.Body).Decode(&said)
	kind := map[int]connector.Kind{401: connector.Auth, 429: connector.RateLimited}[res.StatusCode]
	if kind == 0 || m.fault == "one kind" {
		kind = connector.Unavailable
	}
	e := connector.Errorf(kind, "model", "the service answered %d", res.StatusCode)
	if m.fault == "quotes" {
		e.Message = said.Detail
	}
	if wait, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && m.fault != "impatient" {
		e.RetryAfter = time.Duration(wait) * time.Second
	}
	return e
}

func (m *model) enter(ctx context.Context, s *connector.Session, e connector.Entity, v connector.Verb) error {
	if !m.Manifest().Can(e, v) && m.fault != "any entity" {
		return connector.Errorf(connector.Invalid, "model", "no %s for %q", v, e)
	}
	return m.call(ctx, s)
}

func (m *model) Check(ctx context.Context, s *connector.Session, _ connector.CheckRequest) (connector.CheckResult, error) {
	if err := m.call(ctx, s); err != nil {
		return connector.CheckResult{}, err
	}
	if m.fault == "nobody" {
		return connector.CheckResult{}, nil
	}
	return connector.CheckResult{Account: connector.Account{ID: "1"}}, nil
}

func (m *model) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	if !m.Manifest().HasStream(req.Entity, req.Stream) && m.Manifest().Can(req.Entity, connector.VerbList) && m.fault != "any stream" {
		return connector.Page{}, connector.Errorf(connector.Invalid, "model", "no stream %q", req.Stream)
	}
	if err := m.enter(ctx, s, req.Entity, connector.VerbList); err != nil {
		return connector.Page{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.records[req.Entity]
	switch {
	case req.Stream != "":
		all = []connector.Record{modelQuote}
	case m.fault == "mixes streams" && req.Entity == connector.EntityInvoice:
		all = append(slices.Clone(all), modelQuote)
	}
	at, _ := strconv.Atoi(req.Cursor)
	if m.fault == "forgets its place" {
		at = 0
	}
	if m.fault == "lists nothing" {
		all = nil
	}
	if req.Cursor == "" {
		m.first = len(all)
	}
	if m.fault == "lists a snapshot" {
		all = all[:min(m.first, len(all))]
	}
	end := min(at+req.PageSize, len(all))
	page := connector.Page{Records: all[at:end], Next: strconv.Itoa(end), More: end < len(all)}
	if m.fault == "runs in circles" && at >= req.PageSize {
		page.Next, page.More = strconv.Itoa(at-req.PageSize+1), true
	}
	return page, nil
}

func (m *model) Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	if err := m.enter(ctx, s, req.Entity, connector.VerbGet); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []connector.Record
	for _, id := range req.IDs {
		before := len(out)
		for _, r := range m.records[req.Entity] {
			if r.ID == id {
				out = append(out, r)
			}
		}
		if id == modelQuote.ID && req.Entity == modelQuote.Entity && m.fault != "cannot read streams" {
			out = append(out, modelQuote)
		}
		if before == len(out) && m.fault == "fails for one absent" {
			return nil, connector.Errorf(connector.NotFound, "model", "no %s", id)
		}
		if before == len(out) && m.fault == "makes up records" {
			out = append(out, connector.Record{Entity: req.Entity, ID: id, Gone: true})
		}
	}
	return out, nil
}

func (m *model) Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	if err := m.enter(ctx, s, req.Entity, connector.VerbUpsert); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []connector.Outcome
	for _, w := range req.Writes {
		id, again := m.keys[w.Key]
		if w.TargetID != "" {
			id, again = w.TargetID, true
		}
		if again && m.fault != "doubles" {
			out = append(out, connector.Outcome{Result: connector.Unchanged, ID: id})
			continue
		}
		r := w.Record
		r.ID = fmt.Sprintf("rec-%06d", len(m.records[req.Entity])+1)
		if m.fault == "rounds" {
			inv := *r.Invoice
			inv.Total = money.MustNew(inv.Total.Minor()/10*10, inv.Total.Currency())
			r.Invoice = &inv
		}
		if m.fault != "loses writes" {
			m.records[req.Entity] = append(m.records[req.Entity], r)
		}
		m.keys[w.Key] = r.ID
		out = append(out, connector.Outcome{Result: connector.Created, ID: r.ID})
	}
	return out, nil
}

func (m *model) VerifyWebhook(ctx context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	key := s.Secrets["hook"].Reveal()
	switch {
	case m.fault == "dies":
		os.Exit(3)
	case m.fault == "calls from a webhook":
		_ = m.call(ctx, s)
	case m.fault == "trusts":
		return connector.WebhookVerdict{Verdict: connector.Accepted}, nil
	case key == "" && m.fault != "no key, no matter":
		return connector.WebhookVerdict{Verdict: connector.NotConfigured}, nil
	}
	got := req.Header.Get("Model-Signature")
	good := m.fault == "signs half" && len(req.Body) > 10 && got == modelSign(key, req.Body[:10])
	if !good && !hmac.Equal([]byte(got), []byte(modelSign(key, req.Body))) {
		reason := "the signature is wrong"
		if m.fault == "shows the key" {
			reason += ", the key is " + key
		}
		return connector.WebhookVerdict{Verdict: connector.Refused, Reason: reason}, nil
	}
	return connector.WebhookVerdict{Verdict: connector.Accepted, Events: []connector.Event{{
		Ref: connector.Ref{Entity: connector.EntityInvoice, ID: "rec-000001"}, Kind: connector.EventUpdated, DedupeKey: "1",
	}}}, nil
}

func modelSign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return strings.ToLower(hex.EncodeToString(mac.Sum(nil)))
}
