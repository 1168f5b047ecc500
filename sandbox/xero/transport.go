package xero

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Every API request passes, in this order: the count of calls in flight, the
// faults, the token, the tenant, the rate limits, Accept and Content-Type, the
// route and its scope, the query parameters, the idempotency key, the noun.

const (
	apiPrefix = "/api.xro/2.0"
	// Xero refuses requests above 10 MB:
	// https://developer.xero.com/documentation/guides/oauth2/limits
	bodyBytesMax = 10 << 20
)

// route is one operation that is modelled. In path, {id} and {sub} are the
// parts that vary. params are the query parameters.
type route struct {
	method, path string
	scope        string
	params       []string
	run          func(*call) (reply, error)
}

// call is one API request.
type call struct {
	s       *Server
	r       *http.Request
	route   *route
	id, sub string
	query   url.Values
	body    []byte
	now     time.Time
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, bodyBytesMax))
	h := w.Header()
	h.Set("Xero-Correlation-Id", newID())
	var rep reply
	if err != nil {
		rep = titled(http.StatusRequestEntityTooLarge, "Too large", "a request has at most 10 MB").reply
	} else {
		rep = s.answer(h, r, body)
	}
	if rep.ctype != "" {
		h.Set("Content-Type", rep.ctype)
	} else {
		h["Content-Type"] = nil // no type at all, not a guessed one
	}
	w.WriteHeader(rep.status)
	_, _ = w.Write(rep.body) // the client may be gone
}

// answer produces the reply, under the lock. Headers about limits go to h.
func (s *Server) answer(h http.Header, r *http.Request, body []byte) reply {
	var rep reply
	err := s.locked(func() error {
		now := s.now()
		g, err := s.admit(r, now)
		if err != nil {
			return err
		}
		if limited := s.limits.take(h, now); limited != nil {
			s.calls.limited()
			return limited
		}
		c := &call{s: s, r: r, body: body, now: now}
		if err := c.check(g); err != nil {
			return err
		}
		rep, err = s.once(c)
		return err
	})
	if err == nil || errors.Is(err, errRefused) {
		return rep
	}
	if p, ok := asProblem(err); ok {
		return p.reply
	}
	return titled(http.StatusInternalServerError, "An error occurred", err.Error()).reply
}

// admit checks the token and the tenant.
func (s *Server) admit(r *http.Request, now time.Time) (*grant, error) {
	g, err := s.identity.bearer(r, now)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("Xero-Tenant-Id") != s.org.id || !s.identity.connected() {
		return nil, titled(http.StatusForbidden, "Forbidden", "AuthenticationUnsuccessful")
	}
	return g, nil
}

// check finds the route and looks at the request without its body.
func (c *call) check(g *grant) error {
	if !strings.Contains(c.r.Header.Get("Accept"), "application/json") {
		return titled(http.StatusNotAcceptable, "Not acceptable",
			"without Accept: application/json Xero answers in XML, which the sandbox does not model")
	}
	write := c.r.Method == http.MethodPost || c.r.Method == http.MethodPut
	if write && !strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		return titled(http.StatusUnsupportedMediaType, "Unsupported media type", "send Content-Type: application/json")
	}
	if err := c.find(); err != nil {
		return err
	}
	if !g.allows(c.route.scope, c.r.Method) {
		return titled(http.StatusUnauthorized, "Unauthorized", "AuthorizationUnsuccessful")
	}
	return c.checkQuery()
}

func (c *call) find() error {
	path := strings.TrimPrefix(c.r.URL.Path, apiPrefix+"/")
	parts := strings.Split(path, "/")
	for i := range routes {
		rt := &routes[i]
		if rt.method != c.r.Method {
			continue
		}
		if id, sub, ok := match(strings.Split(rt.path, "/"), parts); ok {
			c.route, c.id, c.sub = rt, id, sub
			return nil
		}
	}
	return notModelled("%s %s", c.r.Method, c.r.URL.Path)
}

func match(pattern, parts []string) (id, sub string, ok bool) {
	if len(pattern) != len(parts) {
		return "", "", false
	}
	for i, p := range pattern {
		switch {
		case p == "{id}" && parts[i] != "":
			id = parts[i]
		case p == "{sub}" && parts[i] != "":
			sub = parts[i]
		case p != parts[i]:
			return "", "", false
		}
	}
	return id, sub, true
}

