package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/flow"
)

func TestFailuresNameReasonRemedyAndRecords(t *testing.T) {
	d := looked(t)
	id := d.failed()

	all := decode[[]flow.Work](t, d.ends(exitDone, "failures", "list", "--json"))
	want := flow.Work{ID: all[0].ID, Recipe: "pair", Flow: "contacts", SourceRef: "left:contact/c2", Label: "Bob", State: flow.Dead, Attempts: 1,
		Reason: "right: the name Bob is taken", Remedy: "give it another name", Records: map[string]string{"left contact": "c2"},
		FirstSeen: all[0].FirstSeen, ChangedAt: all[0].ChangedAt}
	if diff := cmp.Diff([]flow.Work{want}, all, cmp.AllowUnexported(flow.Work{})); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}

	list := d.ends(exitDone, "failures", "list")
	for _, text := range []string{"dead letter", "Bob", "reason:  right: the name Bob is taken", "remedy:  give it another name", "left contact c2"} {
		if !strings.Contains(list.out, text) {
			t.Errorf("list does not say %q:\n%s", text, list.out)
		}
	}
	show := d.ends(exitDone, "failures", "show", id)
	for _, text := range []string{"ml-connector replay " + id, "left:contact/c2", "attempts", "dead letter", "--recipe pair"} {
		if !strings.Contains(show.out, text) {
			t.Errorf("show does not say %q:\n%s", text, show.out)
		}
	}
	report := decode[failureReport](t, d.ends(exitDone, "failures", "show", id, "--json"))
	if report.Replay != "ml-connector replay "+id || report.Attempts != 1 || len(report.Audit) == 0 {
		t.Errorf("show --json: replay %q, %d attempts, %d audit entries", report.Replay, report.Attempts, len(report.Audit))
	}
}

func TestFailuresWithNoneAndWrongUsage(t *testing.T) {
	d := newDesk(t)
	if p := d.ends(exitDone, "failures", "list"); p.out != "" || !strings.Contains(p.err, "nothing needs a person") {
		t.Errorf("empty list: %q, %q", p.out, p.err)
	}
	if p := d.ends(exitDone, "failures", "list", "--json"); p.out != "[]\n" {
		t.Errorf("empty list in JSON: %q", p.out)
	}
	for _, tc := range []struct{ name, args, says string }{
		{"no number", "failures show", "accepts 1 arg"},
		{"not a number", "failures show ch_1", `"ch_1" is not the number of an entry`},
		{"not positive", "failures show 0", "not the number"},
		{"not there", "failures show 99", "no such entry: 99"},
		{"unknown subcommand", "failures shew 1", `unknown command "shew"`},
		{"too many", "failures list 1", "unknown command"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := d.ends(exitUsage, strings.Fields(tc.args)...); !strings.Contains(p.err, tc.says) {
				t.Errorf("got %q, want it to say %q", p.err, tc.says)
			}
		})
	}
}
