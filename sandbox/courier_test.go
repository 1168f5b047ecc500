package sandbox

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// receiver answers with the given statuses in turn, then 200, and keeps bodies.
type receiver struct {
	mu       sync.Mutex
	statuses []int
	bodies   []string
	signs    []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bodies = append(r.bodies, string(body))
	r.signs = append(r.signs, req.Header.Get("X-Sign"))
	if len(r.statuses) > 0 {
		w.WriteHeader(r.statuses[0])
		r.statuses = r.statuses[1:]
	}
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.bodies...)
}

func idle(t *testing.T, c *Courier) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.Idle(ctx); err != nil {
		t.Fatal(err)
	}
}

func newReceiver(t *testing.T, statuses ...int) (*receiver, string) {
	t.Helper()
	r := &receiver{statuses: statuses}
	srv := httptest.NewServer(r)
	t.Cleanup(srv.Close)
	return r, srv.URL
}

func TestCourierModes(t *testing.T) {
	cases := []struct {
		name, mode string
		release    string // "", "forward" or "reverse"
		want       []string
		wantStats  CourierStats
	}{
		{"normal", ModeNormal, "", []string{"a", "b"}, CourierStats{Sent: 2, Delivered: 2, LastStatus: 200}},
		{"off", ModeOff, "", nil, CourierStats{Dropped: 2}},
		{"twice", ModeTwice, "", []string{"a", "a", "b", "b"}, CourierStats{Sent: 4, Delivered: 4, LastStatus: 200}},
		{"hold", ModeHold, "", nil, CourierStats{Held: 2}},
		{"hold, forward", ModeHold, "forward", []string{"a", "b"}, CourierStats{Sent: 2, Delivered: 2, LastStatus: 200}},
		{"hold, reverse", ModeHold, "reverse", []string{"b", "a"}, CourierStats{Sent: 2, Delivered: 2, LastStatus: 200}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r, url := newReceiver(t)
			c := NewCourier(CourierConfig{URL: url})
			defer c.Close()
			if err := c.Mode(tc.mode); err != nil {
				t.Fatal(err)
			}
			c.Send([]byte("a"))
			c.Send([]byte("b"))
			if tc.release != "" {
				c.Release(tc.release == "reverse")
			}
			idle(t, c)
			if diff := cmp.Diff(tc.want, r.got()); diff != "" {
				t.Errorf("bodies (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantStats, c.Stats()); diff != "" {
				t.Errorf("stats (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCourierUnknownMode(t *testing.T) {
	c := NewCourier(CourierConfig{})
	defer c.Close()
	if err := c.Mode("sideways"); err == nil {
		t.Error("an unknown mode was accepted")
	}
}

func TestCourierRetriesWithAFreshSignature(t *testing.T) {
	r, url := newReceiver(t, 503)
	n := 0 // only the courier's goroutine signs
	c := NewCourier(CourierConfig{URL: url, Sign: func(body []byte, _ time.Time) http.Header {
		n++
		return http.Header{"X-Sign": {fmt.Sprintf("%s-%d", body, n)}}
	}})
	defer c.Close()
	c.Send([]byte("a"))
	idle(t, c)
	if diff := cmp.Diff([]string{"a-1", "a-2"}, r.signs); diff != "" {
		t.Errorf("signatures (-want +got):\n%s", diff)
	}
	if got := c.Stats(); got.Delivered != 1 || got.Sent != 2 {
		t.Errorf("stats %+v", got)
	}
}

func TestCourierGivesUpAndDoesNotFollowRedirects(t *testing.T) {
	r, url := newReceiver(t, http.StatusFound)
	c := NewCourier(CourierConfig{URL: url, MaxTries: 1})
	defer c.Close()
	c.Send([]byte("a"))
	idle(t, c)
	if got := c.Stats(); got.Failed != 1 || got.LastStatus != http.StatusFound || len(r.got()) != 1 {
		t.Errorf("stats %+v, bodies %v", got, r.got())
	}
}

func TestCourierKeepsDeliveriesWithoutURL(t *testing.T) {
	r, url := newReceiver(t)
	c := NewCourier(CourierConfig{})
	defer c.Close()
	c.Send([]byte("a"))
	c.Release(false)
	idle(t, c)
	if c.Stats().Held != 1 {
		t.Fatalf("stats %+v, want one held", c.Stats())
	}
	c.SetURL(url)
	c.Release(false)
	idle(t, c)
	if diff := cmp.Diff([]string{"a"}, r.got()); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}

func TestCourierClosesWhileARetryWaits(t *testing.T) {
	_, url := newReceiver(t, 500, 500, 500)
	c := NewCourier(CourierConfig{URL: url})
	c.Send([]byte("a"))
	for c.Stats().Sent == 0 {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if c.Stats().Sent > 0 {
			break
		}
		select {
		case <-changed:
		case <-time.After(5 * time.Second):
			t.Fatal("no try was made")
		}
	}
	c.Close()
}
