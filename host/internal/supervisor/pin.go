package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// pins remembers the checksum that each connector was accepted with, in a JSON
// file of name to SHA-256.
type pins struct {
	mu   sync.Mutex
	file string
}

func (p *pins) load() (map[string]string, error) {
	b, err := os.ReadFile(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("plugin checksums: %w", err)
	}
	out := map[string]string{}
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("plugin checksums in %s: %w (restore the file, or remove it and accept the plugins anew)", p.file, err)
	}
	return out, nil
}

// set writes the file anew and renames it into place, so that a crash leaves
// the old or the new one.
func (p *pins) set(name, sum string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	all, err := p.load()
	if err != nil {
		return err
	}
	all[name] = sum
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(p.file), ".plugins-*")
	if err != nil {
		return fmt.Errorf("plugin checksums: %w", err)
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(append(b, '\n')); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), p.file)
}

// allow refuses an executable that is not the one that was accepted. One that was
// never used is allowed: it is pinned once it has shown that it is a connector.
func (p *pins) allow(f Found) error {
	if f.Pinned != "" && f.Pinned != f.Checksum {
		return fmt.Errorf("%s has changed since it was accepted (was %.12s…, is %.12s…); if that was you, run: ml-connector connectors accept %s",
			f.Path, f.Pinned, f.Checksum, f.Name)
	}
	return nil
}

func checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("checksum of plugin: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("checksum of %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
