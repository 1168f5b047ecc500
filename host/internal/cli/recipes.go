package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/recipe"
	"github.com/ml-connector/ml-connector/recipes"
)

// recipeExt is what the names of recipe files end in.
const recipeExt = ".yaml"

func (c *command) recipesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recipes",
		Short: "List, validate and test recipes",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:     "list",
			Short:   "List the recipes in --recipes with their parameters; without that folder, the built-in ones",
			Example: "  ml-connector recipes list\n  ml-connector recipes list --recipes /etc/ml-connector/recipes",
			Args:    cobra.NoArgs,
			RunE:    func(*cobra.Command, []string) error { return c.listRecipes() },
		},
		&cobra.Command{
			Use:   "validate FILE…",
			Short: "Report every mistake in recipe files",
			Long: `Check recipe files and report every mistake on standard error, one to a line, as
file:line:column: message. It exits 2 when there is one.`,
			Example: "  ml-connector recipes validate recipes/*.yaml",
			Args:    cobra.MinimumNArgs(1),
			RunE:    func(_ *cobra.Command, files []string) error { return c.validateRecipes(files) },
		},
		&cobra.Command{
			Use:   "test FILE…",
			Short: "Run the test cases that recipe files hold",
			Long: `Run the test cases in recipe files: what each record should become. No connection
is needed. What a recipe extends has cases of its own, which run with its own file.
It exits 1 when a case fails.`,
			Example: "  ml-connector recipes test recipes/xero-stripe.yaml",
			Args:    cobra.MinimumNArgs(1),
			RunE:    func(_ *cobra.Command, files []string) error { return c.testRecipes(files) },
		},
		&cobra.Command{
			Use:     "schema",
			Short:   "Print the JSON Schema of recipe files, for editors",
			Example: "  ml-connector recipes schema > recipe.schema.json",
			Args:    cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				_, err := c.Out.Write(recipe.Schema())
				return err
			},
		})
	return cmd
}

// recipeReport is a recipe as a list shows it.
type recipeReport struct {
	Name        string            `json:"name"` // as --recipe takes it
	File        string            `json:"file"`
	BuiltIn     bool              `json:"built_in,omitempty"` // it comes with the program
	Description string            `json:"description"`
	Extends     string            `json:"extends,omitempty"`   // the recipe below it
	Continues   string            `json:"continues,omitempty"` // the recipe whose links, cursors and work it goes on with
	Connections map[string]string `json:"connections"`         // the recipe's names to connectors
	Bound       map[string]string `json:"bound,omitempty"`     // the recipe's names to connections, where it says which
	Params      []paramReport     `json:"params"`
}

type paramReport struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Default  string   `json:"default,omitempty"`
	OneOf    []string `json:"one_of,omitempty"`
	Help     string   `json:"help,omitempty"`
}

func reportRecipe(file string, r *recipe.Recipe) recipeReport {
	out := recipeReport{
		Name: strings.TrimSuffix(filepath.Base(file), recipeExt), File: file, Description: r.Description,
		Extends: r.Extends, Connections: map[string]string{}, Bound: map[string]string{}, Params: []paramReport{},
	}
	if r.State != r.Name {
		out.Continues = r.State
	}
	for name, decl := range r.Connections {
		out.Connections[name] = decl.Connector
		if decl.Connection != "" {
			out.Bound[name] = decl.Connection
		}
	}
	for _, p := range r.Params {
		out.Params = append(out.Params, paramReport{p.Name, p.Type, p.Required, p.Default, p.OneOf, p.Help})
	}
	return out
}

// listRecipes lists what is right, and then reports what is wrong. When nobody
// named a folder and there is none, the recipes are those of the program.
func (c *command) listRecipes() error {
	entries, err := os.ReadDir(c.set.recipes)
	missing := errors.Is(err, fs.ErrNotExist)
	if missing && c.set.recipes == recipesDefault {
		return c.listBuiltIn()
	}
	if missing {
		return usagef("recipes folder: %w (see --recipes)", err)
	}
	if err != nil {
		return fmt.Errorf("recipes folder: %w", err)
	}
	reports := []recipeReport{}
	var mistakes recipe.Diagnostics
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != recipeExt {
			continue
		}
		file := filepath.Join(c.set.recipes, e.Name())
		rec, err := c.set.library().LoadFile(file)
		var wrong recipe.Diagnostics
		if errors.As(err, &wrong) {
			mistakes = append(mistakes, wrong...)
			continue
		}
		if err != nil {
			return err
		}
		reports = append(reports, reportRecipe(file, rec))
	}
	if err := c.printRecipes(reports); err != nil {
		return err
	}
	if len(mistakes) > 0 {
		return mistakes
	}
	return nil
}

