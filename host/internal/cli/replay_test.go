package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// hold holds the data folder as a running service does.
func (d *desk) hold() {
	d.t.Helper()
	held, err := db.Open(d.t.Context(), db.Config{Dir: d.data})
	d.must(err)
	d.t.Cleanup(func() {
		if err := held.Close(); err != nil {
			d.t.Error(err)
		}
	})
}

func (d *desk) putRight() { d.must(os.Remove(filepath.Join(d.right, "refused"))) }

var pairFlags = []string{"--recipe", "pair", "--param", "region=north"}

func TestReplayDoesTheWorkWhenNoServiceRuns(t *testing.T) {
	t.Parallel()
	d := worked(t)
	id := d.failed()

	again := decode[[]replayed](t, d.ends(exitPerson, append([]string{"replay", id, "--json"}, pairFlags...)...))
	want := []replayed{{ID: again[0].ID, Source: "left:contact/c2", Label: "Bob", State: flow.Dead,
		Reason: "right: the name Bob is taken", Remedy: "give it another name"}}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("refused again (-want +got):\n%s", diff)
	}

	d.putRight()
	p := d.ends(exitDone, append([]string{"replay", "--all"}, pairFlags...)...)
	if !strings.Contains(p.out, "done") {
		t.Errorf("replay printed %q", p.out)
	}
	if p := d.ends(exitDone, "links", "show", "Bob"); !strings.Contains(p.out, "left:contact/c2 = right:contact/r-bob") {
		t.Errorf("link: %q", p.out)
	}
	if p := d.ends(exitDone, "audit", "list", "--kind", "replay", "--json"); strings.Count(p.out, `"seq"`) != 2 {
		t.Errorf("two replays left this trail:\n%s", p.out)
	}

	// Once it is done there is nothing to run again, however often one asks.
	for _, args := range [][]string{{"replay", id}, {"replay", "--all"}, {"replay", id, "--preview"}} {
		if p := d.ends(exitDone, args...); !strings.Contains(p.err, "nothing to run again") {
			t.Errorf("%v: %q", args, p.err)
		}
	}
	if p := d.ends(exitDone, "replay", "--all", "--json"); p.out != "[]\n" {
		t.Errorf("nothing in JSON: %q", p.out)
	}
}

func TestReplayHandsOverToARunningService(t *testing.T) {
	t.Parallel()
	d := worked(t)
	id := d.failed()
	d.hold()
	p := d.ends(exitDone, "replay", id, "--json")
	got := decode[[]replayed](t, p)
	if len(got) != 1 || got[0].State != flow.Pending || !strings.Contains(p.err, "running service works on 1 entry") {
		t.Errorf("got %+v, %q", got, p.err)
	}
	if p := d.ends(exitDone, "status", "--json"); decode[statusReport](t, p).Queue.Due != 1 {
		t.Errorf("not queued: %s", p.out)
	}
}

func TestReplayPreviewWritesNothing(t *testing.T) {
	t.Parallel()
	d := worked(t)
	id := d.failed()
	d.putRight()
	d.hold() // as while the service runs
	p := d.ends(exitDone, append([]string{"replay", id, "--preview"}, pairFlags...)...)
	for _, text := range []string{"write", "left:contact/c2 (Bob) -> new", "1 write; nothing was written"} {
		if !strings.Contains(p.out, text) {
			t.Errorf("preview does not say %q:\n%s", text, p.out)
		}
	}
	got := decode[[]replayWish](t, d.ends(exitDone, append([]string{"replay", "--all", "--preview", "--json"}, pairFlags...)...))
	if len(got) != 1 || got[0].Action != "write" || got[0].Record.Contact.Name != "Bob" {
		t.Errorf("preview in JSON: %+v", got)
	}
	if again := d.failed(); again != id {
		t.Errorf("entry %s needs a person, want %s as before", again, id)
	}
	if _, err := os.Stat(filepath.Join(d.right, "r-bob"+contactSuffix)); !os.IsNotExist(err) {
		t.Errorf("the preview wrote: %v", err)
	}
}

func TestReplayWrongUsageChangesNothing(t *testing.T) {
	d := looked(t)
	id := d.failed()
	for _, tc := range []struct{ name, args, says string }{
		{"neither ids nor all", "replay", "name the entries"},
		{"ids and all", "replay " + id + " --all", "name the entries"},
		{"not a number", "replay x", "not the number"},
		{"no such entry", "replay 99", "no such entry: 99"},
		{"no recipe", "replay " + id, "add --recipe pair"},
		{"no recipe to preview", "replay " + id + " --preview", "add --recipe pair"},
		{"parameter missing", "replay " + id + " --recipe pair", "parameter region is required"},
		{"no such recipe", "replay " + id + " --recipe nought", "no file"},
		{"no such parameter", "replay " + id + " --recipe pair --param region=north --param regio=south", `"regio"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := d.ends(exitUsage, strings.Fields(tc.args)...); !strings.Contains(p.err, tc.says) {
				t.Errorf("got %q, want it to say %q", p.err, tc.says)
			}
		})
	}
	if again := d.failed(); again != id {
		t.Errorf("entry %s needs a person, want %s as before", again, id)
	}
}

func TestUnderWay(t *testing.T) {
	now := time.Date(2026, 9, 14, 10, 0, 0, 0, time.UTC)
	soon, later := now.Add(time.Minute), now.Add(time.Hour)
	for _, tc := range []struct {
		name   string
		state  flow.State
		next   *time.Time
		paused bool
		want   bool
	}{
		{name: "queued", state: flow.Pending, want: true},
		{name: "queued, and a connection is paused", state: flow.Pending, paused: true, want: true},
		{name: "tried again soon", state: flow.Retrying, next: &soon, want: true},
		{name: "tried again much later", state: flow.Retrying, next: &later},
		{name: "waits for a record", state: flow.Waiting, next: &soon, want: true},
		{name: "waits for a paused connection", state: flow.Waiting, next: &soon, paused: true},
		{name: "done", state: flow.Done},
		{name: "dead", state: flow.Dead},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := underWay(flow.Work{State: tc.state, NextAt: tc.next}, tc.paused, now); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
