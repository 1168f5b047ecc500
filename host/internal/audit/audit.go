package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	// ErrKey: the key given to New is too short to prove anything.
	ErrKey = errors.New("audit key has fewer than 32 bytes")
	// ErrHead: the head of the trail is not as Append left it. Nothing is appended
	// to such a trail.
	ErrHead = errors.New("the audit trail was tampered with or belongs to another master key; run: ml-connector audit verify")
	// ErrNotFound: there is no such entry.
	ErrNotFound = errors.New("no such audit entry")
)

// Reader is what the reading methods need of a *sql.DB or *sql.Tx.
type Reader interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Tx is what Append needs of a *sql.Tx.
type Tx interface {
	Reader
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Log writes and reads the trail. It holds nothing but the key; its methods may be
// called concurrently, each transaction by one goroutine.
type Log struct {
	key []byte
}

// New makes a Log whose entries are hashed with key, 32 bytes or more. The same
// trail needs the same key for ever.
func New(key []byte) *Log { return &Log{key: slices.Clone(key)} }

// Format prints no key, whatever the verb.
func (*Log) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[redacted]")) }

// Append adds an entry in the caller's transaction and returns its number. It sets
// Seq, Prev and Hash, and At when zero; texts over 4 KiB are cut and say so. After
// an error the transaction must be rolled back.
//
// Transactions that append wait for each other: the head row is locked until the
// first one ends.
func (l *Log) Append(ctx context.Context, tx Tx, e Entry) (seq int64, err error) {
	r, err := newRow(e, time.Now())
	if err != nil {
		return 0, err
	}
	last, err := l.lockHead(ctx, tx)
	if err != nil {
		return 0, err
	}
	seq = last.seq + 1
	r.entry.Prev = last.hash
	hash := l.entryHash(r, seq)
	_, err = tx.ExecContext(ctx, `INSERT INTO audit_entry (`+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		seq, r.entry.At, string(r.entry.Kind), r.entry.Recipe, r.entry.Flow, r.entry.WorkID, r.entry.Source, r.entry.Target,
		r.entry.Attempt, r.entry.Outcome, r.entry.Reason, r.detail, []byte(r.entry.Prev), []byte(hash))
	if err != nil {
		return 0, fmt.Errorf("append audit entry %d: %w", seq, err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE audit_head SET seq = $1, hash = $2, mac = $3 WHERE id = 1`,
		seq, []byte(hash), []byte(l.headMAC(seq, hash)))
	if err != nil {
		return 0, fmt.Errorf("move audit head to %d: %w", seq, err)
	}
	return seq, nil
}

// lockHead returns the head and keeps its row locked until the transaction ends.
// The update that changes nothing is the lock that SQLite and PostgreSQL share.
func (l *Log) lockHead(ctx context.Context, tx Tx) (head, error) {
	if len(l.key) < hashBytes {
		return head{}, ErrKey
	}
	const lock = `UPDATE audit_head SET seq = seq WHERE id = 1 RETURNING seq, hash, mac`
	var h head
	err := tx.QueryRowContext(ctx, lock).Scan(&h.seq, &h.hash, &h.mac)
	if errors.Is(err, sql.ErrNoRows) {
		if err := l.makeHead(ctx, tx); err != nil {
			return head{}, err
		}
		err = tx.QueryRowContext(ctx, lock).Scan(&h.seq, &h.hash, &h.mac)
	}
	if err != nil {
		return head{}, fmt.Errorf("lock audit head: %w", err)
	}
	if !l.authentic(h) {
		return head{}, ErrHead
	}
	return h, nil
}

// makeHead makes the head before the first entry of all. Entries without a head
// are a trail whose head was removed: ErrHead.
func (l *Log) makeHead(ctx context.Context, tx Tx) error {
	var entries int64
	if err := tx.QueryRowContext(ctx, `SELECT COUNT(*) FROM audit_entry`).Scan(&entries); err != nil {
		return fmt.Errorf("count audit entries: %w", err)
	}
	if entries > 0 {
		return ErrHead
	}
	// Another host may be making it at the same time: then its head is the one.
	_, err := tx.ExecContext(ctx, `INSERT INTO audit_head (id, seq, hash, mac) VALUES (1, 0, $1, $2) ON CONFLICT (id) DO NOTHING`,
		[]byte(genesis()), []byte(l.headMAC(0, genesis())))
	if err != nil {
		return fmt.Errorf("make audit head: %w", err)
	}
	return nil
}

// readHead returns the head, and false when there is none. A head that cannot be
// read as one comes back as a head that is not authentic.
func (l *Log) readHead(ctx context.Context, q Reader) (h head, found bool, err error) {
	var seq, hash, mac any
	err = q.QueryRowContext(ctx, `SELECT seq, hash, mac FROM audit_head WHERE id = 1`).Scan(&seq, &hash, &mac)
	if errors.Is(err, sql.ErrNoRows) {
		return head{}, false, nil
	}
	if err != nil {
		return head{}, false, fmt.Errorf("read audit head: %w", err)
	}
	if !asInt(seq, &h.seq) || !asBytes(hash, &h.hash) || !asBytes(mac, &h.mac) {
		return head{}, true, nil
	}
	return h, true, nil
}
