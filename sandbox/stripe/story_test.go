package stripe_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	stripego "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// TestStory follows an invoice from its draft to the payout of its payment, by
// the SDK.
func TestStory(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	cus := b.customer()
	draft := b.draft(cus, 10050, "nzd", "metadata[xero_invoice_id]=x1", "metadata[xero_invoice_number]=INV-1")
	b.must(b.line(cus, draft, -50, "nzd"))
	params := &stripego.InvoiceFinalizeInvoiceParams{}
	params.AddExpand("payment_intent")
	inv, err := b.api.Invoices.FinalizeInvoice(draft, params)
	b.must(err)
	if inv.Status != "open" || inv.AmountDue != 10000 || inv.AmountRemaining != 10000 || inv.HostedInvoiceURL == "" || inv.Number == "" || len(inv.Lines.Data) != 2 {
		t.Fatalf("after finalize: %+v", inv)
	}
	pi := inv.PaymentIntent
	if pi.Amount != 10000 || pi.Status != "requires_payment_method" || len(pi.Metadata) != 0 {
		t.Fatalf("payment intent: %+v", pi)
	}
	mark := map[string]string{"xero_invoice_id": "x1", "xero_invoice_number": "INV-1"}
	piParams := &stripego.PaymentIntentParams{}
	for k, v := range mark {
		piParams.AddMetadata(k, v)
	}
	_, err = b.api.PaymentIntents.Update(pi.ID, piParams)
	b.must(err)

	chargeID, err := b.srv.Pay("INV-1", stripe.OutcomeSuccess)
	b.must(err)
	chParams := &stripego.ChargeParams{}
	for _, path := range []string{"balance_transaction", "invoice.customer", "payment_intent", "refunds"} {
		chParams.AddExpand(path)
	}
	ch, err := b.api.Charges.Get(chargeID, chParams)
	b.must(err)
	if diff := cmp.Diff(mark, ch.Metadata); diff != "" {
		t.Errorf("charge metadata (-want +got):\n%s", diff)
	}
	if ch.Invoice.ID != inv.ID || ch.Invoice.Customer.Email != "ada@example.com" || ch.PaymentIntent.Status != "succeeded" {
		t.Errorf("expanded charge: %+v", ch)
	}
	bt := ch.BalanceTransaction // 2.9 % of 10000 and 30
	if bt.Amount != 10000 || bt.Fee != 320 || bt.Net != 9680 || len(bt.FeeDetails) != 1 || bt.Status != "pending" {
		t.Errorf("balance transaction: %+v", bt)
	}
	paid, err := b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	if paid.Status != "paid" || !paid.Paid || paid.PaidOutOfBand || paid.AmountPaid != 10000 || paid.AmountRemaining != 0 || paid.Charge.ID != chargeID {
		t.Errorf("paid invoice: %+v", paid)
	}
	refundPart(b, chargeID)

	clock.Advance(49 * time.Hour)
	payoutPart(b)
}

func refundPart(b *bench, chargeID string) {
	b.t.Helper()
	re, err := b.api.Refunds.New(&stripego.RefundParams{Charge: stripego.String(chargeID), Amount: stripego.Int64(2500)})
	b.must(err)
	if re.Status != "succeeded" || re.Amount != 2500 || len(re.Metadata) != 0 {
		b.t.Errorf("refund: %+v", re)
	}
	_, err = b.api.Refunds.New(&stripego.RefundParams{Charge: stripego.String(chargeID), Amount: stripego.Int64(7501)})
	if e := stripeError(err); e == nil || e.Code != "amount_too_large" || e.HTTPStatusCode != 400 {
		b.t.Errorf("refund of too much: %v", err)
	}
	ch, err := b.api.Charges.Get(chargeID, nil)
	b.must(err)
	if ch.AmountRefunded != 2500 || ch.Refunded || ch.Refunds != nil {
		b.t.Errorf("charge after refund: %d %v %v", ch.AmountRefunded, ch.Refunded, ch.Refunds)
	}
	b.must(b.srv.FailRefund(re.ID))
	ch, err = b.api.Charges.Get(chargeID, nil)
	b.must(err)
	re, err = b.api.Refunds.Get(re.ID, nil)
	b.must(err)
	if ch.AmountRefunded != 0 || re.Status != "failed" || re.FailureBalanceTransaction == nil {
		b.t.Errorf("after the refund failed: %d %+v", ch.AmountRefunded, re)
	}
}

func payoutPart(b *bench) {
	b.t.Helper()
	id, err := b.srv.MakePayout()
	b.must(err)
	po, err := b.api.Payouts.Get(id, nil)
	b.must(err)
	if po.Status != "in_transit" || po.Amount != 9680 || !po.Automatic {
		b.t.Errorf("payout: %+v", po)
	}
	b.must(b.srv.PayPayout(id))
	list := &stripego.BalanceTransactionListParams{Payout: stripego.String(id)}
	list.AddExpand("data.source")
	var sum int64
	kinds := map[string]int{}
	it := b.api.BalanceTransactions.List(list)
	for it.Next() {
		bt := it.BalanceTransaction()
		sum += bt.Net
		kinds[string(bt.Type)]++
		if bt.Type == "charge" && bt.Source.Charge.Amount != 10000 {
			b.t.Errorf("source of the charge: %+v", bt.Source)
		}
	}
	b.must(it.Err())
	want := map[string]int{"charge": 1, "refund": 1, "payout": 1, "refund_failure": 1}
	if sum != 0 || !maps.Equal(kinds, want) {
		b.t.Errorf("payout parts: sum %d, kinds %v, want 0 and %v", sum, kinds, want)
	}
}

