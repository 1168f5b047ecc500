package xero

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// OAuth 2.0 as Xero has it: authorization code with PKCE, refresh tokens that
// change with every use and a grace of 30 minutes for a lost answer:
// https://developer.xero.com/documentation/guides/oauth2/auth-flow

const (
	codeFor    = 5 * time.Minute
	accessFor  = 30 * time.Minute
	refreshFor = 60 * 24 * time.Hour
	graceFor   = 30 * time.Minute
)

// Granular scopes; apps made since March 2026 cannot use the broad ones:
// https://developer.xero.com/faq/granular-scopes
var knownScopes = []string{
	"openid", "profile", "email", "offline_access",
	"accounting.invoices", "accounting.invoices.read", "accounting.payments", "accounting.payments.read",
	"accounting.contacts", "accounting.contacts.read", "accounting.settings", "accounting.settings.read",
	"accounting.banktransactions", "accounting.banktransactions.read",
}

// defaultScopes are what IssueTokens grants.
var defaultScopes = []string{"openid", "profile", "email", "offline_access", "accounting.invoices",
	"accounting.payments", "accounting.contacts", "accounting.settings", "accounting.banktransactions"}

var b64 = base64.RawURLEncoding

// grant is one consent of the user for the app.
type grant struct {
	id      string // the authentication event
	scopes  []string
	revoked bool
}

// allows tells whether the grant covers a method on what the scope protects.
func (g *grant) allows(scope, method string) bool {
	return slices.Contains(g.scopes, scope) || (method == http.MethodGet && slices.Contains(g.scopes, scope+".read"))
}

type authCode struct {
	grant     *grant
	redirect  string
	challenge string
	at        time.Time
}

type accessToken struct {
	grant   *grant
	expires time.Time
}

type refreshToken struct {
	grant     *grant
	at        time.Time
	firstUsed time.Time
}

// connection is the link between the app and the organisation.
type connection struct {
	id, event        string
	created, updated time.Time
}

// identity is what the identity service keeps.
type identity struct {
	user       string
	signingKey []byte
	codes      map[string]*authCode
	access     map[string]*accessToken
	refresh    map[string]*refreshToken
	connection *connection // nil: disconnected
}

func newIdentity() identity {
	return identity{user: newID(), signingKey: []byte(newSecret()), codes: map[string]*authCode{},
		access: map[string]*accessToken{}, refresh: map[string]*refreshToken{}}
}

func (d *identity) connected() bool { return d.connection != nil }

// bearer finds the grant of the request's access token.
func (d *identity) bearer(r *http.Request, now time.Time) (*grant, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a := d.access[token]
	switch {
	case !ok || a == nil || a.grant.revoked:
		return nil, titled(http.StatusUnauthorized, "Unauthorized", "AuthenticationUnsuccessful")
	case !now.Before(a.expires):
		detail := "TokenExpired: token expired at " + a.expires.Format("01/02/2006 15:04:05")
		return nil, titled(http.StatusUnauthorized, "Unauthorized", detail)
	}
	return a.grant, nil
}

// consent makes a grant and connects the organisation.
func (d *identity) consent(scopes []string, now time.Time) *grant {
	g := &grant{id: newID(), scopes: scopes}
	if d.connection == nil {
		d.connection = &connection{id: newID(), event: g.id, created: now}
	}
	d.connection.updated = now
	return g
}

// Tokens is a token set, as the token endpoint answers it.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
	TenantID     string `json:"tenant_id,omitempty"` // not in Xero's answer; of IssueTokens only
}

func (d *identity) issue(g *grant, now time.Time) Tokens {
	d.forget(now)
	t := Tokens{AccessToken: d.sign(g, now), ExpiresIn: int(accessFor.Seconds()), TokenType: "Bearer",
		Scope: strings.Join(g.scopes, " ")}
	d.access[t.AccessToken] = &accessToken{grant: g, expires: now.Add(accessFor)}
	if slices.Contains(g.scopes, "offline_access") {
		t.RefreshToken = newSecret()
		d.refresh[t.RefreshToken] = &refreshToken{grant: g, at: now}
	}
	return t
}

