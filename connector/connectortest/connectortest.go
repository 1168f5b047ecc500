package connectortest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// Connector is a connector behind the wire; *wire.Client is one.
type Connector interface {
	Describe(ctx context.Context) (connector.Manifest, error)
	Check(ctx context.Context, s *connector.Session, req connector.CheckRequest) (connector.CheckResult, error)
	List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error)
	Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error)
	Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error)
	VerifyWebhook(ctx context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error)
}

// Config configures Run and VerifyBinary. A zero optional field means its stated
// default.
type Config struct {
	Connector Connector     // required by Run; VerifyBinary starts its own
	Timeout   time.Duration // of one check; default 1 minute

	// Settings replaces made-up values of settings, for connectors that look at
	// them before they call. A value is used as it is; that of a secret is a
	// prefix of the made-up one: {"api_key": "sk_test_"}.
	Settings map[string]string

	// Session, if set, returns a session that reaches the service, anew for each
	// call. Without it the live checks are skipped.
	Session func() *connector.Session
	// PagesMax bounds how much of the service is listed; default 20 pages.
	PagesMax int
	PageSize int // of the live lists; default the manifest's, so that calls are few

	Fixtures Fixtures
}

// Fixtures are what only the caller can make: records that the account accepts.
// A nil one leaves out the checks that need it. Writes are made only with them.
type Fixtures struct {
	// Contact, Invoice and Payment return a record to be written. label is
	// different each time and must become what connector.Record.Label returns.
	Contact func(label string) connector.Record
	Invoice func(label string, total money.Amount) connector.Record
	Payment func(label string, amount money.Amount) connector.Record

	// Currencies are those that the account can invoice in; the first is used
	// where one will do. One each of 0, 2 and 3 decimals proves most.
	Currencies []money.Currency

	// Delivery returns a session with a webhook key and a delivery that is
	// genuine for it, as of now.
	Delivery func() (*connector.Session, connector.WebhookRequest)
}

// Status is what a check came to.
type Status int

// The statuses.
const (
	Passed Status = iota + 1
	Failed
	Skipped
)

// String returns "pass", "FAIL" or "skip".
func (s Status) String() string {
	switch s {
	case Passed:
		return "pass"
	case Failed:
		return "FAIL"
	case Skipped:
		return "skip"
	}
	return "unknown status"
}

// Result is one check's. Reason says why it failed or was skipped.
type Result struct {
	Name   string // "webhook/bad-signature"
	Status Status
	Reason string
}

// Reporter is told of each check as it ends, one after the other.
type Reporter interface{ Report(Result) }

// ReporterFunc is a function that is a Reporter.
type ReporterFunc func(Result)

// Report calls f.
func (f ReporterFunc) Report(r Result) { f(r) }

// TB is what InTest needs of a *testing.T.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
}

// InTest makes failed checks fail a test, and logs the others.
func InTest(t TB) Reporter {
	return ReporterFunc(func(r Result) {
		t.Helper()
		switch r.Status {
		case Failed:
			t.Errorf("%s: %s", r.Name, r.Reason)
		case Skipped:
			t.Logf("skip %s: %s", r.Name, r.Reason)
		default:
			t.Logf("%s %s", r.Status, r.Name)
		}
	})
}

// Summary counts the checks.
type Summary struct{ Passed, Failed, Skipped int }

// Run tries a connector. The error says that the checks could not be run at all;
// failed checks are in the summary.
func Run(ctx context.Context, cfg Config, r Reporter) (Summary, error) {
	if cfg.Connector == nil || r == nil {
		return Summary{}, errors.New("connectortest: a connector and a reporter are required")
	}
	s, err := newSuite(ctx, cfg, r)
	if err != nil {
		return Summary{}, err
	}
	defer s.trap.close()
	s.run()
	return s.sum, ctx.Err()
}

// suite is one run.
type suite struct {
	cfg      Config
	ctx      context.Context // of the whole run; a suite lives no longer
	c        *watched
	marked   *canaries
	trap     *trap
	report   Reporter
	sum      Summary
	manifest connector.Manifest
	labels   int
}

func newSuite(ctx context.Context, cfg Config, r Reporter) (*suite, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.PagesMax == 0 {
		cfg.PagesMax = 20
	}
	t, err := newTrap()
	if err != nil {
		return nil, err
	}
	marked := &canaries{}
	return &suite{
		cfg: cfg, ctx: ctx, marked: marked, trap: t, report: r,
		c: &watched{Connector: cfg.Connector, marked: marked},
	}, nil
}

func (s *suite) run() {
	described := false
	s.check("manifest/describe", func(ctx context.Context) error {
		m, err := s.c.Describe(ctx)
		s.manifest, described = m, err == nil
		return err
	})
	if !described {
		return // nothing can be asked of a connector that we know nothing of
	}
	s.manifestChecks()
	s.refusalChecks()
	s.cancelChecks()
	s.webhookChecks()
	s.liveWriteChecks() // first: an empty account has nothing to read
	s.liveReadChecks()
	s.check("secrets/answers", func(context.Context) error { return s.c.leaked() })
}

// skipped is the error of a check that could not be made.
type skipped string

func (e skipped) Error() string { return string(e) }

func skip(format string, args ...any) error { return skipped(fmt.Sprintf(format, args...)) }

// check runs one check and reports it.
func (s *suite) check(name string, f func(ctx context.Context) error) {
	if s.ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	defer cancel()
	res := Result{Name: name, Status: Passed}
	var because skipped
	err := f(ctx)
	switch {
	case err == nil:
		s.sum.Passed++
	case errors.As(err, &because):
		res.Status, res.Reason = Skipped, err.Error()
		s.sum.Skipped++
	default:
		res.Status, res.Reason = Failed, s.marked.hide(err.Error())
		s.sum.Failed++
	}
	s.report.Report(res)
}
