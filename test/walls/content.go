package walls

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// exactTrees are the packages near money: no binary fraction may be there (I6).
var exactTrees = []string{
	"money", "connector", "plugins", "examples", "sandbox", "host/internal/flow", "host/internal/recipe", "host/internal/reconcile",
}

// floatWords are the names by which Go's binary fractions come in.
var floatWords = []string{
	"float32", "float64", "ParseFloat", "FormatFloat", "AppendFloat", "Float32", "Float64", "SetFloat64", "NewFloat",
	"Float32bits", "Float64bits", "Float32frombits", "Float64frombits",
}

// noFloats finds float types and conversions by their identifiers, so that a
// comment or a text may name them.
func noFloats(repo *repository) (findings []string) {
	repo.files(func(f *source) {
		if !withinAny(path.Dir(f.path), exactTrees) {
			return
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && slices.Contains(floatWords, id.Name) {
				findings = append(findings, fmt.Sprintf("%s: %s near money; use money.Amount or money.Decimal", repo.line(id.Pos()), id.Name))
			}
			return true
		})
	})
	return findings
}

// exits end the process from where nobody can clean up.
var exits = map[string][]string{
	"os":  {"Exit"},
	"log": {"Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln"},
}

// exitsAllowed are files outside of package main that may end the process.
var exitsAllowed = []string{
	"connector/wire/handshake.go", // Serve is the whole of a plugin's main
}

// onlyMainExits finds calls that end the process outside of package main.
func onlyMainExits(repo *repository) (findings []string) {
	repo.files(func(f *source) {
		if f.test || f.syntax.Name.Name == "main" || slices.Contains(exitsAllowed, f.path) {
			return
		}
		for pkg, names := range exits {
			findings = append(findings, uses(repo, f, pkg, names, "only main may end the process: return an error")...)
		}
	})
	return findings
}

// noSleepInTests finds tests that wait for time to pass instead of an event.
func noSleepInTests(repo *repository) (findings []string) {
	repo.files(func(f *source) {
		if f.test {
			findings = append(findings, uses(repo, f, "time", []string{"Sleep"}, "pin the clock or wait for an event")...)
		}
	})
	return findings
}

// uses finds pkg.name in a file.
func uses(repo *repository, f *source, pkg string, names []string, why string) (findings []string) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == pkg && slices.Contains(names, sel.Sel.Name) {
			findings = append(findings, fmt.Sprintf("%s: %s.%s: %s", repo.line(sel.Pos()), pkg, sel.Sel.Name, why))
		}
		return true
	})
	return findings
}

// vagueNames say nothing about what a package holds.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "type", "types", "misc", "base"}

func packagesNamedForWhatTheyHold(repo *repository) (findings []string) {
	for _, dir := range repo.packages {
		name := strings.TrimSuffix(dir.files[0].syntax.Name.Name, "_test")
		if slices.Contains(vagueNames, name) || slices.Contains(vagueNames, path.Base(dir.path)) {
			findings = append(findings, fmt.Sprintf("%s: name the package for what it holds", dir.path))
		}
	}
	return findings
}

// packagesDocumented finds packages without a package comment, or with one that
// does not begin as godoc expects.
func packagesDocumented(repo *repository) (findings []string) {
	for _, dir := range repo.packages {
		generated, doc := true, ""
		for _, f := range dir.files {
			generated = generated && f.generated
			if f.syntax.Doc != nil && !f.generated {
				doc = f.syntax.Doc.Text()
			}
		}
		name := strings.TrimSuffix(dir.files[0].syntax.Name.Name, "_test")
		begins := strings.HasPrefix(doc, "Package "+name+" ") || (name == "main" && strings.HasPrefix(doc, "Command "))
		if !generated && !begins && dir.path != "." {
			findings = append(findings, fmt.Sprintf("%s: begin a package comment with %q", dir.path, "Package "+name+" …"))
		}
	}
	return findings
}

// linesMax is where a file must have been split by noun.
const linesMax = 600

func filesShort(repo *repository) (findings []string) {
	repo.files(func(f *source) {
		if f.lines > linesMax {
			findings = append(findings, fmt.Sprintf("%s: %d lines, at most %d: split it by noun", f.path, f.lines, linesMax))
		}
	})
	return findings
}

// left matches notes about unfinished work. It is put together here so that this
// file does not match itself.
var left = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"}, "|") + `)\b`)

// nothingLeftToDo finds notes about unfinished work in comments, and anywhere in
// the files that are not Go.
func nothingLeftToDo(repo *repository) (findings []string) {
	repo.files(func(f *source) {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if m := left.FindString(c.Text); m != "" {
					findings = append(findings, fmt.Sprintf("%s: %s: finish it, or write down the limit", repo.line(c.Pos()), m))
				}
			}
		}
	})
	for p, text := range repo.texts {
		for i, line := range strings.Split(text, "\n") {
			if m := left.FindString(line); m != "" {
				findings = append(findings, fmt.Sprintf("%s:%d: %s: finish it, or write down the limit", p, i+1, m))
			}
		}
	}
	return findings
}

// link matches the target of a Markdown link or picture.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// linksLead finds links between the pages that lead nowhere. exists says whether
// there is a file or folder.
func linksLead(repo *repository, exists func(string) bool) (findings []string) {
	for p, text := range repo.texts {
		if path.Ext(p) != ".md" {
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				target, anchor, _ := strings.Cut(m[1], "#")
				if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
					continue
				}
				page := p
				if target != "" {
					page = path.Join(path.Dir(p), target)
				}
				if !exists(page) {
					findings = append(findings, fmt.Sprintf("%s:%d: link to %s leads nowhere", p, i+1, m[1]))
				} else if anchor != "" && !slices.Contains(anchors(repo.texts[page]), anchor) {
					findings = append(findings, fmt.Sprintf("%s:%d: %s has no heading #%s", p, i+1, page, anchor))
				}
			}
		}
	}
	return findings
}

// heading matches a Markdown heading; what is dropped from it makes its anchor.
var (
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors lists the anchors of a page's headings, as forges make them.
func anchors(text string) (out []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		plain := dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), "")
		out = append(out, strings.ReplaceAll(plain, " ", "-"))
	}
	return out
}
