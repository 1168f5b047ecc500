package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
)

const baseRecipe = `recipe: base
description: Customers of the shop.
connections:
  books: {connector: xero}
  shop: {connector: stripe}
params:
  country: {type: string, required: true, one_of: [NZ, AU], help: which}
  tone: {type: string, default: kind}
checks:
  - {connection: books, posting_account: params.tone}
retry: {attempts: 5, first: 2s}
poll: 90s
flows:
  out:
    from: books.contact
    to: shop.contact
    skip:
      - {when: "contact.email == ''", because: no e-mail address}
    map:
      name: contact.name
      email: contact.email + params.tone
tests:
  - name: of the base
    flow: out
    record: {id: "1", contact: {name: Ada, email: a@example.com}}
    want: {contact: {name: Ada}}
`

// shelfOf is a library of built-in recipes, in pairs of name and text.
func shelfOf(t testing.TB, pairs ...string) Library {
	t.Helper()
	files := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		files[pairs[i]+fileExt] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return Library{BuiltIn: files}
}

func TestExtendingJoinsMappingsAndReplacesTheRest(t *testing.T) {
	lib := shelfOf(t, "base", baseRecipe, "more", `recipe: more
extends: base
connections:
  books: {connection: books-nz}
params:
  country: {default: NZ}
  tone: {required: true}
  size: {type: int, default: 3}
checks:
  - {connection: shop, posting_account: params.country}
retry: {attempts: 2}
flows:
  out:
    skip:
      - {when: "contact.name == ''", because: no name}
    map:
      email: contact.email
      phone: contact.phone
  back:
    from: shop.contact
    to: books.contact
    map: {name: contact.name}
tests:
  - name: of its own
    flow: out
    params: {tone: x}
    record: {id: "1", contact: {name: Ada, phone: "1"}}
    want: {contact: {name: Ada, phone: "1", email: null}}
`)
	r, err := lib.Load("more")
	if err != nil {
		t.Fatal(err)
	}
	got := struct {
		Name, Extends, State, Description string
		Connections                       map[string]ConnectionDecl
		Params                            []Param
		Retry                             Retry
		Flows                             []string
	}{r.Name, r.Extends, r.State, r.Description, r.Connections, r.Params, r.Retry, nil}
	for _, f := range r.Flows {
		got.Flows = append(got.Flows, f.Name)
	}
	want := got
	want.Name, want.Extends, want.State, want.Description = "more", "base", "more", "Customers of the shop."
	want.Connections = map[string]ConnectionDecl{"books": {Connector: "xero", Connection: "books-nz"}, "shop": {Connector: "stripe"}}
	want.Params = []Param{
		{Name: "country", Type: "string", Default: "NZ", OneOf: []string{"NZ", "AU"}, Help: "which"},
		{Name: "tone", Type: "string", Required: true},
		{Name: "size", Type: "int", Default: "3"},
	}
	want.Retry.Attempts, want.Retry.First = 2, 2e9
	want.Flows = []string{"out", "back"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Checks) != 2 || r.Checks[0].Connection != "books" || r.Checks[1].Connection != "shop" {
		t.Errorf("checks are not added: %+v", r.Checks)
	}
	cases := r.Test()
	if len(cases) != 1 || cases[0].Name != "of its own" || cases[0].Err != nil {
		t.Errorf("its own test cases: %+v", cases)
	}
	params, err := r.Bind(map[string]string{"tone": "x"}, connector.Date{})
	if err != nil {
		t.Fatal(err)
	}
	// Its list of skip rules takes the place of the base's.
	d, err := r.Flow("out").Evaluate(Input{Params: params, Record: connector.Record{Entity: connector.EntityContact, ID: "1",
		Contact: &connector.Contact{Name: "Ada"}}})
	if err != nil || d.Want == nil {
		t.Errorf("a rule of the base still holds: %+v, %v", d, err)
	}
}

