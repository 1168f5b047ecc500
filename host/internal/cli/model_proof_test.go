package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// The proof compares the books of both sides after a story, to the minor unit,
// and says for each record whether a person must be needed: no more, no less.

// fault notes that the proof has failed, once for each reason.
func (p *play) fault(format string, args ...any) {
	if what := "WRONG: " + fmt.Sprintf(format, args...); !slices.Contains(p.wrong, what) {
		p.wrong = append(p.wrong, what)
	}
}

// proof is the proof of one story.
type proof struct {
	*play
	*books
	persons map[string]flow.Work // by flow and record
	wanted  map[string]string    // why a person must be needed
}

func workKey(flow, id string) string { return flow + " " + id }

// prove proves all stories of a day, and the sum of the clearing account.
func (w *modelWorld) prove(plays []*play, counts *tally) error {
	b, err := w.look()
	if err != nil {
		return err
	}
	for _, p := range plays {
		work, err := p.persons()
		if err != nil {
			return err
		}
		x := &proof{play: p, books: b, persons: map[string]flow.Work{}, wanted: map[string]string{}}
		for _, f := range work {
			x.persons[workKey(f.Flow, f.Source.ID)] = f
		}
		x.all()
		if len(p.wrong) == 0 {
			counts.add("histories", 1)
		}
	}
	if slices.ContainsFunc(plays, func(p *play) bool { return len(p.wrong) > 0 }) {
		return nil // the stories say more than the sum
	}
	if err := w.settled(); err != nil {
		return err
	}
	return w.clearing(b)
}

// settled requires that every record has ended (I7).
func (w *modelWorld) settled() error {
	ctx, cancel := timeLimit()
	defer cancel()
	var n int
	err := w.r.db.Read().QueryRowContext(ctx, `SELECT COUNT(*) FROM work WHERE state NOT IN ('done', 'skipped', 'dead', 'held') OR done_generation < generation`).Scan(&n)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d pieces of work have not ended", n)
	}
	return err
}

