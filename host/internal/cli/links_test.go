package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/flow"
)

func TestLinks(t *testing.T) {
	d := looked(t)
	links := decode[[]flow.Link](t, d.ends(exitDone, "links", "list", "--json"))
	if len(links) != 1 {
		t.Fatalf("%d links, want 1", len(links))
	}
	want := flow.Link{ID: links[0].ID, Recipe: "pair", Entity: "contact", From: "left:contact/c1", To: "right:contact/r-ada",
		Label: "Ada", Why: "created", Effects: []flow.Effect{{What: "file", ID: "r-ada.contact"}},
		CreatedAt: links[0].CreatedAt, UpdatedAt: links[0].UpdatedAt}
	if diff := cmp.Diff(want, links[0]); diff != "" {
		t.Errorf("link (-want +got):\n%s", diff)
	}
	if p := d.ends(exitDone, "links", "list", "--all", "--entity", "contact"); !strings.Contains(p.out, "right:contact/r-ada") {
		t.Errorf("list: %q", p.out)
	}
	if p := d.ends(exitDone, "links", "list", "--entity", "payment", "--json"); p.out != "[]\n" {
		t.Errorf("no links in JSON: %q", p.out)
	}
	if p := d.ends(exitDone, "links", "list", "--entity", "payment"); p.out != "" || p.err != "no links\n" {
		t.Errorf("no links: %q, %q", p.out, p.err)
	}
}

func TestLinksShowTakesEveryKindOfRef(t *testing.T) {
	d := looked(t)
	for name, ref := range map[string]string{
		"id on the left": "c1", "id on the right": "r-ada", "label": "Ada",
		"whole ref on the left": "left:contact/c1", "whole ref on the right": "right:contact/r-ada",
	} {
		t.Run(name, func(t *testing.T) {
			reports := decode[[]linkReport](t, d.ends(exitDone, "links", "show", ref, "--json"))
			if len(reports) != 1 || reports[0].To != "right:contact/r-ada" {
				t.Fatalf("got %+v", reports)
			}
			kinds := map[string]bool{}
			for i, e := range reports[0].Audit {
				kinds[string(e.Kind)] = true
				if i > 0 && e.Seq <= reports[0].Audit[i-1].Seq {
					t.Errorf("entry %d comes after %d", e.Seq, reports[0].Audit[i-1].Seq)
				}
			}
			if !kinds["intent"] || !kinds["outcome"] {
				t.Errorf("trail has %v, want intent and outcome", kinds)
			}
		})
	}
	p := d.ends(exitDone, "links", "show", "Ada")
	for _, text := range []string{"left:contact/c1 = right:contact/r-ada", "why", "created", "made", "file r-ada.contact", "audit trail:", "outcome"} {
		if !strings.Contains(p.out, text) {
			t.Errorf("show does not say %q:\n%s", text, p.out)
		}
	}
}

func TestLinksWrongUsage(t *testing.T) {
	d := looked(t)
	for _, tc := range []struct{ name, args, says string }{
		{"unknown ref", "links show INV-404", "no link has"},
		{"other connection", "links show elsewhere:contact/c1", "no link has"},
		{"no ref", "links show", "accepts 1 arg"},
		{"unknown entity", "links list --entity payout", "use contact, invoice or payment"},
		{"unknown flag", "links list --everything", "unknown flag"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := d.ends(exitUsage, strings.Fields(tc.args)...); !strings.Contains(p.err, tc.says) {
				t.Errorf("got %q, want it to say %q", p.err, tc.says)
			}
		})
	}
}