// forget drops what is too old to say anything about.
func (d *identity) forget(now time.Time) {
	for k, a := range d.access {
		if now.Sub(a.expires) > 24*time.Hour {
			delete(d.access, k)
		}
	}
	for k, c := range d.codes {
		if now.Sub(c.at) > codeFor {
			delete(d.codes, k)
		}
	}
	for k, r := range d.refresh {
		if now.Sub(r.at) > 2*refreshFor {
			delete(d.refresh, k)
		}
	}
}

// sign makes a JWT with the claims that clients of Xero read.
func (d *identity) sign(g *grant, now time.Time) string {
	claims, _ := json.Marshal(object{"iss": "https://identity.xero.com", "xero_userid": d.user, "jti": newID(),
		"authentication_event_id": g.id, "scope": g.scopes, "nbf": now.Unix(), "exp": now.Add(accessFor).Unix()})
	unsigned := b64.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + b64.EncodeToString(claims)
	mac := hmac.New(sha256.New, d.signingKey)
	mac.Write([]byte(unsigned))
	return unsigned + "." + b64.EncodeToString(mac.Sum(nil))
}

// IssueTokens grants what an owner would have granted in a browser, and
// connects the organisation. Without scopes it grants all that are modelled but
// the read-only twins.
func (s *Server) IssueTokens(scopes ...string) Tokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(scopes) == 0 {
		scopes = slices.Clone(defaultScopes)
	}
	now := s.now()
	t := s.identity.issue(s.identity.consent(scopes, now), now)
	t.TenantID = s.org.id
	return t
}

// authorize is the consent page; the owner agrees at once.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	redirect, err := url.Parse(q.Get("redirect_uri"))
	if q.Get("client_id") != s.cfg.ClientID || err != nil || !s.redirectAllowed(q.Get("redirect_uri"), redirect) {
		http.Error(w, "unauthorized_client: unknown client_id, or a redirect_uri that is not registered", http.StatusBadRequest)
		return
	}
	back := redirect.Query()
	if q.Has("state") {
		back.Set("state", q.Get("state"))
	}
	scopes := strings.Fields(q.Get("scope"))
	switch {
	case q.Get("response_type") != "code":
		back.Set("error", "unsupported_response_type")
	case len(scopes) == 0, slices.ContainsFunc(scopes, func(x string) bool { return !slices.Contains(knownScopes, x) }):
		back.Set("error", "invalid_scope")
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		back.Set("error", "invalid_request")
	default:
		code := newSecret()
		s.identity.codes[code] = &authCode{grant: s.identity.consent(scopes, s.now()), redirect: q.Get("redirect_uri"),
			challenge: q.Get("code_challenge"), at: s.now()}
		back.Set("code", code)
	}
	redirect.RawQuery = back.Encode()
	http.Redirect(w, r, redirect.String(), http.StatusFound)
}

// redirectAllowed keeps Xero's rule: https, or http to the name localhost.
func (s *Server) redirectAllowed(raw string, u *url.URL) bool {
	if len(s.cfg.RedirectURLs) > 0 {
		return slices.Contains(s.cfg.RedirectURLs, raw)
	}
	return u.Host != "" && (u.Scheme == "https" || (u.Scheme == "http" && u.Hostname() == "localhost"))
}

func oauthError(w http.ResponseWriter, code string) {
	writeJSON(w, http.StatusBadRequest, object{"error": code})
}

