package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/audit"
)

func TestList(t *testing.T) {
	db := openDB(t)
	entries := numbered(6)
	entries[1].Kind, entries[1].Outcome = audit.KindSkip, "skipped"
	entries[2].Recipe = "other"
	entries[3].Flow = "refund"
	entries[4].Source, entries[5].Target = "xero/invoice/1", "xero/invoice/1"
	appendAll(t, db, entries...)
	tests := []struct {
		name   string
		filter audit.Filter
		want   []int64
	}{
		{name: "all, newest first", want: []int64{6, 5, 4, 3, 2, 1}},
		{name: "oldest first", filter: audit.Filter{Oldest: true}, want: []int64{1, 2, 3, 4, 5, 6}},
		{name: "first page", filter: audit.Filter{Limit: 2}, want: []int64{6, 5}},
		{name: "next page", filter: audit.Filter{Limit: 2, Before: 5}, want: []int64{4, 3}},
		{name: "what is new", filter: audit.Filter{After: 4, Oldest: true}, want: []int64{5, 6}},
		{name: "kind", filter: audit.Filter{Kind: audit.KindSkip}, want: []int64{2}},
		{name: "outcome", filter: audit.Filter{Outcome: "skipped"}, want: []int64{2}},
		{name: "recipe", filter: audit.Filter{Recipe: "other"}, want: []int64{3}},
		{name: "flow", filter: audit.Filter{Flow: "refund"}, want: []int64{4}},
		{name: "work", filter: audit.Filter{WorkID: 3}, want: []int64{3}},
		{name: "record, on either side", filter: audit.Filter{Ref: "xero/invoice/1"}, want: []int64{6, 5}},
		{name: "from a time on", filter: audit.Filter{Since: noon.Add(6 * time.Second)}, want: []int64{6, 5}},
		{name: "before a time", filter: audit.Filter{Until: noon.Add(1500 * time.Millisecond)}, want: []int64{1}},
		{name: "time in another zone", filter: audit.Filter{Since: noon.Add(7500 * time.Millisecond).In(time.FixedZone("NZDT", 13*60*60))}, want: []int64{6}},
		{name: "several at once", filter: audit.Filter{Kind: audit.KindOutcome, Recipe: "xero-stripe", Since: noon, Ref: "xero/invoice/1", Before: 6}, want: []int64{5}},
		{name: "nothing", filter: audit.Filter{Kind: "unheard-of"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found, err := audit.New(auditKey).List(t.Context(), db, tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, e := range found {
				got = append(got, e.Seq)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestListLimits(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(1010)...)
	for limit, want := range map[int]int{0: 100, 7: 7, 5000: 1000} {
		found, err := audit.New(auditKey).List(t.Context(), db, audit.Filter{Limit: limit})
		if err != nil || len(found) != want {
			t.Errorf("limit %d: got %d entries, %v, want %d", limit, len(found), err, want)
		}
	}
}

func TestGet(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(1)...)
	if _, err := audit.New(auditKey).Get(t.Context(), db, 2); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("error: got %v, want %v", err, audit.ErrNotFound)
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE audit_entry SET attempt = 'many'`); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.New(auditKey).Get(t.Context(), db, 1); err == nil {
		t.Error("an entry with a broken number was read")
	}
}

func TestExport(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(1005)...)
	var out bytes.Buffer
	count, err := audit.New(auditKey).Export(t.Context(), db, &out)
	if err != nil || count != 1005 {
		t.Fatalf("got %d entries, %v, want 1005", count, err)
	}
	lines := bufio.NewScanner(&out)
	var seq int64
	for lines.Scan() {
		seq++
		var got audit.Entry
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatalf("line %d: %v", seq, err)
		}
		want, err := audit.New(auditKey).Get(t.Context(), db, seq)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("line %d (-want +got)\n%s", seq, diff)
		}
	}
	if seq != 1005 {
		t.Errorf("got %d lines, want 1005", seq)
	}
}

func TestExportStopsWhenTheWriterFails(t *testing.T) {
	db := openDB(t)
	appendAll(t, db, numbered(3)...)
	r, w := io.Pipe()
	_ = r.Close()
	if count, err := audit.New(auditKey).Export(t.Context(), db, w); err == nil || count != 0 {
		t.Errorf("got %d entries, %v, want an error", count, err)
	}
}

func ExampleLog() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", "file::memory:?_time_format=sqlite&_timezone=UTC")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		fmt.Println(err)
		return
	}
	log := audit.New(make([]byte, 32))

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	seq, err := log.Append(ctx, tx, audit.Entry{Kind: audit.KindSkip, Source: "xero/invoice/1", Reason: "a draft"})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := tx.Commit(); err != nil {
		fmt.Println(err)
		return
	}
	report, err := log.Verify(ctx, db, nil)
	fmt.Println(seq, report.Entries, report.Broken == nil, err)
	// Output: 1 1 true <nil>
}
