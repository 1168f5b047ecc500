package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// Migrations are numbered and never changed once released: a database in the
// field has run them.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// schema is the two sets of tables in the database, each with its own history:
// ours, and the job queue's.
type schema struct {
	pool  *sql.DB
	ours  *goose.Provider
	queue *rivermigrate.Migrator[*sql.Tx]
}

// versions are the newest migrations of both sets.
type versions struct {
	ours, queue int64
}

func newSchema(pool *sql.DB) (*schema, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	ours, err := goose.NewProvider(goose.DialectSQLite3, pool, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	queue, err := rivermigrate.New(riversqlite.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("read the queue's migrations: %w", err)
	}
	return &schema{pool: pool, ours: ours, queue: queue}, nil
}

// migrate brings the tables up to date. Only the holder of the directory's lock
// may do that; a shared DB takes it for that long, and only when it must.
func (d *DB) migrate(ctx context.Context, shared bool) error {
	s, err := newSchema(d.writer)
	if err != nil {
		return err
	}
	if !shared {
		return d.migrateLocked(ctx, s)
	}
	return retryWhileInUse(ctx, migrateWait, func() error {
		pending, err := d.pending(ctx, s)
		if err != nil || !pending {
			return err
		}
		lock, err := tryLock(d.dir)
		if err != nil {
			return fmt.Errorf("database must be updated before this version can use it: %w", err)
		}
		return errors.Join(d.migrateLocked(ctx, s), lock.release())
	})
}

func (d *DB) migrateLocked(ctx context.Context, s *schema) error {
	pending, err := d.pending(ctx, s)
	if err != nil || !pending {
		return err
	}
	done, err := s.ours.Up(ctx)
	if err != nil {
		return fmt.Errorf("update database tables: %w", err)
	}
	for _, m := range done {
		d.log.Info("database updated", "migration", filepath.Base(m.Source.Path), "took", m.Duration)
	}
	if _, err := s.queue.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("update queue tables: %w", err)
	}
	return nil
}

// pending reports whether a migration has to run. It changes nothing. The error
// wraps ErrNewer when the database has one that this program does not know.
func (d *DB) pending(ctx context.Context, s *schema) (bool, error) {
	has, err := s.applied(ctx)
	if err != nil {
		return false, err
	}
	want := s.known()
	if has.ours > want.ours || has.queue > want.queue {
		return false, fmt.Errorf("%s has tables of version %d/%d and this program knows %d/%d; run the newer version, or restore a backup: %w",
			filepath.Join(d.dir, fileName), has.ours, has.queue, want.ours, want.queue, ErrNewer)
	}
	return has != want, nil
}

// known returns the newest versions that this program has migrations for.
func (s *schema) known() versions {
	var v versions
	for _, source := range s.ours.ListSources() {
		v.ours = max(v.ours, source.Version)
	}
	for _, m := range s.queue.AllVersions() {
		v.queue = max(v.queue, int64(m.Version))
	}
	return v
}

// applied reads the newest versions in the database; zero where there is no
// table yet. The migrators' own readers would create their tables.
func (s *schema) applied(ctx context.Context) (versions, error) {
	var v versions
	for _, h := range []struct {
		table, query string
		version      *int64
	}{
		{"goose_db_version", `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`, &v.ours},
		{"river_migration", `SELECT coalesce(max(version), 0) FROM river_migration`, &v.queue},
	} {
		var n int
		err := s.pool.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1`, h.table).Scan(&n)
		if err != nil {
			return v, fmt.Errorf("read database version: %w", err)
		}
		if n == 0 {
			continue
		}
		if err := s.pool.QueryRowContext(ctx, h.query).Scan(h.version); err != nil {
			return v, fmt.Errorf("read database version: %w", err)
		}
	}
	return v, nil
}
