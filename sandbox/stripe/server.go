package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"

	"github.com/ml-connector/ml-connector/sandbox"
)

const (
	// Version is the API version that the stand-in models.
	Version = "2023-10-16"
	// VersionNewer is the default version of the account: what GET /v1/events shows.
	VersionNewer = "2026-08-26.dahlia"
	// DefaultAPIKey is the key that works when none is configured.
	DefaultAPIKey = "sk_test_sandbox0000000000000000"

	searchLagDefault  = time.Minute
	availableDefault  = 48 * time.Hour
	idempotencyWindow = 24 * time.Hour
	eventWindow       = 30 * 24 * time.Hour
)

// Config configures a Server. A zero optional field means its stated default.
type Config struct {
	Clock           *sandbox.Clock // default: a clock that shows the real time
	APIKey          string         // sk_test_…, sk_live_…; default DefaultAPIKey. Its mode is the mode of all objects
	BaseURL         string         // where people reach the server, for hosted links; SetBaseURL can set it later
	AccountID       string         // default acct_1Sandbox
	AccountVersion  string         // default version of the account: Version or VersionNewer (default)
	DefaultCurrency string         // settlement currency; default nzd
	Balances        []string       // further currencies that have a balance of their own; others are exchanged
	RatePerSecond   int            // 0: no limit
	SearchLag       time.Duration  // until a change is found by search; default 1 minute
	AvailableAfter  time.Duration  // until a payment's funds are available; default 48 hours
	Log             hclog.Logger   // default: none
}

// Server is one Stripe account in one mode. It is safe for concurrent use;
// Close must be called.
type Server struct {
	cfg     Config
	clock   *sandbox.Clock
	log     hclog.Logger
	live    bool
	faults  sandbox.Faults
	calls   calls
	limiter *rate.Limiter // nil: no limit

	mu      sync.Mutex // guards everything below
	base    string
	keys    map[string]apiKey
	stored  map[string]*stored
	sweepAt int           // so many answers are kept before old ones are looked for
	gate    chan struct{} // not nil: writes wait until it is closed
	lost    []sandbox.Fault
	now     time.Time // the time of the call that runs
	cur     *call     // the call that runs; nil for a lever
	after   []func()  // runs when mu is free again
	closed  bool

	customers    table[*customer]
	taxIDs       table[*taxID]
	items        table[*invoiceItem]
	invoices     table[*invoice]
	creditNotes  table[*creditNote]
	intents      table[*paymentIntent]
	charges      table[*charge]
	refunds      table[*refund]
	disputes     table[*dispute]
	movements    table[*balanceTransaction]
	payouts      table[*payout]
	events       table[*event]
	endpoints    table[*endpoint]
	links        map[string]*hostedLink
	searchIndex  searchIndex
	courierMode  string
	twinEvents   bool
	delayBalance bool
	returnFees   bool
	worth        map[string][2]int64 // see Revalue
	delivered    deliveries
}

// New makes a server with an empty account.
func New(cfg Config) (*Server, error) {
	if cfg.Clock == nil {
		cfg.Clock = sandbox.NewClock()
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	orDefault(&cfg.APIKey, DefaultAPIKey)
	orDefault(&cfg.AccountID, "acct_1Sandbox")
	orDefault(&cfg.AccountVersion, VersionNewer)
	orDefault(&cfg.DefaultCurrency, "nzd")
	if cfg.SearchLag == 0 {
		cfg.SearchLag = searchLagDefault
	}
	if cfg.AvailableAfter == 0 {
		cfg.AvailableAfter = availableDefault
	}
	if cfg.AccountVersion != Version && cfg.AccountVersion != VersionNewer {
		return nil, fmt.Errorf("stripe sandbox: account version %q is not modelled", cfg.AccountVersion)
	}
	for _, cur := range append([]string{cfg.DefaultCurrency}, cfg.Balances...) {
		if _, ok := rates[cur]; !ok {
			return nil, fmt.Errorf("stripe sandbox: settlement currency %q is not modelled", cur)
		}
	}
	if !strings.HasPrefix(cfg.APIKey, "sk_test_") && !strings.HasPrefix(cfg.APIKey, "sk_live_") {
		return nil, errors.New("stripe sandbox: the API key must begin with sk_test_ or sk_live_")
	}
	s := &Server{cfg: cfg, clock: cfg.Clock, log: cfg.Log, base: strings.TrimRight(cfg.BaseURL, "/"),
		live: strings.HasPrefix(cfg.APIKey, "sk_live_"), stored: map[string]*stored{}, worth: map[string][2]int64{},
		links: map[string]*hostedLink{}, courierMode: sandbox.ModeNormal}
	s.keys = map[string]apiKey{cfg.APIKey: {live: s.live}}
	if cfg.RatePerSecond > 0 {
		s.limiter = rate.NewLimiter(rate.Limit(cfg.RatePerSecond), cfg.RatePerSecond)
	}
	return s, nil
}

func orDefault(s *string, d string) {
	if *s == "" {
		*s = d
	}
}

// Handler serves the API, the hosted pages and the control API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/", s.calls.wrap(s.faults.Wrap(http.HandlerFunc(s.serveAPI))))
	mux.Handle("/pay/", http.HandlerFunc(s.servePage))
	mux.Handle("/_stripe/", s.control())
	return mux
}

