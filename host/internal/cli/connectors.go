package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/supervisor"
)

// sumShown is how much of a checksum a table shows.
const sumShown = 12

func (c *command) connectorsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connectors",
		Short: "List, describe, verify and accept connectors",
	}
	cmd.AddCommand(c.verifyCommand(),
		&cobra.Command{
			Use:   "list",
			Short: "List the connectors in --plugins",
			Long: `List the executables in the plugins folder. A connector's checksum is remembered
when it is first used; one that has changed since is refused until it is accepted.`,
			Example: "  ml-connector connectors list",
			Args:    cobra.NoArgs,
			RunE:    func(*cobra.Command, []string) error { return c.listConnectors() },
		},
		&cobra.Command{
			Use:     "describe NAME",
			Short:   "Say what a connector offers, and which settings and secrets it takes",
			Example: "  ml-connector connectors describe xero",
			Args:    cobra.ExactArgs(1),
			RunE:    func(cmd *cobra.Command, args []string) error { return c.describeConnector(cmd.Context(), args[0]) },
		},
		&cobra.Command{
			Use:   "accept NAME",
			Short: "Accept a connector's executable as it is now",
			Long: `Accept a connector whose executable has changed since it was first used. Do it
when you know who changed it: a connector sees the secrets of its connections.`,
			Example: "  ml-connector connectors accept stripe",
			Args:    cobra.ExactArgs(1),
			RunE:    func(cmd *cobra.Command, args []string) error { return c.acceptConnector(cmd.Context(), args[0]) },
		})
	return cmd
}

// foundReport is an executable in the plugins folder.
type foundReport struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	Checksum string `json:"checksum"` // SHA-256
	Accepted string `json:"accepted,omitempty"`
	State    string `json:"state"` // accepted, changed or new
}

func reportFound(f supervisor.Found) foundReport {
	out := foundReport{Name: f.Name, Path: f.Path, Checksum: f.Checksum, Accepted: f.Pinned, State: "accepted"}
	switch f.Pinned {
	case "":
		out.State = "new"
	case f.Checksum:
	default:
		out.State = "changed"
	}
	return out
}

func (c *command) listConnectors() error {
	sup, err := c.supervisor(newUsageBook())
	if err != nil {
		return err
	}
	defer sup.Stop()
	found, err := sup.Discover()
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	reports := make([]foundReport, 0, len(found))
	for _, f := range found {
		reports = append(reports, reportFound(f))
	}
	if c.set.json {
		return c.printJSON(reports)
	}
	if len(reports) == 0 {
		c.say("no connectors in the plugins folder (see --plugins)")
		return nil
	}
	t := c.table("NAME", "CHECKSUM", "STATE", "FILE")
	for _, f := range reports {
		state := f.State
		if state == "changed" {
			state = "changed, refused until: ml-connector connectors accept " + f.Name
		}
		t.row(f.Name, f.Checksum[:sumShown], state, f.Path)
	}
	return t.flush()
}

// connectorReport is what a connector offers.
type connectorReport struct {
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	Version  string          `json:"version"`
	Summary  string          `json:"summary"`
	Settings []settingReport `json:"settings"`
	Entities []entityReport  `json:"entities"`

	OAuth            bool   `json:"oauth"`
	AccountSetting   string `json:"account_setting,omitempty"`
	ReceivesWebhooks bool   `json:"receives_webhooks"`
	MakesWebhooks    bool   `json:"makes_webhooks"`
}

type settingReport struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Secret   bool   `json:"secret"`
	Required bool   `json:"required"`
	Default  string `json:"default,omitempty"`
	Help     string `json:"help"`
}

type entityReport struct {
	Entity      string   `json:"entity"`
	Verbs       []string `json:"verbs"`
	GetBatch    int      `json:"get_batch"`
	UpsertBatch int      `json:"upsert_batch"`
	PageSize    int      `json:"page_size"`

	Streams []streamReport `json:"streams"`
}

// streamReport is a part of an entity that a flow names on its own.
type streamReport struct {
	Name string `json:"name"`
	Help string `json:"help"`
}

