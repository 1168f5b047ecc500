package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// due proves that what is due in Xero can be paid in Stripe, once, and nothing else.
func (p *billProof) due() {
	var open []stripeInvoice
	for _, in := range p.books.bills[p.in.InvoiceID] {
		switch in.Status {
		case "open":
			open = append(open, in)
		case "draft":
			p.fault("%s has a draft in Stripe, %s", p.b.number, in.ID)
		case "uncollectible":
			p.fault("%s is uncollectible in Stripe, %s", p.b.number, in.ID)
		}
	}
	if len(open) > 1 {
		p.fault("%s can be paid %d times in Stripe", p.b.number, len(open))
		return
	}
	asked := int64(0)
	if len(open) == 1 {
		asked = open[0].Remaining
		p.count("invoice open in " + p.in.Currency)
	}
	wanted, exact := int64(0), true
	if p.in.Status == "AUTHORISED" {
		wanted, exact = inUnits(p.in.AmountDue, p.in.Currency)
	}
	p.endings(len(open))
	k := workKey("invoices-out", p.in.InvoiceID)
	switch {
	case p.unreadable() != "":
		p.wanted[k] = p.unreadable()
	case p.waiting > 0 && (asked == 0 || asked < wanted): // a charge has paid it; a person must say where it belongs
		p.count("invoice paid by a charge that is with a person")
		if _, stuck := p.persons[k]; stuck && p.unbillable(wanted, exact) != "" {
			p.wanted[k] = p.unbillable(wanted, exact)
		}
	case p.unbillable(wanted, exact) != "":
		p.wanted[k] = p.unbillable(wanted, exact)
	case asked == wanted:
	default:
		p.fault("%s: %d is due in Xero (%s), %d is open in Stripe", p.b.number, wanted, p.in.Status, asked)
	}
}

// stripeLeast is the least that Stripe charges; for dinars, what the stand-in
// takes to be worth half a New Zealand dollar.
var stripeLeast = map[string]int64{"NZD": 50, "USD": 50, "JPY": 50, "KWD": 93}

// unbillable says why what is due cannot be asked for in Stripe.
func (p *billProof) unbillable(due int64, exact bool) string {
	switch {
	case !exact:
		return "a sum that Stripe cannot count"
	case due > 0 && due < stripeLeast[p.in.Currency]:
		return "less than Stripe charges"
	}
	return ""
}

// unreadable says why nothing can be done with the invoice at all: Xero counts
// hundredths of every currency, and taxes a yen invoice in them.
func (p *billProof) unreadable() string {
	if p.in.Currency != "JPY" || p.b.mode == "NoTax" {
		return ""
	}
	for _, l := range p.b.now {
		yen, err := strconv.ParseInt(strings.TrimSuffix(string(l.UnitAmount), ".00"), 10, 64)
		sen := max(yen, -yen) * 15
		if p.b.mode == "Inclusive" {
			sen = (sen*200 + 115) / 230 // the tax within, rounded half away from zero
		}
		if err != nil || sen%100 != 0 {
			return "sums in fractions of the currency"
		}
	}
	return ""
}

// endings counts how invoices ended.
func (p *billProof) endings(open int) {
	all := p.books.bills[p.in.InvoiceID]
	void := 0
	for _, in := range all {
		if in.Status == "void" {
			void++
		}
		if in.Status == "paid" && in.OutOfBand {
			p.count("invoice paid outside Stripe")
		}
	}
	switch {
	case p.in.Status == "VOIDED" && len(all) > 0 && void == len(all):
		p.count("invoice void on both sides")
	case void > 0 && open > 0:
		p.count("invoice issued again")
	case len(p.charges) > 1 && open == 0:
		p.count("invoice with several charges")
	}
	if p.in.Status == "VOIDED" && open > 0 && p.unreadable() == "" {
		p.fault("%s is voided, and open in Stripe", p.b.number)
	}
}

// clearing proves the clearing account of the whole world, by currency: charges
// less refunds, but for what a person has to post or has posted.
func (w *modelWorld) clearing(b *books) error {
	got := map[string]int64{}
	human := map[string]bool{}
	for _, p := range w.owners {
		for _, x := range p.bills {
			for _, id := range x.byHand {
				human[id] = true
			}
		}
	}
	over := map[string]xero.Credit{}
	for _, o := range b.allOver {
		over[o.ID] = o
		n, _ := inUnits(o.Total, o.Currency)
		got[o.Currency] += n
	}
	for _, pay := range b.all {
		if pay.Account != demoAccount || human[pay.PaymentID] {
			continue
		}
		n, _ := inUnits(pay.Amount, pay.Currency)
		if pay.PaymentType == "ACCRECPAYMENT" {
			got[pay.Currency] += n
		} else {
			got[pay.Currency] -= n
		}
	}
	maps.DeleteFunc(got, func(_ string, n int64) bool { return n == 0 })
	want := maps.Clone(w.ours)
	maps.DeleteFunc(want, func(_ string, n int64) bool { return n == 0 })
	if !maps.Equal(got, want) {
		return fmt.Errorf("the clearing account has moved by %v, charges less refunds are %v (currencies %v)", got, want, slices.Sorted(maps.Keys(got)))
	}
	return nil
}
