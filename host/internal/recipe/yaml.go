package recipe

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	yamlparser "github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a file. A recipe is written by hand and a few hundred lines long.
const (
	fileBytesMax = 256 << 10
	tokensMax    = 40_000 // the YAML library takes quadratic time: this many, a second
	nestingMax   = 32     // of flow collections, and of list entries that begin on one line
)

// node is a value in a file and the path that leads to it.
type node struct {
	ast  ast.Node
	path string
	at   place
	base *node // what it extends: a mapping whose keys it adds to, or a list; nil: nothing
}

// entry is one key of a mapping and its value.
type entry struct {
	key   string
	keyAt place
	value node
}

// report adds a diagnostic about a place. One about a recipe that the file
// extends is reported where the file says so.
func (p *parser) report(at place, path, hint, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if at.in != nil && at.in != p.src {
		message = fmt.Sprintf("as extended here, %s:%d:%d: %s", at.in.file, at.line, at.column, message)
		at = p.extends
	}
	p.diags = append(p.diags, Diagnostic{
		File: p.src.file, Line: at.line, Column: at.column, Path: path, Message: message, Hint: hint,
	})
}

// document reads the YAML and returns its only document; false when it cannot
// be read at all.
func (p *parser) document(src *source, data []byte) (root node, ok bool) {
	if len(data) > fileBytesMax {
		p.report(src.start(), "", "", "the file has %d bytes; a recipe has at most %d", len(data), fileBytesMax)
		return node{}, false
	}
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > tokensMax {
		p.report(src.start(), "", "", "the file has %d words and signs; a recipe has at most %d", len(tokens), tokensMax)
		return node{}, false
	}
	if !p.acceptable(src, tokens) {
		return node{}, false
	}
	file, err := parseYAML(tokens)
	if err != nil {
		at, message := src.start(), err.Error()
		var e yaml.Error
		if errors.As(err, &e) {
			message = e.GetMessage()
			if tk := e.GetToken(); tk != nil {
				at = src.placeOf(tk)
			}
		}
		p.report(at, "", "", "this is not YAML: %s", message)
		return node{}, false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentGroupType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0:
		p.report(src.start(), "", "", "the file is empty")
		return node{}, false
	case 1:
		return src.node(bodies[0], ""), true
	}
	p.report(src.node(bodies[1], "").at, "", "", "a file holds one recipe; this is a second document")
	return node{}, false
}

// parseYAML keeps a defect of the YAML library from ending the host: a recipe
// is a file that anybody may hand in.
func parseYAML(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML library gave up: %v", r)
		}
	}()
	// Duplicate keys are reported by mapping, all of them.
	return yamlparser.Parse(tokens, 0, yamlparser.AllowDuplicateMapKey())
}

// acceptable refuses the parts of YAML that recipes do not use. Aliases and
// deep nesting are also how small files become expensive.
func (p *parser) acceptable(src *source, tokens token.Tokens) bool {
	before := len(p.diags)
	depth, entries, line := 0, 0, 0
	for _, tk := range tokens {
		at := src.placeOf(tk)
		switch tk.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType, token.MappingKeyType:
			p.report(at, "", "", "recipes do not use YAML's '%s' (anchors, aliases, merge keys, tags, directives, complex keys)", tk.Value)
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			if at.line != line {
				entries, line = 0, at.line
			}
			entries++
		}
		if depth > nestingMax || entries > nestingMax {
			p.report(at, "", "", "nested more than %d deep", nestingMax)
			return false
		}
	}
	return len(p.diags) == before
}

// node returns what the path leads to.
func (s *source) node(n ast.Node, path string) node {
	at := s.placeOf(n.GetToken())
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		at = s.placeOf(m.Values[0].Key.GetToken()) // its own token is the first ':'
	}
	return node{ast: n, path: path, at: at}
}

func (n node) isNull() bool { return n.ast == nil || n.ast.Type() == ast.NullType }

// kind names what the node is, for messages.
func (n node) kind() string {
	switch n.ast.(type) {
	case ast.MapNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	}
	return "text"
}

// child is the path below n.
func (n node) child(key string) string {
	if n.path == "" {
		return key
	}
	return n.path + "." + key
}

