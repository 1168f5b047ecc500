package flow

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

// A rate limit costs no attempt, however often it comes, and is put on the trail
// once.
func TestRateLimitCostsNoAttempt(t *testing.T) {
	w, h := newHost(t)
	const limited = 6 // the recipe allows four attempts
	calls := 0
	h.b.onUpsert = func(context.Context, connector.UpsertRequest) error {
		if calls++; calls <= limited {
			return &connector.Error{Kind: connector.RateLimited, Op: "b", Message: "slow down", RetryAfter: 30 * time.Second}
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.pollAll()
	for range limited {
		h.idle()
		got := h.want("contacts-out", "c1", Waiting)
		if got.Attempts != 0 || got.NextAt == nil || !strings.Contains(got.Reason, "slow down") {
			t.Errorf("got %+v", got)
		}
		h.wake()
	}
	h.settle()
	h.want("contacts-out", "c1", Done)
	if n := h.count(`audit_entry WHERE outcome = 'rate limited'`); n != 1 {
		t.Errorf("got %d audit entries of the limit, want 1", n)
	}
	h.sound(w)
}

// A refused credential pauses the connection; its work waits without losing an
// attempt and goes on when a person has acted.
func TestAuthPausesAndResumes(t *testing.T) {
	w, h := newHost(t)
	var denied atomic.Bool
	denied.Store(true)
	h.b.onUpsert = func(context.Context, connector.UpsertRequest) error {
		if denied.Load() {
			return connector.Errorf(connector.Auth, "b", "the key was revoked").WithRemedy("store a new key")
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.pollAll()
	h.idle()
	h.want("contacts-out", "c1", Waiting)
	if c, _ := h.conns.Get(t.Context(), "b"); !c.Paused() || c.PausedRemedy != "store a new key" {
		t.Errorf("got %+v, want b paused", c)
	}
	if c, _ := h.conns.Get(t.Context(), "a"); c.Paused() {
		t.Error("a is paused for b's credential")
	}
	calls := w.b.count("upsert") + w.a.count("get")
	for range 5 {
		h.wake()
		h.idle()
	}
	got := h.want("contacts-out", "c1", Waiting)
	if got.Attempts != 0 || !strings.Contains(got.Reason, "paused") {
		t.Errorf("got %+v", got)
	}
	if n := w.b.count("upsert") + w.a.count("get") - calls; n != 0 {
		t.Errorf("%d calls were made for a paused connection", n)
	}
	denied.Store(false)
	_ = h.conns.Pause(t.Context(), "b", "", "")
	h.wake()
	h.settle()
	h.want("contacts-out", "c1", Done)
	h.sound(w)
}

// An access token that the service no longer takes is replaced once, for reads
// and for writes, whose refusal comes with each outcome.
func TestRefusedTokenIsReplaced(t *testing.T) {
	w, h := newHost(t)
	for _, s := range []*service{w.a, w.b} {
		s.token = "new"
	}
	h.conns.token = "old"
	h.conns.renew = func() (string, error) { return "new", nil }
	w.a.put(contact("c1", "Ada"))
	h.hint("a", contactRef("c1"), keyOf(1))
	h.idle()
	h.want("contacts-out", "c1", Done)
	if h.conns.refreshes != 1 {
		t.Errorf("read: got %d refreshes, want 1", h.conns.refreshes)
	}
	// The next token ends between the read and the write.
	h.b.onUpsert = func(context.Context, connector.UpsertRequest) error {
		w.b.mu.Lock()
		defer w.b.mu.Unlock()
		w.b.token = "newest"
		return nil
	}
	h.conns.renew = func() (string, error) {
		w.a.mu.Lock()
		defer w.a.mu.Unlock()
		w.a.token = "newest"
		return "newest", nil
	}
	w.a.put(contact("c1", "Ada Lovelace"))
	h.hint("a", contactRef("c1"), keyOf(2))
	h.idle()
	h.want("contacts-out", "c1", Done)
	if h.conns.refreshes != 2 {
		t.Errorf("write: got %d refreshes, want 2", h.conns.refreshes)
	}
	for _, name := range []string{"a", "b"} {
		if c, _ := h.conns.Get(t.Context(), name); c.Paused() {
			t.Errorf("%s is paused: %s", name, c.PausedReason)
		}
	}
	h.sound(w)
}

// A credential that is refused while polling pauses the connection as well, and
// a paused connection is not polled: a quiet night must not hide a dead consent.
func TestPollingPauses(t *testing.T) {
	w, h := newHost(t)
	asked := 0
	h.b.onList = func(context.Context, connector.ListRequest) error {
		asked++
		return connector.Errorf(connector.Auth, "b", "the consent was revoked").WithRemedy("authorise again")
	}
	var src Source
	for _, s := range h.eng.Sources() {
		if s.Connection == "b" {
			src = s
		}
	}
	for range 3 {
		if _, err := h.eng.Poll(t.Context(), src, time.Time{}); connector.KindOf(err) != connector.Auth {
			t.Errorf("got %v, want an Auth error", err)
		}
	}
	if c, _ := h.conns.Get(t.Context(), "b"); !strings.Contains(c.PausedReason, "consent was revoked") || c.PausedRemedy != "authorise again" {
		t.Errorf("got %+v, want b paused", c)
	}
	if asked != 1 {
		t.Errorf("the service was asked %d times, want once", asked)
	}
	h.sound(w)
}

// I7: when attempts are used up the work goes to a person, with the intent kept
// open if its outcome is unknown, and a replay looks before it writes.
func TestAttemptsUsedUp(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(p *port, on bool)
		done bool // the write had its effect
		open int
	}{
		{"unavailable before anything is done", func(p *port, on bool) {
			p.set(func(p *port) { p.onUpsert = failing(on, connector.Unavailable) })
		}, false, 1},
		{"answers lost", func(p *port, on bool) {
			p.set(func(p *port) { p.onAnswer = failing(on, connector.UnknownOutcome) })
		}, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, h := newHost(t)
			tt.fail(h.b, true)
			w.a.put(contact("c1", "Ada"))
			h.settle()
			got := h.want("contacts-out", "c1", Dead)
			if w.b.count("upsert") > 4 || (tt.done && w.b.count("upsert") != 4) {
				t.Errorf("got %d calls, want the recipe's 4 attempts", w.b.count("upsert"))
			}
			if n := h.count(`intent WHERE state = 'open'`); n != tt.open {
				t.Errorf("got %d open intents, want %d", n, tt.open)
			}
			h.quiet(w)
			wish, err := h.eng.PreviewWork(t.Context(), got.ID)
			if err != nil || wish.Action != "settle" {
				t.Errorf("preview: got %+v, %v", wish, err)
			}
			tt.fail(h.b, false)
			w.b.forget() // the keys' memory is over by the time a person comes
			if err := h.replay(got.ID); err != nil {
				t.Fatal(err)
			}
			h.settle()
			h.want("contacts-out", "c1", Done)
			if made := w.b.all(connector.EntityContact); len(made) != 1 {
				t.Errorf("got %d contacts, want 1", len(made))
			}
			h.sound(w)
		})
	}
}

func failing(on bool, kind connector.Kind) func(context.Context, connector.UpsertRequest) error {
	if !on {
		return nil
	}
	return func(context.Context, connector.UpsertRequest) error { return connector.Errorf(kind, "b", "broken") }
}

// An error that nobody classified may have had an effect: the next attempt looks.
func TestUnclassifiedErrorIsAnUnknownOutcome(t *testing.T) {
	w, h := newHost(t)
	var attempts []int
	h.b.onAnswer = func(_ context.Context, req connector.UpsertRequest) error {
		attempts = append(attempts, req.Writes[0].Attempt)
		if len(attempts) == 1 {
			w.b.mu.Lock()
			w.b.remembered = map[string]connector.Outcome{}
			w.b.mu.Unlock()
			return errInjected
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.settle()
	h.want("contacts-out", "c1", Done)
	if len(attempts) != 2 || attempts[1] != 2 {
		t.Errorf("got attempts %v, want 1 then 2", attempts)
	}
	if n := len(w.b.all(connector.EntityContact)); n != 1 {
		t.Errorf("got %d contacts, want 1", n)
	}
	h.sound(w)
}

// Work of a recipe that is not selected rests; it is not lost.
func TestUnselectedRecipeRests(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	w.a.put(contact("c1", "Ada"))
	h.pollAll()
	plan := h.eng.plans["pair"]
	delete(h.eng.plans, "pair")
	h.start()
	h.idle()
	got := h.want("contacts-out", "c1", Waiting)
	if !strings.Contains(got.Reason, "not running") || w.a.count("get") != 0 {
		t.Errorf("got %+v", got)
	}
	h.eng.plans["pair"] = plan
	h.wake()
	h.idle()
	h.want("contacts-out", "c1", Done)
	h.sound(w)
}
