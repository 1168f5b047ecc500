package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// BenchmarkWebhookToWrite measures how long it takes from a change to its write
// on the other side, with nothing in the way: an approved invoice until it is
// payable, and a payment until it is posted. It reports milliseconds.
//
//	go test ./host/internal/cli -run '^$' -bench WebhookToWrite -benchtime 30x
func BenchmarkWebhookToWrite(b *testing.B) {
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	c := &command{Streams: Streams{Out: io.Discard, Err: io.Discard}, log: hclog.NewNullLogger()}
	c.set.data, c.set.plugins, c.set.recipes = b.TempDir(), buildPlugins(b), "../../../recipes"
	w, err := newWorld(ctx, c, 100_000)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			b.Error(err)
		}
	}()
	if err := w.serve(ctx, "127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	var payable, posted []time.Duration
	for n := range b.N + 1 {
		number := fmt.Sprintf("INV-%04d", n)
		start := time.Now()
		if _, err := w.xero.CreateInvoice(xero.InvoiceInput{Contact: "Ada Ltd", Number: number, Lines: []xero.LineInput{line("Goods", "1", "20.00")}}); err != nil {
			b.Fatal(err)
		}
		w.until(ctx, b, func() bool { return w.isLinked(ctx, number) })
		mid := time.Now()
		if _, err := w.stripe.Pay(number, stripe.OutcomeSuccess); err != nil {
			b.Fatal(err)
		}
		w.until(ctx, b, func() bool { return w.xero.Invoices(number)[0].Status == "PAID" })
		if n == 0 {
			continue // the first makes the customer as well
		}
		payable, posted = append(payable, mid.Sub(start)), append(posted, time.Since(mid))
	}
	for name, all := range map[string][]time.Duration{"payable": payable, "posted": posted} {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Milliseconds()), name+"-p50-ms")
		b.ReportMetric(float64(all[len(all)-1].Milliseconds()), name+"-max-ms")
	}
}

// isLinked reports whether an invoice has its counterpart.
func (w *world) isLinked(ctx context.Context, number string) bool {
	links, err := flow.Links(ctx, w.r.db, flow.LinkFilter{Entity: "invoice", ID: number})
	return err == nil && len(links) == 1
}

// until looks every few milliseconds whether cond holds.
func (w *world) until(ctx context.Context, b *testing.B, cond func() bool) {
	b.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Fatal("it took too long")
		}
	}
}
