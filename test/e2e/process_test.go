//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	pollEvery = 20 * time.Millisecond
	// readyWithin is long because two cores are shared by all scripts.
	readyWithin = 30 * time.Second
	// orphanWithin is how long a plugin may outlive its host: it looks once a second.
	orphanWithin = 10 * time.Second
)

// process is a running host.
type process struct {
	cmd      *exec.Cmd
	out      *os.File
	done     chan struct{} // closed when it has ended
	err      error         // how it ended; read after done
	dying    atomic.Bool   // somebody killed it
	children []int         // plugins seen before it ended
	armed    chan struct{} // closed when the armed trap has sprung
}

// startHost runs the service and waits until it is ready.
func startHost(w *world, ts *testscript.TestScript, args []string) error {
	if w.host != nil {
		return errors.New("a host runs already")
	}
	all := []string{"run", "--listen", w.listen}
	if !slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, "clearing_account=") }) {
		all = append(all, "--param", "clearing_account=610")
	}
	if !slices.Contains(args, "--recipe") {
		all = append(all, "--recipe", "xero-stripe")
	}
	if !slices.Contains(args, "--poll-every") {
		all = append(all, "--poll-every", "30s")
	}
	p, err := w.spawn(ts, append(all, args...))
	if err != nil {
		return err
	}
	w.host = p
	return poll(w.ctx, readyWithin, func() (bool, error) {
		select {
		case <-p.done:
			w.host = nil
			return false, fmt.Errorf("the host ended: %w", p.err)
		default:
		}
		return w.status(http.MethodGet, "http://"+w.listen+"/readyz") == http.StatusOK, nil
	})
}

func (w *world) spawn(ts *testscript.TestScript, args []string) (*process, error) {
	out, err := os.OpenFile(w.hostLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(filepath.Join(bin, "ml-connector"), args...), out: out, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = w.dir, environ(ts), out, out
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	go func() {
		defer close(p.done)
		p.err = errors.Join(p.cmd.Wait(), out.Close())
	}()
	return p, nil
}

// environ is the script's environment. testscript does not hand it out as a
// whole, so these are the variables that matter.
func environ(ts *testscript.TestScript) []string {
	var out []string
	for _, k := range []string{"PATH", "HOME", "TMPDIR", "ML_CONNECTOR_DATA", "ML_CONNECTOR_RECIPES", "ML_CONNECTOR_PLUGINS",
		"ML_CONNECTOR_LOG_LEVEL", "ML_CONNECTOR_MASTER_KEY"} {
		if v := ts.Getenv(k); v != "" {
			out = append(out, k+"="+v)
		}
	}
	return out
}

// status makes a request; 0 when there is no answer.
func (w *world) status(method, url string) int {
	req, err := http.NewRequestWithContext(w.ctx, method, url, nil)
	if err != nil {
		return 0
	}
	res, err := w.client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// poll asks cond until it holds, an error comes, or the time is over.
func poll(ctx context.Context, within time.Duration, cond func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		ok, err := cond()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s", within)
		case <-tick.C:
		}
	}
}

// stopHost tells the host to finish and stop.
func stopHost(w *world, _ *testscript.TestScript, _ []string) error {
	if w.host == nil {
		return errors.New("no host runs")
	}
	p := w.host
	w.host = nil
	p.children = plugins(p.cmd.Process.Pid)
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.wait(w.ctx); err != nil {
		return err
	}
	return p.err
}

// killHost ends the host without a word.
func killHost(w *world, _ *testscript.TestScript, _ []string) error {
	if w.host == nil {
		return errors.New("no host runs")
	}
	p := w.host
	w.host = nil
	p.kill9()
	return p.wait(w.ctx)
}

// kill9 may be called from any goroutine.
func (p *process) kill9() {
	p.dying.Store(true)
	p.children = plugins(p.cmd.Process.Pid)
	_ = p.cmd.Process.Kill() // it may be gone already
}

// kill is for the end of a script: nothing is left behind.
func (p *process) kill() {
	p.kill9()
	<-p.done
	for _, pid := range p.children {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already
	}
}

// wait returns when the host and its plugins are gone.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
	case <-ctx.Done():
		return fmt.Errorf("the host does not end: %w", ctx.Err())
	}
	err := poll(ctx, orphanWithin, func() (bool, error) {
		return !slices.ContainsFunc(p.children, isPlugin), nil
	})
	if err != nil {
		return fmt.Errorf("plugins outlive their host: %w", err)
	}
	return nil
}

// plugins are the process ids of a host's plugins.
func plugins(host int) (pids []int) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", host))
	if err != nil {
		return nil
	}
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && isPlugin(pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func isPlugin(pid int) bool { return pluginName(pid) != "" }

// pluginName is the connector that a process runs; "" when it is none.
func pluginName(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	exe, _, _ := strings.Cut(string(b), "\x00")
	_, name, _ := strings.Cut(filepath.Base(exe), "ml-connector-plugin-")
	return name
}

func (p *process) killChild(name string) error {
	for _, pid := range plugins(p.cmd.Process.Pid) {
		if pluginName(pid) == name {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("plugin %s does not run", name)
}

// killPlugin NAME.
func killPlugin(w *world, _ *testscript.TestScript, args []string) error {
	if w.host == nil || len(args) != 1 {
		return errors.New("want a running host and the plugin's name")
	}
	return w.host.killChild(args[0])
}
