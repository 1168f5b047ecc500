package stripe_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

func TestDueDate(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	cus := b.customer()
	past := fmt.Sprint("due_date=", clock.Now().Add(-time.Hour).Unix())
	soon := fmt.Sprint("due_date=", clock.Now().Add(time.Hour).Unix())
	tests := []struct {
		name   string
		params []string
		param  string // of the refusal; empty: accepted
	}{
		{name: "future", params: []string{"collection_method=send_invoice", soon}},
		{name: "days", params: []string{"collection_method=send_invoice", "days_until_due=0"}},
		{name: "past", params: []string{"collection_method=send_invoice", past}, param: "due_date"},
		{name: "none", params: []string{"collection_method=send_invoice"}, param: "days_until_due"},
		{name: "both", params: []string{"collection_method=send_invoice", soon, "days_until_due=1"}, param: "due_date"},
		{name: "charged automatically", params: []string{soon}, param: "due_date"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := b.do("POST", "/v1/invoices", append(tt.params, "customer="+cus)...)
			if (got.status == 200) != (tt.param == "") || got.errorField("param") != tt.param {
				t.Errorf("got %s", got.raw)
			}
		})
	}
	inv := b.ok(b.do("POST", "/v1/invoices", "customer="+cus, "collection_method=send_invoice", soon))
	id := inv.body["id"].(string)
	b.must(b.line(cus, id, 500, "nzd"))
	clock.Advance(2 * time.Hour)
	if got := b.do("POST", "/v1/invoices/"+id+"/finalize"); got.status != 400 || got.errorField("param") != "due_date" {
		t.Errorf("finalize after the due date: %s", got.raw)
	}
}

// Nobody can be sent an invoice without an address; to be charged automatically
// none is needed.
func TestInvoiceNeedsAnAddressToBeSent(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus, err := b.srv.CreateCustomer(stripe.CustomerFields{Name: stripego.String("No Mail Ltd")})
	b.must(err)
	got := b.do("POST", "/v1/invoices", "customer="+cus, "collection_method=send_invoice", "days_until_due=3")
	if got.status != 400 || !strings.HasPrefix(got.errorField("message"), "Missing email.") {
		t.Errorf("sent: %s", got.raw)
	}
	b.ok(b.do("POST", "/v1/invoices", "customer="+cus, "auto_advance=false"))
}

func TestFinalize(t *testing.T) {
	tests := []struct {
		name     string
		balance  int64 // of the customer before
		percent  int64 // discount of the customer
		amount   int64
		extra    []string
		status   stripego.InvoiceStatus
		due      int64
		balanced int64 // balance after
	}{
		{name: "plain", amount: 5000, status: "open", due: 5000},
		{name: "minimum", amount: 50, status: "open", due: 50},
		{name: "below the minimum", amount: 49, status: "paid", due: 0, balanced: 49},
		{name: "zero", amount: 0, status: "paid", due: 0},
		{name: "negative becomes credit", amount: -700, status: "paid", due: 0, balanced: -700},
		{name: "credit lowers it", balance: -1000, amount: 5000, status: "open", due: 4000},
		{name: "credit covers it", balance: -9000, amount: 5000, status: "paid", due: 0, balanced: -4000},
		{name: "debt raises it", balance: 300, amount: 5000, status: "open", due: 5300},
		{name: "discount is inherited", percent: 10, amount: 5005, status: "open", due: 4504},
		{name: "discount is refused", percent: 10, amount: 5005, extra: []string{"discounts="}, status: "open", due: 5005},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, stripe.Config{})
			cus := b.customer()
			b.must(b.srv.SetBalance(cus, tt.balance))
			b.must(b.srv.SetDiscount(cus, stripe.Discount{Percent: tt.percent}))
			inv := b.open(cus, tt.amount, "nzd", tt.extra...)
			c, err := b.api.Customers.Get(cus, nil)
			b.must(err)
			if inv.Status != tt.status || inv.AmountDue != tt.due || c.Balance != tt.balanced {
				t.Errorf("got %s, due %d, balance %d; want %s, %d, %d", inv.Status, inv.AmountDue, c.Balance, tt.status, tt.due, tt.balanced)
			}
			if (inv.PaymentIntent != nil) != (tt.due > 0) || inv.Charge != nil || inv.PaidOutOfBand {
				t.Errorf("payment: %+v", inv.PaymentIntent)
			}
			if inv.StartingBalance != tt.balance || inv.EndingBalance != tt.balanced {
				t.Errorf("balances %d to %d, want %d to %d", inv.StartingBalance, inv.EndingBalance, tt.balance, tt.balanced)
			}
		})
	}
}

