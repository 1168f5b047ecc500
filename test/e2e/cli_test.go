//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// commandWithin bounds one command that is no service.
const commandWithin = 45 * time.Second

// cli runs the command line and returns what it printed and its exit code.
func (w *world) cli(ts *testscript.TestScript, extra []string, args ...string) (stdout, stderr string, code int, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, commandWithin)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "ml-connector"), args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = w.dir, append(environ(ts), extra...), &out, &errs
	err = cmd.Run()
	w.keep(out.String() + errs.String())
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return out.String(), errs.String(), exit.ExitCode(), nil
	}
	return out.String(), errs.String(), 0, err
}

// ask runs a command with --json.
func (w *world) ask(ts *testscript.TestScript, args ...string) (any, error) {
	stdout, stderr, code, err := w.cli(ts, nil, append(args, "--json", "--log-level", "error")...)
	if err != nil || code != 0 {
		return nil, fmt.Errorf("%s: exit code %d: %w\n%s", strings.Join(args, " "), code, err, stderr)
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(stdout))
	dec.UseNumber()
	return v, dec.Decode(&v)
}

// ml [CODE] ARG….
func ml(w *world, ts *testscript.TestScript, args []string) error {
	want := 0
	if len(args) > 0 {
		if n, err := strconv.Atoi(args[0]); err == nil {
			want, args = n, args[1:]
		}
	}
	stdout, stderr, code, err := w.cli(ts, nil, append([]string{"--log-level", "error"}, args...)...)
	_, _ = io.WriteString(ts.Stdout(), stdout) // strings.Builder does not fail
	_, _ = io.WriteString(ts.Stderr(), stderr)
	if err == nil && code != want {
		err = fmt.Errorf("exit code %d, want %d", code, want)
	}
	return err
}

// connect adds both connections of a pair, authorises Xero and subscribes the
// webhooks; with `nohooks` it leaves the webhooks out.
func connect(w *world, ts *testscript.TestScript, args []string) error {
	suffix := ""
	if slices.Contains(args, "b") {
		suffix = otherSuffix
	}
	p, _, err := w.at(suffix)
	if err != nil {
		return err
	}
	for _, name := range []string{"xero", "stripe"} {
		if err := addConnection(w, ts, []string{name + suffix, name}); err != nil {
			return err
		}
	}
	if err := authorize(w, ts, []string{"xero" + suffix}); err != nil {
		return err
	}
	if slices.Contains(args, "nohooks") {
		return nil
	}
	url := "http://" + w.listen + "/webhooks/"
	hook := url + "xero" + suffix
	if p.shared { // an app has one webhook for all organisations
		hook = url + "xero"
	}
	return errors.Join(
		w.control(http.MethodPost, "xero"+suffix, "webhooks", map[string]any{"url": hook}, nil),
		w.control(http.MethodPost, "stripe"+suffix, "webhooks", map[string]any{"url": url + "stripe" + suffix, "secret": p.secret["webhook_secret"]}, nil))
}

// addConnection NAME CONNECTOR [nokey|unnamed]. Secrets go through the environment of
// this one command.
func addConnection(w *world, ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("want NAME CONNECTOR [nokey|unnamed]")
	}
	p, _, err := w.at(args[0])
	if err != nil {
		return err
	}
	set, secrets := map[string]string{"api_url": p.base, "calls_per_second": "500"}, []string{"api_key", "webhook_secret"}
	if args[1] == "xero" {
		base := p.base
		if p.shared {
			base = w.base
		}
		set = map[string]string{
			"client_id": ts.Getenv("XERO_CLIENT_ID"), "api_url": base, "authorize_url": base + "/identity/connect/authorize",
			"token_url": base + "/connect/token", "calls_per_minute": strconv.Itoa(callsPerMinute),
			"redirect_url": strings.Replace("http://"+w.redirect+"/oauth/callback", "127.0.0.1", "localhost", 1),
		}
		secrets = []string{"client_secret", "webhook_key"}
		if w.other != nil && w.other.shared && !slices.Contains(args, "unnamed") { // the consent covers both
			set["tenant_id"] = p.xero.TenantID()
		}
	}
	if len(args) == 3 && args[2] == "nokey" {
		secrets = secrets[:1]
	}
	cmd := []string{"connections", "add", args[0], "--connector", args[1]}
	for k, v := range set {
		cmd = append(cmd, "--set", k+"="+v)
	}
	var env []string
	for _, s := range secrets {
		variable := "E2E_" + strings.ToUpper(s)
		cmd = append(cmd, "--secret", s+"=env:"+variable)
		env = append(env, variable+"="+p.secret[s])
	}
	_, stderr, code, err := w.cli(ts, env, cmd...)
	if err != nil || code != 0 {
		return fmt.Errorf("add %s: exit code %d: %w\n%s", args[0], code, err, stderr)
	}
	return nil
}

// authorize NAME [CODE]: a person who opens the printed URL and agrees. What the
// command printed last is in stderr.
func authorize(w *world, ts *testscript.TestScript, args []string) (err error) {
	ctx, cancel := context.WithTimeout(w.ctx, commandWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "ml-connector"), "connections", "authorize", args[0], "--no-browser")
	cmd.Dir, cmd.Env = w.dir, environ(ts)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err == nil {
		err = w.agree(ctx, strings.TrimSpace(strings.TrimPrefix(line, "Open this URL: ")))
	}
	if err != nil {
		cancel()
	}
	rest, readErr := io.ReadAll(lines)
	err = errors.Join(err, readErr, exited(cmd.Wait(), args[1:]))
	w.keep(line + string(rest) + errs.String())
	_, _ = io.WriteString(ts.Stderr(), errs.String()) // strings.Builder does not fail
	if err != nil {
		return fmt.Errorf("authorise %s: %w\n%s%s", args[0], err, rest, errs.String())
	}
	return nil
}

// exited takes an exit code that is wanted for no error.
func exited(err error, want []string) error {
	var exit *exec.ExitError
	if len(want) == 1 && errors.As(err, &exit) && strconv.Itoa(exit.ExitCode()) == want[0] {
		return nil
	}
	if err == nil && len(want) == 1 {
		return errors.New("exit code 0, want " + want[0])
	}
	return err
}

// agree follows the consent page to where it sends the browser.
func (w *world) agree(ctx context.Context, page string) error {
	for range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
		if err != nil {
			return err
		}
		res, err := w.client.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
		to, err := res.Location()
		if err != nil {
			return fmt.Errorf("%s answered %s", req.URL.Path, res.Status)
		}
		page = to.String()
	}
	return errors.New("the browser was sent on and on")
}

// editFile FILE OLD NEW.
func editFile(_ *world, ts *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("want FILE OLD NEW")
	}
	path, text := ts.MkAbs(args[0]), ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		return fmt.Errorf("%s has no %q", args[0], args[1])
	}
	return os.WriteFile(path, []byte(strings.Replace(text, args[1], args[2], 1)), 0o600)
}
