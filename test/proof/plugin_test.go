package proof

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/wire"
	"github.com/ml-connector/ml-connector/money"
)

const (
	buildWithin = 5 * time.Minute
	startWithin = 30 * time.Second
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// startPlugin builds a connector's executable and starts it as the host would.
func startPlugin(t *testing.T, name string) *wire.Client {
	t.Helper()
	proc := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Plugins(nil, nil),
		Cmd:              exec.Command(executable(t, name)),
		AutoMTLS:         true,
		SkipHostEnv:      true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  wire.DialOptions(),
		StartTimeout:     startWithin,
		Stderr:           io.Discard,
		Logger:           hclog.NewNullLogger(),
	})
	t.Cleanup(proc.Kill)
	protocol, err := proc.Client()
	if err != nil {
		t.Fatalf("start the %s plugin: %v", name, err)
	}
	c, err := wire.Dispense(protocol)
	if err != nil {
		t.Fatalf("start the %s plugin: %v", name, err)
	}
	return c
}

// executable is the plugin in the folder of binaries that is named, or a fresh
// build of it.
func executable(t *testing.T, name string) string {
	t.Helper()
	file := "ml-connector-plugin-" + name
	if dir := os.Getenv("ML_CONNECTOR_BIN"); dir != "" {
		path, err := filepath.Abs(filepath.Join(dir, "plugins", file))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	watchSources(t)
	out := filepath.Join(t.TempDir(), file)
	ctx, cancel := context.WithTimeout(t.Context(), buildWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", out, "./plugins/"+name)
	cmd.Dir = root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the %s plugin: %v\n%s", name, err, b)
	}
	return out
}

func root() string { return filepath.Join("..", "..") }

// watchSources looks at every folder that the executables are built from: go
// test remembers what a test looked at, and runs it again when that changes.
func watchSources(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"plugins", "connector", "money", "proto"} {
		err := filepath.WalkDir(filepath.Join(root(), dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// actor plays a story on one connector.
type actor struct {
	t       *testing.T
	c       *wire.Client
	session *connector.Session
	keys    int
}

func (a *actor) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// write makes a write of a record with a key of its own.
func (a *actor) write(rec connector.Record, target string) connector.Write {
	a.keys++
	return connector.Write{Key: fmt.Sprintf("proof-%d", a.keys), TargetID: target, Record: rec, Attempt: 1, IntendedAt: time.Now().UTC()}
}

// upsert sends one write, whose outcome must be want: a result, or the kind of
// an error.
func (a *actor) upsert(w connector.Write, want string) connector.Outcome {
	a.t.Helper()
	outs, err := a.c.Upsert(a.t.Context(), a.session, connector.UpsertRequest{Entity: w.Record.Entity, Writes: []connector.Write{w}})
	a.must(err)
	got := string(outs[0].Result)
	if outs[0].Err != nil {
		got = outs[0].Err.Kind.String()
	}
	if got != want {
		a.t.Fatalf("write %s of %s: outcome %q (%s, %v), want %q", w.Key, w.Record.Label(), got, outs[0].Reason, outs[0].Err, want)
	}
	return outs[0]
}

// again is the next attempt of a write, as after a crash.
func again(w connector.Write) connector.Write {
	w.Attempt++
	return w
}

const pagesMax = 50 // of a story's few records

// list reads everything from the beginning, and then once more from its end.
func (a *actor) list(req connector.ListRequest) []string {
	a.t.Helper()
	var ids []string
	for range pagesMax {
		page, err := a.c.List(a.t.Context(), a.session, req)
		a.must(err)
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		req.Cursor = page.Next
		if !page.More {
			_, err := a.c.List(a.t.Context(), a.session, req)
			a.must(err)
			return ids
		}
	}
	a.t.Fatalf("list %s does not end", req.Entity)
	return nil
}

// get reads records, all of which must be there.
func (a *actor) get(e connector.Entity, ids ...string) []connector.Record {
	a.t.Helper()
	recs, err := a.c.Get(a.t.Context(), a.session, connector.GetRequest{Entity: e, IDs: ids})
	a.must(err)
	if len(recs) != len(ids) {
		a.t.Fatalf("get %s: %d records for %d ids", e, len(recs), len(ids))
	}
	return recs
}

func amount(t *testing.T, text string, c money.Currency) money.Amount {
	t.Helper()
	a, err := money.Parse(text, c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
