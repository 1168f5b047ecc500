package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const (
	backlogInvoices = 1000
	backlogContacts = 40
	// xeroCallsMax is what the whole backlog may cost: the calls of one minute.
	xeroCallsMax = 60
)

// BenchmarkBacklog works off 1,000 invoices that have become payable and are
// then paid, at Xero's own limits, and counts the calls. It fails when the
// backlog costs more than xeroCallsMax calls to Xero, or one is refused.
//
//	go test ./host/internal/cli -run '^$' -bench Backlog -benchtime 1x
func BenchmarkBacklog(b *testing.B) {
	plugins := buildPlugins(b)
	for range b.N {
		workOffBacklog(b, plugins)
	}
}

func buildPlugins(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, name := range []string{"xero", "stripe"} {
		out := filepath.Join(dir, "ml-connector-plugin-"+name)
		cmd := exec.Command("go", "build", "-o", out, "github.com/ml-connector/ml-connector/plugins/"+name)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			tb.Fatalf("build plugin %s: %v", name, err)
		}
	}
	return dir
}

func workOffBacklog(b *testing.B, plugins string) {
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	c := &command{Streams: Streams{Out: os.Stderr, Err: os.Stderr}, log: hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})}
	c.set.data, c.set.plugins, c.set.recipes = b.TempDir(), plugins, "../../../recipes"
	w, err := newWorld(ctx, c, xeroCallsMax)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			b.Error(err)
		}
	}()
	for i := range backlogInvoices {
		if _, err := w.xero.CreateInvoice(xero.InvoiceInput{
			Contact: fmt.Sprintf("Customer %02d", i%backlogContacts), Number: fmt.Sprintf("INV-%04d", i+1),
			Lines: []xero.LineInput{line("Goods", "3", "19.95"), line("Delivery", "1", "8.50")},
		}); err != nil {
			b.Fatal(err)
		}
		w.clock.Advance(time.Second) // nobody approves a thousand invoices in one second
	}
	w.xero.ResetCalls()
	if err := c.pass(ctx, w.r, w.engine, time.Time{}); err != nil {
		b.Fatal(err)
	}
	payable := w.xero.Calls()
	for i := range backlogInvoices {
		if _, err := w.stripe.Pay(fmt.Sprintf("INV-%04d", i+1), stripe.OutcomeSuccess); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.reopen(); err != nil {
		b.Fatal(err)
	}
	if err := c.pass(ctx, w.r, w.engine, time.Time{}); err != nil {
		b.Fatal(err)
	}
	checkBacklog(b, w, payable)
}

func checkBacklog(b *testing.B, w *world, payable xero.Calls) {
	b.Helper()
	all := w.xero.Calls()
	if got := len(w.xero.Payments()); got != backlogInvoices {
		b.Errorf("%d payments are in Xero, want %d", got, backlogInvoices)
	}
	b.Logf("calls to Xero: %d until all are payable, %d in all, %d refused: %v", payable.Total, all.Total, all.Rejected, all.ByPath)
	b.ReportMetric(float64(all.Total), "xero-calls")
	b.ReportMetric(float64(all.Rejected), "xero-429s")
	b.ReportMetric(float64(w.stripe.Calls().Total)/backlogInvoices, "stripe-calls/invoice")
	if all.Total > xeroCallsMax || all.Rejected > 0 {
		b.Errorf("the backlog cost %d calls to Xero with %d refused, want at most %d and none", all.Total, all.Rejected, xeroCallsMax)
	}
}

// reopen makes a new queue and engine for a second pass: a queue is started once.
func (w *world) reopen() error {
	selections := w.selections
	queue, err := w.r.newQueue()
	if err != nil {
		return err
	}
	w.r.queue = queue
	w.engine, err = w.r.engine(selections)
	return err
}
