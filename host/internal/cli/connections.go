package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

// consentWithin is how long a person may take in the browser.
const consentWithin = 10 * time.Minute

func (c *command) connectionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "connections",
		Short: "Add, authorise, test and remove connections",
	}
	var add struct {
		connector string
		set       []string
		secret    []string
	}
	addCmd := &cobra.Command{
		Use:   "add NAME --connector NAME --set K=V… --secret K=@FILE…",
		Short: "Store a connection; its secrets are encrypted",
		Long: `Store a connection's settings, and its secrets encrypted. A secret is never given
on the command line itself: read it from a file (K=@FILE), from an environment
variable (K=env:VAR), or from a prompt or standard input (K=-).`,
		Example: `  ml-connector connections add stripe --connector stripe --secret api_key=@stripe.key --secret webhook_secret=-
  ml-connector connections add xero --connector xero --set client_id=ABC --secret client_secret=env:XERO_SECRET`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.addConnection(cmd.Context(), args[0], add.connector, add.set, add.secret)
		},
	}
	addCmd.Flags().StringVar(&add.connector, "connector", "", "`name` of the connector (default: the connection's name)")
	addCmd.Flags().StringArrayVar(&add.set, "set", nil, "setting `K=V`; repeatable")
	addCmd.Flags().StringArrayVar(&add.secret, "secret", nil, "secret `K=@FILE`, K=env:VAR or K=-; repeatable")

	var noBrowser bool
	authorize := &cobra.Command{
		Use:     "authorize NAME",
		Short:   "Authorise a connection in the browser (OAuth 2.0)",
		Example: "  ml-connector connections authorize xero\n  ml-connector connections authorize xero --no-browser",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.authorize(cmd.Context(), args[0], noBrowser)
		},
	}
	authorize.Flags().BoolVar(&noBrowser, "no-browser", false, "print the URL only")

	var set struct{ set, secret []string }
	setCmd := &cobra.Command{
		Use:   "set NAME --set K=V… --secret K=@FILE…",
		Short: "Change settings or secrets of a connection",
		Long: `Change settings or secrets of a connection and keep everything else: its account,
its authorisation, its links. Secrets are read as in "connections add". A running
service uses them from its next call on.`,
		Example: "  ml-connector connections set stripe --secret webhook_secret=@whsec.txt\n  ml-connector connections set xero --set calls_per_day=1000",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.setConnection(cmd.Context(), args[0], set.set, set.secret)
		},
	}
	setCmd.Flags().StringArrayVar(&set.set, "set", nil, "setting `K=V`; repeatable")
	setCmd.Flags().StringArrayVar(&set.secret, "secret", nil, "secret `K=@FILE`, K=env:VAR or K=-; repeatable")

	cmd.AddCommand(addCmd, setCmd, authorize)
	cmd.AddCommand(c.connectionCommands()...)
	return cmd
}

// connectionCommands are those that need no more than a name.
func (c *command) connectionCommands() []*cobra.Command {
	return []*cobra.Command{
		&cobra.Command{
			Use: "list", Short: "List connections", Example: "  ml-connector connections list --json",
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return c.listConnections(cmd.Context()) },
		},
		&cobra.Command{
			Use: "test NAME", Short: "Call the service and say who we are there", Example: "  ml-connector connections test xero",
			Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return c.testConnection(cmd.Context(), args[0]) },
		},
		&cobra.Command{
			Use: "remove NAME", Short: "Delete a connection with its secrets and tokens", Example: "  ml-connector connections remove stripe",
			Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return c.removeConnection(cmd.Context(), args[0]) },
		},
	}
}

func (c *command) addConnection(ctx context.Context, name, conn string, set, secret []string) error {
	settings, err := pairs("--set", set)
	if err != nil {
		return err
	}
	secrets, err := c.readSecrets(secret)
	if err != nil {
		return err
	}
	if conn == "" {
		conn = name
	}
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.conns.Add(ctx, connection.Connection{Name: name, Connector: conn, Settings: settings}, secrets); err != nil {
		return usageError{err}
	}
	if err := r.trail(ctx, name, "added", ""); err != nil {
		return err
	}
	m, err := r.sup.Manifest(ctx, conn)
	if err != nil {
		return err
	}
	next := "test it: ml-connector connections test " + name
	if m.OAuth != nil {
		next = "authorise it: ml-connector connections authorize " + name
	}
	c.say("stored connection %s; %s", name, next)
	return nil
}

func (c *command) setConnection(ctx context.Context, name string, set, secret []string) error {
	settings, err := pairs("--set", set)
	if err != nil {
		return err
	}
	secrets, err := c.readSecrets(secret)
	if err != nil {
		return err
	}
	if len(settings)+len(secrets) == 0 {
		return usagef("say what to change with --set K=V or --secret K=@FILE")
	}
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.conns.Change(ctx, name, settings, secrets); err != nil {
		return usageError{err}
	}
	c.say("changed connection %s; test it: ml-connector connections test %s", name, name)
	return r.trail(ctx, name, "changed", strings.Join(append(slices.Sorted(maps.Keys(settings)), slices.Sorted(maps.Keys(secrets))...), ", "))
}

// trail puts what was done with a connection on the audit trail.
func (r *rooms) trail(ctx context.Context, name, outcome, reason string) error {
	return r.db.Update(ctx, func(tx *db.Tx) error {
		_, err := r.audit.Append(ctx, tx, audit.Entry{Kind: audit.KindConnection, Source: name, Outcome: outcome, Reason: reason})
		return err
	})
}

