package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// southRecipe is the pair for a second office, with connections of its own.
const southRecipe = `recipe: south
extends: pair
connections:
  left: {connection: left-south}
  right: {connection: right-south}
params:
  region: {default: south}
`

// tallyRecipe goes on with the pair's state and has a flow more.
const tallyRecipe = `recipe: tally
extends: pair
continues: true
flows:
  tallies:
    from: left.contact
    to: right.contact
    hold:
      - {when: "contact.name == 'Cy'", because: it is to be counted, remedy: count it}
    skip:
      - {when: "contact.name != 'Cy'", because: nothing to count}
    map: {name: contact.name}
`

// south opens the second office: two more connections, each with its folder.
func (d *desk) south() (left, right string) {
	d.t.Helper()
	d.write(d.books, "south.yaml", southRecipe)
	left, right = filepath.Join(d.dir, "left-south"), filepath.Join(d.dir, "right-south")
	for _, folder := range []string{left, right} {
		d.must(os.Mkdir(folder, 0o700))
	}
	d.ends(exitDone, "connections", "add", "left-south", "--connector", "left", "--set", "folder="+left)
	d.ends(exitDone, "connections", "add", "right-south", "--connector", "right", "--set", "folder="+right)
	return left, right
}

func TestTwoPairsInOnePassDoNotCross(t *testing.T) {
	t.Parallel()
	d := worked(t)
	left, right := d.south()
	d.write(left, "c1"+contactSuffix, "Zoe")                                             // the id of another contact in the first office
	d.ends(exitPerson, "sync", "--recipe", "pair,south", "--param", "pair/region=north") // Bob still needs one
	for folder, want := range map[string]string{d.right: "r-ada.contact", right: "r-zoe.contact"} {
		files, err := filepath.Glob(filepath.Join(folder, "*"+contactSuffix))
		d.must(err)
		var got []string
		for _, f := range files {
			got = append(got, filepath.Base(f))
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%s has %s, want %s", folder, joined, want)
		}
	}
	links := decode[[]flow.Link](t, d.ends(exitDone, "links", "list", "--json"))
	got := map[string]string{}
	for _, l := range links {
		got[l.Recipe+" "+l.From] = l.To
	}
	want := map[string]string{"pair left:contact/c1": "right:contact/r-ada", "south left-south:contact/c1": "right-south:contact/r-zoe"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func TestChoicesForOneOfSeveralRecipes(t *testing.T) {
	t.Parallel()
	d := worked(t)
	d.south()
	d.write(d.books, "tally.yaml", tallyRecipe)
	both := []string{"sync", "--recipe", "pair,south", "--dry-run"}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"a recipe that is not selected", []string{"--param", "east/region=x", "--param", "region=x"}, `--param east/…: no selected recipe is called "east"`},
		{"a parameter that the one has not", []string{"--param", "region=x", "--param", "south/size=1"}, `--param south/size: recipe south has no parameter "size"`},
		{"a parameter that none has", []string{"--param", "region=x", "--param", "size=1"}, `no selected recipe has a parameter "size"`},
		{"a connection that none has", []string{"--param", "region=x", "--connection", "middle=m"}, `no selected recipe has a connection "middle"`},
		{"a connection that the one has not", []string{"--param", "region=x", "--connection", "south/middle=m"}, `recipe south has no connection "middle"`},
		{"one connection for two pairs", []string{"--param", "region=x", "--connection", "left=left-south"}, "recipes pair and south have a connection left each; say which one is meant: --connection pair/left=left-south"},
		{"the required one of the other", []string{"--param", "south/region=x"}, "region"},
		{"no name", []string{"--param", "south/=x"}, "use NAME=VALUE"},
		{"no recipe", []string{"--param", "/region=x"}, "use NAME=VALUE"},
		{"the same connections", []string{"--param", "region=x", "--connection", "south/left=left", "--connection", "south/right=right"}, "recipes pair and south both have flow contacts from left to right: every record would be carried twice"},
		{"a connection that is not there", []string{"--param", "region=x", "--connection", "south/left=nowhere"}, "nowhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p := d.ends(exitUsage, append(both, tt.args...)...); !strings.Contains(p.err, tt.want) {
				t.Errorf("got %q, want %q", p.err, tt.want)
			}
		})
	}
	for name, want := range map[string]string{"pair,tally": "recipes pair and tally share the links, cursors and work of pair", "pair,pair": "selected twice"} {
		if p := d.ends(exitUsage, "sync", "--recipe", name, "--param", "region=x"); !strings.Contains(p.err, want) {
			t.Errorf("%s: %q", name, p.err)
		}
	}
	// The same binding for both is no question, and what is said for one goes first.
	d.ends(exitDone, append(both, "--param", "region=x", "--connection", "right=right", "--connection", "south/right=right-south")...)
}

