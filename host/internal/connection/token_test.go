package connection_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
)

func TestConsent(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	if _, err := r.session(); connector.KindOf(err) != connector.Auth || !strings.Contains(err.Error(), "not been authorised") {
		t.Errorf("before: got %v", err)
	}
	c, err := r.store.BeginConsent(t.Context(), "books")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"response_type": "code", "code_challenge_method": "S256", "state": c.State(), "redirect_uri": c.RedirectURL,
		"scope": "offline_access accounting.contacts",
	} {
		if got := q.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if len(q.Get("code_challenge")) != 43 || len(c.State()) < 20 {
		t.Errorf("challenge %q, state %q", q.Get("code_challenge"), c.State())
	}
	other, err := r.store.BeginConsent(t.Context(), "books")
	if err != nil || other.State() == c.State() {
		t.Errorf("two consents have one state, or %v", err)
	}

	back := r.consent(c.URL)
	denied := url.Values{"error": {"access_denied"}, "state": {c.State()}}
	for _, tt := range []struct {
		name  string
		query url.Values
		want  string
	}{
		{"wrong state", url.Values{"code": back["code"], "state": {"x" + c.State()[1:]}}, "state differs"},
		{"no state", url.Values{"code": back["code"]}, "state differs"},
		{"a stranger's denial", url.Values{"error": {"access_denied"}}, "state differs"},
		{"denied", denied, "access_denied"},
		{"no code", url.Values{"state": {c.State()}}, "no code"},
		{"wrong code", url.Values{"code": {"nonsense"}, "state": {c.State()}}, "invalid_grant"},
	} {
		if err := r.store.FinishConsent(t.Context(), c, tt.query); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	// PKCE: a code of another consent does not serve, though its state is right.
	if err := r.store.FinishConsent(t.Context(), other, url.Values{"code": back["code"], "state": {other.State()}}); err == nil {
		t.Error("the code of another consent was taken")
	}
	if _, err := r.session(); connector.KindOf(err) != connector.Auth {
		t.Errorf("after refusals: got %v", err)
	}
	r.authorize()
	token, err := r.session()
	if err != nil || token == "" {
		t.Fatalf("got %v, %v", token, err)
	}
	if r.tokenCalls() != 0 {
		t.Error("a fresh token was refreshed")
	}
	r.noneInTheClear([]string{token.String()}, token.Reveal(), canary)
	if _, err := r.store.BeginConsent(t.Context(), "nobody"); err == nil {
		t.Error("an unknown connection was authorised")
	}
}

func TestConsentWithoutARefreshToken(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	err := r.store.StoreToken(t.Context(), "books", &oauth2.Token{AccessToken: canary})
	var e *connector.Error
	if !errors.As(err, &e) || e.Kind != connector.Auth || !strings.Contains(e.Remedy, "offline_access") || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v", err)
	}
}

// Fifty goroutines find the token too old at once: one asks for a new one.
func TestRefreshIsSingleFlight(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	r.expire()
	tokens := r.together(50, func() (string, error) {
		s, err := r.session()
		return s.Reveal(), err
	})
	if len(tokens) != 1 || r.tokenCalls() != 1 {
		t.Errorf("got %d tokens by %d calls, want 1 by 1", len(tokens), r.tokenCalls())
	}
}

// Fifty calls are refused together with the same token: one replaces it.
func TestRefusedTogetherIsSingleFlight(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	old, err := r.session()
	if err != nil {
		t.Fatal(err)
	}
	tokens := r.together(50, func() (string, error) {
		if err := r.store.Refresh(t.Context(), "books", old); err != nil {
			return "", err
		}
		s, err := r.session()
		return s.Reveal(), err
	})
	if len(tokens) != 1 || tokens[old.Reveal()] || r.tokenCalls() != 1 {
		t.Errorf("got %d tokens by %d calls, want one new by 1", len(tokens), r.tokenCalls())
	}
	next, err := r.session()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.store.Refresh(t.Context(), "books", next); err != nil || r.tokenCalls() != 2 {
		t.Errorf("refused again: %v, %d calls, want 2", err, r.tokenCalls())
	}
}

