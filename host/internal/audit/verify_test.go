package audit_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/host/internal/audit"
)

func verify(t testing.TB, db *sql.DB) audit.Report {
	t.Helper()
	report, err := audit.New(auditKey).Verify(context.Background(), db, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func verifyWhole(t testing.TB, db *sql.DB, entries int64) {
	t.Helper()
	report := verify(t, db)
	if report.Broken != nil || report.Entries != entries {
		t.Fatalf("got %d entries, broken %+v, want %d whole ones", report.Entries, report.Broken, entries)
	}
}

// I9: whoever holds the database but not the key cannot alter the trail unseen.
func TestVerifyFindsTampering(t *testing.T) {
	// copyAs adds a copy of an entry under another number.
	copyAs := func(from, to int) string {
		return fmt.Sprintf(`INSERT INTO audit_entry SELECT %d, at, kind, recipe, flow, work_id, source, target, attempt, outcome, reason, detail, prev, hash FROM audit_entry WHERE seq = %d`, to, from)
	}
	tests := []struct {
		name  string
		sql   []string
		cause audit.Cause
		seq   int64
	}{
		{name: "reason changed", sql: []string{`UPDATE audit_entry SET reason = 'nothing to see' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "detail changed", sql: []string{`UPDATE audit_entry SET detail = '{"invoice":"INV-9"}' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "detail with other spaces", sql: []string{`UPDATE audit_entry SET detail = '{"invoice": "INV-4"}' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "text moved to the next field", sql: []string{`UPDATE audit_entry SET recipe = 'xero-striper', flow = 'eceipt' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "time moved by a microsecond", sql: []string{`UPDATE audit_entry SET at = '2026-11-22 12:00:04.500001+00:00' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "time moved by a nanosecond", sql: []string{`UPDATE audit_entry SET at = '2026-11-22 12:00:04.500000001+00:00' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "time is no time", sql: []string{`UPDATE audit_entry SET at = 'yesterday' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "number is no number", sql: []string{`UPDATE audit_entry SET work_id = 'four' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "detail is no JSON", sql: []string{`UPDATE audit_entry SET detail = '{' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "hash is empty", sql: []string{`UPDATE audit_entry SET hash = x'' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "hash is a text", sql: []string{`UPDATE audit_entry SET hash = 'none' WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "prev changed", sql: []string{`UPDATE audit_entry SET prev = zeroblob(32) WHERE seq = 4`}, cause: audit.CauseChanged, seq: 4},
		{name: "first changed", sql: []string{`UPDATE audit_entry SET outcome = '' WHERE seq = 1`}, cause: audit.CauseChanged, seq: 1},
		{name: "last changed", sql: []string{`UPDATE audit_entry SET outcome = '' WHERE seq = 6`}, cause: audit.CauseChanged, seq: 6},
		{name: "contents of two swapped", sql: []string{
			`UPDATE audit_entry SET seq = 100 WHERE seq = 2`, `UPDATE audit_entry SET seq = 2 WHERE seq = 4`, `UPDATE audit_entry SET seq = 4 WHERE seq = 100`,
		}, cause: audit.CauseChanged, seq: 2},
		{name: "removed", sql: []string{`DELETE FROM audit_entry WHERE seq = 3`}, cause: audit.CauseRemoved, seq: 3},
		{name: "first removed", sql: []string{`DELETE FROM audit_entry WHERE seq = 1`}, cause: audit.CauseRemoved, seq: 1},
		{name: "removed and the next unreadable", sql: []string{
			`DELETE FROM audit_entry WHERE seq = 3`, `UPDATE audit_entry SET at = 'never' WHERE seq = 4`,
		}, cause: audit.CauseRemoved, seq: 3},
		{name: "removed and renumbered", sql: []string{
			`DELETE FROM audit_entry WHERE seq = 3`, `UPDATE audit_entry SET seq = seq + 100 WHERE seq > 3`, `UPDATE audit_entry SET seq = seq - 101 WHERE seq > 100`,
		}, cause: audit.CauseRemoved, seq: 3},
		{name: "inserted and renumbered", sql: []string{
			`UPDATE audit_entry SET seq = seq + 100 WHERE seq > 2`, `UPDATE audit_entry SET seq = seq - 99 WHERE seq > 100`, copyAs(2, 3),
		}, cause: audit.CauseInserted, seq: 3},
		{name: "inserted at the end", sql: []string{copyAs(6, 7)}, cause: audit.CauseInserted, seq: 7},
		{name: "inserted at the end, unreadable", sql: []string{copyAs(6, 7), `UPDATE audit_entry SET at = 'soon' WHERE seq = 7`}, cause: audit.CauseInserted, seq: 7},
		{name: "inserted before the first", sql: []string{copyAs(1, 0)}, cause: audit.CauseInserted, seq: 0},
		{name: "inserted far before the first", sql: []string{copyAs(1, -5)}, cause: audit.CauseInserted, seq: -5},
		{name: "truncated", sql: []string{`DELETE FROM audit_entry WHERE seq > 4`}, cause: audit.CauseTruncated, seq: 5},
		{name: "truncated to nothing", sql: []string{`DELETE FROM audit_entry`}, cause: audit.CauseTruncated, seq: 1},
		{name: "truncated with the head moved along", sql: []string{
			`DELETE FROM audit_entry WHERE seq > 4`, `UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit_entry WHERE seq = 4)`,
		}, cause: audit.CauseHead, seq: 4},
		{name: "head removed", sql: []string{`DELETE FROM audit_head`}, cause: audit.CauseHead, seq: 6},
		{name: "head unreadable", sql: []string{`UPDATE audit_head SET mac = 'none'`}, cause: audit.CauseHead, seq: 6},
		{name: "head with another MAC", sql: []string{`UPDATE audit_head SET mac = hash`}, cause: audit.CauseHead, seq: 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			db := openDB(t)
			appendAll(t, db, numbered(6)...)
			verifyWhole(t, db, 6)
			for _, statement := range tt.sql {
				if _, err := db.ExecContext(t.Context(), statement); err != nil {
					t.Fatal(err)
				}
			}
			report := verify(t, db)
			if report.Broken == nil {
				t.Fatal("the trail passes")
			}
			if report.Broken.Cause != tt.cause || report.Broken.Seq != tt.seq {
				t.Errorf("got %s at %d (%s), want %s at %d", report.Broken.Cause, report.Broken.Seq, report.Broken.Message, tt.cause, tt.seq)
			}
		})
	}
}

// The head of an earlier day was kept and is put back, with the entries left as
// they are, or cut to match what it knows.
func TestVerifyFindsAnOldHead(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(3)...)
	var seq int64
	var hash, mac []byte
	if err := db.QueryRowContext(t.Context(), `SELECT seq, hash, mac FROM audit_head`).Scan(&seq, &hash, &mac); err != nil {
		t.Fatal(err)
	}
	appendAll(t, db, numbered(2)...)
	if _, err := db.ExecContext(t.Context(), `UPDATE audit_head SET seq = $1, hash = $2, mac = $3`, seq, hash, mac); err != nil {
		t.Fatal(err)
	}
	report := verify(t, db)
	if report.Broken == nil || report.Broken.Cause != audit.CauseHead || report.Broken.Seq != 4 {
		t.Errorf("got %+v, want the head found out at 4", report.Broken)
	}
}

// Two trails that went on differently from one state, one part taken from each.
func TestVerifyFindsASplice(t *testing.T) {
	ours, theirs := openDB(t), openDB(t)
	appendAll(t, ours, numbered(3)...)
	appendAll(t, theirs, numbered(3)[:1]...)
	other := numbered(3)[1:]
	other[0].Reason = "another history"
	appendAll(t, theirs, other...)
	rows := func(query string, args ...any) {
		t.Helper()
		if _, err := ours.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	for seq := int64(2); seq <= 3; seq++ {
		e, err := audit.New(auditKey).Get(t.Context(), theirs, seq)
		if err != nil {
			t.Fatal(err)
		}
		rows(`UPDATE audit_entry SET reason = $1, prev = $2, hash = $3 WHERE seq = $4`, e.Reason, []byte(e.Prev), []byte(e.Hash), seq)
		if seq == 2 {
			report := verify(t, ours)
			if report.Broken == nil || report.Broken.Cause != audit.CauseChanged || report.Broken.Seq != 3 {
				t.Errorf("one entry replaced: got %+v, want changed at 3", report.Broken)
			}
		}
	}
	report := verify(t, ours)
	if report.Broken == nil || report.Broken.Cause != audit.CauseChanged || report.Broken.Seq != 3 {
		t.Errorf("the end replaced: got %+v, want changed at 3", report.Broken)
	}
}

// Any single change of any value is found at its entry.
func TestPropertyAnyChangeIsFound(t *testing.T) {
	columns := []string{"at", "kind", "recipe", "flow", "work_id", "source", "target", "attempt", "outcome", "reason", "detail", "prev", "hash"}
	db := openDB(t)
	appendAll(t, db, numbered(20)...)
	rapid.Check(t, func(rt *rapid.T) {
		column := rapid.SampledFrom(columns).Draw(rt, "column")
		seq := rapid.Int64Range(1, 20).Draw(rt, "seq")
		value := rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) any { return s }),
			rapid.Map(rapid.Int64(), func(n int64) any { return n }),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 40), func(b []byte) any { return b }),
		).Draw(rt, "value")
		var old any
		if err := db.QueryRowContext(t.Context(), `SELECT `+column+` FROM audit_entry WHERE seq = $1`, seq).Scan(&old); err != nil {
			rt.Fatal(err)
		}
		if fmt.Sprintf("%s", old) == fmt.Sprintf("%s", value) {
			return // the value that was there, perhaps as bytes
		}
		if _, err := db.ExecContext(t.Context(), `UPDATE audit_entry SET `+column+` = $1 WHERE seq = $2`, value, seq); err != nil {
			rt.Fatal(err)
		}
		report := verify(t, db)
		if _, err := db.ExecContext(t.Context(), `UPDATE audit_entry SET `+column+` = $1 WHERE seq = $2`, old, seq); err != nil {
			rt.Fatal(err)
		}
		if report.Broken == nil || report.Broken.Cause != audit.CauseChanged || report.Broken.Seq != seq {
			rt.Fatalf("got %+v, want changed at %d", report.Broken, seq)
		}
	})
	verifyWhole(t, db, 20)
}

func TestVerifyEmpty(t *testing.T) {
	report := verify(t, openDB(t))
	if report.Broken != nil || report.Entries != 0 || !bytes.Equal(report.Head, make([]byte, 32)) {
		t.Errorf("got %+v, want a whole trail of no entries", report)
	}
}

func TestVerifyWithAnotherKey(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(2)...)
	report, err := audit.New(bytes.Repeat([]byte("x"), 32)).Verify(t.Context(), db, nil)
	if err != nil || report.Broken == nil || report.Broken.Seq != 1 {
		t.Errorf("got %+v, %v, want broken at 1", report.Broken, err)
	}
	if _, err := audit.New(nil).Verify(t.Context(), db, nil); !errors.Is(err, audit.ErrKey) {
		t.Errorf("no key: got %v, want %v", err, audit.ErrKey)
	}
}

func TestVerifyPagesAndTellsProgress(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(2500)...)
	var told []string
	report, err := audit.New(auditKey).Verify(t.Context(), db, func(done, total int64) { told = append(told, fmt.Sprintf("%d/%d", done, total)) })
	if err != nil || report.Broken != nil || report.Entries != 2500 {
		t.Fatalf("got %+v, %v", report, err)
	}
	if got, want := fmt.Sprint(told), "[1000/2500 2000/2500 2500/2500]"; got != want {
		t.Errorf("progress: got %s, want %s", got, want)
	}
	last, err := audit.New(auditKey).Get(t.Context(), db, 2500)
	if err != nil || report.Head.String() != hex.EncodeToString(last.Hash) {
		t.Errorf("head: got %s, want %s (%v)", report.Head, last.Hash, err)
	}
	// The entry at the edge of a page was renumbered away.
	if _, err := db.ExecContext(t.Context(), `DELETE FROM audit_entry WHERE seq = 1001`); err != nil {
		t.Fatal(err)
	}
	if report := verify(t, db); report.Broken == nil || report.Broken.Cause != audit.CauseRemoved || report.Broken.Seq != 1001 {
		t.Errorf("got %+v, want removed at 1001", report.Broken)
	}
}

// Verification of a live trail never takes an entry that arrives for a break.
func TestVerifyWhileAppending(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(1200)...)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(done)
		log := audit.New(auditKey)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := appendOne(db, log); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 4 {
		if report := verify(t, db); report.Broken != nil {
			t.Errorf("broken: %+v", report.Broken)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if report := verify(t, db); report.Broken != nil || report.Entries <= 1200 {
		t.Errorf("got %d entries, broken %+v", report.Entries, report.Broken)
	}
}

func appendOne(db *sql.DB, log *audit.Log) error {
	tx, err := db.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := log.Append(context.Background(), tx, audit.Entry{Kind: audit.KindPoll}); err != nil {
		return err
	}
	return tx.Commit()
}
