package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

const (
	// syncWaits is how long a retry may lie ahead for sync to wait for it; what
	// is due later is for the next pass.
	syncWaits = 2 * time.Minute
	// pagesMax bounds one pass over a source: 1,000 pages are a million records.
	pagesMax = 1000
)

type syncFlags struct {
	choice
	since  string
	dryRun bool
}

func (c *command) syncCommand() *cobra.Command {
	var f syncFlags
	cmd := &cobra.Command{
		Use:   "sync --recipe NAME[,NAME…]",
		Short: "One pass without a server: list what changed, work until nothing is due, exit",
		Long: `List what changed on both sides since the last pass, work until nothing is due,
and exit: 0 when everything is in step, 3 when something needs a person.

With --dry-run nothing is written: see what would be, and which contacts would be
linked, made, or left to a person because they cannot be told apart (exit 3).`,
		Example: `  ml-connector sync --recipe xero-stripe --param clearing_account=610
  ml-connector sync --recipe xero-stripe --param clearing_account=610 --dry-run
  ml-connector sync --recipe xero-stripe --param clearing_account=610 --since 2026-09-01T00:00:00Z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.sync(cmd.Context(), f) },
	}
	f.bind(cmd.Flags())
	cmd.Flags().StringVar(&f.since, "since", "", "list everything changed since this `time` (RFC 3339 or YYYY-MM-DD), whatever was seen before")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be written, write nothing")
	return cmd
}

func (c *command) sync(ctx context.Context, f syncFlags) error {
	since, err := parseSince(f.since)
	if err != nil {
		return err
	}
	r, err := c.open(ctx, false)
	if err != nil {
		return err
	}
	defer r.close()
	selections, err := r.load(ctx, f.choice)
	if err != nil {
		return err
	}
	for _, s := range selections {
		if err := r.check(ctx, s); err != nil {
			return withRemedy(err)
		}
	}
	if err := r.lasting(ctx, selections, !f.dryRun); err != nil {
		return err
	}
	e, err := r.engine(selections)
	if err != nil {
		return err
	}
	if f.dryRun {
		return c.preview(ctx, e, since)
	}
	before, err := e.Totals(ctx)
	if err != nil {
		return err
	}
	if err := c.pass(ctx, r, e, since); err != nil {
		return err
	}
	return c.report(ctx, e, before)
}

func parseSince(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, usagef("--since %q: use 2026-09-14 or 2026-09-14T10:00:00Z", s)
}

// pass polls every source to its end, twice: what the first round writes shows
// up as changes on the other side, and the second finds it to be our own. A sweep
// that is due goes with it.
func (c *command) pass(ctx context.Context, r *rooms, e *flow.Engine, since time.Time) (err error) {
	if err := r.queue.Start(ctx, e.Run); err != nil {
		return err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		err = errors.Join(err, r.queue.Stop(stop), e.Close(stop))
	}()
	if _, err := e.Sweep(ctx); err != nil {
		return err
	}
	for round := range 2 {
		if round > 0 {
			since = time.Time{}
		}
		for _, src := range e.Sources() {
			if err := c.drain(ctx, e, src, since); err != nil {
				return fmt.Errorf("list %s: %w", src, withRemedy(err))
			}
			// One source after the other: contacts are there when invoices need them.
			if err := r.settle(ctx, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle waits until nothing is due, or until a connection waits for a person:
// its work would rest for ever.
func (r *rooms) settle(ctx context.Context, e *flow.Engine) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := r.paused(ctx, e); err != nil {
					stop(err)
				}
			}
		}
	}()
	err := r.queue.Idle(ctx, syncWaits)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// paused returns an error that names the first paused connection.
func (r *rooms) paused(ctx context.Context, e *flow.Engine) error {
	for _, name := range e.Connections() {
		if c, err := r.conns.Get(ctx, name); err == nil && c.Paused() {
			return fmt.Errorf("connection %s is paused: %s (%s); its work waits", name, c.PausedReason, c.PausedRemedy)
		}
	}
	return nil
}

// drain lists a source to its end. A service that asks to wait gets what it
// asks for, unless that is longer than a pass should take.
func (c *command) drain(ctx context.Context, e *flow.Engine, src flow.Source, since time.Time) error {
	for range pagesMax {
		page, err := e.Poll(ctx, src, since)
		var limited *connector.Error
		if errors.As(err, &limited) && limited.Kind == connector.RateLimited && limited.RetryAfter <= syncWaits {
			c.log.Info("the service asks to wait", "source", src.String(), "for", limited.RetryAfter.Round(time.Second))
			select {
			case <-time.After(max(limited.RetryAfter, time.Second)):
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
		c.log.Debug("listed", "source", src.String(), "records", page.Records, "work", page.Touched)
		if !page.More {
			return nil
		}
		since = time.Time{} // the cursor goes on from there
	}
	return fmt.Errorf("more than %d pages; run sync again to go on", pagesMax)
}

// report prints what the pass did and whether a person is needed.
func (c *command) report(ctx context.Context, e *flow.Engine, before flow.Totals) error {
	after, err := e.Totals(ctx)
	if err != nil {
		return err
	}
	moved := after.Since(before)
	if c.set.json {
		if err := c.printJSON(moved); err != nil {
			return err
		}
	} else {
		c.printf("created %d, updated %d, adopted %d, unchanged %d, skipped %d; need a person %d, waiting %d\n",
			moved.Created, moved.Updated, moved.Adopted, moved.Unchanged, moved.Skipped, moved.Person, moved.Waiting)
	}
	if moved.Person > 0 {
		c.say("see: ml-connector failures list")
		return errPerson
	}
	return nil
}
