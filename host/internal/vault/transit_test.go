package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ml-connector/ml-connector/host/internal/vault"
)

const kmsToken = "hvs.canary-token-51ab"

// kms is Vault's transit engine with one key. What it encrypts it remembers by
// the text that it gave out.
type kms struct {
	*httptest.Server
	mu      sync.Mutex
	given   map[string]sealedValue
	calls   map[string]int
	headers []http.Header
	answer  func(w http.ResponseWriter, path string) bool // true: it has answered
}

type sealedValue struct{ plain, label string }

func newKMS(t *testing.T, start func(http.Handler) *httptest.Server) *kms {
	t.Helper()
	k := &kms{given: map[string]sealedValue{}, calls: map[string]int{}}
	k.Server = start(k)
	t.Cleanup(k.Close)
	t.Setenv("VAULT_TOKEN", kmsToken)
	t.Setenv("VAULT_CACERT", "")
	t.Setenv("VAULT_NAMESPACE", "")
	return k
}

// uri names the key; plain HTTP needs the option.
func (k *kms) uri(path string) string {
	_, host, _ := strings.Cut(k.URL, "://")
	return "hcvault://" + host + path
}

func (k *kms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls[r.URL.Path]++
	k.headers = append(k.headers, r.Header.Clone())
	if k.answer != nil && k.answer(w, r.URL.Path) {
		return
	}
	refuse := func(status int, why string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {why}})
	}
	var in map[string]string
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost {
		refuse(http.StatusBadRequest, "not understood")
		return
	}
	if r.Header.Get("X-Vault-Token") != kmsToken {
		refuse(http.StatusForbidden, "permission denied")
		return
	}
	out := map[string]string{}
	switch r.URL.Path {
	case "/v1/transit/encrypt/books":
		text := fmt.Sprintf("vault:v1:%d", len(k.given)+1)
		k.given[text] = sealedValue{in["plaintext"], in["associated_data"]}
		out["ciphertext"] = text
	case "/v1/transit/decrypt/books":
		was, ok := k.given[in["ciphertext"]]
		if !ok || was.label != in["associated_data"] {
			refuse(http.StatusBadRequest, "cipher: message authentication failed")
			return
		}
		out["plaintext"] = was.plain
	case "/v1/transit/encrypt/nothing":
		refuse(http.StatusBadRequest, "encryption key not found")
		return
	default:
		refuse(http.StatusNotFound, "no handler for route")
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": out})
}

func (k *kms) count(path string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls[path]
}

func TestMasterKeyIsWrappedOnce(t *testing.T) {
	k := newKMS(t, httptest.NewServer)
	t.Setenv("VAULT_NAMESPACE", "finance/books")
	data := t.TempDir()
	src := vault.KeySource{File: k.uri("/transit/keys/books?tls=off"), Data: data}
	first, err := vault.LoadMasterKey(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, "master.key.wrapped")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode: got %04o, want 0600", info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	if err != nil || string(text) != "vault:v1:1\n" {
		t.Errorf("wrapped file: got %q, %v", text, err)
	}
	if entries, err := os.ReadDir(data); err != nil || len(entries) != 1 {
		t.Errorf("folder: got %v, %v, want the wrapped key alone", entries, err)
	}
	// The same URI in the environment means the same key, and beats a file.
	again, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: "elsewhere", Env: src.File + "\n", Data: data})
	if err != nil || len(first) != 32 || !bytes.Equal(first, again) {
		t.Errorf("second start: got another key, or %v", err)
	}
	if n := k.count("/v1/transit/encrypt/books"); n != 1 {
		t.Errorf("got %d keys wrapped, want 1", n)
	}
	if got := k.headers[0].Get("X-Vault-Namespace"); got != "finance/books" {
		t.Errorf("namespace: got %q", got)
	}
}

func TestMasterKeyMovesToAKMS(t *testing.T) {
	k := newKMS(t, httptest.NewServer)
	data := t.TempDir()
	plain, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: filepath.Join(data, "master.key")})
	if err != nil {
		t.Fatal(err)
	}
	src := vault.KeySource{File: k.uri("/transit/keys/books?tls=off"), Data: data}
	for _, when := range []string{"beside the file", "after the file is removed"} {
		if got, err := vault.LoadMasterKey(t.Context(), src); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: got another key, or %v", when, err)
		}
		_ = os.Remove(filepath.Join(data, "master.key"))
	}
}

func TestMasterKeyWrappedTogether(t *testing.T) {
	k := newKMS(t, httptest.NewServer)
	src := vault.KeySource{File: k.uri("/transit/keys/books?tls=off"), Data: t.TempDir()}
	keys := make([][]byte, 8)
	errs := make([]error, len(keys))
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() { keys[i], errs[i] = vault.LoadMasterKey(t.Context(), src) })
	}
	wg.Wait()
	for i := range keys {
		if errs[i] != nil || !bytes.Equal(keys[i], keys[0]) {
			t.Fatalf("start %d: got another key, or %v", i, errs[i])
		}
	}
}