func (c *call) checkQuery() error {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badQuery("the query string cannot be read: %v", err)
	}
	for name, values := range q {
		switch {
		case !slices.Contains(c.route.params, name):
			return notModelled("the query parameter %s of %s %s", name, c.r.Method, c.route.path)
		case len(values) > 1 || values[0] == "":
			return notModelled("an empty or repeated query parameter (%s)", name)
		}
	}
	for _, name := range []string{"summarizeErrors", "includeArchived", "summaryOnly", "createdByMyApp", "includeDeleted"} {
		if v := q.Get(name); v != "" && v != "true" && v != "false" {
			return badQuery("%s is true or false", name)
		}
	}
	if v := q.Get("unitdp"); v != "" && v != "2" && v != "4" {
		return notModelled("unitdp=%s", v)
	}
	c.query = q
	return nil
}

// places is the number of decimals of unit amounts in this request.
func (c *call) places() int {
	if c.query.Get("unitdp") == "4" {
		return fracPlaces
	}
	return centsPlaces
}

// ok is a successful answer with the records under their plural name.
func (c *call) ok(plural string, records any, more ...object) reply {
	o := object{"Id": newID(), "Status": "OK", "ProviderName": c.s.cfg.AppName,
		"DateTimeUTC": msDate(c.now), plural: records}
	for _, m := range more {
		for k, v := range m {
			o[k] = v
		}
	}
	return jsonReply(http.StatusOK, o)
}

// errRefused says that the reply is written and that nothing may be kept.
var errRefused = errors.New("refused")

// refused makes an echo of what was sent into the element of an answer: with the
// id of zeros, dates as answers write them, and a flag that documents name one
// way, payments and contacts another:
// https://github.com/XeroAPI/xero-node/issues/204
func refused(echo object, plural, idName string, why invalid) object {
	document := plural == "Invoices" || plural == "CreditNotes"
	for _, name := range []string{"Date", "DueDate"} {
		text, _ := echo[name].(string)
		d, err := parseDay(text)
		if text == "" || err != nil {
			continue
		}
		echo[name] = d.ms()
		if document {
			echo[name+"String"] = d.iso()
		}
	}
	switch {
	case document:
		echo["HasErrors"] = true
	case plural != "BankTransactions" && plural != "BankTransfers": // they have no flag
		echo["HasValidationErrors"] = true
	}
	echo[idName], echo["ValidationErrors"], echo["StatusAttributeString"] = zeroID, messages(why), "ERROR"
	return echo
}

// write runs one for every element of the body. idName is the element's own id,
// which an echo of a refused element carries as zeros. An element that one
// refuses is reported as summarizeErrors asks; any other error ends the request.
func (c *call) write(plural, idName string, one func(*fields) (object, error)) (reply, error) {
	elements, err := parseBody(c.body, plural)
	if err != nil {
		return reply{}, err
	}
	separate := c.query.Get("summarizeErrors") == "false"
	var bad, all []object
	for _, f := range elements {
		var out object
		err := c.s.attempt(func() error {
			var err error
			out, err = one(f)
			return err
		})
		var refusal invalid
		if errors.As(err, &refusal) {
			out = refused(f.echo, plural, idName, refusal)
			bad = append(bad, out)
		} else if err != nil {
			return reply{}, err
		} else if separate {
			out["StatusAttributeString"] = "OK"
		}
		all = append(all, out)
	}
	if len(bad) == 0 || separate {
		return c.ok(plural, all), nil
	}
	for _, el := range bad {
		delete(el, "StatusAttributeString")
	}
	if c.s.cfg.Unproven.BatchKeepsGood {
		return validationException(bad), nil
	}
	return validationException(bad), errRefused
}

// writeOne is write for an operation that takes a single element.
func (c *call) writeOne(plural, idName string, one func(*fields) (object, error)) (reply, error) {
	elements, err := parseBody(c.body, plural)
	if err != nil {
		return reply{}, err
	}
	if len(elements) != 1 {
		return reply{}, notModelled("%d elements in %s %s, which takes one", len(elements), c.route.method, c.route.path)
	}
	return c.write(plural, idName, one)
}

// since is the If-Modified-Since of the request. Xero ignores one that it cannot
// read, and answers with everything.
func (c *call) since() (time.Time, bool) {
	v := c.r.Header.Get("If-Modified-Since")
	for _, layout := range []string{isoLayout, time.RFC3339} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}

func (c *call) number(name string, def, highest int) (int, error) {
	v := c.query.Get(name)
	if v == "" {
		return def, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, badQuery("%s must be a positive whole number", name)
	}
	return min(n, highest), nil
}
