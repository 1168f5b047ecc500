package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const wrongRecipe = `recipe: wrong
description: Two mistakes.
connections:
  left: {connector: left}
  right: {connector: right}
flows:
  contacts:
    from: left.contact
    to: right.contact
    map:
      name: contact.nmae
      email: contact.name + 1
`

func TestRecipesList(t *testing.T) {
	d := newDesk(t)
	got := decode[[]recipeReport](t, d.ends(exitDone, "recipes", "list", "--json"))
	want := []recipeReport{{
		Name: "pair", File: filepath.Join(d.books, "pair.yaml"), Description: "Contacts on the left are contacts on the right.",
		Connections: map[string]string{"left": "left", "right": "right"},
		Params: []paramReport{
			{Name: "region", Type: "string", Required: true, Help: "where we are"},
			{Name: "tone", Type: "string", Default: "kind", OneOf: []string{"kind", "stern"}, Help: "how we speak"},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	p := d.ends(exitDone, "recipes", "list")
	for _, text := range []string{"pair: Contacts on the left", "left (connector left), right (connector right)", "(required)", "kind|stern"} {
		if !strings.Contains(p.out, text) {
			t.Errorf("list does not say %q:\n%s", text, p.out)
		}
	}

	// A wrong recipe does not hide the right ones.
	wrong := d.write(d.books, "wrong.yaml", wrongRecipe)
	p = d.ends(exitUsage, "recipes", "list", "--json")
	if diff := cmp.Diff(want, decode[[]recipeReport](t, p)); diff != "" || !strings.Contains(p.err, wrong+":11:") {
		t.Errorf("(-want +got):\n%s\nstderr: %s", diff, p.err)
	}
	if p := d.ends(exitUsage, "recipes", "list", "--recipes", d.dir+"/nowhere"); !strings.Contains(p.err, "--recipes") {
		t.Errorf("no folder: %q", p.err)
	}
	if p := d.ends(exitDone, "recipes", "list", "--recipes", d.left, "--json"); p.out != "[]\n" {
		t.Errorf("no recipes in JSON: %q", p.out)
	}
}

// Without a folder there are the recipes that the program comes with.
func TestRecipesListBuiltIn(t *testing.T) {
	t.Chdir(t.TempDir())
	d := newDesk(t)
	p := d.ends(exitDone, "recipes", "list", "--recipes", recipesDefault)
	for _, text := range []string{"xero-stripe (built-in): ", "xero (connector xero)", "clearing_account"} {
		if !strings.Contains(p.out, text) {
			t.Errorf("list does not say %q:\n%s", text, p.out)
		}
	}
	got := decode[[]recipeReport](t, d.ends(exitDone, "recipes", "list", "--recipes", recipesDefault, "--json"))
	var plain, clearing recipeReport
	for _, r := range got {
		switch r.Name {
		case "xero-stripe":
			plain = r
		case "xero-stripe-clearing":
			clearing = r
		}
	}
	if !plain.BuiltIn || plain.File != "built-in xero-stripe.yaml" || plain.Extends != "" {
		t.Errorf("got %+v", plain)
	}
	if clearing.Extends != "xero-stripe" || clearing.Continues != "xero-stripe" {
		t.Errorf("got %+v", clearing)
	}
	// A folder counts, even when it is empty.
	d.must(os.Mkdir(recipesDefault, 0o700))
	if p := d.ends(exitDone, "recipes", "list", "--recipes", recipesDefault); p.out != "" {
		t.Errorf("an empty folder: %q", p.out)
	}
}

func TestRecipesValidateReportsEveryMistakeOfEveryFile(t *testing.T) {
	d := newDesk(t)
	right, wrong := filepath.Join(d.books, "pair.yaml"), d.write(d.dir, "wrong.yaml", wrongRecipe)
	if p := d.ends(exitDone, "recipes", "validate", right); p.out != right+": ok\n" || p.err != "" {
		t.Errorf("right: %q, %q", p.out, p.err)
	}
	p := d.ends(exitUsage, "recipes", "validate", wrong, right)
	lines := strings.Split(strings.TrimRight(p.err, "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], wrong+":11:") || !strings.HasPrefix(lines[1], wrong+":12:") || p.out != right+": ok\n" {
		t.Errorf("got %q, %q", p.out, p.err)
	}
	reports := decode[[]fileReport](t, d.ends(exitUsage, "recipes", "validate", right, wrong, "--json"))
	want := []fileReport{{File: right, Recipe: "pair", Mistakes: []mistakeReport{}}, {File: wrong, Mistakes: reports[1].Mistakes}}
	if diff := cmp.Diff(want, reports); diff != "" || len(reports[1].Mistakes) != 2 || reports[1].Mistakes[0].Line != 11 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p := d.ends(exitUsage, "recipes", "validate", d.dir+"/none.yaml", right); p.out != right+": ok\n" || !strings.Contains(p.err, "1 file could not be read") {
		t.Errorf("missing file: %q, %q", p.out, p.err)
	}
	d.ends(exitUsage, "recipes", "validate")
}

func TestRecipesTest(t *testing.T) {
	d := newDesk(t)
	right := filepath.Join(d.books, "pair.yaml")
	if p := d.ends(exitDone, "recipes", "test", right); p.out != "ok    a contact is carried over\n1 case, 1 ok, 0 failed\n" {
		t.Errorf("got %q", p.out)
	}
	failing := d.write(d.dir, "pair.yaml", strings.ReplaceAll(pairRecipe, "{name: Ada}\n", "{name: Eve}\n"))
	p := d.ends(exitFailed, "recipes", "test", failing)
	if !strings.Contains(p.out, "FAIL  a contact is carried over\n      contact.name: got Ada, want Eve") || !strings.Contains(p.err, "1 test case failed") {
		t.Errorf("got %q, %q", p.out, p.err)
	}
	got := decode[[]caseReport](t, d.ends(exitFailed, "recipes", "test", right, failing, "--json"))
	want := []caseReport{
		{File: right, Case: "a contact is carried over", OK: true},
		{File: failing, Case: "a contact is carried over", Reason: "contact.name: got Ada, want Eve"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.ends(exitUsage, "recipes", "test")
	d.ends(exitUsage, "recipes", "test", d.dir+"/none.yaml")
	d.ends(exitUsage, "recipes", "test", d.write(d.dir, "wrong.yaml", wrongRecipe))
}

func TestRecipesSchemaIsJSON(t *testing.T) {
	d := newDesk(t)
	if got := decode[map[string]any](t, d.ends(exitDone, "recipes", "schema")); got["title"] != "ml-connector recipe" {
		t.Errorf("title %v", got["title"])
	}
	d.ends(exitUsage, "recipes", "schema", "more")
}
