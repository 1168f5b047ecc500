package db

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the test names zones that a bare machine may lack

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

func open(t *testing.T, cfg Config) *DB {
	t.Helper()
	d, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// setParam writes one row, in a table that needs no others.
func setParam(ctx context.Context, tx *Tx, name, value string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO param (recipe, name, value, set_at) VALUES ('r', $1, $2, $3)
		ON CONFLICT (recipe, name) DO UPDATE SET value = excluded.value, set_at = excluded.set_at`, name, value, at)
	return err
}

func countParams(t *testing.T, d *DB) int {
	t.Helper()
	var n int
	if err := d.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM param`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestOpenProtectsItsFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "data ?#%20 x")
	d := open(t, Config{Dir: dir})
	if err := d.Update(t.Context(), func(tx *Tx) error { return setParam(t.Context(), tx, "a", "1", time.Now()) }); err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	for _, name := range []string{".", fileName, fileName + "-wal", fileName + "-shm", lockName} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = info.Mode().Perm()
	}
	want := map[string]fs.FileMode{".": 0o700, fileName: 0o600, fileName + "-wal": 0o600, fileName + "-shm": 0o600, lockName: 0o600}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
}

func TestOpenNarrowsAWideFileAndNamesAnOpenDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	open(t, Config{Dir: dir, Log: hclog.New(&hclog.LoggerOptions{Output: &out})})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %v, want 0600", got)
	}
	if !strings.Contains(out.String(), "open to other users") {
		t.Errorf("no warning about the directory in %q", out.String())
	}
}

func TestSettingsOfTheConnections(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	for _, tc := range []struct{ pragma, writer, reader string }{
		{pragma: "journal_mode", writer: "wal", reader: "wal"},
		{pragma: "synchronous", writer: "2", reader: "2"}, // FULL
		{pragma: "foreign_keys", writer: "1", reader: "1"},
		{pragma: "busy_timeout", writer: busyTimeout, reader: busyTimeout},
		{pragma: "query_only", writer: "0", reader: "1"},
	} {
		t.Run(tc.pragma, func(t *testing.T) {
			var writer, reader string
			if err := d.writer.QueryRowContext(t.Context(), "PRAGMA "+tc.pragma).Scan(&writer); err != nil {
				t.Fatal(err)
			}
			if err := d.reader.QueryRowContext(t.Context(), "PRAGMA "+tc.pragma).Scan(&reader); err != nil {
				t.Fatal(err)
			}
			if writer != tc.writer || reader != tc.reader {
				t.Errorf("writer %s, reader %s; want %s, %s", writer, reader, tc.writer, tc.reader)
			}
		})
	}
}

func TestOpenRefusesOtherDatabases(t *testing.T) {
	for _, tc := range []struct{ name, url, want string }{
		{name: "postgres", url: "postgres://user:hunter2@db.example/x", want: "PostgreSQL is not available"},
		{name: "postgresql", url: "postgresql://db.example/x", want: "PostgreSQL is not available"},
		{name: "mysql", url: "mysql://user:hunter2@db.example/x", want: `unknown database scheme "mysql"`},
		{name: "unreadable", url: "postgres://user:hunter2@[::1", want: "cannot be read"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			_, err := Open(t.Context(), Config{Dir: dir, URL: tc.url})
			if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") { // I8
				t.Errorf("the error shows the password: %v", err)
			}
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a refused database left a data directory: %v", err)
			}
		})
	}
}

func TestUpdateCommitsOrUndoes(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name  string
		after func(cancel func()) error
		want  error
		rows  int
	}{
		{name: "commits", after: func(func()) error { return nil }, rows: 1},
		{name: "undoes on error", after: func(func()) error { return broken }, want: broken},
		{name: "undoes when the context ends", after: func(cancel func()) error { cancel(); return nil }, want: context.Canceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := open(t, Config{Dir: t.TempDir()})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := d.Update(ctx, func(tx *Tx) error {
				if err := setParam(ctx, tx, "a", "1", time.Now()); err != nil {
					return err
				}
				return tc.after(cancel)
			})
			if tc.want == nil && err != nil || tc.want != nil && err == nil {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if tc.want == broken && err != broken { //nolint:errorlint // the very same error
				t.Errorf("got %v, want the callback's own error", err)
			}
			if got := countParams(t, d); got != tc.rows {
				t.Errorf("%d rows, want %d", got, tc.rows)
			}
		})
	}
}

