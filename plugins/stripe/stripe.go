package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ml-connector/ml-connector/connector"
)

// Connector is the Stripe connector. It is safe for concurrent use and keeps
// nothing but connections to Stripe and their call budgets.
type Connector struct {
	now  func() time.Time
	http *http.Transport

	mu      sync.Mutex
	remotes map[string]*remote
	locks   locks
}

var (
	_ connector.WebhookReceiver  = (*Connector)(nil)
	_ connector.WebhookRegistrar = (*Connector)(nil)
)

// New returns the connector.
func New() *Connector {
	return &Connector{now: time.Now, http: newHTTP(), remotes: map[string]*remote{}}
}

// Get reads records afresh.
func (c *Connector) Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	const op = "stripe: get"
	if len(req.IDs) > batchMax {
		return nil, connector.Errorf(connector.Invalid, op, "%d ids in one call; at most %d are allowed", len(req.IDs), batchMax)
	}
	cn, err := c.connect(s, op)
	if err != nil {
		return nil, err
	}
	found := make([]*connector.Record, len(req.IDs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, id := range req.IDs {
		group.Go(func() error {
			rec, err := cn.record(ctx, req.Entity, id)
			if err != nil && connector.KindOf(err) == connector.NotFound {
				return nil
			}
			found[i] = rec
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, connector.AsError(err, op)
	}
	var out []connector.Record
	for _, rec := range found {
		if rec != nil {
			out = append(out, *rec)
		}
	}
	return out, nil
}

// record reads one record afresh, or fails as NotFound.
func (cn *conn) record(ctx context.Context, e connector.Entity, id string) (*connector.Record, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	switch e {
	case connector.EntityContact:
		return cn.contact(ctx, id)
	case connector.EntityInvoice:
		return cn.invoiceRecord(ctx, id)
	case connector.EntityPayment:
		return cn.payment(ctx, id)
	}
	return nil, unknownEntity("stripe: get", e)
}

// Upsert makes Stripe hold what each write wants.
func (c *Connector) Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	const op = "stripe: upsert"
	if len(req.Writes) > batchMax {
		return nil, connector.Errorf(connector.Invalid, op, "%d writes in one call; at most %d are allowed", len(req.Writes), batchMax)
	}
	cn, err := c.connect(s, op)
	if err != nil {
		return nil, err
	}
	out := make([]connector.Outcome, len(req.Writes))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, w := range req.Writes {
		group.Go(func() error {
			got, err := cn.upsert(ctx, req.Entity, w)
			if err != nil {
				got = connector.Failed(err, op)
			}
			out[i] = got
			return nil
		})
	}
	_ = group.Wait() // each outcome carries its own error
	return out, nil
}

func (cn *conn) upsert(ctx context.Context, e connector.Entity, w connector.Write) (connector.Outcome, error) {
	const op = "stripe: upsert"
	if w.Key == "" || len(w.Key) > keyMax {
		return connector.Outcome{}, connector.Errorf(connector.Invalid, op, "the write has no usable idempotency key")
	}
	switch {
	case e == connector.EntityContact && w.Record.Contact != nil:
		return cn.upsertContact(ctx, w)
	case e == connector.EntityInvoice && w.Record.Invoice != nil:
		return cn.upsertInvoice(ctx, w)
	case e == connector.EntityPayment && w.Record.Payment != nil:
		return cn.upsertPayment(ctx, w)
	}
	return connector.Outcome{}, connector.Errorf(connector.Invalid, op, "the write has no %s in it", e)
}

func unknownEntity(op string, e connector.Entity) error {
	return connector.Errorf(connector.Invalid, op, "there is no entity %q", e)
}

// checkID refuses what cannot be an id of Stripe before it becomes part of a
// URL. Ids may have any prefix and up to 255 characters.
func checkID(id string) error {
	ok := id != "" && len(id) <= 255
	for _, r := range id {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}
	if !ok {
		return connector.Errorf(connector.NotFound, "stripe: get", "%.60q is not an id of Stripe", id)
	}
	return nil
}

// locks lets one writer at a time near one thing: a customer, an e-mail address.
// Two writes that would look, find nothing and both create must not overlap.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	turn  chan struct{}
	users int
}

// acquire waits for the lock of key and returns its release.
func (l *locks) acquire(ctx context.Context, key string) (func(), error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	k := l.held[key]
	if k == nil {
		k = &lock{turn: make(chan struct{}, 1)}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()

	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, key)
		}
	}
	select {
	case k.turn <- struct{}{}:
		return func() { <-k.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, connector.Errorf(connector.Unavailable, "stripe: upsert", "gave up waiting for another write: %w", ctx.Err())
	}
}
