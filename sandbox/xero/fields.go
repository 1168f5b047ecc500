package xero

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
)

// object is one JSON object of an answer.
type object = map[string]any

// fields reads one JSON object of a request. Names are matched without regard
// to case, as Xero does. Every name that is never asked for is a field that is
// not modelled, and finish refuses it. The first problem is kept in err, which
// all objects of one request share.
type fields struct {
	path string
	raw  map[string]any // by lower-case name; null values are left out
	name map[string]string
	used map[string]bool
	echo object // what was read, under Xero's spelling
	kids []*fields
	err  *error
}

func newFields(path string, m map[string]any, err *error) *fields {
	f := &fields{path: path, raw: map[string]any{}, name: map[string]string{}, used: map[string]bool{}, echo: object{}, err: err}
	for k, v := range m {
		low := strings.ToLower(k)
		if _, twice := f.name[low]; twice {
			f.fail(badData("%s.%s appears twice", path, k))
		}
		f.name[low] = k
		if v != nil {
			f.raw[low] = v
		}
	}
	return f
}

// parseBody reads the elements of a request: {"Payments":[{...}]} or one bare
// object.
func parseBody(body []byte, plural string) ([]*fields, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, badData("the body is not JSON: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, badData("the body has more than one JSON value")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, badData("the body is not a JSON object")
	}
	var problem error
	for k, list := range m {
		if !strings.EqualFold(k, plural) {
			continue
		}
		if len(m) != 1 {
			return nil, notModelled("fields beside %s", plural)
		}
		items, ok := list.([]any)
		if !ok {
			return nil, badData("%s is not an array", k)
		}
		out := elements(plural, items, &problem)
		if problem == nil && len(out) == 0 {
			problem = noData()
		}
		return out, problem
	}
	if len(m) == 0 {
		return nil, noData()
	}
	f := newFields(plural, m, &problem)
	return []*fields{f}, problem
}

func elements(path string, items []any, problem *error) []*fields {
	var out []*fields
	for i, it := range items {
		m, ok := it.(map[string]any)
		if !ok {
			if *problem == nil {
				*problem = badData("%s[%d] is not an object", path, i)
			}
			return nil
		}
		out = append(out, newFields(fmt.Sprintf("%s[%d]", path, i), m, problem))
	}
	return out
}

func (f *fields) fail(err error) {
	if *f.err == nil {
		*f.err = err
	}
}

func (f *fields) take(name string) (any, bool) {
	low := strings.ToLower(name)
	f.used[low] = true
	v, ok := f.raw[low]
	if ok {
		f.echo[name] = v
	}
	return v, ok
}

// has tells whether the field was sent with a value.
func (f *fields) has(name string) bool {
	_, ok := f.raw[strings.ToLower(name)]
	return ok
}

func (f *fields) str(name string) string {
	v, ok := f.take(name)
	if !ok {
		return ""
	}
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	f.fail(badData("%s.%s is not a string", f.path, name))
	return ""
}

func (f *fields) boolean(name string) bool {
	v, ok := f.take(name)
	if !ok {
		return false
	}
	switch x := v.(type) {
	case bool:
		return x
	case string:
		if strings.EqualFold(x, "true") || strings.EqualFold(x, "false") {
			return strings.EqualFold(x, "true")
		}
	}
	f.fail(badData("%s.%s is not a boolean", f.path, name))
	return false
}

// scaled reads a number, as a number or as a string, without rounding.
func (f *fields) scaled(name string, places int) int64 {
	s := f.str(name)
	if s == "" {
		return 0
	}
	n, err := scaled(s, places)
	if err != nil {
		f.fail(notModelledf("%s.%s: %w", f.path, name, err))
	}
	return n
}

func (f *fields) cents(name string) cents { return cents(f.scaled(name, centsPlaces)) }
func (f *fields) frac(name string) frac   { return frac(f.scaled(name, fracPlaces)) }
func (f *fields) rate(name string) rate   { return rate(f.scaled(name, ratePlaces)) }

func (f *fields) day(name string) day {
	s := f.str(name)
	if s == "" {
		return ""
	}
	d, err := parseDay(s)
	if err != nil {
		f.fail(badData("%s.%s: %v", f.path, name, err))
	}
	return d
}

// obj reads a nested object; nil when it was not sent.
func (f *fields) obj(name string) *fields {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		f.fail(badData("%s.%s is not an object", f.path, name))
		return nil
	}
	kid := newFields(f.path+"."+name, m, f.err)
	f.kids = append(f.kids, kid)
	f.echo[name] = kid.echo
	return kid
}

// list reads a nested array of objects.
func (f *fields) list(name string) []*fields {
	v, ok := f.take(name)
	if !ok {
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		f.fail(badData("%s.%s is not an array", f.path, name))
		return nil
	}
	out := elements(f.path+"."+name, items, f.err)
	echoes := []object{}
	for _, kid := range out {
		f.kids = append(f.kids, kid)
		echoes = append(echoes, kid.echo)
	}
	f.echo[name] = echoes
	return out
}

// finish reports the first problem, which may be a field that nobody read.
func (f *fields) finish() error {
	f.unread()
	return *f.err
}

func (f *fields) unread() {
	var names []string
	for low, name := range f.name {
		if !f.used[low] {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if len(names) > 0 {
		f.fail(notModelled("the field %s.%s", f.path, names[0]))
	}
	for _, kid := range f.kids {
		kid.unread()
	}
}
