package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// paidInvoice makes an invoice over 115.00, has it paid, and returns both ids.
func (b *bench) paidInvoice(customer string) (invoice, charge string) {
	b.t.Helper()
	invoice = b.ok(invoiceWrite("k1", "", bill115(customer)), connector.Created).ID
	charge, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
	b.must(err)
	return invoice, charge
}

// grown is the invoice after an edit to 140.00, with postings over paid.
func grown(customer string, paid int64, marks ...string) connector.Invoice {
	inv := bill115(customer)
	inv.Lines = append(inv.Lines, connector.InvoiceLine{Description: "More work", Amount: nzd(2500)})
	inv.Total, inv.AmountDue, inv.AmountPaid = nzd(14000), nzd(14000-paid), nzd(paid)
	inv.PaymentReferences = marks
	return inv
}

// reopened is the invoice after refunds took so much off its receipt.
func reopened(customer string, due int64, marks ...string) connector.Invoice {
	inv := bill115(customer)
	inv.AmountDue, inv.AmountPaid, inv.PaymentReferences = nzd(due), nzd(11500-due), marks
	return inv
}

func TestInvoiceGrowsAfterItWasPaid(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	first, charge := b.paidInvoice(cus)
	// In flight: what is due contains the charge.
	out := b.ok(invoiceWrite("k2", first, grown(cus, 0)), connector.Unchanged)
	if out.ID != first || !strings.Contains(out.Reason, "already paid in Stripe by charge "+charge) || len(b.open(cus)) != 0 {
		t.Fatalf("in flight: %+v; open %+v", out, b.open(cus))
	}
	w := invoiceWrite("k3", first, grown(cus, 11500, charge))
	out = b.ok(w, connector.Created)
	rec := b.due(cus, 2500)
	if rec.ID != out.ID || rec.ID == first || rec.Invoice.Marks[markSupersedes] != first {
		t.Errorf("payable %+v, outcome %s, first %s", rec, out.ID, first)
	}
	if !slices.Contains(out.Effects, connector.Effect{What: "superseded invoice", ID: first}) || !strings.Contains(out.Reason, "on top of charge "+charge) {
		t.Errorf("effects %+v, reason %q", out.Effects, out.Reason)
	}
	second := out.ID
	b.srv.ResetCalls()
	b.ok(invoiceWrite("k4", second, grown(cus, 11500, charge)), connector.Unchanged)
	b.ok(again(w), connector.Unchanged) // the link was not written, and the work is done again
	b.ok(invoiceWrite("k5", first, grown(cus, 11500, charge)), connector.Unchanged)
	if calls := b.srv.Calls(); calls.Writes != 0 {
		t.Errorf("a second run writes: %+v", calls)
	}
	// Later changes follow the new invoice.
	if out = b.ok(invoiceWrite("k6", second, grown(cus, 12000, charge)), connector.Updated); out.ID != second {
		t.Errorf("part paid: %s, want %s", out.ID, second)
	}
	b.due(cus, 2000)
	last, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
	b.must(err)
	for _, id := range []string{charge, last} {
		if pay := b.one(connector.EntityPayment, id).Payment; pay.Marks["xero_invoice_id"] != "x-1" {
			t.Errorf("marks of %s: %v", id, pay.Marks)
		}
	}
	done := grown(cus, 14000, charge, last)
	done.Status = connector.InvoicePaid
	for attempt := 1; attempt <= 2; attempt++ {
		w := invoiceWrite("k7", second, done)
		w.Attempt = attempt
		if out = b.ok(w, connector.Unchanged); out.ID != second {
			t.Errorf("paid, attempt %d: %s, want %s", attempt, out.ID, second)
		}
	}
}

