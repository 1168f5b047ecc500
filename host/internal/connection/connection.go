// Package connection keeps the authorised accounts: their settings, their
// sealed credentials and their OAuth tokens. It hands out a Session for each
// call, with an access token that does not expire during it.
//
// It knows no service: which settings there are, which are secret and how OAuth
// runs comes from the connector's manifest. It knows no recipe. A secret leaves
// it only inside a Session.
package connection

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/vault"
)

var (
	// ErrUnknown says that there is no connection of that name.
	ErrUnknown = errors.New("no such connection")
	// ErrExists says that a connection of that name is there already.
	ErrExists = errors.New("the connection exists already")
)

// Connection is one authorised account, without its secrets.
type Connection struct {
	Name         string            `json:"name"`
	Connector    string            `json:"connector"`
	AccountID    string            `json:"account_id"` // empty before the first successful check
	AccountName  string            `json:"account_name"`
	Settings     map[string]string `json:"settings"` // as given; defaults are not filled in
	PausedReason string            `json:"paused_reason,omitempty"`
	PausedRemedy string            `json:"paused_remedy,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
}

// Paused reports whether the connection waits for a person.
func (c Connection) Paused() bool { return c.PausedReason != "" }

// Manifests says what connectors offer; the supervisor does.
type Manifests interface {
	Manifest(ctx context.Context, name string) (connector.Manifest, error)
}

// Config configures a Store.
type Config struct {
	DB        *db.DB
	Vault     *vault.Vault
	Manifests Manifests
	Log       hclog.Logger
	Client    *http.Client     // for token endpoints; default: 30 s, no redirects
	Now       func() time.Time // default time.Now; tests pin it
}

// Store keeps the connections. It is safe for concurrent use.
type Store struct {
	cfg Config
	now func() time.Time

	mu        sync.Mutex
	refreshes map[string]chan struct{} // one refresh of a connection at a time: who fills it may
}

// New returns a Store over its tables.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{
			Timeout:       30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Store{
		cfg: cfg, now: func() time.Time { return cfg.Now().UTC() },
		refreshes: map[string]chan struct{}{},
	}
}

// nameForm keeps names usable in URLs, file names and messages.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// Add checks the settings against the connector's manifest and stores the
// connection with its secrets sealed. The error lists every mistake.
func (s *Store) Add(ctx context.Context, c Connection, secrets map[string]connector.Secret) error {
	if !nameForm.MatchString(c.Name) {
		return fmt.Errorf("connection name %q: use up to 63 of a-z, 0-9, - and _", c.Name)
	}
	m, err := s.cfg.Manifests.Manifest(ctx, c.Connector)
	if err != nil {
		return err
	}
	if err := checkSettings(m, c.Settings, secrets); err != nil {
		return err
	}
	settings, err := json.Marshal(c.Settings)
	if err != nil {
		return err
	}
	sealed, err := s.seal(c.Name, secrets)
	if err != nil {
		return err
	}
	now := s.now()
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `
			INSERT INTO connection (name, connector, settings, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $4) ON CONFLICT (name) DO NOTHING`, c.Name, c.Connector, string(settings), now)
		if err != nil {
			return fmt.Errorf("store connection: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: %s (remove it first: ml-connector connections remove %s)", ErrExists, c.Name, c.Name))
		}
		return insertSecrets(ctx, tx, c.Name, sealed, now)
	})
}

func (s *Store) seal(name string, secrets map[string]connector.Secret) (map[string][]byte, error) {
	out := make(map[string][]byte, len(secrets))
	for field, v := range secrets {
		b, err := s.cfg.Vault.Seal([]byte(v.Reveal()), name, field)
		if err != nil {
			return nil, fmt.Errorf("seal %s of %s: %w", field, name, err)
		}
		out[field] = b
	}
	return out, nil
}

func insertSecrets(ctx context.Context, tx *db.Tx, name string, sealed map[string][]byte, now time.Time) error {
	for field, b := range sealed {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO connection_secret (connection, field, sealed, updated_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (connection, field) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at`,
			name, field, b, now); err != nil {
			return fmt.Errorf("store %s of %s: %w", field, name, err)
		}
	}
	return nil
}

