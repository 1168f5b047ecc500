package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	// fence is a block of code with its language.
	fence = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")
	// fileNamed is the line above a block that belongs into a file.
	fileNamed = regexp.MustCompile("(?m)^(?:Continue )?`([a-z_.]+)`:\n\n\\z")
)

// docScript makes one shell script of a page: its commands, and its files written
// where the reader would write them.
func docScript(page string) (string, error) {
	var script strings.Builder
	script.WriteString("set -euo pipefail\n")
	seen := map[string]bool{}
	for _, at := range fence.FindAllStringSubmatchIndex(page, -1) {
		language, text := page[at[2]:at[3]], page[at[4]:at[5]]
		if language == "sh" {
			script.WriteString(text)
			continue
		}
		name := fileNamed.FindStringSubmatch(page[:at[0]])
		if name == nil {
			return "", fmt.Errorf("a block of %s stands under no file name: %.40q", language, text)
		}
		to := ">"
		if seen[name[1]] {
			to = ">>"
			text = "\n" + text
		}
		seen[name[1]] = true
		fmt.Fprintf(&script, "cat %s %s <<'END-OF-FILE'\n%sEND-OF-FILE\n", to, name[1], text)
	}
	return script.String(), nil
}

// TestTutorial does what docs/connectors.md says, from an empty folder.
func TestTutorial(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the host and a connector")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "connectors.md"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := docScript(string(page))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir = t.TempDir()
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "ML_CONNECTOR") && !strings.HasPrefix(pair, "GOFLAGS=") && !strings.HasPrefix(pair, "GOWORK=") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, "ML_CONNECTOR="+root)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
