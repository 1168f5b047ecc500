package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	stripe "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	// keyMax is the longest idempotency key of a write; steps add to it and
	// Stripe takes 255: https://docs.stripe.com/api/idempotent_requests
	keyMax = 64
	// remotesMax bounds the clients kept; a host has a handful of connections.
	remotesMax = 64
	speedMax   = 10_000 // calls per second; more is a mistake

	speedLive = 80 // below Stripe's 100 a second for live keys: https://docs.stripe.com/rate-limits
	speedTest = 20 // below its 25 a second for test keys
)

// remote is a client for one key at one URL, shared by all calls that use it.
type remote struct {
	api  *client.API
	live bool // the key moves real money
	full bool // the key may do everything
}

// conn is one connector call's way to Stripe.
type conn struct {
	*remote
	accountID string
	now       func() time.Time
	locks     *locks
}

// connect returns the session's client, made at first use.
func (c *Connector) connect(s *connector.Session, op string) (*conn, error) {
	key := strings.TrimSpace(s.Secrets[settingKey].Reveal())
	live, full, err := keyMode(key, op)
	if err != nil {
		return nil, err
	}
	base, err := baseURL(s.Settings[settingURL], op)
	if err != nil {
		return nil, err
	}
	perSecond, err := speed(s.Settings[settingSpeed], live, op)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(key + "\n" + base.String() + "\n" + strconv.Itoa(perSecond)))
	name := hex.EncodeToString(sum[:])

	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.remotes[name]
	if r == nil {
		for old := range c.remotes { // any: this only bounds the map
			if len(c.remotes) < remotesMax {
				break
			}
			delete(c.remotes, old)
		}
		r = &remote{live: live, full: full, api: newAPI(&transport{
			base: base, key: key, next: c.http, budget: newBudget(perSecond, c.now),
		})}
		c.remotes[name] = r
	}
	return &conn{remote: r, accountID: s.AccountID, now: c.now, locks: &c.locks}, nil
}

// newAPI makes a client of Stripe's library without its retries, telemetry and
// logging. It holds a placeholder: the key is only in the transport.
func newAPI(t *transport) *client.API {
	backend := stripe.GetBackendWithConfig(stripe.APIBackend, &stripe.BackendConfig{
		HTTPClient: &http.Client{
			Transport:     t,
			Timeout:       callTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		URL:               stripe.String(t.base.String()),
		MaxNetworkRetries: stripe.Int64(0),
		EnableTelemetry:   stripe.Bool(false),
		LeveledLogger:     &stripe.LeveledLogger{Level: stripe.LevelNull},
	})
	return client.New("set-by-transport", &stripe.Backends{API: backend, Connect: backend, Uploads: backend})
}

// keyMode tells a live key from a test key and a full one from a restricted one.
func keyMode(key, op string) (live, full bool, err error) {
	for _, p := range []struct {
		prefix     string
		live, full bool
	}{
		{"sk_live_", true, true}, {"rk_live_", true, false}, {"sk_test_", false, true}, {"rk_test_", false, false},
	} {
		if strings.HasPrefix(key, p.prefix) && len(key) > len(p.prefix) && strings.IndexFunc(key, notKeyRune) < 0 {
			return p.live, p.full, nil
		}
	}
	return false, false, connector.Errorf(connector.Auth, op, "%s is missing or is not a secret or restricted key of Stripe", settingKey).
		WithRemedy("Set %s to a key that begins with rk_live_, sk_live_, rk_test_ or sk_test_ (Stripe dashboard, Developers, API keys).", settingKey)
}

func notKeyRune(r rune) bool { return r <= ' ' || r > '~' || r == ':' }

// baseURL reads the API's address: https, or http to this machine.
func baseURL(text, op string) (*url.URL, error) {
	if text == "" {
		text = defaultURL
	}
	refuse := func(why string) (*url.URL, error) {
		return nil, connector.Errorf(connector.Invalid, op, "%s: %s", settingURL, why).
			WithRemedy("Leave %s empty for Stripe itself, or give an https URL (http only for a loopback host).", settingURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return refuse("not a URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return refuse("only a scheme, a host and a path are allowed")
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		// The library cuts these itself; the transport pins what is left.
		u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/v1")
		return u, nil
	}
	return refuse("neither https nor a loopback host")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func speed(text string, live bool, op string) (int, error) {
	switch {
	case text == "" && live:
		return speedLive, nil
	case text == "":
		return speedTest, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > speedMax {
		return 0, connector.Errorf(connector.Invalid, op, "%s must be a whole number from 1 to %d", settingSpeed, speedMax)
	}
	return n, nil
}

// read makes one call that changes nothing.
func (cn *conn) read(ctx context.Context, op string, p *stripe.Params, call func() error) error {
	ex := &exchange{}
	p.Context = withExchange(ctx, ex)
	return ex.result(op, call())
}

// write makes one call that changes something. key is unique to the step; what
// is sent is added to it, so the same key never carries two requests. replayed
// means that Stripe answered from memory: the object may have changed since.
func (cn *conn) write(ctx context.Context, op, key string, p *stripe.Params, call func() error) (replayed bool, err error) {
	ex := &exchange{key: key}
	p.Context = withExchange(ctx, ex)
	err = ex.result(op, call())
	return ex.replayed(), err
}

// list reads one page. Rows come newest first, or oldest first after
// ending_before; more says that there are further ones in that direction.
func list[T any](ctx context.Context, op string, p *stripe.ListParams, call func() *stripe.Iter) (rows []T, more bool, ex *exchange, err error) {
	ex = &exchange{}
	p.Context = withExchange(ctx, ex)
	p.Single = true
	if p.Limit == nil {
		p.Limit = stripe.Int64(pageSizeMax)
	}
	it := call()
	for it.Next() {
		rows = append(rows, it.Current().(T))
	}
	if err := ex.result(op, it.Err()); err != nil {
		return nil, false, ex, err
	}
	return rows, it.Meta().HasMore, ex, nil
}

// sameMode refuses an object of the other mode: a live object must never be
// booked by a connection for tests, nor the reverse.
func (cn *conn) sameMode(op, what, id string, live bool) error {
	if live == cn.live {
		return nil
	}
	mode := map[bool]string{true: "live", false: "test"}
	return connector.Errorf(connector.Invalid, op, "%s %s is in %s mode, the key in %s mode", what, id, mode[live], mode[cn.live])
}