// Change replaces settings and secrets of a connection and keeps the others. The
// result is checked as a whole, as in Add.
func (s *Store) Change(ctx context.Context, name string, settings map[string]string, secrets map[string]connector.Secret) error {
	old, m, err := s.keys(ctx, name)
	if err != nil {
		return err
	}
	c, err := s.Get(ctx, name)
	if err != nil {
		return err
	}
	merged, all := maps.Clone(c.Settings), maps.Clone(old.Secrets)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, settings)
	maps.Copy(all, secrets)
	if err := checkSettings(m, merged, all); err != nil {
		return err
	}
	text, err := json.Marshal(merged)
	if err != nil {
		return err
	}
	sealed, err := s.seal(name, secrets)
	if err != nil {
		return err
	}
	now := s.now()
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE connection SET settings = $2, updated_at = $3 WHERE name = $1`, name, string(text), now); err != nil {
			return fmt.Errorf("change connection %s: %w", name, err)
		}
		return insertSecrets(ctx, tx, name, sealed, now)
	})
}

// SetSecrets adds or replaces secrets of a connection. The error wraps
// ErrUnknown when it is not there.
func (s *Store) SetSecrets(ctx context.Context, name string, secrets map[string]connector.Secret) error {
	sealed, err := s.seal(name, secrets)
	if err != nil {
		return err
	}
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		var known int
		if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM connection WHERE name = $1`, name).Scan(&known); err != nil {
			return fmt.Errorf("look for connection %s: %w", name, err)
		}
		if known == 0 {
			return fmt.Errorf("%w: %q", ErrUnknown, name)
		}
		return insertSecrets(ctx, tx, name, sealed, s.now())
	})
}

const columns = `name, connector, account_id, account_name, settings, paused_reason, paused_remedy, created_at`

// Get returns one connection. The error wraps ErrUnknown when it is not there.
func (s *Store) Get(ctx context.Context, name string) (Connection, error) {
	c, err := scan(s.cfg.DB.Read().QueryRowContext(ctx, `SELECT `+columns+` FROM connection WHERE name = $1`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return Connection{}, fmt.Errorf("%w: %q (see: ml-connector connections list)", ErrUnknown, name)
	}
	return c, err
}

// List returns every connection by name.
func (s *Store) List(ctx context.Context) ([]Connection, error) {
	rows, err := s.cfg.DB.Read().QueryContext(ctx, `SELECT `+columns+` FROM connection ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	defer rows.Close()
	var out []Connection
	for rows.Next() {
		c, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

func scan(row interface{ Scan(...any) error }) (Connection, error) {
	var c Connection
	var settings string
	if err := row.Scan(&c.Name, &c.Connector, &c.AccountID, &c.AccountName, &settings,
		&c.PausedReason, &c.PausedRemedy, &c.CreatedAt); err != nil {
		return Connection{}, err
	}
	if err := json.Unmarshal([]byte(settings), &c.Settings); err != nil {
		return Connection{}, fmt.Errorf("settings of connection %s: %w", c.Name, err)
	}
	return c, nil
}

// Remove deletes a connection with its secrets and tokens.
func (s *Store) Remove(ctx context.Context, name string) error {
	return s.update(ctx, name, `DELETE FROM connection WHERE name = $1`, name)
}

// SetAccount binds a connection to the account that a check found, and ends a
// pause.
func (s *Store) SetAccount(ctx context.Context, name string, a connector.Account) error {
	return s.update(ctx, name, `
		UPDATE connection SET account_id = $2, account_name = $3, paused_reason = '', paused_remedy = '', updated_at = $4
		WHERE name = $1`, name, a.ID, a.Name, s.now())
}

// Pause stops the work of a connection until a person has acted.
func (s *Store) Pause(ctx context.Context, name, reason, remedy string) error {
	return s.update(ctx, name, `
		UPDATE connection SET paused_reason = $2, paused_remedy = $3, updated_at = $4 WHERE name = $1`,
		name, reason, remedy, s.now())
}

func (s *Store) update(ctx context.Context, name, query string, args ...any) error {
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return fmt.Errorf("connection %s: %w", name, err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: %q", ErrUnknown, name))
		}
		return nil
	})
}
