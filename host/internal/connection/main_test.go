package connection_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/host/internal/vault"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "canary-7f3c9-secret"

var masterKey = bytes.Repeat([]byte("master-key-byte!"), 2)

// manifests are two connectors: one with OAuth, one with a key.
type manifests map[string]connector.Manifest

func (m manifests) Manifest(_ context.Context, name string) (connector.Manifest, error) {
	if got, ok := m[name]; ok {
		return got, nil
	}
	return connector.Manifest{}, errors.New("no connector of that name")
}

func testManifests() manifests {
	return manifests{
		"books": {
			Name: "books", Title: "Books",
			Settings: []connector.Setting{
				{Name: "client_id", Required: true, Help: "id of the app"},
				{Name: "client_secret", Required: true, Secret: true, Help: "secret of the app"},
				{Name: "redirect_url", Type: connector.SettingURL, Default: "http://localhost:8484/oauth/callback"},
				{Name: "scopes", Default: "offline_access accounting.contacts"},
				{Name: "authorize_url", Type: connector.SettingURL},
				{Name: "token_url", Type: connector.SettingURL},
				{Name: "calls", Type: connector.SettingInteger, Default: "60"},
			},
			OAuth: &connector.OAuth{
				AuthorizeURLSetting: "authorize_url", TokenURLSetting: "token_url", ClientIDSetting: "client_id",
				ClientSecretSetting: "client_secret", RedirectURLSetting: "redirect_url", ScopesSetting: "scopes",
			},
		},
		"shop": {
			Name: "shop", Title: "Shop",
			Settings: []connector.Setting{
				{Name: "api_key", Required: true, Secret: true, Help: "key of the account"},
				{Name: "api_url", Type: connector.SettingURL, Default: "https://api.example.com"},
			},
		},
	}
}

// rig is a Store over a fresh database, and an identity service.
type rig struct {
	t      *testing.T
	dir    string
	db     *db.DB
	vault  *vault.Vault
	store  *connection.Store
	clock  *sandbox.Clock
	xero   *xero.Server
	srv    *httptest.Server
	client *http.Client
	log    *lockedBuffer

	mu     sync.Mutex
	tokens int // calls of the token endpoint
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, dir: dbtest.Dir(t), clock: sandbox.NewClock(), log: &lockedBuffer{}}
	r.db = r.openDB(false)
	err := r.db.Update(t.Context(), func(tx *db.Tx) (err error) {
		r.vault, err = vault.Open(t.Context(), vault.Config{MasterKey: masterKey, Store: vault.NewTable(tx)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.xero = xero.New(xero.Config{Clock: r.clock})
	t.Cleanup(r.xero.Close)
	h := r.xero.Handler()
	r.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/connect/token" {
			r.mu.Lock()
			r.tokens++
			r.mu.Unlock()
		}
		h.ServeHTTP(w, req)
	}))
	t.Cleanup(r.srv.Close)
	r.client = &http.Client{
		Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r.store = r.newStore(r.db)
	return r
}

func (r *rig) openDB(shared bool) *db.DB {
	r.t.Helper()
	d, err := db.Open(r.t.Context(), db.Config{Dir: r.dir, Shared: shared})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return d
}

func (r *rig) newStore(d *db.DB) *connection.Store {
	return connection.New(connection.Config{
		DB: d, Vault: r.vault, Manifests: testManifests(), Client: r.client, Now: r.clock.Now,
		Log: hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: r.log}),
	})
}

func (r *rig) tokenCalls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tokens
}

// addBooks adds the OAuth connection "books", without tokens.
func (r *rig) addBooks() {
	r.t.Helper()
	err := r.store.Add(r.t.Context(), connection.Connection{Name: "books", Connector: "books", Settings: map[string]string{
		"client_id": xero.DefaultClientID, "authorize_url": r.srv.URL + "/identity/connect/authorize", "token_url": r.srv.URL + "/connect/token",
	}}, map[string]connector.Secret{"client_secret": xero.DefaultClientSecret})
	if err != nil {
		r.t.Fatal(err)
	}
}

// authorize goes through the consent as a browser does.
func (r *rig) authorize() {
	r.t.Helper()
	c, err := r.store.BeginConsent(r.t.Context(), "books")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.store.FinishConsent(r.t.Context(), c, r.consent(c.URL)); err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.tokens = 0
	r.mu.Unlock()
}

// consent opens the URL and returns what comes back to the redirect.
func (r *rig) consent(address string) url.Values {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		r.t.Fatalf("%s: %v", res.Status, err)
	}
	return back.Query()
}

func (r *rig) session() (connector.Secret, error) {
	s, err := r.store.Session(r.t.Context(), "books", connector.PriorityRead)
	if err != nil {
		return "", err
	}
	return s.AccessToken, nil
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

// expire makes the access token too old for a call.
func (r *rig) expire() { r.clock.Advance(29 * time.Minute) }

// noneInTheClear searches everything that was written for secrets.
func (r *rig) noneInTheClear(texts []string, secrets ...string) {
	r.t.Helper()
	err := filepath.WalkDir(r.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		texts = append(texts, string(b))
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, text := range append(texts, r.log.String()) {
		for _, s := range secrets {
			if s != "" && strings.Contains(text, s) {
				r.t.Errorf("a secret is in the clear: %s", s)
			}
		}
	}
}
