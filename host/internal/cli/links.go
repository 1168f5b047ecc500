package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// labelWidth is how much of a label a table shows.
const labelWidth = 28

func (c *command) linksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "links",
		Short: "Show which record here is which record there, and why",
	}
	var entity string
	var all bool
	list := &cobra.Command{
		Use:     "list",
		Short:   "List links, the newest first",
		Example: "  ml-connector links list --entity payment\n  ml-connector links list --all --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.listLinks(cmd.Context(), entity, all) },
	}
	list.Flags().StringVar(&entity, "entity", "", "only links of this `entity`: contact, invoice or payment")
	list.Flags().BoolVar(&all, "all", false, "also links that were replaced since")
	show := &cobra.Command{
		Use:   "show REF",
		Short: "Show everything known of a record's links",
		Long: `Show both records of a link, why and when they were linked, what was made for it,
and its lines of the audit trail. REF is the id of a record on either side, the
number of an invoice, or a connection, an entity and an id.`,
		Example: "  ml-connector links show INV-0042\n  ml-connector links show xero:invoice/4f2c3d1e-0a5b-4c6d-8e7f-9a0b1c2d3e4f",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.showLinks(cmd.Context(), args[0]) },
	}
	cmd.AddCommand(list, show)
	cmd.AddCommand(c.relinkCommands()...)
	return cmd
}

func (c *command) listLinks(ctx context.Context, entity string, all bool) error {
	if entity != "" && !slices.Contains(connector.Entities(), connector.Entity(entity)) {
		return usagef("--entity %q: use contact, invoice or payment", entity)
	}
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	links, err := flow.Links(ctx, r.db, flow.LinkFilter{Entity: connector.Entity(entity), Ended: all})
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(links)
	}
	if len(links) == 0 {
		c.say("no links")
		return nil
	}
	head := []string{"LABEL", "FROM", "TO", "SINCE"}
	if all {
		head = append(head, "ENDED")
	}
	t := c.table(head...)
	for _, l := range links {
		cells := []string{cut(l.Label, labelWidth), l.From, l.To, moment(l.CreatedAt)}
		if all {
			cells = append(cells, moment(l.EndedAt))
		}
		t.row(cells...)
	}
	return t.flush()
}

// linkReport is a link with its lines of the audit trail.
type linkReport struct {
	flow.Link
	Audit []audit.Entry `json:"audit"` // oldest first
}

func (c *command) showLinks(ctx context.Context, ref string) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	links, err := r.linksOf(ctx, ref)
	if err != nil {
		return err
	}
	if len(links) == 0 {
		return usagef("no link has %q on either side or as its number (see: ml-connector links list --all)", ref)
	}
	reports := make([]linkReport, 0, len(links))
	for _, l := range links {
		entries, err := r.auditOf(ctx, l)
		if err != nil {
			return err
		}
		reports = append(reports, linkReport{l, entries})
	}
	if c.set.json {
		return c.printJSON(reports)
	}
	for i, l := range reports {
		if i > 0 {
			c.printf("\n")
		}
		if err := c.printLink(l); err != nil {
			return err
		}
	}
	return nil
}

// linksOf finds the links that a person means by ref. A number of an invoice
// may look like anything, so it is tried as it stands first.
func (r *rooms) linksOf(ctx context.Context, ref string) ([]flow.Link, error) {
	links, err := flow.Links(ctx, r.db, flow.LinkFilter{ID: ref, Ended: true})
	if err != nil || len(links) > 0 {
		return links, err
	}
	_, rest, ok := strings.Cut(ref, ":")
	if !ok {
		return nil, nil
	}
	_, id, ok := strings.Cut(rest, "/")
	if !ok || id == "" {
		return nil, nil
	}
	links, err = flow.Links(ctx, r.db, flow.LinkFilter{ID: id, Ended: true})
	return slices.DeleteFunc(links, func(l flow.Link) bool { return l.From != ref && l.To != ref }), err
}

// auditOf returns what the trail says of both records, the oldest first.
func (r *rooms) auditOf(ctx context.Context, l flow.Link) ([]audit.Entry, error) {
	var all []audit.Entry
	for _, ref := range []string{l.From, l.To} {
		entries, err := r.audit.List(ctx, r.db.Read(), audit.Filter{Ref: ref, Recipe: l.Recipe})
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	slices.SortFunc(all, func(a, b audit.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return slices.CompactFunc(all, func(a, b audit.Entry) bool { return a.Seq == b.Seq }), nil
}

func (c *command) printLink(l linkReport) error {
	c.printf("%s = %s\n", l.From, l.To)
	t := c.facts()
	t.fact("  label", l.Label)
	t.fact("  why", l.Why)
	t.fact("  recipe", l.Recipe)
	t.fact("  linked", moment(l.CreatedAt))
	if !l.UpdatedAt.Equal(l.CreatedAt) {
		t.fact("  renewed", moment(l.UpdatedAt))
	}
	if !l.EndedAt.IsZero() {
		t.fact("  ended", moment(l.EndedAt))
	}
	t.fact("  pay at", l.URL)
	for _, x := range l.Effects {
		t.fact("  made", strings.TrimSpace(fmt.Sprintf("%s %s %s", x.What, x.ID, x.Amount)))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if len(l.Audit) == 0 {
		return nil
	}
	c.printf("  audit trail:\n")
	return c.printTrail(l.Audit, "    ")
}