func TestStateIsThatOfTheRecipeThatIsContinued(t *testing.T) {
	lib := shelfOf(t, "base", baseRecipe,
		"own", "recipe: own\nextends: base\n",
		"on", "recipe: on\nextends: base\ncontinues: true\n",
		"further", "recipe: further\nextends: on\ncontinues: true\n",
		"branch", "recipe: branch\nextends: on\n",
		"twig", "recipe: twig\nextends: own\ncontinues: true\n",
		"no", "recipe: 'no'\nextends: base\ncontinues: false\n")
	for name, want := range map[string]string{
		"base": "base", "own": "own", "on": "base", "further": "base", "branch": "branch", "twig": "own", "no": "no",
	} {
		r, err := lib.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if r.State != want || r.Name != name {
			t.Errorf("%s: named %s with state %s, want state %s", name, r.Name, r.State, want)
		}
		if ran := len(r.Test()); ran != 0 && name != "base" {
			t.Errorf("%s: %d test cases of another recipe", name, ran)
		}
	}
}

func TestMistakesOfExtendingRecipesNameTheirPlaces(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no such base", "recipe: x\nextends: bsae\n", "built-in x.yaml:2:10: there is no recipe 'bsae' to extend: there is 'base', 'loop', 'pool', 'tower' and 'wrong' (did you mean 'base'?)"},
		{"no file outside", "recipe: x\nextends: ../base\n", "built-in x.yaml:2:10: '../base' is not a name (lower-case letters, digits and dashes, beginning with a letter)"},
		{"itself", "recipe: x\nextends: x\n", "built-in x.yaml:2:10: recipes extend each other: built-in x.yaml -> built-in x.yaml"},
		{"in a circle", "recipe: x\nextends: loop\n", "built-in x.yaml:2:10: as extended here, built-in pool.yaml:2:10: recipes extend each other: built-in x.yaml -> built-in loop.yaml -> built-in pool.yaml -> built-in loop.yaml"},
		{"no name", "extends: base\n", "built-in x.yaml:1:1: a recipe needs 'recipe'"},
		{"the same name", "recipe: base\nextends: base\n", "built-in x.yaml:1:9: 'base' is the name of the recipe that this one extends: it needs one of its own"},
		{"a name from further below", "recipe: base\nextends: tower\n", "built-in x.yaml:1:9: 'base' is the name of the recipe that this one extends: it needs one of its own"},
		{"continues nothing", "recipe: x\ncontinues: true\n" + strings.TrimPrefix(baseRecipe, "recipe: base\n"), "built-in x.yaml:2:12: a recipe goes on with the state of one that it extends (write extends: NAME)"},
		{"own mistake", "recipe: x\nextends: base\nflows:\n  out:\n    map:\n      name: contact.nmae\n", "built-in x.yaml:6:20: contact has no field 'nmae' (did you mean 'name'?)"},
		{"own key", "recipe: x\nextends: base\nretry: {attempt: 3}\n", "built-in x.yaml:3:9: unknown key 'attempt' in retry (did you mean 'attempts'?)"},
		{"an incomplete flow", "recipe: x\nextends: base\nflows:\n  back: {from: shop.contact}\n", "built-in x.yaml:4:9: a flow needs 'to' and 'map'"},
		{"a base expression that no longer fits", "recipe: x\nextends: base\nparams:\n  tone: {type: int, default: 5}\n",
			"built-in x.yaml:2:10: as extended here, built-in base.yaml:10:42: this is int; expected string\n" +
				"built-in x.yaml:2:10: as extended here, built-in base.yaml:21:28: '+' does not apply to (string, int)"},
		{"a mapping replaced by text", "recipe: x\nextends: base\nflows: none\n", "built-in x.yaml:3:8: a recipe needs a flow\nbuilt-in x.yaml:3:8: expected a mapping, found text"},
		{"a mistake of the base", "recipe: x\nextends: wrong\n", "built-in x.yaml:2:10: as extended here, built-in wrong.yaml:3:1: unknown key 'plol' in a recipe (did you mean 'poll'?)"},
		{"a test of the base's flow", "recipe: x\nextends: base\ntests:\n  - {name: n, flow: uot, enabled: true}\n", "built-in x.yaml:4:21: unknown flow 'uot'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lib := shelfOf(t, "base", baseRecipe, "x", tt.text, "wrong", "recipe: wrong\nextends: base\nplol: 3s\n",
				"tower", "recipe: tower\nextends: base\n", "loop", "recipe: loop\nextends: pool\n", "pool", "recipe: pool\nextends: loop\n")
			_, err := lib.Load("x")
			var diags Diagnostics
			if !errors.As(err, &diags) {
				t.Fatalf("got %v, want diagnostics", err)
			}
			if got := diags.Error(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestTooManyLayersAreRefused(t *testing.T) {
	pairs := []string{"r0", strings.Replace(baseRecipe, "recipe: base", "recipe: r0", 1)}
	for i := 1; i <= layersMax; i++ {
		name, below := "r"+string(rune('0'+i)), "r"+string(rune('0'+i-1))
		pairs = append(pairs, name, "recipe: "+name+"\nextends: "+below+"\n")
	}
	lib := shelfOf(t, pairs...)
	if _, err := lib.Load("r7"); err != nil {
		t.Errorf("%d layers: %v", layersMax, err)
	}
	if _, err := lib.Load("r8"); err == nil || !strings.Contains(err.Error(), "more than 8 recipes") {
		t.Errorf("got %v, want it refused", err)
	}
}

// A name means the same wherever it is said: the folder's recipe, else the
// program's.
func TestLibraryPrefersTheFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name+fileExt)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lib := shelfOf(t, "base", baseRecipe, "more", "recipe: more\nextends: base\n")
	lib.Dir = dir
	poll := func(r *Recipe, err error) string {
		if err != nil {
			return err.Error()
		}
		return r.Poll.String()
	}
	path := write("mine", "recipe: mine\nextends: more\n")
	if got := poll(lib.Load("mine")); got != "1m30s" {
		t.Errorf("on top of the built-in ones: %s", got)
	}
	write("base", strings.Replace(baseRecipe, "90s", "30s", 1))
	for _, got := range []string{poll(lib.Load("mine")), poll(lib.Load("more")), poll(Library{BuiltIn: lib.BuiltIn}.LoadFile(path))} {
		if got != "30s" {
			t.Errorf("with a base in the folder: %s", got)
		}
	}
	if got := poll(Load(path)); !strings.Contains(got, "there is no recipe 'more' to extend: there is 'base'") {
		t.Errorf("without built-in ones: %s", got)
	}
	if diff := cmp.Diff([]string{"base", "mine", "more"}, lib.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if _, err := lib.Load("nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	// A file in the folder that extends a built-in one of its name is a circle of
	// one: it would hide what it stands on.
	write("more", "recipe: mine2\nextends: more\n")
	if got := poll(lib.Load("more")); !strings.Contains(got, "recipes extend each other: more.yaml -> more.yaml") {
		t.Errorf("got %s", got)
	}
}

func TestSchemaOfExtendingRecipes(t *testing.T) {
	schema := decodeJSON(t, Schema()).(map[string]any)
	v := validator{defs: schema["$defs"].(map[string]any)}
	for _, tt := range []struct{ name, text, want string }{
		{"only what differs", "recipe: x\nextends: base\ncontinues: true\nconnections: {books: {connection: b}}\nparams: {country: {default: NZ}}\nretry: {attempts: 2}\nflows: {out: {map: {name: contact.id}}}\n", ""},
		{"no name", "extends: base\n", "no recipe"},
		{"unknown key of a flow", "recipe: x\nextends: base\nflows: {out: {mpa: {name: contact.id}}}\n", "unknown key mpa"},
		{"an incomplete rule", "recipe: x\nextends: base\nflows: {out: {skip: [{when: linked}]}}\n", "no because"},
		{"an incomplete recipe that extends none", "recipe: x\nflows: {out: {map: {name: contact.id}}}\n", "no connections"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			problems := strings.Join(v.check("recipe", asJSON(t, []byte(tt.text)), schema), "\n")
			if tt.want == "" && problems != "" || !strings.Contains(problems, tt.want) {
				t.Errorf("got %q, want %q", problems, tt.want)
			}
		})
	}
}
