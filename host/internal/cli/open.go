package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
	"github.com/ml-connector/ml-connector/host/internal/supervisor"
	"github.com/ml-connector/ml-connector/host/internal/vault"
)

// envMasterKey carries the master key itself, instead of a file, or the URI of
// a key in a KMS.
const envMasterKey = "ML_CONNECTOR_MASTER_KEY"

// workers is how many attempts are made at a time. They mostly wait: for company
// in a call, which takes as many as a service's batch holds, and for answers.
const workers = 250

// rooms are the opened parts of the host that commands work with.
type rooms struct {
	set   settings
	log   hclog.Logger
	db    *db.DB
	vault *vault.Vault
	audit *audit.Log
	sup   *supervisor.Supervisor
	conns *connection.Store
	usage *usageBook
	queue *job.Queue
}

// open opens the database and what stands on it. shared is for commands that
// may run while the service does.
func (c *command) open(ctx context.Context, shared bool) (_ *rooms, err error) {
	r := &rooms{set: c.set, log: c.log, usage: newUsageBook()}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.db, err = db.Open(ctx, db.Config{Dir: c.set.data, URL: c.set.databaseURL, Log: c.log.Named("db"), Shared: shared}); err != nil {
		if errors.Is(err, db.ErrUnsupported) {
			return nil, usageError{err}
		}
		return nil, err
	}
	master, err := vault.LoadMasterKey(ctx, vault.KeySource{File: c.set.keyPath(), Env: os.Getenv(envMasterKey), Data: c.set.data})
	if err != nil {
		return nil, err
	}
	if err := r.db.Update(ctx, func(tx *db.Tx) error {
		r.vault, err = vault.Open(ctx, vault.Config{MasterKey: master, Store: vault.NewTable(tx)})
		return err
	}); err != nil {
		return nil, err
	}
	key, err := r.vault.DeriveKey("audit chain")
	if err != nil {
		return nil, err
	}
	r.audit = audit.New(key)
	if r.sup, err = c.supervisor(r.usage); err != nil {
		return nil, err
	}
	r.conns = connection.New(connection.Config{
		DB: r.db, Vault: r.vault, Manifests: r.sup, Log: c.log.Named("connection"),
	})
	r.queue, err = r.newQueue()
	return r, err
}

func (r *rooms) newQueue() (*job.Queue, error) {
	return job.New(job.Config{DB: r.db, Log: r.log.Named("job"), Workers: workers})
}

func (c *command) supervisor(u *usageBook) (*supervisor.Supervisor, error) {
	dir, err := c.set.pluginsDir()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.set.data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return supervisor.New(supervisor.Config{
		Dir: dir, PinFile: filepath.Join(c.set.data, "plugins.lock"), Log: c.log.Named("plugin"), OnUsage: u.note,
	})
}

func (r *rooms) close() {
	if r.sup != nil {
		r.sup.Stop()
	}
	if r.db != nil {
		if err := r.db.Close(); err != nil {
			r.log.Error("database", "error", err)
		}
	}
}

// engine makes the flow engine for the selected recipes.
func (r *rooms) engine(selections []flow.Selection) (*flow.Engine, error) {
	return flow.New(flow.Config{
		DB: r.db, Audit: r.audit, Queue: r.queue, Connections: r.conns, Selections: selections, Log: r.log.Named("flow"),
		CallsLeft: r.usage.left,
		Plugin:    func(ctx context.Context, name string) (flow.Connector, error) { return r.sup.Plugin(ctx, name) },
	})
}

