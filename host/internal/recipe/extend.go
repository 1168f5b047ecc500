package recipe

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A recipe that extends another is read on top of it. Mappings are joined key by
// key, at every depth; texts and lists take the place of what they extend. Only
// checks and refusals add to those of the base: what had to be so still has to. A node
// knows what lies below it, so everything that reads the file reads both.

// layersMax bounds a recipe and those that it extends. Three are a lot: the
// program's, a company's, an organisation's.
const layersMax = 8

// ownKeys are the keys of a recipe that one that extends it does not get.
var ownKeys = []string{"recipe", "extends", "continues", "tests"}

// layer is one of the files that a recipe is made of.
type layer struct {
	file      string
	name      string // as the file says it
	continues bool
}

// layers reads the file, and under it the recipes that it extends. It is false
// when one of them cannot be read.
func (p *parser) layers(src *source, data []byte, lib Library) (root node, ok bool) {
	if root, ok = p.document(src, data); !ok {
		return root, false
	}
	l := layer{file: filepath.Clean(src.file)}
	var extends *node
	for _, e := range p.ownEntries(root) {
		switch {
		case e.value.isNull(): // reported where the keys are read
		case e.key == "recipe":
			l.name, _ = p.text(e.value)
		case e.key == "continues":
			l.continues = p.flag(e.value)
		case e.key == "extends":
			extends = &e.value
		}
	}
	p.stack = append(p.stack, l)
	if extends == nil {
		return root, true
	}
	if src.depth == 0 {
		p.extends = extends.at
	}
	base, ok := p.base(src, *extends, lib)
	if ok {
		root.base = extended(base, root)
	}
	return root, ok
}

// base reads the recipe that a file extends.
func (p *parser) base(src *source, n node, lib Library) (root node, ok bool) {
	before := len(p.diags)
	name := p.name(n)
	if len(p.diags) > before {
		return node{}, false
	}
	file, data, err := lib.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		there := slices.DeleteFunc(lib.Names(), func(other string) bool { return p.extending(lib.path(other)) || p.extending(builtInFile(other)) })
		message := "there is no recipe '" + name + "' to extend"
		if len(there) > 0 {
			message += ": there is " + strings.ReplaceAll(listed(there), " or ", " and ")
		}
		p.report(n.at, n.path, suggest(name, there), "%s", message)
		return node{}, false
	case err != nil:
		p.report(n.at, n.path, "", "recipe '%s' cannot be read: %s", name, err)
		return node{}, false
	case p.extending(file):
		p.report(n.at, n.path, "", "recipes extend each other: %s", p.trail(file))
		return node{}, false
	case len(p.stack) == layersMax:
		p.report(n.at, n.path, "", "more than %d recipes extend one another", layersMax)
		return node{}, false
	}
	return p.layers(newSource(file, data, src.depth+1), data, lib)
}

// extending reports whether a file is one of those that are being read.
func (p *parser) extending(file string) bool {
	return slices.ContainsFunc(p.stack, func(l layer) bool { return l.file == filepath.Clean(file) })
}

// trail names the files that lead to one that is among them.
func (p *parser) trail(file string) string {
	var names []string
	for _, l := range p.stack {
		names = append(names, filepath.Base(l.file))
	}
	return strings.Join(append(names, filepath.Base(file)), " -> ")
}

// overlay puts the entries of a mapping over those that it extends.
func overlay(base, own []entry) []entry {
	out := make([]entry, 0, len(base)+len(own))
	at := map[string]int{}
	for _, e := range base {
		if !slices.Contains(ownKeys, e.value.path) {
			at[e.key] = len(out)
			out = append(out, e)
		}
	}
	for _, e := range own {
		i, there := at[e.key]
		if !there {
			out = append(out, e)
			continue
		}
		e.value.base = extended(out[i].value, e.value)
		out[i] = e
	}
	return out
}

// extended returns what stays of the base under a node: all that a mapping adds
// to, and nothing of what is replaced.
func extended(base, own node) *node {
	_, mapping := base.ast.(ast.MapNode)
	if _, ok := own.ast.(ast.MapNode); ok && mapping {
		return &base
	}
	_, list := base.ast.(*ast.SequenceNode)
	if _, ok := own.ast.(*ast.SequenceNode); ok && list && (own.path == "checks" || own.path == "refuse") {
		return &base
	}
	return nil
}

// preset decides between a parameter's default and that it is required, where
// one comes from the base: what the nearer file says counts.
func preset(keys map[string]node) {
	required, must := keys["required"]
	value, has := keys["default"]
	if !must || !has {
		return
	}
	switch by, than := required.at.in.depth, value.at.in.depth; {
	case by > than:
		delete(keys, "required")
	case by < than:
		if flag, ok := required.ast.(*ast.BoolNode); ok && flag.Value {
			delete(keys, "default")
		}
	}
}

// readName reads what a recipe is called, what it extends, and whose state it
// goes on with.
func (p *parser) readName(keys map[string]node) {
	r := p.recipe
	if n, ok := keys["recipe"]; ok {
		r.Name = p.name(n)
		for _, l := range p.stack[1:] {
			if l.name == r.Name {
				p.report(n.at, n.path, "", "'%s' is the name of the recipe that this one extends: it needs one of its own", r.Name)
			}
		}
	}
	r.State = r.Name
	if n, ok := keys["extends"]; ok {
		r.Extends, _ = p.text(n)
	}
	if n, ok := keys["continues"]; ok && p.flag(n) && r.Extends == "" {
		p.report(n.at, n.path, "write extends: NAME", "a recipe goes on with the state of one that it extends")
	}
	for i, l := range p.stack[1:] {
		if !p.stack[i].continues {
			break
		}
		r.State = l.name
	}
}
