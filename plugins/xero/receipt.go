package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A receipt becomes a payment on its invoice, of at most what is due; what is
// left over becomes an overpayment of the contact. The service accepts the same
// payment twice, so the books are read first, each time.

// parts is what a receipt becomes.
type parts struct {
	onInvoice money.Amount // zero: nothing
	surplus   money.Amount // zero: nothing
}

// postReceipts takes two rounds at most: when somebody paid the invoice between
// our look and our payment, the books are read again and decided anew.
func (b *batch) postReceipts(ctx context.Context, pending []*posting) {
	for round := 1; round <= 2 && len(pending) > 0; round++ {
		pending = b.receiptRound(ctx, pending, round)
	}
	for _, p := range pending {
		p.fail(p.refusal)
	}
}

func (b *batch) receiptRound(ctx context.Context, list []*posting, round int) []*posting {
	books, err := b.readBooks(ctx, list)
	if err == nil {
		err = b.lookCloser(ctx, list, books)
	}
	if err != nil {
		failAll(list, err)
		return nil
	}
	plans := map[*posting]parts{}
	for _, p := range list {
		bk := p.bookOf(books)
		if bk == nil {
			continue
		}
		plan, post, err := b.decide(ctx, p, bk)
		if err != nil {
			p.fail(err)
		} else if post {
			plans[p] = plan
		}
	}
	again := b.payInvoices(ctx, list, plans, round)
	b.bankSurplus(ctx, list, plans, books, again, round)
	if slices.ContainsFunc(again, func(p *posting) bool { return says([]string{p.refusal.Message}, textLockDate) }) {
		if b.org, err = b.organisation(ctx, true); err != nil {
			failAll(again, err)
			return nil
		}
	}
	return again
}

// lookCloser reads what an invoice does not tell by itself: references of its
// payments where they matter, and overpayments where one may be ours already
// or one has to be made.
func (b *batch) lookCloser(ctx context.Context, list []*posting, books map[string]*book) error {
	var confirm []*book
	var marks []string
	wanted := map[*book]int64{}
	for _, p := range list {
		bk := books[strings.ToLower(p.pay.InvoiceID)]
		if bk == nil || bk.err != nil {
			continue
		}
		if bk.currency != p.pay.Amount.Currency() {
			marks = append(marks, p.mark)
			continue
		}
		if bk.doubtful(p) && !slices.Contains(confirm, bk) {
			confirm = append(confirm, bk)
		}
		wanted[bk] += p.pay.Amount.Minor()
		if p.write.Attempt > 1 || p.write.TargetID != "" || wanted[bk] > bk.due.Minor() {
			marks = append(marks, p.mark)
		}
	}
	if len(confirm) > 0 {
		if err := b.confirmRows(ctx, confirm); err != nil {
			return err
		}
	}
	if len(marks) == 0 {
		return nil
	}
	over, err := b.readOverpayments(ctx, marks)
	if err != nil {
		return err
	}
	for _, bk := range books {
		bk.over = over
	}
	return nil
}

// decide settles the posting, or says what is to be posted.
func (b *batch) decide(ctx context.Context, p *posting, bk *book) (parts, bool, error) {
	missing, err := b.alreadyThere(ctx, p, bk)
	if err != nil || p.settled() {
		return parts{}, false, err
	}
	if !bk.payable() && len(p.pay.RefundIDs) == 0 {
		p.unapplied(bk)
		return parts{}, false, nil
	}
	if !bk.payable() { // a person gives it back: an overpayment, for the refund to be paid out of
		bk.due = money.Zero(bk.currency)
	}
	if missing == p.pay.Amount && bk.due.Minor() < missing.Minor() {
		if err := b.adopt(ctx, p, bk); err != nil || p.settled() {
			return parts{}, false, err
		}
	}
	if !p.chooseDay(b.org.lockDate()) {
		return parts{}, false, nil
	}
	return b.split(p, bk, missing)
}