func TestUpdateLetsAPanicThroughAndStaysUsable(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	func() {
		defer func() {
			if got := recover(); got != "bug" {
				t.Errorf("recovered %v, want bug", got)
			}
		}()
		_ = d.Update(t.Context(), func(tx *Tx) error {
			if err := setParam(t.Context(), tx, "a", "1", time.Now()); err != nil {
				t.Error(err)
			}
			panic("bug")
		})
	}()
	if got := countParams(t, d); got != 0 {
		t.Errorf("%d rows after a panic, want 0", got)
	}
	if err := d.Update(t.Context(), func(tx *Tx) error { return setParam(t.Context(), tx, "b", "1", time.Now()) }); err != nil {
		t.Errorf("update after a panic: %v", err)
	}
}

func TestUpdateWithinUpdateFailsInsteadOfHanging(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	d.wait = 50 * time.Millisecond
	err := d.Update(t.Context(), func(*Tx) error {
		return d.Update(t.Context(), func(*Tx) error { return nil })
	})
	if !errors.Is(err, ErrWriterBusy) {
		t.Errorf("got %v, want ErrWriterBusy", err)
	}
}

func TestReadersSeeOnlyWhatIsCommittedAndCannotWrite(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	err := d.Update(t.Context(), func(tx *Tx) error {
		if err := setParam(t.Context(), tx, "a", "1", time.Now()); err != nil {
			return err
		}
		if got := countParams(t, d); got != 0 { // and it does not wait for us
			t.Errorf("a reader sees %d uncommitted rows", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := countParams(t, d); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	if _, err := d.Read().ExecContext(t.Context(), `DELETE FROM param`); err == nil {
		t.Error("the read-only pool deleted rows")
	}
}

// Times are compared as text, so they must be stored in UTC whatever zone the
// caller or the process is in.
func TestTimesAreUTC(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	moment := time.Date(2026, 3, 4, 5, 6, 7, 890_000_000, time.UTC)
	for _, zone := range []string{"UTC", "Pacific/Auckland", "America/Los_Angeles"} {
		t.Run(zone, func(t *testing.T) {
			loc, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Update(t.Context(), func(tx *Tx) error { return setParam(t.Context(), tx, "t", "", moment.In(loc)) }); err != nil {
				t.Fatal(err)
			}
			var got time.Time
			var text string
			if err := d.Read().QueryRowContext(t.Context(), `SELECT set_at, CAST(set_at AS TEXT) FROM param WHERE name = $1`, "t").Scan(&got, &text); err != nil {
				t.Fatal(err)
			}
			if got.Location() != time.UTC || !got.Equal(moment) {
				t.Errorf("read back %v, want %v", got, moment)
			}
			if want := "2026-03-04 05:06:07.89+00:00"; text != want {
				t.Errorf("stored %q, want %q", text, want)
			}
		})
	}
}

// PostgreSQL numbers its placeholders, and so does our SQL: $2 is the second
// argument wherever it stands, and may stand twice.
func TestNumberedPlaceholders(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	var got string
	if err := d.Read().QueryRowContext(t.Context(), `SELECT $2 || $1 || $2`, "a", "b").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != "bab" {
		t.Errorf("got %q, want bab", got)
	}
}

func TestManyWritersTakeTurns(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	const writers = 20
	errs := make(chan error, writers)
	for i := range writers {
		go func() {
			errs <- d.Update(t.Context(), func(tx *Tx) error {
				return setParam(t.Context(), tx, fmt.Sprint(i), "", time.Now())
			})
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if got := countParams(t, d); got != writers {
		t.Errorf("%d rows, want %d", got, writers)
	}
}
