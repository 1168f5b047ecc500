package connection_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/vault"
)

func TestAddRefuses(t *testing.T) {
	r := newRig(t)
	secret := map[string]connector.Secret{"client_secret": canary}
	long := strings.Repeat("x", 16<<10+1)
	for _, tt := range []struct {
		name     string
		conn     string
		settings map[string]string
		secrets  map[string]connector.Secret
		want     []string
	}{
		{"no name", "", nil, secret, []string{`connection name ""`}},
		{"name with a slash", "a/b", nil, secret, []string{"connection name"}},
		{"name too long", strings.Repeat("n", 64), nil, secret, []string{"connection name"}},
		{"nothing given", "c", nil, nil, []string{"client_id is required: id of the app", "client_secret is required"}},
		{"required but empty", "c", map[string]string{"client_id": " "}, secret, []string{"client_id is required"}},
		{"a secret among the settings", "c", map[string]string{"client_id": "i", "client_secret": canary}, nil, []string{"client_secret is a secret: give it with --secret"}},
		{"a setting among the secrets", "c", nil, map[string]connector.Secret{"client_id": "i", "client_secret": canary}, []string{"client_id is not a secret: give it with --set"}},
		{"unknown names", "c", map[string]string{"client_id": "i", "colour": "red"}, map[string]connector.Secret{"client_secret": canary, "pin": canary}, []string{`no setting "colour"`, `no setting "pin"`, "it has: client_id, client_secret"}},
		{"an empty secret", "c", map[string]string{"client_id": "i"}, map[string]connector.Secret{"client_secret": " \n"}, []string{"secret client_secret is empty"}},
		{"not a number", "c", map[string]string{"client_id": "i", "calls": "many"}, secret, []string{"calls must be a whole number"}},
		{"zero", "c", map[string]string{"client_id": "i", "calls": "0"}, secret, []string{"calls must be a whole number of at least 1"}},
		{"plain http", "c", map[string]string{"client_id": "i", "token_url": "http://example.com/token"}, secret, []string{"token_url: ", "is not https"}},
		{"a host that only begins like loopback", "c", map[string]string{"client_id": "i", "token_url": "http://localhost.example.com"}, secret, []string{"is not https"}},
		{"another scheme", "c", map[string]string{"client_id": "i", "token_url": "ftp://localhost/x"}, secret, []string{"is not https"}},
		{"no host", "c", map[string]string{"client_id": "i", "token_url": "https://:443/"}, secret, []string{"token_url: this is not a URL"}},
		{"a password in the URL", "c", map[string]string{"client_id": "i", "token_url": "https://user:" + canary + "@example.com"}, secret, []string{"must not carry a user or password"}},
		{"a password in a broken URL", "c", map[string]string{"client_id": "i", "token_url": "https://user:" + canary + "%zz@example.com"}, secret, []string{"not a URL"}},
		{"too long", "c", map[string]string{"client_id": long}, secret, []string{"client_id is longer than"}},
		{"a secret too long", "c", map[string]string{"client_id": "i"}, map[string]connector.Secret{"client_secret": connector.Secret(long)}, []string{"client_secret is longer than"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := r.store.Add(t.Context(), connection.Connection{Name: tt.conn, Connector: "books", Settings: tt.settings}, tt.secrets)
			if err == nil {
				t.Fatal("it was accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
	if all, err := r.store.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("something was stored: %v, %v", all, err)
	}
	if err := r.store.Add(t.Context(), connection.Connection{Name: "c", Connector: "ledger"}, nil); err == nil {
		t.Error("an unknown connector was accepted")
	}
}

func TestAddGetRemove(t *testing.T) {
	r := newRig(t)
	add := func() error {
		return r.store.Add(t.Context(), connection.Connection{Name: "shop", Connector: "shop", Settings: map[string]string{"api_url": "http://127.0.0.1:9"}}, map[string]connector.Secret{"api_key": canary})
	}
	if err := add(); err != nil {
		t.Fatal(err)
	}
	if err := add(); !errors.Is(err, connection.ErrExists) {
		t.Errorf("twice: got %v, want ErrExists", err)
	}
	s, err := r.store.Session(t.Context(), "shop", connector.PriorityWrite)
	if err != nil {
		t.Fatal(err)
	}
	want := &connector.Session{Connection: "shop", Settings: map[string]string{"api_url": "http://127.0.0.1:9"}, Secrets: map[string]connector.Secret{"api_key": canary}, Priority: connector.PriorityWrite}
	if diff := cmp.Diff(want, s); diff != "" || s.Secrets["api_key"].Reveal() != canary {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	if err := r.store.SetSecrets(t.Context(), "shop", map[string]connector.Secret{"api_key": canary + "-2"}); err != nil {
		t.Fatal(err)
	}
	if s, err = r.store.Keys(t.Context(), "shop"); err != nil || s.Secrets["api_key"].Reveal() != canary+"-2" {
		t.Errorf("after SetSecrets: %v, %v", s, err)
	}
	r.noneInTheClear(nil, canary)
	if err := r.store.Remove(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := r.db.Read().QueryRowContext(t.Context(), `SELECT COUNT(*) FROM connection_secret`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d secrets are left, %v", left, err)
	}
	for name, fn := range map[string]func() error{
		"get":     func() error { _, err := r.store.Get(t.Context(), "shop"); return err },
		"session": func() error { _, err := r.store.Session(t.Context(), "shop", connector.PriorityRead); return err },
		"remove":  func() error { return r.store.Remove(t.Context(), "shop") },
		"pause":   func() error { return r.store.Pause(t.Context(), "shop", "x", "y") },
		"set secrets": func() error {
			return r.store.SetSecrets(t.Context(), "shop", map[string]connector.Secret{"api_key": "x"})
		},
		"set account": func() error { return r.store.SetAccount(t.Context(), "shop", connector.Account{ID: "1"}) },
	} {
		if err := fn(); !errors.Is(err, connection.ErrUnknown) {
			t.Errorf("%s of a removed connection: got %v, want ErrUnknown", name, err)
		}
	}
}

func TestPauseAndResume(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	if err := r.store.Pause(t.Context(), "books", "refused", "authorise again"); err != nil {
		t.Fatal(err)
	}
	got, err := r.store.Get(t.Context(), "books")
	if err != nil || !got.Paused() || got.PausedReason != "refused" || got.PausedRemedy != "authorise again" {
		t.Errorf("paused: got %+v, %v", got, err)
	}
	if err := r.store.SetAccount(t.Context(), "books", connector.Account{ID: "org-1", Name: "Demo"}); err != nil {
		t.Fatal(err)
	}
	got, err = r.store.Get(t.Context(), "books")
	if err != nil || got.Paused() || got.PausedRemedy != "" || got.AccountID != "org-1" || got.AccountName != "Demo" {
		t.Errorf("resumed: got %+v, %v", got, err)
	}
}

// After a rotation every secret and token is sealed with the new key, and works.
func TestResealAfterRotation(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	before := r.sealed()
	token, err := r.session()
	if err != nil {
		t.Fatal(err)
	}
	var rotated *vault.Vault
	if err := r.db.Update(t.Context(), func(tx *db.Tx) (err error) {
		rotated, err = r.vault.Rotate(t.Context(), vault.NewTable(tx))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	r.vault = rotated
	r.store = r.newStore(r.db)
	n, err := r.store.Reseal(t.Context())
	if err != nil || n != 2 {
		t.Fatalf("got %d resealed, %v; want the secret and the token", n, err)
	}
	for i, now := range r.sealed() {
		if now == before[i] {
			t.Errorf("entry %d is sealed as before", i)
		}
	}
	if got, err := r.session(); err != nil || got != token || r.tokenCalls() != 0 {
		t.Errorf("got token %v, %v, %d token calls", got == token, err, r.tokenCalls())
	}
	r.expire()
	if _, err := r.session(); err != nil {
		t.Errorf("refresh with resealed secrets: %v", err)
	}
	// One entry that cannot be opened leaves all as they are.
	sealed := r.sealed()
	r.exec(`UPDATE connection_secret SET sealed = x'00'`)
	if _, err := r.store.Reseal(t.Context()); err == nil || strings.Contains(err.Error(), token.Reveal()) {
		t.Errorf("got %v, want an error", err)
	}
	if now := r.sealed(); now[1] != sealed[1] {
		t.Error("the token was sealed again by a failed reseal")
	}
}

// sealed returns what is stored: the secret, then the token.
func (r *rig) sealed() (out [2]string) {
	r.t.Helper()
	for i, q := range []string{`SELECT sealed FROM connection_secret`, `SELECT sealed FROM oauth_token`} {
		if err := r.db.Read().QueryRowContext(r.t.Context(), q).Scan(&out[i]); err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}
