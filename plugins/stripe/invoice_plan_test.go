package main

import (
	"strings"
	"testing"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// What is planned for an invoice over 115.00 that is due, given what is there.
func TestPlanDueAgain(t *testing.T) {
	w := invoiceWrite("k1", "", bill115("cus_1"))
	w.Record.Invoice.PaymentReferences = []string{"ch_posted"}
	b, err := newBill(w)
	if err != nil {
		t.Fatal(err)
	}
	paid := func(id, after, charge string, change func(*stripe.Charge)) *stripe.Invoice {
		ch := &stripe.Charge{ID: charge, Amount: 11500}
		if change != nil {
			change(ch)
		}
		return &stripe.Invoice{ID: id, Status: stripe.InvoiceStatusPaid, Charge: ch, Metadata: map[string]string{markSupersedes: after}}
	}
	full := func(ch *stripe.Charge) { ch.AmountRefunded, ch.Refunded = 11500, true }
	part := func(ch *stripe.Charge) { ch.AmountRefunded = 11499 }
	open := func(id, after string, remaining int64) *stripe.Invoice {
		inv := &stripe.Invoice{ID: id, Status: stripe.InvoiceStatusOpen, Customer: &stripe.Customer{ID: "cus_1"}, Currency: "nzd",
			AmountRemaining: remaining, Metadata: merged(map[string]string{markSupersedes: after}, b.marks), HostedInvoiceURL: "https://pay.example",
			PaymentIntent: &stripe.PaymentIntent{ID: "pi_1", Metadata: b.marks}, Lines: &stripe.InvoiceLineItemList{}}
		for _, l := range b.lines {
			inv.Lines.Data = append(inv.Lines.Data, &stripe.InvoiceLineItem{Description: l.text, Amount: l.units})
		}
		return inv
	}
	draft := func(id, after string) *stripe.Invoice {
		inv := open(id, after, 0)
		inv.Status, inv.DueDate, inv.EffectiveAt, inv.Description = stripe.InvoiceStatusDraft, b.dueAt, b.effectiveAt, b.memo
		return inv
	}
	outside := &stripe.Invoice{ID: "in_1", Status: stripe.InvoiceStatusPaid, PaidOutOfBand: true}
	nameless := &stripe.Invoice{ID: "in_1", Status: stripe.InvoiceStatusPaid,
		PaymentIntent: &stripe.PaymentIntent{ID: "pi_1", Status: stripe.PaymentIntentStatusSucceeded}}
	tests := []struct {
		name  string
		there []*stripe.Invoice
		do    action
		id    string // of the step's invoice
		after string
		why   string
	}{
		{"a charge in flight", []*stripe.Invoice{paid("in_1", "", "ch_1", nil)}, actDone, "in_1", "", "already paid in Stripe by charge ch_1"},
		{"a charge that nobody names", []*stripe.Invoice{nameless}, actDone, "in_1", "", "already paid in Stripe"},
		{"a charge in flight, refunded in part", []*stripe.Invoice{paid("in_1", "", "ch_1", part)}, actDone, "in_1", "", "already paid in Stripe"},
		{"refunded in full", []*stripe.Invoice{paid("in_1", "", "ch_1", full)}, actCreate, "", "in_1", "was refunded"},
		{"posted", []*stripe.Invoice{paid("in_1", "", "ch_posted", nil)}, actCreate, "", "in_1", "on top of charge ch_posted"},
		{"posted, refunded in part", []*stripe.Invoice{paid("in_1", "", "ch_posted", part)}, actCreate, "", "in_1", "on top of charge ch_posted"},
		{"paid outside", []*stripe.Invoice{outside}, actCreate, "", "in_1", "outside Stripe"},
		{"the second one posted too", []*stripe.Invoice{paid("in_2", "in_1", "ch_posted", nil), paid("in_1", "", "ch_1", full)}, actCreate, "", "in_2", "on top of"},
		{"the second one in flight", []*stripe.Invoice{paid("in_1", "", "ch_posted", nil), paid("in_2", "in_1", "ch_2", nil)}, actDone, "in_2", "", "by charge ch_2"},
		{"both in flight", []*stripe.Invoice{paid("in_1", "", "ch_1", nil), paid("in_2", "in_1", "ch_2", nil)}, actDone, "in_2", "", "by charge ch_2"},
		{"the new one is there", []*stripe.Invoice{paid("in_1", "", "ch_posted", nil), open("in_2", "in_1", 11500)}, actDone, "in_2", "", ""},
		{"the new one asks for too much", []*stripe.Invoice{open("in_2", "in_1", 12000), paid("in_1", "", "ch_posted", nil)}, actCredit, "in_2", "", "less is due"},
		{"the new one asks for too little", []*stripe.Invoice{open("in_2", "in_1", 11000), paid("in_1", "", "ch_posted", nil)}, actVoid, "in_2", "", "more is due"},
		// The posting is deleted and made anew: what is due contains its charge meanwhile.
		{"the first posting is gone", []*stripe.Invoice{open("in_2", "in_1", 2000), paid("in_1", "", "ch_1", part)}, actDone, "in_2", "", "charge ch_1 is not posted yet"},
		{"the first posting is gone, two back", []*stripe.Invoice{open("in_3", "in_2", 2000), paid("in_2", "in_1", "ch_posted", nil), paid("in_1", "", "ch_1", part)},
			actDone, "in_3", "", "charge ch_1 is not posted yet"},
		{"the first posting is gone, less is due", []*stripe.Invoice{open("in_2", "in_1", 12000), paid("in_1", "", "ch_1", nil)}, actCredit, "in_2", "", "less is due"},
		{"another one that follows none", []*stripe.Invoice{open("in_9", "", 11500), paid("in_1", "", "ch_1", nil)}, actVoid, "in_9", "", "was paid"},
		{"a draft that follows", []*stripe.Invoice{paid("in_1", "", "ch_posted", nil), draft("in_2", "in_1")}, actFinalize, "in_2", "", ""},
		{"a draft that follows none", []*stripe.Invoice{paid("in_1", "", "ch_posted", nil), draft("in_2", "")}, actDelete, "in_2", "", ""},
		{"a draft and a charge in flight", []*stripe.Invoice{paid("in_1", "", "ch_1", nil), draft("in_2", "in_1")}, actDelete, "in_2", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := plan(b, tt.there)
			id := ""
			if s.inv != nil {
				id = s.inv.ID
			}
			if s.do != tt.do || id != tt.id || s.after != tt.after || !strings.Contains(s.why, tt.why) {
				t.Errorf("plan: action %d, invoice %q, after %q, why %q, error %v; want %d, %q, %q, %q", s.do, id, s.after, s.why, s.err, tt.do, tt.id, tt.after, tt.why)
			}
		})
	}
	t.Run("closed, the newest counts", func(t *testing.T) {
		closed := *b
		closed.wish = connector.InvoicePaid
		for _, there := range [][]*stripe.Invoice{
			{paid("in_2", "in_1", "ch_2", nil), paid("in_1", "", "ch_1", nil)},
			{paid("in_1", "", "ch_1", nil), paid("in_2", "in_1", "ch_2", nil)},
		} {
			if s := plan(&closed, there); s.do != actDone || s.inv.ID != "in_2" {
				t.Errorf("plan: %+v", s)
			}
		}
	})
}

func TestNewBillKeepsItsOwnMark(t *testing.T) {
	inv := bill115("cus_1")
	inv.Marks = map[string]string{"xero_invoice_id": "x-1", markSupersedes: "in_1"}
	if _, err := newBill(invoiceWrite("k1", "", inv)); connector.KindOf(err) != connector.Invalid {
		t.Errorf("taken as a mark of the source: %v", err)
	}
}
