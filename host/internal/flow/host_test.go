package flow

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// pairRecipe keeps the two services in step: contacts both ways, invoices out,
// receipts and refunds in.
const pairRecipe = `
recipe: pair
description: for tests
connections: {a: {connector: aa}, b: {connector: bb}}
retry: {attempts: 4, first: 2ms, factor: 2, cap: 20ms}
poll: 60s
flows:
  contacts-out:
    from: a.contact
    to: b.contact
    inverse: contacts-in
    skip:
      - {when: contact.gone, because: it is gone}
      - {when: "contact.name == ''", because: it has no name}
      - {when: "!linked && has(contact.marks.source)", because: it carries the mark of a contact that is not linked}
    hold:
      - {when: "contact.name == 'Whoever'", because: nobody knows who that is, remedy: give it a name}
    map: {name: contact.name, email: contact.email, marks: "{'source': contact.id}"}
  contacts-in:
    from: b.contact
    to: a.contact
    inverse: contacts-out
    skip:
      - {when: contact.gone, because: it is gone}
      - {when: "!linked && has(contact.marks.source)", because: it carries the mark of a contact that is not linked}
    map: {name: contact.name, email: contact.email, marks: "{'source': contact.id}"}
  invoices-out:
    from: a.invoice
    to: b.invoice
    also:
      - {entity: payment, records: "[payment.invoice_id]"}
    skip:
      - {when: invoice.gone, because: it is gone}
      - {when: "invoice.status == 'draft'", because: a draft}
    needs:
      customer: {flow: contacts-out, id: invoice.contact_id}
    map: {kind: invoice.kind, status: invoice.status, number: invoice.number, contact_id: needs.customer, marks: "{'source': invoice.id}"}
  receipts-in:
    from: b.payment
    to: a.payment
    needs:
      invoice: {flow: invoices-out, reverse: true, optional: true, id: payment.invoice_id}
    skip:
      - {when: "payment.kind != 'receipt'", because: not a receipt}
      - {when: "needs.invoice == '' && !has(payment.marks.invoice)", because: it pays no invoice of ours}
    map: {kind: payment.kind, status: payment.status, invoice_id: "has(payment.marks.invoice) ? payment.marks.invoice : needs.invoice", reference: payment.id, marks: "{'source': payment.id}"}
  refunds-in:
    from: b.payment
    to: a.payment
    expand: payment.refund_ids
    needs:
      receipt: {flow: receipts-in, id: payment.payment_of}
    skip:
      - {when: "payment.kind != 'refund'", because: not a refund}
    map: {kind: payment.kind, status: payment.status, payment_of: needs.receipt, reference: payment.id, marks: "{'source': payment.id}"}
`

// host is one host over its own database file and the two shared services.
type host struct {
	t     testing.TB
	dir   string
	db    *db.DB
	audit *audit.Log
	queue *queue
	conns *connections
	a, b  *port
	eng   *Engine
	after func(a job.Attempt) // before a finished attempt is handed back to the queue

	stopped bool
}

type world struct {
	a, b  *service
	conns *connections
}

func newWorld() *world { return &world{newService("a"), newService("b"), newConnections()} }

