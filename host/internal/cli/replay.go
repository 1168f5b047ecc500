package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

const (
	// replayWithin bounds how long replay waits for what it runs again: the
	// recipe's attempts take some minutes, a minute's call limit a little more.
	replayWithin = 15 * time.Minute
	replayPoll   = 50 * time.Millisecond
)

type replayFlags struct {
	choice
	all     bool
	preview bool
}

func (c *command) replayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay ID… | --all",
		Short: "Run again what needs a person, without posting twice",
		Long: `Run entries of failures list again, once their cause is put right. The connector
looks first for what may already be there, so nothing is posted twice.

While a service runs on the data folder, the entries are handed to it. Otherwise
replay does the work itself, together with whatever else is due, and waits for
it: it needs --recipe, and its --param and --connection, as run does. It exits 3
when an entry needs a person again.

With --preview it says what would be written, and changes nothing; that needs
--recipe too.`,
		Example: `  ml-connector replay 17 21
  ml-connector replay --all --recipe xero-stripe --param clearing_account=610
  ml-connector replay 17 --preview --recipe xero-stripe --param clearing_account=610`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.replay(cmd.Context(), args, f) },
	}
	f.bind(cmd.Flags())
	cmd.Flags().BoolVar(&f.all, "all", false, "everything that needs a person")
	cmd.Flags().BoolVar(&f.preview, "preview", false, "say what would be written, change nothing")
	return cmd
}

func (c *command) replay(ctx context.Context, args []string, f replayFlags) error {
	if f.all == (len(args) > 0) {
		return usagef("name the entries to run again, or say --all (see: ml-connector failures list)")
	}
	var ids []int64
	for _, arg := range args {
		id, err := entryNumber(arg)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if f.preview {
		return c.previewReplay(ctx, ids, f.choice)
	}
	r, err := c.open(ctx, false)
	if errors.Is(err, db.ErrInUse) {
		return c.handOver(ctx, ids)
	}
	if err != nil {
		return err
	}
	defer r.close()
	return c.replayHere(ctx, r, ids, f.choice)
}

// chosen returns the entries to run again: those named, or all when none is.
// What needs nobody is left out, and said.
func (c *command) chosen(ctx context.Context, r *rooms, ids []int64) ([]flow.Work, error) {
	if ids == nil {
		return flow.Failures(ctx, r.db)
	}
	slices.Sort(ids)
	var out []flow.Work
	for _, id := range slices.Compact(ids) {
		w, err := flow.WorkByID(ctx, r.db, id)
		if errors.Is(err, flow.ErrNoWork) {
			return nil, usagef("%w (see: ml-connector failures list)", err)
		}
		if err != nil {
			return nil, err
		}
		if needsPerson(w) {
			out = append(out, w)
			continue
		}
		c.say("entry %d is %s and needs nobody: left as it is", id, w.State)
	}
	return out, nil
}

// replayed is what became of one entry.
type replayed struct {
	ID     int64      `json:"id"`
	Source string     `json:"source"`
	Label  string     `json:"label"`
	State  flow.State `json:"state"`
	Reason string     `json:"reason"`
	Remedy string     `json:"remedy"`
}

// handOver marks the entries for the service that runs on the data folder.
func (c *command) handOver(ctx context.Context, ids []int64) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	works, err := c.chosen(ctx, r, ids)
	if err != nil {
		return err
	}
	if len(works) == 0 {
		return c.printReplayed(nil)
	}
	if err := flow.Replay(ctx, r.db, r.audit, r.queue, idsOf(works)); err != nil {
		return err
	}
	if works, err = r.again(ctx, idsOf(works)); err != nil {
		return err
	}
	if err := c.printReplayed(works); err != nil {
		return err
	}
	c.foreign(works)
	c.say("the running service works on %s; see: ml-connector status", counted(len(works), "entry", "entries"))
	return nil
}

func idsOf(works []flow.Work) []int64 {
	ids := make([]int64, 0, len(works))
	for _, w := range works {
		ids = append(ids, w.ID)
	}
	return ids
}

// again reads entries as they stand now.
func (r *rooms) again(ctx context.Context, ids []int64) ([]flow.Work, error) {
	out := make([]flow.Work, 0, len(ids))
	for _, id := range ids {
		w, err := flow.WorkByID(ctx, r.db, id)
		if err != nil {
			return nil, err
		}
		out = append(out, w)
	}
	return out, nil
}

// replayHere does the work in this process.
func (c *command) replayHere(ctx context.Context, r *rooms, ids []int64, ch choice) error {
	works, err := c.chosen(ctx, r, ids)
	if err != nil {
		return err
	}
	if len(works) == 0 {
		return c.printReplayed(nil)
	}
	selections, err := r.loadFor(ctx, works, ch)
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
	if works, err = r.workAgain(ctx, e, idsOf(works)); err != nil {
		return err
	}
	if err := c.printReplayed(works); err != nil {
		return err
	}
	return c.judge(ctx, r, works)
}

