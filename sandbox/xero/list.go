package xero

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Lists: If-Modified-Since, where, order, page and pageSize:
// https://developer.xero.com/documentation/api/accounting/requests-and-responses

const (
	pageSizeDefault = 100
	pageSizeMax     = 1000
	pageMax         = 1_000_000
)

// listing is how one kind of record is listed.
type listing[T any] struct {
	plural  string
	rows    []*T
	cols    columns[T]
	updated func(*T) time.Time // nil: If-Modified-Since is not modelled
	id      func(*T) string
	only    func(*T) bool // further conditions; nil: none
	paged   bool          // pages even when no page is asked for
	view    func(row *T, full bool) object
}

func list[T any](c *call, l listing[T]) (reply, error) {
	rows, err := selectRows(c, l)
	if err != nil {
		return reply{}, err
	}
	if err := sortRows(c, l, rows); err != nil {
		return reply{}, err
	}
	var more []object
	full := l.paged || c.query.Has("page")
	if c.query.Has("pageSize") && !full {
		return reply{}, notModelled("pageSize without page")
	}
	if full {
		page, err := c.number("page", 1, pageMax)
		if err != nil {
			return reply{}, err
		}
		size, err := c.number("pageSize", pageSizeDefault, pageSizeMax)
		if err != nil {
			return reply{}, err
		}
		count := len(rows)
		more = append(more, object{"pagination": object{"page": page, "pageSize": size,
			"pageCount": (count + size - 1) / size, "itemCount": count}})
		from := min((page-1)*size, count)
		rows = rows[from:min(from+size, count)]
	}
	views := make([]object, 0, len(rows))
	for _, row := range rows {
		views = append(views, l.view(row, full))
	}
	return c.ok(l.plural, views, more...), nil
}

func selectRows[T any](c *call, l listing[T]) ([]*T, error) {
	where := func(*T) (bool, error) { return true, nil }
	if expr := c.query.Get("where"); expr != "" {
		f, err := parseWhere(expr, l.cols)
		if err != nil {
			return nil, err
		}
		where = f
	}
	since, hasSince := c.since()
	if hasSince && l.updated == nil {
		return nil, notModelled("If-Modified-Since on %s", l.plural)
	}
	var rows []*T
	for _, row := range l.rows {
		if hasSince {
			at := l.updated(row)
			if at.Before(since) || (at.Equal(since) && c.s.cfg.Unproven.SinceExclusive) {
				continue
			}
		}
		if l.only != nil && !l.only(row) {
			continue
		}
		ok, err := where(row)
		if err != nil {
			return nil, err
		}
		if ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// sortRows sorts as the order parameter says, then by the time of the last
// change, then by id.
func sortRows[T any](c *call, l listing[T], rows []*T) error {
	type key struct {
		get  func(*T) value
		desc bool
	}
	var keys []key
	if order := c.query.Get("order"); order != "" {
		for _, part := range strings.Split(order, ",") {
			words := strings.Fields(part)
			if len(words) == 0 || len(words) > 2 {
				return badQuery("Syntax error in order %q", order)
			}
			get, ok := l.cols[strings.ToLower(words[0])]
			if !ok {
				return badQuery("No property or field '%s' exists", words[0])
			}
			k := key{get: get}
			if len(words) == 2 {
				switch strings.ToUpper(words[1]) {
				case "DESC":
					k.desc = true
				case "ASC":
				default:
					return badQuery("Syntax error in order %q", order)
				}
			}
			keys = append(keys, k)
		}
	}
	slices.SortStableFunc(rows, func(a, b *T) int {
		for _, k := range keys {
			if n := sortValues(k.get(a), k.get(b)); n != 0 {
				if k.desc {
					return -n
				}
				return n
			}
		}
		if l.updated != nil {
			if n := l.updated(a).Compare(l.updated(b)); n != 0 {
				return n
			}
		}
		return strings.Compare(l.id(a), l.id(b))
	})
	return nil
}

func sortValues(a, b value) int {
	if a.kind == isNull || b.kind == isNull {
		return cmp.Compare(a.kind, b.kind)
	}
	if less, _ := compare(a, "<", b); less {
		return -1
	}
	if more, _ := compare(a, ">", b); more {
		return 1
	}
	return 0
}

func lowerID(id string) string { return strings.ToLower(id) }

// idSet reads a comma-separated list parameter; nil when it is not there.
func (c *call) idSet(name string) map[string]bool {
	v := c.query.Get(name)
	if v == "" {
		return nil
	}
	set := map[string]bool{}
	for _, x := range strings.Split(v, ",") {
		set[strings.ToLower(strings.TrimSpace(x))] = true
	}
	return set
}

// in tells whether a list parameter lets x pass.
func in(set map[string]bool, x string) bool {
	return set == nil || set[strings.ToLower(x)]
}
