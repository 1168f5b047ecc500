package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

const (
	// reasonWidth is how much of a reason a table shows; `show` shows it whole.
	reasonWidth = 72
	// trailShown is how many lines of the audit trail go with one failure.
	trailShown = 10
)

func (c *command) failuresCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "failures",
		Short: "Show what needs a person, and what to do about it",
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "list",
			Short: "List what needs a person, the oldest first",
			Long: `List dead letters, which used up their attempts or can never succeed as they are,
and what is held because a person must decide: each with the reason, the remedy
and the records concerned on both sides.`,
			Example: "  ml-connector failures list\n  ml-connector failures list --json",
			Args:    cobra.NoArgs,
			RunE:    func(cmd *cobra.Command, _ []string) error { return c.listFailures(cmd.Context()) },
		},
		&cobra.Command{
			Use:     "show ID",
			Short:   "Show one entry, its audit trail, and how to run it again",
			Example: "  ml-connector failures show 17",
			Args:    cobra.ExactArgs(1),
			RunE:    func(cmd *cobra.Command, args []string) error { return c.showFailure(cmd.Context(), args[0]) },
		})
	return cmd
}

// entryNumber reads the number of an entry that a person names.
func entryNumber(arg string) (int64, error) {
	n, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || n < 1 {
		return 0, usagef("%q is not the number of an entry", arg)
	}
	return n, nil
}

func (c *command) listFailures(ctx context.Context) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	all, err := flow.Failures(ctx, r.db)
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(all)
	}
	if len(all) == 0 {
		c.say("nothing needs a person")
		return nil
	}
	if err := c.printFailures(all); err != nil {
		return err
	}
	c.say("when the cause is put right: ml-connector replay ID… (or --all)")
	return nil
}

// printFailures prints aligned lines, and under each what a person needs to act.
func (c *command) printFailures(all []flow.Work) error {
	var aligned bytes.Buffer
	t := tableOn(&aligned, "ID", "STATE", "RECIPE", "FLOW", "LABEL", "SINCE")
	for _, w := range all {
		t.row(strconv.FormatInt(w.ID, 10), stateWord(w.State), w.Recipe, w.Flow, cut(w.Label, labelWidth), moment(w.ChangedAt))
	}
	if err := t.flush(); err != nil {
		return err
	}
	head, rest, _ := strings.Cut(aligned.String(), "\n")
	c.printf("%s\n", head)
	for i, line := range strings.Split(strings.TrimRight(rest, "\n"), "\n") {
		c.printf("%s\n", line)
		for _, x := range [][2]string{{"reason:  ", all[i].Reason}, {"remedy:  ", all[i].Remedy}, {"records: ", records(all[i])}} {
			if x[1] != "" {
				c.printf("    %s%s\n", x[0], oneLine(x[1]))
			}
		}
	}
	return nil
}

// stateWord says how a piece of work stands in words for people.
func stateWord(s flow.State) string {
	switch s {
	case flow.Dead:
		return "dead letter"
	case flow.Held:
		return "held"
	}
	return string(s)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// records names every record concerned: "stripe payment ch_1, xero invoice 4f2c".
func records(w flow.Work) string {
	if len(w.Records) == 0 {
		return w.SourceRef
	}
	names := make([]string, 0, len(w.Records))
	for _, what := range slices.Sorted(maps.Keys(w.Records)) {
		names = append(names, recordName(what, w.Records[what]))
	}
	return strings.Join(names, ", ")
}

// recordName leaves out an id that the description has already.
func recordName(what, id string) string {
	if strings.HasSuffix(what, " "+id) {
		return what
	}
	return what + " " + id
}

// failureReport is one entry with what led to it.
type failureReport struct {
	flow.Work
	Replay string        `json:"replay,omitempty"` // the command that runs it again
	Audit  []audit.Entry `json:"audit"`            // the last ones, oldest first

	recipe string // one that can run it again, as --recipe takes it
}

func (c *command) showFailure(ctx context.Context, arg string) error {
	id, err := entryNumber(arg)
	if err != nil {
		return err
	}
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	report, err := r.failure(ctx, id)
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(report)
	}
	return c.printFailure(report)
}

func (r *rooms) failure(ctx context.Context, id int64) (failureReport, error) {
	w, err := flow.WorkByID(ctx, r.db, id)
	if errors.Is(err, flow.ErrNoWork) {
		return failureReport{}, usagef("%w (see: ml-connector failures list)", err)
	}
	if err != nil {
		return failureReport{}, err
	}
	entries, err := r.audit.List(ctx, r.db.Read(), audit.Filter{WorkID: id, Limit: trailShown})
	if err != nil {
		return failureReport{}, err
	}
	if w.Attempts == 0 { // work that has ended counts from nought again; the trail knows
		for _, e := range entries {
			if e.Attempt > 0 {
				w.Attempts = e.Attempt
				break
			}
		}
	}
	slices.Reverse(entries)
	report := failureReport{Work: w, Audit: entries}
	if needsPerson(w) {
		report.Replay = fmt.Sprintf("ml-connector replay %d", w.ID)
		report.recipe = r.recipesOf([]flow.Work{w})
	}
	return report, nil
}

func needsPerson(w flow.Work) bool { return w.State == flow.Dead || w.State == flow.Held }

func (c *command) printFailure(f failureReport) error {
	t := c.facts()
	t.fact("entry", strconv.FormatInt(f.ID, 10))
	t.fact("state", stateWord(f.State))
	t.fact("recipe", f.Recipe+", flow "+f.Flow)
	t.fact("label", f.Label)
	t.fact("record", f.SourceRef)
	for _, what := range slices.Sorted(maps.Keys(f.Records)) {
		t.fact("concerns", recordName(what, f.Records[what]))
	}
	t.fact("reason", f.Reason)
	t.fact("remedy", f.Remedy)
	t.fact("attempts", nonZero(int64(f.Attempts)))
	t.fact("first seen", moment(f.FirstSeen))
	t.fact("since", moment(f.ChangedAt))
	if f.NextAt != nil {
		t.fact("next attempt", moment(*f.NextAt))
	}
	if f.Replay != "" {
		t.fact("run it again", f.Replay)
		t.fact("", "when no service is running, add --recipe "+f.recipe+" and its --param as for run")
	}
	if err := t.flush(); err != nil {
		return err
	}
	if len(f.Audit) == 0 {
		return nil
	}
	c.printf("\n")
	return c.printTrail(f.Audit, "")
}