// unapplied leaves money whose invoice takes none to a person.
func (p *posting) unapplied(bk *book) {
	remedy := "refund the money in the payment service, then both movements are booked; or keep it: enter it in Xero as an overpayment" +
		" of the contact in the clearing account, with the reference " + p.mark + ", and run the work again"
	if bk.inv.Status == "DRAFT" || bk.inv.Status == "SUBMITTED" {
		remedy = "approve the invoice in Xero and run the work again; or refund the money in the payment service, then both movements are booked"
	}
	p.conflict(remedy, "unapplied receipt: %s", bk.whyUnpayable())
}

// split divides what is missing into a payment on the invoice and a surplus.
func (b *batch) split(p *posting, bk *book, missing money.Amount) (parts, bool, error) {
	if err := p.startAt(missing); err != nil {
		return parts{}, false, err
	}
	zero := money.Zero(bk.currency)
	plan := parts{onInvoice: zero, surplus: missing}
	if bk.due.Sign() > 0 {
		var err error
		if plan.onInvoice, err = money.Min(missing, bk.due); err != nil {
			return parts{}, false, err
		}
		if plan.surplus, err = missing.Sub(plan.onInvoice); err != nil {
			return parts{}, false, err
		}
	}
	if plan.surplus.Sign() > 0 && !p.account.bank() {
		p.conflict("choose a clearing account of type Bank, or enter the overpayment in Xero by hand with the reference "+p.mark,
			"%s more than invoice %s has due cannot be posted: account %s is not a bank account", plan.surplus, bk.inv.InvoiceNumber, p.account.Name)
		return parts{}, false, nil
	}
	if plan.surplus.Sign() > 0 && !p.account.keptIn(bk.currency, b.org) {
		// A bank transaction is in the currency of its account.
		p.conflict("refund what is too much in the payment service, or keep it; in Xero, enter by hand with the reference "+p.mark+
			" what was due as a payment on the invoice, and the rest as an overpayment in the account's currency, and run the work again",
			"%s more than invoice %s has due cannot be posted: account %s is in another currency", plan.surplus, bk.inv.InvoiceNumber, p.account.Name)
		return parts{}, false, nil
	}
	var err error
	bk.due, err = bk.due.Sub(plan.onInvoice)
	return plan, err == nil, err
}

// alreadyThere looks for what an earlier attempt posted, and returns what is
// still missing. The posting is settled when that is nothing, or when the books
// disagree with it.
func (b *batch) alreadyThere(ctx context.Context, p *posting, bk *book) (money.Amount, error) {
	found := rowsMarked(bk.rows, p.mark)
	for _, r := range bk.rows {
		if r.live() && sameID(r.PaymentID, p.write.TargetID) && markOf(r.Reference) != p.mark {
			found = append(found, r)
		}
	}
	total := money.Zero(bk.currency)
	id := ""
	for _, r := range found {
		if takesOffAny(r.Reference) {
			// The new payment is the refund's: the receipt keeps its own.
			p.settle(connector.Unchanged, cmp.Or(p.write.TargetID, r.PaymentID), "reduced by a refund")
			return total, nil
		}
		amount, err := bk.amount(r.Amount)
		if err == nil {
			total, err = total.Add(amount)
		}
		if err != nil {
			return total, unreadable(opPost, "payment "+r.Reference, r.PaymentID, err)
		}
		p.effect("payment", r.PaymentID, amount)
		id = r.PaymentID
	}
	over, overID, err := p.overpaid(bk)
	if id == "" {
		id = overID
	}
	if p.settled() { // by a person, who has decided about the whole receipt
		p.out.ID = strings.ToLower(id)
	}
	if err != nil || p.settled() {
		return total, err
	}
	if total, err = total.Add(over); err != nil {
		return total, err
	}
	return b.compare(ctx, p, total, id)
}

// overpaid sums the overpayments under the mark and names the first. The service
// keeps one in the currency of its bank account: one in another currency than the
// invoice's was entered by a person, and settles the posting.
func (p *posting) overpaid(bk *book) (money.Amount, string, error) {
	total, id := money.Zero(bk.currency), ""
	for _, o := range bk.over {
		if o.Reference != p.mark {
			continue
		}
		c, err := currencyOf(o.CurrencyCode)
		if err != nil {
			return total, id, unreadable(opPost, "overpayment "+o.Reference, o.OverpaymentID, err)
		}
		amount, err := o.Total.amount(c)
		if err != nil {
			return total, id, unreadable(opPost, "overpayment "+o.Reference, o.OverpaymentID, err)
		}
		p.effect("overpayment", o.OverpaymentID, amount)
		if id == "" {
			id = o.OverpaymentID
		}
		if c != bk.currency {
			p.settle(connector.Unchanged, id, "a person booked it, what was too much in "+string(c))
			return total, id, nil
		}
		if total, err = total.Add(amount); err != nil {
			return total, id, err
		}
	}
	return total, id, nil
}

