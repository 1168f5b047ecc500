package stripe

import (
	"crypto/rand"
	"reflect"
	"strings"
)

// obj is an object of the API on its way out. Its values are JSON values, and
// ref and lazy fields, which plain or expand turn into JSON values.
type obj map[string]any

// ref is a field that shows an id unless the caller expands it. An empty id
// shows null.
type ref struct {
	id   string
	load func() obj // nil: the object is not modelled
}

// lazy is a field that is absent unless the caller expands it.
type lazy struct {
	load func() any
}

// plain is v with ids for refs and without lazy fields.
func plain(v any) any {
	switch v := v.(type) {
	case ref:
		return orNull(v.id)
	case obj:
		out := make(obj, len(v))
		for k, x := range v {
			if _, hidden := x.(lazy); !hidden {
				out[k] = plain(x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = plain(x)
		}
		return out
	}
	return v
}

// plainObj is plain for a whole object.
func plainObj(o obj) obj {
	out, _ := plain(o).(obj)
	return out
}

// orNull shows an empty string as null.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// unixOrNull shows a zero time as null.
func unixOrNull(t int64) any {
	if t == 0 {
		return nil
	}
	return t
}

// strs is a JSON array of strings.
func strs[S ~[]string](list S) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// metadataObj copies metadata into a rendered object.
func metadataObj(m map[string]string) obj {
	out := make(obj, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// previous lists what of before is different in after, with the old value; of a
// changed hash only the changed keys, null where there was none. It is nil when
// nothing changed.
func previous(before, after obj) obj {
	var out obj
	set := func(k string, v any) {
		if out == nil {
			out = obj{}
		}
		out[k] = v
	}
	for k, old := range before {
		now := after[k]
		if reflect.DeepEqual(old, now) {
			continue
		}
		a, isObj := old.(obj)
		b, stillObj := now.(obj)
		if isObj && stillObj {
			set(k, previous(a, b))
			continue
		}
		set(k, old)
	}
	for k := range after {
		if _, had := before[k]; !had {
			set(k, nil)
		}
	}
	return out
}

// newID makes an id that no other object has. Callers must not parse ids, so
// its shape promises nothing but the prefix.
func newID(prefix string) string {
	return prefix + "_1" + rand.Text()[:22]
}

// token makes a secret or a link part.
func token() string { return strings.ToLower(rand.Text()) }

// embedded is a list inside of an object.
func embedded(url string, data []any, more bool) obj {
	return obj{"object": "list", "data": data, "has_more": more, "url": url}
}
