package vault_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/ml-connector/ml-connector/host/internal/vault"
)

const canary = "canary-sk_live_4eC39HqLyjWD"

var masterKey = bytes.Repeat([]byte("master-key-byte!"), 2)

// openDB opens a database with the vault's table, in a file.
func openDB(t *testing.T) *sql.DB {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vault.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=journal_mode(wal)&_pragma=busy_timeout(5000)&_time_format=sqlite&_timezone=UTC")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(t.Context(), `CREATE TABLE vault_keyset(id INTEGER PRIMARY KEY CHECK(id=1), sealed BLOB NOT NULL, updated_at TIMESTAMP NOT NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func openVault(t *testing.T, conn vault.Conn) *vault.Vault {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Config{MasterKey: masterKey, Store: vault.NewTable(conn)})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func seal(t *testing.T, v *vault.Vault) []byte {
	t.Helper()
	sealed, err := v.Seal([]byte(canary), "stripe", "api_key")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("canary")) {
		t.Fatal("the secret shows in its sealed form")
	}
	return sealed
}

func TestOpenSealed(t *testing.T) {
	v := openVault(t, openDB(t))
	sealed := seal(t, v)
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	otherKey := bytes.Clone(sealed)
	otherKey[4] ^= 1
	tests := []struct {
		name       string
		sealed     []byte
		connection string
		field      string
		err        error
	}{
		{name: "as sealed", sealed: sealed, connection: "stripe", field: "api_key"},
		{name: "other connection", sealed: sealed, connection: "stripe2", field: "api_key", err: vault.ErrSealed},
		{name: "other field", sealed: sealed, connection: "stripe", field: "webhook_secret", err: vault.ErrSealed},
		{name: "same letters, cut elsewhere", sealed: sealed, connection: "stripeapi", field: "_key", err: vault.ErrSealed},
		{name: "changed", sealed: flipped, connection: "stripe", field: "api_key", err: vault.ErrSealed},
		{name: "cut short", sealed: sealed[:10], connection: "stripe", field: "api_key", err: vault.ErrSealed},
		{name: "empty", connection: "stripe", field: "api_key", err: vault.ErrSealed},
		{name: "key unknown", sealed: otherKey, connection: "stripe", field: "api_key", err: vault.ErrUnknownKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plain, err := v.Open(tt.sealed, tt.connection, tt.field)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error: got %v, want %v", err, tt.err)
			}
			if tt.err == nil && string(plain) != canary {
				t.Errorf("got %q, want what was sealed", plain)
			}
		})
	}
}

func TestSealRefuses(t *testing.T) {
	v := openVault(t, openDB(t))
	tests := []struct {
		name       string
		plain      []byte
		connection string
		field      string
	}{
		{name: "no connection", field: "api_key"},
		{name: "no field", connection: "stripe"},
		{name: "too large", plain: make([]byte, 64<<10+1), connection: "stripe", field: "api_key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := v.Seal(tt.plain, tt.connection, tt.field); err == nil {
				t.Error("sealed")
			}
		})
	}
}

func TestSealDiffersEachTime(t *testing.T) {
	v := openVault(t, openDB(t))
	if bytes.Equal(seal(t, v), seal(t, v)) {
		t.Error("two seals of one secret are alike")
	}
}

func TestOpenAgainReadsTheSameKeyset(t *testing.T) {
	db := openDB(t)
	sealed := seal(t, openVault(t, db))
	plain, err := openVault(t, db).Open(sealed, "stripe", "api_key")
	if err != nil || string(plain) != canary {
		t.Fatalf("got %q, %v", plain, err)
	}
}

func TestWrongMasterKey(t *testing.T) {
	db := openDB(t)
	openVault(t, db)
	tests := []struct {
		name string
		key  []byte
		err  error
	}{
		{name: "another key", key: bytes.Repeat([]byte{7}, 32), err: vault.ErrMasterKey},
		{name: "too short", key: masterKey[:16]},
		{name: "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := vault.Open(t.Context(), vault.Config{MasterKey: tt.key, Store: vault.NewTable(db)})
			if err == nil || v != nil {
				t.Fatal("opened")
			}
			if tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("error: got %v, want %v", err, tt.err)
			}
		})
	}
}

func TestRotate(t *testing.T) {
	ctx := t.Context()
	db := openDB(t)
	running := openVault(t, db)
	before := seal(t, running)

	next, err := running.Rotate(ctx, vault.NewTable(db))
	if err != nil {
		t.Fatal(err)
	}
	after := seal(t, next)
	if bytes.Equal(before[:5], after[:5]) {
		t.Error("sealed with the old data key after a rotation")
	}
	if _, err := next.Open(before, "stripe", "api_key"); err != nil {
		t.Errorf("old secret under the new keyset: %v", err)
	}
	if _, err := running.Open(after, "stripe", "api_key"); !errors.Is(err, vault.ErrUnknownKey) {
		t.Errorf("new secret before reload: got %v, want %v", err, vault.ErrUnknownKey)
	}
	if err := running.Reload(ctx, vault.NewTable(db)); err != nil {
		t.Fatal(err)
	}
	if plain, err := running.Open(after, "stripe", "api_key"); err != nil || string(plain) != canary {
		t.Errorf("new secret after reload: got %q, %v", plain, err)
	}
}

