// Package dbtest lends tests a database with all tables and no rows. Making one
// anew for each test would take most of the tests' time.
package dbtest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// File is the name of the database in a data folder.
const File = "ml-connector.db"

var migrated = sync.OnceValues(func() (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "dbtest-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := db.Open(context.Background(), db.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, File))
})

// Dir makes a data folder with an empty database. It goes with the test.
func Dir(t testing.TB) string {
	t.Helper()
	b, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, File), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