// all proves the story.
func (x *proof) all() {
	for _, b := range x.play.bills {
		if b.id != "" {
			x.bill(b)
		}
	}
	for _, c := range x.people {
		x.person(c)
	}
	for _, id := range x.foreigners {
		if len(x.byMark[id])+len(x.over[id]) > 0 {
			x.fault("charge %s of another application is posted", id)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(x.wanted)) {
		if _, ok := x.persons[k]; !ok {
			x.fault("%s must be with a person (%s) and is not", k, x.wanted[k])
		}
		x.count("person: " + x.wanted[k])
	}
	for _, k := range slices.Sorted(maps.Keys(x.persons)) {
		if x.wanted[k] == "" {
			x.fault("%s is with a person and need not be: %s", k, x.persons[k].Reason)
		}
	}
}

// person proves that a contact has one customer, of the same name and address.
func (x *proof) person(c *modelPerson) {
	all := x.customers[c.id]
	if len(all) > 1 {
		x.fault("contact %s has %d customers", c.id, len(all))
	}
	if len(all) == 0 {
		return
	}
	if got, want := all[0].Name, x.contacts[c.id].Name; got != want {
		x.fault("customer %s is called %q, its contact %q", all[0].ID, got, want)
	}
	if got, want := all[0].Email, x.contacts[c.id].EmailAddress; got != want {
		x.fault("customer %s has the address %q, its contact %q", all[0].ID, got, want)
	}
	if len(c.edited) > 0 {
		x.count("contact edited on one side")
	}
	if c.edited["name in Xero"] && c.edited["name in Stripe"] || c.edited["email in Xero"] && c.edited["email in Stripe"] {
		x.count("contact edited on both sides")
	}
}

// billProof is the proof of one invoice.
type billProof struct {
	*proof
	b       *modelBill
	in      xero.Invoice
	charges []stripeCharge
	waiting int64 // of charges that a person must post
}

func (x *proof) bill(b *modelBill) {
	p := &billProof{proof: x, b: b, in: x.invoices[b.number]}
	p.charges = x.chargesOf(b.id)
	for _, id := range b.charges { // one that lost its way
		if !slices.ContainsFunc(p.charges, func(c stripeCharge) bool { return c.ID == id }) {
			p.fault("charge %s does not belong to %s any more", id, b.number)
		}
	}
	for _, c := range p.charges {
		p.receipt(c)
	}
	p.strangers()
	p.due()
	p.disputed()
}

// disputed requires that money which a customer's bank took back is with a
// person until it is won back: the recipe's default.
func (p *billProof) disputed() {
	for _, d := range p.disputes {
		if !slices.ContainsFunc(p.charges, func(c stripeCharge) bool { return c.ID == d.Charge }) {
			continue
		}
		p.count("dispute that is " + d.Status)
		if d.Status == "needs_response" || d.Status == "lost" {
			p.wanted[workKey("disputes-in", d.ID)] = "money that the customer's bank took back"
		}
	}
}

// paid sums payments in Stripe's units.
func (p *billProof) paid(all []xero.Payment, want func(xero.Payment) bool) (n int64, count int) {
	for _, pay := range all {
		if want(pay) {
			m, exact := inUnits(pay.Amount, p.b.currency)
			if !exact {
				p.fault("payment %s over %s cannot be one of Stripe's", pay.PaymentID, pay.Amount)
			}
			n, count = n+m, count+1
		}
	}
	return n, count
}

// posting is what the books of Xero hold of a charge.
type posting struct {
	onInvoice, surplus, surplusBack int64
}

func (p *billProof) posted(c stripeCharge) posting {
	var out posting
	n := 0
	out.onInvoice, n = p.paid(p.payments[p.in.InvoiceID], func(pay xero.Payment) bool { return firstWord(pay.Reference) == c.ID })
	if n > 1 {
		p.fault("charge %s has %d payments on %s", c.ID, n, p.b.number)
	}
	over := 0
	for _, o := range p.over[c.ID] {
		m, _ := inUnits(o.Total, p.b.currency)
		back, _ := p.paid(p.payments[o.ID], func(xero.Payment) bool { return true })
		out.surplus, out.surplusBack, over = out.surplus+m, out.surplusBack+back, over+1
		if o.Currency != p.in.Currency {
			p.fault("the overpayment of charge %s is in %s", c.ID, o.Currency)
		}
	}
	if over > 1 {
		p.fault("charge %s has %d overpayments", c.ID, over)
	}
	return out
}

// receipt proves one charge with its refunds.
func (p *billProof) receipt(c stripeCharge) {
	got := p.posted(c)
	total := got.onInvoice + got.surplus
	adopted := total == 0 && p.adopted(c)
	if c.Status != "succeeded" {
		p.failedReceipt(c, got, adopted)
		return
	}
	before, off := p.w.ours[p.in.Currency], int64(0) // off is what refunds took off the receipt
	for _, r := range p.refunds[c.ID] {
		off += p.refund(c, r, adopted)
	}
	_, stuck := p.persons[workKey("receipts-in", c.ID)]
	why := p.whyNot(c)
	switch {
	case adopted && off == 0:
		p.count("receipt adopted")
	case p.w.refunds == "reopen" && !adopted && p.blocked(c, total, off):
		p.w.ours[p.in.Currency] = before + total - got.surplusBack
	case total == c.Amount-off && (total > 0 || !stuck || why == ""):
		p.postedWell(c, got, off)
	case total == 0 && why != "":
		p.wanted[workKey("receipts-in", c.ID)] = why
		p.waiting += c.Amount
	default:
		p.fault("charge %s of %d, less %d by refunds, is posted with %d (%d on the invoice)", c.ID, c.Amount, off, total, got.onInvoice)
	}
}

// blocked reports whether the receipt is smaller than it should be because a
// refund failed after others had paid the invoice: that, and a later refund
// which is more than what stands, is for a person.
func (p *billProof) blocked(c stripeCharge, total, off int64) bool {
	due, _ := inUnits(p.in.AmountDue, p.b.currency)
	lacks, most := c.Amount-off-total, int64(0)
	for _, r := range p.refunds[c.ID] {
		k := workKey("refunds-in", r.ID)
		_, stuck := p.persons[k]
		switch {
		case !stuck:
		case r.Status == "failed" && due < r.Amount:
			most += r.Amount
			p.wanted[k] = "failed refund of an invoice that others have paid meanwhile"
		case r.Status == "succeeded" && r.Amount > total:
			lacks += r.Amount // it is not off the receipt
			p.wanted[k] = "refund of more than stands, because another one failed"
		}
	}
	if most == 0 || lacks <= 0 || lacks > most {
		return false
	}
	p.waiting += lacks
	return true
}

func (p *billProof) postedWell(c stripeCharge, got posting, off int64) {
	p.count("receipt posted")
	if got.surplus > 0 {
		p.count("receipt with an overpayment")
	}
	if off > 0 {
		p.count("receipt reversed by a refund")
	}
	p.w.ours[p.in.Currency] += c.Amount
}

// failedReceipt proves that nothing is left of a charge that failed.
func (p *billProof) failedReceipt(c stripeCharge, got posting, adopted bool) {
	if adopted && c.Status == "failed" {
		p.wanted[workKey("receipts-in", c.ID)] = "charge that failed, and for which a person entered the receipt"
		return
	}
	if got.onInvoice != 0 || got.surplus != got.surplusBack {
		p.fault("charge %s is %s, but posted with %d and an overpayment of %d, of which %d went back", c.ID, c.Status, got.onInvoice, got.surplus, got.surplusBack)
	}
	p.count("charge that failed")
}

// whyNot says why a charge cannot be posted; "" when it must be.
func (p *billProof) whyNot(c stripeCharge) string {
	due, _ := inUnits(p.in.AmountDue, p.b.currency)
	void := p.in.Status != "AUTHORISED" && p.in.Status != "PAID"
	if void { // what is given back becomes an overpayment first
		due = 0
	}
	switch {
	case p.unreadable() != "":
		return p.unreadable()
	case void && len(p.refunds[c.ID]) == 0:
		return "receipt of an invoice that was voided"
	case p.in.Currency != "NZD" && due < c.Amount:
		return "surplus in another currency than the clearing account's"
	}
	return ""
}

// adopted reports whether a payment that a person entered serves the charge. It
// must be over the same sum, and still be there.
func (p *billProof) adopted(c stripeCharge) bool {
	claims, err := p.w.claims(p.in.InvoiceID)
	if err != nil {
		p.fault("%v", err)
		return false
	}
	for _, pay := range p.payments[p.in.InvoiceID] {
		if claims[pay.PaymentID] != c.ID {
			continue
		}
		n, _ := inUnits(pay.Amount, p.b.currency)
		if human := slices.Contains(p.b.byHand, pay.PaymentID) || slices.Contains(p.b.bank, pay.PaymentID); !human || n != c.Amount {
			p.fault("payment %s of %d serves charge %s of %d", pay.PaymentID, n, c.ID, c.Amount)
		}
		return true
	}
	return false
}

// refund proves one refund, and returns what it took off the receipt.
func (p *billProof) refund(c stripeCharge, r stripeRefund, adopted bool) (off int64) {
	var notes, noted int64
	for _, n := range p.notes[r.ID] {
		if n.Status == "VOIDED" || n.Status == "DELETED" {
			continue
		}
		m, _ := inUnits(n.Total, p.b.currency)
		notes, noted = notes+1, noted+m
	}
	back, _ := p.paid(p.byMark[r.ID], func(xero.Payment) bool { return true })
	if r.Status != "succeeded" {
		if notes != 0 || back != 0 {
			p.fault("refund %s is %s, but there are %d credit notes, and %d was paid out", r.ID, r.Status, notes, back)
		}
		p.count("refund that is " + r.Status)
		return 0
	}
	k := workKey("refunds-in", r.ID)
	if why := p.whyNoRefund(c, adopted); why != "" && back == 0 && notes == 0 {
		p.wanted[k] = why
		return 0
	}
	switch fromSurplus := back - noted; {
	case notes > 1:
		p.fault("refund %s has %d credit notes", r.ID, notes)
	case p.w.refunds == "reopen" && notes == 0 && back <= r.Amount:
		p.count("refund reopens the invoice")
		off = r.Amount - back
	case back != r.Amount:
		p.fault("refund %s of %d: %d was paid out, credit notes over %d", r.ID, r.Amount, back, noted)
	case notes == 1:
		p.count("refund is a credit note")
	case fromSurplus > 0:
		p.count("refund out of the overpayment")
	}
	p.w.ours[p.in.Currency] -= r.Amount
	return off
}

// whyNoRefund says why a refund cannot be posted: its receipt is not, or a
// person entered that.
func (p *billProof) whyNoRefund(c stripeCharge, adopted bool) string {
	got := p.posted(c)
	_, stuck := p.persons[workKey("receipts-in", c.ID)]
	switch {
	case adopted && p.w.refunds == "reopen":
		return "refund that would reopen an invoice on which a person entered the receipt"
	case !adopted && got.onInvoice+got.surplus == 0 && stuck && p.whyNot(c) != "":
		return "refund of a receipt that is with a person"
	}
	return ""
}

// strangers proves that nothing else of ours is on the invoice.
func (p *billProof) strangers() {
	for _, pay := range p.payments[p.in.InvoiceID] {
		known := slices.Contains(p.b.byHand, pay.PaymentID) || slices.Contains(p.b.bank, pay.PaymentID) ||
			slices.ContainsFunc(p.charges, func(c stripeCharge) bool { return c.ID == firstWord(pay.Reference) })
		if !known {
			p.fault("payment %s of %s on %s, %q, is nobody's", pay.PaymentID, pay.Amount, p.b.number, pay.Reference)
		}
	}
	for _, o := range p.allOver {
		if strings.Contains(o.Reference, "_") && p.w.owners[o.Reference] == nil {
			p.fault("overpayment %s of %s, %q, is nobody's", o.ID, o.Total, o.Reference)
		}
	}
}
