// Package db opens the embedded database, brings its tables up to date and
// lends transactions. It knows no table's meaning: each table is owned by the
// room that writes it.
//
// The database is one SQLite file with one writer connection and a small pool
// of read-only ones, so a reader never waits for a writer. What belongs
// together is written in one Update, and the transaction is handed on as an
// argument:
//
//	err := d.Update(ctx, func(tx *db.Tx) error {
//		if _, err := tx.ExecContext(ctx, `INSERT INTO ...`); err != nil {
//			return err
//		}
//		return queue.Enqueue(ctx, tx, job.Run{Work: id})
//	})
//
// Inside Update use only tx. There is one writer connection, so a second
// Update, or any other write through the DB, waits for the first to end; done
// from within it waits for itself until writerWait is over and then fails.
//
// SQL outside this package keeps to what SQLite and PostgreSQL both
// understand: $1 placeholders, INSERT ... ON CONFLICT, RETURNING, no function
// that only one of them has. Times are UTC.
//
// The package never keeps a transaction open by itself and never logs a value.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// writerWait bounds how long Update waits for the one writer connection.
	// A transaction takes milliseconds; half a minute means that one is stuck,
	// or that Update was called from within Update.
	writerWait = 30 * time.Second

	// readersMax is the size of the read-only pool: pages and commands read,
	// and each reader costs the writer CPU time.
	readersMax = 4
)

var (
	// ErrInUse means that another process holds the data directory.
	ErrInUse = errors.New("data directory is in use")

	// ErrNewer means that a newer version of the program wrote the database.
	ErrNewer = errors.New("database is newer than this program")

	// ErrUnsupported means that the database URL names an engine that this
	// version cannot use.
	ErrUnsupported = errors.New("database is not supported")

	// ErrWriterBusy means that the writer connection did not come free in time.
	ErrWriterBusy = errors.New("database writer is busy")
)

// Config says which database to open and how.
type Config struct {
	Dir string       // required: the data directory, made if missing
	URL string       // empty: the embedded database in Dir
	Log hclog.Logger // default: no log

	// Shared opens without the exclusive lock on Dir, for commands that read
	// and change small things while the service runs. Such a DB may enqueue
	// jobs but must not work them.
	Shared bool
}

// DB is an open database. Its methods may be called concurrently.
type DB struct {
	dir    string
	writer *sql.DB
	reader *sql.DB
	lock   *dirLock // nil when shared
	log    hclog.Logger
	wait   time.Duration // writerWait; tests shorten it
}

// Tx is a write transaction. It is good only inside the Update that made it.
type Tx struct {
	*sql.Tx
}

// Open opens the database in cfg.Dir, creating or updating its tables as
// needed. The error wraps ErrInUse, ErrNewer or ErrUnsupported where those
// apply. The caller must Close the DB.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if err := checkURL(cfg.URL); err != nil {
		return nil, err
	}
	if cfg.Dir == "" {
		return nil, errors.New("open database: no data directory given")
	}
	d := &DB{dir: cfg.Dir, log: cfg.Log, wait: writerWait}
	if d.log == nil {
		d.log = hclog.NewNullLogger()
	}
	if err := d.open(ctx, cfg.Shared); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *DB) open(ctx context.Context, shared bool) error {
	if err := prepareDir(d.dir, d.log); err != nil {
		return err
	}
	if !shared {
		lock, err := waitLock(ctx, d.dir, lockWait)
		if err != nil {
			return err
		}
		d.lock = lock
	}
	if err := prepareFile(d.dir); err != nil {
		return err
	}
	var err error
	if d.writer, err = openWriter(d.dir); err != nil {
		return err
	}
	if err := d.migrate(ctx, shared); err != nil {
		return err
	}
	d.reader, err = openReader(d.dir)
	return err
}

// checkURL refuses every engine but the embedded one. A database URL may hold
// a password, so the error names its scheme only.
func checkURL(raw string) error {
	if raw == "" {
		return nil
	}
	u, err := url.Parse(raw)
	if err != nil {
		return fmt.Errorf("database URL cannot be read: %w", ErrUnsupported)
	}
	switch u.Scheme {
	case "postgres", "postgresql":
		return fmt.Errorf("PostgreSQL is not available in this version; leave the database URL empty to use the embedded database: %w", ErrUnsupported)
	default:
		return fmt.Errorf("unknown database scheme %q; leave the database URL empty to use the embedded database: %w", u.Scheme, ErrUnsupported)
	}
}

// Close closes the connections and gives the data directory free. Everything
// that uses the DB must have stopped before.
func (d *DB) Close() error {
	var errs []error
	if d.reader != nil {
		errs = append(errs, d.reader.Close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.release())
	}
	d.reader, d.writer, d.lock = nil, nil, nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}

// Update runs fn in a write transaction and commits it when fn returns nil.
// When fn returns an error or panics, or ctx ends, everything is rolled back;
// the error is returned as it is, the panic goes on. The error wraps
// ErrWriterBusy when no transaction could be started in time.
//
// fn must not call the DB, only tx, and must not keep tx.
func (d *DB) Update(ctx context.Context, fn func(tx *Tx) error) error {
	conn, err := d.writerConn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // gives the connection back; the transaction has ended
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	ended := false
	defer func() {
		if !ended { // fn panicked: undo, and let the panic go on
			_ = tx.Rollback()
		}
	}()
	if err := fn(&Tx{Tx: tx}); err != nil {
		ended = true
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			return errors.Join(err, fmt.Errorf("roll back: %w", undo))
		}
		return err
	}
	ended = true
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// writerConn takes the one writer connection. Its wait is bounded (I10).
func (d *DB) writerConn(ctx context.Context) (*sql.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	conn, err := d.writer.Conn(waiting)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("wait for the database writer: %w", ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("no transaction could start for %s (was Update called within Update?): %w", d.wait, ErrWriterBusy)
	default:
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
}

// Read returns the read-only pool. A read sees what was committed when its
// statement began. It may be used at any time, also inside Update, where it
// does not see what the transaction has written so far.
func (d *DB) Read() *sql.DB { return d.reader }

// Exclusive reports whether this process alone may work on the database, so
// that a row left half done was left by a process that no longer lives.
func (d *DB) Exclusive() bool { return d.lock != nil }

// Writer returns the one-connection pool behind Update. It exists for the job
// queue's own bookkeeping; everything else uses Update, which bounds its wait.
func (d *DB) Writer() *sql.DB { return d.writer }
