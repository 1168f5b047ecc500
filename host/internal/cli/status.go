package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// statusReport is how everything stands.
type statusReport struct {
	Flows       []flow.Standing         `json:"flows"`
	Polls       []flow.PollStatus       `json:"polls"`
	Connections []connection.Connection `json:"connections"`
	Queue       queueReport             `json:"queue"`
}

// queueReport counts what is queued now.
type queueReport struct {
	Due       int        `json:"due"`
	Running   int        `json:"running"`
	Later     int        `json:"later"` // waiting for their time
	OldestDue *time.Time `json:"oldest_due_at,omitempty"`
}

func (c *command) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say how every recipe and flow stands",
		Long: `Say how every flow stands: when it last succeeded, how far it lags behind, what is
queued, what is retried and what needs a person; when each source was polled,
which connections are paused and what to do about it. It may be asked while the
service runs; what a service's call limits leave is at /metrics of the service.`,
		Example: "  ml-connector status\n  ml-connector status --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
	}
}

func (c *command) status(ctx context.Context) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	s, err := r.status(ctx, time.Now())
	if err != nil {
		return err
	}
	if c.set.json {
		return c.printJSON(s)
	}
	return c.printStatus(s)
}

func (r *rooms) status(ctx context.Context, now time.Time) (s statusReport, err error) {
	if s.Flows, err = flow.Status(ctx, r.db, now); err != nil {
		return s, err
	}
	if s.Polls, err = flow.Polls(ctx, r.db); err != nil {
		return s, err
	}
	if s.Connections, err = r.conns.List(ctx); err != nil {
		return s, err
	}
	if s.Connections == nil {
		s.Connections = []connection.Connection{}
	}
	q, err := r.queue.Stats(ctx)
	if err != nil {
		return s, err
	}
	s.Queue = queueReport{Due: q.Due, Running: q.Running, Later: q.Later}
	if !q.Oldest.IsZero() {
		s.Queue.OldestDue = &q.Oldest
	}
	return s, nil
}

func (c *command) printStatus(s statusReport) error {
	if len(s.Flows)+len(s.Polls)+len(s.Connections) == 0 {
		c.say("nothing has run yet (see: ml-connector --help)")
		return nil
	}
	if err := c.printFlows(s.Flows); err != nil {
		return err
	}
	if err := c.printPolls(s.Polls); err != nil {
		return err
	}
	if err := c.printStandingConnections(s.Connections); err != nil {
		return err
	}
	c.printf("\nqueue: %d due, %d running, %d later", s.Queue.Due, s.Queue.Running, s.Queue.Later)
	if s.Queue.OldestDue != nil {
		c.printf(", the oldest due since %s", moment(*s.Queue.OldestDue))
	}
	c.printf("\ncalls that the services still allow: see /metrics of the running service\n")
	person := 0
	for _, f := range s.Flows {
		person += f.Person
	}
	if person > 0 {
		c.say("%s a person; see: ml-connector failures list", counted(person, "entry needs", "entries need"))
	}
	return nil
}

func (c *command) printFlows(all []flow.Standing) error {
	if len(all) == 0 {
		c.say("no flow has had work yet")
		return nil
	}
	t := c.table("RECIPE", "FLOW", "LAST SUCCESS", "LAG", "DONE", "SKIPPED", "QUEUED", "RETRYING", "NEED A PERSON")
	for _, f := range all {
		last, lag := "-", "-"
		if f.LastSuccess != nil {
			last = moment(*f.LastSuccess)
		}
		if f.Lag > 0 {
			lag = f.Lag.Round(time.Second).String()
		}
		t.row(f.Recipe, f.Flow, last, lag, strconv.Itoa(f.Done), strconv.Itoa(f.Skipped),
			strconv.Itoa(f.Queued), strconv.Itoa(f.Retrying), strconv.Itoa(f.Person))
	}
	return t.flush()
}

func (c *command) printPolls(all []flow.PollStatus) error {
	if len(all) == 0 {
		return nil
	}
	c.printf("\n")
	t := c.table("POLLED", "AT", "CAUGHT WHAT WEBHOOKS MISSED")
	for _, p := range all {
		t.row(fmt.Sprintf("%s %s", p.Recipe, strings.TrimSuffix(p.Connection+"."+p.Entity+"."+p.Stream, ".")), moment(p.PolledAt), strconv.Itoa(p.Caught))
	}
	return t.flush()
}

func (c *command) printStandingConnections(all []connection.Connection) error {
	if len(all) == 0 {
		return nil
	}
	c.printf("\n")
	t := c.table("CONNECTION", "ACCOUNT", "STATE")
	for _, x := range all {
		state := "ready"
		switch {
		case x.Paused() && x.PausedRemedy != "":
			state = "paused: " + x.PausedReason + " (" + x.PausedRemedy + ")"
		case x.Paused():
			state = "paused: " + x.PausedReason
		case x.AccountID == "":
			state = "not tested yet"
		}
		account := x.AccountName
		if account == "" {
			account = x.AccountID
		}
		t.row(x.Name, account, state)
	}
	return t.flush()
}
