package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// everyCommand calls f for each command of the tree.
func everyCommand(f func(*cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		f(cmd)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk((&command{}).root())
}

func TestEveryCommandExplainsItself(t *testing.T) {
	everyCommand(func(cmd *cobra.Command) {
		name := cmd.CommandPath()
		if cmd.HasParent() && (cmd.Short == "" || strings.HasSuffix(cmd.Short, ".")) {
			t.Errorf("%s: its short help is %q", name, cmd.Short)
		}
		if !cmd.HasSubCommands() && cmd.Example == "" && cmd.Long == "" {
			t.Errorf("%s has no example and no long help", name)
		}
		for line := range strings.Lines(cmd.Example) {
			if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, name) {
				t.Errorf("%s: its example is of another command: %s", name, text)
			}
		}
		if !cmd.HasSubCommands() && cmd.Args == nil && !strings.Contains(cmd.Use, "…") {
			t.Errorf("%s does not check its arguments", name)
		}
	})
}

// One configuration file and one environment serve every command, so a name
// means one thing.
func TestNoTwoFlagsCollide(t *testing.T) {
	types, variables := map[string]string{}, map[string]string{}
	everyCommand(func(cmd *cobra.Command) {
		common := (&command{}).root().PersistentFlags()
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if common.Lookup(f.Name) != nil {
				t.Errorf("%s: --%s hides the flag that every command has", cmd.CommandPath(), f.Name)
			}
		})
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if known, ok := types[f.Name]; ok && known != f.Value.Type() {
				t.Errorf("%s: --%s is a %s here and a %s elsewhere", cmd.CommandPath(), f.Name, f.Value.Type(), known)
			}
			types[f.Name] = f.Value.Type()
			if other, ok := variables[envName(f.Name)]; ok && other != f.Name {
				t.Errorf("--%s and --%s have the same variable", f.Name, other)
			}
			variables[envName(f.Name)] = f.Name
			if f.Shorthand != "" {
				t.Errorf("%s: --%s has a shorthand, and no other flag does", cmd.CommandPath(), f.Name)
			}
		})
	})
	if variables[envMasterKey] != "" {
		t.Errorf("--%s would put the master key on the command line", variables[envMasterKey])
	}
}

func TestWrongUsageExitsTwoAndNamesHelp(t *testing.T) {
	for _, tc := range []struct{ name, args, says string }{
		{"unknown command", "jump", `unknown command "jump" (see: ml-connector --help)`},
		{"unknown subcommand", "audit jump", `unknown command "jump" (see: ml-connector audit --help)`},
		{"unknown flag", "status --loud", "unknown flag"},
		{"missing argument", "audit show", "(see: ml-connector audit show --help)"},
		{"argument too many", "status now", "(see: ml-connector status --help)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := Main(strings.Fields(tc.args), Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
			if code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), tc.says) {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 and %q", code, out.String(), errs.String(), tc.says)
			}
		})
	}
}
