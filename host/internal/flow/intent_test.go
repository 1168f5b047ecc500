package flow

import (
	"context"
	"strings"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// I2: when a write arrives, its intent is committed, exactly as it is.
func TestIntentIsCommittedBeforeTheCall(t *testing.T) {
	w, h := newHost(t)
	seen := 0
	h.b.onUpsert = func(ctx context.Context, req connector.UpsertRequest) error {
		for _, x := range req.Writes {
			var key, state, target string
			var request []byte
			err := h.db.Read().QueryRowContext(ctx, `SELECT key, state, target_id, request FROM intent WHERE key = $1`, x.Key).Scan(&key, &state, &target, &request)
			if err != nil {
				t.Errorf("no intent is committed for %s: %v", x.Key, err)
				continue
			}
			if state != "open" || target != x.TargetID || !strings.Contains(string(request), x.Record.Contact.Name) {
				t.Errorf("intent: got %s of %q: %s", state, target, request)
			}
			if n := h.count(`audit_entry WHERE kind = 'intent'`); n == 0 {
				t.Error("the intent is not on the audit trail")
			}
			seen++
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.settle()
	w.a.put(contact("c1", "Ada Lovelace"))
	h.settle()
	if seen != 2 {
		t.Errorf("got %d writes, want 2", seen)
	}
	h.sound(w)
}

// I2: an intent without a known outcome is settled exactly as stored, before
// the newer version of its record is evaluated.
func TestOpenIntentIsSettledFirst(t *testing.T) {
	w, h := newHost(t)
	var sent []connector.Write
	lose := true
	h.b.onAnswer = func(_ context.Context, req connector.UpsertRequest) error {
		sent = append(sent, req.Writes...)
		if lose {
			lose = false
			w.a.put(contact("c1", "Ada Lovelace")) // changed before the next attempt
			return connector.Errorf(connector.UnknownOutcome, "b", "the answer was lost")
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.settle()
	var names []string
	var attempts []int
	for _, x := range sent {
		names, attempts = append(names, x.Record.Contact.Name), append(attempts, x.Attempt)
	}
	if want := "Ada,Ada,Ada Lovelace"; strings.Join(names, ",") != want {
		t.Fatalf("got writes of %v, want %s", names, want)
	}
	if sent[0].Key != sent[1].Key || !sent[0].IntendedAt.Equal(sent[1].IntendedAt) || sent[1].Key == sent[2].Key {
		t.Errorf("keys: got %s, %s, %s", sent[0].Key, sent[1].Key, sent[2].Key)
	}
	if attempts[0] != 1 || attempts[1] != 2 || attempts[2] != 1 {
		t.Errorf("attempts: got %v, want 1, 2, 1", attempts)
	}
	if got := w.b.all(connector.EntityContact); len(got) != 1 || got[0].Contact.Name != "Ada Lovelace" {
		t.Errorf("got %+v", got)
	}
	h.sound(w)
	h.quiet(w)
}

// A write that was refused for good had no effect: its intent is settled, and a
// corrected record gets an intent of its own.
func TestRefusedWriteSettlesTheIntent(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind connector.Kind
		want State
	}{
		{"invalid", connector.Invalid, Dead},
		{"not found", connector.NotFound, Dead},
		{"conflict", connector.Conflict, Held},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, h := newHost(t)
			h.b.refuse = func(x connector.Write) *connector.Error {
				if x.Record.Contact.Name != "Bad" {
					return nil
				}
				e := connector.Errorf(tt.kind, "b", "cannot take Bad")
				e.Candidates = []string{"cand-1"}
				return e
			}
			w.a.put(contact("c1", "Bad"))
			h.settle()
			got := h.want("contacts-out", "c1", tt.want)
			if !strings.Contains(got.Reason, "cannot take Bad") || got.Remedy == "" || got.Records["candidate cand-1"] == "" {
				t.Errorf("got %+v", got)
			}
			if h.count(`intent WHERE state = 'settled' AND outcome = 'refused'`) != 1 || h.count(`intent`) != 1 {
				t.Error("the intent is not settled as refused")
			}
			h.sound(w)
			h.quiet(w)
			w.a.put(contact("c1", "Good"))
			h.settle()
			h.want("contacts-out", "c1", Done)
			if n, _ := w.b.writes(); n != 1 {
				t.Errorf("got %d effects, want 1", n)
			}
			h.sound(w)
		})
	}
}

// A refused record that polling lists once more, unchanged, is not written once
// more: it waits for its person (I11).
func TestRefusedRecordIsNotTriedAgainByPolling(t *testing.T) {
	w, h := newHost(t)
	h.b.refuse = func(connector.Write) *connector.Error { return connector.Errorf(connector.Invalid, "b", "no") }
	w.a.put(contact("c1", "Ada"))
	h.settle()
	before := w.b.count("upsert")
	// A cursor by time lists the last second again.
	h.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE cursor SET value = '0'`)
		return err
	})
	h.pollAll()
	h.idle()
	if n := w.b.count("upsert") - before; n != 0 {
		t.Errorf("got %d more writes, want none", n)
	}
	h.want("contacts-out", "c1", Dead)
}

// I3: whatever the moment at which a host is killed, the next one brings the
// work to its end with one effect.
func TestKilledAtEveryStep(t *testing.T) {
	steps := []struct {
		name string
		arm  func(h *host, reached func()) // makes the host stand still at the step
		open int                           // intents that are open on the disk then
	}{
		{"before the record is read", func(h *host, reached func()) {
			h.a.onGet = func(context.Context, connector.GetRequest) error { reached(); return nil }
		}, 0},
		{"after the intent, before the request", func(h *host, reached func()) {
			h.b.onUpsert = func(context.Context, connector.UpsertRequest) error { reached(); return nil }
		}, 1},
		{"after the effect, before the answer", func(h *host, reached func()) {
			h.b.onAnswer = func(context.Context, connector.UpsertRequest) error { reached(); return nil }
		}, 1},
		{"after the answer, before its commit", func(h *host, reached func()) {
			h.queue.onComplete = func(context.Context, *db.Tx) error { reached(); return errInjected }
		}, 1},
		{"after the commit", func(h *host, reached func()) { h.after = func(job.Attempt) { reached() } }, 0},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) { killedAt(t, step.arm, step.open, false) })
		t.Run(step.name+", with a change and forgotten keys before the restart", func(t *testing.T) { killedAt(t, step.arm, step.open, true) })
	}
}

func killedAt(t *testing.T, arm func(*host, func()), open int, worse bool) {
	t.Parallel()
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	at, release := make(chan struct{}), make(chan struct{})
	first := true
	arm(h, func() {
		if first {
			first = false
			close(at)
			<-release
		}
	})
	w.a.put(contact("c1", "Ada"))
	h.pollAll()
	h.start()
	receive(t, at)
	next := h.crash(w)
	close(release)
	h.stop()

	if n := next.count(`intent WHERE state = 'open'`); n != open {
		t.Errorf("%d intents are open on the dead host's disk, want %d", n, open)
	}
	want := "Ada"
	if worse {
		want = "Ada Lovelace"
		w.b.forget()
		w.a.put(contact("c1", want))
	}
	next.start()
	next.settle()
	next.want("contacts-out", "c1", Done)
	if got := w.b.all(connector.EntityContact); len(got) != 1 || got[0].Contact.Name != want {
		t.Errorf("got %+v, want one %s", got, want)
	}
	if n := next.count(`link WHERE ended_at IS NULL`); n != 1 {
		t.Errorf("got %d links, want 1", n)
	}
	next.sound(w)
	next.quiet(w)
}

// I3: a request that was on its way when its host died arrives after the next
// host has written: the key is the same, so the service does it once.
func TestLateRequestOfADeadHost(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	at, late := make(chan struct{}), make(chan struct{})
	first := true
	h.b.onUpsert = func(context.Context, connector.UpsertRequest) error {
		if first {
			first = false
			close(at)
			<-late
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.pollAll()
	h.start()
	receive(t, at)
	next := w.open(t, copyData(t, h.dir), pairRecipe)
	next.start()
	next.settle()
	close(late)
	h.idle()
	if got := w.b.all(connector.EntityContact); len(got) != 1 {
		t.Errorf("got %d contacts, want 1", len(got))
	}
	next.sound(w)
}

// I4: outcome, link, audit entry and the job's end are there together or not at
// all.
func TestOutcomeCommitsWithTheJobsEnd(t *testing.T) {
	w, h := newHost(t)
	failures := 0
	h.queue.onComplete = func(ctx context.Context, tx *db.Tx) error {
		if failures == 0 {
			failures++
			return errInjected
		}
		return nil
	}
	h.b.onUpsert = func(_ context.Context, req connector.UpsertRequest) error {
		if req.Writes[0].Attempt == 1 {
			return nil
		}
		if n := h.count(`link`) + h.count(`intent WHERE state = 'settled'`) + h.count(`audit_entry WHERE kind = 'outcome'`); n != 0 {
			t.Errorf("%d rows are left of a transaction that was rolled back", n)
		}
		// What the failed transaction would have noted must not count either: the
		// digest of a write without an outcome would hide it from the next run.
		got := h.work("contacts-out", "c1")
		if got.digest != "" || got.version != "" || got.doneGeneration != 0 {
			t.Errorf("work after the roll-back: digest %q, version %q, done %d", got.digest, got.version, got.doneGeneration)
		}
		return nil
	}
	w.a.put(contact("c1", "Ada"))
	h.settle()
	h.want("contacts-out", "c1", Done)
	if failures != 1 || w.b.count("upsert") != 2 {
		t.Errorf("got %d failures and %d calls, want 1 and 2", failures, w.b.count("upsert"))
	}
	h.sound(w)
	h.quiet(w)
}

// I9: what cannot be put on the audit trail is not posted.
func TestNothingIsPostedWithoutTheAuditTrail(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), pairRecipe)
	w.a.put(contact("c1", "Ada"))
	h.pollAll()
	h.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `ALTER TABLE audit_entry RENAME TO audit_away`)
		return err
	})
	read := make(chan struct{}, 100)
	h.a.onGet = func(context.Context, connector.GetRequest) error { read <- struct{}{}; return nil }
	h.start()
	for range 3 {
		receive(t, read)
	}
	if n := w.b.count("upsert"); n != 0 {
		t.Errorf("got %d writes, want none", n)
	}
	h.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `ALTER TABLE audit_away RENAME TO audit_entry`)
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.queue.Idle(ctx, 10*storeWait); err != nil { // its wait for the database is 2 s
		t.Fatal(err)
	}
	if w := h.work("contacts-out", "c1"); w.State == Dead {
		if err := h.replay(w.ID); err != nil {
			t.Fatal(err)
		}
		h.idle()
	}
	h.want("contacts-out", "c1", Done)
	h.sound(w)
}
