//go:build linux

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestPaper plays the story of a connector that the host has never heard of: its
// executable is dropped into the plugins folder, and a recipe names it.
func TestPaper(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), buildWithin)
	defer cancel()
	paper := filepath.Join(t.TempDir(), "ml-connector-plugin-paper")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", paper, "./examples/paper")
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build paper: %v\n%s", err, out)
	}
	watchFolder(t, filepath.Join(root(), "examples", "paper"))
	playDropIn(t, "paper", paper)
}

// watchFolder looks at what was built elsewhere, so that go test runs the test
// again when it changes.
func watchFolder(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// playDropIn runs testdata/dropin/NAME.txtar. The script finds the executable as
// $DROPIN, and a plugins folder in which only Xero's is.
func playDropIn(t *testing.T, name, executable string) {
	t.Helper()
	deadline := time.Now().Add(scriptWithin)
	testscript.RunT(script{t}, testscript.Params{
		Files:    []string{filepath.Join("testdata", "dropin", name+".txtar")},
		Deadline: deadline, RequireExplicitExec: true, Cmds: commands(),
		Setup: func(env *testscript.Env) error {
			if err := setup(env, deadline); err != nil {
				return err
			}
			plugins := filepath.Join(env.WorkDir, "plugins")
			if err := os.Mkdir(plugins, 0o700); err != nil {
				return err
			}
			env.Setenv("ML_CONNECTOR_PLUGINS", plugins)
			env.Setenv("DROPIN", executable)
			const xero = "ml-connector-plugin-xero"
			b, err := os.ReadFile(filepath.Join(bin, "plugins", xero))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(plugins, xero), b, 0o700)
		},
	})
}
