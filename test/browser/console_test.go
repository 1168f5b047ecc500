// Package browser looks at the console with a real browser, as a person would.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

const (
	storyWithin = 2 * time.Minute
	// hostile is an invoice number that a page must show and never run.
	hostile = `<img src=x onerror=alert(1)>`
)

// host is the demo, kept running by the built binary.
type host struct {
	cmd      *exec.Cmd
	bin      string
	data     string
	console  string
	standIns string
}

func TestConsoleShowsAndReplays(t *testing.T) {
	chrome := chromium(t)
	ctx, cancel := context.WithTimeout(t.Context(), storyWithin)
	defer cancel()
	h := serveDemo(ctx, t)
	tab := openTab(ctx, t, chrome)
	quiet := read(tab, t, chromedp.Navigate(h.console), "body")
	for _, want := range []string{"Needs a person (0)", "xero-stripe / invoices-out", "Demo Company (NZ)", "Latest on the audit trail"} {
		if !strings.Contains(quiet, want) {
			t.Errorf("the page does not show %q", want)
		}
	}

	h.plant(ctx, t)
	h.waitForFailure(ctx, t)
	held := read(tab, t, chromedp.Navigate(h.console), "body")
	for _, want := range []string{"Needs a person (1)", hostile, "is not in Xero", "What to do"} {
		if !strings.Contains(held, want) {
			t.Errorf("the failure does not show %q", want)
		}
	}
	images, err := chromedp.Run(tab, chromedp.Evaluate[int]("document.images.length"))
	if err != nil || images != 0 {
		t.Errorf("a record's text became part of the page: %d images, %v", images, err)
	}
	notice := read(tab, t, chromedp.Click(`form[action^="/replay/"] button`), "[role=status]")
	if !strings.Contains(notice, "runs again") {
		t.Errorf("after the click the page says %q", notice)
	}
}

// read makes a step in the browser and returns the text of what it leads to.
func read(tab context.Context, t *testing.T, step chromedp.Action[chromedp.Void], what string) string {
	t.Helper()
	if err := chromedp.Do(tab, step); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(tab, chromedp.Text(what))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// chromium returns the path of a browser, or skips the test.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("no browser: install Debian's chromium, or name one in CHROMIUM")
	return ""
}

func openTab(ctx context.Context, t *testing.T, chrome string) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chrome), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-sync", true))
	alloc, stop := chromedp.NewExecAllocator(ctx, opts...)
	tab, closeTab := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		closeTab()
		stop()
	})
	return tab
}

// serveDemo builds the binaries and keeps the demo running until the test ends.
func serveDemo(ctx context.Context, t *testing.T) *host {
	t.Helper()
	dir := t.TempDir()
	h := &host{bin: filepath.Join(dir, "ml-connector"), data: filepath.Join(dir, "data")}
	for out, pkg := range map[string]string{
		h.bin: "host", filepath.Join(dir, "plugins/ml-connector-plugin-xero"): "plugins/xero",
		filepath.Join(dir, "plugins/ml-connector-plugin-stripe"): "plugins/stripe",
	} {
		build := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/ml-connector/ml-connector/"+pkg)
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, text)
		}
	}
	h.cmd = exec.Command(h.bin, "demo", "--serve", "--data", h.data)
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	h.cmd.Stderr = &complaints
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = h.cmd.Process.Signal(syscall.SIGTERM)
		if err := h.cmd.Wait(); err != nil {
			t.Errorf("demo: %v\n%s", err, complaints.String())
		}
	})
	lines := bufio.NewScanner(out)
	for h.standIns == "" && lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 2 && f[0] == "console" {
			h.console = f[1]
		}
		if len(f) >= 2 && f[0] == "stand-ins" {
			h.standIns = f[1]
		}
	}
	if h.standIns == "" {
		t.Fatalf("the demo did not come up: %s", complaints.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	return h
}

// ask runs a command of the built binary against the demo's data.
func (h *host) ask(ctx context.Context, t *testing.T, into any, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(ctx, h.bin, append([]string{"--json", "--data", h.data}, args...)...).Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// plant makes a charge that names an invoice which is not in Xero.
func (h *host) plant(ctx context.Context, t *testing.T) {
	t.Helper()
	var conns []struct {
		Name      string `json:"name"`
		AccountID string `json:"account_id"`
	}
	h.ask(ctx, t, &conns, "connections", "list")
	meta := map[string]string{"xero_invoice_id": "4f2c3d1e-0a5b-4c6d-8e7f-9a0b1c2d3e4f", "xero_invoice_number": hostile}
	for _, c := range conns {
		if c.Name == "xero" {
			meta["xero_tenant_id"] = c.AccountID
		}
	}
	body, err := json.Marshal(map[string]any{"amount": 5000, "currency": "nzd", "metadata": meta})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.standIns+"/_stripe/charges", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("charge: %s", res.Status)
	}
}

func (h *host) waitForFailure(ctx context.Context, t *testing.T) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var failures []struct {
			ID int64 `json:"id"`
		}
		h.ask(ctx, t, &failures, "failures", "list")
		if len(failures) > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("no failure came up: %w", ctx.Err()))
		}
	}
}
