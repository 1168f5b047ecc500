package xero

import (
	"strconv"
	"strings"
	"time"
)

// The filter language of the where parameter, as far as it is known to work:
//
//	Status=="AUTHORISED" AND (Date>=DateTime(2026,10,01) OR Reference.StartsWith("ch_"))
//	Contact.ContactID==guid("...")   Name.Contains("bike")   EmailAddress!=null
//
// Text is compared without regard to case. There is no escape for a quote
// inside a string: https://developer.xero.com/documentation/api/accounting/requests-and-responses

const (
	whereBytesMax = 8 << 10 // a URL longer than this is refused anyway
	whereDepthMax = 20
)

// value is one side of a comparison.
type value struct {
	kind valueKind
	text string // text, guid, day or moment; moments as fixed-width UTC text
	num  frac
	yes  bool
}

type valueKind int

const (
	isNull valueKind = iota + 1
	isText
	isGUID
	isNumber
	isTime
	isBool
)

const momentLayout = "2006-01-02T15:04:05.000"

func textValue(s string) value {
	if s == "" {
		return value{kind: isNull}
	}
	return value{kind: isText, text: strings.ToLower(s)}
}
func guidValue(s string) value    { return value{kind: isGUID, text: strings.ToLower(s)} }
func sumValue(c cents) value      { return value{kind: isNumber, num: frac(c) * 100} }
func boolValue(b bool) value      { return value{kind: isBool, yes: b} }
func timeValue(t time.Time) value { return value{kind: isTime, text: t.UTC().Format(momentLayout)} }
func dayValue(d day) value {
	if d == "" {
		return value{kind: isNull}
	}
	return timeValue(d.time())
}

// columns are the fields of T that a filter or an order may name, by lower-case
// name.
type columns[T any] map[string]func(*T) value

// filter decides whether a record takes part.
type filter[T any] func(*T) (bool, error)

type whereParser[T any] struct {
	in    string
	pos   int
	depth int
	cols  columns[T]
}

// parseWhere compiles a filter; every mistake is a QueryParseException.
func parseWhere[T any](in string, cols columns[T]) (filter[T], error) {
	if len(in) > whereBytesMax {
		return nil, badQuery("the where clause is longer than %d bytes", whereBytesMax)
	}
	p := &whereParser[T]{in: in, cols: cols}
	f, err := p.any()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.in) {
		return nil, p.bad("Syntax error")
	}
	return f, nil
}

func (p *whereParser[T]) bad(what string) error {
	return badQuery("%s at position %d in %q", what, p.pos, p.in)
}

func (p *whereParser[T]) space() {
	for p.pos < len(p.in) && strings.ContainsRune(" \t\r\n", rune(p.in[p.pos])) {
		p.pos++
	}
}

// symbol accepts one of the given marks.
func (p *whereParser[T]) symbol(marks ...string) string {
	p.space()
	for _, m := range marks {
		if strings.HasPrefix(p.in[p.pos:], m) {
			p.pos += len(m)
			return m
		}
	}
	return ""
}

// word reads letters, digits and dots.
func (p *whereParser[T]) word() string {
	p.space()
	from := p.pos
	for p.pos < len(p.in) && isWordByte(p.in[p.pos]) {
		p.pos++
	}
	return p.in[from:p.pos]
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_'
}

// keyword accepts a word such as AND.
func (p *whereParser[T]) keyword(k string) bool {
	at := p.pos
	if strings.EqualFold(p.word(), k) {
		return true
	}
	p.pos = at
	return false
}

func (p *whereParser[T]) any() (filter[T], error) {
	return p.chain(p.all, "OR", "||", true)
}

func (p *whereParser[T]) all() (filter[T], error) {
	return p.chain(p.term, "AND", "&&", false)
}

// chain reads parts joined by a word or mark; stop is the result that settles it.
func (p *whereParser[T]) chain(part func() (filter[T], error), word, mark string, stop bool) (filter[T], error) {
	first, err := part()
	if err != nil {
		return nil, err
	}
	list := []filter[T]{first}
	for p.symbol(mark) != "" || p.keyword(word) {
		next, err := part()
		if err != nil {
			return nil, err
		}
		list = append(list, next)
	}
	if len(list) == 1 {
		return first, nil
	}
	return func(row *T) (bool, error) {
		for _, f := range list {
			if ok, err := f(row); err != nil || ok == stop {
				return ok, err
			}
		}
		return !stop, nil
	}, nil
}

