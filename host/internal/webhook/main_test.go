package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// plugin vouches for every body as its verdict says; "events a,b" in the body
// are events of those records.
type plugin struct {
	mu       sync.Mutex
	silent   bool // receives no webhooks
	verdict  connector.Verdict
	account  string
	delivery string
	err      error
	block    chan struct{} // nil: answers at once
	got      connector.WebhookRequest
}

func (p *plugin) Manifest() connector.Manifest {
	return connector.Manifest{Name: "svc", ReceivesWebhooks: !p.silent}
}

func (p *plugin) VerifyWebhook(ctx context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = req
	if p.block != nil {
		select {
		case <-p.block:
		case <-ctx.Done():
			return connector.WebhookVerdict{}, ctx.Err()
		}
	}
	v := connector.WebhookVerdict{Verdict: p.verdict, DeliveryID: p.delivery}
	if _, ids, ok := strings.Cut(string(req.Body), "events "); ok {
		for _, id := range strings.Split(ids, ",") {
			v.Events = append(v.Events, connector.Event{
				Ref: connector.Ref{Entity: connector.EntityContact, ID: id}, Kind: connector.EventUpdated, DedupeKey: id, AccountID: p.account,
			})
		}
	}
	return v, p.err
}

type connections struct {
	all []connection.Connection
	err error
}

func (c *connections) Get(_ context.Context, name string) (connection.Connection, error) {
	for _, x := range c.all {
		if x.Name == name {
			return x, c.err
		}
	}
	return connection.Connection{}, connection.ErrUnknown
}

func (c *connections) List(context.Context) ([]connection.Connection, error) { return c.all, c.err }

func (c *connections) Keys(_ context.Context, name string) (*connector.Session, error) {
	return &connector.Session{Connection: name}, c.err
}

// rig is a Handler over a fresh database.
type rig struct {
	t      *testing.T
	db     *db.DB
	plugin *plugin
	conns  *connections
	audit  *audit.Log
	h      *Handler
	mux    *http.ServeMux
	reg    *prometheus.Registry
	intake Intake // nil: each event becomes a row
}

func newRig(t *testing.T) *rig {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Dir: dbtest.Dir(t)})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, db: d, plugin: &plugin{verdict: connector.Accepted}, audit: audit.New(bytes.Repeat([]byte{7}, 32)),
		conns: &connections{all: []connection.Connection{
			{Name: "one", Connector: "svc", AccountID: "acct-1"}, {Name: "two", Connector: "svc", AccountID: "acct-2"}, {Name: "else", Connector: "other", AccountID: "acct-3"},
		}},
	}
	r.reg = prometheus.NewRegistry()
	r.h = New(Config{
		DB: d, Audit: r.audit, Connections: r.conns, Metrics: r.reg,
		Plugin: func(context.Context, string) (Receiver, error) { return r.plugin, nil },
		Intake: func(ctx context.Context, tx *db.Tx, conn string, id int64, events []connector.Event, origin flow.Origin) (int, error) {
			if r.intake != nil {
				return r.intake(ctx, tx, conn, id, events, origin)
			}
			return storeEvents(ctx, tx, conn, id, events, origin)
		},
	})
	r.mux = http.NewServeMux()
	r.mux.Handle("POST /webhooks/{connection}", r.h)
	t.Cleanup(func() {
		r.h.Close()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func storeEvents(ctx context.Context, tx *db.Tx, conn string, id int64, events []connector.Event, origin flow.Origin) (int, error) {
	for _, ev := range events {
		_, err := tx.ExecContext(ctx, `INSERT INTO event (delivery_id, connection, entity, record_id, kind, occurred_at, dedupe, origin, seen_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6)`, id, conn, string(ev.Ref.Entity), ev.Ref.ID, string(ev.Kind), time.Now().UTC(),
			fmt.Sprint(id, ev.DedupeKey), string(origin))
		if err != nil {
			return 0, err
		}
	}
	return len(events), nil
}

// post sends a delivery and returns the whole answer.
func (r *rig) post(name, body string) *http.Response {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), http.MethodPost, "/webhooks/"+name, strings.NewReader(body)))
	res := w.Result()
	if b, err := io.ReadAll(res.Body); err != nil || len(b) != 0 {
		r.t.Errorf("the answer has a body: %q", b)
	}
	if len(res.Cookies()) != 0 || res.Header.Get("Set-Cookie") != "" {
		r.t.Error("the answer sets a cookie")
	}
	return res
}

func (r *rig) count(from string) int {
	r.t.Helper()
	var n int
	if err := r.db.Read().QueryRowContext(context.Background(), `SELECT COUNT(*) FROM `+from).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}
