package vault_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ml-connector/ml-connector/host/internal/vault"
)

func TestLoadMasterKeyMakesTheFileOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "master.key")
	first, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: file})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %04o, want 0600", info.Mode().Perm())
	}
	again, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: file})
	if err != nil || len(first) != 32 || !bytes.Equal(first, again) {
		t.Errorf("second read: got another key, or %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 1 {
		t.Errorf("folder: got %v, %v, want the key file alone", entries, err)
	}
}

// Several processes start at once on a new data folder: all get one key.
func TestLoadMasterKeyTogether(t *testing.T) {
	file := filepath.Join(t.TempDir(), "master.key")
	keys := make([][]byte, 8)
	errs := make([]error, len(keys))
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() { keys[i], errs[i] = vault.LoadMasterKey(t.Context(), vault.KeySource{File: file}) })
	}
	wg.Wait()
	for i := range keys {
		if errs[i] != nil || !bytes.Equal(keys[i], keys[0]) {
			t.Fatalf("start %d: got another key, or %v", i, errs[i])
		}
	}
}

func TestLoadMasterKey(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(masterKey)
	tests := []struct {
		name    string
		content string // of the file
		mode    os.FileMode
		env     string
		want    []byte
		says    string // part of the error
	}{
		{name: "file", content: good + "\n", mode: 0o600, want: masterKey},
		{name: "read-only file", content: good, mode: 0o400, want: masterKey},
		{name: "environment beats file", content: "broken", mode: 0o644, env: good, want: masterKey},
		{name: "group may read", content: good, mode: 0o640, says: "chmod 600"},
		{name: "world may read", content: good, mode: 0o604, says: "chmod 600"},
		{name: "file of another kind", content: canary, mode: 0o600, says: "base64 of 32 bytes"},
		{name: "empty file", content: "", mode: 0o600, says: "base64 of 32 bytes"},
		{name: "large file", content: strings.Repeat("A", 2000), mode: 0o600, says: "not a key file"},
		{name: "environment too short", content: good, mode: 0o600, env: "Y2FuYXJ5LXNrX2xpdmU=", says: "ML_CONNECTOR_MASTER_KEY"},
		{name: "environment not base64", content: good, mode: 0o600, env: canary, says: "ML_CONNECTOR_MASTER_KEY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "master.key")
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(file, tt.mode); err != nil {
				t.Fatal(err)
			}
			got, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: file, Env: tt.env})
			if tt.says == "" {
				if err != nil || !bytes.Equal(got, tt.want) {
					t.Fatalf("got another key, or %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("error: got %v, want one with %q", err, tt.says)
			}
			for _, value := range []string{tt.content, tt.env} {
				if value != "" && strings.Contains(err.Error(), value) {
					t.Errorf("the error shows the value: %v", err)
				}
			}
		})
	}
	t.Run("neither", func(t *testing.T) {
		if _, err := vault.LoadMasterKey(t.Context(), vault.KeySource{}); err == nil {
			t.Error("got a key from nowhere")
		}
	})
	t.Run("a folder", func(t *testing.T) {
		if _, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: t.TempDir()}); err == nil {
			t.Error("got a key from a folder")
		}
	})
}