func TestMetadataSnapshot(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 5000, "nzd", "metadata[xero_invoice_id]=x1")
	late, err := b.srv.Pay(inv.ID, stripe.OutcomeSuccess)
	b.must(err)
	params := &stripego.PaymentIntentParams{}
	params.AddMetadata("xero_invoice_id", "x1")
	_, err = b.api.PaymentIntents.Update(inv.PaymentIntent.ID, params)
	b.must(err)
	ch, err := b.api.Charges.Get(late, nil)
	b.must(err)
	if len(ch.Metadata) != 0 || ch.Invoice.ID != inv.ID {
		t.Errorf("a payment before the marks: metadata %v, invoice %v; want none, and the invoice", ch.Metadata, ch.Invoice)
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name, outcome, settle string
		status                stripego.InvoiceStatus
		charges               []string // oldest first
	}{
		{name: "success", outcome: "success", status: "paid", charges: []string{"succeeded"}},
		{name: "decline", outcome: "decline", status: "open", charges: []string{"failed"}},
		{name: "decline then success", outcome: "decline_then_success", status: "paid", charges: []string{"failed", "succeeded"}},
		{name: "bank debit under way", outcome: "async", status: "open", charges: []string{"pending"}},
		{name: "bank debit paid", outcome: "async", settle: "success", status: "paid", charges: []string{"succeeded"}},
		{name: "bank debit failed", outcome: "async", settle: "fail", status: "open", charges: []string{"failed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, stripe.Config{})
			inv := b.open(b.customer(), 5000, "nzd")
			_, err := b.srv.Pay(inv.ID, tt.outcome)
			b.must(err)
			if tt.settle != "" {
				_, err = b.srv.Settle(inv.ID, tt.settle)
				b.must(err)
			}
			got, err := b.api.Invoices.Get(inv.ID, nil)
			b.must(err)
			var charges []string
			it := b.api.Charges.List(&stripego.ChargeListParams{PaymentIntent: stripego.String(inv.PaymentIntent.ID)})
			for it.Next() {
				charges = append(charges, string(it.Charge().Status))
			}
			b.must(it.Err())
			slices.Reverse(charges)
			if got.Status != tt.status || !slices.Equal(charges, tt.charges) {
				t.Errorf("invoice %s, charges %v; want %s, %v", got.Status, charges, tt.status, tt.charges)
			}
		})
	}
}

func TestForeignCurrency(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 10000, "usd")
	id, err := b.srv.Pay(inv.ID, "success")
	b.must(err)
	raw := b.ok(b.do("GET", "/v1/charges/"+id, "expand[]=balance_transaction"))
	bt, _ := raw.body["balance_transaction"].(map[string]any)
	// 1 usd is 5/3 nzd in the sandbox's table.
	if bt["currency"] != "nzd" || bt["amount"] != json.Number("16667") || bt["exchange_rate"] != json.Number("1.666667") || bt["fee"] != json.Number("513") {
		t.Errorf("balance transaction: %v", bt)
	}
}

func TestDelayedBalance(t *testing.T) {
	b := newBench(t, stripe.Config{})
	b.srv.DelayBalance(true)
	id, err := b.srv.Pay(b.open(b.customer(), 5000, "nzd").ID, "success")
	b.must(err)
	ch, err := b.api.Charges.Get(id, nil)
	b.must(err)
	if ch.BalanceTransaction != nil {
		t.Fatal("the balance transaction is there at once")
	}
	b.srv.SettleBalance()
	ch, err = b.api.Charges.Get(id, nil)
	b.must(err)
	updated := b.ok(b.do("GET", "/v1/events", "type=charge.updated"))
	if n, _ := updated.body["data"].([]any); ch.BalanceTransaction == nil || len(n) != 1 {
		t.Errorf("after settling: %v, %d events", ch.BalanceTransaction, len(n))
	}
}

func TestDispute(t *testing.T) {
	b := newBench(t, stripe.Config{})
	id, err := b.srv.Pay(b.open(b.customer(), 5000, "nzd").ID, "success")
	b.must(err)
	dp, err := b.srv.Dispute(id, 0, false)
	b.must(err)
	_, err = b.api.Refunds.New(&stripego.RefundParams{Charge: stripego.String(id)})
	if e := stripeError(err); e == nil || e.Code != "charge_disputed" {
		t.Errorf("refund of a disputed charge: %v", err)
	}
	b.must(b.srv.CloseDispute(dp, "won"))
	d, err := b.api.Disputes.Get(dp, nil)
	b.must(err)
	if d.Status != "won" || len(d.BalanceTransactions) != 2 || d.BalanceTransactions[0].Net != -7500 || d.BalanceTransactions[1].Net != 5000 {
		t.Errorf("dispute: %+v", d)
	}
}
