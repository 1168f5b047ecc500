package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

func TestStatus(t *testing.T) {
	d := looked(t)
	d.hold() // it may be asked while the service runs
	s := decode[statusReport](t, d.ends(exitDone, "status", "--json"))
	if len(s.Flows) != 1 || len(s.Polls) != 1 || len(s.Connections) != 2 {
		t.Fatalf("got %+v", s)
	}
	want := flow.Standing{Recipe: "pair", Flow: "contacts", Done: 1, Skipped: 1, Person: 1, LastSuccess: s.Flows[0].LastSuccess}
	if diff := cmp.Diff(want, s.Flows[0]); diff != "" || s.Flows[0].LastSuccess == nil {
		t.Errorf("flow (-want +got):\n%s", diff)
	}
	poll := flow.PollStatus{Recipe: "pair", Connection: "left", Entity: "contact", PolledAt: s.Polls[0].PolledAt, Caught: s.Polls[0].Caught}
	if diff := cmp.Diff(poll, s.Polls[0]); diff != "" {
		t.Errorf("poll (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(queueReport{}, s.Queue); diff != "" {
		t.Errorf("queue (-want +got):\n%s", diff)
	}
	p := d.ends(exitDone, "status")
	for _, text := range []string{"contacts", "NEED A PERSON", "Cabinet right", "ready", "queue: 0 due", "/metrics"} {
		if !strings.Contains(p.out, text) {
			t.Errorf("status does not say %q:\n%s", text, p.out)
		}
	}
	if !strings.Contains(p.err, "1 entry needs a person") {
		t.Errorf("stderr: %q", p.err)
	}
}

func TestStatusOfAPausedConnectionNamesTheRemedy(t *testing.T) {
	t.Parallel()
	d := worked(t)
	database, err := db.Open(t.Context(), db.Config{Dir: d.data, Shared: true})
	d.must(err)
	d.must(connection.New(connection.Config{DB: database}).Pause(t.Context(), "left", "the token was refused", "authorise it again"))
	d.must(database.Close())
	if p := d.ends(exitDone, "status"); !strings.Contains(p.out, "paused: the token was refused (authorise it again)") {
		t.Errorf("got:\n%s", p.out)
	}
}

func TestStatusOfNothing(t *testing.T) {
	d := newDesk(t)
	if p := d.ends(exitDone, "status"); p.out != "" || !strings.Contains(p.err, "nothing has run yet") {
		t.Errorf("got %q, %q", p.out, p.err)
	}
	got := decode[map[string]any](t, d.ends(exitDone, "status", "--json"))
	want := map[string]any{"flows": []any{}, "polls": []any{}, "connections": []any{},
		"queue": map[string]any{"due": 0.0, "running": 0.0, "later": 0.0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.ends(exitUsage, "status", "now")
}
