package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// I3: a change that is cut anywhere ends, after the next attempts, as if it had
// not been.
func TestChangesResumeAfterEveryCut(t *testing.T) {
	changes := map[string]struct {
		change func(*connector.Invoice)
		due    int64
	}{
		"credit":  {func(inv *connector.Invoice) { inv.AmountDue, inv.AmountPaid = nzd(4000), nzd(7500) }, 4000},
		"replace": {func(inv *connector.Invoice) { inv.Lines[0].Description = "Other" }, 11500},
		"settle":  {func(inv *connector.Invoice) { inv.Status, inv.AmountDue, inv.AmountPaid = "paid", nzd(0), nzd(11500) }, 0},
		"void":    {func(inv *connector.Invoice) { inv.Status = connector.InvoiceVoid }, 0},
	}
	for name, c := range changes {
		for _, kind := range []string{sandbox.FaultResetAfter, "500 after", "html 502"} {
			for cut := range 9 {
				t.Run(fmt.Sprintf("%s, %s at %d", name, kind, cut), func(t *testing.T) {
					t.Parallel()
					b := newBench(t)
					cus := b.customer("a")
					id := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
					inv := bill115(cus)
					c.change(&inv)
					w := invoiceWrite("k2", id, inv)
					b.cutAt(kind, cut)
					out := b.upsert(w)
					b.srv.ClearFaults()
					for i := 0; out.Err != nil && i < 3; i++ {
						if k := out.Err.Kind; k != connector.UnknownOutcome && k != connector.Unavailable {
							t.Fatalf("after the cut: %s %v", k, out.Err)
						}
						w = again(w)
						out = b.upsert(w)
					}
					if out.Err != nil {
						t.Fatal(out.Err)
					}
					if c.due == 0 {
						if left := b.open(cus); len(left) != 0 {
							t.Errorf("still payable: %+v", left)
						}
						return
					}
					if rec := b.due(cus, c.due); rec.ID != out.ID {
						t.Errorf("payable %s, outcome %s", rec.ID, out.ID)
					}
				})
			}
		}
	}
}

// The first attempt gave up while Stripe was still at work on it. The second one
// finds nothing yet and must not make another draft.
func TestInvoiceWhileEarlierRequestIsInFlight(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	w := invoiceWrite("k1", "", bill115(cus))
	release := b.srv.HoldWrites()
	ctx, cancel := context.WithTimeout(b.ctx(), 300*time.Millisecond)
	defer cancel()
	out, err := b.c.Upsert(ctx, b.s, connector.UpsertRequest{Entity: connector.EntityInvoice, Writes: []connector.Write{w}})
	b.must(err)
	if out[0].Err == nil || out[0].Err.Kind != connector.UnknownOutcome {
		t.Fatalf("cut by time: %+v", out[0])
	}
	w = again(w)
	if e := b.fails(w, connector.Unavailable, ""); e.RetryAfter <= 0 {
		t.Errorf("no time to wait: %v", e)
	}
	release()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		w = again(w)
		if got := b.upsert(w); got.Err == nil {
			b.due(cus, 11500)
			return
		}
	}
	t.Fatal("does not end")
}

// A customer whom nobody can write to gets an invoice that can be paid all the
// same, once, also when the making of it was cut.
func TestInvoiceForCustomerWithoutMail(t *testing.T) {
	for _, tt := range []struct{ name, cutAt string }{
		{"at once", ""}, {"cut at the draft", "/v1/invoices"}, {"cut at a line", "/v1/invoiceitems"}, {"cut at the mark", "/v1/payment_intents/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			cus := b.ok(contactWrite("a", connector.Contact{Name: "No Mail Ltd", Marks: map[string]string{"xero_contact_id": "c-a"}}), connector.Created).ID
			w := invoiceWrite("k1", "", bill115(cus))
			if tt.cutAt != "" {
				skip := 0
				if tt.cutAt == "/v1/invoices" {
					skip = 1 // the one that is refused
				}
				b.srv.Faults().Add(sandbox.Fault{Method: "POST", Path: tt.cutAt, Kind: sandbox.FaultResetAfter, Skip: skip, Times: 1})
				b.fails(w, connector.UnknownOutcome, "")
				b.srv.ClearFaults()
				w = again(w)
			}
			out := b.upsert(w)
			if out.Err != nil {
				t.Fatal(out.Err)
			}
			rec := b.due(cus, 11500)
			if !rec.Invoice.DueDate.IsZero() || rec.Invoice.PayURL == "" {
				t.Errorf("due on %s, to be paid at %q", rec.Invoice.DueDate, rec.Invoice.PayURL)
			}
			if tt.cutAt == "" && !strings.Contains(out.Reason, "no e-mail address") {
				t.Errorf("reason %q", out.Reason)
			}
			b.srv.ResetCalls()
			b.ok(invoiceWrite("k2", out.ID, bill115(cus)), connector.Unchanged)
			if calls := b.srv.Calls(); calls.Writes != 0 {
				t.Errorf("a second run writes: %+v", calls)
			}
		})
	}
}

