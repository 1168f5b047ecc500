package connectortest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mood is what the trap does to a request.
type mood int

const (
	refusing mood = iota + 1 // 401, and says the credential back
	limiting                 // 429, with a time to wait
	failing                  // 503
	hanging                  // no answer until the caller gives up
)

// waitSeconds is what a limiting trap asks for.
const waitSeconds = 7

// trap is the server that made-up settings lead to.
type trap struct {
	url    string
	server *http.Server
	done   chan struct{}

	mu       sync.Mutex
	mood     mood
	hits     int
	arrived  chan struct{} // a request hangs
	released chan struct{} // its caller went away
}

func newTrap() (*trap, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("connectortest: %w", err)
	}
	t := &trap{
		url: "http://" + lis.Addr().String(), done: make(chan struct{}), mood: refusing,
		arrived: make(chan struct{}, 1), released: make(chan struct{}, 1),
	}
	t.server = &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(t.done)
		_ = t.server.Serve(lis) // ends with close
	}()
	return t, nil
}

func (t *trap) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := t.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		_ = t.server.Close()
	}
	<-t.done
}

// be sets the mood and returns how many requests came until now.
func (t *trap) be(m mood) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mood = m
	return t.hits
}

func (t *trap) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hits
}

// ServeHTTP answers in the present mood.
func (t *trap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const bodyBytesMax = 1 << 20 // one made-up record is a few KiB
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, bodyBytesMax))
	t.mu.Lock()
	t.hits++
	m := t.mood
	t.mu.Unlock()
	switch m {
	case limiting:
		w.Header().Set("Retry-After", fmt.Sprint(waitSeconds))
		answer(w, http.StatusTooManyRequests, "too many requests")
	case failing:
		answer(w, http.StatusServiceUnavailable, "the service is down")
	case hanging:
		tell(t.arrived)
		<-r.Context().Done()
		tell(t.released)
	default:
		answer(w, http.StatusUnauthorized, "wrong credential: "+credential(r))
	}
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is enough
	}
}

// credential is the plain text of the request's credential: services are known
// to quote it.
func credential(r *http.Request) string {
	if _, password, ok := r.BasicAuth(); ok {
		return password
	}
	_, v, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if b, err := base64.StdEncoding.DecodeString(v); err == nil && strings.Contains(string(b), ":") {
		return string(b)
	}
	return v
}

// answer writes a message under the names that most services use for it.
func answer(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"Title": http.StatusText(status), "Status": status, "Detail": message, "Message": message,
		"message": message, "error": map[string]any{"message": message, "code": "conformance"},
	})
}
