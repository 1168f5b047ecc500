package vault

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// A master key that a KMS wraps is made once. The KMS encrypts it, and only that
// wrapped form is stored: DATA/master.key.wrapped. At each start the KMS is asked
// to decrypt it. Neither half is of use without the other: the file opens only
// for whom the KMS allows it, and the KMS never keeps the master key.

const (
	wrappedFile = "master.key.wrapped"
	// wrappedBytesMax bounds the wrapped form: 93 bytes under a symmetric key of
	// Vault, some 700 under RSA with 4096 bits.
	wrappedBytesMax = 4 << 10

	// labelMasterKey binds the wrapped form to its use. It is part of what is
	// stored: to change it makes every wrapped master key unreadable.
	labelMasterKey = "ml-connector master key v1"
)

// keyService wraps and unwraps small secrets under a key that never leaves it.
type keyService interface {
	wrap(ctx context.Context, plain, label []byte) (wrapped string, err error)
	unwrap(ctx context.Context, wrapped string, label []byte) (plain []byte, err error)
	check() error // whether it can be asked at all: a token is there
}

// isKeyURI tells a URI from a file name and from base64, neither of which has "://".
func isKeyURI(text string) bool { return strings.Contains(text, "://") }

// loadWrapped returns the master key in folder that the URI's key has wrapped,
// making it on first use.
func loadWrapped(ctx context.Context, uri, folder string) ([]byte, error) {
	service, err := parseTransit(strings.TrimSpace(uri))
	if err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	if folder == "" {
		return nil, errors.New("master key: no data folder for the wrapped key")
	}
	if err := service.check(); err != nil {
		return nil, fmt.Errorf("master key: %w", err)
	}
	file := filepath.Join(folder, wrappedFile)
	key, err := unwrapFile(ctx, service, file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := wrapFile(ctx, service, file, filepath.Join(folder, masterKeyFile)); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("wrap master key: %w", err)
	}
	return unwrapFile(ctx, service, file) // when another process wrapped one first, its key is the one
}

func unwrapFile(ctx context.Context, service keyService, file string) ([]byte, error) {
	wrapped, err := readKeyFile(file, wrappedBytesMax)
	if err != nil {
		return nil, err
	}
	key, err := service.unwrap(ctx, strings.TrimSpace(wrapped), []byte(labelMasterKey))
	if err != nil {
		return nil, fmt.Errorf("unwrap %s: %w", file, err)
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("unwrap %s: what is in it is not a master key; restore the file from a backup", file)
	}
	return key, nil
}

// wrapFile stores the wrapped form of a new master key, or of the one in the
// plain file when there is one: a data folder that was set up without a KMS moves
// to it. A service that would wrap and then not unwrap is found out before
// anything depends on it.
func wrapFile(ctx context.Context, service keyService, file, plain string) error {
	key, err := readMasterKey(plain)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = newMasterKey(), nil
	}
	if err != nil {
		return err
	}
	wrapped, err := service.wrap(ctx, key, []byte(labelMasterKey))
	if err != nil {
		return err
	}
	back, err := service.unwrap(ctx, wrapped, []byte(labelMasterKey))
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(key, back) != 1 {
		return errors.New("the service does not give back what it wrapped")
	}
	if len(wrapped) >= wrappedBytesMax {
		return fmt.Errorf("the wrapped key has %d bytes; at most %d are expected", len(wrapped), wrappedBytesMax)
	}
	return createKeyFile(file, []byte(wrapped))
}
