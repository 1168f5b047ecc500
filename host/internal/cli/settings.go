package cli

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// configDefault is read when it is there and --config does not say otherwise.
const configDefault = "ml-connector.yaml"

// dataDefault is where a host keeps its data unless told otherwise.
const dataDefault = "./data"

// recipesDefault is where recipes are unless told otherwise.
const recipesDefault = "./recipes"

// settings are the flags that every command knows.
type settings struct {
	config      string
	data        string
	databaseURL string
	keyFile     string
	plugins     string
	recipes     string
	logLevel    string
	logFormat   string
	json        bool
}

func (s *settings) bind(f *pflag.FlagSet) {
	f.StringVar(&s.config, "config", "", "configuration `file` with the flags' names as keys (default "+configDefault+" if it exists)")
	f.StringVar(&s.data, "data", dataDefault, "data `folder`: embedded database and key file")
	f.StringVar(&s.databaseURL, "database-url", "", "postgres://… to run on PostgreSQL (default: embedded SQLite in --data)")
	f.StringVar(&s.keyFile, "key-file", "", "master key `file` (default DATA/master.key, made on first use), or hcvault://HOST:PORT/transit/keys/NAME")
	f.StringVar(&s.plugins, "plugins", "", "`folder` with connector binaries (default: plugins beside this program)")
	f.StringVar(&s.recipes, "recipes", recipesDefault, "`folder` with recipe files")
	f.StringVar(&s.logLevel, "log-level", "info", "trace, debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "", "text or json (default: text on a terminal, else json)")
	f.BoolVar(&s.json, "json", false, "print one JSON document on standard output")
}

// resolve fills every flag that was not given from the environment, then from
// the configuration file. A variable that is empty is one that is not set.
func (s *settings) resolve(cmd *cobra.Command) error {
	if v := os.Getenv(envName("config")); v != "" && !cmd.Flags().Changed("config") {
		s.config = v
	}
	file, err := s.readConfig()
	if err != nil {
		return err
	}
	var errs []error
	known := map[string]bool{}
	markKnown(cmd.Root(), known)
	for _, name := range slices.Sorted(maps.Keys(file)) {
		if !known[name] || name == "config" || name == "help" {
			errs = append(errs, fmt.Errorf("%s: unknown setting %q (settings have the names of flags)", s.config, name))
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" || f.Name == "config" {
			return
		}
		if v := os.Getenv(envName(f.Name)); v != "" {
			if err := setAll(cmd.Flags(), f, envValues(f, v)); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", envName(f.Name), err))
			}
			return
		}
		if v := file[f.Name]; v.many && !repeatable(f) {
			errs = append(errs, fmt.Errorf("%s: %s takes one value", s.config, f.Name))
		} else if err := setAll(cmd.Flags(), f, v.texts); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", s.config, f.Name, err))
		}
	})
	return errors.Join(errs...)
}

func setAll(flags *pflag.FlagSet, f *pflag.Flag, values []string) error {
	for _, v := range values {
		if err := flags.Set(f.Name, v); err != nil {
			return err
		}
	}
	return nil
}

// repeatable reports whether a flag can be given several times.
func repeatable(f *pflag.Flag) bool {
	return f.Value.Type() == "stringArray" || f.Value.Type() == "stringSlice"
}

// envValues splits a variable whose flag can be given several times: one value
// to a line.
func envValues(f *pflag.Flag, v string) []string {
	if !repeatable(f) {
		return []string{v}
	}
	var out []string
	for line := range strings.Lines(v) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// markKnown collects the flags of a command and all below it: one file serves
// every command.
func markKnown(cmd *cobra.Command, known map[string]bool) {
	add := func(f *pflag.Flag) { known[f.Name] = true }
	cmd.PersistentFlags().VisitAll(add)
	cmd.Flags().VisitAll(add)
	for _, sub := range cmd.Commands() {
		markKnown(sub, known)
	}
}

func envName(flag string) string {
	return "ML_CONNECTOR_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func (s *settings) keyPath() string {
	if s.keyFile != "" {
		return s.keyFile
	}
	return filepath.Join(s.data, "master.key")
}

func (s *settings) pluginsDir() (string, error) {
	if s.plugins != "" {
		return s.plugins, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the plugins folder: %w (say it with --plugins)", err)
	}
	return filepath.Join(filepath.Dir(exe), "plugins"), nil
}

func (s *settings) logger(w io.Writer) (hclog.Logger, error) {
	level := hclog.LevelFromString(s.logLevel)
	if level == hclog.NoLevel {
		return nil, fmt.Errorf("--log-level %q: use trace, debug, info, warn or error", s.logLevel)
	}
	asJSON := !isTerminal(w)
	switch s.logFormat {
	case "":
	case "text":
		asJSON = false
	case "json":
		asJSON = true
	default:
		return nil, fmt.Errorf("--log-format %q: use text or json", s.logFormat)
	}
	return hclog.New(&hclog.LoggerOptions{Name: "ml-connector", Level: level, Output: w, JSONFormat: asJSON}), nil
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
