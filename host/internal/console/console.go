// Package console serves the host's one page: how every flow stands, what needs
// a person and what to do about it, which connections wait to be authorised,
// and the latest lines of the audit trail.
//
// It shows and starts things; every rule is elsewhere. It listens on loopback
// unless told otherwise, and then wants a password. Requests that change
// something must come from the page itself.
package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

//go:embed page.html
var pageHTML string

const (
	auditShown  = 25               // latest entries on the page
	consentLife = 10 * time.Minute // how long a person may take at the service
	consentsMax = 20               // consents under way at a time
)

// Config configures a Console. Everything but Password, Log and Now is required.
type Config struct {
	DB          *db.DB
	Audit       *audit.Log
	Queue       flow.Waker
	Connections *connection.Store
	// Authorised is called when a consent has been stored, to find out whose it is.
	Authorised func(ctx context.Context, name string) error
	Local      bool   // only this machine can reach the listener
	Password   string // for listeners that others can reach; empty: the page is closed to them
	Log        hclog.Logger
	Now        func() time.Time // default time.Now
}

// Console is the page's handler.
type Console struct {
	cfg  Config
	page *template.Template
	http.Handler

	mu       sync.Mutex
	consents map[string]pendingConsent // by state
}

type pendingConsent struct {
	*connection.Consent
	until time.Time
}

