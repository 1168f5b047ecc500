package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const (
	demoRecipe  = "xero-stripe"
	demoAccount = "610" // the stand-in's clearing account
	demoSecret  = "whsec_demo"
	demoPoll    = 20 * time.Second
	// A day is over in seconds here, so the stand-in allows ten times the calls
	// a minute that Xero does, and the connector is told so.
	demoCalls = 600
)

// world is the whole demo on one machine: stand-ins, host, plugins.
type world struct {
	c      *command
	clock  *sandbox.Clock
	xero   *xero.Server
	stripe *stripe.Server
	base   string // where the stand-ins listen
	http   *http.Server
	served chan error

	r          *rooms
	selections []flow.Selection
	engine     *flow.Engine
	svc        *service
}

// newWorld starts the stand-ins and opens a connected host, whose work has not
// begun yet. calls is what the stand-in for Xero allows in a minute.
func newWorld(ctx context.Context, c *command, calls int) (_ *world, err error) {
	w := &world{c: c, clock: sandbox.NewClock(), served: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := w.startStandIns(calls); err != nil {
		return nil, err
	}
	if w.r, err = c.open(ctx, false); err != nil {
		return nil, err
	}
	if err := w.connect(ctx, calls); err != nil {
		return nil, err
	}
	w.selections, err = w.r.load(ctx, choice{names: []string{demoRecipe}, params: []string{
		"clearing_account=" + demoAccount, "since=" + w.clock.Now().AddDate(0, -6, 0).Format(time.DateOnly),
	}})
	if err != nil {
		return nil, err
	}
	for _, s := range w.selections {
		s.Recipe.Retry.Attempts, s.Recipe.Retry.First, s.Recipe.Retry.Cap = demoAttempts, demoFirst, demoCap
		if err := w.r.check(ctx, s); err != nil {
			return nil, withRemedy(err)
		}
	}
	w.engine, err = w.r.engine(w.selections)
	return w, err
}

// serve starts the service and has both stand-ins send their webhooks to it.
func (w *world) serve(ctx context.Context, listen string) error {
	page, err := w.r.console(runFlags{listen: listen})
	if err != nil {
		return err
	}
	if w.svc, err = w.r.start(ctx, w.engine, listen, demoPoll, page); err != nil {
		return err
	}
	w.xero.SetWebhookURL(w.svc.url() + "/webhooks/xero")
	if err := w.xero.IntentToReceive(ctx); err != nil {
		return fmt.Errorf("webhook handshake: %w", err)
	}
	_, err = w.stripe.AddEndpoint(w.svc.url()+"/webhooks/stripe", demoSecret, "*")
	return err
}

func (w *world) startStandIns(calls int) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.base = "http://" + ln.Addr().String()
	w.xero = xero.New(xero.Config{Clock: w.clock, BaseURL: w.base, MinuteLimit: calls})
	if w.stripe, err = stripe.New(stripe.Config{Clock: w.clock, BaseURL: w.base}); err != nil {
		return errors.Join(err, ln.Close())
	}
	w.http = &http.Server{Handler: standIns(w.xero, w.stripe), ReadHeaderTimeout: headerLimit}
	go func() { w.served <- w.http.Serve(ln) }()
	return nil
}

// standIns serves both on one listener: their paths do not collide.
func standIns(x *xero.Server, s *stripe.Server) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", x.Handler())
	for _, path := range []string{"/v1/", "/pay/", "/_stripe/"} {
		mux.Handle(path, s.Handler())
	}
	return mux
}

// connect adds both connections as a person would, and goes through the OAuth
// flow with a browser that consents at once.
func (w *world) connect(ctx context.Context, calls int) error {
	const redirect = "http://localhost:8484/oauth/callback"
	if err := w.r.conns.Add(ctx, connection.Connection{Name: "xero", Connector: "xero", Settings: map[string]string{
		"client_id": xero.DefaultClientID, "api_url": w.base, "redirect_url": redirect,
		"authorize_url": w.base + "/identity/connect/authorize", "token_url": w.base + "/connect/token",
		"calls_per_minute": strconv.Itoa(calls),
	}}, map[string]connector.Secret{
		"client_secret": xero.DefaultClientSecret, "webhook_key": xero.DefaultWebhookKey,
	}); err != nil {
		return err
	}
	if err := w.r.conns.Add(ctx, connection.Connection{Name: "stripe", Connector: "stripe", Settings: map[string]string{
		"api_url": w.base, "calls_per_second": "500", // the stand-in has no limit of its own
	}},
		map[string]connector.Secret{"api_key": stripe.DefaultAPIKey, "webhook_secret": demoSecret}); err != nil {
		return err
	}
	consent, err := w.r.conns.BeginConsent(ctx, "xero")
	if err != nil {
		return err
	}
	answer, err := clickThrough(ctx, consent.URL)
	if err != nil {
		return err
	}
	return w.r.conns.FinishConsent(ctx, consent, answer)
}

// clickThrough opens the consent page and returns what it sends back.
func clickThrough(ctx context.Context, page string) (url.Values, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	to, err := res.Location()
	if err != nil {
		return nil, fmt.Errorf("consent page answered %s", res.Status)
	}
	return to.Query(), nil
}

func (w *world) close() error {
	var err error
	if w.svc != nil {
		err = w.svc.stop()
	}
	if w.r != nil {
		w.r.close()
	}
	if w.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), headerLimit)
		defer cancel()
		err = errors.Join(err, w.http.Shutdown(ctx))
		if e := <-w.served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	if w.xero != nil {
		w.xero.Close()
	}
	if w.stripe != nil {
		w.stripe.Close()
	}
	return err
}
