package supervisor_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/supervisor"
)

func TestDiscover(t *testing.T) {
	dir := folder(t, "paper", "second")
	plant := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	plant("ml-connector-plugin-notes", "no program", 0o644)
	plant("ml-connector-plugin-", "no name", 0o755)
	plant("another-program", "#!/bin/sh\n", 0o755)
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "ml-connector-plugin-folder"), 0o755),
		os.Symlink(t.TempDir(), filepath.Join(dir, "ml-connector-plugin-linked-folder")),
		os.Symlink(paperBinary, filepath.Join(dir, "ml-connector-plugin-linked")),
		os.Symlink("nowhere", filepath.Join(dir, "ml-connector-plugin-dangling")),
	); err != nil {
		t.Fatal(err)
	}
	found, err := open(t, dir).Discover()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Name)
		if len(f.Checksum) != 64 || f.Pinned != "" || f.Path != filepath.Join(dir, "ml-connector-plugin-"+f.Name) {
			t.Errorf("got %+v", f)
		}
	}
	if diff := cmp.Diff([]string{"linked", "paper", "second"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestDiscoverNeedsTheFolder(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "absent"))
	if _, err := s.Discover(); err == nil || !strings.Contains(err.Error(), "--plugins") {
		t.Errorf("got %v", err)
	}
	_, err := s.Plugin(t.Context(), "paper")
	if connector.KindOf(err) != connector.Unavailable {
		t.Errorf("got %v", err)
	}
}