// mapping returns the entries of a mapping, each key once: in the order of the
// file, after those of what it extends.
func (p *parser) mapping(n node) []entry {
	own := p.ownEntries(n)
	if n.base == nil {
		return own
	}
	return overlay(p.mapping(*n.base), own)
}

// ownEntries are the entries that the file itself has.
func (p *parser) ownEntries(n node) []entry {
	m, ok := n.ast.(ast.MapNode)
	if !ok {
		p.report(n.at, n.path, "", "expected a mapping, found %s", n.kind())
		return nil
	}
	seen := map[string]place{}
	var out []entry
	for it := m.MapRange(); it.Next(); {
		tk := it.Key().GetToken()
		e := entry{key: tk.Value, keyAt: n.at.in.placeOf(tk), value: n.at.in.node(it.Value(), n.child(tk.Value))}
		if first, again := seen[e.key]; again {
			p.report(e.keyAt, e.value.path, "", "'%s' is already there, on line %d", e.key, first.line)
			continue
		}
		seen[e.key] = e.keyAt
		out = append(out, e)
	}
	return out
}

// object returns the entries of a mapping whose keys are fixed, by key. Unknown
// and missing keys are reported.
func (p *parser) object(n node, table keyTable) map[string]node {
	out := map[string]node{}
	for _, e := range p.mapping(n) {
		if !table.has(e.key) {
			p.report(e.keyAt, e.value.path, suggest(e.key, table.names()), "unknown key '%s' in %s", e.key, table.name)
			continue
		}
		if e.value.isNull() {
			p.report(e.keyAt, e.value.path, "", "'%s' has no value", e.key)
			continue
		}
		out[e.key] = e.value
	}
	if _, ok := n.ast.(ast.MapNode); !ok {
		return out // reported above
	}
	var missing []string
	for _, k := range table.keys {
		if _, there := out[k.name]; k.required && !there && !p.reportedUnder(n.child(k.name)) {
			missing = append(missing, k.name)
		}
	}
	if len(missing) > 0 {
		p.report(n.at, n.path, "", "%s needs %s", table.name, strings.ReplaceAll(listed(missing), " or ", " and "))
	}
	return out
}

// reportedUnder says whether a path has a diagnostic already.
func (p *parser) reportedUnder(path string) bool {
	return slices.ContainsFunc(p.diags, func(d Diagnostic) bool { return d.Path == path })
}

// list returns the entries of a list, after those of the list that it adds to.
func (p *parser) list(n node) []node {
	if n.base == nil {
		return p.ownItems(n, 0)
	}
	out := p.list(*n.base)
	return append(out, p.ownItems(n, len(out))...)
}

// ownItems are the entries that the file itself has; their numbers begin at first.
func (p *parser) ownItems(n node, first int) []node {
	seq, ok := n.ast.(*ast.SequenceNode)
	if !ok {
		p.report(n.at, n.path, "", "expected a list, found %s", n.kind())
		return nil
	}
	out := make([]node, 0, len(seq.Values))
	for i, v := range seq.Values {
		if v == nil {
			p.report(n.at, n.path, "", "entry %d of the list has no value", i+1)
			continue
		}
		out = append(out, n.at.in.node(v, fmt.Sprintf("%s[%d]", n.path, first+i)))
	}
	return out
}

// text returns a scalar as it is written: 5, true and '5' are all text here.
func (p *parser) text(n node) (string, bool) {
	switch v := n.ast.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return strings.TrimRight(v.Value.Value, "\n"), true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return v.GetToken().Value, true
	}
	p.report(n.at, n.path, "", "expected text, found %s", n.kind())
	return "", false
}

// flag reads true or false.
func (p *parser) flag(n node) bool {
	v, ok := n.ast.(*ast.BoolNode)
	if !ok {
		p.report(n.at, n.path, "", "expected true or false")
		return false
	}
	return v.Value
}

// keyTable is the keys of one kind of mapping in the file.
type keyTable struct {
	name string // for messages: "a flow"
	keys []key
}

// key is one key: what it means, for people and editors.
type key struct {
	name     string
	doc      string
	required bool
	schema   schema
}

func (t keyTable) has(name string) bool {
	return slices.ContainsFunc(t.keys, func(k key) bool { return k.name == name })
}

func (t keyTable) names() []string {
	out := make([]string, len(t.keys))
	for i, k := range t.keys {
		out[i] = k.name
	}
	return out
}

// sortedKeys returns a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
