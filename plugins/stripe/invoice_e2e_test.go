package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

func TestInvoiceBecomesPayable(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	b.srv.ResetCalls()
	w := invoiceWrite("k1", "", bill115(cus))
	out := b.ok(w, connector.Created)
	rec := b.due(cus, 11500)
	if out.ID != rec.ID || out.Record.Invoice.PayURL == "" {
		t.Errorf("outcome %s with pay URL %q; there is %s", out.ID, out.Record.Invoice.PayURL, rec.ID)
	}
	inv := rec.Invoice
	if diff := cmp.Diff(w.Record.Invoice.Marks, inv.Marks); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
	var texts []string
	for _, l := range inv.Lines {
		texts = append(texts, l.Description+" "+l.Amount.String())
	}
	if diff := cmp.Diff([]string{"Work 70.00 NZD", "Travel 30.00 NZD", "Tax 15.00 NZD"}, texts); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got := b.srv.Calls(); got.Bearer != 0 || got.NoAuth != 0 || got.Basic != got.Total {
		t.Errorf("authentication: %+v", got)
	}
	charge, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
	b.must(err)
	if diff := cmp.Diff(w.Record.Invoice.Marks, b.one(connector.EntityPayment, charge).Payment.Marks); diff != "" {
		t.Errorf("marks of the charge (-want +got):\n%s", diff)
	}
}

// I11: what is already so costs no write.
func TestInvoiceUnchangedWritesNothing(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	w := invoiceWrite("k1", "", bill115(cus))
	id := b.ok(w, connector.Created).ID
	b.srv.ResetCalls()
	b.ok(again(w), connector.Unchanged)
	b.ok(invoiceWrite("k2", id, bill115(cus)), connector.Unchanged)
	if calls := b.srv.Calls(); calls.Writes != 0 || calls.Total > 4 {
		t.Errorf("calls: %+v", calls)
	}
}

func TestInvoiceChanges(t *testing.T) {
	type change func(*connector.Invoice)
	paid := func(due int64) change {
		return func(inv *connector.Invoice) { inv.AmountDue, inv.AmountPaid = nzd(due), nzd(11500-due) }
	}
	tests := []struct {
		name   string
		change change
		result connector.Result
		due    int64 // what can be paid then; 0: nothing
		same   bool  // in the invoice that was there
		effect string
		reason string
	}{
		{name: "part paid elsewhere", change: paid(4000), result: connector.Updated, due: 4000, same: true, effect: "credit note"},
		{name: "credited a cent", change: func(inv *connector.Invoice) { inv.AmountDue, inv.AmountCredited = nzd(11499), nzd(1) },
			result: connector.Updated, due: 11499, same: true, effect: "credit note"},
		{name: "paid elsewhere", change: func(inv *connector.Invoice) {
			inv.Status, inv.AmountDue, inv.AmountPaid = connector.InvoicePaid, nzd(0), nzd(11500)
		},
			result: connector.Updated, same: true, effect: "marked paid", reason: "marked paid outside Stripe"},
		{name: "nothing due but open", change: paid(0), result: connector.Updated, same: true, effect: "marked paid"},
		{name: "edited down to nothing", change: func(inv *connector.Invoice) {
			inv.Status, inv.Lines, inv.Total, inv.TaxTotal, inv.AmountDue = connector.InvoicePaid, nil, nzd(0), nzd(0), nzd(0)
		}, result: connector.Updated, effect: "voided invoice"},
		{name: "voided", change: func(inv *connector.Invoice) { inv.Status = connector.InvoiceVoid }, result: connector.Updated, effect: "voided invoice"},
		{name: "more is due", change: func(inv *connector.Invoice) {
			inv.Lines[0].Amount, inv.Total, inv.AmountDue = nzd(8000), nzd(12500), nzd(12500)
		}, result: connector.Created, due: 12500, effect: "voided invoice"},
		{name: "a line is rewritten", change: func(inv *connector.Invoice) { inv.Lines[0].Description = "Other work" },
			result: connector.Created, due: 11500, effect: "voided invoice", reason: "replaced: the lines changed"},
		{name: "due later", change: func(inv *connector.Invoice) { inv.DueDate = connector.DateOf(time.Now().UTC()).AddDays(30) },
			result: connector.Unchanged, due: 11500, same: true, reason: "Stripe goes on showing the due date"},
		{name: "renumbered", change: func(inv *connector.Invoice) {
			inv.Marks = map[string]string{"xero_invoice_id": "x-1", "xero_invoice_number": "INV-1b", "xero_tenant_id": "t-1"}
		}, result: connector.Updated, due: 11500, same: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			cus := b.customer("a")
			first := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
			inv := bill115(cus)
			tt.change(&inv)
			w := invoiceWrite("k2", first, inv)
			out := b.ok(w, tt.result)
			if tt.due > 0 {
				rec := b.due(cus, tt.due)
				if rec.ID != out.ID || (rec.ID == first) != tt.same {
					t.Errorf("payable is %s, the outcome %s, the first was %s", rec.ID, out.ID, first)
				}
			} else if left := b.open(cus); len(left) != 0 {
				t.Errorf("still payable: %+v", left)
			}
			if tt.effect != "" && (len(out.Effects) == 0 || out.Effects[0].What != tt.effect) || !strings.Contains(out.Reason, tt.reason) {
				t.Errorf("effects %+v, reason %q; want %q and %q", out.Effects, out.Reason, tt.effect, tt.reason)
			}
			b.srv.ResetCalls()
			w.TargetID = out.ID
			b.ok(again(w), connector.Unchanged)
			if calls := b.srv.Calls(); calls.Writes != 0 {
				t.Errorf("a second run writes: %+v", calls)
			}
		})
	}
}

