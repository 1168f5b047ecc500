package proof

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const scriptWithin = time.Minute

// TestNPM lets the services' official clients work with the stand-ins, over
// plain HTTP on the loopback interface.
func TestNPM(t *testing.T) {
	if os.Getenv("NPM_PROOF") != "1" {
		t.Skip("NPM_PROOF is not 1: the official npm clients are not installed")
	}
	clients, err := filepath.Abs(os.Getenv("NPM_CLIENTS"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(clients, "node_modules")); err != nil {
		t.Fatalf("NPM_CLIENTS: %v", err)
	}
	t.Run("xero-node", func(t *testing.T) {
		s := xero.New(xero.Config{Timezone: "UTC"})
		t.Cleanup(s.Close)
		web := httptest.NewServer(s.Handler())
		t.Cleanup(web.Close)
		node(t, "xero.mjs", "xero-node: done", "NPM_CLIENTS="+clients, "API_URL="+web.URL, "TENANT_ID="+s.TenantID(),
			"ACCESS_TOKEN="+s.IssueTokens(split(xeroScopes)...).AccessToken)
		if got := len(s.Payments()); got != 0 {
			t.Errorf("%d payments stand, but the only one was deleted", got)
		}
	})
	t.Run("stripe", func(t *testing.T) {
		s, err := stripe.New(stripe.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		if err := s.CourierMode(sandbox.ModeOff); err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(s.Handler())
		t.Cleanup(web.Close)
		s.SetBaseURL(web.URL)
		node(t, "stripe.mjs", "stripe: done", "NPM_CLIENTS="+clients, "API_URL="+web.URL, "API_KEY="+stripe.DefaultAPIKey)
		if got := s.State().Count["customers"]; got != 1 {
			t.Errorf("%d customers, want 1", got)
		}
	})
}

// node runs a script to its end, which it must reach. It sees nothing of our own
// environment but where programs are.
func node(t *testing.T, script, end string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scriptWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("npm", script))
	cmd.Env = append(env, "PATH="+os.Getenv("PATH"), "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	if !strings.HasSuffix(strings.TrimSpace(string(out)), end) {
		t.Fatalf("%s did not reach its end:\n%s", script, out)
	}
}
