package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/console"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

func (ch *choice) bind(f *pflag.FlagSet) {
	f.StringSliceVar(&ch.names, "recipe", nil, "`name` of a recipe in --recipes; several with commas")
	f.StringArrayVar(&ch.params, "param", nil, "recipe parameter `NAME=VALUE`, or RECIPE/NAME=VALUE for one of several recipes; repeatable")
	f.StringArrayVar(&ch.binds, "connection", nil, "use another connection for the recipe's: `xero=NAME`, or RECIPE/xero=NAME for one of several recipes; repeatable")
}

type runFlags struct {
	choice
	listen    string
	publicURL string
	pollEvery time.Duration
	// passwordFile holds the console's password.
	passwordFile string
}

func (c *command) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --recipe NAME[,NAME…]",
		Short: "Run the service: webhooks, polling, workers, console",
		Long: `Run the service until it is told to stop. Webhooks are received at
/webhooks/CONNECTION, changes that they missed are found by polling, and the
console is at /. On SIGTERM the attempts in flight are finished first.`,
		Example: `  ml-connector run --recipe xero-stripe --param clearing_account=610
  ml-connector run --recipe xero-stripe --listen 0.0.0.0:8480 --public-url https://connector.example.com --param clearing_account=610`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), f) },
	}
	f.bind(cmd.Flags())
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8480", "`address` for webhooks and the console")
	cmd.Flags().StringVar(&f.publicURL, "public-url", "", "https `URL` under which services reach --listen; lets the host create webhooks where a service's API can")
	cmd.Flags().StringVar(&f.passwordFile, "console-password-file", "", "`file` with the console's password; needed when other machines can reach --listen or --public-url")
	cmd.Flags().DurationVar(&f.pollEvery, "poll-every", 0, "poll every source at this `interval` instead of the recipe's")
	return cmd
}

func (c *command) run(ctx context.Context, f runFlags) error {
	if f.pollEvery < 0 || (f.pollEvery > 0 && f.pollEvery < time.Second) {
		return usagef("--poll-every %s: at least 1s", f.pollEvery)
	}
	if f.publicURL != "" && !strings.HasPrefix(f.publicURL, "https://") {
		return usagef("--public-url %q: services deliver webhooks to https URLs only", f.publicURL)
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
	if err := r.lasting(ctx, selections, true); err != nil {
		return err
	}
	e, err := r.engine(selections)
	if err != nil {
		return err
	}
	if f.publicURL != "" {
		if err := r.registerWebhooks(ctx, e, f.publicURL); err != nil {
			return err
		}
	}
	page, err := r.console(f)
	if err != nil {
		return err
	}
	s, err := r.start(ctx, e, f.listen, f.pollEvery, page)
	if err != nil {
		return err
	}
	c.say("listening on %s; webhooks at %s/webhooks/CONNECTION, console at %s/", s.url(), s.url(), s.url())
	select {
	case <-ctx.Done():
		c.say("stopping: finishing the attempts in flight")
	case err = <-s.served:
		s.served <- err
	}
	return errors.Join(err, s.stop())
}

// console makes the page; on an address that others can reach it wants a password.
func (r *rooms) console(f runFlags) (*console.Console, error) {
	password := ""
	if f.passwordFile != "" {
		b, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return nil, usagef("--console-password-file: %w", err)
		}
		if password = strings.TrimSpace(string(b)); password == "" {
			return nil, usagef("--console-password-file: %s is empty", f.passwordFile)
		}
	}
	return console.New(console.Config{
		DB: r.db, Audit: r.audit, Queue: r.queue, Connections: r.conns, Log: r.log.Named("console"),
		// A public URL means a proxy in front: what it forwards is not local.
		Local: loopback(f.listen) && f.publicURL == "", Password: password,
		Authorised: func(ctx context.Context, name string) error {
			c, err := r.conns.Get(ctx, name)
			if err != nil {
				return err
			}
			_, err = r.checkConnection(ctx, c, connector.CheckRequest{})
			return err
		},
	})
}

// loopback reports whether only this machine can reach addr.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// registerWebhooks makes each service that can be told send its webhooks to us.
func (r *rooms) registerWebhooks(ctx context.Context, e *flow.Engine, publicURL string) error {
	for _, name := range e.Connections() {
		c, err := r.conns.Get(ctx, name)
		if err != nil {
			return err
		}
		plug, err := r.sup.Plugin(ctx, c.Connector)
		if err != nil {
			return err
		}
		if !plug.Manifest().RegistersWebhooks {
			continue
		}
		sess, err := r.conns.Session(ctx, name, connector.PriorityWrite)
		if err != nil {
			return err
		}
		secrets, err := plug.RegisterWebhook(ctx, sess, strings.TrimSuffix(publicURL, "/")+"/webhooks/"+name)
		if err != nil {
			return fmt.Errorf("create webhooks of %s: %w", name, withRemedy(err))
		}
		if len(secrets) > 0 {
			if err := r.conns.SetSecrets(ctx, name, secrets); err != nil {
				return err
			}
		}
		r.log.Info("webhooks are created", "connection", name)
	}
	return nil
}

// withRemedy puts what a person can do behind the message.
func withRemedy(err error) error {
	var e *connector.Error
	if errors.As(err, &e) && e.Remedy != "" {
		return fmt.Errorf("%w (%s)", err, e.Remedy)
	}
	return err
}
