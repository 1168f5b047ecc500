package cli

import (
	"fmt"
	"slices"
	"strings"
)

const shrinkRounds = 12 // a story of 15 steps needs fewer

// shrink plays a story that has failed alone in a world of its own, and then
// without this or that, for as long as something is left that still fails. It
// returns "" when the story does not fail alone.
func (c *campaign) shrink(failed story, policy string) string {
	c.t.Helper()
	w := c.open(policy)
	defer func() {
		if err := w.close(); err != nil {
			c.t.Error(err)
		}
	}()
	unnoted := newTally()
	least := ""
	candidates := []story{failed}
	for round := range shrinkRounds {
		plays, err := w.play(candidates, fmt.Sprint("S", round), unnoted)
		if err != nil {
			c.t.Logf("shrinking ends: %v", err)
			return least
		}
		i := slices.IndexFunc(plays, func(p *play) bool { return len(p.wrong) > 0 })
		if i < 0 {
			return least
		}
		p := plays[i]
		least = p.tale() + p.trail() + strings.Join(p.wrong, "\n")
		if candidates = p.story.without(); len(candidates) == 0 {
			return least
		}
	}
	return least
}

// without returns the stories that lack one thing, those first that lack most.
func (s story) without() []story {
	var out []story
	if last := len(s.bills) - 1; last > 0 {
		for i := range s.bills {
			out = append(out, s.withoutBill(i))
		}
	}
	for i := range s.steps {
		x := s
		x.steps = slices.Delete(slices.Clone(s.steps), i, i+1)
		out = append(out, x)
	}
	for i, st := range s.steps {
		if st.race != nil {
			out = append(out, s.with(i, func(t *step) { t.race = nil }))
		}
		if st.trouble != "" {
			out = append(out, s.with(i, func(t *step) { t.trouble = "" }))
		}
		if st.poll || st.restart {
			out = append(out, s.with(i, func(t *step) { t.poll, t.restart = false, false }))
		}
		if st.mail != mailAll {
			out = append(out, s.with(i, func(t *step) { t.mail = mailAll }))
		}
	}
	return slices.DeleteFunc(out, func(x story) bool { return len(x.steps) == 0 })
}

// with returns the story with one step changed.
func (s story) with(i int, change func(*step)) story {
	s.steps = slices.Clone(s.steps)
	change(&s.steps[i])
	return s
}

// withoutBill leaves out all that is about one invoice. The others keep their
// places: they are what the steps name.
func (s story) withoutBill(bill int) story {
	var steps []step
	for _, st := range s.steps {
		if st.act.bill == bill {
			continue
		}
		steps = append(steps, st)
	}
	s.steps = steps
	return s
}
