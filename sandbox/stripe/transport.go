package stripe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/ml-connector/ml-connector/sandbox"
)

const bodyBytesMax = 1 << 20 // 250 lines with full metadata stay below

// call is one request to the API while it is served.
type call struct {
	srv    *Server
	id     string // Request-Id
	method string
	path   string
	args   []string // what stands for {id} and the like in the route
	key    string
	rights apiKey
	idem   string // Idempotency-Key of a POST
	root   *node
	p      *params
	expand tree
}

// answer is a response before it is sent; idempotent ones are kept.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	c := &call{srv: s, id: newID("req"), method: r.Method, path: r.URL.Path}
	ans := s.serve(c, r)
	h := w.Header()
	maps.Copy(h, ans.header)
	h.Set("Content-Type", "application/json")
	h.Set("Request-Id", c.id)
	h.Set("Stripe-Version", Version)
	h.Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-cache, no-store")
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		h.Set("Idempotency-Key", key)
	}
	w.WriteHeader(ans.status)
	_, _ = w.Write(ans.body) // the client may be gone
	s.log.Debug("served", "method", c.method, "path", c.path, "status", ans.status, "request", c.id)
}

// serve checks a request from the outside in, then runs it.
func (s *Server) serve(c *call, r *http.Request) answer {
	var err error
	if c.key, c.rights, err = s.authenticate(r); err != nil {
		return errorAnswer(err)
	}
	if s.limiter != nil && !s.limiter.AllowN(s.clock.Now(), 1) {
		return errorAnswer(&apiError{status: http.StatusTooManyRequests, typ: typeInvalidRequest, code: "rate_limit",
			message: "Request rate limit exceeded.", header: http.Header{"Stripe-Rate-Limited-Reason": {"global-rate"}}})
	}
	if err := checkHeaders(r); err != nil {
		return errorAnswer(err)
	}
	rt, args, ok := findRoute(c.method, c.path)
	if !ok {
		return errorAnswer(&apiError{status: http.StatusNotFound, typ: typeInvalidRequest,
			message: fmt.Sprintf("Unrecognized request URL (%s: %s). The sandbox does not model it.", c.method, c.path)})
	}
	c.args = args
	if err := c.allow(rt.noun, c.method != http.MethodGet); err != nil {
		return errorAnswer(err)
	}
	if err := c.read(r); err != nil {
		return errorAnswer(err)
	}
	if paths, _ := c.p.strings("expand"); len(paths) > 0 {
		if c.expand, err = expandTree(paths, rt.result, func(noun string) error { return c.allow(noun, false) }); err != nil {
			return errorAnswer(err)
		}
	}
	if c.rights.live != s.live {
		return s.otherMode(c, rt)
	}
	if c.method == http.MethodPost && r.Header.Get("Idempotency-Key") != "" {
		c.idem = strings.TrimSpace(r.Header.Get("Idempotency-Key"))
		return s.idempotent(c, rt)
	}
	s.waitForGate(c)
	return s.run(c, rt)
}

func (c *call) allow(noun string, write bool) error {
	return c.rights.allow(c.srv.cfg.AccountID, c.key, noun, write)
}

func checkHeaders(r *http.Request) error {
	if v := r.Header.Get("Stripe-Version"); v != "" && v != Version {
		return refuse("", "", "Invalid Stripe API version: %s. The sandbox models %s.", v, Version)
	}
	if r.Header.Get("Stripe-Account") != "" {
		return notModelled("", "the header Stripe-Account")
	}
	return nil
}

// read takes the parameters from the query and from a form body.
func (c *call) read(r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyBytesMax+1))
	if err != nil {
		return refuse("", "", "The request body could not be read.")
	}
	if len(body) > bodyBytesMax {
		return &apiError{status: http.StatusRequestEntityTooLarge, typ: typeInvalidRequest, message: "The request body is too large."}
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if len(body) > 0 && strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		return refuse("", "", "Invalid request: the content type must be application/x-www-form-urlencoded, not %q.", kind)
	}
	c.root = newHash()
	if err := parseForm(c.root, r.URL.RawQuery); err != nil {
		return err
	}
	if err := parseForm(c.root, string(body)); err != nil {
		return err
	}
	c.p = newParams(c.root)
	return nil
}

// otherMode answers a live key on a test account, or the other way round: there
// is nothing.
func (s *Server) otherMode(c *call, rt *route) answer {
	switch {
	case len(c.args) > 0:
		err := missingObject(http.StatusNotFound, rt.noun, "id", c.args[0])
		err.message += "; a similar object exists in the other mode, but the key is not of that mode."
		return errorAnswer(err)
	case strings.HasPrefix(rt.result, "list:") && c.method == http.MethodGet:
		return jsonAnswer(http.StatusOK, embedded(c.path, []any{}, false))
	}
	return errorAnswer(notModelled("", "a second mode of the account"))
}

// run carries a request out under the lock.
func (s *Server) run(c *call, rt *route) (ans answer) {
	s.mu.Lock()
	s.now = s.clock.Now()
	s.cur = c
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("sandbox broke", "method", c.method, "path", c.path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			ans = errorAnswer(errors.New("panic"))
		}
		s.cur = nil
		after := s.after
		s.after = nil
		s.mu.Unlock()
		for _, f := range after {
			f()
		}
	}()
	o, err := rt.handle(s, c)
	if err != nil {
		return errorAnswer(err)
	}
	expand(o, c.expand)
	if f, ok := s.takeLost(c); ok {
		return errorAnswer(&apiError{status: f.Status, typ: typeAPI, message: "An unexpected error occurred after the request was carried out."})
	}
	return jsonAnswer(http.StatusOK, plainObj(o))
}

// takeLost finds the FailAfter fault for a write.
func (s *Server) takeLost(c *call) (sandbox.Fault, bool) {
	for i := range s.lost {
		f := &s.lost[i]
		if c.method == http.MethodGet || (f.Method != "" && f.Method != c.method) || !strings.HasPrefix(c.path, f.Path) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		hit := *f
		if f.Times > 0 {
			f.Times--
		}
		if f.Times == 0 {
			s.lost = append(s.lost[:i], s.lost[i+1:]...)
		}
		return hit, true
	}
	return sandbox.Fault{}, false
}

func (s *Server) waitForGate(c *call) {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil && c.method != http.MethodGet {
		<-gate
	}
}

func jsonAnswer(status int, v any) answer {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return answer{status: http.StatusInternalServerError, body: []byte(`{"error":{"type":"api_error","message":"the sandbox could not write its answer"}}`)}
	}
	return answer{status: status, header: http.Header{}, body: b.Bytes()}
}

func errorAnswer(err error) answer {
	var e *apiError
	if !errors.As(err, &e) {
		e = &apiError{status: http.StatusInternalServerError, typ: typeAPI, message: "The sandbox broke; see its log."}
	}
	ans := jsonAnswer(e.status, e.body())
	maps.Copy(ans.header, e.header)
	return ans
}
