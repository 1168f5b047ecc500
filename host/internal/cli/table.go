package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// table prints aligned columns.
type table struct{ w *tabwriter.Writer }

func (c *command) table(head ...string) *table {
	t := &table{tabwriter.NewWriter(c.Out, 0, 4, 2, ' ', 0)}
	t.row(head...)
	return t
}

func (t *table) row(cells ...string) {
	for i, x := range cells {
		cells[i] = strings.ReplaceAll(x, "\n", " ")
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) flush() error { return t.w.Flush() }
