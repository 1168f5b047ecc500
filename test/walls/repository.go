package walls

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// module is our import path.
const module = "github.com/ml-connector/ml-connector"

// repository is the source of the module, as files.
type repository struct {
	fset     *token.FileSet
	packages map[string]*folder // by folder: "host/internal/db"
	texts    map[string]string  // other files that we check, by path
}

// folder holds the Go files of one folder, tests included.
type folder struct {
	path  string
	files []*source
}

type source struct {
	path      string // "money/amount.go"
	syntax    *ast.File
	test      bool
	generated bool
	lines     int
}

// textFiles are the kinds of file besides Go that are read.
var textFiles = map[string]bool{".proto": true, ".sql": true, ".yaml": true, ".md": true}

// read parses every file below root. Folders that begin with a dot or an
// underscore, testdata, bin and data are left out.
func read(root fs.FS) (*repository, error) {
	repo := &repository{fset: token.NewFileSet(), packages: map[string]*folder{}, texts: map[string]string{}}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules" || p == "bin" || p == "data") {
				return fs.SkipDir
			}
			return nil
		}
		if ext := path.Ext(p); ext != ".go" && !textFiles[ext] {
			return nil
		}
		text, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		return repo.add(p, string(text))
	})
	return repo, err
}

func (r *repository) add(p, text string) error {
	if path.Ext(p) != ".go" {
		r.texts[p] = text
		return nil
	}
	syntax, err := parser.ParseFile(r.fset, p, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse %s: %w", p, err)
	}
	dir := path.Dir(p)
	if r.packages[dir] == nil {
		r.packages[dir] = &folder{path: dir}
	}
	r.packages[dir].files = append(r.packages[dir].files, &source{
		path: p, syntax: syntax, test: strings.HasSuffix(p, "_test.go"),
		generated: ast.IsGenerated(syntax), lines: strings.Count(text, "\n"),
	})
	return nil
}

// files calls fn for every Go file that a person wrote.
func (r *repository) files(fn func(*source)) {
	for _, dir := range r.packages {
		for _, f := range dir.files {
			if !f.generated {
				fn(f)
			}
		}
	}
}

// line formats a place for a finding: "money/amount.go:12".
func (r *repository) line(p token.Pos) string {
	at := r.fset.Position(p)
	return fmt.Sprintf("%s:%d", at.Filename, at.Line)
}

// imports lists what a file imports: folders of ours for our own packages
// ("host/internal/db"; "." for the module's root), import paths for the rest.
func (f *source) imports() []imported {
	out := make([]imported, 0, len(f.syntax.Imports))
	for _, spec := range f.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser accepts only quoted strings
		}
		in := imported{path: p, pos: spec.Pos()}
		switch rest, ok := strings.CutPrefix(p, module+"/"); {
		case p == module:
			in.path, in.ours = ".", true
		case ok:
			in.path, in.ours = rest, true
		}
		out = append(out, in)
	}
	return out
}

type imported struct {
	path string
	ours bool
	pos  token.Pos
}

// within reports whether a folder or import path is tree or below it.
func within(p, tree string) bool { return p == tree || strings.HasPrefix(p, tree+"/") }

func withinAny(p string, trees []string) bool {
	for _, tree := range trees {
		if within(p, tree) {
			return true
		}
	}
	return false
}
