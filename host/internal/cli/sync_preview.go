package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// shownMax is how many examples of one kind people are shown; --json has all.
const shownMax = 10

// preview prints what a pass would write, and how the contacts of both sides
// belong together. It is done, but needs a person, when some cannot be told apart.
func (c *command) preview(ctx context.Context, e *flow.Engine, since time.Time) error {
	p, err := e.Preview(ctx, since)
	if err != nil {
		return withRemedy(err)
	}
	if c.set.json {
		if err := c.printJSON(p); err != nil {
			return err
		}
	} else {
		for _, m := range p.Matching {
			if err := c.printMatching(m); err != nil {
				return err
			}
		}
		c.printWishes(p)
	}
	for _, m := range p.Matching {
		if len(m.Person) > 0 {
			return errPerson
		}
	}
	return nil
}

// printWishes prints a line for each change, contacts that a matching tells of
// left out.
func (c *command) printWishes(p flow.Previewed) {
	shown, more := map[string]int{}, map[string]int{}
	var kinds []string
	for _, w := range p.Wishes {
		if w.Matched && len(p.Matching) > 0 {
			continue
		}
		kind := w.Flow + ": " + w.Action
		if shown[kind] < shownMax {
			c.printf("%s\n", w)
		} else {
			if more[kind] == 0 {
				kinds = append(kinds, kind)
			}
			more[kind]++
		}
		shown[kind]++
	}
	for _, kind := range kinds {
		c.printf("  and %d more of %s\n", more[kind], kind)
	}
	c.printf("%d writes; nothing was written\n", flow.CountWrites(p.Wishes))
}

// printMatching prints the counts first, then examples of each kind.
func (c *command) printMatching(m flow.Matching) error {
	c.printf("Contacts of recipe %s: %d in %s, %d in %s, %d pairs linked already\n\n", m.Recipe, m.Records[0], m.From, m.Records[1], m.To, m.Linked)
	t := c.table("COUNT", "NOW", "WHAT")
	add := func(n int, now, what string) { t.row(fmt.Sprint(n), now, what) }
	add(len(m.Link), nowOf(m.Link), "would be linked"+reasonsOf(m.Link))
	for _, made := range []struct {
		to   string
		back bool
	}{{m.To, false}, {m.From, true}} {
		all := slices.DeleteFunc(slices.Clone(m.Create), func(p flow.Pairing) bool { return (p.Flow != m.Flow) != made.back })
		add(len(all), nowOf(all), "would be made in "+made.to)
	}
	add(len(m.Person), nowOf(m.Person), "cannot be told apart: a person decides")
	add(len(m.Duplicates), "", "groups of duplicates within one side")
	for _, l := range m.LeftAlone {
		add(l.Count, "", fmt.Sprintf("left alone in %s: %s", l.Connection, l.Reason))
	}
	if err := t.flush(); err != nil {
		return err
	}
	c.printf("NOW: so many are worked on in this pass; the others when they change, or when an invoice needs them.\n\n")
	c.printPairs("Would be linked", m.Link)
	c.printPairs("Would be made", m.Create)
	c.printPairs("A person decides", m.Person)
	c.printDuplicates(m.Duplicates)
	return nil
}

func (c *command) printPairs(title string, all []flow.Pairing) {
	if len(all) == 0 {
		return
	}
	c.printf("%s:\n", title)
	for _, p := range all[:min(len(all), shownMax)] {
		line := fmt.Sprintf("  %s (%s)", p.Source, p.Name)
		if p.Target != "" {
			line += fmt.Sprintf(" -> %s (%s)", p.Target, p.TargetName)
		}
		if p.Reason != "" {
			line += ": " + p.Reason
		}
		c.printf("%s\n", line)
		for _, x := range p.Candidates {
			c.printf("      %s (%s)\n", x.Ref, x.Name)
		}
	}
	if p := all[0]; p.Remedy != "" {
		c.printf("  To do: %s\n", p.Remedy)
	}
	c.andMore(len(all))
}

func (c *command) printDuplicates(all []flow.Duplicate) {
	if len(all) == 0 {
		return
	}
	c.printf("Duplicates within one side:\n")
	for _, d := range all[:min(len(all), shownMax)] {
		var names []string
		for _, x := range d.Records {
			names = append(names, fmt.Sprintf("%s (%s)", x.Ref, x.Name))
		}
		c.printf("  in %s, %s %q: %s\n", d.Connection, d.Same, d.Value, strings.Join(names, ", "))
	}
	c.andMore(len(all))
}

func (c *command) andMore(n int) {
	if n > shownMax {
		c.printf("  and %d more (all of them with --json)\n", n-shownMax)
	}
	c.printf("\n")
}

// nowOf counts those that the pass works on.
func nowOf(all []flow.Pairing) string {
	n := 0
	for _, p := range all {
		if p.Now {
			n++
		}
	}
	return fmt.Sprint(n)
}

// reasonsOf counts why contacts would be linked: ": 12 by the same name".
func reasonsOf(all []flow.Pairing) string {
	counts := map[string]int{}
	for _, p := range all {
		counts[p.Reason]++
	}
	var out []string
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d by %s", counts[why], why))
	}
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, ", ")
}
