package db

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	lockName = "ml-connector.lock"

	// lockWait is how long the service waits for the data directory. A command
	// holds it only while it updates the tables; another service holds it for
	// its whole life.
	lockWait = 2 * time.Second

	// migrateWait is how long a command waits for another process that is
	// updating the tables.
	migrateWait = 15 * time.Second

	lockPoll = 25 * time.Millisecond

	// lockBytesMax bounds what is read of the lock file: a process id.
	lockBytesMax = 32
)

// dirLock is an exclusive lock on a data directory. The operating system drops
// it when the process ends, however that happens, so it is never stale. The
// file stays: removing it would let two processes lock two different files.
type dirLock struct {
	file *os.File
}

// tryLock takes the lock or returns at once with an error that wraps ErrInUse
// and names the holder.
func tryLock(dir string) (*dirLock, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	taken, err := lockFile(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory %s: %w", dir, err), f.Close())
	}
	if taken {
		l := &dirLock{file: f}
		if err := l.sign(); err != nil {
			return nil, errors.Join(err, l.release())
		}
		return l, nil
	}
	holder := readHolder(f)
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("close lock file: %w", err)
	}
	return nil, fmt.Errorf("%s is used by %s; stop it first or choose another data directory: %w", dir, holder, ErrInUse)
}

// waitLock takes the lock, waiting at most limit for another holder.
func waitLock(ctx context.Context, dir string, limit time.Duration) (*dirLock, error) {
	var lock *dirLock
	err := retryWhileInUse(ctx, limit, func() error {
		var err error
		lock, err = tryLock(dir)
		return err
	})
	return lock, err
}

// retryWhileInUse calls try until it returns something other than ErrInUse, or
// limit is over.
func retryWhileInUse(ctx context.Context, limit time.Duration, try func() error) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := try()
		if !errors.Is(err, ErrInUse) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for data directory: %w", ctx.Err())
		case <-deadline.C:
			return err
		case <-tick.C:
		}
	}
}

// sign writes our process id into the lock file, for the error that the next
// process shows.
func (l *dirLock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return fmt.Errorf("sign lock file: %w", err)
	}
	if _, err := l.file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return fmt.Errorf("sign lock file: %w", err)
	}
	return nil
}

// readHolder names the process that signed the lock file.
func readHolder(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, lockBytesMax))
	pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}

// release gives the directory free. Closing the file drops the lock.
func (l *dirLock) release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("release data directory: %w", err)
	}
	return nil
}