// client checks the app's own credentials.
func (s *Server) client(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16) // a form of a few short fields
	id, secret, ok := r.BasicAuth()
	form := strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && r.ParseForm() == nil
	if !ok || !form {
		oauthError(w, "invalid_request")
		return false
	}
	right := subtle.ConstantTimeCompare([]byte(id), []byte(s.cfg.ClientID)) &
		subtle.ConstantTimeCompare([]byte(secret), []byte(s.cfg.ClientSecret))
	if right != 1 {
		oauthError(w, "invalid_client")
		return false
	}
	return true
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if !s.client(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var g *grant
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		g = s.identity.redeem(r.PostForm, s.now())
	case "refresh_token":
		g = s.identity.rotate(r.PostForm.Get("refresh_token"), s.now())
	default:
		oauthError(w, "unsupported_grant_type")
		return
	}
	if g == nil {
		oauthError(w, "invalid_grant")
		return
	}
	writeJSON(w, http.StatusOK, s.identity.issue(g, s.now()))
}

// redeem takes a code once, within five minutes, with its own redirect and
// verifier; nil otherwise.
func (d *identity) redeem(form url.Values, now time.Time) *grant {
	c := d.codes[form.Get("code")]
	delete(d.codes, form.Get("code"))
	if c == nil || now.Sub(c.at) > codeFor || form.Get("redirect_uri") != c.redirect {
		return nil
	}
	if c.challenge != "" {
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if b64.EncodeToString(sum[:]) != c.challenge {
			return nil
		}
	}
	return c.grant
}

// rotate accepts a refresh token the first time within 60 days, and for 30
// minutes after that again. Unproven: each time gives another pair, and all of
// them stay valid.
func (d *identity) rotate(token string, now time.Time) *grant {
	t := d.refresh[token]
	if t == nil || t.grant.revoked || now.Sub(t.at) > refreshFor {
		return nil
	}
	if t.firstUsed.IsZero() {
		t.firstUsed = now
	} else if now.Sub(t.firstUsed) > graceFor {
		return nil
	}
	return t.grant
}

// revocation ends the grant and all connections of the user.
func (s *Server) revocation(w http.ResponseWriter, r *http.Request) {
	if !s.client(w, r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.identity.refresh[r.PostForm.Get("token")]; t != nil {
		t.grant.revoked = true
		s.identity.connection = nil
	}
}

func (s *Server) listConnections(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.identity.bearer(r, s.now()); err != nil {
		writeProblem(w, err)
		return
	}
	list := []object{}
	c := s.identity.connection
	event := r.URL.Query().Get("authEventId")
	if c != nil && (event == "" || event == c.event) {
		const layout = "2006-01-02T15:04:05.0000000"
		list = append(list, object{"id": c.id, "authEventId": c.event, "tenantId": s.org.id, "tenantType": "ORGANISATION",
			"tenantName": s.org.name, "createdDateUtc": c.created.Format(layout), "updatedDateUtc": c.updated.Format(layout)})
	}
	writeJSON(w, http.StatusOK, list)
}

func (s *Server) deleteConnection(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.identity.bearer(r, s.now()); err != nil {
		writeProblem(w, err)
		return
	}
	c := s.identity.connection
	switch id := r.PathValue("id"); {
	case id == s.org.id: // the mistake of sending the tenant's id
		writeProblem(w, titled(http.StatusForbidden, "Forbidden", "AuthenticationUnsuccessful"))
	case c == nil || id != c.id:
		w.WriteHeader(http.StatusNotFound)
	default:
		s.identity.connection = nil
		w.WriteHeader(http.StatusNoContent)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	rep := jsonReply(status, v)
	w.Header().Set("Content-Type", rep.ctype)
	w.WriteHeader(rep.status)
	_, _ = w.Write(rep.body) // the client may be gone
}

func writeProblem(w http.ResponseWriter, err error) {
	p, ok := asProblem(err)
	if !ok {
		p = titled(http.StatusInternalServerError, "An error occurred", fmt.Sprint(err))
	}
	w.Header().Set("Content-Type", p.ctype)
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body) // the client may be gone
}
