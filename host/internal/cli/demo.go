package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/flow"
)

type demoFlags struct {
	serve  bool
	listen string
}

func (c *command) demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a day of business on this machine; no account needed",
		Long: `Start stand-ins for Xero and Stripe on this machine, connect to them through the
real connector plugins, run the recipe xero-stripe and play a day of business:
invoices, payments, a refund, an outage. It ends with what moved, the ageing of
what is owed before and after, and how to look into the audit trail.`,
		Example: "  ml-connector demo\n  ml-connector demo --serve",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.demo(cmd.Context(), f) },
	}
	cmd.Flags().BoolVar(&f.serve, "serve", false, "keep everything running afterwards, with the console")
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "`address` for webhooks and the console")
	return cmd
}

// demoRetry makes attempts run out within seconds, so that a person need not
// watch an outage for minutes.
const (
	demoAttempts = 3
	demoFirst    = 200 * time.Millisecond
	demoCap      = time.Second
)

func (c *command) demo(ctx context.Context, f demoFlags) (err error) {
	if !loopback(f.listen) {
		return usagef("--listen %s: the demo serves this machine only; use a loopback address", f.listen)
	}
	if c.set.data == dataDefault { // a demo must not mix with real data
		if c.set.data, err = os.MkdirTemp("", "ml-connector-demo-"); err != nil {
			return err
		}
	}
	if c.set.logLevel == "info" { // the story is told on its own
		c.log.SetLevel(hclog.Off)
	}
	w, err := newWorld(ctx, c, demoCalls)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.serve(ctx, f.listen); err != nil {
		return err
	}
	d := &day{world: w, began: time.Now()}
	if err := d.play(ctx); err != nil {
		return err
	}
	if err := d.sum(ctx); err != nil {
		return err
	}
	if !f.serve {
		return nil
	}
	c.printf("\nServing until you stop it (Ctrl-C):\n  console   %s/\n  stand-ins %s (control API below /_xero/ and /_stripe/)\n", w.svc.url(), w.base)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return nil
}

// sum prints what moved and proves it.
func (d *day) sum(ctx context.Context) error {
	d.title("What moved")
	totals, err := d.engine.Totals(ctx)
	if err != nil {
		return err
	}
	links, err := flow.Links(ctx, d.r.db, flow.LinkFilter{})
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, l := range links {
		count[l.Entity]++
	}
	d.c.printf("  %d contacts are customers, %d invoices are payable in Stripe, %d payments and refunds are posted in Xero\n",
		count["contact"], count["invoice"], count["payment"])
	d.c.printf("  writes: %d created, %d updated, %d found to be there already; %d need a person\n",
		totals.Created, totals.Updated, totals.Unchanged+totals.Adopted, totals.Person)
	calls, hits := d.xero.Calls(), d.stripe.Calls()
	d.c.printf("  calls: %d to Xero (%d refused for its limits), %d to Stripe (%d with Basic authentication)\n",
		calls.Total, calls.Rejected, hits.Total, hits.Basic)

	d.title("Owed in Xero, before and after")
	d.ageing()

	d.title("The proof")
	if err := d.prove(ctx); err != nil {
		return err
	}
	rep, err := d.r.audit.Verify(ctx, d.r.db.Read(), nil)
	if err != nil {
		return err
	}
	if rep.Broken != nil {
		return fmt.Errorf("audit trail: %s", rep.Broken.Message)
	}
	d.c.printf("  audit trail: %d entries, none changed or removed\n", rep.Entries)
	if totals.Person > 0 {
		return fmt.Errorf("%d records need a person, none should", totals.Person)
	}
	d.c.printf("\nDone in %s. Look into it:\n", time.Since(d.began).Round(100*time.Millisecond))
	for _, cmd := range []string{"audit list", "audit verify", "links list", "links show " + d.first} {
		d.c.printf("  ml-connector --data %s %s\n", d.c.set.data, cmd)
	}
	return nil
}