func reportManifest(m connector.Manifest) connectorReport {
	out := connectorReport{
		Name: m.Name, Title: m.Title, Version: m.Version, Summary: m.Summary, OAuth: m.OAuth != nil,
		ReceivesWebhooks: m.ReceivesWebhooks, MakesWebhooks: m.RegistersWebhooks,
		Settings: []settingReport{}, Entities: []entityReport{},
	}
	if m.OAuth != nil {
		out.AccountSetting = m.OAuth.AccountSetting
	}
	for _, s := range m.Settings {
		out.Settings = append(out.Settings, settingReport{s.Name, string(s.Type), s.Secret, s.Required, s.Default, s.Help})
	}
	for _, e := range m.Entities {
		verbs := make([]string, 0, len(e.Verbs))
		for _, v := range e.Verbs {
			verbs = append(verbs, string(v))
		}
		streams := make([]streamReport, 0, len(e.Streams))
		for _, s := range e.Streams {
			streams = append(streams, streamReport{s.Name, s.Help})
		}
		out.Entities = append(out.Entities, entityReport{string(e.Entity), verbs, e.GetBatch, e.UpsertBatch, e.PageSize, streams})
	}
	return out
}

func (c *command) describeConnector(ctx context.Context, name string) error {
	sup, err := c.supervisor(newUsageBook())
	if err != nil {
		return err
	}
	defer sup.Stop()
	m, err := sup.Manifest(ctx, name)
	if err != nil {
		return c.pluginError(err)
	}
	report := reportManifest(m)
	if c.set.json {
		return c.printJSON(report)
	}
	return c.printConnector(report)
}

// pluginError makes a wrong name wrong usage, and adds what to do.
func (c *command) pluginError(err error) error {
	if errors.Is(err, supervisor.ErrUnknown) || errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	return withRemedy(err)
}

func (c *command) printConnector(r connectorReport) error {
	c.printf("%s %s (%s)\n%s\n\n", r.Name, r.Version, r.Title, r.Summary)
	t := c.table("SETTING", "KIND", "DEFAULT", "MEANING")
	for _, s := range r.Settings {
		kind := s.Type
		if s.Secret {
			kind = "secret"
		}
		preset := s.Default
		if s.Required {
			preset = "(required)"
		}
		t.row(s.Name, kind, cut(preset, 48), s.Help)
	}
	if err := t.flush(); err != nil {
		return err
	}
	c.printf("\n")
	t = c.table("ENTITY", "VERBS", "READS AT ONCE", "WRITES AT ONCE", "PAGE")
	for _, e := range r.Entities {
		t.row(e.Entity, strings.Join(e.Verbs, " "), strconv.Itoa(e.GetBatch), strconv.Itoa(e.UpsertBatch), strconv.Itoa(e.PageSize))
		for _, s := range e.Streams {
			t.row("  "+e.Entity+"."+s.Name, s.Help)
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	c.printf("\n")
	t = c.facts()
	consent := "none: the secrets are all that a connection needs"
	if r.OAuth {
		consent = "OAuth 2.0: ml-connector connections authorize NAME"
	}
	hooks := "not offered: changes are found by polling"
	switch {
	case r.MakesWebhooks:
		hooks = "received at /webhooks/NAME; the host makes them when run has --public-url"
	case r.ReceivesWebhooks:
		hooks = "received at /webhooks/NAME; set them up at the service"
	}
	t.fact("consent", consent)
	t.fact("webhooks", hooks)
	return t.flush()
}

func (c *command) acceptConnector(ctx context.Context, name string) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	var f supervisor.Found
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		var err error
		if f, err = r.sup.Accept(name); err != nil {
			return err
		}
		_, err = r.audit.Append(ctx, tx, audit.Entry{
			Kind: audit.KindPlugin, Source: name, Outcome: "accepted", Detail: audit.Detail{"sha256": f.Checksum},
		})
		return err
	})
	if err != nil {
		return c.pluginError(fmt.Errorf("accept connector %s: %w", name, err))
	}
	if c.set.json {
		return c.printJSON(reportFound(f))
	}
	c.printf("accepted %s as it is now (%s…)\n", name, f.Checksum[:sumShown])
	return nil
}