func TestNewNeeds(t *testing.T) {
	for _, cfg := range []supervisor.Config{{}, {Dir: "x"}, {PinFile: "x"}} {
		if _, err := supervisor.New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

func TestUnknownConnector(t *testing.T) {
	_, err := open(t, folder(t, "paper")).Plugin(t.Context(), "xero")
	if !errors.Is(err, supervisor.ErrUnknown) || !strings.Contains(err.Error(), "found: paper") {
		t.Errorf("got %v", err)
	}
}

func pinned(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	b, err := os.ReadFile(filepath.Join(dir, "pins.json"))
	if errors.Is(err, os.ErrNotExist) {
		return out
	}
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPinnedAtFirstUse(t *testing.T) {
	dir := folder(t, "paper")
	s := open(t, dir)
	if got := pinned(t, dir); len(got) != 0 {
		t.Errorf("before: %v", got)
	}
	m, err := s.Manifest(t.Context(), "paper")
	if err != nil || m.Name != "paper" || !m.ReceivesWebhooks || m.RegistersWebhooks {
		t.Fatalf("got %+v, %v", m, err)
	}
	found, err := s.Discover()
	if err != nil || len(found) != 1 || found[0].Pinned != found[0].Checksum || pinned(t, dir)["paper"] != found[0].Checksum {
		t.Errorf("got %+v, %v, file %v", found, err, pinned(t, dir))
	}
}

// change makes the executable another one that still runs: what follows an ELF
// image is not loaded.
func change(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Renamed into place: a program that runs cannot be written to.
	if err := errors.Join(os.WriteFile(path+".new", append(b, "changed"...), 0o755), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func TestChangedBinaryIsRefusedUntilAccepted(t *testing.T) {
	dir := folder(t, "paper")
	first := open(t, dir)
	if _, err := first.Plugin(t.Context(), "paper"); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	change(t, filepath.Join(dir, "ml-connector-plugin-paper"))

	s := open(t, dir)
	for range 3 { // the reason is told each time, also while no start is tried
		_, err := s.Plugin(t.Context(), "paper")
		if err == nil || !strings.Contains(err.Error(), "has changed since it was accepted") || !strings.Contains(err.Error(), "connectors accept paper") {
			t.Fatalf("got %v", err)
		}
	}
	if left := pids(t, dir); len(left) != 0 {
		t.Errorf("the changed binary runs: %v", left)
	}
	f, err := s.Accept("paper")
	if err != nil || f.Pinned != f.Checksum || pinned(t, dir)["paper"] != f.Checksum {
		t.Fatalf("accept: got %+v, %v", f, err)
	}
	p, err := s.Plugin(t.Context(), "paper") // at once, without waiting for the next try
	if err != nil {
		t.Fatal(err)
	}
	if err := check(t, p); err != nil {
		t.Error(err)
	}
}

// A process that runs goes on when its file is replaced; the next start is refused.
func TestReplacedWhileRunning(t *testing.T) {
	dir := folder(t, "paper")
	p, err := open(t, dir).Plugin(t.Context(), "paper")
	if err != nil {
		t.Fatal(err)
	}
	change(t, filepath.Join(dir, "ml-connector-plugin-paper"))
	if err := check(t, p); err != nil {
		t.Errorf("the running process: %v", err)
	}
	if err := syscall.Kill(onlyPID(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the changed binary is refused", func() bool {
		err := check(t, p)
		return err != nil && strings.Contains(err.Error(), "has changed since it was accepted")
	})
}

func TestAcceptUnknown(t *testing.T) {
	if _, err := open(t, t.TempDir()).Accept("paper"); !errors.Is(err, supervisor.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func TestNameMismatch(t *testing.T) {
	dir := folder(t, "xero")
	s := open(t, dir)
	for range 2 {
		_, err := s.Plugin(t.Context(), "xero")
		var e *connector.Error
		if !errors.As(err, &e) || e.Kind != connector.Invalid || !strings.Contains(e.Message, `calls itself "paper"`) || e.Remedy == "" {
			t.Fatalf("got %v", err)
		}
	}
	if got := pinned(t, dir); len(got) != 0 {
		t.Errorf("it is pinned: %v", got)
	}
	if left := pids(t, dir); len(left) != 0 {
		t.Errorf("it runs: %v", left)
	}
}

func TestNoPlugin(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"script": "#!/bin/sh\necho I am no plugin\n", "silent": "#!/bin/sh\nexit 0\n", "garbage": "\x7fELFgarbage", "text": "hello\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "ml-connector-plugin-"+name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	for _, name := range []string{"script", "silent", "garbage", "text"} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				_, err := s.Plugin(t.Context(), name)
				var e *connector.Error
				if !errors.As(err, &e) || e.Kind != connector.Unavailable || !strings.Contains(e.Message, "does not start as a plugin") || e.Remedy == "" {
					t.Fatalf("got %v", err)
				}
			}
		})
	}
	if got := pinned(t, dir); len(got) != 0 {
		t.Errorf("pinned: %v", got)
	}
}

// A plugin that never shakes hands does not hold up the host for longer than it
// was told to wait.
func TestStartHasALimit(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\nexec sleep 60\n"
	if err := os.WriteFile(filepath.Join(dir, "ml-connector-plugin-slow"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := supervisor.New(supervisor.Config{Dir: dir, PinFile: filepath.Join(dir, "pins.json"), Start: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	begun := time.Now()
	_, err = s.Plugin(t.Context(), "slow")
	if err == nil || time.Since(begun) > 10*time.Second {
		t.Errorf("got %v after %s", err, time.Since(begun))
	}
}

func TestDamagedPinFile(t *testing.T) {
	dir := folder(t, "paper")
	if err := os.WriteFile(filepath.Join(dir, "pins.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	_, err := s.Plugin(t.Context(), "paper")
	if err == nil || !strings.Contains(err.Error(), "pins.json") {
		t.Errorf("a damaged file must not count as no pins: got %v", err)
	}
	if _, err := s.Accept("paper"); err == nil {
		t.Error("accept overwrites it")
	}
}

func TestManyCallersOneProcess(t *testing.T) {
	dir := folder(t, "paper")
	s := open(t, dir)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			p, err := s.Plugin(t.Context(), "paper")
			if err == nil {
				err = check(t, p)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	onlyPID(t, dir)
}
