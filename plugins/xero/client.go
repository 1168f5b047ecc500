package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	callTimeout   = 30 * time.Second
	bodyBytesMax  = 32 << 20 // a page of 500 invoices with many lines is a few MB
	writeBytesMax = 3 << 20  // the service recommends at most 3.5 MB
	urlBytesMax   = 4096
	accounting    = "/api.xro/2.0"
)

// newHTTPClient makes a client that asks for gzip, follows no redirects and
// sends nothing twice: see send.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: callTimeout,
			MaxIdleConnsPerHost:   10,
			IdleConnTimeout:       time.Minute,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// api speaks to one organisation for one call of the host.
type api struct {
	x      *Xero
	s      *connector.Session
	base   string // the only host that is called
	tenant string // empty: no organisation is chosen yet
	budget *budget
}

// open prepares the calls of a session.
func (x *Xero) open(s *connector.Session) (*api, error) {
	base, err := apiURL(s.Settings["api_url"])
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "xero: settings", "api_url: %w", err)
	}
	named := s.Settings["tenant_id"]
	if named != "" && s.AccountID != "" && !strings.EqualFold(named, s.AccountID) {
		return nil, connector.Errorf(connector.Auth, "xero: settings",
			"the connection is bound to organisation %s, its settings name %s", s.AccountID, named).
			WithRemedy("set tenant_id to the organisation of this connection, or add a new connection for the other one")
	}
	a := &api{x: x, s: s, base: base, tenant: s.AccountID}
	if a.tenant == "" {
		a.tenant = named
	}
	limits := [3]int{60, 5000, 5}
	for i, name := range []string{"calls_per_minute", "calls_per_day", "calls_at_once"} {
		text := s.Settings[name]
		if text == "" {
			continue
		}
		if limits[i], err = strconv.Atoi(text); err != nil || limits[i] < 1 {
			return nil, connector.Errorf(connector.Invalid, "xero: settings", "%s must be a whole number above 0, not %q", name, text)
		}
	}
	a.budget = x.budgets.of(a.cacheKey(), limits[0], limits[1], limits[2])
	return a, nil
}

// openBound is open for calls that need an organisation.
func (x *Xero) openBound(s *connector.Session) (*api, error) {
	a, err := x.open(s)
	if err != nil {
		return nil, err
	}
	if a.tenant == "" {
		return nil, connector.Errorf(connector.Auth, "xero: settings", "no organisation is chosen").
			WithRemedy("authorize the connection, or set tenant_id")
	}
	return a, nil
}

func (a *api) cacheKey() string { return a.base + " " + strings.ToLower(a.tenant) }

// apiURL checks an address: https, or http on a loopback host.
func apiURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("is not set")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("is not a plain URL")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return "", errors.New("must be https, or http on a loopback host")
	}
	return strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "/"), nil
}

// request is one HTTP call.
type request struct {
	op       string // for errors: "xero: create payments"
	method   string
	path     string // below the address of the API
	query    url.Values
	since    time.Time // If-Modified-Since; zero: not sent
	body     any       // writes only
	writes   []connector.Write
	step     string // tells this request from others for the same writes
	noTenant bool
}

func (r request) isWrite() bool { return r.method != http.MethodGet }

// answer is a reply with status 200.
type answer struct {
	body        []byte
	notModified bool
}

// call sends a request and decodes the answer into out.
func (a *api) call(ctx context.Context, r request, out any) (notModified bool, err error) {
	ans, err := a.send(ctx, r)
	if err != nil || ans.notModified {
		return ans.notModified, err
	}
	if err := json.Unmarshal(ans.body, out); err != nil {
		return false, unpromised(r, fmt.Sprintf("the answer cannot be read: %.200s", err.Error()))
	}
	return false, nil
}

// unpromised is the error for an answer that is not what was asked for: a write
// may have been done all the same.
func unpromised(r request, message string) error {
	kind := connector.Unavailable
	if r.isWrite() {
		kind = connector.UnknownOutcome
	}
	return connector.Errorf(kind, r.op, "%s", message)
}