// loadFor loads the recipes that a person named; they must be those of the entries.
func (r *rooms) loadFor(ctx context.Context, works []flow.Work, ch choice) ([]flow.Selection, error) {
	if len(ch.names) == 0 {
		return nil, usagef("no service does it, so say how: add --recipe %s and its --param, as for run", r.recipesOf(works))
	}
	selections, err := r.load(ctx, ch)
	if err != nil {
		return nil, err
	}
	for _, w := range works {
		if !slices.ContainsFunc(selections, func(s flow.Selection) bool { return s.Recipe.State == w.Recipe && s.Recipe.Flow(w.Flow) != nil }) {
			return nil, usagef("entry %d is of flow %s of recipe %s: name it with --recipe", w.ID, w.Flow, r.recipesOf([]flow.Work{w}))
		}
	}
	return selections, nil
}

// recipesOf names a recipe for each entry that can work on it, as --recipe takes
// them. Of several it is the one that the state is named for, if it can.
func (r *rooms) recipesOf(works []flow.Work) string {
	var names []string
	for _, w := range works {
		name := w.Recipe
		if with, _ := having(r.set.library(), w); len(with) > 0 && !slices.Contains(with, name) {
			name = with[0]
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// foreign tells which entries the service that runs may be unable to work on,
// since not every recipe with their state has their flow.
func (c *command) foreign(works []flow.Work) {
	for _, w := range works {
		if with, others := having(c.set.library(), w); others {
			c.say("entry %d is of flow %s: it needs a person again unless the running service has recipe %s", w.ID, w.Flow, strings.Join(with, " or "))
		}
	}
}

// workAgain runs the queue until the entries have settled, and returns them.
func (r *rooms) workAgain(ctx context.Context, e *flow.Engine, ids []int64) (works []flow.Work, err error) {
	if err := flow.Replay(ctx, r.db, r.audit, r.queue, ids); err != nil {
		return nil, err
	}
	if err := r.queue.Start(ctx, e.Run); err != nil {
		return nil, err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		err = errors.Join(err, r.queue.Stop(stop), e.Close(stop))
	}()
	limit := time.NewTimer(replayWithin)
	defer limit.Stop()
	tick := time.NewTicker(replayPoll)
	defer tick.Stop()
	for {
		if works, err = r.again(ctx, ids); err != nil {
			return nil, err
		}
		paused, err := r.anyPaused(ctx, e)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(works, func(w flow.Work) bool { return underWay(w, paused, time.Now()) }) {
			return works, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("stopped before the entries had settled; the next run or sync goes on with them: %w", ctx.Err())
		case <-limit.C:
			return works, nil
		case <-tick.C:
		}
	}
}

// underWay tells whether it pays to wait for an entry. One whose next attempt
// is far, or whose connection is paused, is for later.
func underWay(w flow.Work, paused bool, now time.Time) bool {
	switch w.State {
	case flow.Pending:
		return true
	case flow.Waiting, flow.Retrying:
		return !paused && (w.NextAt == nil || w.NextAt.Before(now.Add(syncWaits)))
	}
	return false
}

func (r *rooms) anyPaused(ctx context.Context, e *flow.Engine) (bool, error) {
	for _, name := range e.Connections() {
		conn, err := r.conns.Get(ctx, name)
		if err != nil {
			return false, err
		}
		if conn.Paused() {
			return true, nil
		}
	}
	return false, nil
}

func (c *command) printReplayed(works []flow.Work) error {
	out := make([]replayed, 0, len(works))
	for _, w := range works {
		if w.State == flow.Pending { // what is still stored is of the last time
			w.Reason, w.Remedy = "", ""
		}
		out = append(out, replayed{w.ID, w.SourceRef, w.Label, w.State, w.Reason, w.Remedy})
	}
	if c.set.json {
		return c.printJSON(out)
	}
	if len(out) == 0 {
		c.say("nothing to run again")
		return nil
	}
	t := c.table("ID", "STATE", "LABEL", "RECORD", "REASON")
	for _, w := range out {
		t.row(strconv.FormatInt(w.ID, 10), stateWord(w.State), cut(w.Label, labelWidth), w.Source, cut(w.Reason, reasonWidth))
	}
	return t.flush()
}

// judge ends a replay: 3 when an entry needs a person again.
func (c *command) judge(ctx context.Context, r *rooms, works []flow.Work) error {
	person, later := 0, 0
	for _, w := range works {
		switch w.State {
		case flow.Dead, flow.Held:
			person++
		case flow.Pending, flow.Waiting, flow.Retrying:
			later++
		}
	}
	if later > 0 {
		c.say("%s for later; the next run or sync goes on", counted(later, "entry waits", "entries wait"))
		conns, err := r.conns.List(ctx)
		if err != nil {
			return err
		}
		for _, conn := range conns {
			if conn.Paused() {
				c.say("connection %s is paused: %s (%s)", conn.Name, conn.PausedReason, conn.PausedRemedy)
				person++
			}
		}
	}
	if person > 0 {
		c.say("see: ml-connector failures list")
		return errPerson
	}
	return nil
}
