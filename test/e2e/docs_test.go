//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// The guide for accountants says where each story is proved: those scripts exist.
func TestTheMoneyGuideNamesScriptsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(), "docs", "money.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`([0-9]{2}-[a-z0-9-]+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 10 {
		t.Fatalf("the guide names %d scripts", len(names))
	}
	for _, m := range names {
		if _, err := os.Stat(filepath.Join("testdata", m[1]+".txtar")); err != nil {
			t.Error(err)
		}
	}
}