func (p *whereParser[T]) term() (filter[T], error) {
	if p.symbol("(") != "" {
		if p.depth++; p.depth > whereDepthMax {
			return nil, p.bad("Too many brackets")
		}
		f, err := p.any()
		if err != nil {
			return nil, err
		}
		if p.symbol(")") == "" {
			return nil, p.bad("')' expected")
		}
		p.depth--
		return f, nil
	}
	name := strings.ToLower(p.word())
	if name == "" {
		return nil, p.bad("Expression expected")
	}
	for _, method := range []string{"contains", "startswith"} {
		if field, ok := strings.CutSuffix(name, "."+method); ok {
			return p.method(field, method)
		}
	}
	get, ok := p.cols[name]
	if !ok {
		return nil, p.bad("No property or field '" + name + "' exists")
	}
	op := p.symbol("==", "=", "!=", ">=", "<=", "<", ">")
	if op == "" {
		return nil, p.bad("Operator expected")
	}
	want, err := p.literal()
	if err != nil {
		return nil, err
	}
	at := p.pos
	return func(row *T) (bool, error) {
		ok, fits := compare(get(row), op, want)
		if !fits {
			return false, badQuery("Operator '%s' incompatible with operand types, before position %d in %q", op, at, p.in)
		}
		return ok, nil
	}, nil
}

func (p *whereParser[T]) method(field, method string) (filter[T], error) {
	get, ok := p.cols[field]
	if !ok {
		return nil, p.bad("No property or field '" + field + "' exists")
	}
	if p.symbol("(") == "" {
		return nil, p.bad("'(' expected")
	}
	arg, err := p.literal()
	if err != nil {
		return nil, err
	}
	if p.symbol(")") == "" {
		return nil, p.bad("')' expected")
	}
	if arg.kind != isText {
		return nil, p.bad("A text expected")
	}
	test := strings.Contains
	if method == "startswith" {
		test = strings.HasPrefix
	}
	return func(row *T) (bool, error) {
		v := get(row)
		return v.kind == isText && test(v.text, arg.text), nil
	}, nil
}

func (p *whereParser[T]) quoted() (string, error) {
	if p.symbol(`"`) == "" {
		return "", p.bad("A quoted text expected")
	}
	end := strings.IndexByte(p.in[p.pos:], '"')
	if end < 0 {
		return "", p.bad("Unterminated string literal")
	}
	s := p.in[p.pos : p.pos+end]
	p.pos += end + 1
	return s, nil
}

func (p *whereParser[T]) literal() (value, error) {
	p.space()
	if strings.HasPrefix(p.in[p.pos:], `"`) {
		s, err := p.quoted()
		return textValue(s), err // an empty text is as good as null
	}
	sign := p.symbol("-")
	w := strings.ToLower(p.word())
	switch w {
	case "null":
		return value{kind: isNull}, nil
	case "true", "false":
		return boolValue(w == "true"), nil
	case "guid", "datetime":
		return p.call(w)
	}
	n, err := scaled(sign+w, fracPlaces)
	if err != nil {
		return value{}, p.bad("A text, number, guid(), DateTime(), true, false or null expected")
	}
	return value{kind: isNumber, num: frac(n)}, nil
}

// call reads the arguments of guid("...") or DateTime(y, m, d).
func (p *whereParser[T]) call(name string) (value, error) {
	if p.symbol("(") == "" {
		return value{}, p.bad("'(' expected")
	}
	var v value
	if name == "guid" {
		s, err := p.quoted()
		if err != nil {
			return v, err
		}
		if !guidInPath.MatchString(s) || len(s) != len(zeroID) {
			return v, p.bad("A GUID expected")
		}
		v = guidValue(s)
	} else {
		var n []int
		for {
			i, err := strconv.Atoi(p.word())
			if err != nil {
				return v, p.bad("A number expected")
			}
			n = append(n, i)
			if p.symbol(",") == "" {
				break
			}
		}
		if len(n) != 3 && len(n) != 6 {
			return v, p.bad("DateTime takes 3 or 6 numbers")
		}
		n = append(n, 0, 0, 0)
		v = timeValue(time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC))
	}
	if p.symbol(")") == "" {
		return v, p.bad("')' expected")
	}
	return v, nil
}

// compare reports the result, and whether the two can be compared at all.
func compare(got value, op string, want value) (ok, fits bool) {
	equality := op == "==" || op == "=" || op == "!="
	if got.kind == isNull || want.kind == isNull {
		same := got.kind == want.kind
		return equality && same == (op != "!="), true
	}
	if got.kind != want.kind {
		return false, false
	}
	var c int
	switch got.kind {
	case isNumber:
		c = int(min(max(got.num-want.num, -1), 1))
	case isBool:
		if got.yes != want.yes {
			c = 1
		}
	default:
		c = strings.Compare(got.text, want.text)
	}
	switch op {
	case "!=":
		return c != 0, true
	case ">=":
		return c >= 0, true
	case "<=":
		return c <= 0, true
	case ">":
		return c > 0, true
	case "<":
		return c < 0, true
	}
	return c == 0, true
}
