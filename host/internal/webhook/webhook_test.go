package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name       string
		connection string
		body       string
		set        func(r *rig)
		want       int
		deliveries int
	}{
		{"stored", "one", "events a,b", nil, 200, 1},
		{"a handshake has no events", "one", "hello", nil, 200, 0},
		{"unknown connection", "nobody", "events a", nil, 404, 0},
		{"refused", "one", "events a", func(r *rig) { r.plugin.verdict = connector.Refused }, 401, 0},
		{"refused, a handshake", "one", "hello", func(r *rig) { r.plugin.verdict = connector.Refused }, 401, 0},
		{"no key", "one", "events a", func(r *rig) { r.plugin.verdict = connector.NotConfigured }, 503, 0},
		{"no verdict is no acceptance", "one", "events a", func(r *rig) { r.plugin.verdict = 0 }, 503, 0},
		{"an unknown verdict is no acceptance", "one", "hello", func(r *rig) { r.plugin.verdict = 99 }, 503, 0},
		{"the connector receives none", "one", "events a", func(r *rig) { r.plugin.silent = true }, 503, 0},
		{"the plugin is broken", "one", "events a", func(r *rig) { r.plugin.err = errors.New("broken") }, 503, 0},
		{"connections cannot be read", "one", "events a", func(r *rig) { r.conns.err = errors.New("broken") }, 503, 0},
		{"largest body", "one", strings.Repeat(" ", bodyBytesMax-8) + "events a", nil, 200, 1},
		{"too large", "one", strings.Repeat(" ", bodyBytesMax+1), nil, 413, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if tt.set != nil {
				tt.set(r)
			}
			if got := r.post(tt.connection, tt.body).StatusCode; got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
			if n := r.count("delivery"); n != tt.deliveries {
				t.Errorf("got %d deliveries, want %d", n, tt.deliveries)
			}
			label := tt.connection
			if tt.want == http.StatusNotFound {
				label = "" // a stranger's word is no label
			}
			if got, want := r.metric(), label+" "+http.StatusText(tt.want); got != want {
				t.Errorf("the metric counts %q, want %q", got, want)
			}
		})
	}
}

// metric returns the labels of the one answer that was counted.
func (r *rig) metric() string {
	r.t.Helper()
	all, err := r.reg.Gather()
	if err != nil || len(all) != 1 || len(all[0].GetMetric()) != 1 || all[0].GetMetric()[0].GetCounter().GetValue() != 1 {
		r.t.Fatalf("got %v, %v; want one answer", all, err)
	}
	var out []string
	for _, l := range all[0].GetMetric()[0].GetLabel() {
		out = append(out, l.GetValue())
	}
	return strings.Join(out, " ")
}

// The connector sees the request exactly as it came.
func TestRawRequestReachesThePlugin(t *testing.T) {
	r := newRig(t)
	body := "events a\r\n\x00{ \"b\" :1}  "
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/webhooks/one", strings.NewReader(body))
	req.Header.Set("X-Signature", "abc")
	r.mux.ServeHTTP(httptest.NewRecorder(), req)
	if diff := cmp.Diff(body, string(r.plugin.got.Body)); diff != "" || r.plugin.got.Header.Get("X-Signature") != "abc" || r.plugin.got.ReceivedAt.IsZero() {
		t.Errorf("got %+v\n%s", r.plugin.got.Header, diff)
	}
	if r.mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/webhooks/one", nil)); r.count("delivery") != 1 {
		t.Error("a GET was taken for a delivery")
	}
}

// I1: 200 comes only after the commit: what cannot be stored is answered 503 and
// leaves nothing, and the same delivery is welcome later.
func TestOnlyWhatIsStoredIsAccepted(t *testing.T) {
	r := newRig(t)
	r.intake = func(ctx context.Context, tx *db.Tx, conn string, id int64, events []connector.Event, origin flow.Origin) (int, error) {
		if _, err := storeEvents(ctx, tx, conn, id, events, origin); err != nil {
			return 0, err
		}
		return 0, errors.New("the queue is broken")
	}
	if got := r.post("one", "events a").StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", got)
	}
	if n := r.count("delivery") + r.count("event") + r.count("audit_entry"); n != 0 {
		t.Errorf("%d rows are left of a delivery that was not accepted", n)
	}
	r.intake = nil
	r.exec(`ALTER TABLE audit_head RENAME TO audit_away`) // I9
	if got := r.post("one", "events a").StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("without the audit trail: got %d, want 503", got)
	}
	r.exec(`ALTER TABLE audit_away RENAME TO audit_head`)
	if got := r.post("one", "events a").StatusCode; got != http.StatusOK {
		t.Errorf("later: got %d, want 200", got)
	}
	if r.count("delivery") != 1 || r.count("event") != 1 {
		t.Error("the delivery is not stored once")
	}
}

