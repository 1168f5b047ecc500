package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// sandboxSigningSecret signs the webhooks of Stripe's stand-in. It guards nothing.
const sandboxSigningSecret = "whsec_sandbox0000000000000000"

type sandboxFlags struct {
	listen      string
	xeroHooks   string
	stripeHooks string
	dayLimit    int
	minuteLimit int
}

func (c *command) sandboxCommand() *cobra.Command {
	var f sandboxFlags
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run the stand-ins for Xero and Stripe on their own",
		Long: `Run stateful stand-ins for both services on this machine, for trying things and
for tests: no account is needed, and everything is forgotten when it stops. It
prints where they are, their credentials, and the commands that connect to them.

What people do in the services' own screens, and faults on demand, are pulled
as levers over HTTP below /_xero/ and /_stripe/.`,
		Example: `  ml-connector sandbox
  ml-connector sandbox --xero-webhooks-to http://127.0.0.1:8480/webhooks/xero --stripe-webhooks-to http://127.0.0.1:8480/webhooks/stripe
  ml-connector sandbox --xero-day-limit 1000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.sandbox(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8490", "`address` on this machine")
	cmd.Flags().StringVar(&f.xeroHooks, "xero-webhooks-to", "", "`URL` on this machine that gets the webhooks of Xero's stand-in")
	cmd.Flags().StringVar(&f.stripeHooks, "stripe-webhooks-to", "", "`URL` on this machine that gets the webhooks of Stripe's stand-in")
	cmd.Flags().IntVar(&f.dayLimit, "xero-day-limit", 5000, "calls that Xero's stand-in allows in a day")
	cmd.Flags().IntVar(&f.minuteLimit, "xero-minute-limit", 60, "calls that Xero's stand-in allows in a minute")
	return cmd
}

func (f sandboxFlags) check() error {
	if !loopback(f.listen) {
		return usagef("--listen %q: the stand-ins know no passwords, so they listen on this machine only: use 127.0.0.1:PORT", f.listen)
	}
	for _, hook := range [][2]string{{"--xero-webhooks-to", f.xeroHooks}, {"--stripe-webhooks-to", f.stripeHooks}} {
		flag, target := hook[0], hook[1]
		u, err := url.Parse(target)
		if target != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || !loopback(net.JoinHostPort(u.Hostname(), "0"))) {
			return usagef("%s %q: use a URL on this machine, such as http://127.0.0.1:8480/webhooks/NAME", flag, target)
		}
	}
	if f.dayLimit < 1 || f.minuteLimit < 1 {
		return usagef("--xero-day-limit and --xero-minute-limit take numbers of at least 1")
	}
	return nil
}

func (c *command) sandbox(ctx context.Context, f sandboxFlags) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return fmt.Errorf("listen for the stand-ins: %w (see --listen)", err)
	}
	base := "http://" + ln.Addr().String()
	clock := sandbox.NewClock()
	x := xero.New(xero.Config{Clock: clock, BaseURL: base, DayLimit: f.dayLimit, MinuteLimit: f.minuteLimit})
	defer x.Close()
	s, err := stripe.New(stripe.Config{Clock: clock, BaseURL: base})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer s.Close()
	if err := f.aim(x, s); err != nil {
		return errors.Join(err, ln.Close())
	}
	server := &http.Server{Handler: standIns(x, s), ReadHeaderTimeout: headerLimit}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	if err := c.printSandbox(base, f); err != nil {
		return errors.Join(err, server.Close())
	}
	select {
	case err = <-served:
		return err
	case <-ctx.Done():
	}
	c.say("stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), headerLimit)
	defer cancel()
	err = server.Shutdown(stop)
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// aim points the stand-ins' webhooks to where the flags say.
func (f sandboxFlags) aim(x *xero.Server, s *stripe.Server) error {
	if f.xeroHooks != "" {
		x.SetWebhookURL(f.xeroHooks)
	}
	if f.stripeHooks != "" {
		_, err := s.AddEndpoint(f.stripeHooks, sandboxSigningSecret)
		return err
	}
	return nil
}

// sandboxReport tells how to reach the stand-ins.
type sandboxReport struct {
	URL    string            `json:"url"`
	Xero   map[string]string `json:"xero"`   // settings and secrets of a connection
	Stripe map[string]string `json:"stripe"` // likewise
}

func reportSandbox(base string) sandboxReport {
	return sandboxReport{
		URL: base,
		Xero: map[string]string{
			"client_id": xero.DefaultClientID, "client_secret": xero.DefaultClientSecret, "webhook_key": xero.DefaultWebhookKey,
			"api_url": base, "authorize_url": base + "/identity/connect/authorize", "token_url": base + "/connect/token",
		},
		Stripe: map[string]string{
			"api_key": stripe.DefaultAPIKey, "webhook_secret": sandboxSigningSecret, "api_url": base,
		},
	}
}

func (c *command) printSandbox(base string, f sandboxFlags) error {
	r := reportSandbox(base)
	if c.set.json {
		return c.printJSON(r)
	}
	c.printf("Stand-ins for Xero and Stripe: %s\n\nTo connect to them:\n\n", base)
	c.printf("  export XERO_SECRET=%s XERO_WEBHOOK_KEY=%s\n", r.Xero["client_secret"], r.Xero["webhook_key"])
	c.printf("  export STRIPE_KEY=%s STRIPE_WEBHOOK_SECRET=%s\n", r.Stripe["api_key"], r.Stripe["webhook_secret"])
	c.printf("  ml-connector connections add xero --connector xero --set client_id=%s \\\n", r.Xero["client_id"])
	c.printf("    --set api_url=%s --set authorize_url=%s \\\n", r.Xero["api_url"], r.Xero["authorize_url"])
	c.printf("    --set token_url=%s \\\n", r.Xero["token_url"])
	c.printf("    --secret client_secret=env:XERO_SECRET --secret webhook_key=env:XERO_WEBHOOK_KEY\n")
	c.printf("  ml-connector connections authorize xero\n")
	c.printf("  ml-connector connections add stripe --connector stripe --set api_url=%s \\\n", r.Stripe["api_url"])
	c.printf("    --secret api_key=env:STRIPE_KEY --secret webhook_secret=env:STRIPE_WEBHOOK_SECRET\n\n")
	c.printf("The clearing account is %s. Pull levers below %s/_xero/ and %s/_stripe/, such as:\n\n", demoAccount, base, base)
	c.printf("  curl -d '{\"contact\": \"Ridgeway Cycles\", \"number\": \"INV-1\", \"lines\": [{\"description\": \"Service\", \"unit_amount\": \"100\"}]}' %s/_xero/invoices\n", base)
	c.printf("  curl -d '{\"outcome\": \"success\"}' %s/_stripe/invoices/INV-1/pay\n", base)
	if f.xeroHooks == "" && f.stripeHooks == "" {
		c.say("webhooks go nowhere (see --xero-webhooks-to and --stripe-webhooks-to); polling finds changes")
	}
	return nil
}
