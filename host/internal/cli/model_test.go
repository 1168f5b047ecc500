package cli

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/audit"
)

var (
	modelHistories = flag.Int("model.histories", 20, "how many random histories the model test plays")
	modelSeed      = flag.Int("model.seed", 1, "the seed of the first history; each further one has the next")
	modelRefunds   = flag.String("model.refunds", "", "the recipe's parameter refunds for all; empty: now this, now that")
)

const (
	// The stand-ins keep everything, and slow down with it.
	storiesAWorld = 200
	// coveredFrom is so many histories that every kind of act must have occurred.
	coveredFrom = 500
)

// tally counts what happened, by its name. An act that lies in wait is counted by
// the request that sets it off.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func newTally() *tally { return &tally{n: map[string]int{}} }

func (t *tally) add(what string, by int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[what] += by
}

func (t *tally) all() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.n)
}

// campaign plays histories until it has played enough.
type campaign struct {
	t       *testing.T
	plugins string
	counts  *tally
	told    *atomic.Int32 // failed histories
}

// in is the campaign as one of its tests goes on with it.
func (c *campaign) in(t *testing.T) *campaign {
	own := *c
	own.t = t
	return &own
}

// TestModel plays random histories of business through the whole product and
// proves each of them, after it has shown that the proof can fail. As many worlds
// as there are cores are played at a time: they mostly wait.
//
//	go test ./host/internal/cli -run TestModel -v -model.histories 2000 -model.seed 7
func TestModel(t *testing.T) {
	t.Parallel()
	c := &campaign{t: t, plugins: buildPlugins(t), counts: newTally(), told: new(atomic.Int32)}
	t.Run("the proof can fail", func(t *testing.T) { c.in(t).spoil(t) })
	t.Logf("histories of -model.seed %d", *modelSeed)
	began := time.Now()
	t.Run("histories", func(t *testing.T) {
		for i, from := 0, 0; from < *modelHistories; i, from = i+1, from+storiesAWorld {
			seed, n := *modelSeed+from, min(storiesAWorld, *modelHistories-from)
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				t.Parallel()
				if c.told.Load() > 0 {
					t.Skip("another world has failed")
				}
				c.in(t).world(i, seed, n)
			})
		}
	})
	took := time.Since(began)
	played := c.counts.all()["histories"]
	t.Logf("%d histories in %s, %.1f a second", played, took.Round(time.Second/10), float64(played)/took.Seconds())
	c.table(played)
}

// policy is the recipe's parameter refunds for a world.
func policy(world int) string {
	if *modelRefunds != "" {
		return *modelRefunds
	}
	if world%3 == 2 {
		return "reopen"
	}
	return "credit_note"
}

func (c *campaign) open(policy string) *modelWorld {
	c.t.Helper()
	w, err := openModel(c.t.Context(), c.dir(), c.plugins, policy)
	if err != nil {
		c.t.Fatal(err)
	}
	return w
}

// dir is a folder for a host's data: in memory where that is possible, because
// a world waits more for its disk than for anything else.
func (c *campaign) dir() string {
	dir, err := os.MkdirTemp("/dev/shm", "model-")
	if err != nil {
		return c.t.TempDir()
	}
	c.t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			c.t.Error(err)
		}
	})
	return dir
}

// closeWorld verifies the audit trail and ends the world.
func (c *campaign) closeWorld(w *modelWorld) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	rep, err := w.r.audit.Verify(ctx, w.r.db.Read(), nil)
	switch {
	case err != nil:
		c.t.Error(err)
	case rep.Broken != nil:
		c.t.Errorf("audit trail: %s", rep.Broken.Message)
	default:
		c.counts.add("audit entries verified", int(rep.Entries))
	}
	if err := w.close(); err != nil {
		c.t.Error(err)
	}
}

// world plays and proves the stories of so many seeds in a world of their own.
func (c *campaign) world(world, seed, n int) {
	c.t.Helper()
	stories := make([]story, n)
	for i := range stories {
		stories[i] = storyGen.Example(seed + i)
		stories[i].seed = seed + i
	}
	policy := policy(world)
	w := c.open(policy)
	defer c.closeWorld(w)
	began := time.Now()
	plays, err := w.play(stories, fmt.Sprint("M", world), c.counts)
	c.t.Logf("%d histories, refunds %s, in %s: %d calls to Xero, %d to Stripe", n, policy, time.Since(began).Round(time.Second/10),
		w.xero.Calls().Total, w.stripe.Calls().Total)
	if err != nil {
		c.t.Errorf("the world of -model.seed %d -model.histories %d -model.refunds %s: %v", seed, n, policy, err)
	}
	for _, p := range plays {
		if len(p.wrong) > 0 {
			c.tell(p, policy, fmt.Sprintf("-model.seed %d -model.histories %d -model.refunds %s", seed, n, policy))
		}
	}
}

// tellMax is how many failed histories are told in full, and shrunk.
const tellMax = 3

// tell reports a history that the proof refused: the least of it that fails
// alone, or all of it when it takes the other stories of its world to fail.
func (c *campaign) tell(p *play, policy, world string) {
	c.t.Helper()
	if c.told.Add(1) > tellMax {
		c.t.Errorf("history of -model.seed %d, in the world of %s:\n%s", p.seed, world, strings.Join(p.wrong, "\n"))
		return
	}
	if least := c.shrink(p.story, policy); least != "" {
		c.t.Errorf("history of -model.seed %d -model.histories 1 -model.refunds %s, shrunk:\n%s", p.seed, policy, least)
		return
	}
	c.t.Errorf("history of -model.seed %d fails in the world of %s, not alone:\n%s\n%s", p.seed, world, p.tale()+p.trail(), strings.Join(p.wrong, "\n"))
}

// tale tells what was planned and what really happened.
func (p *play) tale() string {
	return p.story.String() + "  what happened:\n    " + strings.Join(p.told, "\n    ")
}

// trail tells what the host did about the story's records.
func (p *play) trail() string {
	ctx, cancel := timeLimit()
	defer cancel()
	var b strings.Builder
	b.WriteString("\n  what the host did:\n")
	for after := int64(0); ; {
		page, err := p.w.r.audit.List(ctx, p.w.r.db.Read(), audit.Filter{Oldest: true, Limit: 1000, After: after})
		if err != nil || len(page) == 0 {
			return b.String()
		}
		for _, e := range page {
			after = e.Seq
			ids := recordIDs.FindAllString(e.Source+" "+e.Target, -1)
			if e.Kind != audit.KindIntent && slices.ContainsFunc(ids, func(id string) bool { return p.w.owners[id] == p }) {
				fmt.Fprintf(&b, "    %s %s %s -> %s: %s %s\n", e.Kind, e.Flow, e.Source, e.Target, e.Outcome, e.Reason)
			}
		}
	}
}

// table prints how often everything happened.
func (c *campaign) table(played int) {
	c.t.Helper()
	for _, what := range slices.Concat(slices.Collect(maps.Keys(deeds)), outcomes) {
		c.counts.add(what, 0)
	}
	counts := c.counts.all()
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		c.t.Logf("%6d  %s", counts[what], what)
		if counts[what] == 0 && played >= coveredFrom && !c.t.Failed() {
			c.t.Errorf("no history had: %s", what)
		}
	}
}