// readSecrets reads secrets from where the flags point to.
func (c *command) readSecrets(flags []string) (map[string]connector.Secret, error) {
	out := map[string]connector.Secret{}
	for _, s := range flags {
		k, from, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return nil, usagef("--secret: use K=@FILE, K=env:VAR or K=-")
		}
		v, err := c.readSecret(k, from)
		if err != nil {
			return nil, err
		}
		out[k] = connector.Secret(strings.TrimRight(v, "\r\n"))
	}
	return out, nil
}

func (c *command) readSecret(name, from string) (string, error) {
	if file, ok := strings.CutPrefix(from, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", usagef("--secret %s: %w", name, err)
		}
		return string(b), nil
	}
	if variable, ok := strings.CutPrefix(from, "env:"); ok {
		v, ok := os.LookupEnv(variable)
		if !ok {
			return "", usagef("--secret %s: environment variable %s is not set", name, variable)
		}
		return v, nil
	}
	if from != "-" {
		// The value is not repeated: it may be the secret itself.
		return "", usagef("--secret %s: a secret does not belong on the command line; use %s=@FILE, %s=env:VAR or %s=-", name, name, name, name)
	}
	if f, ok := c.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprintf(c.Err, "%s: ", name)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.Err)
		return string(b), err
	}
	line, err := bufio.NewReader(io.LimitReader(c.In, 64<<10)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	return line, nil
}

func (c *command) authorize(ctx context.Context, name string, noBrowser bool) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	consent, err := r.conns.BeginConsent(ctx, name)
	if err != nil {
		return err
	}
	answers, stop, err := listenForRedirect(consent.RedirectURL)
	if err != nil {
		return err
	}
	defer stop()
	c.printf("Open this URL: %s\n", consent.URL)
	if !noBrowser {
		openBrowser(consent.URL)
	}
	ctx, cancel := context.WithTimeout(ctx, consentWithin)
	defer cancel()
	var query url.Values
	select {
	case query = <-answers:
	case <-ctx.Done():
		return fmt.Errorf("nobody came back to %s in time; start again", consent.RedirectURL)
	}
	if err := r.conns.FinishConsent(ctx, consent, query); err != nil {
		return err
	}
	conn, err := r.conns.Get(ctx, name)
	if err != nil {
		return err
	}
	res, err := r.checkConnection(ctx, conn, connector.CheckRequest{})
	if err != nil {
		return withRemedy(err)
	}
	if err := r.trail(ctx, name, "authorised", res.Account.Name); err != nil {
		return err
	}
	c.printf("Authorised %s: %s (%s)\n", name, res.Account.Name, res.Account.ID)
	return nil
}

// listenForRedirect waits for the browser at the redirect URL, once.
func listenForRedirect(redirect string) (<-chan url.Values, func(), error) {
	u, err := url.Parse(redirect)
	if err != nil || (u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1") {
		return nil, nil, usagef("redirect_url %q is not on this machine; authorise from the console of the running service instead", redirect)
	}
	ln, err := net.Listen("tcp", u.Host)
	if err != nil {
		return nil, nil, fmt.Errorf("listen for the browser: %w", err)
	}
	answers := make(chan url.Values, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+u.Path, func(w http.ResponseWriter, req *http.Request) {
		select {
		case answers <- req.URL.Query():
			fmt.Fprintln(w, "Done. You can close this window and return to the terminal.")
		default:
			http.Error(w, "already answered", http.StatusConflict)
		}
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: headerLimit}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln) // ends with ErrServerClosed
	}()
	return answers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), headerLimit)
		defer cancel()
		_ = srv.Shutdown(ctx)
		<-done
	}, nil
}

func openBrowser(u string) {
	name := map[string]string{"darwin": "open", "windows": "explorer"}[runtime.GOOS]
	if name == "" {
		name = "xdg-open"
	}
	if path, err := exec.LookPath(name); err == nil {
		cmd := exec.Command(path, u)
		if cmd.Start() == nil {
			go func() { _ = cmd.Wait() }()
		}
	}
}

func (c *command) listConnections(ctx context.Context) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	all, err := r.conns.List(ctx)
	if err != nil {
		return err
	}
	if c.set.json {
		if all == nil {
			all = []connection.Connection{}
		}
		return c.printJSON(all)
	}
	t := c.table("NAME", "CONNECTOR", "ACCOUNT", "STATE")
	for _, x := range all {
		state := "ready"
		switch {
		case x.Paused():
			state = "paused: " + x.PausedReason
		case x.AccountID == "":
			state = "not tested yet"
		}
		account := x.AccountName
		if account == "" {
			account = x.AccountID
		}
		t.row(x.Name, x.Connector, account, state)
	}
	return t.flush()
}

func (c *command) testConnection(ctx context.Context, name string) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	conn, err := r.conns.Get(ctx, name)
	if err != nil {
		return err
	}
	res, err := r.checkConnection(ctx, conn, connector.CheckRequest{})
	if err != nil {
		return withRemedy(err)
	}
	if c.set.json {
		return c.printJSON(res)
	}
	mode := "test"
	if res.Account.Live {
		mode = "live"
	}
	c.printf("%s is %s (%s), %s", name, res.Account.Name, res.Account.ID, mode)
	if res.Account.Currency != "" {
		c.printf(", currency %s", res.Account.Currency)
	}
	c.printf("\n")
	for title, list := range map[string][]string{"missing permission": res.Missing, "more than needed": res.Excess, "note": res.Notes} {
		for _, x := range list {
			c.printf("%s: %s\n", title, x)
		}
	}
	if len(res.Missing) > 0 {
		return fmt.Errorf("connection %s lacks %d permissions", name, len(res.Missing))
	}
	return nil
}

func (c *command) removeConnection(ctx context.Context, name string) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.conns.Remove(ctx, name); err != nil {
		return err
	}
	c.say("removed connection %s", name)
	return r.trail(ctx, name, "removed", "")
}