func TestVoidGivesBalanceBack(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus := b.customer()
	b.must(b.srv.SetBalance(cus, -1000))
	inv := b.open(cus, 5000, "nzd")
	got, err := b.api.Invoices.VoidInvoice(inv.ID, &stripego.InvoiceVoidInvoiceParams{})
	b.must(err)
	c, err := b.api.Customers.Get(cus, nil)
	b.must(err)
	pi, err := b.api.PaymentIntents.Get(inv.PaymentIntent.ID, nil)
	b.must(err)
	if got.Status != "void" || c.Balance != -1000 || pi.Status != "canceled" || pi.CancellationReason != "void_invoice" {
		t.Errorf("invoice %s, balance %d, payment intent %s (%s)", got.Status, c.Balance, pi.Status, pi.CancellationReason)
	}
}

func TestStates(t *testing.T) {
	steps := map[string]func(b *bench, id string) response{
		"finalize":      func(b *bench, id string) response { return b.do("POST", "/v1/invoices/"+id+"/finalize") },
		"void":          func(b *bench, id string) response { return b.do("POST", "/v1/invoices/"+id+"/void") },
		"uncollectible": func(b *bench, id string) response { return b.do("POST", "/v1/invoices/"+id+"/mark_uncollectible") },
		"out of band": func(b *bench, id string) response {
			return b.do("POST", "/v1/invoices/"+id+"/pay", "paid_out_of_band=true")
		},
		"delete":        func(b *bench, id string) response { return b.do("DELETE", "/v1/invoices/"+id) },
		"send":          func(b *bench, id string) response { return b.do("POST", "/v1/invoices/"+id+"/send") },
		"edit due date": func(b *bench, id string) response { return b.do("POST", "/v1/invoices/"+id, "days_until_due=9") },
		"edit metadata": func(b *bench, id string) response { return b.do("POST", "/v1/invoices/"+id, "metadata[k]=v") },
	}
	tests := []struct {
		path, status string
		code         string // of the last step; empty: accepted
	}{
		{path: "finalize", status: "open"},
		{path: "send", status: "open"},
		{path: "edit due date", status: "draft"},
		{path: "void", status: "draft", code: "status_transition_invalid"},
		{path: "out of band", status: "draft", code: "status_transition_invalid"},
		{path: "finalize, finalize", status: "open", code: "invoice_not_editable"},
		{path: "finalize, delete", status: "open", code: "invoice_not_editable"},
		{path: "finalize, edit due date", status: "open", code: "invoice_not_editable"},
		{path: "finalize, edit metadata", status: "open"},
		{path: "finalize, out of band", status: "paid"},
		{path: "finalize, uncollectible", status: "uncollectible"},
		{path: "finalize, uncollectible, out of band", status: "paid"},
		{path: "finalize, uncollectible, void", status: "void"},
		{path: "finalize, void, out of band", status: "void", code: "status_transition_invalid"},
		{path: "finalize, out of band, void", status: "paid", code: "invoice_already_paid"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			b := newBench(t, stripe.Config{})
			id := b.draft(b.customer(), 5000, "nzd")
			var last response
			for _, step := range strings.Split(tt.path, ", ") {
				last = steps[step](b, id)
			}
			inv := b.ok(b.do("GET", "/v1/invoices/"+id))
			if inv.body["status"] != tt.status || last.errorField("code") != tt.code {
				t.Errorf("got %v, %s", inv.body["status"], last.raw)
			}
		})
	}
}

func TestOutOfBandHasNoCharge(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 5000, "nzd")
	got, err := b.api.Invoices.Pay(inv.ID, &stripego.InvoicePayParams{PaidOutOfBand: stripego.Bool(true)})
	b.must(err)
	if !got.Paid || !got.PaidOutOfBand || got.Charge != nil || got.AmountPaid != 0 {
		t.Errorf("invoice: %+v", got)
	}
	paid := b.ok(b.do("GET", "/v1/events", "types[]=invoice.paid", "types[]=invoice.payment_succeeded", "types[]=charge.succeeded"))
	if n := paid.body["data"].([]any); len(n) != 1 {
		t.Errorf("%d events, want invoice.paid only", len(n))
	}
}

func TestPaymentInFlight(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 5000, "nzd")
	_, err := b.srv.Pay(inv.ID, stripe.OutcomeAsync)
	b.must(err)
	for name, got := range map[string]response{
		"void":        b.do("POST", "/v1/invoices/"+inv.ID+"/void"),
		"out of band": b.do("POST", "/v1/invoices/"+inv.ID+"/pay", "paid_out_of_band=true"),
		"credit note": b.do("POST", "/v1/credit_notes", "invoice="+inv.ID, "amount=100"),
	} {
		if got.status != 400 || got.errorField("code") != "payment_intent_unexpected_state" {
			t.Errorf("%s while processing: %s", name, got.raw)
		}
	}
	_, err = b.srv.Settle(inv.ID, "fail")
	b.must(err)
	b.ok(b.do("POST", "/v1/invoices/"+inv.ID+"/void"))
}

