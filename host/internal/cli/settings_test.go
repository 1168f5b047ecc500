package cli

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// resolved returns the flags of sync as a command line, the environment and a
// configuration file make them, or what the command printed on its way out.
func resolved(t *testing.T, env map[string]string, file string, args ...string) (map[string]string, string) {
	t.Helper()
	for name, v := range env {
		t.Setenv(name, v)
	}
	if file != "" {
		d := desk{t: t}
		args = append(args, "--config", d.write(t.TempDir(), "settings.yaml", file))
	}
	var errs bytes.Buffer
	c := &command{Streams: Streams{Out: &errs, Err: &errs}}
	root := c.root()
	root.SetOut(&errs)
	root.SetErr(&errs)
	flags := map[string]string{}
	sync, _, err := root.Find([]string{"sync"})
	if err != nil {
		t.Fatal(err)
	}
	sync.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { flags[f.Name] = f.Value.String() })
		return nil
	}
	root.SetArgs(append([]string{"sync"}, args...))
	if code := c.exitCode(root.Execute()); code != exitDone {
		if code != exitUsage {
			t.Errorf("exit %d, want %d", code, exitUsage)
		}
		return nil, errs.String()
	}
	return flags, ""
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  map[string]string
		file string
		args []string
		want map[string]string
	}{
		{name: "defaults", want: map[string]string{"data": "./data", "json": "false", "param": "[]", "log-level": "info"}},
		{name: "file", file: "data: /from/file\njson: true\n", want: map[string]string{"data": "/from/file", "json": "true"}},
		{
			name: "environment over file", env: map[string]string{"ML_CONNECTOR_DATA": "/from/env", "ML_CONNECTOR_LOG_LEVEL": "warn"},
			file: "data: /from/file\nlog-level: debug\nrecipes: /books\n",
			want: map[string]string{"data": "/from/env", "log-level": "warn", "recipes": "/books"},
		},
		{
			name: "flag over environment and file", env: map[string]string{"ML_CONNECTOR_DATA": "/from/env"},
			file: "data: /from/file\n", args: []string{"--data", "/from/flag"}, want: map[string]string{"data": "/from/flag"},
		},
		{
			name: "an empty variable is not set", env: map[string]string{"ML_CONNECTOR_DATA": "", "ML_CONNECTOR_JSON": ""},
			file: "data: /from/file\n", want: map[string]string{"data": "/from/file", "json": "false"},
		},
		{name: "nothing in the file is nothing", file: "data:\ndatabase-url: ~\n", want: map[string]string{"data": "./data", "database-url": ""}},
		{name: "an empty file", file: "# nothing yet\n", want: map[string]string{"data": "./data"}},
		{
			name: "digits stay as they are", file: "param:\n  clearing_account: 0610\n  rate: 1.10\n  since: 2026-09-01\n",
			want: map[string]string{"param": "[clearing_account=0610,rate=1.10,since=2026-09-01]"},
		},
		{name: "list", file: "recipe: [one, two]\nparam:\n  - a=1\n  - b=x,y\n", want: map[string]string{"recipe": "[one,two]", "param": `[a=1,"b=x,y"]`}},
		{name: "one text for a list", file: "recipe: one\n", want: map[string]string{"recipe": "[one]"}},
		{
			name: "a variable has one value to a line", env: map[string]string{"ML_CONNECTOR_PARAM": "a=1\nb=2\n", "ML_CONNECTOR_RECIPE": "one,two"},
			want: map[string]string{"recipe": "[one,two]", "param": "[a=1,b=2]"},
		},
		{
			name: "a list is taken whole from one place", env: map[string]string{"ML_CONNECTOR_PARAM": "a=1"}, file: "param: [b=2]\n",
			args: []string{"--param", "c=3"}, want: map[string]string{"param": "[c=3]"},
		},
		{name: "settings of other commands", file: "listen: 127.0.0.1:9000\nxero-day-limit: 10\n", want: map[string]string{"data": "./data"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			flags, failure := resolved(t, tc.env, tc.file, tc.args...)
			got := map[string]string{}
			for name := range tc.want {
				got[name] = flags[name]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s%s", diff, failure)
			}
		})
	}
}

func TestSettingsRefuseMistakes(t *testing.T) {
	for _, tc := range []struct {
		name string
		env  map[string]string
		file string
		args []string
		says string
	}{
		{name: "unknown setting", file: "dtaa: ./data\n", says: `unknown setting "dtaa"`},
		{name: "the file names itself", file: "config: other.yaml\n", says: `unknown setting "config"`},
		{name: "wrong type in the file", file: "json: perhaps\n", says: "settings.yaml: json:"},
		{name: "wrong type in the environment", env: map[string]string{"ML_CONNECTOR_JSON": "perhaps"}, says: "ML_CONNECTOR_JSON:"},
		{name: "list for one value", file: "data: [a, b]\n", says: "data takes one value"},
		{name: "names for one value", file: "data: {a: b}\n", says: "data takes one value"},
		{name: "too deep", file: "param: {a: [1, 2]}\n", says: "param: use a text"},
		{name: "twice", file: "data: a\ndata: b\n", says: "data"},
		{name: "no names at all", file: "- data\n", says: "one setting to a line"},
		{name: "not YAML", file: "data: [\n", says: "settings.yaml"},
		{name: "too large", file: strings.Repeat("# long\n", configBytesMax/7+1), says: "at most"},
		{name: "missing file", args: []string{"--config", "nowhere.yaml"}, says: "nowhere.yaml"},
		{name: "missing file in the environment", env: map[string]string{"ML_CONNECTOR_CONFIG": "nowhere.yaml"}, says: "nowhere.yaml"},
		{name: "log level", args: []string{"--log-level", "loud"}, says: "--log-level"},
		{name: "log format", args: []string{"--log-format", "xml"}, says: "--log-format"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, failure := resolved(t, tc.env, tc.file, tc.args...); !strings.Contains(failure, tc.says) {
				t.Errorf("got %q, want it to say %q", failure, tc.says)
			}
		})
	}
}

func TestConfigFileInTheFolderIsFound(t *testing.T) {
	dir := t.TempDir()
	d := desk{t: t}
	d.write(dir, configDefault, "data: here\n")
	t.Chdir(dir)
	flags, failure := resolved(t, nil, "")
	if flags["data"] != "here" {
		t.Errorf("data %q; %s", flags["data"], failure)
	}
	other := d.write(t.TempDir(), "other.yaml", "data: there\n")
	flags, failure = resolved(t, map[string]string{"ML_CONNECTOR_CONFIG": other}, "")
	if flags["data"] != "there" {
		t.Errorf("data %q; %s", flags["data"], failure)
	}
}

func TestKeyFileIsInTheDataFolder(t *testing.T) {
	if got, want := (&settings{data: "d"}).keyPath(), filepath.Join("d", "master.key"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := (&settings{data: "d", keyFile: "k"}).keyPath(); got != "k" {
		t.Errorf("got %s, want k", got)
	}
}
