//go:build linux

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// otherSuffix ends the names of the second pair's sides and connections.
const otherSuffix = "-b"

// pair is one Xero organisation and one Stripe account behind one listener.
type pair struct {
	xero     *xero.Server
	stripe   *stripe.Server
	gate     *gate
	consent  *consent
	base     string // where the stand-ins listen
	http     *http.Server
	served   chan error
	secret   map[string]string
	clearing string // code of the clearing account

	shared bool // its Xero is reached through the first one's consent
}

// newPair starts stand-ins with secrets of their own. A webhook key that is given
// is that of an app which both organisations have let in.
func newPair(clock *sandbox.Clock, account, webhookKey string) (*pair, error) {
	p := &pair{served: make(chan error, 1), secret: map[string]string{}, clearing: "610"}
	for _, name := range []string{"client_secret", "webhook_key"} {
		p.secret[name] = "canary-" + strings.ReplaceAll(name, "_", "-") + "-" + rand.Text()
	}
	if webhookKey != "" {
		p.secret["webhook_key"] = webhookKey
	}
	p.secret["api_key"] = "sk_test_canary" + rand.Text()
	p.secret["webhook_secret"] = "whsec_canary" + rand.Text()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.base = "http://" + ln.Addr().String()
	p.xero = xero.New(xero.Config{
		Clock: clock, BaseURL: p.base, MinuteLimit: callsPerMinute,
		ClientSecret: p.secret["client_secret"], WebhookKey: p.secret["webhook_key"],
	})
	if p.stripe, err = stripe.New(stripe.Config{BaseURL: p.base, APIKey: p.secret["api_key"], AccountID: account}); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	p.consent = &consent{next: standIns(p.xero, p.stripe)}
	p.gate = &gate{next: p.consent}
	p.http = &http.Server{Handler: p.gate, ReadHeaderTimeout: answerWithin}
	go func() { p.served <- p.http.Serve(ln) }()
	return p, nil
}

func (p *pair) close() {
	p.xero.Close()
	p.stripe.Close()
	_ = p.http.Close() // ends Serve
	<-p.served
}

// second [one-consent] starts another organisation and another account, whose
// sides and connections end in -b and whose clearing account is 611. With
// one-consent the owner has let the app into both organisations at once: they
// share the API's address, the client, the tokens and the webhook key.
func second(w *world, ts *testscript.TestScript, args []string) (err error) {
	if w.other != nil {
		return errors.New("there is a second pair already")
	}
	shared, key := len(args) == 1 && args[0] == "one-consent", ""
	if shared {
		key = w.secret["webhook_key"]
	}
	if w.other, err = newPair(w.clock, "acct_1SandboxB", key); err != nil {
		return err
	}
	w.other.clearing, w.other.shared = "611", shared
	if shared {
		w.other.secret["client_secret"] = w.secret["client_secret"]
		w.consent.both.Store(&joint{x: w.other.xero, token: w.other.xero.IssueTokens().AccessToken})
	}
	ts.Setenv("TENANT_B", w.other.xero.TenantID())
	return w.pull("xero"+otherSuffix, xeroLevers, []string{"account", w.other.clearing, "Stripe Clearing B", "type=BANK"})
}

// at returns the pair that a side or a connection belongs to, and its name in
// the first pair.
func (w *world) at(name string) (*pair, string, error) {
	plain, other := strings.CutSuffix(name, otherSuffix)
	switch {
	case !other:
		return w.pair, name, nil
	case w.other == nil:
		return nil, "", fmt.Errorf("%s: there is no second pair", name)
	}
	return w.other, plain, nil
}

// pairs are all pairs, by what ends the names of their sides.
func (w *world) pairs() map[string]*pair {
	all := map[string]*pair{"": w.pair}
	if w.other != nil {
		all[otherSuffix] = w.other
	}
	return all
}

// leverOf pulls levers of a side.
func leverOf(side string) func(*world, *testscript.TestScript, []string) error {
	return func(w *world, ts *testscript.TestScript, args []string) error {
		if strings.HasPrefix(side, "xero") {
			return w.pull(side, xeroLevers, args)
		}
		return stripeSide(w, ts, side, args)
	}
}

// consent is what Xero's gateway does for an app that several organisations have
// let in: the stand-in itself has one.
type consent struct {
	next http.Handler
	both atomic.Pointer[joint]
}

// joint is the second organisation, and the token that it takes.
type joint struct {
	x     *xero.Server
	token string
}

func (c *consent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	j := c.both.Load()
	switch {
	case j == nil:
	case r.Method == http.MethodGet && r.URL.Path == "/connections":
		c.list(w, r, j)
		return
	case strings.HasPrefix(r.URL.Path, "/api.xro/") && strings.EqualFold(r.Header.Get("Xero-Tenant-Id"), j.x.TenantID()):
		if rec := c.connections(r); rec.Code != http.StatusOK { // the token is not good
			relay(w, rec)
			return
		}
		r.Header.Set("Authorization", "Bearer "+j.token)
		j.x.Handler().ServeHTTP(w, r)
		return
	}
	c.next.ServeHTTP(w, r)
}

// connections asks the first organisation what the request's token reaches.
func (c *consent) connections(r *http.Request) *httptest.ResponseRecorder {
	ask := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/connections", nil)
	ask.Header.Set("Authorization", r.Header.Get("Authorization"))
	ask.Header.Set("Accept", "application/json")
	rec := httptest.NewRecorder()
	c.next.ServeHTTP(rec, ask)
	return rec
}

func (c *consent) list(w http.ResponseWriter, r *http.Request, j *joint) {
	rec := c.connections(r)
	var all []map[string]any
	if rec.Code != http.StatusOK || json.Unmarshal(rec.Body.Bytes(), &all) != nil {
		relay(w, rec)
		return
	}
	all = append(all, map[string]any{"id": "second", "tenantId": j.x.TenantID(), "tenantType": "ORGANISATION", "tenantName": "Second Company"})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all) // the client may be gone
}

func relay(w http.ResponseWriter, rec *httptest.ResponseRecorder) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()) // the client may be gone
}
