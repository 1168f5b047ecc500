package console

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/vault"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hostile is a label that a stranger chose.
const hostile = `<script>alert(1)</script>"' onload='x`

type manifests struct{}

func (manifests) Manifest(_ context.Context, name string) (connector.Manifest, error) {
	m := connector.Manifest{Name: name, Title: name}
	if name == "shop" {
		return m, nil
	}
	for _, s := range []string{"id", "redirect", "scopes", "authorize", "token"} {
		m.Settings = append(m.Settings, connector.Setting{Name: s})
	}
	m.Settings = append(m.Settings, connector.Setting{Name: "secret", Secret: true})
	m.OAuth = &connector.OAuth{AuthorizeURLSetting: "authorize", TokenURLSetting: "token", ClientIDSetting: "id", ClientSecretSetting: "secret", RedirectURLSetting: "redirect", ScopesSetting: "scopes"}
	return m, nil
}

// rig is a Console over a fresh database and an identity service.
type rig struct {
	t          *testing.T
	db         *db.DB
	audit      *audit.Log
	conns      *connection.Store
	page       *Console
	srv        *httptest.Server // the identity service
	clock      *sandbox.Clock
	authorised []string
	refuse     error // by Authorised
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Dir: dbtest.Dir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, db: d, audit: audit.New(bytes.Repeat([]byte{7}, 32)), clock: sandbox.NewClock()}
	var v *vault.Vault
	if err := d.Update(t.Context(), func(tx *db.Tx) (err error) {
		v, err = vault.Open(t.Context(), vault.Config{MasterKey: bytes.Repeat([]byte{9}, 32), Store: vault.NewTable(tx)})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	x := xero.New(xero.Config{Clock: r.clock})
	t.Cleanup(x.Close)
	r.srv = httptest.NewServer(x.Handler())
	t.Cleanup(r.srv.Close)
	r.conns = connection.New(connection.Config{DB: d, Vault: v, Manifests: manifests{}, Client: r.srv.Client(), Now: r.clock.Now})
	q, err := job.New(job.Config{DB: d})
	if err != nil {
		t.Fatal(err)
	}
	cfg.DB, cfg.Audit, cfg.Queue, cfg.Connections, cfg.Now = d, r.audit, q, r.conns, r.clock.Now
	cfg.Authorised = func(_ context.Context, name string) error {
		r.authorised = append(r.authorised, name)
		return r.refuse
	}
	if r.page, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

// fill puts something into every section of the page.
func (r *rig) fill() {
	r.t.Helper()
	ctx := r.t.Context()
	for name, of := range map[string]string{"books": "books", "shop": "shop"} {
		c := connection.Connection{Name: name, Connector: of}
		secrets := map[string]connector.Secret{}
		if name == "books" {
			c.Settings = map[string]string{"id": xero.DefaultClientID, "redirect": "http://localhost:8480/oauth/callback", "scopes": "offline_access", "authorize": r.srv.URL + "/identity/connect/authorize", "token": r.srv.URL + "/connect/token"}
			secrets["secret"] = xero.DefaultClientSecret
		}
		err := r.conns.Add(ctx, c, secrets)
		if name == "shop" { // its manifest has no settings: nothing to check
			err = errors.Join(err, r.conns.SetAccount(ctx, name, connector.Account{ID: "acct-1", Name: "Corner " + hostile}))
		}
		if err == nil {
			err = r.conns.Pause(ctx, name, name+" was refused", "see to "+name)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	now := r.clock.Now()
	r.exec(`INSERT INTO work (id, recipe, flow, connection, entity, record_id, label, state, generation, done_generation, reason, remedy, detail, first_seen_at, changed_at)
		VALUES (41, 'pair', 'receipts-in', 'shop', 'payment', 'ch_1', $1, 'held', 1, 1, $2, 'decide', '{"shop payment":"ch_1"}', $3, $3)`,
		hostile, "two candidates "+hostile, now.Add(-3*time.Minute))
	r.exec(`INSERT INTO work (id, recipe, flow, connection, entity, record_id, label, state, generation, done_generation, reason, first_seen_at, changed_at)
		VALUES (42, 'pair', 'contacts-out', 'books', 'contact', 'c_1', 'Ada', 'done', 1, 1, '', $1, $1)`, now.Add(-2*time.Hour))
	r.exec(`INSERT INTO cursor (connection, entity, recipe, value, version, polled_at, caught) VALUES ('books', 'contact', 'pair', 'x', 1, $1, 17)`, now.Add(-30*time.Second))
	err := r.db.Update(ctx, func(tx *db.Tx) error {
		_, err := r.audit.Append(ctx, tx, audit.Entry{
			Kind: audit.KindOutcome, Flow: "contacts-out", Source: "books:contact/c_1", Target: "shop:contact/cus_1", Outcome: "created", Reason: "made " + hostile, Detail: audit.Detail{"label": hostile},
		})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	err := r.db.Update(r.t.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(r.t.Context(), query, args...)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// ask sends a request to the page under its own name, unless change says else.
func (r *rig) ask(method, target string, change func(*http.Request)) (*http.Response, string) {
	r.t.Helper()
	req := httptest.NewRequestWithContext(r.t.Context(), method, target, nil)
	req.Host = "127.0.0.1:8480"
	if change != nil {
		change(req)
	}
	w := httptest.NewRecorder()
	r.page.ServeHTTP(w, req)
	res := w.Result()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
		if got := res.Header.Get(name); got != want {
			r.t.Errorf("%s %s: %s is %q", method, target, name, got)
		}
	}
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "script-src") {
		r.t.Errorf("%s %s: policy %q", method, target, csp)
	}
	return res, string(b)
}