// together runs fn in many goroutines and returns the distinct results.
func (r *rig) together(n int, fn func() (string, error)) map[string]bool {
	r.t.Helper()
	out := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-begin
			got, err := fn()
			if err != nil {
				r.t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			out[got] = true
		})
	}
	close(begin)
	wg.Wait()
	return out
}

// Two processes on one database share one refresh: the lease in the row.
func TestRefreshAcrossProcesses(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	second := r.newStore(r.openDB(true))
	r.expire()
	r.xero.Faults().Add(sandbox.Fault{Path: "/connect/token", Kind: sandbox.FaultSlow, Delay: 300 * time.Millisecond})
	n := 0
	var mu sync.Mutex
	tokens := r.together(10, func() (string, error) {
		mu.Lock()
		n++
		store := r.store
		if n%2 == 0 {
			store = second
		}
		mu.Unlock()
		s, err := store.Session(t.Context(), "books", connector.PriorityRead)
		if err != nil {
			return "", err
		}
		return s.AccessToken.Reveal(), nil
	})
	if len(tokens) != 1 || r.tokenCalls() != 1 {
		t.Errorf("got %d tokens by %d calls, want 1 by 1", len(tokens), r.tokenCalls())
	}
}

// A process that died while it refreshed holds the others up until its lease is
// over, and not longer.
func TestLeaseOfADeadProcess(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	r.expire()
	r.exec(`UPDATE oauth_token SET lease_until = $1`, r.clock.Now().Add(45*time.Second))

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.store.Session(ctx, "books", connector.PriorityRead); connector.KindOf(err) != connector.Unavailable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is leased: got %v, want it unavailable", err)
	}
	if r.tokenCalls() != 0 {
		t.Error("the lease was ignored")
	}
	r.clock.Advance(46 * time.Second)
	if _, err := r.session(); err != nil || r.tokenCalls() != 1 {
		t.Errorf("after it: %v, %d calls", err, r.tokenCalls())
	}
}

