package vault

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The master key's text, in the file and in the environment, is standard base64
// of 32 bytes (`openssl rand -base64 32`), with a line end or without.

const masterKeyFileBytesMax = 1 << 10 // the text is 44 bytes; a larger file is another file

// LoadMasterKey returns the master key: that of env, the text of
// ML_CONNECTOR_MASTER_KEY, when it is not empty, else that of the file. The file
// is made with a new key on first use, for the owner alone (0600); a file that
// others may read is refused.
func LoadMasterKey(file, env string) ([]byte, error) {
	if env != "" {
		key, err := parseMasterKey(env)
		if err != nil {
			return nil, fmt.Errorf("ML_CONNECTOR_MASTER_KEY: %w", err)
		}
		return key, nil
	}
	if file == "" {
		return nil, errors.New("no master key: name a key file or set ML_CONNECTOR_MASTER_KEY")
	}
	key, err := readMasterKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createMasterKey(file); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	return readMasterKey(file) // when another process made it first, its key is the one
}

func parseMasterKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != keyBytes {
		return nil, errors.New("the master key must be base64 of 32 bytes; `openssl rand -base64 32` makes one")
	}
	return key, nil
}

func readMasterKey(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > masterKeyFileBytesMax {
		return nil, fmt.Errorf("key file %s: not a key file", file)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("key file %s may be read or changed by others (mode %04o); run: chmod 600 %s", file, mode, file)
	}
	text, err := io.ReadAll(io.LimitReader(f, masterKeyFileBytesMax))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	key, err := parseMasterKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", file, err)
	}
	return key, nil
}

// createMasterKey writes a new key beside the file and links it into place: the
// file appears whole and on disk, or not at all, and never replaces another. The
// error is fs.ErrExist when there is one.
func createMasterKey(file string) (err error) {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key)                                // never fails: it ends the program instead
	draft, err := os.CreateTemp(folder, ".master-key-*") // O_EXCL and mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	_, err = draft.Write(append(base64.StdEncoding.AppendEncode(nil, key), '\n'))
	if err := errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := os.Link(draft.Name(), file); err != nil {
		return err
	}
	return syncFolder(folder)
}

// syncFolder makes the new name last through a power cut.
func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
