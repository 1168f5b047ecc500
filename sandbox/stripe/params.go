package stripe

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of metadata: https://docs.stripe.com/api/metadata
const (
	metadataKeysMax  = 50
	metadataKeyMax   = 40
	metadataValueMax = 500
)

// params reads the parameters of a request. A handler asks for everything it
// knows, then calls done, which reports the first mistake, or the first
// parameter that nobody asked for. Nothing may be changed before done.
type params struct {
	node *node
	name string // empty for the whole form
	err  *error // shared with the params of nested hashes
}

func newParams(root *node) *params {
	var err error
	return &params{node: root, err: &err}
}

func (p *params) full(name string) string {
	if p.name == "" {
		return name
	}
	return p.name + "[" + name + "]"
}

// fail keeps the first mistake.
func (p *params) fail(err error) {
	if *p.err == nil {
		*p.err = err
	}
}

// done reports the first mistake or unknown parameter.
func (p *params) done() error {
	if name, found := p.node.unknown(""); found {
		return refuse("parameter_unknown", name, "Received unknown parameter: %s", name)
	}
	return *p.err
}

func (n *node) unknown(prefix string) (string, bool) {
	for _, k := range n.keys {
		name := k
		if prefix != "" {
			name = prefix + "[" + k + "]"
		}
		kid := n.kids[k]
		if !kid.known {
			return name, true
		}
		if name, found := kid.unknown(name); found {
			return name, true
		}
	}
	return "", false
}

func (p *params) child(name string) *node {
	n := p.node.kids[name]
	if n != nil {
		n.known = true
	}
	return n
}

func (n *node) knowAll() {
	n.known = true
	for _, k := range n.kids {
		k.knowAll()
	}
}

// has reports whether name was sent at all.
func (p *params) has(name string) bool { return p.node.kids[name] != nil }

// cleared reports whether name was sent as an empty string.
func (p *params) cleared(name string) bool {
	n := p.node.kids[name]
	return n != nil && n.leaf && n.value == ""
}

// leaf is the value of a scalar; ok is false when it was not sent.
func (p *params) leaf(name string) (value string, ok bool) {
	n := p.child(name)
	if n == nil {
		return "", false
	}
	if !n.leaf {
		n.knowAll()
		p.fail(refuse("", p.full(name), "Invalid %s: it must be a single value.", p.full(name)))
		return "", false
	}
	return n.value, true
}

// str reads a string of at most length characters into to; an empty one clears.
func (p *params) str(name string, length int, to *string) {
	v, ok := p.leaf(name)
	if !ok {
		return
	}
	if utf8.RuneCountInString(v) > length {
		p.fail(refuse("", p.full(name), "Invalid string: %s must be at most %d characters", p.full(name), length))
		return
	}
	*to = v
}

// need reads a string that must be there.
func (p *params) need(name string) string {
	var v string
	p.str(name, 5000, &v)
	if v == "" {
		if p.has(name) {
			p.fail(refuse("parameter_invalid_empty", p.full(name), "You passed an empty string for '%s'.", p.full(name)))
		} else {
			p.fail(missingParam(p.full(name)))
		}
	}
	return v
}

// integer reads a whole number; ok is false when it was not sent or is wrong.
func (p *params) integer(name string) (n int64, ok bool) {
	v, sent := p.leaf(name)
	if !sent {
		return 0, false
	}
	if v == "" {
		p.fail(refuse("parameter_invalid_empty", p.full(name), "You passed an empty string for '%s'.", p.full(name)))
		return 0, false
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		p.fail(refuse("parameter_invalid_integer", p.full(name), "Invalid integer: %s", v))
		return 0, false
	}
	return n, true
}

// intTo is integer into a field.
func (p *params) intTo(name string, to *int64) {
	if n, ok := p.integer(name); ok {
		*to = n
	}
}

// boolean reads true or false into to.
func (p *params) boolean(name string, to *bool) {
	v, sent := p.leaf(name)
	if !sent {
		return
	}
	if v != "true" && v != "false" {
		p.fail(refuse("", p.full(name), "Invalid boolean: %s", v))
		return
	}
	*to = v == "true"
}

// enum reads one of the values into to.
func (p *params) enum(name string, to *string, values ...string) {
	v, sent := p.leaf(name)
	if !sent {
		return
	}
	if !slices.Contains(values, v) {
		p.fail(refuse("", p.full(name), "Invalid %s: must be one of %s", p.full(name), strings.Join(values, ", ")))
		return
	}
	*to = v
}

// sub is a nested hash; ok is false when it was not sent or is a scalar.
func (p *params) sub(name string) (sub *params, ok bool) {
	n := p.child(name)
	if n == nil {
		return nil, false
	}
	if n.leaf {
		if n.value != "" {
			p.fail(refuse("", p.full(name), "Invalid object: %s", p.full(name)))
		}
		return nil, false
	}
	return &params{node: n, name: p.full(name), err: p.err}, true
}

// items are the hashes of a list.
func (p *params) items(name string) []*params {
	list, ok := p.sub(name)
	if !ok {
		return nil
	}
	var out []*params
	for _, k := range list.node.keys {
		if item, ok := list.sub(k); ok {
			out = append(out, item)
		}
	}
	return out
}

// strings are the scalars of a list; sent is true even when it is empty.
func (p *params) strings(name string) (out []string, sent bool) {
	sent = p.has(name)
	list, ok := p.sub(name)
	if !ok {
		return nil, sent
	}
	for _, k := range list.node.keys {
		if v, ok := list.leaf(k); ok && v != "" {
			out = append(out, v)
		}
	}
	return out, sent
}

// metadata merges `metadata[k]=v` into to: an empty value removes the key, an
// empty hash removes them all. The map is replaced, never changed in place.
func (p *params) metadata(to *map[string]string) {
	n := p.child("metadata")
	if n == nil {
		return
	}
	if n.leaf {
		if n.value != "" {
			p.fail(refuse("", "metadata", "Invalid object: metadata"))
			return
		}
		*to = map[string]string{}
		return
	}
	out := maps.Clone(*to)
	if out == nil {
		out = map[string]string{}
	}
	list := &params{node: n, name: p.full("metadata"), err: p.err}
	for _, k := range n.keys {
		v, ok := list.leaf(k)
		if !ok {
			return
		}
		if utf8.RuneCountInString(k) > metadataKeyMax {
			p.fail(refuse("", list.name, "Metadata keys must be at most %d characters: %s", metadataKeyMax, k))
		}
		if utf8.RuneCountInString(v) > metadataValueMax {
			p.fail(refuse("", list.full(k), "Metadata values must be at most %d characters: %s", metadataValueMax, k))
		}
		if v == "" {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	if len(out) > metadataKeysMax {
		p.fail(refuse("", list.name, "Metadata can have at most %d keys.", metadataKeysMax))
	}
	*to = out
}

// refuseUnmodelled refuses parameters that the service has and the sandbox not.
func (p *params) refuseUnmodelled(names ...string) {
	for _, name := range names {
		if n := p.child(name); n != nil {
			n.knowAll()
			p.fail(notModelled(p.full(name), "the parameter "+p.full(name)))
		}
	}
}
