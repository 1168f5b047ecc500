package cli

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

func TestAuditListNarrowsAndPages(t *testing.T) {
	t.Parallel()
	d := looked(t)
	all := decode[[]audit.Entry](t, d.ends(exitDone, "audit", "list", "--json"))
	for _, tc := range []struct {
		name string
		args []string
		keep func(audit.Entry) bool
	}{
		{"by kind", []string{"--kind", "skip"}, func(e audit.Entry) bool { return e.Kind == "skip" }},
		{"by record", []string{"--source", "left:contact/c2"}, func(e audit.Entry) bool { return e.Source == "left:contact/c2" }},
		{"by work", []string{"--work", d.failed()}, func(e audit.Entry) bool { return e.Source == "left:contact/c2" }},
		{"newest two", []string{"--limit", "2"}, func(e audit.Entry) bool { return e.Seq > all[0].Seq-2 }},
		{"next page", []string{"--before", "3"}, func(e audit.Entry) bool { return e.Seq < 3 }},
		{"nothing", []string{"--kind", "delivery"}, func(audit.Entry) bool { return false }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := []audit.Entry{}
			for _, e := range all {
				if tc.keep(e) {
					want = append(want, e)
				}
			}
			got := decode[[]audit.Entry](t, d.ends(exitDone, append([]string{"audit", "list", "--json"}, tc.args...)...))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if p := d.ends(exitDone, "audit", "list", "--limit", "2"); !strings.Contains(p.err, "for more: --before ") || !strings.Contains(p.out, "SEQ") {
		t.Errorf("list: %q, %q", p.out, p.err)
	}
	seq := strconv.FormatInt(all[0].Seq, 10)
	if diff := cmp.Diff(all[0], decode[audit.Entry](t, d.ends(exitDone, "audit", "show", seq, "--json"))); diff != "" {
		t.Errorf("show (-want +got):\n%s", diff)
	}
	if p := d.ends(exitDone, "audit", "show", seq); !strings.Contains(p.out, all[0].Hash.String()) {
		t.Errorf("show: %q", p.out)
	}
}

func TestAuditExportIsJSONLines(t *testing.T) {
	d := looked(t)
	p := d.ends(exitDone, "audit", "export")
	lines := strings.Split(strings.TrimRight(p.out, "\n"), "\n")
	for i, line := range lines {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq != int64(i+1) {
			t.Fatalf("line %d: entry %d, %v", i+1, e.Seq, err)
		}
	}
	if want := "exported " + strconv.Itoa(len(lines)) + " entries\n"; p.err != want {
		t.Errorf("got %q, want %q", p.err, want)
	}
	if strings.Contains(p.out, "canary-7f3a") {
		t.Error("a secret is on the trail")
	}
}

func TestAuditVerifyFindsTheFirstChangedEntry(t *testing.T) {
	t.Parallel()
	d := worked(t)
	report := decode[audit.Report](t, d.ends(exitDone, "audit", "verify", "--json"))
	p := d.ends(exitDone, "audit", "verify")
	if want := "entries " + strconv.FormatInt(report.Entries, 10) + "\nhead    " + report.Head.String() + "\n"; p.out != want || report.Broken != nil {
		t.Errorf("got %q, want %q; broken %v", p.out, want, report.Broken)
	}

	database, err := db.Open(t.Context(), db.Config{Dir: d.data})
	d.must(err)
	d.must(database.Update(context.Background(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE audit_entry SET reason = 'nothing happened' WHERE seq = 3`)
		return err
	}))
	d.must(database.Close())

	p = d.ends(exitFailed, "audit", "verify")
	for _, text := range []string{"broken at entry 3", "somebody changed it"} {
		if !strings.Contains(p.err, text) {
			t.Errorf("verify does not say %q: %s", text, p.err)
		}
	}
	report = decode[audit.Report](t, d.ends(exitFailed, "audit", "verify", "--json"))
	if report.Entries != 2 || report.Broken == nil || report.Broken.Seq != 3 {
		t.Errorf("report: %+v", report)
	}
}

func TestAuditWrongUsage(t *testing.T) {
	d := newDesk(t)
	for _, tc := range []struct{ name, args, says string }{
		{"no such entry", "audit show 7", "no such audit entry"},
		{"not a number", "audit show seven", "not the number"},
		{"no limit", "audit list --limit 0", "use 1 to 1000"},
		{"too much", "audit list --limit 1001", "use 1 to 1000"},
		{"before nothing", "audit list --before -1", "positive"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := d.ends(exitUsage, strings.Fields(tc.args)...); !strings.Contains(p.err, tc.says) {
				t.Errorf("got %q, want it to say %q", p.err, tc.says)
			}
		})
	}
	if p := d.ends(exitDone, "audit", "list", "--json"); p.out != "[]\n" {
		t.Errorf("empty trail in JSON: %q", p.out)
	}
}