// Who waits for another's refresh leaves when its own time is over.
func TestWaitingForARefreshObeysTheContext(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	r.expire()
	r.exec(`UPDATE oauth_token SET lease_until = $1`, r.clock.Now().Add(45*time.Second))
	first, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // holds this process's turn
		defer close(done)
		_, _ = r.store.Session(first, "books", connector.PriorityRead)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := r.store.Session(ctx, "books", connector.PriorityRead); connector.KindOf(err) != connector.Unavailable {
		t.Errorf("got %v, want it unavailable", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it waited %s", took)
	}
	stop()
	<-done
}

// The rotated pair is in the database before anybody gets the new token.
func TestRotatedPairIsStoredBeforeUse(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	r.expire()
	r.exec(`CREATE TRIGGER no_store BEFORE UPDATE OF sealed ON oauth_token BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
	if token, err := r.session(); err == nil || token != "" {
		t.Fatalf("got a token that was not stored: %v", err)
	}
	r.exec(`DROP TRIGGER no_store`)
	r.clock.Advance(46 * time.Second) // the lease of the failed refresh
	token, err := r.session()         // with the old refresh token, within its grace
	if err != nil {
		t.Fatal(err)
	}
	again := r.newStore(r.openDB(true))
	s, err := again.Session(t.Context(), "books", connector.PriorityRead)
	if err != nil || s.AccessToken != token {
		t.Errorf("another process does not see the stored pair: %v", err)
	}
}

// The service rotated the pair and its answer was lost: the old refresh token is
// tried again while the service still takes it.
func TestLostAnswerOfARefresh(t *testing.T) {
	for _, kind := range []string{sandbox.FaultResetAfter, sandbox.FaultTruncate} {
		t.Run(kind, func(t *testing.T) {
			r := newRig(t)
			r.addBooks()
			r.authorize()
			r.expire()
			r.xero.Faults().Add(sandbox.Fault{Path: "/connect/token", Kind: kind})
			if _, err := r.session(); connector.KindOf(err) != connector.Unavailable {
				t.Errorf("lost: got %v, want it unavailable", err)
			}
			if _, err := r.session(); err != nil {
				t.Errorf("again: %v", err)
			}
			r.expire()
			if _, err := r.session(); err != nil {
				t.Errorf("with the new pair: %v", err)
			}
		})
	}
}

func TestRefreshFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  sandbox.Fault
		want   connector.Kind
		remedy string
	}{
		{"the grant is dead", status(400, `{"error":"invalid_grant"}`), connector.Auth, "connections authorize books"},
		{"the client is unknown", status(400, `{"error":"invalid_client"}`), connector.Auth, "check client_id and client_secret"},
		{"the client may not", status(401, `{"error":"unauthorized_client"}`), connector.Auth, "check client_id"},
		{"an odd refusal", status(400, `{"error":"server_error"}`), connector.Unavailable, ""},
		{"internal error", status(500, `<html>`+canary), connector.Unavailable, ""},
		{"bad gateway", status(502, ``), connector.Unavailable, ""},
		{"too many calls", status(429, ``), connector.RateLimited, ""},
		{"nonsense", status(200, `nonsense `+canary), connector.Unavailable, ""},
		{"no token", status(200, `{}`), connector.Unavailable, ""},
		{"a redirect", sandbox.Fault{Path: "/connect/token", Kind: sandbox.FaultStatus, Status: 302, Header: map[string]string{"Location": "http://192.0.2.1/steal"}}, connector.Unavailable, ""},
		{"cut", sandbox.Fault{Path: "/connect/token", Kind: sandbox.FaultResetBefore, Times: 2}, connector.Unavailable, ""},
		{"too slow", sandbox.Fault{Path: "/connect/token", Kind: sandbox.FaultSlow, Delay: 2 * time.Second}, connector.Unavailable, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.client.Timeout = 500 * time.Millisecond
			r.addBooks()
			r.authorize()
			r.expire()
			r.xero.Faults().Add(tt.fault)
			_, err := r.session()
			var e *connector.Error
			if !errors.As(err, &e) || e.Kind != tt.want || !strings.Contains(e.Remedy, tt.remedy) {
				t.Fatalf("got %v (%+v), want %s", err, e, tt.want)
			}
			if tt.want == connector.RateLimited && e.RetryAfter <= 0 {
				t.Error("no time to wait is given")
			}
			if tt.want != connector.Auth && e.Remedy != "" {
				t.Errorf("a person is asked to act: %s", e.Remedy)
			}
			r.noneInTheClear([]string{err.Error(), e.Remedy}, canary)
			r.xero.Faults().Clear()
			if _, err := r.session(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func status(code int, body string) sandbox.Fault {
	return sandbox.Fault{Path: "/connect/token", Kind: sandbox.FaultStatus, Status: code, Body: body, Header: map[string]string{"Content-Type": "application/json"}}
}

// A consent that was revoked at the service needs a person.
func TestRevokedConsent(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	r.clock.Advance(61 * 24 * time.Hour)
	_, err := r.session()
	var e *connector.Error
	if !errors.As(err, &e) || e.Kind != connector.Auth || !strings.Contains(e.Remedy, "connections authorize books") {
		t.Errorf("got %v", err)
	}
	r.authorize()
	if _, err := r.session(); err != nil {
		t.Errorf("authorised again: %v", err)
	}
}

// An answer that names no end of the token serves one call at a time.
func TestTokenWithoutAnEnd(t *testing.T) {
	r := newRig(t)
	r.addBooks()
	r.authorize()
	r.expire()
	for range 2 {
		r.xero.Faults().Add(status(http.StatusOK, `{"access_token":"t","refresh_token":"r","token_type":"Bearer"}`))
	}
	for range 2 {
		if got, err := r.session(); err != nil || got.Reveal() != "t" {
			t.Errorf("got %v", err)
		}
	}
	if n := r.tokenCalls(); n != 2 {
		t.Errorf("got %d token calls, want one for each session", n)
	}
}
