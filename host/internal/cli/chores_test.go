package cli

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// sweptBooks gives the desk a recipe whose contacts are swept once a day.
func (d *desk) sweptBooks() {
	d.t.Helper()
	d.write(d.books, "pair.yaml", strings.Replace(pairRecipe, "    map:\n", "    sweep: {every: 24h, while: \"contact.name != ''\"}\n    map:\n", 1))
}

// exec changes the desk's database, as time would.
func (d *desk) exec(query string, args ...any) {
	d.t.Helper()
	database, err := db.Open(d.t.Context(), db.Config{Dir: d.data, Shared: true})
	d.must(err)
	d.must(database.Update(d.t.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(d.t.Context(), query, args...)
		return err
	}))
	d.must(database.Close())
}

func (d *desk) swept() int {
	d.t.Helper()
	p := d.ends(exitDone, "audit", "list", "--kind", "poll", "--json")
	return strings.Count(p.out, `"swept"`)
}

func TestSyncSweepsWhenItIsDue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sweptBooks()
	d.work()
	again := func() { d.ends(exitPerson, "sync", "--recipe", "pair", "--param", "region=north") }
	again()
	if n := d.swept(); n != 0 {
		t.Errorf("%d sweeps on the first day", n)
	}
	d.exec(`UPDATE param SET value = $1 WHERE name = 'last_sweep/contacts'`, time.Now().Add(-25*time.Hour).UTC().Format(time.RFC3339))
	for range 2 {
		again()
		if n := d.swept(); n != 1 {
			t.Errorf("%d sweeps on the second day, want 1", n)
		}
	}
	d.ends(exitDone, "audit", "verify")
}

func TestServiceDoesItsChores(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sweptBooks()
	d.work()
	// A sweep is due that finds nothing: what it queued would not be settled, and
	// its events would stay.
	d.exec(`UPDATE work SET sweep = 0`)
	d.exec(`UPDATE param SET value = '2026-01-01T00:00:00Z' WHERE name = 'last_sweep/contacts'`)
	d.exec(`UPDATE event SET seen_at = $1`, time.Now().AddDate(0, 0, -91))
	d.exec(`INSERT INTO delivery (connection, received_at, dedupe, body_sha256, bytes, events)
		VALUES ('left', $1, 'old', '', 1, 1), ('left', $2, 'new', '', 1, 1)`, time.Now().AddDate(0, 0, -91), time.Now())

	c := &command{set: settings{data: d.data, plugins: d.plugins, recipes: d.books}, log: hclog.NewNullLogger()}
	r, err := c.open(t.Context(), false)
	d.must(err)
	defer r.close()
	selections, err := r.load(t.Context(), choice{names: []string{"pair"}, params: []string{"region=north"}})
	d.must(err)
	e, err := r.engine(selections)
	d.must(err)
	s := &service{r: r, engine: e}
	ctx, cancel := context.WithCancel(t.Context())
	s.startChores(ctx)
	// Bob's event stays: he waits for a person.
	done := func() (so bool) {
		d.must(r.db.Read().QueryRowContext(t.Context(), `SELECT
			(SELECT COUNT(*) FROM event) = 1 AND (SELECT COUNT(*) FROM delivery) = 1
			AND (SELECT COUNT(*) FROM param WHERE name = 'last_sweep/contacts' AND value > '2026-01-02') = 1`).Scan(&so))
		return so
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			var left string
			d.must(r.db.Read().QueryRowContext(t.Context(), `SELECT (SELECT COUNT(*) FROM event) || ' events, ' || (SELECT COUNT(*) FROM delivery)`).Scan(&left))
			t.Fatal("the chores are not done: " + left)
		}
	}
	cancel()
	s.polls.Wait()
}