// listBuiltIn lists the recipes that the program comes with.
func (c *command) listBuiltIn() error {
	entries, err := recipes.FS.ReadDir(".")
	if err != nil {
		return fmt.Errorf("built-in recipes: %w", err)
	}
	reports := make([]recipeReport, 0, len(entries))
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), recipeExt)
		rec, err := loadRecipe(c.set.library(), name)
		if err != nil {
			return err
		}
		report := reportRecipe("built-in "+e.Name(), rec)
		report.Name, report.BuiltIn = name, true
		reports = append(reports, report)
	}
	return c.printRecipes(reports)
}

func (c *command) printRecipes(all []recipeReport) error {
	if c.set.json {
		return c.printJSON(all)
	}
	if len(all) == 0 {
		c.say("no recipes in %s", c.set.recipes)
	}
	for i, r := range all {
		if i > 0 {
			c.printf("\n")
		}
		var conns []string
		for _, name := range slices.Sorted(maps.Keys(r.Connections)) {
			which := "connector " + r.Connections[name]
			if r.Bound[name] != "" {
				which += ", connection " + r.Bound[name]
			}
			conns = append(conns, fmt.Sprintf("%s (%s)", name, which))
		}
		c.printf("%s: %s\n", r.title(), oneLine(r.Description))
		if r.Extends != "" {
			c.printf("  extends: %s\n", r.below())
		}
		c.printf("  connections: %s\n", strings.Join(conns, ", "))
		if len(r.Params) == 0 {
			continue
		}
		t := c.table("  PARAMETER", "TYPE", "DEFAULT", "MEANING")
		for _, p := range r.Params {
			t.row("  "+p.Name, p.kind(), p.preset(), oneLine(p.Help))
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	return nil
}

// title is the name as --recipe takes it, and where it is.
func (r recipeReport) title() string {
	if r.BuiltIn {
		return r.Name + " (built-in)"
	}
	return r.Name
}

// below says what the recipe stands on.
func (r recipeReport) below() string {
	switch r.Continues {
	case "":
		return r.Extends
	case r.Extends:
		return r.Extends + ", and goes on with its links, cursors and work"
	}
	return r.Extends + ", and goes on with the links, cursors and work of " + r.Continues
}

func (p paramReport) kind() string {
	if len(p.OneOf) > 0 {
		return strings.Join(p.OneOf, "|")
	}
	return p.Type
}

func (p paramReport) preset() string {
	switch {
	case p.Required:
		return "(required)"
	case p.Default == "":
		return "-"
	}
	return p.Default
}

// fileReport is what validating a file found.
type fileReport struct {
	File     string          `json:"file"`
	Recipe   string          `json:"recipe,omitempty"` // empty when there are mistakes
	Mistakes []mistakeReport `json:"mistakes"`
}

type mistakeReport struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (c *command) validateRecipes(files []string) error {
	reports := []fileReport{}
	var mistakes recipe.Diagnostics
	unread := 0
	for _, file := range files {
		report := fileReport{File: file, Mistakes: []mistakeReport{}}
		rec, err := c.set.library().LoadFile(file)
		var wrong recipe.Diagnostics
		switch {
		case errors.As(err, &wrong):
			mistakes = append(mistakes, wrong...)
			for _, d := range wrong {
				report.Mistakes = append(report.Mistakes, mistakeReport{d.Line, d.Column, d.Path, d.Message, d.Hint})
			}
		case err != nil:
			c.say("error: %s", err)
			unread++
			continue
		default:
			report.Recipe = rec.Name
			if !c.set.json {
				c.printf("%s: ok\n", file)
			}
		}
		reports = append(reports, report)
	}
	if c.set.json {
		if err := c.printJSON(reports); err != nil {
			return err
		}
	}
	switch {
	case len(mistakes) > 0:
		return mistakes
	case unread > 0:
		return usagef("%s not be read", counted(unread, "file could", "files could"))
	}
	return nil
}

// caseReport is what came of one test case.
type caseReport struct {
	File   string `json:"file"`
	Case   string `json:"case"`
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"`
}

func (c *command) testRecipes(files []string) error {
	reports := []caseReport{}
	failed := 0
	for _, file := range files {
		rec, err := c.set.library().LoadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		results := rec.Test()
		if len(results) == 0 {
			c.say("%s: no test cases", file)
		}
		for _, res := range results {
			report := caseReport{File: file, Case: res.Name, OK: res.Err == nil}
			if res.Err != nil {
				failed++
				report.Reason = res.Err.Error()
			}
			reports = append(reports, report)
		}
	}
	if err := c.printCases(reports, failed); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%s failed", counted(failed, "test case", "test cases"))
	}
	return nil
}

func (c *command) printCases(all []caseReport, failed int) error {
	if c.set.json {
		return c.printJSON(all)
	}
	for _, r := range all {
		if r.OK {
			c.printf("ok    %s\n", r.Case)
			continue
		}
		c.printf("FAIL  %s\n      %s\n", r.Case, strings.ReplaceAll(r.Reason, "\n", "\n      "))
	}
	c.printf("%s, %d ok, %d failed\n", counted(len(all), "case", "cases"), len(all)-failed, failed)
	return nil
}
