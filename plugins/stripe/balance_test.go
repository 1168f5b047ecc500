package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	stripe "github.com/stripe/stripe-go/v76"
	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// Each type that Stripe's library knows is in one place, so that none is counted
// twice, and none lands among the adjustments because nobody thought of it.
func TestEveryTypeHasOnePlace(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/stripe/stripe-go/v76").Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(out)), "balancetransaction.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := v.Type.(*ast.Ident); ok && name.Name == "BalanceTransactionType" {
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			known = append(known, text)
		}
		return true
	})
	var have []string
	for _, types := range places {
		for _, kind := range types {
			have = append(have, string(kind))
		}
	}
	slices.Sort(known)
	slices.Sort(have)
	if diff := cmp.Diff(known, have); diff != "" || len(known) < 40 {
		t.Errorf("types, %d known (-known +placed):\n%s", len(known), diff)
	}
}

func TestPlaceOfAdjustments(t *testing.T) {
	source := &stripe.BalanceTransactionSource{ID: "x_1"}
	for _, tt := range []struct {
		name string
		bt   stripe.BalanceTransaction
		want place
	}{
		{"dispute", stripe.BalanceTransaction{Type: "adjustment", ReportingCategory: "dispute", Source: source}, inDisputes},
		{"dispute won", stripe.BalanceTransaction{Type: "adjustment", ReportingCategory: "dispute_reversal", Source: source}, inDisputes},
		{"dispute of nothing", stripe.BalanceTransaction{Type: "adjustment", ReportingCategory: "dispute"}, inAdjustments},
		{"refund failed", stripe.BalanceTransaction{Type: "adjustment", ReportingCategory: "refund_failure", Source: source}, inFailures},
		{"fee", stripe.BalanceTransaction{Type: "adjustment", ReportingCategory: "fee"}, inFees},
		{"other", stripe.BalanceTransaction{Type: "adjustment", ReportingCategory: "other_adjustment", Source: source}, inAdjustments},
		{"a type of next year", stripe.BalanceTransaction{Type: "fee_credit_funding"}, inAdjustments},
		{"a charge", stripe.BalanceTransaction{Type: "charge", ReportingCategory: "charge", Source: source}, inReceipts},
	} {
		if got := placeOf(&tt.bt); got != tt.want {
			t.Errorf("%s: place %d, want %d", tt.name, got, tt.want)
		}
	}
}

// books follows every stream of an account and adds up what the records say.
type books struct {
	b     *bench
	lists map[string]*follower
	seen  map[string]map[string]bool // ids by stream
}

func newBooks(b *bench, size int) *books {
	k := &books{b: b, lists: map[string]*follower{}, seen: map[string]map[string]bool{}}
	for _, name := range []string{"", streamFees, streamDailyFees, streamPayouts, streamDisputes, streamAdjustments} {
		k.lists[name] = &follower{b: b, entity: connector.EntityPayment, stream: name, size: size}
		k.seen[name] = map[string]bool{}
	}
	return k
}

// poll reads one page of a stream, or all that there is.
func (k *books) poll(stream string, all bool) {
	more := true
	for more {
		page := k.lists[stream].page()
		for _, rec := range page.Records {
			k.seen[stream][rec.ID] = true
		}
		more = all && page.More
	}
}

// read gets all records of a stream afresh.
func (k *books) read(stream string) []connector.Record {
	k.b.t.Helper()
	var out []connector.Record
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(k.seen[stream])), batchMax) {
		out = append(out, k.b.get(connector.EntityPayment, batch...)...)
	}
	return out
}

// moved is what a payment did to the balance. A refund that is pending has left it.
func moved(rec connector.Record) money.Amount {
	p := rec.Payment
	out := p.Settled
	incoming := p.Kind == connector.PaymentReceipt || p.Kind == connector.PaymentFeeRefund ||
		p.Kind == connector.PaymentAdjustment && p.Extra["direction"].Text == "in"
	if !incoming && out.IsSet() {
		out = money.MustNew(-out.Minor(), out.Currency())
	}
	waiting := p.Status == connector.PaymentPending && p.Kind != connector.PaymentRefund
	if p.Status == connector.PaymentFailed || waiting || !out.IsSet() {
		return money.Amount{}
	}
	return out
}

// sums adds up all streams but the days, which say the same as the fees.
func (k *books) sums() map[money.Currency]int64 {
	out := map[money.Currency]int64{}
	for stream := range k.lists {
		if stream == streamDailyFees {
			continue
		}
		for _, rec := range k.read(stream) {
			if m := moved(rec); m.IsSet() {
				out[m.Currency()] += m.Minor()
			}
		}
	}
	return out
}

// agree compares with the balance of the stand-in, whose settlement currencies have
// the same units as ours.
func (k *books) agree() error {
	got := k.sums()
	for _, f := range k.b.srv.Balance() {
		cur := money.Currency(strings.ToUpper(f.Currency))
		if got[cur] != f.Total {
			return fmt.Errorf("the records add up to %d %s, the balance is %d", got[cur], cur, f.Total)
		}
	}
	return nil
}

// history plays random business on an account.
type history struct {
	t        *rapid.T
	b        *bench
	k        *books
	charges  []string
	refunds  []string
	disputes []string
	payouts  []string
}

func (h *history) pick(from []string) string {
	if len(from) == 0 {
		return "none"
	}
	return rapid.SampledFrom(from).Draw(h.t, "which")
}

