package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// The world of the model test: the product as it is, with both connectors as
// processes, between stand-ins whose time, webhooks and faults the model holds
// in its hands.

const (
	modelCalls = 100_000 // a minute: limits are another test's business
	// modelNever keeps the service from polling by itself, but for the first time.
	modelNever = 1000 * time.Hour
	// modelRests bounds the wait until nothing is due; it takes milliseconds.
	modelRests = 90 * time.Second
	// modelWithin is how far ahead a retry may lie to be waited for.
	modelWithin = 10 * time.Minute
)

// modelRetry makes attempts follow each other quickly, and so many that only an
// outage uses them up.
func modelRetry(s flow.Selection) {
	s.Recipe.Retry.Attempts, s.Recipe.Retry.First, s.Recipe.Retry.Cap = 8, 20*time.Millisecond, 160*time.Millisecond
}

// modelWorld is one pair of stand-ins with a host between them.
type modelWorld struct {
	*world
	refunds string // the recipe's parameter
	mail    mailbox
	ambush  ambush

	// sabotage, if set, spoils the books before they are compared.
	sabotage func(plays []*play)

	stage     sync.Mutex       // held by who acts: the model, or a trap that springs
	owners    map[string]*play // whose record it is, by its id
	hours     int              // that the clock has been moved
	wantHours bool
	ticks     int              // steps so far
	lately    map[string]int   // when something rare happened last
	ours      map[string]int64 // what the clearing account must hold, by currency, in Stripe's units
}

// openModel starts a world. dir is empty and the host's.
func openModel(ctx context.Context, dir, plugins, refunds string) (_ *modelWorld, err error) {
	c := &command{Streams: Streams{Out: io.Discard, Err: io.Discard}, log: hclog.NewNullLogger()}
	c.set.data, c.set.plugins, c.set.recipes = dir, plugins, "../../../recipes"
	w := &modelWorld{world: &world{c: c, clock: sandbox.NewClock(), served: make(chan error, 1)}, refunds: refunds,
		owners: map[string]*play{}, lately: map[string]int{}, ours: map[string]int64{}}
	w.ambush.stage = &w.stage
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if err := w.listen(); err != nil {
		return nil, err
	}
	if w.r, err = c.open(ctx, false); err != nil {
		return nil, err
	}
	if err := w.connect(ctx, modelCalls); err != nil {
		return nil, err
	}
	return w, w.begin(ctx)
}

