package vault

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	keyBytes      = 32       // AES-256 and HMAC-SHA256
	plainBytesMax = 64 << 10 // a token or key is a few KiB at most
	dataKeysMax   = 1000     // one per rotation, and a person rotates

	// Labels keep the keys and texts of different uses apart. They are part of what
	// is stored: to change one makes everything sealed before unreadable.
	labelKeysetKey = "ml-connector vault keyset key v1"
	labelKeyset    = "ml-connector vault keyset v1"
	labelSecret    = "ml-connector vault secret v1"
	labelDerived   = "ml-connector vault derived key v1: "
)

var (
	// ErrMasterKey: the master key is not the one that the stored keyset was sealed with.
	ErrMasterKey = errors.New("the master key does not open this database's keyset; use the key file or ML_CONNECTOR_MASTER_KEY that this database was set up with")
	// ErrUnknownKey: the secret was sealed with a data key that this Vault has not
	// read yet, by a rotation elsewhere. Reload and open again.
	ErrUnknownKey = errors.New("sealed with a data key that is not in the keyset")
	// ErrSealed: the secret was changed, or belongs to another connection or field.
	ErrSealed = errors.New("does not open: changed, or sealed for another connection or field; set the secret again")
)

// Config configures Open. Both fields are required.
type Config struct {
	MasterKey []byte      // 32 bytes, from LoadMasterKey
	Store     KeysetStore // used during Open only
}

// Format prints no key, whatever the verb.
func (Config) Format(s fmt.State, _ rune) { redact(s) }

// Vault seals and opens secrets.
type Vault struct {
	sealing tink.AEAD // seals the keyset
	derive  []byte    // the master key, for DeriveKey
	keys    atomic.Pointer[dataKeys]
}

// Format prints no key, whatever the verb.
func (*Vault) Format(s fmt.State, _ rune) { redact(s) }

func redact(w io.Writer) { _, _ = io.WriteString(w, "[redacted]") }

// dataKeys is one state of the keyset. It does not change.
type dataKeys struct {
	cipher tink.AEAD
	known  map[uint32]bool // ids of all keys
}

// Open reads the keyset, or makes and stores the first one. When the store writes
// in a transaction, use the Vault only after that has committed.
func Open(ctx context.Context, cfg Config) (*Vault, error) {
	if len(cfg.MasterKey) != keyBytes {
		return nil, fmt.Errorf("master key has %d bytes, needs %d", len(cfg.MasterKey), keyBytes)
	}
	if cfg.Store == nil {
		return nil, errors.New("open vault: no keyset store")
	}
	sealing, err := sealingCipher(cfg.MasterKey)
	if err != nil {
		return nil, err
	}
	v := &Vault{sealing: sealing, derive: bytes.Clone(cfg.MasterKey)}
	err = v.Reload(ctx, cfg.Store)
	if errors.Is(err, ErrNoKeyset) {
		err = v.create(ctx, cfg.Store)
	}
	if errors.Is(err, ErrKeysetChanged) { // another host was first: its keyset is the one
		err = v.Reload(ctx, cfg.Store)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// sealingCipher is derived, so that the master key itself encrypts nothing.
func sealingCipher(master []byte) (tink.AEAD, error) {
	key, err := hkdf.Key(sha256.New, master, nil, labelKeysetKey, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive keyset key: %w", err)
	}
	sealing, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, fmt.Errorf("keyset cipher: %w", err)
	}
	return sealing, nil
}

// create stores the first keyset.
func (v *Vault) create(ctx context.Context, store KeysetStore) error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("make keyset: %w", err)
	}
	return v.save(ctx, store, nil, handle)
}

// Reload reads the keyset again, so that secrets open that were sealed after a
// rotation in another process. Errors: ErrNoKeyset, ErrMasterKey.
func (v *Vault) Reload(ctx context.Context, store KeysetStore) error {
	_, handle, err := v.load(ctx, store)
	if err != nil {
		return err
	}
	return v.use(handle)
}