// The receipt shrinks with each refund; between the deletion of its posting and
// the next one, all of the charge seems to be due.
func TestInvoiceReopensByRefunds(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	first, charge := b.paidInvoice(cus)
	refund := func(amount int64) {
		_, err := b.srv.Refund(charge, amount, "succeeded")
		b.must(err)
	}
	refund(2000)
	if out := b.ok(invoiceWrite("k2", first, reopened(cus, 11500)), connector.Unchanged); out.ID != first {
		t.Errorf("between: %+v", out)
	}
	second := b.ok(invoiceWrite("k3", first, reopened(cus, 2000, charge)), connector.Created).ID
	b.due(cus, 2000)
	refund(500)
	out := b.ok(invoiceWrite("k4", second, reopened(cus, 11500)), connector.Unchanged)
	if out.ID != second || !strings.Contains(out.Reason, "not posted yet") {
		t.Errorf("between: %+v", out)
	}
	b.due(cus, 2000)
	third := b.ok(invoiceWrite("k5", second, reopened(cus, 2500, charge)), connector.Created)
	if rec := b.due(cus, 2500); rec.ID != third.ID || rec.Invoice.Marks[markSupersedes] != first {
		t.Errorf("payable %+v, outcome %+v", rec, third)
	}
	refund(0) // the rest
	last := b.ok(invoiceWrite("k6", third.ID, reopened(cus, 11500)), connector.Created)
	if rec := b.due(cus, 11500); rec.ID != last.ID || rec.Invoice.Marks[markSupersedes] != first {
		t.Errorf("payable %+v, outcome %+v", rec, last)
	}
	_, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
	b.must(err)
	if out := b.ok(invoiceWrite("k7", last.ID, reopened(cus, 11500)), connector.Unchanged); out.ID != last.ID {
		t.Errorf("paid again, in flight: %+v", out)
	}
}

// Somebody voids the new invoice: the charge before it is still seen.
// A bank may take a debit back after it was booked. Then the receipt leaves the
// books, and what is due is asked for again.
func TestInvoiceReopensWhenItsDebitFailsLate(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	first := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
	charge, err := b.srv.Pay("INV-1", stand.OutcomeAsync)
	b.must(err)
	_, err = b.srv.Settle("INV-1", stand.OutcomeSuccess)
	b.must(err)
	b.must(b.srv.FailCharge(charge))
	out := b.ok(invoiceWrite("k2", first, reopened(cus, 11500)), connector.Created)
	if rec := b.due(cus, 11500); rec.ID != out.ID || rec.Invoice.Marks[markSupersedes] != first {
		t.Errorf("payable %+v, outcome %s, first %s", rec, out.ID, first)
	}
	if !strings.Contains(out.Reason, "charge "+charge+" failed after it had paid") {
		t.Errorf("reason %q", out.Reason)
	}
	b.ok(invoiceWrite("k3", out.ID, reopened(cus, 11500)), connector.Unchanged)
}

func TestInvoiceAgainVoidedByHand(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	first, charge := b.paidInvoice(cus)
	second := b.ok(invoiceWrite("k2", first, grown(cus, 11500, charge)), connector.Created).ID
	b.must(b.srv.VoidInvoice(second))
	if out := b.ok(invoiceWrite("k3", second, grown(cus, 0)), connector.Unchanged); out.ID != first {
		t.Errorf("in flight: %+v", out)
	}
	third := b.ok(invoiceWrite("k4", second, grown(cus, 11500, charge)), connector.Created).ID
	if rec := b.due(cus, 2500); rec.ID != third || rec.Invoice.Marks[markSupersedes] != first {
		t.Errorf("payable: %+v", rec)
	}
}

// I3: cut at every request, before and after it was done; the next attempts end
// with exactly one invoice to pay, over what is due on top.
func TestInvoiceAgainResumesAfterEveryCut(t *testing.T) {
	for _, kind := range []string{sandbox.FaultResetBefore, sandbox.FaultResetAfter, "500 after", "html 502"} {
		for cut := range 14 {
			t.Run(fmt.Sprintf("%s at %d", kind, cut), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				cus := b.customer("a")
				first, charge := b.paidInvoice(cus)
				w := invoiceWrite("k2", first, grown(cus, 11500, charge))
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
				rec := b.due(cus, 2500)
				if rec.ID != out.ID || rec.Invoice.Marks[markSupersedes] != first {
					t.Errorf("payable %+v, outcome %s", rec, out.ID)
				}
				if !slices.Contains(out.Effects, connector.Effect{What: "superseded invoice", ID: first}) {
					t.Errorf("effects: %+v", out.Effects)
				}
				last, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
				b.must(err)
				if got := b.one(connector.EntityPayment, last).Payment; got.Marks["xero_invoice_id"] != "x-1" || got.Amount != nzd(2500) {
					t.Errorf("charge: %+v", got)
				}
			})
		}
	}
}
