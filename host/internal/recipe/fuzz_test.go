package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse looks for text that makes Parse panic, report a place outside the
// file, or accept a recipe whose own cases panic.
func FuzzParse(f *testing.F) {
	good, err := os.ReadFile(shippedFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(paramRecipe))
	f.Add([]byte("recipe: x\nextends: base\ncontinues: true\nparams: {tone: {required: true}}\nflows: {out: {map: {phone: contact.phone}}}\n"))
	f.Add([]byte("recipe: x\nextends: base\nchecks: [{connection: shop, posting_account: params.nix}]\nflows: {out: {skip: [{when: 1}]}}\n"))
	lib := shelfOf(f, "base", baseRecipe)
	archives, _ := filepath.Glob("testdata/diagnostics/*.txtar")
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(archive.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := lib.parse("fuzz.yaml", data)
		if err == nil {
			r.Test()
			return
		}
		var diags Diagnostics
		if !errors.As(err, &diags) || len(diags) == 0 {
			t.Fatalf("got %v, want diagnostics", err)
		}
		for _, d := range diags {
			if d.Line < 1 || d.Column < 1 || d.Message == "" {
				t.Errorf("bad diagnostic %+v", d)
			}
		}
	})
}
