package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/ml-connector/ml-connector/connector/connectortest"
)

func (c *command) verifyCommand() *cobra.Command {
	var set []string
	cmd := &cobra.Command{
		Use:   "verify BINARY",
		Short: "Run the conformance checks against a connector's executable",
		Long: `Start a connector's executable as the host would, and check that it keeps the
contract: its manifest, its refusals, what it does with webhooks, with cancelled
calls and with a service that fails, and that no secret leaves it. The checks
need no account and call no service; those that do are skipped. It exits 1 when
a check fails.

Settings are made up. A connector that looks at them before it calls is helped
with --set; for a secret, VALUE is what the made-up one begins with.`,
		Example: `  ml-connector connectors verify bin/plugins/ml-connector-plugin-xero
  ml-connector connectors verify bin/plugins/ml-connector-plugin-stripe --set api_key=sk_test_ --set webhook_secret=whsec_`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.verifyConnector(cmd.Context(), args[0], set) },
	}
	cmd.Flags().StringArrayVar(&set, "set", nil, "use `K=VALUE` instead of a made-up setting; repeatable")
	return cmd
}

// verdictReport is what the checks of an executable came to.
type verdictReport struct {
	Binary  string        `json:"binary"`
	Passed  int           `json:"passed"`
	Failed  int           `json:"failed"`
	Skipped int           `json:"skipped"`
	Checks  []checkReport `json:"checks"`
}

type checkReport struct {
	Name   string `json:"name"`
	Status string `json:"status"` // pass, fail or skip
	Reason string `json:"reason,omitempty"`
}

// checkWords are the words for a check's status in JSON.
var checkWords = map[connectortest.Status]string{
	connectortest.Passed: "pass", connectortest.Failed: "fail", connectortest.Skipped: "skip",
}

func (c *command) verifyConnector(ctx context.Context, binary string, set []string) error {
	settings, err := pairs("--set", set)
	if err != nil {
		return err
	}
	report := verdictReport{Binary: binary, Checks: []checkReport{}}
	sum, err := connectortest.VerifyBinary(ctx, binary, connectortest.Config{Settings: settings},
		connectortest.ReporterFunc(func(r connectortest.Result) {
			report.Checks = append(report.Checks, checkReport{r.Name, checkWords[r.Status], r.Reason})
			if !c.set.json {
				c.printCheck(r)
			}
		}))
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	if err != nil {
		return fmt.Errorf("verify %s: %w", binary, err)
	}
	report.Passed, report.Failed, report.Skipped = sum.Passed, sum.Failed, sum.Skipped
	if c.set.json {
		err = c.printJSON(report)
	} else {
		c.printf("%s: %d passed, %d failed, %d skipped\n", counted(len(report.Checks), "check", "checks"), sum.Passed, sum.Failed, sum.Skipped)
	}
	if err == nil && sum.Failed > 0 {
		err = fmt.Errorf("%s does not keep the contract: %s", binary, counted(sum.Failed, "check failed", "checks failed"))
	}
	return err
}

func (c *command) printCheck(r connectortest.Result) {
	c.printf("%s  %s", r.Status, r.Name)
	if r.Reason != "" {
		c.printf(": %s", oneLine(r.Reason))
	}
	c.printf("\n")
}