func TestOneAssignmentGoesBeforeTheOtherAndNoneIsLost(t *testing.T) {
	a, err := assigned("--param", "parameter", []string{"x=every", "one/x=only", "y=a=b"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ rec, name, want string }{{"one", "x", "only"}, {"two", "x", "every"}, {"two", "y", "a=b"}, {"two", "z", ""}} {
		if got, ok := a.take(tt.rec, tt.name); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s/%s: %q, %t", tt.rec, tt.name, got, ok)
		}
	}
	if err := a.idle([]*recipe.Recipe{{Name: "one"}, {Name: "two"}}); err != nil {
		t.Errorf("all are taken: %v", err)
	}
}

// What a person decided stays in force under the recipe that goes on.
func TestLinksBelongToTheStateOfARecipe(t *testing.T) {
	t.Parallel()
	d := worked(t)
	d.write(d.books, "tally.yaml", tallyRecipe)
	d.write(d.right, "r-bea"+contactSuffix, "Bea")
	d.ends(exitDone, "links", "add", "left:contact/c2", "right:contact/r-bea", "--recipe", "tally")
	for _, l := range decode[[]flow.Link](t, d.ends(exitDone, "links", "list", "--json")) {
		if l.Recipe != "pair" {
			t.Errorf("%s = %s is of recipe %s", l.From, l.To, l.Recipe)
		}
	}
	if p := d.ends(exitUsage, "links", "end", "left:contact/c2", "--recipe", "nowhere"); !strings.Contains(p.err, "recipes list") {
		t.Errorf("got %q", p.err)
	}
	d.ends(exitDone, "links", "end", "left:contact/c2", "--recipe", "tally")
}

// I7: an entry of a flow that only the other recipe has names that recipe.
func TestReplayNamesTheRecipeThatHasTheFlow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write(d.books, "tally.yaml", tallyRecipe)
	d.write(d.left, "c1"+contactSuffix, "Cy")
	d.ends(exitDone, "connections", "add", "left", "--set", "folder="+d.left)
	d.ends(exitDone, "connections", "add", "right", "--set", "folder="+d.right)
	d.ends(exitPerson, "sync", "--recipe", "tally", "--param", "region=north")
	id := d.failed()
	d.ends(exitPerson, "sync", "--recipe", "pair", "--param", "region=north")
	if d.failed() != id {
		t.Error("the entry is gone")
	}
	if p := d.ends(exitDone, "failures", "show", id); !strings.Contains(p.out, "add --recipe tally and its --param") {
		t.Errorf("got %q", p.out)
	}
	for _, args := range [][]string{{"replay", id}, {"replay", id, "--preview"}} {
		if p := d.ends(exitUsage, args...); !strings.Contains(p.err, "--recipe tally") {
			t.Errorf("%v: %q", args, p.err)
		}
		if p := d.ends(exitUsage, append(args, pairFlags...)...); !strings.Contains(p.err, "entry "+id+" is of flow tallies of recipe tally: name it with --recipe") {
			t.Errorf("%v: %q", args, p.err)
		}
	}
	d.ends(exitPerson, "replay", id, "--recipe", "tally", "--param", "region=north")
	d.hold()
	if p := d.ends(exitDone, "replay", id); !strings.Contains(p.err, "entry "+id+" is of flow tallies: it needs a person again unless the running service has recipe tally") {
		t.Errorf("got %q", p.err)
	}
}

func TestRecipesListSaysWhatARecipeStandsOn(t *testing.T) {
	d := newDesk(t)
	d.write(d.books, "south.yaml", southRecipe)
	d.write(d.books, "tally.yaml", tallyRecipe)
	got := decode[[]recipeReport](t, d.ends(exitDone, "recipes", "list", "--json"))
	if len(got) != 3 || got[1].Extends != "pair" || got[1].Continues != "" || got[1].Bound["left"] != "left-south" ||
		got[2].Extends != "pair" || got[2].Continues != "pair" || got[2].Bound != nil {
		t.Errorf("got %+v", got)
	}
	p := d.ends(exitDone, "recipes", "list")
	for _, text := range []string{"  extends: pair\n", "left (connector left, connection left-south)", "  extends: pair, and goes on with its links, cursors and work\n"} {
		if !strings.Contains(p.out, text) {
			t.Errorf("list does not say %q:\n%s", text, p.out)
		}
	}
	// Mistakes and cases are those of the file itself; the base may be built in.
	file := d.write(d.dir, "mine.yaml", "recipe: mine\nextends: xero-stripe\nparams: {clearing_account: {default: \"610\"}}\n")
	d.ends(exitDone, "recipes", "validate", file)
	if p := d.ends(exitDone, "recipes", "test", file); !strings.Contains(p.err, "no test cases") {
		t.Errorf("got %q", p.err)
	}
	d.write(d.dir, "mine.yaml", "recipe: mine\nextends: xero-strip\n")
	if p := d.ends(exitUsage, "recipes", "validate", file); !strings.Contains(p.err, file+":2:10: there is no recipe 'xero-strip' to extend: there is 'xero-stripe'") {
		t.Errorf("got %q", p.err)
	}
}
