//go:build linux

package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/connectortest"
	"github.com/ml-connector/ml-connector/connector/wire"
	"github.com/ml-connector/ml-connector/money"
)

// npmProof is set where packages may be fetched and node is there.
const npmProof = "NPM_PROOF"

// shell is a block of commands in a page.
var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// TestTypeScript builds the connector in docs/examples/typescript as its page says,
// and proves that it is one like any other.
func TestTypeScript(t *testing.T) {
	t.Parallel()
	if os.Getenv(npmProof) != "1" {
		t.Skipf("needs Node.js and packages from npm; set %s=1", npmProof)
	}
	notes := buildNotes(t)
	t.Run("conformance", func(t *testing.T) { conforms(t, notes) })
	t.Run("exact", func(t *testing.T) { keepsExactly(t, notes) })
	t.Run("strangers", func(t *testing.T) { refusesStrangers(t, notes) })
	t.Run("story", func(t *testing.T) { playDropIn(t, "notes", notes) })
}

// buildNotes does what the page says, in a copy, and returns the executable.
func buildNotes(t *testing.T) string {
	t.Helper()
	const contract, example = "proto/connector/v1/connector.proto", "docs/examples/typescript"
	top := t.TempDir()
	copyFile(t, top, contract)
	entries, err := os.ReadDir(filepath.Join(root(), example))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() { // not what somebody has built there
			copyFile(t, top, filepath.Join(example, e.Name()))
		}
	}
	dir := filepath.Join(top, example)
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	script := "set -euo pipefail\n"
	for _, block := range shell.FindAllStringSubmatch(string(page), -1) {
		script += block[1]
	}
	ctx, cancel := context.WithTimeout(t.Context(), buildWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = dir
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "ML_CONNECTOR") && !strings.HasPrefix(pair, "PATH=") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	binaries, err := filepath.Abs(bin)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(cmd.Env, "PATH="+binaries+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return filepath.Join(dir, "dist", "ml-connector-plugin-notes")
}

func copyFile(t *testing.T, top, name string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root(), name))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(top, name)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// conforms runs the conformance checks, with a folder to write to.
func conforms(t *testing.T, notes string) {
	const key = "notes-test-key-1"
	folder := t.TempDir()
	session := func() *connector.Session {
		return &connector.Session{
			Connection: "jotter", AccountID: folder, Settings: map[string]string{"folder": folder},
			Secrets: map[string]connector.Secret{"webhook_key": "retired-notes-key, " + key},
		}
	}
	sum, err := connectortest.VerifyBinary(t.Context(), notes, connectortest.Config{
		Session: session, PageSize: 1, PagesMax: 100,
		Fixtures: connectortest.Fixtures{
			Contact: func(label string) connector.Record {
				return connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{
					Name: label, Status: connector.ContactActive, Marks: map[string]string{"of": label},
				}}
			},
			Delivery: func() (*connector.Session, connector.WebhookRequest) {
				now, body := time.Now(), `{"contacts":["one","two"]}`
				mac := hmac.New(sha256.New, []byte(key))
				fmt.Fprintf(mac, "%d.%s", now.Unix(), body)
				sig := fmt.Sprintf("t=%d,v1=%s", now.Unix(), hex.EncodeToString(mac.Sum(nil)))
				return session(), connector.WebhookRequest{
					Header: http.Header{"Notes-Signature": {sig}}, Body: []byte(body), ReceivedAt: now,
				}
			},
		},
	}, connectortest.InTest(t))
	if err != nil {
		t.Fatal(err)
	}
	if sum.Passed < 25 {
		t.Errorf("only %d checks passed, %d were skipped", sum.Passed, sum.Skipped)
	}
}

// startNotes starts the plugin as a host does, and ends it with the test.
func startNotes(t *testing.T, cmd *exec.Cmd) (*plugin.Client, plugin.ClientProtocol) {
	t.Helper()
	cmd.Env = []string{"TZ=UTC"}
	proc := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.Plugins(nil, nil), Cmd: cmd,
		AutoMTLS: true, SkipHostEnv: true, AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		StartTimeout: readyWithin, Stderr: io.Discard, Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(proc.Kill)
	protocol, err := proc.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := protocol.Ping(); err != nil {
		t.Fatalf("the host is not let in: %v", err)
	}
	return proc, protocol
}