// step does one thing. What the service refuses did not happen.
func (h *history) step() {
	t, srv := h.t, h.b.srv
	amount := func() int64 { return rapid.Int64Range(100, 90_000).Draw(t, "amount") }
	cur := func() string { return rapid.SampledFrom([]string{"nzd", "usd", "eur", "jpy"}).Draw(t, "currency") }
	own := func() string { return rapid.SampledFrom([]string{"nzd", "usd"}).Draw(t, "balance") }
	keep := func(to *[]string) func(string, error) {
		return func(id string, err error) {
			if err == nil {
				*to = append(*to, id)
			}
		}
	}
	steps := map[string]func(){
		"charge": func() { keep(&h.charges)(srv.Charge(stand.OtherCharge{Amount: amount(), Currency: cur()})) },
		"debit": func() {
			keep(&h.charges)(srv.Charge(stand.OtherCharge{Amount: amount(), Currency: cur(), Debit: true}))
		},
		"refund": func() {
			status := rapid.SampledFrom([]string{"", "pending", "failed_later"}).Draw(t, "status")
			keep(&h.refunds)(srv.Refund(h.pick(h.charges), amount()/7, status))
		},
		"fail refund":  func() { _ = srv.FailRefund(h.pick(h.refunds)) },
		"late failure": func() { _ = srv.FailCharge(h.pick(h.charges)) },
		"dispute": func() {
			part := rapid.SampledFrom([]int64{0, 99}).Draw(t, "part")
			keep(&h.disputes)(srv.Dispute(h.pick(h.charges), part, rapid.Bool().Draw(t, "inquiry")))
		},
		"close": func() {
			_ = srv.CloseDispute(h.pick(h.disputes), rapid.SampledFrom([]string{"won", "lost"}).Draw(t, "end"))
		},
		"return fees": func() { srv.ReturnFees(rapid.Bool().Draw(t, "on")) },
		"fee": func() {
			_, _ = srv.Fee(stand.Movement{Amount: amount() - 20_000, Currency: own()})
		},
		"adjust": func() {
			kind := rapid.SampledFrom([]string{"", "topup", "reserve_transaction", "application_fee"}).Draw(t, "type")
			_, _ = srv.Adjust(stand.Movement{Amount: amount() - 20_000, Currency: own(), Type: kind})
		},
		"payout": func() {
			keep(&h.payouts)(srv.PayOut(stand.PayoutOrder{Currency: own(), Pending: rapid.Bool().Draw(t, "pending"),
				Debit: rapid.Bool().Draw(t, "debit"), Amount: rapid.SampledFrom([]int64{0, 0, 500}).Draw(t, "manual")}))
		},
		"end payout": func() {
			end := rapid.SampledFrom([]func(string) error{srv.PayPayout, srv.FailPayout, srv.CancelPayout}).Draw(t, "end")
			_ = end(h.pick(h.payouts))
		},
		"revalue": func() { h.b.must(srv.Revalue(cur(), rapid.Int64Range(50, 150).Draw(t, "num"), 100)) },
		"wait": func() {
			h.b.clock.Advance(time.Duration(rapid.SampledFrom([]int{1, 90, 3_000, 50_000, 400_000}).Draw(t, "s")) * time.Second)
		},
		"poll": func() {
			h.k.poll(rapid.SampledFrom(slices.Sorted(maps.Keys(h.k.lists))).Draw(t, "stream"), rapid.Bool().Draw(t, "all"))
		},
	}
	steps[rapid.SampledFrom(slices.Sorted(maps.Keys(steps))).Draw(t, "step")]()
}

// For every history of an account, what the streams, receipts and refunds say adds
// up to its balance, in every currency that has one, and the days to their fees.
func TestStreamsAddUpToTheBalance(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	if before := checks.Value.String(); before == checks.DefValue { // each plays against a server of its own
		_ = flag.Set("rapid.checks", "30")
		t.Cleanup(func() { _ = flag.Set("rapid.checks", before) })
	}
	rapid.Check(t, func(rt *rapid.T) {
		b := newBenchOf(t, stand.Config{Balances: []string{"usd"}})
		defer b.close()
		h := &history{t: rt, b: b, k: newBooks(b, rapid.SampledFrom([]int{2, 5, 40}).Draw(rt, "page size"))}
		for range rapid.IntRange(5, 25).Draw(rt, "steps") {
			h.step()
		}
		for stream := range h.k.lists {
			h.k.poll(stream, true)
		}
		if err := h.k.agree(); err != nil {
			rt.Fatal(err)
		}
		b.clock.Advance(26 * time.Hour)
		h.k.poll(streamDailyFees, true)
		if diff := cmp.Diff(h.k.feesByDay(), h.k.days()); diff != "" {
			rt.Fatalf("days of fees (-added up +listed):\n%s", diff)
		}
	})
}

// feesByDay adds the fees up by day and currency.
func (k *books) feesByDay() map[string]int64 {
	out := map[string]int64{}
	for _, rec := range k.read(streamFees) {
		m := moved(rec)
		out[connector.DateOf(rec.Payment.PaidAt).String()+" "+string(m.Currency())] += m.Minor()
	}
	maps.DeleteFunc(out, func(_ string, sum int64) bool { return sum == 0 })
	return out
}

func (k *books) days() map[string]int64 {
	out := map[string]int64{}
	for _, rec := range k.read(streamDailyFees) {
		m := moved(rec)
		out[rec.Payment.Date.String()+" "+string(m.Currency())] += m.Minor()
	}
	return out
}