// Faults go wrong with the API's next requests. See FailAfter for a failure
// after the work is done.
func (s *Server) Faults() *sandbox.Faults { return &s.faults }

// FailAfter answers matching writes with an error (Status, default 500) after
// they were carried out; the answer is kept under the idempotency key, as the
// service keeps its own failures. Method, Path, Times, Skip and Status of the
// fault are used.
func (s *Server) FailAfter(f sandbox.Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Status == 0 {
		f.Status = http.StatusInternalServerError
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = append(s.lost, f)
}

// ClearFaults removes the faults of both kinds.
func (s *Server) ClearFaults() {
	s.faults.Clear()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = nil
}

// SetBaseURL changes where people reach the server; hosted links follow.
func (s *Server) SetBaseURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = strings.TrimRight(url, "/")
}

// HoldWrites lets every write wait, with its idempotency key taken and nothing
// done, until release is called. It shows what happens to a key in flight.
func (s *Server) HoldWrites() (release func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = gate
	return sync.OnceFunc(func() {
		close(gate)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.gate == gate {
			s.gate = nil
		}
	})
}

// Close stops the deliveries of webhooks and waits for them.
func (s *Server) Close() {
	_ = s.lever(func() error { // cannot fail
		s.closed = true
		for _, e := range s.endpoints.all {
			s.after = append(s.after, e.stop)
		}
		return nil
	})
}

// Idle waits until no webhook is queued, in flight or waiting for another try.
func (s *Server) Idle(ctx context.Context) error {
	s.mu.Lock()
	all := append([]*endpoint(nil), s.endpoints.all...)
	s.mu.Unlock()
	for _, e := range all {
		if err := e.courier.Idle(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lever runs f as somebody who is not a caller of the API.
func (s *Server) lever(f func() error) error { return s.leverAt(time.Time{}, f) }

// leverAt is lever at an earlier moment: what f makes is dated then, and the
// events that tell of it now. The zero moment is now.
func (s *Server) leverAt(at time.Time, f func() error) error {
	s.mu.Lock()
	s.now = s.clock.Now()
	var err error
	if at.After(s.now) {
		err = fmt.Errorf("%s has not come yet", at.Format(time.RFC3339))
	} else {
		if !at.IsZero() {
			s.now = at
		}
		err = f()
	}
	after := s.after
	s.after = nil
	s.mu.Unlock()
	for _, g := range after {
		g()
	}
	return err
}

// table keeps the objects of one noun in the order in which they were made.
type table[T any] struct {
	byID map[string]T
	all  []T
}

func (t *table[T]) add(id string, v T) {
	if t.byID == nil {
		t.byID = map[string]T{}
	}
	t.byID[id] = v
	t.all = append(t.all, v)
}

func (t *table[T]) get(id string) (T, bool) {
	v, ok := t.byID[id]
	return v, ok
}

// remove forgets the objects that gone names.
func (t *table[T]) remove(gone func(T) bool, id func(T) string) {
	kept := make([]T, 0, len(t.all))
	for _, v := range t.all {
		if gone(v) {
			delete(t.byID, id(v))
			continue
		}
		kept = append(kept, v)
	}
	t.all = kept
}