// keepsExactly writes numbers that JavaScript's own cannot hold, leaves fields
// alone that a write does not name, and asks for errors of each kind.
func keepsExactly(t *testing.T, notes string) {
	_, protocol := startNotes(t, exec.Command(notes))
	c, err := wire.Dispense(protocol)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	session := &connector.Session{Connection: "jotter", Settings: map[string]string{"folder": folder}}
	upsert := func(w connector.Write) connector.Outcome {
		t.Helper()
		w.Attempt, w.Record.Entity = 1, connector.EntityContact
		out, err := c.Upsert(t.Context(), session, connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{w}})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	beyond := int64(1<<53 + 1)
	want := connector.Contact{
		Name: "Zoë & Søn \u2028 \"quoted\"", Email: "zoe@example.com", Status: connector.ContactActive,
		Address: connector.Address{City: "Wellington", Country: "NZ"},
		Extra: map[string]connector.Value{
			"credit": {Money: money.MustNew(beyond, "KWD")}, "points": {Integer: &beyond}, "since": {Time: time.Unix(1767225600, 123456789).UTC()},
		},
	}
	upsert(connector.Write{Key: "k1", Record: connector.Record{Contact: &want}})
	upsert(connector.Write{Key: "k2", TargetID: "k1", Record: connector.Record{Contact: &connector.Contact{
		Email: "zoe@example.org", Address: connector.Address{City: "Nelson"},
	}}})
	want.Email, want.Address.City = "zoe@example.org", "Nelson"
	got, err := c.Get(t.Context(), session, connector.GetRequest{Entity: connector.EntityContact, IDs: []string{"k1"}})
	if err != nil || len(got) != 1 {
		t.Fatalf("got %d records, %v", len(got), err)
	}
	if diff := cmp.Diff(&want, got[0].Contact); diff != "" {
		t.Errorf("the note differs (-want +got):\n%s", diff)
	}

	out := upsert(connector.Write{Key: "k3", TargetID: "nobody", Record: connector.Record{Contact: &connector.Contact{Name: "Eve"}}})
	if out.Err == nil || out.Err.Kind != connector.NotFound {
		t.Errorf("a write to nobody: got %+v", out)
	}
	if err := os.WriteFile(filepath.Join(folder, "notes.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = c.Check(t.Context(), session, connector.CheckRequest{})
	var e *connector.Error
	if !errors.As(err, &e) || e.Kind != connector.Invalid || e.Remedy == "" {
		t.Errorf("a foreign file: got %v (%s)", err, connector.KindOf(err))
	}
}

// refusesStrangers dials the running plugin as somebody who is not its host, and
// then takes the host away.
func refusesStrangers(t *testing.T, notes string) {
	// The shell stays the plugin's parent, to be killed as a host can be.
	proc, protocol := startNotes(t, exec.Command("sh", "-c", `"$0"; exit 0`, notes))
	at := proc.ReattachConfig()
	foreign := httptest.NewTLSServer(nil) // for its certificate
	defer foreign.Close()
	for name, creds := range map[string]credentials.TransportCredentials{
		"no TLS": insecure.NewCredentials(),
		"no certificate": credentials.NewTLS(&tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // a stranger does not mind who answers
		}),
		"another certificate": credentials.NewTLS(&tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // a stranger does not mind who answers
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &foreign.TLS.Certificates[0], nil
			},
		}),
	} {
		if err := health(t, at.Addr.String(), creds); err == nil {
			t.Errorf("%s: a stranger was let in", name)
		}
	}
	if err := protocol.Ping(); err != nil {
		t.Fatalf("the host is shut out after strangers called: %v", err)
	}
	if err := syscall.Kill(at.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	err := poll(t.Context(), orphanWithin, func() (bool, error) {
		_, err := os.Stat(at.Addr.String())
		return os.IsNotExist(err), nil
	})
	if err != nil {
		t.Errorf("the plugin outlives its host: %v", err)
	}
}

func health(t *testing.T, socket string, creds credentials.TransportCredentials) error {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // nothing was sent that could be lost
	ctx, cancel := context.WithTimeout(t.Context(), answerWithin)
	defer cancel()
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "plugin"})
	return err
}