// listen serves both stand-ins, and a mailbox that takes their webhooks.
func (w *modelWorld) listen() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.base = "http://" + ln.Addr().String()
	w.xero = xero.New(xero.Config{Clock: w.clock, BaseURL: w.base, MinuteLimit: modelCalls, DayLimit: modelCalls, AtOnce: 50})
	if w.stripe, err = stripe.New(stripe.Config{Clock: w.clock, BaseURL: w.base}); err != nil {
		return errors.Join(err, ln.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", w.ambush.wrap(standIns(w.xero, w.stripe)))
	mux.Handle("POST /mail/{connection}", &w.mail)
	w.http = &http.Server{Handler: mux, ReadHeaderTimeout: headerLimit}
	go func() { w.served <- w.http.Serve(ln) }()
	w.xero.SetWebhookURL(w.base + "/mail/xero")
	_, err = w.stripe.AddEndpoint(w.base+"/mail/stripe", demoSecret, modelEvents...)
	return err
}

// modelEvents are the events that an endpoint made by the connector asks for,
// as far as they mean anything to it.
var modelEvents = []string{
	"charge.succeeded", "charge.failed", "charge.pending", "charge.updated", "charge.refunded", "charge.refund.updated",
	"charge.dispute.created", "charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
	"customer.created", "customer.updated", "customer.deleted",
	"invoice.finalized", "invoice.paid", "invoice.updated", "invoice.voided", "refund.created", "refund.updated",
}

// begin starts the service on the open rooms.
func (w *modelWorld) begin(ctx context.Context) error {
	var err error
	w.selections, err = w.r.load(ctx, choice{names: []string{demoRecipe}, params: []string{
		"clearing_account=" + demoAccount, "refunds=" + w.refunds, "since=" + w.clock.Now().AddDate(0, -6, 0).Format(time.DateOnly),
	}})
	if err != nil {
		return err
	}
	for _, s := range w.selections {
		modelRetry(s)
		if err := w.r.check(ctx, s); err != nil {
			return withRemedy(err)
		}
	}
	w.engine, err = flow.New(flow.Config{
		DB: w.r.db, Audit: w.r.audit, Queue: w.r.queue, Connections: w.r.conns, Selections: w.selections, Log: w.r.log,
		CallsLeft: w.r.usage.left, Now: w.clock.Now,
		Plugin: func(ctx context.Context, name string) (flow.Connector, error) { return w.r.sup.Plugin(ctx, name) },
	})
	if err != nil {
		return err
	}
	w.svc, err = w.r.start(ctx, w.engine, "127.0.0.1:0", modelNever, http.NotFoundHandler())
	return err
}

// restart ends the host with its plugins and starts it again on its database.
func (w *modelWorld) restart(ctx context.Context) error {
	err := w.svc.stop()
	w.r.close()
	w.svc, w.r = nil, nil
	if err != nil {
		return err
	}
	if w.r, err = w.c.open(ctx, false); err != nil {
		return err
	}
	return w.begin(ctx)
}

// rest waits until nothing is due.
func (w *modelWorld) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, modelRests)
	defer cancel()
	return w.r.queue.Idle(ctx, modelWithin)
}

// poll takes in what every source lists, and reports whether that made work. A
// fault may hit it: what is lost is found by the next one.
func (w *modelWorld) poll(ctx context.Context) (touched int, err error) {
	for _, src := range w.engine.Sources() {
		for more := true; more; {
			page, e := w.engine.Poll(ctx, src, time.Time{})
			if e != nil {
				err = errors.Join(err, fmt.Errorf("list %s: %w", src, e))
				break
			}
			more, touched = page.More, touched+page.Touched
		}
	}
	return touched, err
}

// collect waits until what has happened so far is in the mailbox.
func (w *modelWorld) collect(ctx context.Context) error {
	return errors.Join(w.xero.Courier().Idle(ctx), w.stripe.Idle(ctx))
}

// writes counts the requests that wanted to change something, on both sides.
func (w *modelWorld) writes() int { return w.xero.Calls().Writes + w.stripe.Calls().Writes }

// calmFaults ends every outage.
func (w *modelWorld) calmFaults() {
	w.xero.Faults().Clear()
	w.stripe.ClearFaults()
}

// trap is something that happens at the very moment in which the host is about to
// write: once, before the stand-in sees the first request that springs it.
type trap struct {
	springs func(method, path, body string) bool
	do      func()
}

// ambush holds the traps that are set.
type ambush struct {
	stage *sync.Mutex
	mu    sync.Mutex
	traps []trap
}

func (a *ambush) set(t trap) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.traps = append(a.traps, t)
}

func (a *ambush) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.traps = nil
}

// sprung takes out the traps that a request springs.
func (a *ambush) sprung(method, path, body string) []trap {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []trap
	a.traps = slices.DeleteFunc(a.traps, func(t trap) bool {
		hit := t.springs(method, path, body)
		if hit {
			out = append(out, t)
		}
		return hit
	})
	return out
}

func (a *ambush) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet {
			body, err := io.ReadAll(io.LimitReader(req.Body, 10<<20))
			_ = req.Body.Close() // read to its end
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadRequest)
				return
			}
			req.Body = io.NopCloser(bytes.NewReader(body))
			for _, t := range a.sprung(req.Method, req.URL.Path, string(body)) {
				a.stage.Lock()
				t.do()
				a.stage.Unlock()
			}
		}
		next.ServeHTTP(rw, req)
	})
}