// A rotation whose transaction rolls back leaves nothing behind: neither a stored
// key nor a vault that seals with a key that is nowhere stored.
func TestRotateRolledBack(t *testing.T) {
	ctx := t.Context()
	db := openDB(t)
	v := openVault(t, db)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Rotate(ctx, vault.NewTable(tx)); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, v)
	if _, err := openVault(t, db).Open(sealed, "stripe", "api_key"); err != nil {
		t.Errorf("sealed after the roll-back: %v", err)
	}
}

// raceStore finds nothing at first and then loses the race to store the first keyset.
type raceStore struct {
	vault.KeysetStore
	loads int
}

func (s *raceStore) Load(ctx context.Context) ([]byte, error) {
	s.loads++
	if s.loads == 1 {
		return nil, vault.ErrNoKeyset
	}
	return s.KeysetStore.Load(ctx)
}

func TestOpenLosesTheRace(t *testing.T) {
	db := openDB(t)
	sealed := seal(t, openVault(t, db))
	v, err := vault.Open(t.Context(), vault.Config{MasterKey: masterKey, Store: &raceStore{KeysetStore: vault.NewTable(db)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Open(sealed, "stripe", "api_key"); err != nil {
		t.Errorf("the keyset that was there first is not the one in use: %v", err)
	}
}

func TestRotateLosesTheRace(t *testing.T) {
	ctx := t.Context()
	table := vault.NewTable(openDB(t))
	if err := table.Save(ctx, nil, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := table.Save(ctx, nil, []byte("other first")); !errors.Is(err, vault.ErrKeysetChanged) {
		t.Errorf("second first keyset: got %v, want %v", err, vault.ErrKeysetChanged)
	}
	if err := table.Save(ctx, []byte("unknown"), []byte("next")); !errors.Is(err, vault.ErrKeysetChanged) {
		t.Errorf("replace another keyset: got %v, want %v", err, vault.ErrKeysetChanged)
	}
	if got, err := table.Load(ctx); err != nil || string(got) != "first" {
		t.Errorf("stored: got %q, %v", got, err)
	}
}

func TestDeriveKey(t *testing.T) {
	db := openDB(t)
	v := openVault(t, db)
	first, err := v.DeriveKey("audit")
	if err != nil {
		t.Fatal(err)
	}
	next, err := v.Rotate(t.Context(), vault.NewTable(db))
	if err != nil {
		t.Fatal(err)
	}
	again, err := next.DeriveKey("audit")
	if err != nil {
		t.Fatal(err)
	}
	other, err := v.DeriveKey("other")
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 32 || !bytes.Equal(first, again) {
		t.Error("the key of a purpose changed with a rotation")
	}
	if bytes.Equal(first, other) || bytes.Equal(first, masterKey) {
		t.Error("two purposes share a key")
	}
	if _, err := v.DeriveKey(""); err == nil {
		t.Error("a key without a purpose was made")
	}
}

// I8: no print verb and no error shows a secret or a key, and the database holds
// neither in the clear.
func TestNothingShowsSecrets(t *testing.T) {
	db := openDB(t)
	cfg := vault.Config{MasterKey: masterKey, Store: vault.NewTable(db)}
	v := openVault(t, db)
	sealed := seal(t, v)
	var shown strings.Builder
	for _, value := range []any{cfg, &cfg, v} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			fmt.Fprintf(&shown, verb, value)
		}
	}
	_, err := v.Open(sealed, "other", "api_key")
	fmt.Fprint(&shown, err)
	_, err = v.Seal(append(make([]byte, 64<<10), canary...), "stripe", "api_key")
	fmt.Fprint(&shown, err)
	var stored []byte
	if err := db.QueryRowContext(t.Context(), `SELECT sealed FROM vault_keyset`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	shown.Write(stored)
	for _, secret := range []string{canary, string(masterKey), fmt.Sprintf("%x", masterKey)} {
		if strings.Contains(shown.String(), secret) {
			t.Errorf("a secret shows: %s", shown.String())
		}
	}
}

func Example() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `CREATE TABLE vault_keyset(id INTEGER PRIMARY KEY CHECK(id=1), sealed BLOB NOT NULL, updated_at TIMESTAMP NOT NULL)`); err != nil {
		fmt.Println(err)
		return
	}
	v, err := vault.Open(ctx, vault.Config{MasterKey: make([]byte, 32), Store: vault.NewTable(db)})
	if err != nil {
		fmt.Println(err)
		return
	}
	sealed, _ := v.Seal([]byte("secret"), "xero", "client_secret")
	plain, err := v.Open(sealed, "xero", "client_secret")
	fmt.Println(string(plain), err)
	_, err = v.Open(sealed, "xero", "webhook_key")
	fmt.Println(errors.Is(err, vault.ErrSealed))
	// Output:
	// secret <nil>
	// true
}
