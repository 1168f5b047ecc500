package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// configDefault is read when it is there and --config does not say otherwise.
const configDefault = "ml-connector.yaml"

// dataDefault is where a host keeps its data unless told otherwise.
const dataDefault = "./data"

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
	f.StringVar(&s.keyFile, "key-file", "", "master key `file` (default DATA/master.key, made on first use)")
	f.StringVar(&s.plugins, "plugins", "", "`folder` with connector binaries (default: plugins beside this program)")
	f.StringVar(&s.recipes, "recipes", "./recipes", "`folder` with recipe files")
	f.StringVar(&s.logLevel, "log-level", "info", "trace, debug, info, warn or error")
	f.StringVar(&s.logFormat, "log-format", "", "text or json (default: text on a terminal, else json)")
	f.BoolVar(&s.json, "json", false, "print one JSON document on standard output")
}

// resolve fills every flag that was not given from the environment, then from
// the configuration file.
func (s *settings) resolve(cmd *cobra.Command) error {
	if v, ok := os.LookupEnv(envName("config")); ok && !cmd.Flags().Changed("config") {
		s.config = v
	}
	file, err := s.readConfig()
	if err != nil {
		return err
	}
	var errs []error
	known := map[string]bool{}
	for c := cmd.Root(); c != nil; c = nil {
		markKnown(c, known)
	}
	for name := range file {
		if !known[name] {
			errs = append(errs, fmt.Errorf("%s: unknown setting %q (settings have the names of flags)", s.config, name))
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" || f.Name == "config" {
			return
		}
		if v, ok := os.LookupEnv(envName(f.Name)); ok {
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", envName(f.Name), err))
			}
			return
		}
		for _, v := range file[f.Name] {
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", s.config, f.Name, err))
			}
		}
	})
	return errors.Join(errs...)
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

// readConfig reads the file as flag name to values.
func (s *settings) readConfig() (map[string][]string, error) {
	optional := s.config == ""
	if optional {
		s.config = configDefault
	}
	b, err := os.ReadFile(s.config)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	var raw map[string]any
	if err := yaml.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("%s: %w", s.config, err)
	}
	out := make(map[string][]string, len(raw))
	for k, v := range raw {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				out[k] = append(out[k], fmt.Sprint(x))
			}
		case map[string]any: // param: {clearing_account: "610"}
			for name, x := range v {
				out[k] = append(out[k], fmt.Sprintf("%s=%v", name, x))
			}
		default:
			out[k] = []string{fmt.Sprint(v)}
		}
	}
	return out, nil
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