// lasting makes sure that the selections keep to the choices of earlier runs, and
// with keep set holds later runs to theirs.
func (r *rooms) lasting(ctx context.Context, selections []flow.Selection, keep bool) error {
	for _, s := range selections {
		if err := flow.Lasting(ctx, r.db, s, keep, time.Now()); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// check makes sure that a selection can run before anything is started: the
// connections exist and are of the right connector, the service knows us, and
// the accounts that will be posted to can be.
func (r *rooms) check(ctx context.Context, s flow.Selection) error {
	currencies := map[string]string{}
	for _, name := range s.Recipe.CheckOrder() {
		bound := name
		if to := s.Bind[name]; to != "" {
			bound = to
		}
		c, err := r.conns.Get(ctx, bound)
		if err != nil {
			return fmt.Errorf("recipe %s needs connection %s: %w", s.Recipe.Name, bound, err)
		}
		if want := s.Recipe.Connections[name].Connector; c.Connector != want {
			return usagef("recipe %s: connection %s is of connector %s, not %s", s.Recipe.Name, bound, c.Connector, want)
		}
		if err := r.checkStreams(ctx, s.Recipe, name, c.Connector); err != nil {
			return err
		}
		req, err := s.Recipe.CheckRequest(name, s.Params, currencies)
		if err != nil {
			return err
		}
		res, err := r.checkConnection(ctx, c, req)
		if err != nil {
			return fmt.Errorf("connection %s: %w", bound, err)
		}
		currencies[name] = res.Account.Currency
	}
	return nil
}

// checkStreams makes sure that the connector knows the streams that the recipe's
// flows name at a connection.
func (r *rooms) checkStreams(ctx context.Context, rec *recipe.Recipe, connection, connectorName string) error {
	plug, err := r.sup.Plugin(ctx, connectorName)
	if err != nil {
		return err
	}
	for _, f := range rec.Flows {
		for _, end := range []recipe.End{f.From, f.To} {
			if end.Connection == connection && !plug.Manifest().HasStream(end.Entity, end.Stream) {
				return usagef("recipe %s, flow %s: connector %s has no stream %q of %s; see: ml-connector connectors describe %s",
					rec.Name, f.Name, connectorName, end.Stream, end.Entity, connectorName)
			}
		}
	}
	return nil
}

// checkConnection asks the service who we are and binds the connection to the
// account that it names.
func (r *rooms) checkConnection(ctx context.Context, c connection.Connection, req connector.CheckRequest) (connector.CheckResult, error) {
	plug, err := r.sup.Plugin(ctx, c.Connector)
	if err != nil {
		return connector.CheckResult{}, err
	}
	sess, err := r.conns.Session(ctx, c.Name, connector.PriorityRead)
	if err != nil {
		return connector.CheckResult{}, err
	}
	// The posting accounts belong to one account: find that first.
	if sess.AccountID == "" && len(req.PostingAccounts)+len(req.CounterAccounts) > 0 {
		res, err := r.checkConnection(ctx, c, connector.CheckRequest{})
		if err != nil {
			return res, err
		}
		sess.AccountID = res.Account.ID
	}
	res, err := plug.Check(ctx, sess, req)
	if err != nil {
		return res, err
	}
	if res.Account.ID == "" {
		return res, ambiguous(c.Name, plug.Manifest(), res.Choices)
	}
	if c.AccountID != "" && c.AccountID != res.Account.ID {
		return res, connector.Errorf(connector.Auth, "check", "it was bound to account %s and now reaches %s", c.AccountID, res.Account.ID).
			WithRemedy("add a connection of another name for the other account")
	}
	return res, r.conns.SetAccount(ctx, c.Name, res.Account)
}

func ambiguous(name string, m connector.Manifest, choices []connector.Account) error {
	if len(choices) == 0 {
		return connector.Errorf(connector.Auth, "check", "the credential reaches no account").
			WithRemedy("run: ml-connector connections authorize %s", name)
	}
	lines := make([]string, 0, len(choices))
	for _, a := range choices {
		lines = append(lines, fmt.Sprintf("  %s  %s", a.ID, a.Name))
	}
	sort.Strings(lines)
	setting := "the account"
	if m.OAuth != nil {
		setting = m.OAuth.AccountSetting
	}
	return fmt.Errorf("the consent covers several accounts; name one with --set %s=ID:\n%s", setting, strings.Join(lines, "\n"))
}

// metrics returns a registry with the queue's and the budget's figures.
func (r *rooms) metrics() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(r.usage)
	return reg
}
