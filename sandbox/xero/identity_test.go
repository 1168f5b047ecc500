package xero

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	testRedirect = "http://localhost:8484/oauth/callback"
	testVerifier = "a-verifier-that-is-long-enough-to-be-one-0123456789"
)

func challenge() string {
	sum := sha256.Sum256([]byte(testVerifier))
	return b64.EncodeToString(sum[:])
}

// authorize asks for consent; overrides are name, value pairs.
func (w *world) authorize(overrides ...string) *http.Response {
	w.t.Helper()
	q := url.Values{"response_type": {"code"}, "client_id": {DefaultClientID}, "redirect_uri": {testRedirect},
		"scope": {"offline_access accounting.invoices accounting.settings.read"}, "state": {"s1"},
		"code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
	for i := 0; i+1 < len(overrides); i += 2 {
		q.Set(overrides[i], overrides[i+1])
	}
	res, err := w.http.Get(w.url + "/identity/connect/authorize?" + q.Encode())
	if err != nil {
		w.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

func (w *world) code(overrides ...string) string {
	w.t.Helper()
	to, err := w.authorize(overrides...).Location()
	if err != nil {
		w.t.Fatal(err)
	}
	if to.Query().Get("state") != "s1" || to.Query().Get("code") == "" {
		w.t.Fatalf("redirected to %s", to)
	}
	return to.Query().Get("code")
}

// tokens posts to the token endpoint with the app's credentials.
func (w *world) tokens(form url.Values, basic ...string) (int, Tokens, string) {
	w.t.Helper()
	req, err := http.NewRequest("POST", w.url+"/connect/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	switch len(basic) {
	case 0:
		req.SetBasicAuth(DefaultClientID, DefaultClientSecret)
	case 2:
		req.SetBasicAuth(basic[0], basic[1])
	}
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	var out struct {
		Tokens
		Error string `json:"error"`
	}
	if err := json.Unmarshal(body, &out); err != nil {
		w.t.Fatalf("%s: %v", body, err)
	}
	return res.StatusCode, out.Tokens, out.Error
}

func codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {testRedirect}, "code_verifier": {testVerifier}}
}

func refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}

func TestCodeFlow(t *testing.T) {
	w := newWorld(t, Config{})
	status, tok, _ := w.tokens(codeForm(w.code()))
	if status != 200 || tok.ExpiresIn != 1800 || tok.TokenType != "Bearer" || tok.RefreshToken == "" {
		t.Fatalf("got %d %+v", status, tok)
	}
	w.token = tok.AccessToken
	a := w.call("GET", "/connections", "")
	if a.status != 200 || !strings.Contains(a.raw, w.s.TenantID()) {
		t.Errorf("connections %d %s", a.status, a.raw)
	}
	if a := w.call("GET", "Organisation", ""); a.status != 200 {
		t.Errorf("organisation %d", a.status)
	}
	for _, scoped := range []struct{ method, path, body string }{{"GET", "Payments", ""}, {"GET", "Contacts", ""}, {"PUT", "Payments", "{}"}} {
		if a := w.call(scoped.method, scoped.path, scoped.body); a.status != 401 || !strings.Contains(a.raw, "AuthorizationUnsuccessful") {
			t.Errorf("%s %s without scope: %d %s", scoped.method, scoped.path, a.status, a.raw)
		}
	}
	w.clock.Advance(30 * time.Minute)
	if a := w.call("GET", "Organisation", ""); a.status != 401 || !strings.Contains(a.raw, "TokenExpired") {
		t.Errorf("after 30 minutes: %d %s", a.status, a.raw)
	}
}

func TestTokenErrors(t *testing.T) {
	cases := []struct {
		name  string
		form  func(w *world) url.Values
		basic []string
		want  string
	}{
		{"no credentials", func(w *world) url.Values { return codeForm(w.code()) }, []string{""}, "invalid_request"},
		{"wrong secret", func(w *world) url.Values { return codeForm(w.code()) }, []string{DefaultClientID, "x"}, "invalid_client"},
		{"unknown code", func(*world) url.Values { return codeForm("x") }, nil, "invalid_grant"},
		{"code used twice", func(w *world) url.Values { c := codeForm(w.code()); w.tokens(c); return c }, nil, "invalid_grant"},
		{"code too old", func(w *world) url.Values { c := codeForm(w.code()); w.clock.Advance(6 * time.Minute); return c }, nil, "invalid_grant"},
		{"other redirect", func(w *world) url.Values {
			c := codeForm(w.code())
			c.Set("redirect_uri", testRedirect+"/")
			return c
		}, nil, "invalid_grant"},
		{"wrong verifier", func(w *world) url.Values { c := codeForm(w.code()); c.Set("code_verifier", "x"); return c }, nil, "invalid_grant"},
		{"unknown refresh token", func(*world) url.Values { return refreshForm("x") }, nil, "invalid_grant"},
		{"other grant", func(*world) url.Values { return url.Values{"grant_type": {"password"}} }, nil, "unsupported_grant_type"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			if status, _, got := w.tokens(tc.form(w), tc.basic...); status != 400 || got != tc.want {
				t.Errorf("got %d %s, want 400 %s", status, got, tc.want)
			}
		})
	}
}

