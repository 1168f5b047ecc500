package flow

import (
	"context"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

const streamRecipe = `
recipe: pair
connections: {a: {connector: aa}, b: {connector: bb}}
poll: 60s
flows:
  receipts:
    from: b.payment
    to: a.payment
    map: {kind: payment.kind, status: payment.status, reference: payment.id, marks: "{'source': payment.id}"}
  fees:
    from: b.payment.fees
    to: a.payment
    poll: 30s
    map: {kind: payment.kind, status: payment.status, reference: payment.id, marks: "{'source': payment.id}"}
`

func paid(id string, kind connector.PaymentKind) connector.Record {
	return connector.Record{Entity: connector.EntityPayment, ID: id, Payment: &connector.Payment{
		Kind: kind, Status: connector.PaymentSucceeded, PaidAt: paidAt,
	}}
}

// A stream is polled on its own, with its own cursor, and only the flows that name
// it hear of its records.
func TestStreamsArePolledApart(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), streamRecipe)
	w.b.put(paid("p1", connector.PaymentReceipt))
	w.b.put(paid("f1", connector.PaymentFee))
	sources := h.eng.Sources()
	if len(sources) != 2 || sources[0].Stream != "" || sources[1].Stream != "fees" || sources[1].Every != 30*time.Second {
		t.Fatalf("got sources %v", sources)
	}
	h.start()
	h.settle()
	h.want("receipts", "p1", Done)
	h.want("fees", "f1", Done)
	if n := h.count("work"); n != 2 {
		t.Errorf("got %d pieces of work, want one for each record", n)
	}
	if n := h.count("cursor"); n != 2 {
		t.Errorf("got %d cursors, want one for each stream", n)
	}
	h.sound(w)
	h.quiet(w)
}

// An event of a stream concerns the flows of that stream, and no event of another.
func TestEventsOfAStream(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), streamRecipe)
	w.b.put(paid("p1", connector.PaymentReceipt))
	w.b.put(paid("f1", connector.PaymentFee))
	for _, tt := range []struct{ id, stream, flow string }{{"p1", "", "receipts"}, {"f1", "fees", "fees"}} {
		ev := connector.Event{Ref: connector.Ref{Entity: connector.EntityPayment, ID: tt.id}, Stream: tt.stream, Kind: connector.EventCreated}
		h.update(func(ctx context.Context, tx *db.Tx) error {
			n, err := h.eng.Intake(ctx, tx, "b", 1, []connector.Event{ev}, ByWebhook)
			if n != 1 {
				t.Errorf("%s: got %d pieces of work, want 1", tt.id, n)
			}
			return err
		})
		if got := h.work(tt.flow, tt.id); got.State != Pending {
			t.Errorf("%s: got %s", tt.id, got.State)
		}
	}
}
