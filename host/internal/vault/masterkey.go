package vault

import (
	"context"
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
// of 32 bytes (`openssl rand -base64 32`), with a line end or without. In the
// place of either may stand the URI of a key in a key management service (KMS):
// then the master key is kept wrapped by that key, see wrapped.go.

const (
	masterKeyFileBytesMax = 1 << 10 // the text is 44 bytes; a larger file is another file
	masterKeyFile         = "master.key"
)

// KeySource says where the master key is.
type KeySource struct {
	File string // the key file, or the URI of a key in a KMS
	Env  string // the text of ML_CONNECTOR_MASTER_KEY, the key or a URI; when it is not empty, File does not count
	Data string // the folder for a master key that a KMS has wrapped; needed for a URI
}

// Format prints no key, whatever the verb.
func (KeySource) Format(s fmt.State, _ rune) { redact(s) }

// LoadMasterKey returns the master key. A key file is made with a new key on
// first use, for the owner alone (0600); a file that others may read is refused.
// A URI asks the KMS, which must answer within ctx and a few seconds.
func LoadMasterKey(ctx context.Context, src KeySource) ([]byte, error) {
	switch {
	case isKeyURI(src.Env):
		return loadWrapped(ctx, src.Env, src.Data)
	case src.Env != "":
		key, err := parseMasterKey(src.Env)
		if err != nil {
			return nil, fmt.Errorf("ML_CONNECTOR_MASTER_KEY: %w", err)
		}
		return key, nil
	case isKeyURI(src.File):
		return loadWrapped(ctx, src.File, src.Data)
	case src.File == "":
		return nil, errors.New("no master key: name a key file or set ML_CONNECTOR_MASTER_KEY")
	}
	key, err := readMasterKey(src.File)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createMasterKey(src.File); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	return readMasterKey(src.File) // when another process made it first, its key is the one
}

func parseMasterKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != keyBytes {
		return nil, errors.New("the master key must be base64 of 32 bytes; `openssl rand -base64 32` makes one")
	}
	return key, nil
}

func readMasterKey(file string) ([]byte, error) {
	text, err := readKeyFile(file, masterKeyFileBytesMax)
	if err != nil {
		return nil, err
	}
	key, err := parseMasterKey(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", file, err)
	}
	return key, nil
}

// readKeyFile returns the text of a file that only its owner may read.
func readKeyFile(file string, bytesMax int64) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > bytesMax {
		return "", fmt.Errorf("key file %s: not a key file", file)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return "", fmt.Errorf("key file %s may be read or changed by others (mode %04o); run: chmod 600 %s", file, mode, file)
	}
	text, err := io.ReadAll(io.LimitReader(f, bytesMax))
	if err != nil {
		return "", fmt.Errorf("key file: %w", err)
	}
	return string(text), nil
}

// newMasterKey makes a key.
func newMasterKey() []byte {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: it ends the program instead
	return key
}

// createMasterKey writes a new key. The error is fs.ErrExist when there is one.
func createMasterKey(file string) error {
	return createKeyFile(file, base64.StdEncoding.AppendEncode(nil, newMasterKey()))
}

// createKeyFile writes a line beside the file and links it into place: the file
// appears whole and on disk, or not at all, and never replaces another. The
// error is fs.ErrExist when there is one.
func createKeyFile(file string, line []byte) (err error) {
	folder := filepath.Dir(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(folder, ".master-key-*") // O_EXCL and mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	_, err = draft.Write(append(line, '\n'))
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
