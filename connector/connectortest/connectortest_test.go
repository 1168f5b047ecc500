package connectortest_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/connectortest"
	"github.com/ml-connector/ml-connector/connector/wire"
)

// The test executable is a plugin when it is started as one: the model, with the
// fault that the folder of the executable is called after.
func TestMain(m *testing.M) {
	if hand := wire.Handshake(); os.Getenv(hand.MagicCookieKey) == hand.MagicCookieValue {
		wire.Serve(newModel(filepath.Base(filepath.Dir(os.Args[0]))))
		return
	}
	goleak.VerifyTestMain(m)
}

// asPlugin puts a copy of the test executable where it will have the fault.
func asPlugin(t *testing.T, fault, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), fault, name)
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFaultsOfAProcessAreFound(t *testing.T) {
	for _, tc := range []struct {
		fault, name, check string
	}{
		{"none", "ml-connector-plugin-model", ""},
		{"none", "model", "process/name"},
		{"logs", "ml-connector-plugin-model", "secrets/output"},
		{"dies", "ml-connector-plugin-model", "process/lives"},
		{"leaks", "ml-connector-plugin-model", "process/no-leak"},
	} {
		t.Run(tc.fault+" "+tc.check, func(t *testing.T) {
			var failed []string
			_, err := connectortest.VerifyBinary(t.Context(), asPlugin(t, tc.fault, tc.name), connectortest.Config{},
				connectortest.ReporterFunc(func(r connectortest.Result) {
					if r.Status == connectortest.Failed {
						failed = append(failed, r.Name)
					}
				}))
			if err != nil {
				t.Fatal(err)
			}
			if found := slices.Contains(failed, tc.check); found != (tc.check != "") || tc.check == "" && len(failed) > 0 {
				t.Errorf("failed checks: %q, want %q", failed, tc.check)
			}
		})
	}
}

// try runs the kit over a model with a fault and returns the results by name.
func try(t *testing.T, fault string) map[string]connectortest.Result {
	t.Helper()
	m := newModel(fault)
	defer m.calls.CloseIdleConnections()
	c, stop, err := wire.Loopback(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	secrets := func() *connector.Session {
		return &connector.Session{
			Connection: "model", Secrets: map[string]connector.Secret{"key": modelKey, "hook": "model-hook-0001"},
		}
	}
	f := fixtures()
	f.Delivery = func() (*connector.Session, connector.WebhookRequest) {
		body := []byte(`{"changed":["rec-000001"]}`)
		signed := body
		if fault == "signs half" {
			signed = body[:10]
		}
		return secrets(), connector.WebhookRequest{
			Header: http.Header{"Model-Signature": {modelSign("model-hook-0001", signed)}}, Body: body, ReceivedAt: time.Now(),
		}
	}
	out := map[string]connectortest.Result{}
	sum, err := connectortest.Run(t.Context(), connectortest.Config{
		Connector: c, Session: secrets, PageSize: 2, Fixtures: f,
	}, connectortest.ReporterFunc(func(r connectortest.Result) { out[r.Name] = r }))
	if err != nil {
		t.Fatal(err)
	}
	if sum.Passed+sum.Failed+sum.Skipped != len(out) {
		t.Errorf("summary %+v for %d checks", sum, len(out))
	}
	return out
}

func TestGoodConnectorPasses(t *testing.T) {
	// What the model does not do: OAuth; and it has no contacts to read.
	mayBeSkipped := []string{"manifest/oauth", "live/get-contact", "live/get-absent-contact"}
	for name, r := range try(t, "") {
		if r.Status == connectortest.Failed || r.Status == connectortest.Skipped && !slices.Contains(mayBeSkipped, name) {
			t.Errorf("%s: %s: %s", r.Status, name, r.Reason)
		}
	}
}

// A kit that cannot fail proves nothing: each fault is found by the check that is
// there for it.
func TestFaultsAreFound(t *testing.T) {
	for _, tc := range []struct{ fault, check string }{
		{"bad name", "manifest/names"},
		{"plain http", "manifest/settings"},
		{"secret default", "manifest/settings"},
		{"no get", "manifest/entities"},
		{"bad stream", "manifest/streams"},
		{"any stream", "refusals/unknown-stream"},
		{"mixes streams", "live/list-invoice-quotes"},
		{"cannot read streams", "live/get-invoice-quotes"},
		{"silent webhooks", "manifest/webhooks"},
		{"changing manifest", "manifest/fixed"},
		{"oauth of nothing", "manifest/oauth"},
		{"any entity", "refusals/unknown-entity"},
		{"any entity", "refusals/verbs-not-offered"},
		{"unclassified", "refusals/nothing-configured"},
		{"one kind", "refusals/wrong-credential"},
		{"one kind", "refusals/rate-limit"},
		{"impatient", "refusals/rate-limit"},
		{"goes on", "cancel/reaches-the-service"},
		{"no key, no matter", "webhook/no-key"},
		{"trusts", "webhook/unsigned"},
		{"trusts", "webhook/bad-signature"},
		{"signs half", "webhook/genuine"},
		{"calls from a webhook", "webhook/no-calls"},
		{"quotes", "secrets/answers"},
		{"shows the key", "secrets/answers"},
		{"doubles", "live/upsert-invoice"},
		{"loses writes", "live/upsert-invoice"},
		{"lists nothing", "live/upsert-invoice"},
		{"rounds", "live/exact-amounts"},
		{"nobody", "live/check"},
		{"forgets its place", "live/list-invoice"},
		{"runs in circles", "live/list-invoice"},
		{"lists a snapshot", "live/list-under-change-invoice"},
		{"fails for one absent", "live/get-absent-invoice"},
		{"makes up records", "live/get-absent-invoice"},
	} {
		t.Run(tc.fault+" "+tc.check, func(t *testing.T) {
			t.Parallel()
			r := try(t, tc.fault)[tc.check]
			if r.Status != connectortest.Failed || r.Reason == "" {
				t.Errorf("got %s: %s", r.Status, r.Reason)
			}
			for _, leaked := range []string{"canary", "model-key-0001", "model-hook-0001"} {
				if strings.Contains(r.Reason, leaked) {
					t.Errorf("the report itself shows a secret: %s", r.Reason)
				}
			}
		})
	}
}

func TestRunRefuses(t *testing.T) {
	if _, err := connectortest.Run(t.Context(), connectortest.Config{}, connectortest.InTest(t)); err == nil {
		t.Error("no connector was given")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, stop, err := wire.Loopback(newModel(""), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	sum, err := connectortest.Run(ctx, connectortest.Config{Connector: c}, connectortest.InTest(t))
	if err == nil || sum != (connectortest.Summary{}) {
		t.Errorf("cancelled: got %+v, %v", sum, err)
	}
}

// recorder is a TB that remembers.
type recorder struct{ errors, logs []string }

func (r *recorder) Helper()                           {}
func (r *recorder) Logf(format string, args ...any)   { r.logs = append(r.logs, format) }
func (r *recorder) Errorf(format string, args ...any) { r.errors = append(r.errors, format) }

func TestInTest(t *testing.T) {
	var tb recorder
	rep := connectortest.InTest(&tb)
	for _, s := range []connectortest.Status{connectortest.Passed, connectortest.Failed, connectortest.Skipped} {
		rep.Report(connectortest.Result{Name: "a/b", Status: s, Reason: "because"})
	}
	if len(tb.errors) != 1 || len(tb.logs) != 2 {
		t.Errorf("got %+v", tb)
	}
}
