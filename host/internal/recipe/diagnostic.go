package recipe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Diagnostic is one mistake in a recipe file.
type Diagnostic struct {
	File         string
	Line, Column int    // from 1; columns count characters
	Path         string // "flows.invoices-out.map.lines"
	Message      string // what is wrong
	Hint         string // what to change; may be empty
}

// String returns "file:line:column: message (hint)".
func (d Diagnostic) String() string {
	text := fmt.Sprintf("%s:%d:%d: %s", d.File, d.Line, d.Column, d.Message)
	if d.Hint != "" {
		text += " (" + d.Hint + ")"
	}
	return text
}

// Diagnostics are all mistakes of a file, in its order. As an error they read
// one to a line.
type Diagnostics []Diagnostic

// Error returns one line for each mistake.
func (ds Diagnostics) Error() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// ordered returns the diagnostics by position, each once.
func (ds Diagnostics) ordered() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(ds)
}

// suggest returns "did you mean 'x'?" for the choice nearest to a misspelt
// word, or "" when none is near.
func suggest(word string, choices []string) string {
	best, distance := "", 2*(len(word)/2+1)
	for _, choice := range slices.Sorted(slices.Values(choices)) {
		d := 2 * editDistance(word, choice)
		if word == "" || choice == "" || word[0] != choice[0] {
			d++ // of two that are as near, the one that begins alike
		}
		if d < distance {
			best, distance = choice, d
		}
	}
	if best == "" || best == word {
		return ""
	}
	return "did you mean '" + best + "'?"
}

// editDistance counts the insertions, deletions and replacements between a and
// b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// listed writes names for a message: "'a', 'b' or 'c'".
func listed(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "'" + n + "'"
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