func (r *rig) exec(query string) {
	r.t.Helper()
	err := r.db.Update(context.Background(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(context.Background(), query)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// A repeat is counted and adds nothing, told by the service's own id or by the
// body; the same body for another connection is another delivery.
func TestRepeats(t *testing.T) {
	r := newRig(t)
	for range 3 {
		if got := r.post("one", "events a").StatusCode; got != http.StatusOK {
			t.Errorf("got %d", got)
		}
	}
	r.plugin.delivery = "d-1"
	r.post("one", "first try, events b")
	r.post("one", "second try, events b")
	r.plugin.account = "acct-2"
	r.post("two", "other account, events a")
	if n, repeats := r.count("delivery"), r.count("delivery WHERE repeats = 2"); n != 3 || repeats != 1 {
		t.Errorf("got %d deliveries, %d with two repeats", n, repeats)
	}
	if n := r.count("event"); n != 3 {
		t.Errorf("got %d events, want 3", n)
	}
	if n := r.count("audit_entry"); n != 3 {
		t.Errorf("got %d audit entries, want one for each delivery", n)
	}
	report, err := r.audit.Verify(t.Context(), r.db.Read(), nil)
	if err != nil || report.Broken != nil {
		t.Errorf("audit trail: %+v, %v", report, err)
	}
}

// Events of another account go to the connection that it belongs to; those of
// nobody's, or of another service's, are none of our business.
func TestEventsOfOtherAccounts(t *testing.T) {
	for _, tt := range []struct {
		account string
		want    string // connection; empty: nobody's
	}{{"", "one"}, {"acct-1", "one"}, {"acct-2", "two"}, {"acct-3", ""}, {"acct-9", ""}} {
		t.Run("account "+tt.account, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.plugin.account = tt.account
			if got := r.post("one", "events a").StatusCode; got != http.StatusOK {
				t.Errorf("got %d", got)
			}
			want := 1
			if tt.want == "" {
				want = 0
			}
			if n := r.count("event WHERE connection = '" + tt.want + "'"); n != want || r.count("event") != want {
				t.Errorf("got %d events for %q, %d in all", n, tt.want, r.count("event"))
			}
		})
	}
}

// hold stops the storing goroutine inside its first transaction.
func (r *rig) hold() (entered, release chan struct{}) {
	entered, release = make(chan struct{}), make(chan struct{})
	first := true
	r.intake = func(ctx context.Context, tx *db.Tx, conn string, id int64, events []connector.Event, origin flow.Origin) (int, error) {
		if first {
			first = false
			close(entered)
			<-release
		}
		if events[0].Ref.ID == "poison" {
			return 0, errors.New("poison")
		}
		return storeEvents(ctx, tx, conn, id, events, origin)
	}
	return entered, release
}

func (r *rig) await(ch <-chan struct{}) {
	r.t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		r.t.Fatal("nothing came")
	}
}

// What waits while a transaction runs shares the next one; a delivery that
// cannot be stored does not take the others with it.
func TestGroupWithAPoisonedDelivery(t *testing.T) {
	r := newRig(t)
	entered, release := r.hold()
	answers := make(chan string, 20)
	var wg sync.WaitGroup
	post := func(id string) {
		wg.Go(func() { answers <- fmt.Sprint(id, " ", r.post("one", "events "+id).StatusCode) })
	}
	post("first")
	r.await(entered)
	for i := range 9 {
		post(fmt.Sprint("good", i))
	}
	post("poison")
	for len(r.h.incoming) < 10 {
		select {
		case <-t.Context().Done():
			t.Fatal("they do not come to wait")
		case <-time.After(time.Millisecond):
		}
	}
	close(release)
	wg.Wait()
	close(answers)
	for a := range answers {
		want := " 200"
		if strings.HasPrefix(a, "poison") {
			want = " 503"
		}
		if !strings.HasSuffix(a, want) {
			t.Errorf("got %s, want%s", a, want)
		}
	}
	if n := r.count("delivery"); n != 10 {
		t.Errorf("got %d deliveries, want 10", n)
	}
	if n := r.count("event WHERE record_id = 'poison'"); n != 0 {
		t.Error("something is left of the poisoned one")
	}
}

// I10: the queue is bounded; beyond it senders are asked to come back, and what
// waits too long is answered before the sender gives up.
func TestFullQueueAndSlowDatabase(t *testing.T) {
	r := newRig(t)
	entered, release := r.hold()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	first := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		r.mux.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/webhooks/one", strings.NewReader("events a")))
		first <- w.Code
	}()
	r.await(entered)
	for range queueMax {
		r.h.incoming <- &delivery{connection: "one", stored: make(chan error, 1), at: time.Now(), dedupe: "same", events: []routed{{"one", connector.Event{}}}}
	}
	if got := r.post("one", "events b").StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("full queue: got %d, want 503", got)
	}
	select {
	case got := <-first:
		if got != http.StatusServiceUnavailable {
			t.Errorf("slow database: got %d, want 503", got)
		}
	case <-time.After(patience):
		t.Fatal("no answer while the database is slow")
	}
	close(release)
}

// A plugin that does not answer costs a 503 in time.
func TestSlowPlugin(t *testing.T) {
	r := newRig(t)
	r.plugin.block = make(chan struct{})
	began := time.Now()
	if got := r.post("one", "events a").StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", got)
	}
	if took := time.Since(began); took > 5*time.Second { // Xero's patience
		t.Errorf("the answer took %s", took)
	}
}

// A delivery whose sender was told to come back is not stored on its own after a
// failed group: a hanging database would keep the queue busy for hours.
func TestLateDeliveryIsLeftToItsSender(t *testing.T) {
	r := newRig(t)
	late := &delivery{connection: "one", dedupe: "d", at: time.Now(), until: time.Now().Add(-time.Second)}
	if err := r.h.storeInTime(late); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	late.until = time.Now().Add(time.Minute)
	if err := r.h.storeInTime(late); err != nil || r.count("delivery") != 1 {
		t.Errorf("in time: got %v, %d deliveries", err, r.count("delivery"))
	}
}
