package db

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func tables(t *testing.T, d *DB) []string {
	t.Helper()
	rows, err := d.Read().QueryContext(t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err below
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}

func TestFirstOpenMakesAllTables(t *testing.T) {
	want := []string{
		"audit_entry", "audit_head", "connection", "connection_secret", "cursor", "delivery", "event",
		"goose_db_version", "intent", "link", "oauth_token", "param",
		"river_client", "river_client_queue", "river_job", "river_leader", "river_migration", "river_queue",
		"roster", "roster_mark", "vault_keyset", "work",
	}
	for _, tc := range []struct {
		name   string
		shared bool
	}{
		{name: "by the service"},
		{name: "by a command", shared: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := open(t, Config{Dir: t.TempDir(), Shared: tc.shared})
			if diff := cmp.Diff(want, tables(t, d)); diff != "" {
				t.Errorf("tables (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSharedOpenLeavesTheDirectoryFree(t *testing.T) {
	dir := t.TempDir()
	open(t, Config{Dir: dir, Shared: true})
	open(t, Config{Dir: dir})
	open(t, Config{Dir: dir, Shared: true})
}

func TestManyCommandsAtOnceOnANewDirectory(t *testing.T) {
	dir := t.TempDir()
	const commands = 4
	errs := make(chan error, commands)
	for range commands {
		go func() {
			d, err := Open(t.Context(), Config{Dir: dir, Shared: true})
			if err == nil {
				err = d.Close()
			}
			errs <- err
		}()
	}
	for range commands {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefusesANewerDatabase(t *testing.T) {
	for _, tc := range []struct{ name, newer string }{
		{name: "our tables", newer: `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`},
		{name: "the queue's tables", newer: `INSERT INTO river_migration (line, version) VALUES ('main', 99999)`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			d, err := Open(t.Context(), Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Update(t.Context(), func(tx *Tx) error {
				_, err := tx.ExecContext(t.Context(), tc.newer)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			for _, shared := range []bool{false, true} {
				_, err := Open(t.Context(), Config{Dir: dir, Shared: shared})
				if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "run the newer version") {
					t.Errorf("shared %v: got %v, want ErrNewer", shared, err)
				}
			}
		})
	}
}

func TestTablesKeepTheirRules(t *testing.T) {
	d := open(t, Config{Dir: t.TempDir()})
	const (
		work   = `INSERT INTO work (id, recipe, flow, connection, entity, record_id, state, generation, first_seen_at, changed_at) VALUES ($1, 'r', 'f', 'c', 'e', $2, 's', 1, '2026-01-01', '2026-01-01')`
		intent = `INSERT INTO intent (work_id, version, key, connection, entity, digest, request, state, intended_at) VALUES ($1, $2, $3, 'c', 'e', '', x'00', $4, '2026-01-01')`
		link   = `INSERT INTO link (recipe, a_connection, a_entity, a_id, b_connection, b_entity, b_id, created_at, updated_at, ended_at) VALUES ('r', 'a', 'e', '1', 'b', 'e', $1, '2026-01-01', '2026-01-01', $2)`
	)
	for _, step := range []struct {
		name  string
		query string
		args  []any
		fails bool
	}{
		{name: "first work", query: work, args: []any{1, "x"}},
		{name: "same record again", query: work, args: []any{2, "x"}, fails: true},
		{name: "settled intent", query: intent, args: []any{1, 1, "k1", "settled"}},
		{name: "open intent", query: intent, args: []any{1, 2, "k2", "open"}},
		{name: "second open intent (I2)", query: intent, args: []any{1, 3, "k3", "open"}, fails: true},
		{name: "key used twice", query: intent, args: []any{1, 4, "k1", "settled"}, fails: true},
		{name: "intent of no work", query: intent, args: []any{7, 1, "k7", "open"}, fails: true},
		{name: "ended link", query: link, args: []any{"1", "2026-01-02"}},
		{name: "live link", query: link, args: []any{"2", nil}},
		{name: "second live link", query: link, args: []any{"3", nil}, fails: true},
		{name: "second keyset", query: `INSERT INTO vault_keyset (id, sealed, updated_at) VALUES (2, x'00', '2026-01-01')`, fails: true},
	} {
		err := d.Update(t.Context(), func(tx *Tx) error {
			_, err := tx.ExecContext(t.Context(), step.query, step.args...)
			return err
		})
		if (err != nil) != step.fails {
			t.Errorf("%s: got %v, want failure %v", step.name, err, step.fails)
		}
	}
}
