package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrNoKeyset: nothing is stored yet.
	ErrNoKeyset = errors.New("no keyset is stored")
	// ErrKeysetChanged: what is stored is not what was to be replaced.
	ErrKeysetChanged = errors.New("the keyset was changed by someone else; try again")
)

// KeysetStore keeps the sealed keyset: one blob.
type KeysetStore interface {
	// Load returns the stored keyset, or ErrNoKeyset.
	Load(ctx context.Context) ([]byte, error)
	// Save stores a keyset in place of old; old is nil for the first one. If
	// something else than old is stored it changes nothing and returns
	// ErrKeysetChanged: to lose a keyset is to lose every secret under it.
	Save(ctx context.Context, old, sealed []byte) error
}

// Conn is what Table needs of a *sql.DB or *sql.Tx.
type Conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Table is the KeysetStore in the table vault_keyset.
type Table struct{ conn Conn }

// NewTable keeps the keyset through conn. A transaction makes Save part of it.
func NewTable(conn Conn) *Table { return &Table{conn: conn} }

// Load implements KeysetStore.
func (t *Table) Load(ctx context.Context) ([]byte, error) {
	var sealed []byte
	err := t.conn.QueryRowContext(ctx, `SELECT sealed FROM vault_keyset WHERE id = 1`).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNoKeyset
	}
	if err != nil {
		return nil, fmt.Errorf("load keyset: %w", err)
	}
	return sealed, nil
}

// Save implements KeysetStore.
func (t *Table) Save(ctx context.Context, old, sealed []byte) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	var result sql.Result
	var err error
	if old == nil {
		result, err = t.conn.ExecContext(ctx,
			`INSERT INTO vault_keyset (id, sealed, updated_at) VALUES (1, $1, $2) ON CONFLICT (id) DO NOTHING`, sealed, now)
	} else {
		result, err = t.conn.ExecContext(ctx,
			`UPDATE vault_keyset SET sealed = $1, updated_at = $2 WHERE id = 1 AND sealed = $3`, sealed, now, old)
	}
	if err != nil {
		return fmt.Errorf("save keyset: %w", err)
	}
	changed, err := result.RowsAffected()
	if err != nil {
		return fmt.Errorf("save keyset: %w", err)
	}
	if changed != 1 {
		return ErrKeysetChanged
	}
	return nil
}
