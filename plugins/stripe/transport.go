package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	callTimeout  = 30 * time.Second // one call, with its body; finalizing takes a few seconds
	dialTimeout  = 5 * time.Second
	bodyBytesMax = 16 << 20 // a page of 100 invoices is well below 2 MiB
)

var (
	errRedirect = errors.New("the answer is a redirect, which Stripe never sends")
	errVersion  = errors.New("the answer is in another API version than asked for")
	errTooLarge = fmt.Errorf("the answer is larger than %d bytes", bodyBytesMax)
)

// exchange records what one HTTP call did, for the caller to judge. Stripe's
// library loses the status of answers that are not JSON.
type exchange struct {
	key    string // idempotency key of the step, for writes
	write  bool
	sent   atomic.Bool // something was written to the network
	status int         // 0: no answer
	header http.Header
}

type exchangeKey struct{}

func withExchange(ctx context.Context, ex *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, ex)
}

// replayed reports whether Stripe answered from its idempotency memory.
func (ex *exchange) replayed() bool { return ex.header.Get("Idempotent-Replayed") == "true" }

// serverTime is Stripe's clock as the answer tells it, or the zero time.
func (ex *exchange) serverTime() time.Time {
	t, err := http.ParseTime(ex.header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// newHTTP returns the transport that all clients share.
func newHTTP() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		ResponseHeaderTimeout:  callTimeout,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    2 * atOnce,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}
}

// transport authenticates every request, keeps it on one host, spends the
// budget and refuses answers that Stripe would not give.
type transport struct {
	base   *url.URL
	key    string
	next   http.RoundTripper
	budget *budget
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	ex, _ := ctx.Value(exchangeKey{}).(*exchange)
	if ex == nil || req.URL.Scheme != t.base.Scheme || req.URL.Host != t.base.Host {
		return nil, errors.New("refused to call a host that is not the connection's")
	}
	ex.write = req.Method != http.MethodGet
	r, err := t.prepare(req, ex)
	if err != nil {
		return nil, err
	}
	if err := t.budget.take(ctx, req.Method+" "+operation(req.URL.Path)); err != nil {
		return nil, err
	}
	connector.MeterFrom(ctx).Count(-1, -1)
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	ex.status, ex.header = resp.StatusCode, resp.Header
	t.budget.note(resp.StatusCode, ex.header)
	if err := acceptable(resp); err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	resp.Body = &limitedBody{body: resp.Body, left: bodyBytesMax}
	return resp, nil
}

// prepare clones the request with our own headers. A write is sent at most once:
// without GetBody the HTTP transport does not repeat it by itself.
func (t *transport) prepare(req *http.Request, ex *exchange) (*http.Request, error) {
	trace := &httptrace.ClientTrace{WroteHeaders: func() { ex.sent.Store(true) }}
	r := req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	h := r.Header
	h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(t.key+":")))
	h.Set("Stripe-Version", apiVersion)
	h.Del("Idempotency-Key")
	// Both tell Stripe about the machine we run on.
	h.Del("X-Stripe-Client-User-Agent")
	h.Del("X-Stripe-Client-Telemetry")
	if !ex.write {
		return r, nil
	}
	if ex.key == "" {
		return nil, errors.New("refused to send a write without an idempotency key")
	}
	body, err := bodyOf(req)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(req.Method + " " + req.URL.RequestURI() + "\n" + string(body)))
	h.Set("Idempotency-Key", ex.key+"-"+hex.EncodeToString(sum[:6]))
	r.GetBody = nil
	return r, nil
}

func bodyOf(req *http.Request) ([]byte, error) {
	if req.GetBody == nil {
		return nil, nil
	}
	r, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

// acceptable refuses answers that must not be read as Stripe's.
func acceptable(resp *http.Response) error {
	if resp.StatusCode < 200 || resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return errRedirect
	}
	if v := resp.Header.Get("Stripe-Version"); v != "" && v != apiVersion && resp.StatusCode < 400 {
		return errVersion
	}
	return nil
}

// limitedBody fails, rather than ends, after too many bytes.
type limitedBody struct {
	body io.ReadCloser
	left int
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

func (b *limitedBody) Close() error { return b.body.Close() }
