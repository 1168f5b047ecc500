package stripe_test

import (
	"testing"

	stripego "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

func TestCreditNoteOnOpenInvoice(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 5000, "nzd")
	cn, err := b.api.CreditNotes.New(&stripego.CreditNoteParams{Invoice: stripego.String(inv.ID), Lines: []*stripego.CreditNoteLineParams{
		{Type: stripego.String("custom_line_item"), Description: stripego.String("Paid elsewhere"), Quantity: stripego.Int64(1), UnitAmount: stripego.Int64(2000)}}})
	b.must(err)
	got, err := b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	pi, err := b.api.PaymentIntents.Get(inv.PaymentIntent.ID, nil)
	b.must(err)
	if cn.Type != "pre_payment" || got.AmountDue != 3000 || got.AmountRemaining != 3000 || got.Total != 5000 || got.PrePaymentCreditNotesAmount != 2000 || pi.Amount != 3000 {
		t.Errorf("credit note %s, due %d, remaining %d, payment intent %d", cn.Type, got.AmountDue, got.AmountRemaining, pi.Amount)
	}
	for amount, code := range map[string]string{"3001": "amount_too_large", "2960": "amount_too_small"} {
		if r := b.do("POST", "/v1/credit_notes", "invoice="+inv.ID, "amount="+amount); r.errorField("code") != code {
			t.Errorf("credit of %s: %s", amount, r.raw)
		}
	}
	b.ok(b.do("POST", "/v1/credit_notes/"+cn.ID+"/void"))
	got, err = b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	if got.AmountDue != 5000 || got.PrePaymentCreditNotesAmount != 0 {
		t.Errorf("after the credit note was voided: due %d", got.AmountDue)
	}
	b.ok(b.do("POST", "/v1/credit_notes", "invoice="+inv.ID, "amount=5000"))
	got, err = b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	pi, err = b.api.PaymentIntents.Get(inv.PaymentIntent.ID, nil)
	b.must(err)
	if got.Status != "paid" || got.AmountDue != 0 || got.Charge != nil || pi.Status != "canceled" {
		t.Errorf("credited to zero: %s, due %d, payment intent %s", got.Status, got.AmountDue, pi.Status)
	}
}

func TestPaymentAfterCreditNote(t *testing.T) {
	b := newBench(t, stripe.Config{})
	inv := b.open(b.customer(), 5000, "nzd")
	b.ok(b.do("POST", "/v1/credit_notes", "invoice="+inv.ID, "amount=2000"))
	id, err := b.srv.Pay(inv.ID, "success")
	b.must(err)
	ch, err := b.api.Charges.Get(id, nil)
	b.must(err)
	got, err := b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	if ch.Amount != 3000 || got.AmountPaid != 3000 || got.AmountRemaining != 0 || got.Status != "paid" {
		t.Errorf("charge %d; invoice %s, paid %d, remaining %d", ch.Amount, got.Status, got.AmountPaid, got.AmountRemaining)
	}
}

func TestCreditNoteOnPaidInvoice(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus := b.customer()
	inv := b.open(cus, 5000, "nzd")
	chargeID, err := b.srv.Pay(inv.ID, "success")
	b.must(err)
	if r := b.do("POST", "/v1/credit_notes", "invoice="+inv.ID, "amount=1000"); r.status != 400 {
		t.Errorf("not settled: %s", r.raw)
	}
	if r := b.do("POST", "/v1/credit_notes", "invoice="+inv.ID, "amount=5001", "out_of_band_amount=5001"); r.errorField("code") != "amount_too_large" {
		t.Errorf("more than was paid: %s", r.raw)
	}
	cn, err := b.api.CreditNotes.New(&stripego.CreditNoteParams{Invoice: stripego.String(inv.ID), Amount: stripego.Int64(1000),
		RefundAmount: stripego.Int64(600), CreditAmount: stripego.Int64(300), OutOfBandAmount: stripego.Int64(100)})
	b.must(err)
	ch, err := b.api.Charges.Get(chargeID, nil)
	b.must(err)
	c, err := b.api.Customers.Get(cus, nil)
	b.must(err)
	got, err := b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	if cn.Type != "post_payment" || cn.Refund == nil || ch.AmountRefunded != 600 || c.Balance != -300 || got.PostPaymentCreditNotesAmount != 1000 || got.Status != "paid" {
		t.Errorf("credit note %+v; refunded %d, balance %d, invoice %s", cn, ch.AmountRefunded, c.Balance, got.Status)
	}
}
