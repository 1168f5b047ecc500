// Package cli is the command line: it reads flags, opens the rooms, starts what
// a command needs and prints what came of it. It holds no rule of the product.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitPerson = 3 // done, but something needs a person
)

// errPerson ends a command whose work is done but left something for a person.
var errPerson = errors.New("something needs a person")

// usageError is a mistake in how the command was called or configured.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// command is what every subcommand shares.
type command struct {
	Streams
	set settings
	log hclog.Logger
}

// Main runs the command line and returns the exit code.
func Main(args []string, s Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := &command{Streams: s}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	return c.exitCode(err)
}

func (c *command) exitCode(err error) int {
	var usage usageError
	var mistakes recipe.Diagnostics
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errPerson):
		return exitPerson
	case errors.As(err, &mistakes):
		for _, d := range mistakes {
			fmt.Fprintln(c.Err, d)
		}
		return exitUsage
	}
	fmt.Fprintln(c.Err, "error:", err)
	if errors.As(err, &usage) || errors.Is(err, connection.ErrUnknown) {
		return exitUsage
	}
	return exitFailed
}

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ml-connector",
		Short: "Keeps accounting and payments in step",
		Long: `ml-connector loads connector plugins and runs recipes between them: a Xero
invoice becomes payable in Stripe, what the customer pays there is posted in
Xero, refunds follow, and contacts stay one list.

Try it without any account:

  ml-connector demo

Run it for real:

  ml-connector connections add xero --connector xero --set client_id=… --secret client_secret=@FILE
  ml-connector connections authorize xero
  ml-connector connections add stripe --connector stripe --secret api_key=@FILE
  ml-connector run --recipe xero-stripe --param clearing_account=610

Every flag can also be given in the environment (--data is ML_CONNECTOR_DATA)
or in the configuration file.

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 done but
something needs a person.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.set.resolve(cmd); err != nil {
				return usageError{err}
			}
			log, err := c.set.logger(c.Err)
			if err != nil {
				return usageError{err}
			}
			c.log = log
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.set.bind(root.PersistentFlags())
	root.AddCommand(c.demoCommand(), c.runCommand(), c.syncCommand(), c.connectionsCommand())
	root.AddCommand(c.statusCommand(), c.linksCommand(), c.auditCommand(), c.failuresCommand(), c.replayCommand(), c.reconcileCommand())
	root.AddCommand(c.recipesCommand(), c.connectorsCommand(), c.keysCommand(), c.sandboxCommand())
	mistaken(root)
	return root
}

// mistaken makes wrong arguments and unknown subcommands wrong usage.
func mistaken(cmd *cobra.Command) {
	if args := cmd.Args; args != nil {
		cmd.Args = func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return usagef("%w (see: %s --help)", err, cmd.CommandPath())
			}
			return nil
		}
	}
	if cmd.RunE == nil && cmd.HasSubCommands() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 {
				return usagef("unknown command %q (see: %s --help)", given[0], cmd.CommandPath())
			}
			return cmd.Help()
		}
	}
	for _, sub := range cmd.Commands() {
		mistaken(sub)
	}
}

// printJSON writes one document to standard output.
func (c *command) printJSON(v any) error {
	enc := json.NewEncoder(c.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func (c *command) printf(format string, args ...any) { fmt.Fprintf(c.Out, format, args...) }

// say tells a person at the terminal what goes on; it is not the result.
func (c *command) say(format string, args ...any) { fmt.Fprintf(c.Err, format+"\n", args...) }
