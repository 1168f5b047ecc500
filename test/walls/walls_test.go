package walls

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// rules are all rules by name, with a small repository that breaks each once and
// a piece of the finding.
var rules = []struct {
	name  string
	check func(*repository) []string
	// breaking is broken in every file whose name has "bad" in it, and only there.
	breaking map[string]string
	want     []string
}{
	{
		name: "imports go downward", check: importsDownward,
		breaking: map[string]string{
			"money/bad.go":                      `package money; import _ "M/connector"`,
			"connector/bad.go":                  `package connector; import _ "M/connector/wire"`,
			"connector/wire/good.go":            `package wire; import (_ "M/proto/connector/v1"; _ "M/connector")`,
			"connector/connectortest/bad.go":    `package connectortest; import _ "M/proto/connector/v1"`,
			"connector/connectortest/good.go":   `package connectortest; import _ "M/connector/wire"`,
			"plugins/paper/good.go":             `package main; import (_ "M/connector/wire"; _ "M/plugins/paper/internal/form")`,
			"plugins/paper/bad.go":              `package main; import _ "M/host/internal/db"`,
			"plugins/paper/other_bad.go":        `package main; import _ "M/plugins/pencil/internal/form"`,
			"plugins/paper/third_bad.go":        `package main; import _ "M/sandbox/paper"`,
			"plugins/paper/good_test.go":        `package main; import _ "M/sandbox/paper"`,
			"plugins/paper/host_bad_test.go":    `package main; import _ "M/host/internal/db"`,
			"host/main.go":                      `package main; import _ "M/host/internal/cli"`,
			"host/bad.go":                       `package main; import _ "M/plugins/paper/internal/form"`,
			"host/internal/cli/good.go":         `package cli; import (_ "M/sandbox/paper"; _ "M/host/internal/flow")`,
			"host/internal/flow/bad.go":         `package flow; import _ "M/sandbox/paper"`,
			"host/internal/flow/proto_bad.go":   `package flow; import _ "M/proto/connector/v1"`,
			"host/internal/flow/order_bad.go":   `package flow; import _ "M/host/internal/webhook"`,
			"host/internal/flow/good_test.go":   `package flow; import _ "M/sandbox/paper"`,
			"host/internal/job/bad.go":          `package job; import _ "M/host/internal/vault"`,
			"host/internal/recipe/bad.go":       `package recipe; import _ "M/host/internal/db"`,
			"host/internal/recipe/good.go":      `package recipe; import (_ "M/connector"; _ "M/money")`,
			"host/internal/parlour/bad.go":      `package parlour`,
			"host/internal/supervisor/good.go":  `package supervisor; import _ "M/connector/wire"`,
			"sandbox/paper/bad.go":              `package paper; import _ "M/connector"`,
			"attic/bad.go":                      `package attic`,
			"bad.go":                            `package root`,
			"test/e2e/bad_test.go":              `package e2e; import _ "M/host/internal/db"`,
			"host/internal/recipe/doc/good.go":  `package doc; import _ "M/host/internal/recipe"`,
			"host/internal/webhook/good.go":     `package webhook; import _ "M/host/internal/flow"`,
			"host/internal/connection/xtest.go": `package connection; import _ "M/host/internal/vault"`,
		},
	},
	{
		name: "modules have one home", check: modulesGuarded,
		breaking: map[string]string{
			"host/internal/job/good.go":         `package job; import _ "github.com/riverqueue/river/rivertype"`,
			"host/internal/flow/bad.go":         `package flow; import _ "github.com/riverqueue/river"`,
			"host/internal/flow/bad_test.go":    `package flow; import _ "github.com/riverqueue/river/riverdriver"`,
			"host/internal/audit/bad_test.go":   `package audit; import _ "github.com/pressly/goose/v3"`,
			"host/internal/audit/good_test.go":  `package audit; import _ "modernc.org/sqlite"`,
			"host/internal/audit/bad.go":        `package audit; import _ "modernc.org/sqlite"`,
			"host/internal/job/goose_bad.go":    `package job; import _ "github.com/pressly/goose/v3"`,
			"host/internal/db/good.go":          `package db; import (_ "github.com/pressly/goose/v3"; _ "modernc.org/sqlite")`,
			"host/internal/flow/grpc_bad.go":    `package flow; import _ "google.golang.org/grpc/status"`,
			"sandbox/stripe/good_test.go":       `package stripe; import _ "github.com/stripe/stripe-go/v76"`,
			"sandbox/stripe/bad.go":             `package stripe; import _ "github.com/stripe/stripe-go/v76"`,
			"host/internal/connection/good.go":  `package connection; import _ "github.com/riverqueue/riverine"`,
			"host/internal/connection/bad.go":   `package connection; import _ "github.com/tink-crypto/tink-go/v2/aead"`,
			"plugins/stripe/internal/x/good.go": `package x; import _ "github.com/stripe/stripe-go/v76"`,
		},
	},
	{
		name: "no floats near money", check: noFloats,
		breaking: map[string]string{
			"money/bad.go":                     `package money; func f() any { return float64(1) }`,
			"connector/bad.go":                 `package connector; type t struct{ Sum float32 }`,
			"plugins/paper/bad.go":             `package main; import "strconv"; var v, _ = strconv.ParseFloat("1", 64)`,
			"sandbox/paper/bad_test.go":        `package paper; import "math/big"; var v = big.NewFloat(1)`,
			"host/internal/flow/good.go":       "package flow; // float64 is for others\nconst text = `float64`",
			"host/internal/cli/good.go":        `package cli; var seconds float64`,
			"host/internal/reconcile/x_bad.go": `package reconcile; func f(v interface{ Float64() (float64, error) }) {}`,
		},
		want: []string{"float64", "float32", "ParseFloat", "NewFloat", "Float64"},
	},
	{
		name: "only main ends the process", check: onlyMainExits,
		breaking: map[string]string{
			"host/main.go":               `package main; import "os"; func main() { os.Exit(1) }`,
			"host/internal/cli/bad.go":   `package cli; import "os"; func f() { os.Exit(1) }`,
			"money/bad.go":               `package money; import "log"; func f() { log.Fatalf("") }`,
			"money/good_test.go":         `package money; import "os"; func TestMain() { os.Exit(1) }`,
			"host/internal/cli/good.go":  `package cli; import "os"; func f() { os.Getenv("") }`,
			"host/internal/flow/good.go": `package flow; type engine struct{}; func (e engine) Exit() { e.Exit() }`,
		},
	},
	{
		name: "tests do not sleep", check: noSleepInTests,
		breaking: map[string]string{
			"money/bad_test.go": `package money; import "time"; func f() { time.Sleep(1) }`,
			"money/good.go":     `package money; import "time"; func f() { time.Sleep(1) }`,
		},
	},
	{
		name: "packages are named for what they hold", check: packagesNamedForWhatTheyHold,
		breaking: map[string]string{
			"money/good.go":            `package money`,
			"money/util/bad.go":        `package util`,
			"connector/things/bad.go":  `package helpers`,
			"host/internal/types/a.go": `package kinds // bad`,
		},
		want: []string{"money/util", "connector/things", "host/internal/types"},
	},
	{
		name: "packages are documented", check: packagesDocumented,
		breaking: map[string]string{
			"money/a.go":          `package money`,
			"money/doc.go":        "// Package money is exact.\npackage money",
			"host/main.go":        "// Command ml-connector runs.\npackage main",
			"connector/bad.go":    "// About connectors.\npackage connector",
			"sandbox/bad.go":      `package sandbox`,
			"proto/connector.go":  "// Code generated by protoc. DO NOT EDIT.\npackage v1",
			"test/e2e/go_test.go": "// Package e2e tells stories.\npackage e2e_test",
		},
		want: []string{"connector: begin", "sandbox: begin"},
	},
	{
		name: "files are short", check: filesShort,
		breaking: map[string]string{
			"money/good.go":  "package money" + strings.Repeat("\n", linesMax),
			"money/bad.go":   "package money" + strings.Repeat("\n", linesMax+1),
			"proto/large.go": "// Code generated by protoc. DO NOT EDIT.\npackage v1" + strings.Repeat("\n", linesMax+1),
		},
	},
	{
		name: "nothing is left to do", check: nothingLeftToDo,
		breaking: map[string]string{
			"money/bad.go":        "package money\n// TO" + "DO: round\n",
			"money/good.go":       "package money\nconst text = `TO" + "DO`\n// mastodon\n",
			"recipes/bad.yaml":    "# FIX" + "ME\n",
			"docs/good.md":        "todo lists are fine",
			"money/testdata/a.go": "// TO" + "DO",
		},
	},
	{
		name: "links lead somewhere", check: func(repo *repository) []string {
			return linksLead(repo, func(p string) bool { _, ok := repo.texts[p]; return ok || p == "docs" })
		},
		breaking: map[string]string{
			"README.md":    "[a](docs/a.md) [b](docs) [c](https://example.com/x) [d](docs/a.md#two-words)",
			"docs/a.md":    "# One\n## Two `words`\n[up](../README.md) [here](#one)",
			"docs/bad.md":  "[gone](b.md)",
			"docs/bad2.md": "[no such heading](a.md#three)",
		},
	},
}

