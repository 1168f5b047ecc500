package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// relinkCommands are what a person decides about links.
func (c *command) relinkCommands() []*cobra.Command {
	var recipes []string
	add := &cobra.Command{
		Use:   "add REF REF --recipe NAME",
		Short: "Say that two records are the same",
		Long: `Say that a record here is a record there, where no rule could decide: two
customers with one e-mail address, for example. Neither may be linked yet.
Afterwards replay what was held for it.`,
		Example: "  ml-connector links add xero:contact/4f2c3d1e-0a5b-4c6d-8e7f-9a0b1c2d3e4f stripe:contact/cus_Abc123 --recipe xero-stripe",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.addLink(cmd.Context(), recipes, args[0], args[1])
		},
	}
	end := &cobra.Command{
		Use:   "end REF --recipe NAME",
		Short: "Say that two records are no longer the same",
		Long: `End the link of a record, named by connection, entity and id. Neither record is
changed; the next change of the source looks for a counterpart anew.`,
		Example: "  ml-connector links end stripe:contact/cus_Abc123 --recipe xero-stripe",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.endLink(cmd.Context(), recipes, args[0]) },
	}
	for _, cmd := range []*cobra.Command{add, end} {
		cmd.Flags().StringSliceVar(&recipes, "recipe", nil, "`name` of the recipe that the link belongs to")
	}
	return []*cobra.Command{add, end}
}

func (c *command) addLink(ctx context.Context, recipes []string, from, to string) error {
	a, err := flow.ParseRef(from)
	if err != nil {
		return usageError{err}
	}
	b, err := flow.ParseRef(to)
	if err != nil {
		return usageError{err}
	}
	r, state, err := c.openFor(ctx, recipes)
	if err != nil {
		return err
	}
	defer r.close()
	for _, ref := range []flow.Ref{a, b} {
		if _, err := r.conns.Get(ctx, ref.Connection); err != nil {
			return err
		}
	}
	if err := flow.AddLink(ctx, r.db, r.audit, state, a, b, time.Now()); err != nil {
		return err
	}
	c.say("linked %s and %s; now replay what was held (see: ml-connector failures list)", a, b)
	return nil
}

func (c *command) endLink(ctx context.Context, recipes []string, of string) error {
	ref, err := flow.ParseRef(of)
	if err != nil {
		return usageError{err}
	}
	r, state, err := c.openFor(ctx, recipes)
	if err != nil {
		return err
	}
	defer r.close()
	l, err := flow.EndLink(ctx, r.db, r.audit, state, ref, time.Now())
	if err != nil {
		return err
	}
	c.say("%s and %s are no longer linked", l.From, l.To)
	return nil
}

// openFor opens the rooms for a command about one recipe's data, and returns the
// name of the state that holds it.
func (c *command) openFor(ctx context.Context, recipes []string) (*rooms, string, error) {
	if len(recipes) != 1 {
		return nil, "", usagef("say which recipe the link belongs to: --recipe NAME")
	}
	rec, err := loadRecipe(c.set.library(), recipes[0])
	if err != nil {
		return nil, "", err
	}
	r, err := c.open(ctx, true)
	return r, rec.State, err
}