func TestMasterKeyOverTLS(t *testing.T) {
	k := newKMS(t, httptest.NewTLSServer)
	src := vault.KeySource{File: k.uri("/transit/keys/books"), Data: t.TempDir()}
	if _, err := vault.LoadMasterKey(t.Context(), src); err == nil || !strings.Contains(err.Error(), "VAULT_CACERT") {
		t.Errorf("unknown certificate: got %v", err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VAULT_CACERT", ca)
	if key, err := vault.LoadMasterKey(t.Context(), src); err != nil || len(key) != 32 {
		t.Errorf("known certificate: %v", err)
	}
}

func TestMasterKeyURIs(t *testing.T) {
	newKMS(t, httptest.NewServer)
	for _, tt := range []struct{ name, uri, says string }{
		{name: "another service", uri: "aws-kms://arn:aws:kms:eu-west-1:1:key/1", says: "hcvault://HOST:PORT/transit/keys/NAME"},
		{name: "https", uri: "https://vault.example.com/transit/keys/books", says: "not supported"},
		{name: "no key", uri: "hcvault://127.0.0.1/transit/books", says: "names no key"},
		{name: "another path", uri: "hcvault://127.0.0.1/transit/../sys/keys/books", says: "path"},
		{name: "hidden path", uri: "hcvault://127.0.0.1/transit/keys/..%2fbooks", says: "names no key"},
		{name: "user", uri: "hcvault://root:" + canary + "@127.0.0.1/transit/keys/books", says: "VAULT_TOKEN"},
		{name: "no host", uri: "hcvault:///transit/keys/books", says: "HOST:PORT"},
		{name: "clear text to another machine", uri: "hcvault://vault.example.com/transit/keys/books?tls=off", says: "this machine only"},
		{name: "unknown option", uri: "hcvault://127.0.0.1/transit/keys/books?token=" + canary, says: "unknown option"},
		{name: "not a URI", uri: "://" + canary, says: "cannot be read"},
	} {
		for _, src := range []vault.KeySource{{File: tt.uri, Data: t.TempDir()}, {Env: tt.uri, Data: t.TempDir()}} {
			_, err := vault.LoadMasterKey(t.Context(), src)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: got %v, want one with %q", tt.name, err, tt.says)
			} else if strings.Contains(err.Error(), canary) {
				t.Errorf("%s: the error shows the value: %v", tt.name, err)
			}
		}
	}
}

func TestMasterKeyKMSRefuses(t *testing.T) {
	status := func(code int, text string) func(http.ResponseWriter, string) bool {
		return func(w http.ResponseWriter, _ string) bool {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text))
			return true
		}
	}
	for _, tt := range []struct {
		name   string
		path   string // of the key; default /transit/keys/books
		token  string
		stored string // what the wrapped file holds
		answer func(http.ResponseWriter, string) bool
		says   string
	}{
		{name: "no token", token: "-", says: "VAULT_TOKEN is not set"},
		{name: "wrong token", token: "hvs.wrong", says: "update on transit/encrypt/books"},
		{name: "no such key", path: "/transit/keys/nothing", says: "vault write -f transit/keys/nothing"},
		{name: "no such mount", path: "/cipher/keys/books", says: "no transit engine"},
		{name: "another key wrapped it", stored: "vault:v1:99", says: "master.key.wrapped"},
		{name: "sealed", answer: status(503, `{"errors":["Vault is sealed"]}`), says: "unseal vault"},
		{name: "redirect", answer: status(307, ""), says: "not followed"},
		{name: "its words repeat the token", answer: status(500, `{"errors":["token `+kmsToken+`"]}`), says: "see vault's log"},
		{name: "something else answers", answer: status(200, "<html>"), says: "not vault's transit engine"},
		{name: "an answer without end", answer: status(200, strings.Repeat("x", 1<<20)), says: "not vault's transit engine"},
		{name: "a short key", stored: "vault:v1:0", answer: status(200, `{"data":{"plaintext":"c2hvcnQ="}}`), says: "not a master key"},
		{name: "encrypts and does not decrypt", says: "refuses transit/decrypt/books", answer: func(w http.ResponseWriter, path string) bool {
			return strings.Contains(path, "decrypt") && status(403, `{"errors":["permission denied"]}`)(w, path)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKMS(t, httptest.NewServer)
			k.answer = tt.answer
			if tt.token != "" {
				t.Setenv("VAULT_TOKEN", strings.Trim(tt.token, "-"))
			}
			data := t.TempDir()
			file := filepath.Join(data, "master.key.wrapped")
			if tt.stored != "" {
				if err := os.WriteFile(file, []byte(tt.stored+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			path := tt.path
			if path == "" {
				path = "/transit/keys/books"
			}
			_, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: k.uri(path + "?tls=off"), Data: data})
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("got %v, want one with %q", err, tt.says)
			}
			secrets := []string{kmsToken}
			for _, v := range k.given {
				key, _ := base64.StdEncoding.DecodeString(v.plain)
				secrets = append(secrets, v.plain, string(key))
			}
			for _, s := range secrets {
				if strings.Contains(err.Error(), s) {
					t.Errorf("the error shows a secret: %v", err)
				}
			}
			if _, err := os.Stat(file); tt.stored == "" && err == nil {
				t.Error("a wrapped key is left that nobody could use")
			}
		})
	}
	t.Run("nobody answers", func(t *testing.T) {
		k := newKMS(t, httptest.NewServer)
		k.Close()
		_, err := vault.LoadMasterKey(t.Context(), vault.KeySource{File: k.uri("/transit/keys/books?tls=off"), Data: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), "does not answer") {
			t.Errorf("got %v", err)
		}
	})
}
