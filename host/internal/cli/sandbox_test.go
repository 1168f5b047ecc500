package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// sandboxWithin bounds every wait for the stand-ins.
const sandboxWithin = 20 * time.Second

// startSandbox runs the command until the returned function stops it with the
// signal that a service manager sends, and returns what it printed first.
func startSandbox(t *testing.T, d *desk, args ...string) (sandboxReport, func() int) {
	t.Helper()
	r, w := io.Pipe()
	var errs bytes.Buffer
	code := make(chan int, 1)
	go func() {
		all := append([]string{"--data", d.data, "--log-level", "error", "sandbox", "--listen", "127.0.0.1:0", "--json"}, args...)
		code <- Main(all, Streams{In: strings.NewReader(""), Out: w, Err: &errs})
		_ = w.Close()
	}()
	var report sandboxReport
	if err := json.NewDecoder(bufio.NewReader(r)).Decode(&report); err != nil {
		t.Fatalf("not JSON: %v; %s", err, errs.String())
	}
	return report, func() int {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case c := <-code:
			return c
		case <-time.After(sandboxWithin):
			t.Fatal("the sandbox does not stop")
			return 0
		}
	}
}

func TestSandboxServesBothAndStopsOnASignal(t *testing.T) {
	d := newDesk(t)
	report, stop := startSandbox(t, d, "--xero-day-limit", "100")
	if report.Xero["client_id"] != xero.DefaultClientID || report.Stripe["api_key"] != stripe.DefaultAPIKey || report.Xero["token_url"] != report.URL+"/connect/token" {
		t.Errorf("got %+v", report)
	}
	client := &http.Client{Timeout: sandboxWithin}
	for _, tc := range []struct {
		name, method, path string
		want               int
	}{
		{"levers of Xero", http.MethodGet, "/_xero/state", http.StatusOK},
		{"levers of Stripe", http.MethodGet, "/_stripe/state", http.StatusOK},
		{"Xero's API wants a token", http.MethodGet, "/api.xro/2.0/Invoices", http.StatusUnauthorized},
		{"Stripe's API wants a key", http.MethodGet, "/v1/charges", http.StatusUnauthorized},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, report.URL+tc.path, nil)
			d.must(err)
			res, err := client.Do(req)
			d.must(err)
			d.must(res.Body.Close())
			if res.StatusCode != tc.want {
				t.Errorf("status %d, want %d", res.StatusCode, tc.want)
			}
		})
	}
	client.CloseIdleConnections()
	if code := stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
}

func TestSandboxSendsWebhooks(t *testing.T) {
	d := newDesk(t)
	got := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		select {
		case got <- req.URL.Path:
		default:
		}
	}))
	defer hook.Close()
	report, stop := startSandbox(t, d, "--xero-webhooks-to", hook.URL+"/x", "--stripe-webhooks-to", hook.URL+"/s")
	client := &http.Client{Timeout: sandboxWithin}
	for path, body := range map[string]string{
		"/_xero/invoices":    `{"contact": "Ridgeway Cycles", "number": "INV-1", "lines": [{"description": "Service", "unit_amount": "100"}]}`,
		"/_stripe/customers": `{"name": "Ridgeway Cycles"}`,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, report.URL+path, strings.NewReader(body))
		d.must(err)
		res, err := client.Do(req)
		d.must(err)
		d.must(res.Body.Close())
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
	want := map[string]bool{"/x": true, "/s": true}
	deadline := time.After(sandboxWithin)
	for len(want) > 0 {
		select {
		case path := <-got:
			delete(want, path)
		case <-deadline:
			t.Fatalf("no webhook came to %v", want)
		}
	}
	client.CloseIdleConnections()
	if code := stop(); code != exitDone {
		t.Errorf("exit %d", code)
	}
}

func TestSandboxPrintsCommandsToCopy(t *testing.T) {
	var out, errs bytes.Buffer
	c := &command{Streams: Streams{Out: &out, Err: &errs}}
	if err := c.printSandbox("http://127.0.0.1:8490", sandboxFlags{}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"connections add xero --connector xero --set client_id=" + xero.DefaultClientID, "--secret client_secret=env:XERO_SECRET",
		"connections authorize xero", "connections add stripe", "--secret api_key=env:STRIPE_KEY", "http://127.0.0.1:8490/_stripe/invoices/INV-1/pay",
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("does not say %q:\n%s", text, out.String())
		}
	}
}

func TestSandboxIsForThisMachineOnly(t *testing.T) {
	d := newDesk(t)
	for _, tc := range []struct{ name, args, says string }{
		{"every address", "--listen 0.0.0.0:0", "this machine only"},
		{"any address", "--listen :8490", "this machine only"},
		{"no port", "--listen 127.0.0.1", "this machine only"},
		{"webhooks elsewhere", "--listen 127.0.0.1:0 --xero-webhooks-to https://example.com/hook", "on this machine"},
		{"webhooks to no URL", "--listen 127.0.0.1:0 --stripe-webhooks-to 127.0.0.1:8480", "on this machine"},
		{"no calls", "--listen 127.0.0.1:0 --xero-minute-limit 0", "at least 1"},
		{"an argument", "xero", "unknown command"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := d.ends(exitUsage, append([]string{"sandbox"}, strings.Fields(tc.args)...)...); !strings.Contains(p.err, tc.says) {
				t.Errorf("got %q, want it to say %q", p.err, tc.says)
			}
		})
	}
}