func TestLines(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus := b.customer()
	pending := b.ok(b.do("POST", "/v1/invoiceitems", "customer="+cus, "amount=700", "currency=nzd"))
	excluded := b.draft(cus, 1000, "nzd")
	included := b.draft(cus, 1000, "nzd", "pending_invoice_items_behavior=include")
	for id, want := range map[string]json.Number{excluded: "1000", included: "1700"} {
		if inv := b.ok(b.do("GET", "/v1/invoices/"+id)); inv.body["total"] != want {
			t.Errorf("total %v, want %v", inv.body["total"], want)
		}
	}
	b.ok(b.do("DELETE", "/v1/invoices/"+included))
	if x := b.ok(b.do("GET", "/v1/invoiceitems/"+pending.body["id"].(string))); x.body["invoice"] != nil {
		t.Errorf("the pending item of a deleted draft: %s", x.raw)
	}
	tests := []struct {
		name   string
		params []string
		param  string
		amount json.Number
	}{
		{name: "unit price", params: []string{"unit_amount=333", "quantity=3", "currency=nzd"}, amount: "999"},
		{name: "decimal unit price", params: []string{"unit_amount_decimal=33.35", "quantity=10", "currency=nzd"}, amount: "334"},
		{name: "negative", params: []string{"amount=-5", "currency=nzd"}, amount: "-5"},
		{name: "other currency", params: []string{"amount=5", "currency=usd"}, param: "currency"},
		{name: "amount and quantity", params: []string{"amount=5", "quantity=2"}, param: "amount"},
		{name: "neither", params: nil, param: "amount"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := b.do("POST", "/v1/invoiceitems", append(tt.params, "customer="+cus, "invoice="+excluded)...)
			if got.errorField("param") != tt.param || (tt.param == "" && got.body["amount"] != tt.amount) {
				t.Errorf("got %s", got.raw)
			}
		})
	}
}

func TestManyLines(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus := b.customer()
	id := b.draft(cus, 1, "nzd")
	for i := 2; i <= 250; i++ {
		b.must(b.line(cus, id, int64(i), "nzd"))
	}
	if err := b.line(cus, id, 1, "nzd"); err == nil {
		t.Error("a line too many was accepted")
	}
	var sum, n int64
	it := b.api.Invoices.ListLines(&stripego.InvoiceListLinesParams{Invoice: stripego.String(id), ListParams: stripego.ListParams{Limit: stripego.Int64(100)}})
	for it.Next() {
		if n++; it.InvoiceLineItem().Amount != n {
			t.Fatalf("line %d has the amount %d", n, it.InvoiceLineItem().Amount)
		}
		sum += it.InvoiceLineItem().Amount
	}
	b.must(it.Err())
	inv, err := b.api.Invoices.Get(id, nil)
	b.must(err)
	if n != 250 || inv.Total != sum || len(inv.Lines.Data) != 10 || !inv.Lines.HasMore {
		t.Errorf("%d lines of %d, invoice %d with %d embedded", n, sum, inv.Total, len(inv.Lines.Data))
	}
}

func TestCurrencies(t *testing.T) {
	tests := []struct {
		name, cur string
		amount    int64
		code      string
	}{
		{name: "yen", cur: "jpy", amount: 1050},
		{name: "dinar", cur: "kwd", amount: 10500},
		{name: "dinar with a last digit", cur: "kwd", amount: 10505, code: "invalid_charge_amount_no_decimal_compatible"},
		{name: "krona in hundreds", cur: "isk", amount: 50000},
		{name: "krona with decimals", cur: "isk", amount: 50050, code: "invalid_charge_amount_no_decimal_compatible"},
		{name: "too large", cur: "nzd", amount: 100_000_000, code: "amount_too_large"},
		{name: "nine digits of rupees", cur: "inr", amount: 100_000_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, stripe.Config{})
			id := b.draft(b.customer(), tt.amount, tt.cur)
			if got := b.do("POST", "/v1/invoices/"+id+"/finalize"); got.errorField("code") != tt.code {
				t.Errorf("got %s", got.raw)
			}
		})
	}
}

func TestIntentIsOnlyMarked(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 5000, "nzd")
	path := "/v1/payment_intents/" + inv.PaymentIntent.ID
	b.ok(b.do("POST", path, "metadata[k]=v", "description=INV-1"))
	if got := b.do("POST", path, "amount=1"); got.status != 400 || got.errorField("param") != "amount" {
		t.Errorf("amount: %s", got.raw)
	}
}