func TestRulesAreNoticed(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			files := fstest.MapFS{}
			var bad []string
			for p, text := range rule.breaking {
				files[p] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, `"M/`, `"`+module+`/`))}
				if strings.Contains(p, "bad") {
					bad = append(bad, p)
				}
			}
			repo, err := read(files)
			if err != nil {
				t.Fatal(err)
			}
			got := rule.check(repo)
			want := rule.want
			if want == nil {
				want = bad
			}
			for _, w := range want {
				if !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, w) }) && !foundByFolder(got, w) {
					t.Errorf("no finding for %s", w)
				}
			}
			for _, g := range got {
				if strings.Contains(g, "good") {
					t.Errorf("unexpected finding: %s", g)
				}
			}
			if len(got) < len(want) {
				t.Errorf("got %d findings, want at least %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
			}
		})
	}
}

// foundByFolder reports whether a finding names the folder of a file.
func foundByFolder(findings []string, p string) bool {
	dir := p[:max(strings.LastIndex(p, "/"), 0)]
	return dir != "" && slices.ContainsFunc(findings, func(g string) bool { return strings.HasPrefix(g, dir+": ") })
}

func TestRepository(t *testing.T) {
	root := os.DirFS("../..")
	repo, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	// The reader must have found us: a rule over nothing always holds.
	for _, dir := range []string{"money", "connector/wire", "host/internal/db", "plugins/xero", "test/walls"} {
		if repo.packages[dir] == nil {
			t.Fatalf("folder %s was not read", dir)
		}
	}
	exists := func(p string) bool { _, err := fs.Stat(root, p); return err == nil }
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			check := rule.check
			if rule.name == "links lead somewhere" {
				check = func(repo *repository) []string { return linksLead(repo, exists) }
			}
			findings := check(repo)
			slices.Sort(findings)
			for _, f := range findings {
				t.Error(f)
			}
		})
	}
}

// TestEveryWallIsNeeded keeps the tables free of folders that are gone.
func TestEveryWallIsNeeded(t *testing.T) {
	root := os.DirFS("../..")
	for _, w := range walls {
		if _, err := fs.Stat(root, w.folder); err != nil {
			t.Error(fmt.Errorf("wall of %s: %w", w.folder, err))
		}
	}
	for _, g := range guarded {
		for _, dir := range g.may {
			if _, err := fs.Stat(root, dir); err != nil {
				t.Error(fmt.Errorf("home of %s: %w", g.tree, err))
			}
		}
	}
}
