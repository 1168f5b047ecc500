package stripe

import (
	"net/url"
	"strconv"
	"strings"
)

const (
	formFieldsMax = 10_000 // 250 lines with all that they can carry stay below
	formDepthMax  = 6      // the deepest modelled parameter has 4 levels
)

// node is a value of a form: a leaf with a string, or a hash of nodes. A list is
// a hash whose keys are numbers, as `a[0]` and `a[]` write it.
type node struct {
	leaf  bool
	value string
	keys  []string // in the order sent
	kids  map[string]*node
	known bool // a handler has asked for it
}

func newHash() *node { return &node{kids: map[string]*node{}} }

// parseForm reads `a=1&b[0][c]=2&d[]=3` in the order in which it was sent.
func parseForm(root *node, encoded string) error {
	fields := 0
	for encoded != "" {
		var pair string
		pair, encoded, _ = strings.Cut(encoded, "&")
		if pair == "" {
			continue
		}
		if fields++; fields > formFieldsMax {
			return refuse("", "", "The sandbox reads at most %d parameters.", formFieldsMax)
		}
		name, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(name)
		if err != nil {
			return refuse("", "", "Invalid request: the parameter name %q is not form-encoded.", name)
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return refuse("", key, "Invalid request: the value of %s is not form-encoded.", key)
		}
		if err := root.put(key, value); err != nil {
			return err
		}
	}
	return nil
}

// put adds one field under its bracketed name.
func (n *node) put(name, value string) error {
	path, ok := splitName(name)
	if !ok || len(path) > formDepthMax {
		return refuse("", name, "Invalid request: the parameter name %s is malformed.", name)
	}
	at := n
	for i, key := range path {
		last := i == len(path)-1
		if key == "" && i > 0 {
			key = at.listKey(path, i, last)
		}
		kid := at.kids[key]
		if kid == nil {
			kid = newHash()
			kid.leaf = last
			at.kids[key] = kid
			at.keys = append(at.keys, key)
		}
		if kid.leaf != last {
			return refuse("", name, "Invalid request: %s is sent as a value and as a hash.", name)
		}
		at = kid
	}
	at.value = value
	return nil
}

// listKey is the key of `[]`: a new element, unless the last one still lacks the
// field that follows, as in `a[][x]=1&a[][y]=2`.
func (n *node) listKey(path []string, i int, last bool) string {
	if len(n.keys) > 0 && !last {
		open := n.keys[len(n.keys)-1]
		if _, has := n.kids[open].kids[path[i+1]]; !has {
			return open
		}
	}
	return strconv.Itoa(len(n.keys))
}

// splitName cuts `a[0][b]` into a, 0, b.
func splitName(name string) ([]string, bool) {
	head, rest, bracketed := strings.Cut(name, "[")
	if head == "" {
		return nil, false
	}
	path := []string{head}
	for bracketed {
		key, tail, closed := strings.Cut(rest, "]")
		if !closed {
			return nil, false
		}
		path = append(path, key)
		if tail == "" {
			return path, true
		}
		if tail[0] != '[' {
			return nil, false
		}
		rest = tail[1:]
	}
	return path, true
}

// canonical writes the node so that equal forms are equal strings, whatever the
// order of the fields of a hash.
func (n *node) canonical() string {
	v := url.Values{}
	n.flatten("", v)
	return v.Encode()
}

func (n *node) flatten(prefix string, into url.Values) {
	if n.leaf {
		into.Set(prefix, n.value)
		return
	}
	for _, k := range n.keys {
		name := k
		if prefix != "" {
			name = prefix + "[" + k + "]"
		}
		n.kids[k].flatten(name, into)
	}
}
