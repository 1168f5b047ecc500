package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ownCopy puts a copy of a connector's executable in the place of the link, so
// that it can be changed.
func (d *desk) ownCopy(name string) string {
	d.t.Helper()
	path := filepath.Join(d.plugins, pluginPrefix+name)
	b, err := os.ReadFile(path)
	d.must(err)
	d.must(os.Remove(path))
	d.must(os.WriteFile(path, b, 0o700)) //nolint:gosec // a plugin is executable
	return path
}

func TestConnectorsListTellsWhatChanged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := d.ownCopy("left")
	states := func() map[string]string {
		out := map[string]string{}
		for _, f := range decode[[]foundReport](t, d.ends(exitDone, "connectors", "list", "--json")) {
			out[f.Name] = f.State
		}
		return out
	}
	if diff := cmp.Diff(map[string]string{"left": "new", "right": "new"}, states()); diff != "" {
		t.Errorf("at first (-want +got):\n%s", diff)
	}
	d.ends(exitDone, "connectors", "describe", "left")
	if diff := cmp.Diff(map[string]string{"left": "accepted", "right": "new"}, states()); diff != "" {
		t.Errorf("after its first use (-want +got):\n%s", diff)
	}

	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	d.must(err)
	_, err = f.WriteString("more")
	d.must(err)
	d.must(f.Close())
	if diff := cmp.Diff(map[string]string{"left": "changed", "right": "new"}, states()); diff != "" {
		t.Errorf("after a change (-want +got):\n%s", diff)
	}
	if p := d.ends(exitDone, "connectors", "list"); !strings.Contains(p.out, "ml-connector connectors accept left") {
		t.Errorf("list: %q", p.out)
	}
	if p := d.ends(exitFailed, "connectors", "describe", "left"); !strings.Contains(p.err, "ml-connector connectors accept left") {
		t.Errorf("describe: %q", p.err)
	}
	d.ends(exitDone, "connectors", "accept", "left")
	d.ends(exitDone, "connectors", "describe", "left")
	if p := d.ends(exitDone, "audit", "list", "--kind", "plugin"); !strings.Contains(p.out, "accepted") {
		t.Errorf("trail: %q", p.out)
	}
}

func TestConnectorsDescribe(t *testing.T) {
	d := newDesk(t)
	got := decode[connectorReport](t, d.ends(exitDone, "connectors", "describe", "right", "--json"))
	want := connectorReport{
		Name: "right", Title: "Cabinet right", Version: "1.2.3", Summary: "Contacts in a folder.",
		Settings: []settingReport{
			{Name: "folder", Type: "text", Required: true, Help: "Where the files are"},
			{Name: "token", Type: "text", Secret: true, Help: "Opens nothing"},
		},
		Entities: []entityReport{{
			Entity: "contact", Verbs: []string{"list", "get", "upsert"}, GetBatch: 10, UpsertBatch: 10, PageSize: 100,
			Streams: []streamReport{{Name: "suppliers", Help: "Whom we buy from."}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p := d.ends(exitDone, "connectors", "describe", "right")
	for _, text := range []string{"right 1.2.3 (Cabinet right)", "(required)", "secret", "list get upsert", "contact.suppliers", "found by polling"} {
		if !strings.Contains(p.out, text) {
			t.Errorf("describe does not say %q:\n%s", text, p.out)
		}
	}
}

func TestConnectorsWrongUsage(t *testing.T) {
	d := newDesk(t)
	for _, tc := range []struct{ name, args, says string }{
		{"describe nothing", "connectors describe", "accepts 1 arg"},
		{"describe an unknown one", "connectors describe paper", "no such connector"},
		{"accept an unknown one", "connectors accept paper", "no such connector"},
		{"no plugins folder", "connectors list --plugins " + d.dir + "/nowhere", "--plugins"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := d.ends(exitUsage, strings.Fields(tc.args)...); !strings.Contains(p.err, tc.says) {
				t.Errorf("got %q, want it to say %q", p.err, tc.says)
			}
		})
	}
	if p := d.ends(exitDone, "connectors", "list", "--plugins", d.left, "--json"); p.out != "[]\n" {
		t.Errorf("no connectors in JSON: %q", p.out)
	}
}