// A person deleted the draft between two attempts: the answer that Stripe
// repeats names a draft that is gone.
func TestInvoiceDraftDeletedByHand(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	w := invoiceWrite("k1", "", bill115(cus))
	b.srv.Faults().Add(sandbox.Fault{Method: "POST", Path: "/v1/invoiceitems", Kind: sandbox.FaultResetBefore})
	b.fails(w, connector.UnknownOutcome, "")
	b.srv.ClearFaults()
	cn, err := b.c.connect(b.s, "test")
	b.must(err)
	left := b.open(cus)
	if len(left) != 1 || left[0].Invoice.Status != connector.InvoiceDraft {
		t.Fatalf("left behind: %+v", left)
	}
	r := &run{cn: cn, b: &bill{key: "by-hand"}, tries: map[string]int{}}
	inv, err := cn.invoice(b.ctx(), left[0].ID)
	b.must(err)
	b.must(r.remove(b.ctx(), inv))
	b.ok(again(w), connector.Created)
	b.due(cus, 11500)
}

// Two open invoices for one record: one of them goes, before both are paid.
func TestSecondInvoiceIsVoided(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	first := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
	cn, err := b.c.connect(b.s, "test")
	b.must(err)
	bl, err := newBill(invoiceWrite("k2", "", bill115(cus)))
	b.must(err)
	r := &run{cn: cn, b: bl, tries: map[string]int{}} // sees nothing, as if it raced
	for len(r.there) == 0 || r.there[0].Status != "open" {
		b.must(r.act(b.ctx(), plan(bl, r.there)))
	}
	if n := len(b.open(cus)); n != 2 {
		t.Fatalf("%d open invoices", n)
	}
	w := invoiceWrite("k3", first, bill115(cus))
	w.Attempt = 2
	b.ok(w, connector.Updated)
	if rec := b.due(cus, 11500); rec.ID != first {
		t.Errorf("kept %s, want the known one %s", rec.ID, first)
	}
}

func TestInvoiceWithManyLines(t *testing.T) {
	for _, n := range []int{11, 120, 300} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := newBench(t)
			cus := b.customer("a")
			inv := bill115(cus)
			inv.Lines = nil
			for i := range n {
				inv.Lines = append(inv.Lines, connector.InvoiceLine{Description: fmt.Sprintf("Line %d", i), Amount: nzd(100), Tax: nzd(15)})
			}
			total := int64(115 * n)
			inv.Total, inv.TaxTotal, inv.AmountDue = nzd(total), nzd(int64(15*n)), nzd(total)
			w := invoiceWrite("k1", "", inv)
			b.srv.Faults().Add(sandbox.Fault{Method: "POST", Path: "/v1/invoiceitems", Skip: 5, Kind: sandbox.FaultResetAfter})
			out := b.upsert(w)
			b.srv.ClearFaults()
			if out.Err != nil {
				out = b.ok(again(w), connector.Created)
			}
			b.due(cus, total)
			w.TargetID, w.Attempt = out.ID, 1
			b.srv.ResetCalls()
			b.ok(w, connector.Unchanged)
			if calls := b.srv.Calls(); calls.Writes != 0 {
				t.Errorf("calls: %+v", calls)
			}
			if rec := b.one(connector.EntityInvoice, out.ID); n < linesMax && len(rec.Invoice.Lines) != n+1 {
				t.Errorf("%d lines read back", len(rec.Invoice.Lines))
			}
		})
	}
}

func TestInvoiceCurrencies(t *testing.T) {
	for _, text := range []string{"1500 JPY", "1.230 KWD", "500 ISK", "10.00 USD", "200.00 HUF"} {
		t.Run(text, func(t *testing.T) {
			b := newBench(t)
			cus := b.customer("a")
			var sum, code string
			if _, err := fmt.Sscan(text, &sum, &code); err != nil {
				t.Fatal(err)
			}
			due, err := money.Parse(sum, money.Currency(code))
			b.must(err)
			inv := bill115(cus)
			inv.Currency, inv.Total, inv.AmountDue, inv.TaxMode = money.Currency(code), due, due, connector.TaxNone
			inv.Lines = []connector.InvoiceLine{{Description: "All", Amount: due}}
			out := b.ok(invoiceWrite("k1", "", inv), connector.Created)
			charge, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
			b.must(err)
			if got := b.one(connector.EntityPayment, charge).Payment; got.Amount != due || got.InvoiceID != out.ID {
				t.Errorf("paid %s for %s, want %s", got.Amount, got.InvoiceID, due)
			}
		})
	}
}

// A whole batch at once, over few customers.
func TestInvoiceBatch(t *testing.T) {
	b := newBench(t)
	customers := []string{b.customer("a"), b.customer("b"), b.customer("c")}
	var ws []connector.Write
	for i := range batchMax {
		inv := bill115(customers[i%3])
		inv.Marks = map[string]string{"xero_invoice_id": fmt.Sprintf("x-%d", i)}
		ws = append(ws, invoiceWrite(fmt.Sprintf("k%d", i), "", inv))
	}
	out, err := b.c.Upsert(b.ctx(), b.s, connector.UpsertRequest{Entity: connector.EntityInvoice, Writes: ws})
	b.must(err)
	seen := map[string]bool{}
	for i, o := range out {
		if o.Err != nil || o.Result != connector.Created || o.Record.Invoice.Marks["xero_invoice_id"] != fmt.Sprintf("x-%d", i) {
			t.Errorf("write %d: %+v", i, o)
		}
		seen[o.ID] = true
	}
	if len(seen) != batchMax || len(b.open(customers[0])) != 7 {
		t.Errorf("%d invoices, %d of the first customer", len(seen), len(b.open(customers[0])))
	}
	ws = append(ws, ws[0])
	if _, err := b.c.Upsert(b.ctx(), b.s, connector.UpsertRequest{Entity: connector.EntityInvoice, Writes: ws}); connector.KindOf(err) != connector.Invalid {
		t.Errorf("too many writes: %v", err)
	}
}
