package cli

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestConnectorsVerify(t *testing.T) {
	d := newDesk(t)
	binary := filepath.Join(d.plugins, pluginPrefix+"right")

	// The cabinet keeps a part of the contract only: the codes and the counts
	// are what is looked at here.
	p := d.run("connectors", "verify", binary, "--set", "folder="+d.right, "--json")
	got := decode[verdictReport](t, p)
	counts := map[string]int{}
	for _, check := range got.Checks {
		counts[check.Status]++
		if check.Name == "" || (check.Status != "pass" && check.Reason == "") {
			t.Errorf("check without a name or reason: %+v", check)
		}
	}
	if got.Passed == 0 || got.Passed != counts["pass"] || got.Failed != counts["fail"] || got.Skipped != counts["skip"] {
		t.Errorf("says %d passed, %d failed, %d skipped; the checks %v", got.Passed, got.Failed, got.Skipped, counts)
	}
	want := exitDone
	if got.Failed > 0 {
		want = exitFailed
	}
	if p.code != want {
		t.Errorf("exit %d with %d failed checks", p.code, got.Failed)
	}
}

func TestConnectorsVerifyOfNoConnector(t *testing.T) {
	d := newDesk(t)
	script := d.write(d.plugins, "script", "#!/bin/sh\nexit 0\n")
	for _, tc := range []struct {
		name string
		code int
		args []string
		says string
	}{
		{"nothing", exitUsage, nil, "accepts 1 arg"},
		{"no such file", exitUsage, []string{d.dir + "/none"}, "no such file"},
		{"not executable", exitFailed, []string{script}, "not an executable file"},
		{"malformed setting", exitUsage, []string{script, "--set", "folder"}, "use NAME=VALUE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if p := d.ends(tc.code, append([]string{"connectors", "verify"}, tc.args...)...); !strings.Contains(p.err, tc.says) {
				t.Errorf("got %q, want it to say %q", p.err, tc.says)
			}
		})
	}
}
