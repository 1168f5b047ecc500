package proof

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

const bodyBytesMax = 8 << 20 // a story's bodies are a few KiB

// exchange is one request and its answer.
type exchange struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte

	status       int
	answerHeader http.Header
	answer       []byte
}

// recorder stands before a stand-in and writes down what passes.
type recorder struct {
	t    *testing.T
	next http.Handler
	mu   sync.Mutex
	seen []exchange
}

// record serves a stand-in behind a recorder, at an address on the loopback
// interface.
func record(t *testing.T, next http.Handler) (*recorder, string) {
	t.Helper()
	r := &recorder{t: t, next: next}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return r, srv.URL
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, bodyBytesMax))
	if err != nil {
		r.t.Errorf("%s %s: read the request: %v", req.Method, req.URL, err)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	ex := exchange{method: req.Method, url: req.URL, header: req.Header.Clone(), body: body}
	inner := req.Clone(req.Context())
	inner.Header.Del("Accept-Encoding") // a plain answer can be looked at
	inner.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	r.next.ServeHTTP(answer, inner)
	ex.status, ex.answerHeader, ex.answer = answer.Code, answer.Header().Clone(), answer.Body.Bytes()

	r.mu.Lock()
	r.seen = append(r.seen, ex)
	r.mu.Unlock()

	maps.Copy(w.Header(), ex.answerHeader)
	w.WriteHeader(ex.status)
	_, _ = w.Write(ex.answer) // the other side sees that it is cut
}

// exchanges are those so far.
func (r *recorder) exchanges() []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// queryNames are the names of the query's parameters: "?order,page", or "".
// Names with an index count once: "types[0]" is "types[]".
func queryNames(u *url.URL) string {
	names := map[string]bool{}
	for name := range u.Query() {
		if at := strings.IndexByte(name, '['); at >= 0 && at+1 < len(name) && name[at+1] >= '0' && name[at+1] <= '9' {
			name = name[:at] + "[]"
		}
		names[name] = true
	}
	if len(names) == 0 {
		return ""
	}
	return "?" + strings.Join(slices.Sorted(maps.Keys(names)), ",")
}
