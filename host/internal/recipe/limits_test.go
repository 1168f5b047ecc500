package recipe

import (
	"strings"
	"testing"
	"time"
)

// Files made to be expensive are refused, or read, within seconds: a recipe is
// checked before it is trusted.
func TestParseIsBounded(t *testing.T) {
	const patience = 20 * time.Second // of a busy machine with the race detector
	nested := func(levels int) string {
		var b strings.Builder
		for i := range levels {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	for _, tt := range []struct{ name, text string }{
		{"too large", strings.Repeat("#", fileBytesMax+1)},
		{"brackets", strings.Repeat("[", fileBytesMax)},
		{"braces", strings.Repeat("{a: ", fileBytesMax/4)},
		{"list entries on one line", strings.Repeat("- ", fileBytesMax/2)},
		{"indentation", nested(600)},
		{"indented entries", strings.ReplaceAll(nested(600), "a:", "-")},
		{"many keys", strings.Repeat("a: b\n", fileBytesMax/5)},
		{"quotes", "a: \"" + strings.Repeat("\\", fileBytesMax-10)},
		{"one long text", "recipe: " + strings.Repeat("x", fileBytesMax-10)},
		{"a long expression", expressionRecipe(strings.Repeat("(", 4000))},
		{"a deep expression", expressionRecipe(strings.Repeat("[", 300) + strings.Repeat("]", 300))},
		{"many keys within the limit", strings.Repeat("a: b\n", tokensMax/3)},
		{"a wide expression", expressionRecipe("linked" + strings.Repeat("||linked", 500))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			_, err := Parse("r.yaml", []byte(tt.text))
			if took := time.Since(began); took > patience {
				t.Errorf("took %s", took)
			}
			if err == nil && tt.name != "a wide expression" {
				t.Error("accepted")
			}
		})
	}
}

func expressionRecipe(code string) string {
	return "recipe: r\nconnections: {a: {connector: x}, b: {connector: y}}\nflows:\n  f:\n    from: a.contact\n    to: b.contact\n" +
		"    skip:\n      - when: \"" + code + "\"\n        because: x\n    map: {name: contact.name}\n"
}
