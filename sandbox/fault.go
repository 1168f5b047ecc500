package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The kinds of Fault.
const (
	FaultStatus      = "status"       // answer with Status, Header and Body; nothing is done
	FaultResetBefore = "reset_before" // the connection is cut; nothing is done
	FaultResetAfter  = "reset_after"  // it is done, then the connection is cut: the lost response
	FaultSlow        = "slow"         // it is done, and answered Delay later
	FaultTruncate    = "truncate"     // it is done, and half of the body arrives
)

// faultsMax bounds the faults that wait at one time; a test sets a handful.
const faultsMax = 1000

// Fault is something that goes wrong with the next matching requests.
//
// A reset tells a client nothing about what was done. Go's own client sends a
// request with an Idempotency-Key once more by itself when a reused connection
// is cut (https://pkg.go.dev/net/http#Transport): Times 2 outlasts that.
type Fault struct {
	Method string            // empty: any
	Path   string            // prefix of the URL path; empty: any
	Times  int               // how many requests it hits; 0 means 1; -1: until cleared
	Skip   int               // matching requests let through first
	Kind   string            // one of the Fault constants
	Status int               // for "status"; 0 means 500
	Header map[string]string // for "status"
	Body   string            // for "status"
	Delay  time.Duration     // for "slow", in real time
}

// UnmarshalJSON reads a fault with snake_case names and Delay as a Go duration
// such as "2s". It refuses unknown names and what Check refuses.
func (f *Fault) UnmarshalJSON(b []byte) error {
	var in struct {
		Method string            `json:"method"`
		Path   string            `json:"path"`
		Times  int               `json:"times"`
		Skip   int               `json:"skip"`
		Kind   string            `json:"kind"`
		Status int               `json:"status"`
		Header map[string]string `json:"header"`
		Body   string            `json:"body"`
		Delay  string            `json:"delay"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return err
	}
	x := Fault{Method: in.Method, Path: in.Path, Times: in.Times, Skip: in.Skip, Kind: in.Kind,
		Status: in.Status, Header: in.Header, Body: in.Body}
	if in.Delay != "" {
		d, err := time.ParseDuration(in.Delay)
		if err != nil {
			return fmt.Errorf("delay %q: %w", in.Delay, err)
		}
		x.Delay = d
	}
	if err := x.Check(); err != nil {
		return err
	}
	*f = x
	return nil
}

// Check reports what makes the fault unusable.
func (f Fault) Check() error {
	switch f.Kind {
	case FaultStatus:
		if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
			return fmt.Errorf("fault: status %d is not an HTTP status", f.Status)
		}
	case FaultSlow:
		if f.Delay <= 0 {
			return errors.New("fault: slow needs a delay")
		}
	case FaultResetBefore, FaultResetAfter, FaultTruncate:
	default:
		return fmt.Errorf("fault: unknown kind %q", f.Kind)
	}
	if f.Times < -1 || f.Skip < 0 {
		return errors.New("fault: times is at least -1 and skip at least 0")
	}
	return nil
}

func (f Fault) matches(r *http.Request) bool {
	return (f.Method == "" || strings.EqualFold(f.Method, r.Method)) && strings.HasPrefix(r.URL.Path, f.Path)
}

// Faults are the faults that wait for a request. The zero value has none. It is
// safe for concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []Fault
	hits int
}

// Add queues a fault. Of several that match one request, the first added is
// used. A fault that Check refuses, and more than 1000 at a time, are ignored.
func (f *Faults) Add(x Fault) {
	if x.Check() != nil {
		return
	}
	if x.Times == 0 {
		x.Times = 1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.list) < faultsMax {
		f.list = append(f.list, x)
	}
}

// Clear removes all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
}

// Hits counts the requests that a fault has hit.
func (f *Faults) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

func (f *Faults) take(r *http.Request) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		x := &f.list[i]
		if !x.matches(r) {
			continue
		}
		if x.Skip > 0 {
			x.Skip--
			continue
		}
		hit := *x
		if x.Times > 0 {
			x.Times--
		}
		if x.Times == 0 {
			f.list = append(f.list[:i], f.list[i+1:]...)
		}
		f.hits++
		return hit, true
	}
	return Fault{}, false
}

// Wrap puts the faults in front of next.
func (f *Faults) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x, ok := f.take(r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		switch x.Kind {
		case FaultStatus:
			writeStatus(w, x)
		case FaultResetBefore:
			cut(w)
		case FaultResetAfter:
			next.ServeHTTP(newRecorder(), r)
			cut(w)
		case FaultSlow:
			rec := newRecorder()
			next.ServeHTTP(rec, r)
			if wait(r, x.Delay) {
				rec.copyTo(w, rec.body.Len())
			}
		case FaultTruncate:
			rec := newRecorder()
			next.ServeHTTP(rec, r)
			rec.copyTo(w, rec.body.Len()/2)
		}
	})
}

func writeStatus(w http.ResponseWriter, x Fault) {
	for k, v := range x.Header {
		w.Header().Set(k, v)
	}
	if x.Status == 0 {
		x.Status = http.StatusInternalServerError
	}
	w.WriteHeader(x.Status)
	_, _ = w.Write([]byte(x.Body)) // the client may be gone
}

// wait reports false when the client went away before d was over.
func wait(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// cut ends the connection with a TCP reset, without an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// The server stops the connection for this panic and logs nothing:
		// https://pkg.go.dev/net/http#ErrAbortHandler
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder {
	return &recorder{header: http.Header{}}
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// copyTo sends the answer with the first n bytes of its body.
func (r *recorder) copyTo(w http.ResponseWriter, n int) {
	for k, v := range r.header {
		w.Header()[k] = v
	}
	r.WriteHeader(http.StatusOK)
	w.Header().Set("Content-Length", strconv.Itoa(n))
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes()[:n]) // the client may be gone
}
