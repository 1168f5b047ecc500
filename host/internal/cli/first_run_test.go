package cli

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// What is there before the first run: 3,000 contacts and 2,000 customers.
const (
	byEmail     = 1200 // in both, with one e-mail address and two spellings of the name
	byName      = 200  // in both, with one name and no e-mail address in Xero
	twoThere    = 50   // contacts with two customers each
	twoHere     = 20   // customers with two contacts each
	onlyXero    = 3000 - byEmail - byName - twoThere - 2*twoHere
	onlyStripe  = 2000 - byEmail - byName - 2*twoThere - twoHere
	undecided   = twoThere*3 + twoHere*3 // records that wait for a person
	linkedAfter = byEmail + byName + onlyXero + onlyStripe

	// firstRunCallsMax is what the report and the whole first run may cost: the
	// calls of three minutes.
	firstRunCallsMax = 180
)

// BenchmarkFirstRun joins 3,000 contacts and 2,000 customers that partly
// overlap: the dry run reports them, the first run does what it said. It fails
// when a duplicate is made, somebody is neither linked nor reported, or it costs
// more than firstRunCallsMax calls to Xero.
//
//	go test ./host/internal/cli -run '^$' -bench FirstRun -benchtime 1x
func BenchmarkFirstRun(b *testing.B) {
	plugins := buildPlugins(b)
	for range b.N {
		firstRun(b, plugins)
	}
}

func firstRun(b *testing.B, plugins string) {
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Minute)
	defer cancel()
	c := &command{Streams: Streams{Out: os.Stderr, Err: os.Stderr}, log: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr})}
	c.set.data, c.set.plugins, c.set.recipes = b.TempDir(), plugins, "../../../recipes"
	w, err := newWorld(ctx, c, firstRunCallsMax)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			b.Error(err)
		}
	}()
	w.populate(b)
	w.xero.ResetCalls()
	p, err := w.engine.Preview(ctx, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	reported := w.xero.Calls()
	checkPreviewed(b, p)
	if reported.Writes+w.stripe.Calls().Writes > 0 {
		b.Error("the report wrote")
	}
	if err := c.pass(ctx, w.r, w.engine, time.Time{}); err != nil {
		b.Fatal(err)
	}
	checkFirstRun(ctx, b, w)
	all := w.xero.Calls()
	b.Logf("calls to Xero: %d for the report, %d in all, %d refused: %v", reported.Total, all.Total, all.Rejected, all.ByPath)
	b.ReportMetric(float64(reported.Total), "xero-calls-report")
	b.ReportMetric(float64(all.Total-reported.Total), "xero-calls-run")
	b.ReportMetric(float64(w.stripe.Calls().Total), "stripe-calls")
	if all.Total > firstRunCallsMax || all.Rejected > 0 {
		b.Errorf("it cost %d calls to Xero with %d refused, want at most %d and none", all.Total, all.Rejected, firstRunCallsMax)
	}
}

// populate makes what is there before. Nobody makes a thousand in one second.
func (w *world) populate(b *testing.B) {
	b.Helper()
	contact := func(name, email string) {
		if _, err := w.xero.CreateContact(xero.ContactInput{Name: name, EmailAddress: email}); err != nil {
			b.Fatal(err)
		}
		w.clock.Advance(time.Second)
	}
	customer := func(name, email string) {
		if _, err := w.stripe.CreateCustomer(stripe.CustomerFields{Name: &name, Email: &email}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range byEmail {
		contact(fmt.Sprintf("Mail %04d Limited", i), fmt.Sprintf("mail%04d@example.com", i))
		customer(fmt.Sprintf("Mail %04d Ltd", i), fmt.Sprintf("Mail%04d@Example.com", i))
	}
	for i := range byName {
		contact(fmt.Sprintf("Name %04d", i), "")
		customer(fmt.Sprintf("NAME  %04d", i), fmt.Sprintf("name%04d@example.com", i))
	}
	for i := range twoThere {
		contact(fmt.Sprintf("Two there %04d", i), fmt.Sprintf("there%04d@example.com", i))
		for range 2 {
			customer(fmt.Sprintf("Two there %04d", i), fmt.Sprintf("there%04d@example.com", i))
		}
	}
	for i := range twoHere {
		contact(fmt.Sprintf("Two here %04d, north", i), fmt.Sprintf("here%04d@example.com", i))
		contact(fmt.Sprintf("Two here %04d, south", i), fmt.Sprintf("here%04d@example.com", i))
		customer(fmt.Sprintf("Two here %04d", i), fmt.Sprintf("here%04d@example.com", i))
	}
	for i := range onlyXero {
		contact(fmt.Sprintf("Xero %04d", i), fmt.Sprintf("xero%04d@example.com", i))
	}
	for i := range onlyStripe {
		customer(fmt.Sprintf("Stripe %04d", i), fmt.Sprintf("stripe%04d@example.com", i))
	}
}

func checkPreviewed(b *testing.B, p flow.Previewed) {
	b.Helper()
	if len(p.Matching) != 1 {
		b.Fatalf("got %d reports, want one", len(p.Matching))
	}
	m := p.Matching[0]
	for _, x := range []struct {
		what      string
		got, want int
	}{
		{"to be linked", len(m.Link), byEmail + byName}, {"to be made", len(m.Create), onlyXero + onlyStripe},
		{"for a person", len(m.Person), twoThere + twoHere}, {"groups of duplicates", len(m.Duplicates), twoThere + twoHere},
	} {
		if x.got != x.want {
			b.Errorf("%s: got %d, want %d", x.what, x.got, x.want)
		}
	}
}

// checkFirstRun compares both sides with what the report said.
func checkFirstRun(ctx context.Context, b *testing.B, w *world) {
	b.Helper()
	var links int
	if err := w.r.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM link WHERE ended_at IS NULL`).Scan(&links); err != nil {
		b.Fatal(err)
	}
	totals, err := w.engine.Totals(ctx)
	if err != nil {
		b.Fatal(err)
	}
	customers, err := w.engine.ListAll(ctx, "stripe", "contact", "", time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	for _, x := range []struct {
		what      string
		got, want int
	}{
		{"links", links, linkedAfter}, {"left to a person", totals.Person, undecided},
		{"contacts", len(w.xero.Contacts()), 3000 + onlyStripe}, {"customers", len(customers), 2000 + onlyXero},
	} {
		if x.got != x.want {
			b.Errorf("%s: got %d, want %d", x.what, x.got, x.want)
		}
	}
	marked := map[string]bool{}
	for _, rec := range customers {
		if id := rec.Contact.Marks["xero_contact_id"]; id != "" {
			if marked[id] {
				b.Errorf("contact %s has two customers", id)
			}
			marked[id] = true
		}
	}
	if len(marked) != linkedAfter {
		b.Errorf("%d customers bear a mark, want %d", len(marked), linkedAfter)
	}
}