// New parses the page and returns its handler.
func New(cfg Config) (*Console, error) {
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	page, err := template.New("page").Funcs(template.FuncMap{
		"ago":  func(t time.Time) string { return ago(cfg.Now().Sub(t)) },
		"span": ago,
	}).Parse(pageHTML)
	if err != nil {
		return nil, fmt.Errorf("console page: %w", err)
	}
	c := &Console{cfg: cfg, page: page, consents: map[string]pendingConsent{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.show)
	mux.HandleFunc("POST /replay/{id}", c.replay)
	mux.HandleFunc("POST /connections/{name}/authorize", c.authorize)
	mux.HandleFunc("GET /oauth/callback", c.callback)
	c.Handler = c.guard(http.NewCrossOriginProtection().Handler(mux))
	return c, nil
}

// guard keeps strangers out: on loopback by the Host header, so that a page in
// the same browser cannot reach us under a name of its own, elsewhere by the
// password.
func (c *Console) guard(next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(c.cfg.Password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy(nil))
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case c.cfg.Password != "":
			_, given, _ := r.BasicAuth()
			got := sha256.Sum256([]byte(given))
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
				w.Header().Set("WWW-Authenticate", `Basic realm="ml-connector"`)
				http.Error(w, "password needed", http.StatusUnauthorized)
				return
			}
		case !c.cfg.Local:
			http.Error(w, "the console is closed: this address can be reached from other machines and no password is set (see --console-password-file)", http.StatusForbidden)
			return
		case !localHost(r.Host):
			http.Error(w, "this host name is not this machine's", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// policy is the page's content security policy. A browser applies form-action to
// where a form's answer redirects as well, so the services at which a person
// authorises must be named: https://www.w3.org/TR/CSP3/#directive-form-action
func policy(consentsAt []string) string {
	return "default-src 'none'; style-src 'unsafe-inline'; form-action " + strings.Join(append([]string{"'self'"}, consentsAt...), " ") +
		"; frame-ancestors 'none'; base-uri 'none'"
}

func localHost(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// view is what the page shows.
type view struct {
	Now         time.Time
	Flows       []flow.Standing
	Polls       []flow.PollStatus
	Failures    []flow.Work
	Connections []connection.Connection
	Consents    map[string]string // where a paused connection is authorised: its service's origin
	Entries     []audit.Entry
	Notice      string
}

func (c *Console) show(w http.ResponseWriter, r *http.Request) {
	v, err := c.view(r.Context())
	if err != nil {
		c.fail(w, err)
		return
	}
	v.Notice = r.URL.Query().Get("notice")
	w.Header().Set("Content-Security-Policy", policy(slices.Sorted(maps.Values(v.Consents))))
	var b bytes.Buffer
	if err := c.page.Execute(&b, v); err != nil {
		c.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (c *Console) view(ctx context.Context) (view, error) {
	v := view{Now: c.cfg.Now().UTC()}
	var err error
	if v.Flows, err = flow.Status(ctx, c.cfg.DB, v.Now); err != nil {
		return v, err
	}
	if v.Polls, err = flow.Polls(ctx, c.cfg.DB); err != nil {
		return v, err
	}
	if v.Failures, err = flow.Failures(ctx, c.cfg.DB); err != nil {
		return v, err
	}
	if v.Connections, err = c.cfg.Connections.List(ctx); err != nil {
		return v, err
	}
	v.Consents = c.consentsAt(ctx, v.Connections)
	v.Entries, err = c.cfg.Audit.List(ctx, c.cfg.DB.Read(), audit.Filter{Limit: auditShown})
	return v, err
}

// consentsAt returns the origins at which the paused connections can be
// authorised. One that has no such flow is left out: its remedy says what to do.
func (c *Console) consentsAt(ctx context.Context, all []connection.Connection) map[string]string {
	out := map[string]string{}
	for _, conn := range all {
		if !conn.Paused() {
			continue
		}
		consent, err := c.cfg.Connections.BeginConsent(ctx, conn.Name)
		if err != nil {
			continue
		}
		if u, err := url.Parse(consent.URL); err == nil && !strings.ContainsAny(u.Host, ";, '\"") {
			out[conn.Name] = u.Scheme + "://" + u.Host
		}
	}
	return out
}

func (c *Console) fail(w http.ResponseWriter, err error) {
	c.cfg.Log.Error("page", "error", err)
	http.Error(w, "that did not work; the log says why", http.StatusInternalServerError)
}

func (c *Console) back(w http.ResponseWriter, r *http.Request, notice string) {
	http.Redirect(w, r, "/?notice="+url.QueryEscape(notice), http.StatusSeeOther)
}

func (c *Console) replay(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "no such entry", http.StatusNotFound)
		return
	}
	if err := flow.Replay(r.Context(), c.cfg.DB, c.cfg.Audit, c.cfg.Queue, []int64{id}); err != nil {
		if errors.Is(err, flow.ErrNoWork) {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		c.back(w, r, err.Error())
		return
	}
	c.back(w, r, fmt.Sprintf("entry %d runs again", id))
}

func (c *Console) authorize(w http.ResponseWriter, r *http.Request) {
	consent, err := c.cfg.Connections.BeginConsent(r.Context(), r.PathValue("name"))
	if err != nil {
		c.back(w, r, err.Error())
		return
	}
	now := c.cfg.Now()
	c.mu.Lock()
	for state, p := range c.consents {
		if now.After(p.until) {
			delete(c.consents, state)
		}
	}
	full := len(c.consents) >= consentsMax
	if !full {
		c.consents[consent.State()] = pendingConsent{consent, now.Add(consentLife)}
	}
	c.mu.Unlock()
	if full {
		c.back(w, r, "too many authorisations are under way; wait a few minutes")
		return
	}
	http.Redirect(w, r, consent.URL, http.StatusSeeOther)
}

// callback is where the service sends the browser back to.
func (c *Console) callback(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	c.mu.Lock()
	p, ok := c.consents[state]
	delete(c.consents, state)
	c.mu.Unlock()
	if !ok || c.cfg.Now().After(p.until) {
		http.Error(w, "this authorisation was not started here, or took too long; start again from the console", http.StatusBadRequest)
		return
	}
	if err := c.cfg.Connections.FinishConsent(r.Context(), p.Consent, r.URL.Query()); err != nil {
		c.back(w, r, err.Error())
		return
	}
	if err := c.cfg.Authorised(r.Context(), p.Connection); err != nil {
		c.back(w, r, err.Error())
		return
	}
	c.back(w, r, "connection "+p.Connection+" is authorised")
}

// ago says how long in the largest unit that fits.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return "now"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
