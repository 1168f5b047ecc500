package cli

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
	"github.com/ml-connector/ml-connector/recipes"
)

// choice is what a person says about recipes on the command line.
type choice struct {
	names  []string
	params []string
	binds  []string
}

// load reads the named recipes and binds their parameters and connections.
func (r *rooms) load(ctx context.Context, ch choice) ([]flow.Selection, error) {
	if len(ch.names) == 0 {
		return nil, usagef("say which recipe to run: --recipe NAME (see: ml-connector recipes list)")
	}
	params, err := assigned("--param", "parameter", ch.params)
	if err != nil {
		return nil, err
	}
	binds, err := assigned("--connection", "connection", ch.binds)
	if err != nil {
		return nil, err
	}
	var selected []*recipe.Recipe
	for _, name := range ch.names {
		rec, err := r.recipe(name)
		if err != nil {
			return nil, err
		}
		selected = append(selected, rec)
	}
	if err := errors.Join(oneState(selected), apart(selected, binds)); err != nil {
		return nil, usageError{err}
	}
	var out []flow.Selection
	for _, rec := range selected {
		sel, err := r.selection(ctx, rec, params, binds)
		if err != nil {
			return nil, err
		}
		out = append(out, sel)
	}
	if err := errors.Join(params.idle(selected), binds.idle(selected)); err != nil {
		return nil, usageError{err}
	}
	return out, carriedOnce(out)
}

// carriedOnce refuses two recipes with one flow between the same connections, as
// those have where one extends the other: both would carry every record.
func carriedOnce(all []flow.Selection) error {
	by := map[string]string{}
	for _, s := range all {
		for _, f := range s.Recipe.Flows {
			if on, err := f.Enabled(s.Params); err != nil || !on {
				continue // an error is reported where the engine is made
			}
			from, to := s.Connection(f.From), s.Connection(f.To)
			way := f.Name + " from " + from + " to " + to
			if other := by[way]; other != "" {
				return usagef("recipes %s and %s both have flow %s: every record would be carried twice; run one of them, or give one other connections (--connection %s/%s=NAME)",
					other, s.Recipe.Name, way, s.Recipe.Name, f.From.Connection)
			}
			by[way] = s.Recipe.Name
		}
	}
	return nil
}

func (r *rooms) selection(ctx context.Context, rec *recipe.Recipe, params, binds *assignments) (flow.Selection, error) {
	mine, bind := map[string]string{}, map[string]string{}
	for _, p := range rec.Params {
		if v, ok := params.take(rec.Name, p.Name); ok {
			mine[p.Name] = v
		}
	}
	for name, decl := range rec.Connections {
		if decl.Connection != "" {
			bind[name] = decl.Connection
		}
		if to, ok := binds.take(rec.Name, name); ok {
			bind[name] = to
		}
	}
	first, err := flow.FirstRun(ctx, r.db, rec.State, time.Now())
	if err != nil {
		return flow.Selection{}, err
	}
	bound, err := rec.Bind(mine, connector.DateOf(first))
	if err != nil {
		return flow.Selection{}, usageError{err}
	}
	return flow.Selection{Recipe: rec, Params: bound, Bind: bind, Since: pollFrom(bound, first)}, nil
}

// oneState refuses recipes that would work on the same links, cursors and work.
func oneState(selected []*recipe.Recipe) error {
	by := map[string]*recipe.Recipe{}
	for _, rec := range selected {
		switch other := by[rec.State]; {
		case other == nil:
			by[rec.State] = rec
		case other.Name == rec.Name:
			return usagef("recipe %s is selected twice", rec.Name)
		default:
			return usagef("recipes %s and %s share the links, cursors and work of %s: select one of them", other.Name, rec.Name, rec.State)
		}
	}
	return nil
}

// apart refuses a binding for several recipes that bind the connection each to
// its own: it would send the records of all to one account.
func apart(selected []*recipe.Recipe, binds *assignments) error {
	for _, name := range slices.Sorted(maps.Keys(binds.of[""])) {
		var recs, bound []string
		for _, rec := range selected {
			decl, has := rec.Connections[name]
			if _, own := binds.of[rec.Name][name]; has && !own {
				recs, bound = append(recs, rec.Name), append(bound, decl.Connection)
			}
		}
		slices.Sort(bound)
		if len(slices.Compact(bound)) > 1 {
			return usagef("--connection %s=%s: recipes %s have a connection %s each; say which one is meant: --connection %s/%s=%s",
				name, binds.of[""][name], strings.Join(recs, " and "), name, recs[0], name, binds.of[""][name])
		}
	}
	return nil
}

