package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox"
)

// Many stories are played side by side, step by step: all that happens in one
// step of each, then the news of it, then rest. Where one ends, another begins.
// They share nothing but the host, the clock and what goes wrong.

const (
	// storiesAtOnce is how many stories are under way: they share calls, and waits.
	storiesAtOnce = 100
	// rarely is how many steps lie between two things that hold all stories up.
	rarely = 12
	// playLimit bounds the stories of one world; they take seconds.
	playLimit = 5 * time.Minute
)

func timeLimit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), playLimit)
}

// play plays stories and proves each; what is wrong stands in the plays.
func (w *modelWorld) play(stories []story, name string, counts *tally) ([]*play, error) {
	ctx, cancel := timeLimit()
	defer cancel()
	var plays, now []*play
	for n := 1; ; n++ {
		for len(now) < storiesAtOnce && len(plays) < len(stories) {
			p, err := newPlay(w, stories[len(plays)], fmt.Sprintf("%s-%d", name, len(plays)), counts)
			if err != nil {
				return nil, err
			}
			plays, now = append(plays, p), append(now, p)
		}
		if len(now) == 0 {
			break
		}
		if err := w.step(ctx, now, counts); err != nil {
			return plays, fmt.Errorf("step %d: %w", n, err)
		}
		now = slices.DeleteFunc(now, func(p *play) bool {
			p.at++
			return p.at == len(p.steps)
		})
	}
	if err := w.evening(ctx, plays); err != nil {
		return plays, err
	}
	if w.sabotage != nil {
		w.sabotage(plays)
	}
	if err := w.prove(plays, counts); err != nil || w.sabotage != nil {
		return plays, err
	}
	return plays, w.secondPass(ctx, plays)
}

// seldom reports whether something that holds all stories up may happen again.
func (w *modelWorld) seldom(what string) bool {
	last, ever := w.lately[what]
	if ever && w.ticks-last < rarely {
		return false
	}
	w.lately[what] = w.ticks
	return true
}

// step plays one step of each story.
func (w *modelWorld) step(ctx context.Context, plays []*play, counts *tally) error {
	w.ticks++
	polls, outage, restart := 0, false, false
	for _, p := range plays {
		st := p.now()
		p.perform(st.act)
		if rare := st.trouble == trouble429 || st.trouble == troubleOutage; !rare || w.seldom(st.trouble) {
			w.trouble(st.trouble, counts)
			outage = outage || st.trouble == troubleOutage
		}
		if st.poll {
			polls++
		}
		restart = restart || st.restart && w.seldom("restart")
	}
	if w.wantHours {
		w.passHours()
	}
	if err := w.news(ctx, plays, func(p *play) string { return p.now().mail }, counts); err != nil {
		return err
	}
	for _, p := range plays { // while the host is at it
		if a := p.now().race; a != nil {
			p.perform(*a)
		}
	}
	if polls*4 > len(plays) { // polling is for all stories: most of the time, nobody finds what was lost
		counts.add("poll", 1)
		_, _ = w.poll(ctx) // a fault may hit it; those of the evening must work
	}
	if restart {
		counts.add("restart of the host", 1)
		w.calmFaults() // a start that a service refuses is another test's
		if err := w.restart(ctx); err != nil {
			return fmt.Errorf("restart: %w", err)
		}
	}
	err := w.rest(ctx)
	w.calmFaults()
	if outage && err == nil {
		_, err = w.replay(plays)
	}
	return err
}

// trouble makes something go wrong with the next requests.
func (w *modelWorld) trouble(what string, counts *tally) {
	if what == "" {
		return
	}
	counts.add(what, 1)
	write := sandbox.Fault{Method: http.MethodPut, Path: "/api.xro/2.0/"}
	post := sandbox.Fault{Method: http.MethodPost, Path: "/v1/"}
	set := func(f sandbox.Fault, kind string, status, times int) sandbox.Fault {
		f.Kind, f.Status, f.Times = kind, status, times
		return f
	}
	add := func(kind string, status, times int) {
		w.xero.Faults().Add(set(write, kind, status, times))
		w.stripe.Faults().Add(set(post, kind, status, times))
	}
	switch what {
	case trouble429:
		write.Header = map[string]string{"Retry-After": "1"} // the host waits for no less
		post.Header = write.Header
		add(sandbox.FaultStatus, http.StatusTooManyRequests, 1)
	case trouble503:
		add(sandbox.FaultStatus, http.StatusServiceUnavailable, 2)
		w.xero.Faults().Add(sandbox.Fault{Path: "/api.xro/2.0/", Kind: sandbox.FaultStatus, Status: http.StatusServiceUnavailable, Times: 2})
	case troubleCutBefore:
		add(sandbox.FaultResetBefore, 0, 2)
	case troubleCutAfter:
		add(sandbox.FaultResetAfter, 0, 2)
	case troubleHalf:
		add(sandbox.FaultTruncate, 0, 1)
	case troubleOutage:
		w.xero.Faults().Add(sandbox.Fault{Path: "/api.xro/2.0/", Kind: sandbox.FaultStatus, Status: http.StatusServiceUnavailable, Times: -1})
		w.stripe.Faults().Add(sandbox.Fault{Path: "/v1/", Kind: sandbox.FaultStatus, Status: http.StatusServiceUnavailable, Times: -1})
	}
}

