package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// table prints aligned columns.
type table struct{ w *tabwriter.Writer }

func (c *command) table(head ...string) *table { return tableOn(c.Out, head...) }

// facts is a table without a head: a name and its value in each row.
func (c *command) facts() *table { return tableOn(c.Out) }

func tableOn(w io.Writer, head ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

func (t *table) row(cells ...string) {
	for i, x := range cells {
		cells[i] = strings.NewReplacer("\n", " ", "\t", " ").Replace(x)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

// fact adds a row unless there is nothing to say.
func (t *table) fact(name, value string) {
	if value != "" {
		t.row(name, value)
	}
}

func (t *table) flush() error { return t.w.Flush() }

// cut shortens a text for a column, and shows that it did.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// moment shows a time in UTC, to the second; "-" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// counted says "1 entry" or "3 entries".
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
