package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// transitEngine answers as Vault's transit engine does: it gives back what it
// was given, in another wrapping.
func transitEngine(t *testing.T, token string) (uri string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != token {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var in map[string]string
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		out := map[string]string{"ciphertext": "vault:v1:" + in["plaintext"], "plaintext": strings.TrimPrefix(in["ciphertext"], "vault:v1:")}
		if err := json.NewEncoder(w).Encode(map[string]any{"data": out}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return "hcvault://" + strings.TrimPrefix(server.URL, "http://") + "/transit/keys/books?tls=off"
}

func TestMasterKeyKeptByVault(t *testing.T) {
	const token = "hvs.canary-cli-77"
	d := newDesk(t)
	uri := transitEngine(t, token)
	t.Setenv("VAULT_TOKEN", token)
	t.Setenv("VAULT_CACERT", "")
	add := []string{"connections", "add", "right", "--set", "folder=" + d.right, "--secret", "token=@" + d.write(d.dir, "token", "canary-7f3a")}
	d.ends(exitDone, append(add, "--key-file", uri)...)
	d.ends(exitDone, "connections", "test", "right", "--key-file", uri) // the secret opens
	if _, err := os.Stat(filepath.Join(d.data, "master.key")); !os.IsNotExist(err) {
		t.Errorf("a key file is there as well: %v", err)
	}
	t.Setenv(envMasterKey, uri)
	d.ends(exitDone, "connections", "test", "right")

	t.Setenv("VAULT_TOKEN", "hvs.other-canary")
	p := d.ends(exitFailed, "connections", "test", "right")
	if !strings.Contains(p.err, "VAULT_TOKEN") || strings.Contains(p.err, "canary") {
		t.Errorf("a wrong token: %q", p.err)
	}
	t.Setenv(envMasterKey, "gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k")
	if p := d.ends(exitFailed, "status"); !strings.Contains(p.err, "hcvault://HOST:PORT/transit/keys/NAME") {
		t.Errorf("another service: %q", p.err)
	}
}