// recordIDs finds the ids of records in an event.
var recordIDs = regexp.MustCompile(`\b(?:in|ch|py|re|pyr|cus|cn|pi|dp)_[A-Za-z0-9]+|[0-9a-f]{8}-[0-9a-f-]{27}`)

// news sorts what the services have sent by story, and delivers it as each story
// says. The events of one story stay in their order.
func (w *modelWorld) news(ctx context.Context, plays []*play, mode func(*play) string, counts *tally) error {
	if err := w.collect(ctx); err != nil {
		return err
	}
	strangers := w.sort(w.mail.take())
	var g errgroup.Group
	g.SetLimit(8)
	g.Go(func() error { return w.deliver(ctx, strangers) })
	for _, p := range plays {
		m := mode(p)
		now, later := sorted(m, p.held)
		if len(p.held) > 0 {
			counts.add("news "+m, 1)
		}
		p.held = later
		g.Go(func() error { return w.deliver(ctx, now) })
	}
	return g.Wait()
}

// sort gives each letter to the story whose records it names; what belongs to
// none is returned.
func (w *modelWorld) sort(letters []letter) (strangers []letter) {
	w.stage.Lock()
	defer w.stage.Unlock()
	for _, l := range letters {
		ids := recordIDs.FindAllString(string(l.about), -1)
		var of *play
		for _, id := range ids {
			if p := w.owners[id]; p != nil {
				of = p
				break
			}
		}
		if of == nil {
			strangers = append(strangers, l)
			continue
		}
		of.held = append(of.held, l)
		for _, id := range ids { // its other records are the story's, too
			if w.owners[id] == nil && id[2] == '_' || id[3] == '_' {
				w.owners[id] = of
			}
		}
	}
	return strangers
}

// evening ends what is under way, tells the host of everything, and lets a
// person replay what was given to one.
func (w *modelWorld) evening(ctx context.Context, plays []*play) error {
	w.calmFaults()
	w.ambush.clear()
	for _, p := range plays {
		for _, b := range p.bills {
			if b.id != "" && len(b.charges)%2 == 0 {
				_, _ = w.stripe.Settle(b.number, "success") // most have nothing that is under way
			} else if b.id != "" {
				_, _ = w.stripe.Settle(b.number, "fail")
			}
		}
	}
	if err := w.quiesce(ctx, plays); err != nil {
		return err
	}
	for _, p := range plays {
		work, err := p.persons()
		if err != nil {
			return err
		}
		for _, x := range work {
			if x.Reason == "" || x.Remedy == "" {
				p.fault("%s %s is with a person without a reason or a remedy: %q, %q", x.Flow, x.SourceRef, x.Reason, x.Remedy)
			}
		}
	}
	if n, err := w.replay(plays); err != nil || n == 0 {
		return err
	}
	return w.quiesce(ctx, plays)
}

// roundsMax is how often the host's own writes may come back as news before all
// is quiet; three or four do.
const roundsMax = 15

// quiesce delivers, polls and waits until nothing happens any more.
func (w *modelWorld) quiesce(ctx context.Context, plays []*play) error {
	all := func(*play) string { return mailAll }
	counts := newTally() // the news of the evening do not count
	for range roundsMax {
		if err := w.news(ctx, plays, all, counts); err != nil {
			return err
		}
		if err := w.rest(ctx); err != nil {
			return err
		}
		touched, err := w.poll(ctx)
		if err != nil {
			return err
		}
		if err := w.rest(ctx); err != nil {
			return err
		}
		if err := w.collect(ctx); err != nil {
			return err
		}
		if touched == 0 && w.mail.empty() {
			return nil
		}
	}
	return errors.New("the host does not come to rest")
}

// persons is the work of the story that needs a person.
func (p *play) persons() ([]flow.Work, error) {
	ctx, cancel := timeLimit()
	defer cancel()
	all, err := flow.Failures(ctx, p.w.r.db)
	return slices.DeleteFunc(all, func(x flow.Work) bool { return p.w.owners[x.Source.ID] != p }), err
}

// secondPass looks at everything again, repeats old news, and requires that
// nothing is written (I11).
func (w *modelWorld) secondPass(ctx context.Context, plays []*play) error {
	before := w.writes()
	if _, err := w.engine.Sweep(ctx); err != nil {
		return err
	}
	if err := w.rest(ctx); err != nil {
		return err
	}
	if err := w.quiesce(ctx, plays); err != nil {
		return err
	}
	if n := w.writes() - before; n != 0 {
		return fmt.Errorf("a second pass over unchanged systems made %d requests that write", n)
	}
	return nil
}
