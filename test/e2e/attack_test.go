//go:build linux

package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// postWebhook NAME WANT_STATUS FLAG… posts to /webhooks/NAME. The flags:
//
//	as=xero|stripe    whose signature, also xero-b and stripe-b; default the name
//	sign=none|wrong   no signature, or one made with another key
//	at=DURATION       the time in Stripe's signature, from now
//	body=TEXT size=N  what is posted, or how much
func postWebhook(w *world, _ *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("want NAME STATUS FLAG…")
	}
	flags := map[string]string{"as": args[0], "body": `{}`}
	for _, a := range args[2:] {
		k, v, _ := strings.Cut(a, "=")
		flags[k] = v
	}
	body := []byte(flags["body"])
	if n, err := strconv.Atoi(flags["size"]); err == nil {
		body = bytes.Repeat([]byte("x"), n)
	}
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, "http://"+w.listen+"/webhooks/"+args[0], bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if err := w.sign(req, body, flags); err != nil {
		return err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case strconv.Itoa(res.StatusCode) != args[1]:
		return fmt.Errorf("answered %d, want %s", res.StatusCode, args[1])
	case len(answer) > 0:
		return fmt.Errorf("answered with a body: %q", answer)
	case len(res.Header.Values("Set-Cookie")) > 0:
		return errors.New("answered with a cookie")
	}
	return nil
}

func (w *world) sign(req *http.Request, body []byte, flags map[string]string) error {
	if flags["sign"] == "none" {
		return nil
	}
	mac := func(key, text string) []byte {
		if flags["sign"] == "wrong" {
			key += "?"
		}
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	p, side, err := w.at(flags["as"])
	if err != nil {
		return err
	}
	if side == "xero" {
		req.Header.Set("X-Xero-Signature", base64.StdEncoding.EncodeToString(mac(p.secret["webhook_key"], string(body))))
		return nil
	}
	at := time.Now()
	if flags["at"] != "" {
		d, err := time.ParseDuration(flags["at"])
		if err != nil {
			return err
		}
		at = at.Add(d)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	req.Header.Set("Stripe-Signature", "t="+stamp+",v1="+hex.EncodeToString(mac(p.secret["webhook_secret"], stamp+"."+string(body))))
	return nil
}

// leaks looks for every secret that the script knows of in everything that can
// be seen from outside: files, logs, output, pages, arguments, environments (I8).
func leaks(w *world, ts *testscript.TestScript, _ []string) error {
	if w.host == nil {
		return errors.New("no host runs")
	}
	if _, _, code, err := w.cli(ts, nil, "audit", "export"); err != nil || code != 0 {
		return fmt.Errorf("export: exit code %d: %w", code, err)
	}
	places, err := w.places()
	if err != nil {
		return err
	}
	secrets := w.secrets()
	if len(secrets) < 8 {
		return fmt.Errorf("only %d secrets are known, so this proves nothing", len(secrets))
	}
	seen := false
	for name, text := range places {
		if len(text) == 0 && (strings.HasPrefix(name, "/proc/") || name == "file host.log") {
			return fmt.Errorf("%s is empty, so this proves nothing", name)
		}
		// The tenant is no secret: it shows that the search sees what is stored.
		seen = seen || strings.HasPrefix(name, "file data/") && bytes.Contains(text, []byte(w.xero.TenantID()))
		for what, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				return fmt.Errorf("%s is in %s", what, name)
			}
		}
	}
	if !seen {
		return errors.New("the tenant is in no file, so the search looks in the wrong place")
	}
	return nil
}

// secrets are the secrets by what they are, as they stand and as HTTP Basic
// authentication carries them.
func (w *world) secrets() map[string]string {
	out := map[string]string{}
	basic := func(user, password string) string {
		return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	}
	for suffix, p := range w.pairs() {
		for k, v := range p.secret {
			out[k+suffix] = v
		}
		for i, t := range p.gate.granted() {
			out[fmt.Sprintf("token %d%s", i, suffix)] = t
		}
		out["api_key in Basic"+suffix] = basic(p.secret["api_key"], "")
		out["client_secret in Basic"+suffix] = basic("sandbox-xero-client", p.secret["client_secret"])
	}
	return out
}

// places are all texts that somebody else may see.
func (w *world) places() (map[string][]byte, error) {
	w.logMu.Lock()
	out := map[string][]byte{"output of commands": bytes.Clone(w.log.Bytes())}
	w.logMu.Unlock()
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(w.dir, path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		out["file "+rel] = b
		return err
	})
	if err != nil {
		return nil, err
	}
	host := w.host.cmd.Process.Pid
	all := append(plugins(host), host)
	if len(all) < 3 {
		return nil, fmt.Errorf("%d processes, want the host and two plugins", len(all))
	}
	for _, pid := range all {
		for _, what := range []string{"cmdline", "environ"} {
			name := fmt.Sprintf("/proc/%d/%s", pid, what)
			if out[name], err = os.ReadFile(name); err != nil {
				return nil, err
			}
		}
	}
	for _, page := range []string{"/", "/metrics"} {
		if out["page "+page], err = w.page(page); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (w *world) page(path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+w.listen+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}
