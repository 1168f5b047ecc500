package db

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hashicorp/go-hclog"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

const (
	fileName   = "ml-connector.db"
	driverName = "sqlite"

	// busyTimeout bounds the wait for another process's transaction, in
	// milliseconds. Within one process there is one writer, which never waits.
	busyTimeout = "10000"

	// walBytesMax is what the write-ahead log is cut back to after a
	// checkpoint; without it the file keeps the size of its largest burst.
	walBytesMax = "67108864"
)

// prepareDir makes the data directory, readable by its owner only. One that
// exists keeps its mode, which may be the operator's choice, but is named in
// the log when others can enter it.
func prepareDir(dir string, log hclog.Logger) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("data directory %s is a file", dir)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		log.Warn("data directory is open to other users; chmod 700 closes it", "dir", dir, "mode", info.Mode().Perm().String())
	}
	return nil
}

// prepareFile makes the database file with mode 0600 before SQLite does: the
// write-ahead log and the shared-memory file take over its mode
// (https://www.sqlite.org/c3ref/open.html). A wider mode is narrowed.
func prepareFile(dir string) error {
	path := filepath.Join(dir, fileName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("make database file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make database file: %w", err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		if err := os.Chmod(name, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("protect database file: %w", err)
		}
	}
	return nil
}

// dataSource builds the driver's name for the database file. Times are written
// as UTC text, which SQLite and the queue compare as text: any other form
// sorts wrongly and jobs run hours early or late.
func dataSource(dir string, options url.Values) (string, error) {
	abs, err := filepath.Abs(filepath.Join(dir, fileName))
	if err != nil {
		return "", fmt.Errorf("find data directory: %w", err)
	}
	options.Set("_time_format", "sqlite")
	options.Set("_timezone", "UTC")
	options.Set("_busy_timeout", busyTimeout)
	options.Set("_foreign_keys", "on")
	options.Set("_dqs", "0")       // "x" is a column or a mistake, never a string
	options.Set("_defensive", "1") // SQL cannot damage the file's structure
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(abs), RawQuery: options.Encode()}
	return u.String(), nil
}

// openWriter opens the one connection that writes. A transaction takes the
// write lock when it begins, so that it cannot fail half-way because another
// process wrote first; a commit has reached the disk when it returns.
func openWriter(dir string) (*sql.DB, error) {
	return openPool(dir, 1, url.Values{
		"_txlock":       {"immediate"},
		"_journal_mode": {"WAL"},
		"_synchronous":  {"FULL"},
		"_pragma":       {"journal_size_limit(" + walBytesMax + ")"},
	})
}

func openReader(dir string) (*sql.DB, error) {
	return openPool(dir, readersMax, url.Values{
		"mode":        {"ro"},
		"_query_only": {"on"},
	})
}

func openPool(dir string, size int, options url.Values) (*sql.DB, error) {
	name, err := dataSource(dir, options)
	if err != nil {
		return nil, err
	}
	pool, err := sql.Open(driverName, name)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}