func TestAuthorizeErrors(t *testing.T) {
	w := newWorld(t, Config{})
	for _, tc := range []struct{ name, key, value, want string }{
		{"broad scope", "scope", "accounting.transactions", "invalid_scope"},
		{"no scope", "scope", "", "invalid_scope"},
		{"plain challenge", "code_challenge_method", "plain", "invalid_request"},
		{"implicit", "response_type", "token", "unsupported_response_type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to, err := w.authorize(tc.key, tc.value).Location()
			if err != nil || to.Query().Get("error") != tc.want || to.Query().Get("state") != "s1" {
				t.Errorf("redirected to %v %v", to, err)
			}
		})
	}
	for _, tc := range []struct{ name, key, value string }{
		{"unknown client", "client_id", "x"},
		{"loopback by number", "redirect_uri", "http://127.0.0.1:8484/cb"},
		{"plain http", "redirect_uri", "http://example.com/cb"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if res := w.authorize(tc.key, tc.value); res.StatusCode != 400 {
				t.Errorf("got %d", res.StatusCode)
			}
		})
	}
}

func TestRegisteredRedirects(t *testing.T) {
	w := newWorld(t, Config{RedirectURLs: []string{testRedirect}})
	if res := w.authorize(); res.StatusCode != http.StatusFound {
		t.Errorf("registered: %d", res.StatusCode)
	}
	if res := w.authorize("redirect_uri", testRedirect+"?x=1"); res.StatusCode != 400 {
		t.Errorf("another: %d", res.StatusCode)
	}
}

func TestRefreshRotatesWithGrace(t *testing.T) {
	w := newWorld(t, Config{})
	first := w.s.IssueTokens().RefreshToken
	status, second, _ := w.tokens(refreshForm(first))
	if status != 200 || second.RefreshToken == first || second.RefreshToken == "" {
		t.Fatalf("got %d %+v", status, second)
	}
	w.clock.Advance(29 * time.Minute)
	if status, _, _ := w.tokens(refreshForm(first)); status != 200 {
		t.Errorf("within the grace: %d", status)
	}
	w.clock.Advance(2 * time.Minute)
	if status, _, e := w.tokens(refreshForm(first)); status != 400 || e != "invalid_grant" {
		t.Errorf("after the grace: %d %s", status, e)
	}
	w.clock.Advance(61 * 24 * time.Hour)
	if status, _, e := w.tokens(refreshForm(second.RefreshToken)); status != 400 || e != "invalid_grant" {
		t.Errorf("after 60 days: %d %s", status, e)
	}
}

func TestNoRefreshTokenWithoutOfflineAccess(t *testing.T) {
	w := newWorld(t, Config{})
	if tok := w.s.IssueTokens("accounting.invoices"); tok.RefreshToken != "" || tok.AccessToken == "" {
		t.Errorf("got %+v", tok)
	}
}

func TestDisconnect(t *testing.T) {
	w := newWorld(t, Config{})
	var list []map[string]string
	if err := json.Unmarshal([]byte(w.call("GET", "/connections", "").raw), &list); err != nil || len(list) != 1 {
		t.Fatalf("connections %v %v", list, err)
	}
	if a := w.call("DELETE", "/connections/"+w.s.TenantID(), ""); a.status != 403 {
		t.Errorf("by tenant: %d", a.status)
	}
	if a := w.call("DELETE", "/connections/"+newID(), ""); a.status != 404 {
		t.Errorf("unknown: %d", a.status)
	}
	if a := w.call("DELETE", "/connections/"+list[0]["id"], ""); a.status != 204 {
		t.Errorf("by id: %d", a.status)
	}
	if a := w.call("GET", "/connections", ""); a.status != 200 || a.raw != "[]" {
		t.Errorf("after: %d %s", a.status, a.raw)
	}
	if a := w.call("GET", "Organisation", ""); a.status != 403 {
		t.Errorf("API after: %d", a.status)
	}
}

func TestRevocation(t *testing.T) {
	w := newWorld(t, Config{})
	tok := w.s.IssueTokens()
	req, err := http.NewRequest("POST", w.url+"/connect/revocation", strings.NewReader(url.Values{"token": {tok.RefreshToken}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(DefaultClientID, DefaultClientSecret)
	res, err := w.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if status, _, e := w.tokens(refreshForm(tok.RefreshToken)); res.StatusCode != 200 || status != 400 || e != "invalid_grant" {
		t.Errorf("got %d, then %d %s", res.StatusCode, status, e)
	}
	w.s.RevokeTokens()
	if a := w.call("GET", "/connections", ""); a.status != 401 {
		t.Errorf("after RevokeTokens: %d", a.status)
	}
}

func TestAccessTokenClaims(t *testing.T) {
	w := newWorld(t, Config{})
	payload, err := b64.DecodeString(strings.Split(w.token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims object
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"authentication_event_id", "xero_userid", "scope", "exp"} {
		if claims[name] == nil {
			t.Errorf("no claim %s", name)
		}
	}
	a := w.call("GET", "/connections?authEventId="+get(claims, "authentication_event_id"), "")
	if !strings.Contains(a.raw, w.s.TenantID()) {
		t.Errorf("by event: %s", a.raw)
	}
	if a := w.call("GET", "/connections?authEventId="+newID(), ""); a.raw != "[]" {
		t.Errorf("by another event: %s", a.raw)
	}
}
