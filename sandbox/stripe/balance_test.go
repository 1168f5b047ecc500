package stripe_test

import (
	"encoding/json"
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// What moves the balance without a customer is listed as the service lists it, and
// the control API tells what it came to.
func TestBalanceLevers(t *testing.T) {
	b := newBench(t, stripe.Config{Balances: []string{"usd"}})
	b.ok(b.control("POST", "fees", `{"amount":250,"currency":"usd"}`))
	b.ok(b.control("POST", "adjustments", `{"amount":10000,"type":"topup","description":"From the bank"}`))
	b.ok(b.control("POST", "adjustments", `{"amount":-400,"type":"reserve_transaction"}`))
	for path, body := range map[string]string{
		"adjustments": `{"amount":1,"type":"charge"}`, "fees": `{"amount":1,"currency":"eur"}`, "payouts": `{"amount":1}`, "rates/xxx": `{"num":1,"den":1}`,
	} {
		if r := b.control("POST", path, body); r.status != 400 {
			t.Errorf("POST %s %s: status %d", path, body, r.status)
		}
	}
	b.ok(b.control("POST", "clock", `{"advance":"72h"}`))
	debit := b.ok(b.control("POST", "payouts", `{"currency":"usd","debit":true}`)).body["payout"].(string)
	manual := b.ok(b.control("POST", "payouts", `{"amount":600,"pending":true}`)).body["payout"].(string)
	b.ok(b.control("POST", "payouts/"+manual+"/cancel", ""))
	if r := b.control("POST", "payouts/"+debit+"/cancel", ""); r.status != 400 {
		t.Errorf("a payout on its way was canceled: %s", r.raw)
	}
	for id, want := range map[string]stripego.Payout{debit: {Amount: -250, Status: "in_transit"}, manual: {Amount: 600, Status: "canceled"}} {
		po, err := b.api.Payouts.Get(id, nil)
		b.must(err)
		if po.Amount != want.Amount || po.Status != want.Status || (po.FailureBalanceTransaction != nil) != (want.Status == "canceled") {
			t.Errorf("payout: %+v", po)
		}
	}
	kinds := map[stripego.BalanceTransactionType]int64{}
	it := b.api.BalanceTransactions.List(&stripego.BalanceTransactionListParams{})
	for it.Next() {
		kinds[it.BalanceTransaction().Type] += it.BalanceTransaction().Net
	}
	b.must(it.Err())
	for kind, want := range map[stripego.BalanceTransactionType]int64{
		"stripe_fee": -250, "topup": 10000, "reserve_transaction": -400, "payout": -350, "payout_cancel": 600,
	} {
		if kinds[kind] != want {
			t.Errorf("%s: %d, want %d", kind, kinds[kind], want)
		}
	}
	rows := b.ok(b.control("GET", "balance", "")).body["data"].([]any)
	for i, want := range map[int]json.Number{0: "9600", 1: "0"} {
		if got := rows[i].(map[string]any)["total"]; got != want {
			t.Errorf("balance %d: %v, want %s", i, got, want)
		}
	}
}

// Fees come back only where the account's contract has it so; a refund that fails
// takes its share again.
func TestFeesReturned(t *testing.T) {
	b := newBench(t, stripe.Config{})
	charge := func() string {
		id, err := b.srv.Charge(stripe.OtherCharge{Amount: 10000})
		b.must(err)
		return id
	}
	first := charge()
	_, err := b.srv.Refund(first, 5000, "")
	b.must(err)
	before := b.srv.Balance()[0].Total // 10000 less 320, less 5000
	b.srv.ReturnFees(true)
	re, err := b.srv.Refund(charge(), 5000, "")
	b.must(err)
	after := b.srv.Balance()[0].Total
	b.must(b.srv.FailRefund(re))
	failed := b.srv.Balance()[0].Total
	if before != 4680 || after != 2*4680+160 || failed != 4680+9680 {
		t.Errorf("balances %d, %d, %d", before, after, failed)
	}
	dp, err := b.srv.Dispute(first, 1000, false)
	b.must(err)
	b.must(b.srv.CloseDispute(dp, "won"))
	if won := b.srv.Balance()[0].Total; won != failed {
		t.Errorf("after a dispute that was won: %d, want %d", won, failed)
	}
}

// An answer tells the time of the stand-in, and a currency may change its worth.
func TestRatesAndClock(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	clock.Advance(24 * time.Hour)
	at, err := time.Parse(time.RFC1123, b.do("GET", "/v1/balance").header.Get("Date"))
	if err != nil || at.Before(time.Now().Add(23*time.Hour)) {
		t.Errorf("the answer is of %s (%v)", at, err)
	}
	id, err := b.srv.Charge(stripe.OtherCharge{Amount: 1000, Currency: "eur", Debit: true})
	b.must(err)
	b.must(b.srv.Revalue("eur", 1, 2))
	b.must(b.srv.FailCharge(id))
	p := &stripego.ChargeParams{}
	p.AddExpand("balance_transaction")
	p.AddExpand("failure_balance_transaction")
	ch, err := b.api.Charges.Get(id, p)
	b.must(err)
	if in, out := ch.BalanceTransaction.Amount, ch.FailureBalanceTransaction.Amount; in != 1800 || out != -900 {
		t.Errorf("settled %d, taken back %d", in, out)
	}
}
