package supervisor_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/supervisor"
)

// These tests run the reference connector, built as users build theirs.

// paperBinary is the executable that TestMain built.
var paperBinary string

// hostDir, when set, makes the test executable a host of the plugins in that
// folder, for a test to kill.
const hostDir = "SUPERVISOR_TEST_HOST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(hostDir); dir != "" {
		beHost(dir)
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "supervisor-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	paperBinary = filepath.Join(dir, "paper")
	out, err := exec.Command("go", "build", "-o", paperBinary, "github.com/ml-connector/ml-connector/examples/paper").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "build the reference connector: %v\n%s", err, out)
		return 1
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func beHost(dir string) {
	s, err := supervisor.New(supervisor.Config{Dir: dir, PinFile: filepath.Join(dir, "pins.json")})
	if err == nil {
		_, err = s.Plugin(context.Background(), "paper")
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until it is killed
	s.Stop()
}

// folder is a plugins folder with the reference connector under some names.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		b, err := os.ReadFile(paperBinary)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ml-connector-plugin-"+name), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, dir string) *supervisor.Supervisor {
	t.Helper()
	s, err := supervisor.New(supervisor.Config{Dir: dir, PinFile: filepath.Join(dir, "pins.json")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// check makes the simplest call, to a cabinet that is there.
func check(t *testing.T, p *supervisor.Plugin) error {
	_, err := p.Check(t.Context(), &connector.Session{Settings: map[string]string{"folder": t.TempDir()}}, connector.CheckRequest{})
	return err
}

// pids finds the processes that run the executables of a folder.
func pids(t *testing.T, dir string) []int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("needs /proc")
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		exe, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe"))
		if err == nil && filepath.Dir(exe) == dir {
			out = append(out, pid)
		}
	}
	return out
}

func onlyPID(t *testing.T, dir string) int {
	t.Helper()
	all := pids(t, dir)
	if len(all) != 1 {
		t.Fatalf("%d processes run, want one", len(all))
	}
	return all[0]
}

// eventually asks until the answer is yes, for half a minute at most.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestKilledPluginComesBack(t *testing.T) {
	dir := folder(t, "paper")
	s := open(t, dir)
	p, err := s.Plugin(t.Context(), "paper")
	if err != nil {
		t.Fatal(err)
	}
	if err := check(t, p); err != nil {
		t.Fatal(err)
	}
	before := onlyPID(t, dir)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a call succeeds again", func() bool {
		err := check(t, p)
		if err == nil {
			return true
		}
		var e *connector.Error
		if !errors.As(err, &e) || e.Kind != connector.Unavailable {
			t.Fatalf("while it is away: got %v", err)
		}
		return false
	})
	if after := onlyPID(t, dir); after == before {
		t.Error("the old process answers")
	}
	if got := s.Running(); len(got) != 1 || got[0] != "paper" {
		t.Errorf("running: got %q", got)
	}
}

// The watch brings a plugin back that nobody calls.
func TestKilledPluginComesBackUnasked(t *testing.T) {
	dir := folder(t, "paper")
	if _, err := open(t, dir).Plugin(t.Context(), "paper"); err != nil {
		t.Fatal(err)
	}
	before := onlyPID(t, dir)
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another process runs", func() bool {
		all := pids(t, dir)
		return len(all) == 1 && all[0] != before
	})
}

// Calls that are in flight when the plugin dies end with an error that says what
// to do: a write may have been made.
func TestCallsInFlightEnd(t *testing.T) {
	dir := folder(t, "paper")
	p, err := open(t, dir).Plugin(t.Context(), "paper")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(onlyPID(t, dir), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const callers = 8
	got := make(chan error, callers)
	for range callers {
		go func() {
			_, err := p.Upsert(t.Context(), &connector.Session{}, connector.UpsertRequest{Entity: connector.EntityContact})
			got <- err
		}()
	}
	if err := syscall.Kill(onlyPID(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	limit := time.After(30 * time.Second)
	for range callers {
		select {
		case err := <-got:
			// Unavailable when the call found the process dead already.
			if k := connector.KindOf(err); err != nil && k != connector.UnknownOutcome && k != connector.Unavailable && k != connector.Invalid {
				t.Errorf("got %v (%s)", err, k)
			}
		case <-limit:
			t.Fatal("a call hangs")
		}
	}
}

func TestStopEndsProcesses(t *testing.T) {
	dir := folder(t, "paper")
	s := open(t, dir)
	p, err := s.Plugin(t.Context(), "paper")
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if left := pids(t, dir); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
	if err := check(t, p); connector.KindOf(err) != connector.Unavailable {
		t.Errorf("a call after the end: got %v", err)
	}
	if _, err := s.Plugin(t.Context(), "paper"); err == nil {
		t.Error("it starts again after the end")
	}
	if left := pids(t, dir); len(left) != 0 {
		t.Errorf("processes %v came after the end", left)
	}
	s.Stop() // a second time is harmless
}

// A host that is killed cannot end its plugins: they see that it is gone.
func TestPluginEndsWithItsHost(t *testing.T) {
	dir := folder(t, "paper")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self)
	host.Env = append(os.Environ(), hostDir+"="+dir)
	in, err := host.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Errorf("the host says %q, %v", line, err)
	}
	onlyPID(t, dir)
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
	eventually(t, "the plugin ends", func() bool { return len(pids(t, dir)) == 0 })
}

// I8: nothing of the host's environment reaches a plugin, but what it needs to
// reach the network.
func TestEnvironmentIsNotHandedOn(t *testing.T) {
	t.Setenv("ML_CONNECTOR_MASTER_KEY", "canary-master-key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-cloud-key")
	t.Setenv("NO_PROXY", "127.0.0.1")
	dir := folder(t, "paper")
	if _, err := open(t, dir).Plugin(t.Context(), "paper"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", onlyPID(t, dir)))
	if err != nil {
		t.Skip("needs /proc")
	}
	if strings.Contains(string(b), "canary") {
		t.Error("a variable of the host is in the plugin's environment")
	}
	ours := map[string]bool{"TZ": true, "ML_CONNECTOR_PLUGIN": true, "NO_PROXY": true}
	for _, name := range []string{"HTTPS_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR"} {
		_, ours[name] = os.LookupEnv(name)
	}
	for pair := range strings.SplitSeq(strings.TrimRight(string(b), "\x00"), "\x00") {
		name, _, _ := strings.Cut(pair, "=")
		if !ours[name] && !strings.HasPrefix(name, "PLUGIN_") {
			t.Errorf("the plugin has the variable %s", name)
		}
	}
	if !strings.Contains(string(b), "NO_PROXY=127.0.0.1") {
		t.Error("the plugin lacks what it needs to reach the network")
	}
}