// send makes the call within the budget. A refusal for a moment (429 with a
// short Retry-After) is waited for once.
func (a *api) send(ctx context.Context, r request) (answer, error) {
	body, err := marshalBody(r)
	if err != nil {
		return answer{}, err
	}
	for try := 1; ; try++ {
		ans, err := a.sendOnce(ctx, r, body)
		var e *connector.Error
		if try > 1 || !errors.As(err, &e) || e.Kind != connector.RateLimited || e.RetryAfter > waitInsideMax {
			return ans, err
		}
		wait := time.NewTimer(e.RetryAfter)
		select {
		case <-ctx.Done():
			wait.Stop()
			return ans, err
		case <-wait.C:
		}
	}
}

func marshalBody(r request) ([]byte, error) {
	if r.body == nil {
		return nil, nil
	}
	body, err := json.Marshal(r.body)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, r.op, "write the request: %w", err)
	}
	if len(body) > writeBytesMax {
		return nil, connector.Errorf(connector.Invalid, r.op, "the request has %d bytes, at most %d are sent", len(body), writeBytesMax)
	}
	return body, nil
}

func (a *api) sendOnce(ctx context.Context, r request, body []byte) (answer, error) {
	if !r.noTenant { // /connections counts against no organisation
		done, err := a.budget.acquire(ctx, a.s.Priority, r.op)
		if err != nil {
			return answer{}, err
		}
		defer done()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := a.newRequest(traced, r, body)
	if err != nil {
		return answer{}, err
	}
	resp, err := a.x.http.Do(req)
	if err != nil {
		return answer{}, networkError(r, err, connected.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	minute, day := a.budget.observe(resp.Header)
	connector.MeterFrom(ctx).Count(minute, day)
	data, err := io.ReadAll(io.LimitReader(resp.Body, bodyBytesMax+1))
	if err != nil && resp.StatusCode == http.StatusOK {
		return answer{}, networkError(r, err, true)
	}
	if len(data) > bodyBytesMax {
		return answer{}, unpromised(r, fmt.Sprintf("the answer is longer than %d bytes", bodyBytesMax))
	}
	if resp.StatusCode == http.StatusNotModified && !r.isWrite() {
		return answer{notModified: true}, nil
	}
	if resp.StatusCode != http.StatusOK {
		return answer{}, a.statusError(ctx, r, resp, data)
	}
	return answer{body: data}, nil
}

func (a *api) newRequest(ctx context.Context, r request, body []byte) (*http.Request, error) {
	target := a.base + r.path
	if len(r.query) > 0 {
		target += "?" + encodeQuery(r.query)
	}
	if len(target) > urlBytesMax+len(a.base) {
		return nil, connector.Errorf(connector.Invalid, r.op, "the request's address has %d letters, at most %d are sent", len(target), urlBytesMax)
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, reader)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, r.op, "make the request: %w", err)
	}
	// Without GetBody the transport cannot send a write again by itself when a
	// reused connection breaks: whether to try again is the host's decision.
	req.GetBody = nil
	req.Header.Set("Authorization", "Bearer "+a.s.AccessToken.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "ml-connector-xero/"+version)
	if !r.noTenant {
		req.Header.Set("xero-tenant-id", a.tenant)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.isWrite() {
		req.Header.Set("Idempotency-Key", a.idempotencyKey(r, body))
	}
	if !r.since.IsZero() {
		req.Header.Set("If-Modified-Since", modifiedSince(r.since))
	}
	return req, nil
}

// idempotencyKey derives the key of a write. The service remembers a key and
// its answer for six minutes, errors included, and refuses an altered request
// under an old key: so the body takes part, and the attempt from the third on.
// The second attempt keeps the first one's key, in case only its answer was
// lost. The keys are scoped to the app: so the organisation takes part too.
func (a *api) idempotencyKey(r request, body []byte) string {
	h := sha256.New()
	part := func(s string) { fmt.Fprintf(h, "%d:%s", len(s), s) }
	part(a.tenant)
	part(r.method)
	part(r.path)
	part(r.step)
	part(string(body))
	for _, w := range r.writes {
		attempt := w.Attempt
		if attempt <= 2 {
			attempt = 1
		}
		part(w.Key)
		part(strconv.Itoa(attempt))
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// encodeQuery escapes a query. Spaces become %20, and commas stay: they separate
// the ids of a list, and escaped they would take three letters each.
func encodeQuery(q url.Values) string {
	s := strings.ReplaceAll(q.Encode(), "+", "%20")
	return strings.ReplaceAll(s, "%2C", ",")
}
