package audit_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	_ "modernc.org/sqlite"

	"github.com/ml-connector/ml-connector/host/internal/audit"
)

var (
	auditKey = bytes.Repeat([]byte("k"), 32)
	noon     = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

const schema = `
CREATE TABLE audit_entry(seq INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL, kind TEXT NOT NULL, recipe TEXT NOT NULL DEFAULT '', flow TEXT NOT NULL DEFAULT '', work_id INTEGER NOT NULL DEFAULT 0, source TEXT NOT NULL DEFAULT '', target TEXT NOT NULL DEFAULT '', attempt INTEGER NOT NULL DEFAULT 0, outcome TEXT NOT NULL DEFAULT '', reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '{}', prev BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE audit_head(id INTEGER PRIMARY KEY CHECK(id=1), seq INTEGER NOT NULL, hash BLOB NOT NULL, mac BLOB NOT NULL);
CREATE INDEX audit_entry_work ON audit_entry(work_id);
CREATE INDEX audit_entry_source ON audit_entry(source);
CREATE INDEX audit_entry_at ON audit_entry(at);`

// openDB opens a database with the trail's tables, in a file, as the host does.
func openDB(t testing.TB) *sql.DB {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audit.db")
	db, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=busy_timeout(10000)&_time_format=sqlite&_timezone=UTC")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(context.Background(), schema); err != nil {
		t.Fatal(err)
	}
	return db
}

// appendAll appends the entries in one transaction.
func appendAll(t testing.TB, db *sql.DB, entries ...audit.Entry) {
	t.Helper()
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, e := range entries {
		if _, err := audit.New(auditKey).Append(context.Background(), tx, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

// numbered makes n different entries.
func numbered(n int) []audit.Entry {
	entries := make([]audit.Entry, n)
	for i := range entries {
		entries[i] = audit.Entry{
			At: noon.Add(time.Duration(i) * 1500 * time.Millisecond), Kind: audit.KindOutcome,
			Recipe: "xero-stripe", Flow: "receipt", WorkID: int64(i + 1),
			Source: fmt.Sprintf("stripe/payment/ch_%d", i+1), Target: fmt.Sprintf("xero/payment/%d", i+1),
			Attempt: 1, Outcome: "created", Reason: "paid", Detail: audit.Detail{"invoice": fmt.Sprintf("INV-%d", i+1)},
		}
	}
	return entries
}

func TestAppendReadsBackTheSame(t *testing.T) {
	db := openDB(t)
	auckland := time.FixedZone("NZDT", 13*60*60)
	in := audit.Entry{
		At: time.Date(2026, 11, 23, 1, 2, 3, 456789123, auckland), Kind: audit.KindAttempt, Recipe: "xero-stripe", Flow: "receipt",
		WorkID: 7, Source: "stripe/payment/ch_1", Target: "xero/payment/p1", Attempt: 2, Outcome: "unavailable",
		Reason: "nul \x00 and broken \xff text", Detail: audit.Detail{"z": "last", "a": "<first>"},
	}
	want := in
	want.Seq = 1
	want.At = time.Date(2026, 11, 22, 12, 2, 3, 456789000, time.UTC)
	want.Reason = "nul \ufffd and broken \ufffd text"
	appendAll(t, db, in)
	got, err := audit.New(auditKey).Get(t.Context(), db, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(audit.Entry{}, "Prev", "Hash")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(got.Hash) != 32 || !bytes.Equal(got.Prev, make([]byte, 32)) {
		t.Errorf("chain: hash %s, prev %s", got.Hash, got.Prev)
	}
	verifyWhole(t, db, 1)
}

func TestAppendDefaults(t *testing.T) {
	db := openDB(t)
	before := time.Now().Truncate(time.Microsecond)
	appendAll(t, db, audit.Entry{Kind: audit.KindPoll})
	got, err := audit.New(auditKey).Get(t.Context(), db, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got.At.Before(before) || got.At.After(time.Now()) || got.At.Location() != time.UTC {
		t.Errorf("at: got %s, want now in UTC", got.At)
	}
	verifyWhole(t, db, 1)
}

func TestAppendCutsLongTexts(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, audit.Entry{Kind: audit.KindHold, Reason: strings.Repeat("é", 5000), Detail: audit.Detail{"body": strings.Repeat("x", 1<<20)}})
	got, err := audit.New(auditKey).Get(t.Context(), db, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{got.Reason, got.Detail["body"]} {
		if len(text) > 4<<10 || !strings.HasSuffix(text, "(cut)") || strings.ContainsRune(text, '\ufffd') {
			t.Errorf("text of %d bytes ends in %q", len(text), text[len(text)-12:])
		}
	}
	verifyWhole(t, db, 1)
}

func TestAppendRefuses(t *testing.T) {
	many := audit.Detail{}
	for i := range 65 {
		many[fmt.Sprint(i)] = "x"
	}
	tests := []struct {
		name  string
		key   []byte
		entry audit.Entry
		err   error
	}{
		{name: "no kind", key: auditKey},
		{name: "too many details", key: auditKey, entry: audit.Entry{Kind: audit.KindSkip, Detail: many}},
		{name: "a time out of range", key: auditKey, entry: audit.Entry{Kind: audit.KindSkip, At: noon.AddDate(9000, 0, 0)}},
		{name: "a short key", key: auditKey[:31], entry: audit.Entry{Kind: audit.KindSkip}, err: audit.ErrKey},
		{name: "another key", key: bytes.Repeat([]byte("x"), 32), entry: audit.Entry{Kind: audit.KindSkip}, err: audit.ErrHead},
	}
	db := openDB(t)
	appendAll(t, db, numbered(2)...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback() }()
			_, err = audit.New(tt.key).Append(t.Context(), tx, tt.entry)
			if err == nil || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("error: got %v, want %v", err, tt.err)
			}
		})
	}
	verifyWhole(t, db, 2)
}

// I4: an entry exists exactly when the caller's transaction committed.
func TestAppendRollsBackWithTheCaller(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(1)...)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.New(auditKey).Append(t.Context(), tx, audit.Entry{Kind: audit.KindSkip}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	verifyWhole(t, db, 1)
	appendAll(t, db, numbered(1)...)
	verifyWhole(t, db, 2)
}

// Nothing is appended to a trail that lost its head.
func TestAppendWithoutHead(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(3)...)
	if _, err := db.ExecContext(t.Context(), `DELETE FROM audit_head`); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := audit.New(auditKey).Append(t.Context(), tx, audit.Entry{Kind: audit.KindSkip}); !errors.Is(err, audit.ErrHead) {
		t.Errorf("error: got %v, want %v", err, audit.ErrHead)
	}
}

func TestLogPrintsNoKey(t *testing.T) {
	log := audit.New([]byte("canary-canary-canary-canary-canary"))
	if shown := fmt.Sprintf("%v %+v %#v %s", log, log, log, log); strings.Contains(shown, "canary") || strings.Contains(shown, "99, 97") {
		t.Errorf("the key shows: %s", shown)
	}
}

func BenchmarkAppend(b *testing.B) {
	db := openDB(b)
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	log, entry := audit.New(auditKey), numbered(1)[0]
	for b.Loop() {
		if _, err := log.Append(context.Background(), tx, entry); err != nil {
			b.Fatal(err)
		}
	}
}
