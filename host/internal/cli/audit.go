package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/audit"
)

// auditPageMax is the longest list; a longer trail is read page by page, or
// exported.
const auditPageMax = 1000

func (c *command) auditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Read, export and verify the audit trail",
	}
	show := &cobra.Command{
		Use:     "show SEQ",
		Short:   "Show one entry with all that it holds",
		Example: "  ml-connector audit show 120",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.showAudit(cmd.Context(), args[0]) },
	}
	export := &cobra.Command{
		Use:   "export",
		Short: "Write the whole trail as JSON Lines",
		Long: `Write the whole trail to standard output as JSON Lines, the oldest entry first.
An export, kept elsewhere, shows what a trail said that was changed later.`,
		Example: "  ml-connector audit export > audit.jsonl",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.exportAudit(cmd.Context()) },
	}
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing on the trail was changed or removed",
		Long: `Check every entry of the trail from the first one on: that it is as it was
written, and that none is missing. It exits 1 at the first entry that is not.

A database that was put back whole to an earlier state passes. To see that too,
keep the number of entries and the hash that verify prints somewhere else, and
compare: audit show prints the hash of any entry.`,
		Example: "  ml-connector audit verify",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.verifyAudit(cmd.Context()) },
	}
	cmd.AddCommand(c.auditListCommand(), show, export, verify)
	return cmd
}

func (c *command) auditListCommand() *cobra.Command {
	var f audit.Filter
	var kind string
	list := &cobra.Command{
		Use:   "list",
		Short: "List entries, the newest first",
		Example: `  ml-connector audit list
  ml-connector audit list --source stripe:payment/ch_3Nx --kind outcome
  ml-connector audit list --work 17 --limit 10
  ml-connector audit list --before 4000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.Kind = audit.Kind(kind)
			return c.listAudit(cmd.Context(), f)
		},
	}
	list.Flags().StringVar(&f.Ref, "source", "", "only entries about, or written to, this `record`, such as stripe:payment/ID")
	list.Flags().StringVar(&kind, "kind", "", "only entries of this `kind`, such as outcome, skip, hold, dead or replay")
	list.Flags().Int64Var(&f.WorkID, "work", 0, "only entries about the work of this `id`, as failures list shows it")
	list.Flags().IntVar(&f.Limit, "limit", 100, "at most so many entries, `1 to 1000`")
	list.Flags().Int64Var(&f.Before, "before", 0, "only entries before this `number`: the next page")
	return list
}

func (c *command) listAudit(ctx context.Context, f audit.Filter) error {
	if f.Limit < 1 || f.Limit > auditPageMax {
		return usagef("--limit %d: use 1 to %d", f.Limit, auditPageMax)
	}
	if f.Before < 0 || f.WorkID < 0 {
		return usagef("--before and --work take positive numbers")
	}
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	entries, err := r.audit.List(ctx, r.db.Read(), f)
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(entries)
	}
	if len(entries) == 0 {
		c.say("no entries")
		return nil
	}
	if err := c.printTrail(entries, ""); err != nil {
		return err
	}
	if last := entries[len(entries)-1].Seq; len(entries) == f.Limit && last > 1 {
		c.say("for more: --before %d", last)
	}
	return nil
}

// printTrail prints entries one to a line.
func (c *command) printTrail(entries []audit.Entry, indent string) error {
	t := c.table(indent+"SEQ", "AT", "KIND", "OUTCOME", "RECORD", "REASON")
	for _, e := range entries {
		record := e.Source
		if label := e.Detail["label"]; label != "" {
			record += " (" + cut(label, labelWidth) + ")"
		}
		t.row(indent+strconv.FormatInt(e.Seq, 10), moment(e.At), string(e.Kind), e.Outcome, record, cut(e.Reason, reasonWidth))
	}
	return t.flush()
}

func (c *command) showAudit(ctx context.Context, arg string) error {
	seq, err := entryNumber(arg)
	if err != nil {
		return err
	}
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	e, err := r.audit.Get(ctx, r.db.Read(), seq)
	if errors.Is(err, audit.ErrNotFound) {
		return usagef("%w (see: ml-connector audit list)", err)
	}
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(e)
	}
	t := c.facts()
	t.fact("entry", strconv.FormatInt(e.Seq, 10))
	t.fact("at", e.At.UTC().Format("2006-01-02 15:04:05.000000Z"))
	t.fact("kind", string(e.Kind))
	t.fact("recipe", e.Recipe)
	t.fact("flow", e.Flow)
	t.fact("work", nonZero(e.WorkID))
	t.fact("source", e.Source)
	t.fact("target", e.Target)
	t.fact("attempt", nonZero(int64(e.Attempt)))
	t.fact("outcome", e.Outcome)
	t.fact("reason", e.Reason)
	for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
		t.fact(k, e.Detail[k])
	}
	t.fact("hash", e.Hash.String())
	t.fact("hash before", e.Prev.String())
	return t.flush()
}

func nonZero(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (c *command) exportAudit(ctx context.Context) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	w := bufio.NewWriterSize(c.Out, 64<<10)
	n, err := r.audit.Export(ctx, r.db.Read(), w)
	if err := errors.Join(err, w.Flush()); err != nil {
		return fmt.Errorf("export after %d entries: %w", n, err)
	}
	c.say("exported %s", counted(int(n), "entry", "entries"))
	return nil
}

// breakMeans says what a broken trail means, for a person who has never seen one.
var breakMeans = map[audit.Cause]string{
	audit.CauseChanged:   "somebody changed it in the database, past the host",
	audit.CauseRemoved:   "somebody removed it from the database",
	audit.CauseInserted:  "somebody added it to the database, past the host",
	audit.CauseTruncated: "somebody cut off the end of the trail",
	audit.CauseHead:      "the record of the last entry was changed, or this is not the trail's master key (see --key-file)",
}

func (c *command) verifyAudit(ctx context.Context) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	var progress func(done, total int64)
	if isTerminal(c.Err) {
		progress = func(done, total int64) { fmt.Fprintf(c.Err, "\rchecked %d of %d", done, total) }
	}
	report, err := r.audit.Verify(ctx, r.db.Read(), progress)
	if progress != nil {
		fmt.Fprintln(c.Err)
	}
	if err != nil {
		return err
	}
	if c.set.json {
		err = c.printJSON(report)
	} else {
		c.printf("entries %d\nhead    %s\n", report.Entries, report.Head)
	}
	if b := report.Broken; err == nil && b != nil {
		return fmt.Errorf("the audit trail is broken at entry %d: %s: %s; entries before it are as they were written. "+
			"Compare with an export or a backup before anything else is done", b.Seq, b.Message, breakMeans[b.Cause])
	}
	return err
}