func TestInvoiceWithMoney(t *testing.T) {
	tests := []struct {
		name    string
		outcome string
		reason  string
	}{
		{"paid by the customer", stand.OutcomeSuccess, "already paid in Stripe by charge"},
		{"a bank debit is in flight", stand.OutcomeAsync, "a payment is in flight"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			cus := b.customer("a")
			id := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
			_, err := b.srv.Pay("INV-1", tt.outcome)
			b.must(err)
			b.srv.ResetCalls()
			for i, change := range []func(*connector.Invoice){
				func(*connector.Invoice) {},
				func(inv *connector.Invoice) { inv.AmountDue, inv.AmountPaid = nzd(4000), nzd(7500) },
				func(inv *connector.Invoice) { inv.Lines[0].Description = "Other" },
				func(inv *connector.Invoice) { inv.Status = connector.InvoiceVoid },
			} {
				inv := bill115(cus)
				change(&inv)
				out := b.ok(invoiceWrite(fmt.Sprintf("k2-%d", i), id, inv), connector.Unchanged)
				want := tt.reason
				if inv.Status == connector.InvoiceVoid && tt.outcome == stand.OutcomeSuccess {
					want = "already paid in Stripe"
				}
				if out.ID != id || !strings.Contains(out.Reason, want) {
					t.Errorf("change %d: %s %q, want %s %q", i, out.ID, out.Reason, id, want)
				}
			}
			if calls := b.srv.Calls(); calls.Writes != 0 {
				t.Errorf("writes: %+v", calls)
			}
		})
	}
}

// A payment in Xero that was deleted makes the invoice due again.
func TestInvoiceDueAgain(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	first := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
	settled := bill115(cus)
	settled.Status, settled.AmountDue, settled.AmountPaid = connector.InvoicePaid, nzd(0), nzd(11500)
	b.ok(invoiceWrite("k2", first, settled), connector.Updated)
	out := b.ok(invoiceWrite("k3", first, bill115(cus)), connector.Created)
	if rec := b.due(cus, 11500); rec.ID != out.ID || rec.ID == first {
		t.Errorf("payable %s, outcome %s, first %s", rec.ID, out.ID, first)
	}
}

func TestInvoiceRefusals(t *testing.T) {
	tests := []struct {
		name   string
		change func(*bench, *connector.Invoice)
		kind   connector.Kind
		text   string
	}{
		{"below the minimum", func(_ *bench, inv *connector.Invoice) {
			inv.AmountDue, inv.AmountPaid = nzd(49), nzd(11451)
		}, connector.Invalid, "the least that Stripe charges"},
		{"above the maximum", func(_ *bench, inv *connector.Invoice) {
			inv.Lines, inv.Total, inv.AmountDue = nil, nzd(100_000_000), nzd(100_000_000)
		}, connector.Invalid, "more than Stripe charges"},
		{"a draft", func(_ *bench, inv *connector.Invoice) { inv.Status = connector.InvoiceDraft }, connector.Invalid, "status"},
		{"a bill", func(_ *bench, inv *connector.Invoice) { inv.Kind = connector.InvoicePurchase }, connector.Invalid, "bill"},
		{"no marks", func(_ *bench, inv *connector.Invoice) { inv.Marks = nil }, connector.Invalid, "no mark"},
		{"another currency due", func(_ *bench, inv *connector.Invoice) { inv.Currency = "USD" }, connector.Invalid, "currency"},
		{"no customer", func(_ *bench, inv *connector.Invoice) { inv.ContactID = "" }, connector.Invalid, "no customer"},
		{"customer unknown", func(_ *bench, inv *connector.Invoice) { inv.ContactID = "cus_none" }, connector.Conflict, "not in Stripe"},
		{"customer has a credit balance", func(b *bench, inv *connector.Invoice) {
			b.must(b.srv.SetBalance(inv.ContactID, -500))
		}, connector.Conflict, "balance"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			cus := b.customer("a")
			inv := bill115(cus)
			tt.change(b, &inv)
			b.fails(invoiceWrite("k1", "", inv), tt.kind, tt.text)
			if left := b.open(cus); len(left) != 0 {
				t.Errorf("left behind: %+v", left)
			}
		})
	}
}

