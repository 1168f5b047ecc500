// Package webhook accepts webhook deliveries.
//
// A delivery is accepted only if the connection's connector vouches for it, and
// answered 200 only after the delivery, its events and their work are committed
// together (I1). Deliveries that arrive at the same time share a transaction,
// so a burst costs one flush of the disk and not one each.
//
// The package owns the table delivery. It parses no payload and knows no
// service.
package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

const (
	bodyBytesMax = 1 << 20 // a service's delivery is some KiB; more is refused with 413
	queueMax     = 1024    // deliveries waiting to be stored; beyond it the sender is asked to come back
	groupMax     = 256     // deliveries in one transaction
	// answerWithin is the longest that a sender waits: Xero gives up after 5 s.
	answerWithin = 4 * time.Second
)

// Receiver is what the room asks of a plugin.
type Receiver interface {
	Manifest() connector.Manifest
	VerifyWebhook(ctx context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error)
}

// Connections is what the room asks of the connection room.
type Connections interface {
	Get(ctx context.Context, name string) (connection.Connection, error)
	List(ctx context.Context) ([]connection.Connection, error)
	Keys(ctx context.Context, name string) (*connector.Session, error)
}

// Intake stores events and their work in the caller's transaction.
type Intake func(ctx context.Context, tx *db.Tx, connection string, deliveryID int64, events []connector.Event, origin flow.Origin) (int, error)

// Config configures a Handler. Everything but Log, Now and Metrics is required.
type Config struct {
	DB          *db.DB
	Audit       *audit.Log
	Connections Connections
	Plugin      func(ctx context.Context, connector string) (Receiver, error)
	Intake      Intake
	Log         hclog.Logger
	Now         func() time.Time // default time.Now
	Metrics     prometheus.Registerer
}

// Handler serves POST /webhooks/{connection}. Close it when no request is left.
type Handler struct {
	cfg      Config
	incoming chan *delivery
	done     chan struct{}
	answers  *prometheus.CounterVec
}

// delivery is one verified request on its way into the database.
type delivery struct {
	connection string
	dedupe     string
	digest     string
	bytes      int
	at         time.Time
	until      time.Time // when its sender is told to come back; real time
	events     []routed
	stored     chan error
}

// routed is an event and the connection that it belongs to: a service may send
// the events of several accounts to one URL.
type routed struct {
	connection string
	event      connector.Event
}

// New starts the goroutine that stores deliveries.
func New(cfg Config) *Handler {
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{
		cfg: cfg, incoming: make(chan *delivery, queueMax), done: make(chan struct{}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ml_connector_webhook_answers_total", Help: "Webhook requests by connection and HTTP status.",
		}, []string{"connection", "status"}),
	}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(h.answers)
	}
	go h.storeAll()
	return h
}

// Close stores what is waiting and returns.
func (h *Handler) Close() {
	close(h.incoming)
	<-h.done
}

// ServeHTTP answers with an empty body and no cookie: 200 stored, 401 not
// genuine, 404 unknown connection, 413 too large, 503 come back later.
func (h *Handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), answerWithin)
	defer cancel()
	name := req.PathValue("connection")
	status := h.receive(ctx, name, req)
	if status == http.StatusNotFound {
		name = "" // a stranger's words are not a metric's label
	}
	h.answers.WithLabelValues(name, http.StatusText(status)).Inc()
	w.WriteHeader(status)
}

func (h *Handler) receive(ctx context.Context, name string, req *http.Request) int {
	log := h.cfg.Log.With("connection", name)
	c, err := h.cfg.Connections.Get(ctx, name)
	if errors.Is(err, connection.ErrUnknown) {
		return http.StatusNotFound
	}
	if err != nil {
		log.Error("webhook cannot be taken", "error", err)
		return http.StatusServiceUnavailable
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, bodyBytesMax+1))
	if err != nil {
		return http.StatusBadRequest
	}
	if len(body) > bodyBytesMax {
		return http.StatusRequestEntityTooLarge
	}
	at := h.cfg.Now().UTC()
	v, err := h.verify(ctx, c, connector.WebhookRequest{Header: req.Header, Body: body, ReceivedAt: at})
	if err != nil {
		log.Error("webhook cannot be verified", "error", err)
		return http.StatusServiceUnavailable
	}
	switch v.Verdict {
	case connector.Accepted:
	case connector.Refused:
		log.Warn("webhook refused", "reason", v.Reason)
		return http.StatusUnauthorized
	case connector.NotConfigured:
		log.Warn("webhook refused: no key is set", "remedy", "store the service's webhook key with the connection")
		return http.StatusServiceUnavailable
	default: // who does not vouch for a request has not accepted it
		log.Error("webhook cannot be verified", "error", "the connector gave no verdict")
		return http.StatusServiceUnavailable
	}
	if len(v.Events) == 0 { // a handshake, or nothing that concerns us
		return http.StatusOK
	}
	if err := h.keep(ctx, c, v, body, at); err != nil {
		log.Error("webhook cannot be stored", "error", err)
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

func (h *Handler) verify(ctx context.Context, c connection.Connection, r connector.WebhookRequest) (connector.WebhookVerdict, error) {
	plug, err := h.cfg.Plugin(ctx, c.Connector)
	if err != nil {
		return connector.WebhookVerdict{}, err
	}
	if !plug.Manifest().ReceivesWebhooks {
		return connector.WebhookVerdict{Verdict: connector.NotConfigured}, nil
	}
	keys, err := h.cfg.Connections.Keys(ctx, c.Name)
	if err != nil {
		return connector.WebhookVerdict{}, err
	}
	return plug.VerifyWebhook(ctx, keys, r)
}

// keep hands a delivery to the storing goroutine and waits until it is durable.
func (h *Handler) keep(ctx context.Context, c connection.Connection, v connector.WebhookVerdict, body []byte, at time.Time) error {
	sum := sha256.Sum256(body)
	d := &delivery{
		connection: c.Name, dedupe: v.DeliveryID, digest: hex.EncodeToString(sum[:]), bytes: len(body), at: at,
		stored: make(chan error, 1),
	}
	d.until, _ = ctx.Deadline()
	if d.dedupe == "" {
		d.dedupe = d.digest
	}
	var err error
	if d.events, err = h.route(ctx, c, v.Events); err != nil {
		return err
	}
	select {
	case h.incoming <- d:
	default:
		return errors.New("too many deliveries are waiting")
	}
	select {
	case err := <-d.stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// route gives each event to the connection of its account. An event of an
// account that nobody here is connected to is none of our business.
func (h *Handler) route(ctx context.Context, c connection.Connection, events []connector.Event) ([]routed, error) {
	var all []connection.Connection
	out := make([]routed, 0, len(events))
	for _, ev := range events {
		if ev.AccountID == "" || ev.AccountID == c.AccountID {
			out = append(out, routed{c.Name, ev})
			continue
		}
		if all == nil {
			var err error
			if all, err = h.cfg.Connections.List(ctx); err != nil {
				return nil, err
			}
		}
		for _, other := range all {
			if other.Connector == c.Connector && other.AccountID == ev.AccountID {
				out = append(out, routed{other.Name, ev})
			}
		}
	}
	return out, nil
}
