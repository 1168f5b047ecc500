package stripe

import (
	"bufio"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
)

// Calls counts the requests to the API, those that a fault cut included.
type Calls struct {
	Total       int            `json:"total"`
	Writes      int            `json:"writes"`  // POST and DELETE
	ByPath      map[string]int `json:"by_path"` // "POST /v1/invoices/{id}/finalize"
	Basic       int            `json:"basic"`
	Bearer      int            `json:"bearer"`
	NoAuth      int            `json:"no_auth"`
	Rejected429 int            `json:"rejected_429"`
}

type calls struct {
	mu sync.Mutex
	n  Calls
}

// Calls counts what was asked since the start or the last ResetCalls.
func (s *Server) Calls() Calls {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	out := s.calls.n
	out.ByPath = maps.Clone(out.ByPath)
	if out.ByPath == nil {
		out.ByPath = map[string]int{}
	}
	return out
}

// ResetCalls begins counting anew.
func (s *Server) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.n = Calls{}
}

func (c *calls) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.count(r)
		rec := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		if rec.status == http.StatusTooManyRequests {
			c.mu.Lock()
			c.n.Rejected429++
			c.mu.Unlock()
		}
	})
}

func (c *calls) count(r *http.Request) {
	path := r.URL.Path
	if route, _, ok := findRoute(r.Method, path); ok {
		path = route.pattern
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n.Total++
	if r.Method != http.MethodGet {
		c.n.Writes++
	}
	if c.n.ByPath == nil {
		c.n.ByPath = map[string]int{}
	}
	c.n.ByPath[r.Method+" "+path]++
	switch strings.ToLower(scheme) {
	case "basic":
		c.n.Basic++
	case "bearer":
		c.n.Bearer++
	default:
		c.n.NoAuth++
	}
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Hijack lets a fault cut the connection.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
