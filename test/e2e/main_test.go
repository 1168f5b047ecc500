//go:build linux

package e2e

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const (
	scriptWithin = 60 * time.Second
	buildWithin  = 5 * time.Minute
	// atOnce is more than there are cores: a script mostly waits.
	atOnce = 5
)

// bin holds the binaries: ml-connector and plugins/.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if !flagGiven("test.parallel") {
		_ = flag.Set("test.parallel", strconv.Itoa(atOnce)) // the flag exists and takes a number
	}
	if bin = os.Getenv("ML_CONNECTOR_BIN"); bin == "" {
		dir, err := os.MkdirTemp("", "ml-connector-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		bin = dir
	}
	var err error
	if bin, err = filepath.Abs(bin); err != nil { // commands run in other folders
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func flagGiven(name string) (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// build makes the binaries as `make build` does, so that they share its cache.
func build(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), buildWithin)
	defer cancel()
	for out, pkg := range map[string]string{
		"ml-connector":                       "./host",
		"plugins/ml-connector-plugin-xero":   "./plugins/xero",
		"plugins/ml-connector-plugin-stripe": "./plugins/stripe",
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(dir, out), pkg)
		cmd.Dir = root()
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if b, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, b)
		}
	}
	return watchSources()
}

// watchSources looks at every folder that the binaries are built from: go test
// remembers what a test looked at, and so runs it again when a source changes.
func watchSources() error {
	for _, dir := range []string{"host", "plugins", "connector", "money", "proto"} {
		err := filepath.WalkDir(filepath.Join(root(), dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func root() string { return filepath.Join("..", "..") }

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			deadline := time.Now().Add(scriptWithin)
			testscript.RunT(script{t}, testscript.Params{
				Files: []string{file}, Deadline: deadline, RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error { return setup(env, deadline) },
				Cmds:  commands(),
			})
		})
	}
}

// script lets a file run in its own test, whose deadline begins when it begins.
type script struct{ *testing.T }

func (s script) Parallel()                          {}
func (s script) Verbose() bool                      { return testing.Verbose() }
func (s script) Run(_ string, f func(testscript.T)) { f(s) }

type worldKey struct{}

// setup gives a script its own stand-ins, folders, ports and secrets.
func setup(env *testscript.Env, deadline time.Time) error {
	w, err := newWorld(env.WorkDir, deadline)
	if err != nil {
		return err
	}
	env.Defer(w.close)
	env.Values[worldKey{}] = w
	recipe, err := os.ReadFile(filepath.Join(root(), "recipes", "xero-stripe.yaml"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(env.WorkDir, "recipes", "xero-stripe.yaml"), recipe, 0o600); err != nil {
		return err
	}
	for k, v := range w.env() {
		env.Setenv(k, v)
	}
	return nil
}

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	out := map[string]func(*testscript.TestScript, bool, []string){}
	for name, f := range map[string]func(*world, *testscript.TestScript, []string) error{
		"ml": ml, "connect": connect, "authorize": authorize, "add": addConnection,
		"host": startHost, "host-stop": stopHost, "host-kill": killHost, "plugin-kill": killPlugin, "arm": arm, "gone": gone, "hits": hits,
		"race": startRace, "raced": endRace,
		"xero": xeroLever, "stripe": stripeLever, "both": bothLever,
		"second": second, "xero-b": leverOf("xero-b"), "stripe-b": leverOf("stripe-b"),
		"set": setVar, "expect": expect, "until": until, "idle": idle, "prove": prove, "json": jsonValue,
		"webhook": postWebhook, "leaks": leaks, "edit": editFile, "burst": burst,
	} {
		out[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			if neg {
				ts.Fatalf("! %s has no meaning", name)
			}
			w := ts.Value(worldKey{}).(*world)
			if err := f(w, ts, args); err != nil {
				ts.Fatalf("%s: %v%s", name, err, w.evidence())
			}
		}
	}
	return out
}
