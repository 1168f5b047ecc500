package recipe

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const guideFile = "../../../docs/recipes.md"

// The guide ends with a reference that comes from the tables; -update writes it.
func TestGuideReference(t *testing.T) {
	guide, err := os.ReadFile(guideFile)
	if err != nil {
		t.Fatal(err)
	}
	head, got, ok := strings.Cut(string(guide), "from its tables -->\n")
	if !ok {
		t.Fatal("the guide has no place for its reference")
	}
	want := reference()
	if *update {
		if err := os.WriteFile(guideFile, []byte(head+"from its tables -->\n"+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the reference is stale, run with -update (-want +got):\n%s", diff)
	}
}

// The recipes in the guide are recipes, on top of the shipped one if they say so,
// and pass their own tests.
func TestGuideExamples(t *testing.T) {
	guide, err := os.ReadFile(guideFile)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(recipe:.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(blocks) == 0 {
		t.Fatal("the guide has no example")
	}
	for _, block := range blocks {
		r, err := Library{BuiltIn: os.DirFS(filepath.Dir(shippedFile))}.parse("guide.yaml", []byte(block[1]))
		if err != nil {
			t.Fatalf("%v\n%s", err, block[1])
		}
		for _, c := range r.Test() {
			if c.Err != nil {
				t.Errorf("%s: %v", c.Name, c.Err)
			}
		}
	}
}

func reference() string {
	var b strings.Builder
	b.WriteString("\n## Keys\n")
	for _, t := range []struct {
		title string
		keys  keyTable
	}{
		{"The file", recipeKeys},
		{"`connections.NAME`", connectionKeys},
		{"`params.NAME`", paramKeys},
		{"`checks[]`", checkKeys},
		{"`refuse[]`", refuseKeys},
		{"`retry`", retryKeys},
		{"`flows.NAME`", flowKeys},
		{"`also[]`", alsoKeys},
		{"`flows.NAME.sweep`", sweepKeys},
		{"`skip[]`", skipKeys},
		{"`hold[]`", holdKeys},
		{"`needs.NAME`", needKeys},
		{"`policy`", policyKeys},
		{"`tests[]`", testKeys},
		{"`tests[].from`, `tests[].to`", sideKeys},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n| key | | meaning |\n| --- | --- | --- |\n", t.title)
		for _, k := range t.keys.keys {
			required := ""
			if k.required {
				required = "required"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, required, k.doc)
		}
	}
	b.WriteString("\n## Fields\n")
	for _, t := range entityTables {
		writeFields(&b, t.record)
	}
	for _, s := range []*structType{lineStruct, addressStruct, valueStruct, sideStruct} {
		writeFields(&b, s)
	}
	return b.String()
}

func writeFields(b *strings.Builder, s *structType) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n| field | type | meaning |\n| --- | --- | --- |\n", s.name, s.doc)
	for _, f := range s.fields {
		notes := f.doc
		if f.words != nil {
			notes = "`" + strings.Join(f.words, "`, `") + "`" + strings.TrimRight("; "+f.doc, "; ")
		}
		if f.readOnly {
			notes = strings.TrimLeft(notes+"; set by the service, cannot be wanted", "; ")
		}
		if f.aside {
			notes = strings.TrimLeft(notes+"; told along, a change of it alone is not written", "; ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.name, typeName(f.celType), notes)
	}
}