// Rotate stores a keyset with a new data key and returns a Vault that seals with
// it and opens all that v opens. v stays as it is, so that nothing is sealed with
// a key whose transaction may still roll back: seal every secret again with the
// new Vault in the same transaction, commit, then use it or Reload v. The error is
// ErrKeysetChanged when another rotation came first.
func (v *Vault) Rotate(ctx context.Context, store KeysetStore) (*Vault, error) {
	stored, handle, err := v.load(ctx, store)
	if err != nil {
		return nil, err
	}
	if handle.Len() >= dataKeysMax {
		return nil, fmt.Errorf("rotate: the keyset has %d data keys, the most there may be", handle.Len())
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("add data key: %w", err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, fmt.Errorf("make data key primary: %w", err)
	}
	rotated, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("rotated keyset: %w", err)
	}
	next := &Vault{sealing: v.sealing, derive: v.derive}
	if err := next.save(ctx, store, stored, rotated); err != nil {
		return nil, err
	}
	return next, nil
}

// load returns the keyset as stored and opened.
func (v *Vault) load(ctx context.Context, store KeysetStore) ([]byte, *keyset.Handle, error) {
	stored, err := store.Load(ctx)
	if err != nil {
		return nil, nil, err
	}
	handle, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(stored)), v.sealing, []byte(labelKeyset))
	if err != nil {
		return nil, nil, ErrMasterKey // a cipher cannot tell a wrong key from a changed keyset
	}
	return stored, handle, nil
}

// save stores the keyset in place of old, and uses it.
func (v *Vault) save(ctx context.Context, store KeysetStore, old []byte, handle *keyset.Handle) error {
	var sealed bytes.Buffer
	err := handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&sealed), v.sealing, []byte(labelKeyset))
	if err != nil {
		return fmt.Errorf("seal keyset: %w", err)
	}
	if err := store.Save(ctx, old, sealed.Bytes()); err != nil {
		return err
	}
	return v.use(handle)
}

func (v *Vault) use(handle *keyset.Handle) error {
	cipher, err := aead.New(handle)
	if err != nil {
		return fmt.Errorf("use keyset: %w", err)
	}
	known := make(map[uint32]bool)
	for _, info := range handle.KeysetInfo().GetKeyInfo() {
		known[info.GetKeyId()] = true
	}
	v.keys.Store(&dataKeys{cipher: cipher, known: known})
	return nil
}

// Seal encrypts a secret of at most 64 KiB for one field of one connection. Two
// seals of the same secret differ.
func (v *Vault) Seal(plain []byte, connection, field string) ([]byte, error) {
	if len(plain) > plainBytesMax {
		return nil, fmt.Errorf("seal %s of %s: %d bytes, at most %d", field, connection, len(plain), plainBytesMax)
	}
	bound, err := binding(connection, field)
	if err != nil {
		return nil, err
	}
	sealed, err := v.keys.Load().cipher.Encrypt(plain, bound)
	if err != nil {
		return nil, fmt.Errorf("seal %s of %s: %w", field, connection, err)
	}
	return sealed, nil
}

// Open decrypts what Seal made for the same connection and field. Errors:
// ErrUnknownKey, ErrSealed.
func (v *Vault) Open(sealed []byte, connection, field string) ([]byte, error) {
	bound, err := binding(connection, field)
	if err != nil {
		return nil, err
	}
	keys := v.keys.Load()
	plain, err := keys.cipher.Decrypt(sealed, bound)
	if err == nil {
		return plain, nil
	}
	cause := ErrSealed
	if id, ok := sealedWith(sealed); ok && !keys.known[id] {
		cause = ErrUnknownKey
	}
	return nil, fmt.Errorf("open %s of %s: %w", field, connection, cause)
}

// sealedWith reads the id of the data key that a sealed secret names: a byte 1,
// then the id, as https://developers.google.com/tink/wire-format says.
func sealedWith(sealed []byte) (id uint32, ok bool) {
	if len(sealed) < 5 || sealed[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:5]), true
}

// binding is the associated data of a secret. Lengths go before the names, so
// that no two pairs of names give the same bytes.
func binding(connection, field string) ([]byte, error) {
	if connection == "" || field == "" {
		return nil, errors.New("a secret needs a connection and a field")
	}
	var out []byte
	for _, part := range []string{labelSecret, connection, field} {
		out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out, nil
}

// DeriveKey returns 32 bytes (HKDF-SHA256 of the master key) for one purpose, the
// same each time. Rotate does not change them.
func (v *Vault) DeriveKey(purpose string) ([]byte, error) {
	if purpose == "" {
		return nil, errors.New("derive key: no purpose")
	}
	key, err := hkdf.Key(sha256.New, v.derive, nil, labelDerived+purpose, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key for %s: %w", purpose, err)
	}
	return key, nil
}