// pollFrom is where the first poll of a source starts: a day before the day of
// the parameter since, if the recipe has one, else before the first run. A time
// zone may put a record of that day onto the day before.
func pollFrom(p recipe.Params, first time.Time) time.Time {
	if text, ok := p.Text("since"); ok {
		if d, err := connector.ParseDate(text); err == nil {
			return d.AddDays(-1).In(time.UTC)
		}
	}
	return first.AddDate(0, 0, -1)
}

// assignments are the values of a flag that names what they are for: NAME=VALUE
// for every selected recipe that has such a name, RECIPE/NAME=VALUE for one.
type assignments struct {
	flag, what string
	of         map[string]map[string]string // by recipe, "" for every; then by name
	taken      map[string]map[string]bool
}

func assigned(flag, what string, in []string) (*assignments, error) {
	a := &assignments{flag: flag, what: what, of: map[string]map[string]string{}, taken: map[string]map[string]bool{}}
	for _, s := range in {
		name, value, ok := strings.Cut(s, "=")
		rec, rest, scoped := strings.Cut(name, "/")
		if scoped {
			name = rest
		} else {
			rec = ""
		}
		if !ok || name == "" || scoped && rec == "" {
			return nil, usagef("%s %q: use NAME=VALUE, or RECIPE/NAME=VALUE for one of several recipes", flag, s)
		}
		if a.of[rec] == nil {
			a.of[rec], a.taken[rec] = map[string]string{}, map[string]bool{}
		}
		a.of[rec][name] = value
	}
	return a, nil
}

// take returns what is said for a recipe's name; what is said for this one recipe
// goes before what is said for every.
func (a *assignments) take(rec, name string) (value string, ok bool) {
	for _, scope := range []string{"", rec} {
		if v, said := a.of[scope][name]; said {
			value, ok = v, true
			a.taken[scope][name] = true
		}
	}
	return value, ok
}

// idle returns an error that names what was said and is for nobody.
func (a *assignments) idle(selected []*recipe.Recipe) error {
	for _, scope := range slices.Sorted(maps.Keys(a.of)) {
		if scope != "" && !slices.ContainsFunc(selected, func(r *recipe.Recipe) bool { return r.Name == scope }) {
			return usagef("%s %s/…: no selected recipe is called %q", a.flag, scope, scope)
		}
		for _, name := range slices.Sorted(maps.Keys(a.of[scope])) {
			switch {
			case a.taken[scope][name]:
			case scope == "":
				return usagef("%s %s: no selected recipe has a %s %q", a.flag, name, a.what, name)
			default:
				return usagef("%s %s/%s: recipe %s has no %s %q", a.flag, scope, name, scope, a.what, name)
			}
		}
	}
	return nil
}

// pairs reads the values of a flag as NAME=VALUE.
func pairs(flag string, in []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range in {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return nil, usagef("%s %q: use NAME=VALUE", flag, s)
		}
		out[k] = v
	}
	return out, nil
}

// library is where recipes are found: in --recipes, or built in.
func (s *settings) library() recipe.Library {
	return recipe.Library{Dir: s.recipes, BuiltIn: recipes.FS}
}

// recipe loads a recipe by its name, or by its file.
func (r *rooms) recipe(name string) (*recipe.Recipe, error) {
	return loadRecipe(r.set.library(), name)
}

// loadRecipe reads a recipe of the library. A name that looks like a path is a
// file.
func loadRecipe(lib recipe.Library, name string) (rec *recipe.Recipe, err error) {
	path := name
	if strings.ContainsAny(name, `/\`) || filepath.Ext(name) != "" {
		rec, err = lib.LoadFile(name)
	} else {
		path = filepath.Join(lib.Dir, name+recipeExt)
		rec, err = lib.Load(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("recipe %s: no file %s (see: ml-connector recipes list)", name, path)
	}
	return rec, err
}

// having lists the recipes that could work on an entry, and says whether there are
// others that go on with the same state and could not: they lack its flow.
func having(lib recipe.Library, w flow.Work) (with []string, others bool) {
	for _, name := range lib.Names() {
		rec, err := lib.Load(name)
		if err != nil || rec.State != w.Recipe { // a wrong recipe runs nothing
			continue
		}
		if rec.Flow(w.Flow) == nil {
			others = true
			continue
		}
		with = append(with, name)
	}
	return with, others
}
