package xero

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
	_ "time/tzdata" // organisations have time zones on machines without a zone database

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/sandbox"
)

// Config configures a Server. The zero value is usable: every zero field means
// its stated default.
type Config struct {
	Clock        *sandbox.Clock // default the real time
	ClientID     string         // default DefaultClientID
	ClientSecret string         // default DefaultClientSecret
	WebhookKey   string         // default DefaultWebhookKey
	RedirectURLs []string       // exact redirects allowed; default any https and any http://localhost
	BaseURL      string         // what resourceUrl of events begins with; default https://api.xero.com
	AppName      string         // ProviderName of answers; default "ml-connector"

	Organisation string // default "Demo Company (NZ)"
	BaseCurrency string // one that is seeded; default NZD
	Timezone     string // a Xero token; default NEWZEALANDSTANDARDTIME

	MinuteLimit int // calls in 60 s; default 60
	DayLimit    int // calls in 24 h; default 5000
	AtOnce      int // calls in flight; default 5

	Unproven Unproven
	Log      hclog.Logger // default none
}

// What a zero Config uses.
const (
	DefaultClientID     = "sandbox-xero-client"
	DefaultClientSecret = "sandbox-xero-secret"
	DefaultWebhookKey   = "sandbox-xero-webhook-key"
)

// Unproven are switches for rules that Xero has not documented. The zero value
// is what we take to be true.
type Unproven struct {
	SinceExclusive        bool // If-Modified-Since leaves out what changed in exactly that second
	BatchKeepsGood        bool // a summarised 400 saves the elements that had no error
	ReconciledDeletable   bool // a reconciled payment can be deleted through the API
	QuietInvoicePayments  bool // no INVOICE event when a payment or allocation changes the invoice
	PaymentEvents         bool // PAYMENT events exist
	OverpaymentsUnmarked  bool // a Reference sent with RECEIVE-OVERPAYMENT is dropped
	PaymentDeleteIsSilent bool // deleting a deleted payment again answers 200
	TransfersByCreation   bool // If-Modified-Since goes by when a bank transfer was made, so that a deletion is never listed
}

// Server is one Xero with one app and one organisation. It is safe for
// concurrent use; Close must be called.
type Server struct {
	cfg     Config
	clock   *sandbox.Clock
	log     hclog.Logger
	faults  *sandbox.Faults
	courier *sandbox.Courier
	limits  *limiter
	calls   *tally

	mu         sync.Mutex
	identity   identity
	idempotent map[string]*remembered
	org        organisation
	accounts   []*account
	contacts   table[contact]
	documents  table[document] // invoices, credit notes, overpayments and prepayments
	payments   table[payment]
	bank       table[bankTransaction]
	transfers  table[bankTransfer]
	nextNumber map[string]int
	webhook    webhook
	undo       []func() // how to take back what the current request did
	events     []event  // what the current request will tell the webhook
}

// New makes a server with a fresh organisation.
func New(cfg Config) *Server {
	fill := func(s *string, def string) {
		if *s == "" {
			*s = def
		}
	}
	fill(&cfg.ClientID, DefaultClientID)
	fill(&cfg.ClientSecret, DefaultClientSecret)
	fill(&cfg.WebhookKey, DefaultWebhookKey)
	fill(&cfg.BaseURL, "https://api.xero.com")
	fill(&cfg.AppName, "ml-connector")
	fill(&cfg.Organisation, "Demo Company (NZ)")
	fill(&cfg.BaseCurrency, "NZD")
	fill(&cfg.Timezone, "NEWZEALANDSTANDARDTIME")
	if cfg.Clock == nil {
		cfg.Clock = sandbox.NewClock()
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	s := &Server{cfg: cfg, clock: cfg.Clock, log: cfg.Log, faults: &sandbox.Faults{},
		limits: newLimiter(cfg.MinuteLimit, cfg.DayLimit, cfg.AtOnce), calls: newTally(),
		identity: newIdentity(), idempotent: map[string]*remembered{}, nextNumber: map[string]int{}}
	s.courier = sandbox.NewCourier(sandbox.CourierConfig{Clock: cfg.Clock, Sign: s.signHeader})
	s.org = s.newOrganisation()
	s.accounts = seedAccounts(cfg.BaseCurrency, s.now())
	return s
}

// Handler serves the API, the identity service and the control API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(apiPrefix+"/", s.gate(s.faults.Wrap(http.HandlerFunc(s.serveAPI))))
	identity := http.NewServeMux()
	identity.HandleFunc("GET /identity/connect/authorize", s.authorize)
	identity.HandleFunc("POST /connect/token", s.token)
	identity.HandleFunc("POST /connect/revocation", s.revocation)
	identity.HandleFunc("GET /connections", s.listConnections)
	identity.HandleFunc("DELETE /connections/{id}", s.deleteConnection)
	for _, path := range []string{"/identity/", "/connect/", "/connections", "/connections/"} {
		mux.Handle(path, s.faults.Wrap(identity))
	}
	mux.Handle("/_xero/", s.control())
	return mux
}

// Faults are the faults in front of the API and the identity service.
func (s *Server) Faults() *sandbox.Faults { return s.faults }

// Courier delivers the webhooks.
func (s *Server) Courier() *sandbox.Courier { return s.courier }

// TenantID is what the header xero-tenant-id must carry.
func (s *Server) TenantID() string { return s.org.id }

// Close stops the webhooks.
func (s *Server) Close() { s.courier.Close() }

// now is the time of a change; Xero keeps milliseconds.
func (s *Server) now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

// locked runs one request: fn's changes stay and its events are sent, or it
// returns an error and nothing has happened.
func (s *Server) locked(fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undo, s.events = nil, nil
	err := fn()
	if err != nil {
		s.rollback(0, 0)
	}
	s.sendEvents()
	s.undo = nil
	return err
}

// rollback takes back everything after the given marks.
func (s *Server) rollback(undo, events int) {
	for i := len(s.undo) - 1; i >= undo; i-- {
		s.undo[i]()
	}
	s.undo, s.events = s.undo[:undo], s.events[:events]
}

// attempt runs fn so that an element that was refused leaves nothing behind.
func (s *Server) attempt(fn func() error) error {
	undo, events := len(s.undo), len(s.events)
	err := fn()
	if err != nil {
		s.rollback(undo, events)
	}
	return err
}

// keep remembers *p as it is now, so that a refusal can bring it back. Slices
// in *p must be replaced, not changed in place.
func keep[T any](s *Server, p *T) {
	old := *p
	s.undo = append(s.undo, func() { *p = old })
}

// table keeps records by id and in the order of their creation.
type table[T any] struct {
	byID map[string]*T
	rows []*T
}

func (t *table[T]) get(id string) *T { return t.byID[lowerID(id)] }

func (t *table[T]) add(s *Server, id string, row *T) {
	if t.byID == nil {
		t.byID = map[string]*T{}
	}
	t.byID[id] = row
	t.rows = append(t.rows, row)
	s.undo = append(s.undo, func() {
		delete(t.byID, id)
		t.rows = t.rows[:len(t.rows)-1]
	})
}

const zeroID = "00000000-0000-0000-0000-000000000000"

// newID makes a random GUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// newSecret makes a random token of 43 URL-safe characters.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: https://pkg.go.dev/crypto/rand#Read
	return b64.EncodeToString(b[:])
}

// asProblem finds the refusal of a whole request in err.
func asProblem(err error) (*problem, bool) {
	var p *problem
	ok := errors.As(err, &p)
	return p, ok
}