// compare says what is missing after total was found under id.
func (b *batch) compare(ctx context.Context, p *posting, total money.Amount, id string) (money.Amount, error) {
	missing, err := p.pay.Amount.Sub(total)
	switch {
	case err != nil:
		return total, err
	case missing.IsZero():
		p.settle(connector.Unchanged, id, "")
	case id == "" && p.write.TargetID != "":
		return missing, b.lostTarget(ctx, p)
	case id != "" && (missing.Sign() < 0 || p.write.Attempt < 2 || p.write.TargetID != ""):
		p.conflict("correct the payment in Xero, or accept the difference",
			"Xero holds %s under %s, the receipt is over %s", total, p.mark, p.pay.Amount)
		p.out.Effects = nil
	}
	// I3: what is there and short of the whole, with no outcome known, was cut
	// off between its parts.
	p.out.ID = strings.ToLower(id)
	return missing, nil
}

// lostTarget is a payment that we knew and no longer find on its invoice.
func (b *batch) lostTarget(ctx context.Context, p *posting) error {
	rows, err := b.paymentsByID(ctx, guids([]string{p.write.TargetID}))
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.live() {
			p.conflict("look at the payment in Xero", "payment %s no longer stands on invoice %s", p.mark, p.label())
			return nil
		}
	}
	why, noted, err := b.lastReplacement(ctx, p)
	switch {
	case err != nil:
		return err
	case noted && !why.left.IsZero():
		return underWay(p, why)
	case noted:
		p.settle(connector.Unchanged, p.write.TargetID, "given back: "+why.mark+" took all that was left of it")
		return nil
	}
	p.conflict("enter it again in Xero with the reference "+p.mark+", or refund the money in the payment service",
		"the payment %s on invoice %s was deleted in Xero", p.mark, p.label())
	return nil
}

// payInvoices posts the parts on invoices, all in one request, and returns the
// postings to be decided anew.
func (b *batch) payInvoices(ctx context.Context, list []*posting, plans map[*posting]parts, round int) []*posting {
	var orders []order
	for _, p := range list {
		plan, ok := plans[p]
		if !ok || plan.onInvoice.IsZero() {
			continue
		}
		o, err := p.order(toInvoice, strings.ToLower(p.pay.InvoiceID), plan.onInvoice, p.bookReference())
		if err != nil {
			p.fail(err)
			continue
		}
		orders = append(orders, o)
	}
	var again []*posting
	var results []made
	if round == 1 {
		results = b.placeOrders(ctx, stepName("receipt", round), orders)
	} else {
		for _, o := range orders { // apart, so that one that is refused harms no other
			results = append(results, b.placeOrders(ctx, stepName("receipt", round), []order{o})...)
		}
	}
	for i, m := range results {
		p := orders[i].p
		switch {
		case m.err == nil:
			p.effect("payment", m.payment.PaymentID, orders[i].amount)
			p.out.ID = strings.ToLower(m.payment.PaymentID)
			if rec, err := m.payment.record(); err == nil {
				p.out.Record = &rec
			}
			if plans[p].surplus.IsZero() {
				p.settle(connector.Created, p.out.ID, b.movedReason(p))
			}
		case m.raced(), m.locked(), m.wholesale:
			p.refusal = m.err
			p.out.Effects = nil
			again = append(again, p)
		default:
			p.fail(m.err)
		}
	}
	return again
}

func (b *batch) movedReason(p *posting) string {
	if p.day == p.trueDay {
		return ""
	}
	return "booked on " + p.day.String() + ": the period of " + p.trueDay.String() + " is locked"
}

func stepName(step string, round int) string {
	if round == 1 {
		return step
	}
	return step + " again"
}
