package connection_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/vault"
)

const keepAliveDay = 24 * time.Hour

// grants is a token endpoint where each refresh token is good once.
type grants struct {
	*httptest.Server
	mu    sync.Mutex
	dead  map[string]bool // refresh tokens whose consent has ended, by their beginning
	calls []string        // refresh tokens that came
}

func newGrants(t *testing.T) *grants {
	t.Helper()
	g := &grants{dead: map[string]bool{}}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *grants) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := r.FormValue("refresh_token")
	g.calls = append(g.calls, old)
	name, _, _ := strings.Cut(old, "-")
	w.Header().Set("Content-Type", "application/json")
	if g.dead[name] {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant"})
		return
	}
	n := len(g.calls)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": fmt.Sprintf("access-%d", n), "refresh_token": fmt.Sprintf("%s-%d", name, n), "token_type": "Bearer", "expires_in": 1800,
	})
}

// came returns the refresh tokens that came since it was asked last.
func (g *grants) came() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.calls
	g.calls = nil
	return out
}

// ledgerBooks is a connector with OAuth, and one without.
type ledgerBooks struct{}

func (ledgerBooks) Manifest(_ context.Context, name string) (connector.Manifest, error) {
	if name == "till" {
		return connector.Manifest{Name: "till", Title: "Till"}, nil
	}
	return connector.Manifest{
		Name: "ledger", Title: "Ledger",
		Settings: []connector.Setting{
			{Name: "client_id", Type: connector.SettingText, Required: true},
			{Name: "client_secret", Type: connector.SettingText, Secret: true},
			{Name: "token_url", Type: connector.SettingURL},
		},
		OAuth: &connector.OAuth{TokenURLSetting: "token_url", ClientIDSetting: "client_id", ClientSecretSetting: "client_secret"},
	}, nil
}

// keepAliveStore returns a store with three authorised connections and one that
// needs no authorisation. Each token is a day younger than the one before.
func keepAliveStore(t *testing.T, g *grants, now *time.Time) *connection.Store {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	var v *vault.Vault
	if err := d.Update(t.Context(), func(tx *db.Tx) (err error) {
		v, err = vault.Open(t.Context(), vault.Config{MasterKey: bytes.Repeat([]byte{5}, 32), Store: vault.NewTable(tx)})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	s := connection.New(connection.Config{DB: d, Vault: v, Manifests: ledgerBooks{}, Client: g.Client(), Now: func() time.Time { return *now }})
	add := func(c connection.Connection, secrets map[string]connector.Secret) {
		if err := s.Add(t.Context(), c, secrets); err != nil {
			t.Fatal(err)
		}
	}
	add(connection.Connection{Name: "till", Connector: "till"}, nil)
	for _, name := range []string{"first", "second", "third"} {
		add(connection.Connection{Name: name, Connector: "ledger", Settings: map[string]string{"client_id": "id", "token_url": g.URL}},
			map[string]connector.Secret{"client_secret": "s"})
		tok := &oauth2.Token{AccessToken: "access", RefreshToken: name + "-0", Expiry: now.Add(30 * time.Minute)}
		if err := s.StoreToken(t.Context(), name, tok); err != nil {
			t.Fatal(err)
		}
		*now = now.Add(keepAliveDay)
	}
	return s
}

func TestKeepAliveRefreshesWhatIsIdle(t *testing.T) {
	g := newGrants(t)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := keepAliveStore(t, g, &now) // the tokens are 3, 2 and 1 days old
	for _, step := range []struct {
		name string
		wait time.Duration
		want string
	}{
		{name: "none is old enough", want: "[]"},
		{name: "the first is exactly 20 days old", wait: 17 * keepAliveDay, want: "[]"},
		{name: "the first is past it", wait: time.Hour, want: "[first-0]"},
		{name: "it is not asked twice", want: "[]"},
		{name: "the others follow", wait: 2 * keepAliveDay, want: "[second-0 third-0]"},
		{name: "each with the token of the last time", wait: 30 * keepAliveDay, want: "[first-1 second-1 third-2]"},
	} {
		now = now.Add(step.wait)
		if err := s.KeepAlive(t.Context(), 20*keepAliveDay); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got := fmt.Sprint(g.came()); got != step.want {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
}

func TestKeepAliveTogether(t *testing.T) {
	g := newGrants(t)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := keepAliveStore(t, g, &now)
	now = now.Add(40 * keepAliveDay)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := s.KeepAlive(t.Context(), 20*keepAliveDay); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := g.came(); len(got) != 3 {
		t.Errorf("got refreshes of %v, want one of each", got)
	}
}

func TestKeepAliveGoesOnPastADeadConsent(t *testing.T) {
	g := newGrants(t)
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	s := keepAliveStore(t, g, &now)
	now = now.Add(40 * keepAliveDay)
	g.dead["first"] = true
	err := s.KeepAlive(t.Context(), 20*keepAliveDay)
	if err == nil || !strings.Contains(err.Error(), "keep connection first alive") || strings.Contains(err.Error(), "first-0") {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(g.came()); got != "[first-0 second-0 third-0]" {
		t.Errorf("got %s", got)
	}
	for name, paused := range map[string]bool{"first": true, "second": false} {
		c, err := s.Get(t.Context(), name)
		if err != nil || c.Paused() != paused {
			t.Errorf("%s: got %q, %v, want paused %t", name, c.PausedReason, err, paused)
		}
		if paused && !strings.Contains(c.PausedRemedy, "connections authorize first") {
			t.Errorf("remedy: %q", c.PausedRemedy)
		}
	}
}