func TestInvoiceIgnoresDiscountOfCustomer(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	b.must(b.srv.SetDiscount(cus, stand.Discount{Percent: 50}))
	b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created)
	b.due(cus, 11500)
}

// Less is due than Stripe charges: nobody may pay the old sum either.
func TestInvoiceFallsBelowMinimum(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	id := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
	inv := bill115(cus)
	inv.AmountDue, inv.AmountPaid = nzd(10), nzd(11490)
	b.fails(invoiceWrite("k2", id, inv), connector.Invalid, "least")
	if left := b.open(cus); len(left) != 0 {
		t.Errorf("still payable: %+v", left)
	}
}

// An intent that waited for days has a due date that is past by now.
func TestInvoiceAfterLongWait(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	w := invoiceWrite("k1", "", bill115(cus))
	b.clock.Advance(72 * 3600 * 1e9)
	b.customer("b") // an event that tells the time
	b.ok(w, connector.Created)
	b.due(cus, 11500)
}

// I3: cut at every request, before and after it was done; the next attempt ends
// with exactly one invoice to pay.
func TestInvoiceResumesAfterEveryCut(t *testing.T) {
	for _, kind := range []string{sandbox.FaultResetBefore, sandbox.FaultResetAfter, sandbox.FaultTruncate, "500 after", "html 502"} {
		for cut := range 12 {
			t.Run(fmt.Sprintf("%s at %d", kind, cut), func(t *testing.T) {
				b := newBench(t)
				cus := b.customer("a")
				w := invoiceWrite("k1", "", bill115(cus))
				b.cutAt(kind, cut)
				out := b.upsert(w)
				if out.Err != nil && out.Err.Kind != connector.UnknownOutcome && out.Err.Kind != connector.Unavailable {
					t.Fatalf("after the cut: %s %v", out.Err.Kind, out.Err)
				}
				if missed := out.Err == nil && mustFail(kind, cut); missed {
					t.Errorf("the cut had no effect: %+v", out)
				}
				b.srv.ClearFaults()
				for i := 0; out.Err != nil && i < 3; i++ {
					w = again(w)
					out = b.upsert(w)
				}
				if out.Err != nil {
					t.Fatalf("does not recover: %v", out.Err)
				}
				if rec := b.due(cus, 11500); rec.ID != out.ID {
					t.Errorf("payable %s, outcome %s", rec.ID, out.ID)
				}
				charge, err := b.srv.Pay("INV-1", stand.OutcomeSuccess)
				b.must(err)
				if got := b.one(connector.EntityPayment, charge).Payment; got.Marks["xero_invoice_id"] != "x-1" || got.Amount != nzd(11500) {
					t.Errorf("charge: %+v", got)
				}
			})
		}
	}
}

// mustFail says whether a cut at request n of the making of an invoice can be
// noticed. The requests are: list, create, three lines, get, get, finalize, mark;
// an error after the work is done hits only the six writes. A read that is reset
// may be sent again by Go's own client.
func mustFail(kind string, n int) bool {
	switch kind {
	case "500 after":
		return n < 6
	case sandbox.FaultResetBefore, sandbox.FaultResetAfter:
		return n < 9 && n != 0 && n != 5 && n != 6
	}
	return n < 9
}

// cutAt lets one later request of the API fail.
func (b *bench) cutAt(kind string, n int) {
	f := sandbox.Fault{Path: "/v1/", Skip: n, Kind: kind}
	switch kind {
	case "500 after":
		b.srv.FailAfter(sandbox.Fault{Path: "/v1/", Skip: n})
		return
	case "html 502":
		f.Kind, f.Status, f.Body = sandbox.FaultStatus, 502, "<html>bad gateway</html>"
	}
	b.srv.Faults().Add(f)
}
