package main

import (
	"strings"
	"testing"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

// runFor is a run that has looked, for a write of one invoice.
func (b *bench) runFor(w connector.Write) *run {
	b.t.Helper()
	cn, err := b.c.connect(b.s, "test")
	b.must(err)
	bl, err := newBill(w)
	b.must(err)
	r := &run{cn: cn, w: w, b: bl, tries: map[string]int{}}
	b.must(r.look(b.ctx()))
	return r
}

// The customer pays between our look and our step.
func TestSomebodyIsFaster(t *testing.T) {
	void := func(inv *connector.Invoice) { inv.Status = connector.InvoiceVoid }
	less := func(inv *connector.Invoice) { inv.AmountDue, inv.AmountPaid = nzd(4000), nzd(7500) }
	paid := func(inv *connector.Invoice) { inv.Status, inv.AmountDue, inv.AmountPaid = "paid", nzd(0), nzd(11500) }
	for _, tt := range []struct {
		name   string
		change func(*connector.Invoice)
		pay    string
	}{
		{"void, paid", void, stand.OutcomeSuccess}, {"void, in flight", void, stand.OutcomeAsync},
		{"credit, paid", less, stand.OutcomeSuccess},
		{"settle, paid", paid, stand.OutcomeSuccess},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			cus := b.customer("a")
			id := b.ok(invoiceWrite("k1", "", bill115(cus)), connector.Created).ID
			inv := bill115(cus)
			tt.change(&inv)
			r := b.runFor(invoiceWrite("k2", id, inv))
			charge, err := b.srv.Pay("INV-1", tt.pay)
			b.must(err)
			for range 5 {
				s := plan(r.b, r.there)
				if s.do == actDone {
					if s.inv == nil || s.inv.ID != id || r.updated {
						t.Errorf("done with %+v, updated %v", s.inv, r.updated)
					}
					if got := b.one(connector.EntityPayment, charge).Payment.InvoiceID; got != id {
						t.Errorf("the charge pays %s", got)
					}
					return
				}
				b.must(r.take(b.ctx(), s))
			}
			t.Fatal("does not end")
		})
	}
}

// A draft that somebody deletes under our hands is made again.
func TestDraftVanishes(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	r := b.runFor(invoiceWrite("k1", "", bill115(cus)))
	b.must(r.take(b.ctx(), plan(r.b, r.there)))
	other := &run{cn: r.cn, b: &bill{key: "by-hand"}, tries: map[string]int{}}
	b.must(other.remove(b.ctx(), r.there[0]))
	b.must(r.take(b.ctx(), plan(r.b, r.there)))
	if len(r.there) != 0 {
		t.Fatalf("still there: %+v", r.there)
	}
}

// The customer's balance changes right before the invoice is opened: what does
// not ask for the sum that is due is void, or goes to a person.
func TestBalanceAtTheLastMoment(t *testing.T) {
	for _, tt := range []struct {
		name    string
		balance int64
		next    string // what a later write says
	}{
		{"part of it", -500, "balance"},
		{"all of it", -50000, "settled invoice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			cus := b.customer("a")
			r := b.runFor(invoiceWrite("k1", "", bill115(cus)))
			for plan(r.b, r.there).do != actFinalize {
				b.must(r.take(b.ctx(), plan(r.b, r.there)))
			}
			b.must(b.srv.SetBalance(cus, tt.balance))
			p := &stripe.InvoiceFinalizeInvoiceParams{}
			id := r.there[0].ID
			b.must(r.change(b.ctx(), "test", "finalize", id, &p.Params, func() (*stripe.Invoice, error) {
				return r.cn.api.Invoices.FinalizeInvoice(id, p)
			}))
			err := r.assertOpen(b.ctx(), id)
			if err == nil || connector.KindOf(err) != connector.Conflict {
				t.Fatalf("opened over another sum: %v", err)
			}
			for _, rec := range b.open(cus) {
				t.Errorf("still payable: %+v", rec.Invoice)
			}
			w := invoiceWrite("k1", "", bill115(cus))
			w.Attempt = 2
			b.fails(w, connector.Conflict, tt.next)
		})
	}
}

func TestPlanRefusesAnOpenInvoiceNobodyCanPay(t *testing.T) {
	w := invoiceWrite("k1", "", bill115("cus_1"))
	b, err := newBill(w)
	if err != nil {
		t.Fatal(err)
	}
	inv := &stripe.Invoice{ID: "in_1", Status: "open", Customer: &stripe.Customer{ID: "cus_1"}, Currency: "nzd", AmountRemaining: b.units,
		Lines: &stripe.InvoiceLineItemList{}}
	for _, l := range b.lines {
		inv.Lines.Data = append(inv.Lines.Data, &stripe.InvoiceLineItem{Description: l.text, Amount: l.units})
	}
	if s := plan(b, []*stripe.Invoice{inv}); s.do != actRefuse || connector.KindOf(s.err) != connector.Conflict {
		t.Errorf("plan: %+v", s)
	}
	inv.Currency = "usd"
	if s := plan(b, []*stripe.Invoice{inv}); s.do != actVoid {
		t.Errorf("another currency: %+v", s)
	}
	inv.Currency, inv.Customer.ID = "nzd", "cus_2"
	if s := plan(b, []*stripe.Invoice{inv}); s.do != actVoid {
		t.Errorf("another customer: %+v", s)
	}
}

// Stripe charges nothing below its minimum in the account's own currency, which is
// not known beforehand: what it makes of such an invoice is told as it is.
func TestInvoiceBelowTheAccountsOwnMinimum(t *testing.T) {
	b := newBench(t)
	cus := b.customer("a")
	due := money.MustNew(90, "KWD") // 0.49 NZD at the stand-in's rate
	inv := bill115(cus)
	inv.Currency, inv.Total, inv.AmountDue, inv.TaxMode = "KWD", due, due, connector.TaxNone
	inv.Lines = []connector.InvoiceLine{{Description: "All", Amount: due}}
	w := invoiceWrite("k1", "", inv)
	for range 2 {
		err := b.fails(w, connector.Conflict, "less than Stripe charges: it became a debt on the customer's balance")
		if !strings.Contains(err.Remedy, "to zero in Stripe") {
			t.Errorf("remedy %q", err.Remedy)
		}
		w = again(w)
	}
}