func parsed(t testing.TB, text string) *recipe.Recipe {
	t.Helper()
	// Under a name of its own, so that it can extend the pair.
	lib := recipe.Library{BuiltIn: fstest.MapFS{"pair.yaml": {Data: []byte(pairRecipe)}, "tested.yaml": {Data: []byte(text)}}}
	r, err := lib.Load("tested")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// open starts nothing: start does.
func (w *world) open(t testing.TB, dir, recipeText string) *host {
	t.Helper()
	d, err := db.Open(t.Context(), db.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	q, err := job.New(job.Config{DB: d, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{
		t: t, dir: dir, db: d, audit: audit.New(bytes.Repeat([]byte{7}, 32)), queue: &queue{Queue: q}, conns: w.conns,
		a: &port{service: w.a}, b: &port{service: w.b},
	}
	r := parsed(t, recipeText)
	params, err := r.Bind(nil, connector.Date{Year: 2026, Month: 1, Day: 1})
	if err != nil {
		t.Fatal(err)
	}
	h.eng, err = New(Config{
		DB: d, Audit: h.audit, Queue: h.queue, Connections: w.conns,
		Plugin: func(_ context.Context, name string) (Connector, error) {
			if name == "aa" {
				return h.a, nil
			}
			return h.b, nil
		},
		Selections: []Selection{{Recipe: r, Params: params}}, Log: testLog(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.stop)
	return h
}

func testLog() hclog.Logger { return hclog.NewNullLogger() }

// newHost opens a host over a fresh world and starts it.
func newHost(t *testing.T) (*world, *host) {
	t.Helper()
	t.Parallel()
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	h.start()
	return w, h
}

func (h *host) start() {
	h.t.Helper()
	err := h.queue.Start(h.t.Context(), func(ctx context.Context, a job.Attempt) job.Result {
		res := h.eng.Run(ctx, a)
		if h.after != nil {
			h.after(a)
		}
		return res
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) stop() {
	if h.stopped {
		return
	}
	h.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.queue.Stop(ctx); err != nil {
		h.t.Errorf("stop: %v", err)
	}
	if err := h.eng.Close(ctx); err != nil {
		h.t.Errorf("close engine: %v", err)
	}
	if err := h.db.Close(); err != nil {
		h.t.Error(err)
	}
}

// crash gives what a host that is killed now leaves on its disk to a new host.
// The old one reaches the services no more.
func (h *host) crash(w *world) *host {
	h.t.Helper()
	next := copyData(h.t, h.dir)
	for _, p := range []*port{h.a, h.b} {
		p.set(func(p *port) { p.dead = true })
	}
	return w.open(h.t, next, pairRecipe)
}

// copyData copies what is committed in a data folder, whoever has it open.
func copyData(t testing.TB, dir string) string {
	t.Helper()
	next := t.TempDir()
	pool, err := sql.Open("sqlite", filepath.Join(dir, dbtest.File))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), `VACUUM INTO $1`, filepath.Join(next, dbtest.File)); err != nil {
		t.Fatal(err)
	}
	return next
}

// hint tells the host of a change as a webhook does. Each key is a change.
func (h *host) hint(conn string, ref connector.Ref, key string) int {
	h.t.Helper()
	n := 0
	err := h.db.Update(h.t.Context(), func(tx *db.Tx) (err error) {
		n, err = h.eng.Intake(h.t.Context(), tx, conn, 1, []connector.Event{{Ref: ref, Kind: connector.EventUpdated, DedupeKey: key}}, ByWebhook)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// pollAll takes in every page of every source.
func (h *host) pollAll() (touched int) {
	h.t.Helper()
	for _, s := range h.eng.Sources() {
		for {
			page, err := h.eng.Poll(h.t.Context(), s, time.Time{})
			if err != nil {
				h.t.Fatal(err)
			}
			touched += page.Touched
			if !page.More {
				break
			}
		}
	}
	return touched
}

// settle polls and works until nothing is due any more.
func (h *host) settle() {
	h.t.Helper()
	for range 5 {
		n := h.pollAll()
		h.idle()
		if n == 0 {
			return
		}
	}
	h.t.Fatal("polling finds something new again and again")
}

// idle waits until nothing is due within a second.
func (h *host) idle() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	if err := h.queue.Idle(ctx, time.Second); err != nil {
		h.t.Fatal(err)
	}
}

// until waits until something is so.
func (h *host) until(so func() bool) {
	h.t.Helper()
	end := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-end:
			h.t.Fatal("it does not come about")
		}
	}
}

// wake cuts the waits of all work, as time would.
func (h *host) wake() {
	h.t.Helper()
	works, err := workWhere(h.t.Context(), h.db.Read(), `state IN ('waiting', 'retrying')`)
	if err != nil {
		h.t.Fatal(err)
	}
	h.update(func(ctx context.Context, tx *db.Tx) error {
		for _, w := range works {
			if err := h.queue.Wake(ctx, tx, job.Run{Work: w.ID}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (h *host) update(fn func(ctx context.Context, tx *db.Tx) error) {
	h.t.Helper()
	if err := h.db.Update(h.t.Context(), func(tx *db.Tx) error { return fn(h.t.Context(), tx) }); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) replay(ids ...int64) error {
	return Replay(h.t.Context(), h.db, h.audit, h.queue, ids)
}

// work returns the piece of work of a flow and record.
func (h *host) work(flow, id string) Work {
	h.t.Helper()
	found, err := workWhere(h.t.Context(), h.db.Read(), `flow = $1 AND record_id = $2`, flow, id)
	if err != nil || len(found) != 1 {
		h.t.Fatalf("work of %s %s: %d found, %v", flow, id, len(found), err)
	}
	return found[0]
}

// want fails unless the work is in a state.
func (h *host) want(flow, id string, state State) Work {
	h.t.Helper()
	w := h.work(flow, id)
	if w.State != state {
		h.t.Errorf("%s %s: got %s (%s), want %s", flow, id, w.State, w.Reason, state)
	}
	return w
}

func (h *host) count(from string) int {
	h.t.Helper()
	var n int
	if err := h.db.Read().QueryRowContext(h.t.Context(), `SELECT COUNT(*) FROM `+from).Scan(&n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// receive waits for an event.
func receive[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func ref(e connector.Entity, id string) connector.Ref { return connector.Ref{Entity: e, ID: id} }

func contactRef(id string) connector.Ref { return ref(connector.EntityContact, id) }

var errInjected = errors.New("injected")

var noTime time.Time

func keyOf(i int) string { return fmt.Sprint("change-", i) }
