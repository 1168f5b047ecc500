//go:build linux

package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/connectortest"
	"github.com/ml-connector/ml-connector/connector/wire"
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

// refusesStrangers plays the host by hand, as docs/examples/typescript tells it to
// authors, dials as somebody else too, and then takes the host away.
func refusesStrangers(t *testing.T, notes string) {
	host, stranger := clientCertificate(t), clientCertificate(t)
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	// The shell stays the plugin's parent, to be killed as a host can be.
	cmd := exec.CommandContext(ctx, "sh", "-c", `"$0"; exit 0`, notes)
	handshake := wire.Handshake()
	cmd.Env = []string{
		"TMPDIR=" + t.TempDir(), handshake.MagicCookieKey + "=" + handshake.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=1",
		"PLUGIN_CLIENT_CERT=" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: host.Certificate[0]})),
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	fields := strings.Split(strings.TrimSpace(line), "|")
	if err != nil || len(fields) != 6 || strings.Join(fields[:3], "|") != "1|1|unix" || fields[4] != "grpc" {
		t.Fatalf("handshake %q: %v", line, err)
	}
	socket := fields[3]
	der, err := base64.RawStdEncoding.DecodeString(fields[5])
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		cert *tls.Certificate
		in   bool
	}{
		{name: "the host", cert: &host, in: true},
		{name: "no certificate", cert: &tls.Certificate{}},
		{name: "another certificate", cert: &stranger},
		{name: "no TLS"},
		{name: "the host again", cert: &host, in: true},
	} {
		if err := greet(ctx, socket, der, tc.cert); (err == nil) != tc.in {
			t.Errorf("%s: let in is %t, want %t: %v", tc.name, err == nil, tc.in, err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	err = poll(t.Context(), orphanWithin, func() (bool, error) {
		_, err := os.Stat(socket)
		return os.IsNotExist(err), nil
	})
	if err != nil {
		t.Errorf("the plugin outlives its host: %v", err)
	}
	_ = cmd.Wait() // it was killed
}

// greet opens an HTTP/2 connection and waits for the other side's first byte. With
// TLS 1.3 a client learns only by reading that its certificate is refused.
func greet(ctx context.Context, socket string, der []byte, cert *tls.Certificate) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return err
	}
	if cert != nil {
		server, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AddCert(server)
		conn = tls.Client(conn, &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
		})
	}
	const preface, settings = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	if _, err := io.WriteString(conn, preface+settings); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// clientCertificate is one as go-plugin makes it for a host.
func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
