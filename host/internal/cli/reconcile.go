package cli

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/reconcile"
)

func (c *command) reconcileCommand() *cobra.Command {
	var f struct {
		choice
		since string
	}
	cmd := &cobra.Command{
		Use:   "reconcile --recipe NAME[,NAME…]",
		Short: "Compare both sides now and report every difference",
		Long: `Read both sides as they are now and compare every invoice, payment and contact
that takes part, the sums of what moved and what is posted, and the ageing of
what is owed. Nothing is written. Exits 0 when both sides agree, 3 when not.`,
		Example: `  ml-connector reconcile --recipe xero-stripe --param clearing_account=610
  ml-connector reconcile --recipe xero-stripe --param clearing_account=610 --since 2026-09-01 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reconcile(cmd.Context(), f.choice, f.since)
		},
	}
	f.bind(cmd.Flags())
	cmd.Flags().StringVar(&f.since, "since", "", "compare what changed since this `time` (default: the recipe's own start)")
	return cmd
}

func (c *command) reconcile(ctx context.Context, ch choice, from string) error {
	since, err := parseSince(from)
	if err != nil {
		return err
	}
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	selections, err := r.load(ctx, ch)
	if err != nil {
		return err
	}
	for _, s := range selections {
		if err := r.check(ctx, s); err != nil {
			return withRemedy(err)
		}
	}
	e, err := r.engine(selections)
	if err != nil {
		return err
	}
	rep, err := reconcile.Run(ctx, e, since, time.Now())
	if err != nil {
		return withRemedy(err)
	}
	if c.set.json {
		err = c.printJSON(rep)
	} else {
		err = c.printReport(rep)
	}
	if err == nil && !rep.Clean() {
		err = errPerson
	}
	return err
}

func (c *command) printReport(rep reconcile.Report) error {
	// Of several recipes each is named.
	several := slices.ContainsFunc(rep.Checked, func(x reconcile.Checked) bool { return x.Recipe != rep.Checked[0].Recipe })
	of := func(recipe, what string) string {
		if several {
			return recipe + ": " + what
		}
		return what
	}
	t := c.table("FLOW", "RECORDS", "PAIRED", "LEFT ALONE")
	for _, x := range rep.Checked {
		t.row(of(x.Recipe, x.Flow), strconv.Itoa(x.Records), strconv.Itoa(x.Paired), strconv.Itoa(x.Skipped))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if len(rep.Sums) > 0 {
		c.printf("\n")
		t = c.table("MONEY", "MOVED", "POSTED")
		for _, x := range rep.Sums {
			t.row(of(x.Recipe, x.Flow), x.Source.String(), x.Target.String())
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	if err := c.printAgeing(rep.Ageing, of); err != nil {
		return err
	}
	if rep.Clean() {
		c.printf("\nBoth sides agree.\n")
		return nil
	}
	c.printf("\n%d differences:\n", len(rep.Differences))
	t = c.table("WHAT", "LABEL", "HERE", "THERE", "WHY", "WHAT TO DO")
	for _, d := range rep.Differences {
		t.row(string(d.Kind), d.Label, d.Source, d.Target, d.Message, d.Remedy)
	}
	return t.flush()
}

func (c *command) printAgeing(tables []reconcile.AgeingTable, of func(recipe, what string) string) error {
	if len(tables) == 0 {
		return nil
	}
	c.printf("\n")
	t := c.table(append([]string{"OWED", ""}, reconcile.BucketNames()...)...)
	for _, a := range tables {
		here, there := []string{of(a.Recipe, string(a.Currency)), "here"}, []string{"", "there"}
		for _, b := range reconcile.BucketNames() {
			here = append(here, a.Source[b].Decimal())
			there = append(there, a.Target[b].Decimal())
		}
		t.row(here...)
		t.row(there...)
	}
	return t.flush()
}
