package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const faultBody = `{"id":"ch_1","amount":1050}`

// faulty serves faultBody behind faults and counts what was really done.
func faulty(t *testing.T, faults ...Fault) (*http.Client, string, *Faults, *atomic.Int32) {
	t.Helper()
	f := &Faults{}
	for _, x := range faults {
		f.Add(x)
	}
	var done atomic.Int32
	srv := httptest.NewServer(f.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		done.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, faultBody)
	})))
	t.Cleanup(srv.Close)
	// A fresh connection for every request, so that the client repeats nothing by itself.
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Second}, srv.URL, f, &done
}

func TestFaultKinds(t *testing.T) {
	cases := []struct {
		name       string
		fault      Fault
		wantStatus int // 0: the client sees no answer
		wantBody   string
		wantDone   int32
	}{
		{"status", Fault{Kind: FaultStatus, Status: 429, Header: map[string]string{"Retry-After": "7"}, Body: "busy"}, 429, "busy", 0},
		{"status defaults to 500", Fault{Kind: FaultStatus}, 500, "", 0},
		{"reset before", Fault{Kind: FaultResetBefore}, 0, "", 0},
		{"reset after commits", Fault{Kind: FaultResetAfter}, 0, "", 1},
		{"slow", Fault{Kind: FaultSlow, Delay: time.Millisecond}, 201, faultBody, 1},
		{"truncate", Fault{Kind: FaultTruncate}, 201, faultBody[:len(faultBody)/2], 1},
		{"other path", Fault{Kind: FaultResetBefore, Path: "/v1/other"}, 201, faultBody, 1},
		{"other method", Fault{Kind: FaultResetBefore, Method: "PUT"}, 201, faultBody, 1},
		{"unknown kind is ignored", Fault{Kind: "melt"}, 201, faultBody, 1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			client, url, _, done := faulty(t, tc.fault)
			res, err := client.Get(url + "/v1/charges")
			if tc.wantStatus == 0 {
				if err == nil {
					t.Fatalf("got status %d, want no answer", res.StatusCode)
				}
			} else {
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != tc.wantStatus || string(body) != tc.wantBody {
					t.Errorf("got %d %q %v, want %d %q", res.StatusCode, body, err, tc.wantStatus, tc.wantBody)
				}
			}
			if done.Load() != tc.wantDone {
				t.Errorf("done %d times, want %d", done.Load(), tc.wantDone)
			}
		})
	}
}

func TestFaultTimesAndSkip(t *testing.T) {
	status := func(c *http.Client, url string) int {
		res, err := c.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	client, url, f, _ := faulty(t, Fault{Kind: FaultStatus, Status: 503, Skip: 1, Times: 2})
	for i, want := range []int{201, 503, 503, 201} {
		if got := status(client, url); got != want {
			t.Errorf("request %d: got %d, want %d", i+1, got, want)
		}
	}
	f.Add(Fault{Kind: FaultStatus, Status: 500, Times: -1})
	for range 3 {
		if got := status(client, url); got != 500 {
			t.Errorf("until cleared: got %d", got)
		}
	}
	f.Clear()
	if got := status(client, url); got != 201 {
		t.Errorf("after Clear: got %d", got)
	}
	if f.Hits() != 5 {
		t.Errorf("hits %d, want 5", f.Hits())
	}
}

func TestFaultFromJSON(t *testing.T) {
	cases := []struct {
		name, in string
		want     Fault
		wantErr  string
	}{
		{"all", `{"method":"PUT","path":"/a","times":-1,"skip":2,"kind":"slow","delay":"1s"}`,
			Fault{Method: "PUT", Path: "/a", Times: -1, Skip: 2, Kind: "slow", Delay: time.Second}, ""},
		{"unknown name", `{"kind":"slow","delay":"1s","colour":"red"}`, Fault{}, "colour"},
		{"unknown kind", `{"kind":"melt"}`, Fault{}, "melt"},
		{"slow without delay", `{"kind":"slow"}`, Fault{}, "delay"},
		{"bad delay", `{"kind":"slow","delay":"soon"}`, Fault{}, "soon"},
		{"bad status", `{"kind":"status","status":42}`, Fault{}, "42"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var got Fault
			err := json.Unmarshal([]byte(tc.in), &got)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got %v, want an error with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil || got.Method != tc.want.Method || got.Delay != tc.want.Delay || got.Skip != tc.want.Skip || got.Times != tc.want.Times {
				t.Errorf("got %+v %v, want %+v", got, err, tc.want)
			}
		})
	}
}
