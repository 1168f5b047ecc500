package main

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A refund gives back first what the receipt left as an overpayment. The rest
// becomes, as the owner chose, a credit note over exactly that sum which is paid
// out of the clearing account, or a smaller receipt, so that the invoice is due
// again. Every part bears the refund's mark and is looked for before it is made.

// surplusState is an overpayment with what this call has planned on it.
type surplusState struct {
	form overpaymentForm
	left money.Amount
}

// refund is one wanted refund with what the books hold of it.
type refund struct {
	*posting
	book        *book // the invoice with the full rows of its payments, deleted ones too
	receipt     *paymentForm
	receiptMark string
	note        *creditNoteForm
	earlier     []creditNoteForm // of the receipt's earlier refunds
	surplus     []*surplusState

	credit   money.Amount // over which a credit note is to be made or paid
	payBacks []payBack
}

// payBack is a part that is taken from an overpayment.
type payBack struct {
	from   *surplusState
	amount money.Amount
}

func (b *batch) postRefunds(ctx context.Context, list []*posting) {
	end, err := b.alone(ctx, list)
	if err != nil {
		failAll(list, err)
		return
	}
	defer end()
	for _, wave := range waves(list) {
		b.postWave(ctx, wave)
	}
}

// waves parts the refunds so that each look at the books is still true when it
// is acted on: what changes a receipt goes one by one for each invoice. Credit
// notes leave the receipts alone, and go one by one for each receipt, oldest
// first, for each takes what the ones before it left of the lines.
func waves(list []*posting) [][]*posting {
	var out [][]*posting
	turn := map[string]int{}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *posting) int { return len(a.pay.RefundIDs) - len(b.pay.RefundIDs) })
	for _, p := range list {
		id := strings.ToLower(p.pay.PaymentOf)
		if p.write.Policy.Refunds == connector.RefundReopen || p.pay.Status == connector.PaymentFailed {
			id = strings.ToLower(p.pay.InvoiceID)
		}
		at := turn[id]
		turn[id]++
		for len(out) <= at {
			out = append(out, nil)
		}
		out[at] = append(out[at], p)
	}
	return out
}

func (b *batch) postWave(ctx context.Context, list []*posting) {
	var planned []*refund
	for _, r := range b.lookAtRefunds(ctx, list) {
		if err := b.planRefund(ctx, r); err != nil {
			r.fail(err)
		}
		if !r.settled() {
			planned = append(planned, r)
		}
	}
	b.makeNotes(ctx, planned)
	b.payRefunds(ctx, planned)
}

// lookAtRefunds reads everything that the refunds concern, in a handful of
// calls for all of them, and returns those that can go on.
func (b *batch) lookAtRefunds(ctx context.Context, list []*posting) []*refund {
	if len(list) == 0 {
		return nil
	}
	books, err := b.readBooks(ctx, list)
	var filters, marks []string
	for _, p := range list {
		filters = append(filters, guidIs("Invoice.InvoiceID", strings.ToLower(p.pay.InvoiceID)), guidIs("PaymentID", strings.ToLower(p.pay.PaymentOf)))
		marks = append(append(marks, p.mark), p.pay.RefundIDs...)
	}
	slices.Sort(filters)
	var rows []paymentForm
	if err == nil {
		rows, err = b.paymentsWhere(ctx, slices.Compact(filters))
	}
	var notes []creditNoteForm
	if err == nil {
		notes, err = b.readCreditNotes(ctx, marks)
	}
	if err != nil {
		failAll(list, err)
		return nil
	}
	var out []*refund
	for _, p := range list {
		if bk := p.bookOf(books); bk != nil {
			r := &refund{posting: p, book: bk, credit: money.Zero(bk.currency)}
			if r.find(rows, notes) {
				out = append(out, r)
			}
		}
	}
	if err := b.findSurplus(ctx, out); err != nil {
		for _, r := range out {
			r.fail(err)
		}
		return nil
	}
	return out
}

// find picks the refund's own rows and credit note from what was read.
func (r *refund) find(rows []paymentForm, notes []creditNoteForm) bool {
	r.book.rows = slices.DeleteFunc(slices.Clone(rows), func(row paymentForm) bool { return r.book.foreign || !sameID(row.targetID(), r.book.inv.InvoiceID) })
	for i := range rows {
		if sameID(rows[i].PaymentID, r.pay.PaymentOf) {
			r.receipt = &rows[i]
			if marked(rows[i].Reference) {
				r.receiptMark = markOf(rows[i].Reference)
			}
		}
	}
	for i := range notes {
		if slices.Contains(r.pay.RefundIDs, markOf(notes[i].Reference)) {
			r.earlier = append(r.earlier, notes[i])
		}
		if markOf(notes[i].Reference) != r.mark {
			continue
		}
		if r.note != nil {
			r.conflict("void one of them in Xero", "there are several credit notes for the refund %s", r.mark)
			return false
		}
		r.note = &notes[i]
	}
	return true
}

// findSurplus reads the overpayments that the receipts left.
func (b *batch) findSurplus(ctx context.Context, list []*refund) error {
	var marks []string
	for _, r := range list {
		if r.receipt == nil {
			over, err := b.readOverpayment(ctx, r.pay.PaymentOf)
			if err != nil {
				return err
			}
			r.receiptMark = markOf(over.Reference)
		}
		if r.receiptMark != "" {
			marks = append(marks, r.receiptMark)
		}
	}
	if len(marks) == 0 {
		return nil
	}
	over, err := b.readOverpayments(ctx, marks)
	if err != nil {
		return err
	}
	states := make([]*surplusState, 0, len(over))
	for _, o := range over {
		c, err := currencyOf(o.CurrencyCode)
		if err != nil {
			return unreadable(opPost, "overpayment "+o.Reference, o.OverpaymentID, err)
		}
		left, err := o.RemainingCredit.amount(c)
		if err != nil {
			return unreadable(opPost, "overpayment "+o.Reference, o.OverpaymentID, err)
		}
		states = append(states, &surplusState{form: o, left: left})
	}
	for _, r := range list {
		for _, s := range states {
			if r.receiptMark != "" && s.form.Reference == r.receiptMark && s.left.Currency() == r.book.currency {
				r.surplus = append(r.surplus, s)
			}
		}
	}
	return nil
}

// readOverpayment reads one overpayment; the zero one when there is none.
func (b *batch) readOverpayment(ctx context.Context, id string) (overpaymentForm, error) {
	r := request{op: "xero: read overpayment", method: http.MethodGet, path: accounting + "/Overpayments/" + strings.ToLower(id)}
	var env envelope
	_, err := b.call(ctx, r, &env)
	switch {
	case err != nil && connector.KindOf(err) == connector.NotFound:
		return overpaymentForm{}, nil
	case err != nil:
		return overpaymentForm{}, err
	case len(env.Overpayments) != 1:
		return overpaymentForm{}, unpromised(r, "the answer holds no overpayment")
	}
	return env.Overpayments[0], nil
}

// readCreditNotes finds the credit notes that bear the marks and still count.
func (b *batch) readCreditNotes(ctx context.Context, marks []string) ([]creditNoteForm, error) {
	var filters []string
	for _, mark := range marks {
		if f, ok := textIs("Reference", mark); ok && !slices.Contains(filters, f) {
			filters = append(filters, f)
		}
	}
	var out []creditNoteForm
	for _, where := range anyOf(filters) {
		r := request{op: "xero: read credit notes", method: http.MethodGet, path: accounting + "/CreditNotes", query: url.Values{
			"where": {where}, "page": {"1"}, "pageSize": {strconv.Itoa(lookupRows)},
		}}
		var env envelope
		if _, err := b.call(ctx, r, &env); err != nil {
			return nil, err
		}
		if env.CreditNotes == nil {
			return nil, unpromised(r, "the answer holds no credit notes")
		}
		out = append(out, env.CreditNotes...)
	}
	return slices.DeleteFunc(out, creditNoteForm.gone), nil
}

// planRefund settles the refund when it is in the books, or plans its parts.
func (b *batch) planRefund(ctx context.Context, r *refund) error {
	back := money.Zero(r.book.currency) // paid back from the surplus by an earlier attempt
	id := ""
	for _, s := range r.surplus {
		for _, row := range rowsMarked(s.form.Payments, r.mark) {
			amount, err := r.book.amount(row.Amount)
			if err == nil {
				back, err = back.Add(amount)
			}
			if err != nil {
				return unreadable(opPost, "payment "+row.Reference, row.PaymentID, err)
			}
			r.effect("payment", row.PaymentID, amount)
			id = row.PaymentID
		}
	}
	rest, err := r.pay.Amount.Sub(back)
	r.done = back
	switch {
	case err != nil:
		return err
	case rest.Sign() < 0:
		r.conflict("look at the overpayment in Xero", "more than the refund was paid back under %s", r.mark)
		return nil
	case rest.IsZero():
		r.settle(connector.Unchanged, id, "")
		return nil
	}
	if r.note != nil {
		return r.planNote(rest)
	}
	if done := r.reduced(); done != nil {
		r.settle(connector.Unchanged, done.PaymentID, "the receipt was reduced")
		return nil
	}
	if inBooks := r.receipt != nil && (r.receipt.live() || r.receiptMark != ""); !inBooks && len(r.surplus) == 0 {
		r.conflict("look at the refund "+r.mark+" in the payment service and enter it in Xero by hand", "the receipt that is refunded is not in the books")
		return nil
	}
	if rest, err = r.takeSurplus(rest); err != nil {
		return err
	}
	reopens := r.write.Policy.Refunds == connector.RefundReopen
	if rest.Sign() == 0 || !reopens {
		if err := r.planCredit(rest); err != nil || r.settled() || rest.Sign() == 0 {
			return err
		}
	}
	// The surplus goes first, before another refund takes it: what the credit note
	// is over, or what the receipt's reference says, is then the rest for certain.
	credit := r.credit
	r.credit = money.Zero(r.book.currency)
	if err := b.payBackNow(ctx, r); err != nil || r.settled() {
		return err
	}
	if reopens {
		return b.reopen(ctx, r, rest)
	}
	r.credit = credit
	return nil
}

// takeSurplus plans to pay back what the receipt left over, and returns the rest.
func (r *refund) takeSurplus(rest money.Amount) (money.Amount, error) {
	for _, s := range r.surplus {
		if s.left.Sign() <= 0 || rest.Sign() <= 0 {
			continue
		}
		part, err := money.Min(rest, s.left)
		if err != nil {
			return rest, err
		}
		if rest, err = rest.Sub(part); err != nil {
			return rest, err
		}
		if s.left, err = s.left.Sub(part); err != nil {
			return rest, err
		}
		r.payBacks = append(r.payBacks, payBack{from: s, amount: part})
	}
	return rest, nil
}

// planCredit plans a credit note over the rest.
func (r *refund) planCredit(rest money.Amount) error {
	if rest.IsZero() {
		return nil
	}
	if stands := r.lastOf(); stands == nil {
		r.conflict("look at the refund "+r.mark+" in the payment service and enter it in Xero by hand", "the receipt that is refunded was deleted in Xero")
		return nil
	}
	r.credit = rest
	return nil
}

// planNote goes on from a credit note that an earlier attempt made.
func (r *refund) planNote(rest money.Amount) error {
	total, err := r.book.amount(r.note.Total)
	if err != nil {
		return unreadable(opPost, "credit note "+r.note.CreditNoteNumber, r.note.CreditNoteID, err)
	}
	left, err := r.book.amount(r.note.RemainingCredit)
	if err != nil {
		return unreadable(opPost, "credit note "+r.note.CreditNoteNumber, r.note.CreditNoteID, err)
	}
	order, err := total.Cmp(rest)
	switch {
	case err != nil:
		return err
	case order > 0 || len(r.note.Allocations) > 0:
		r.conflict("correct the credit note in Xero: it must be over the refund and be paid out, not allocated",
			"credit note %s over %s does not fit the refund %s of %s", r.note.CreditNoteNumber, total, r.mark, r.pay.Amount)
		return nil
	}
	r.effect("credit note", r.note.CreditNoteID, total)
	fromSurplus, err := rest.Sub(total)
	if err != nil {
		return err
	}
	if fromSurplus, err = r.takeSurplus(fromSurplus); err != nil {
		return err
	}
	if fromSurplus.Sign() > 0 {
		r.out.Effects = nil
		r.conflict("correct the credit note in Xero: it must be over the refund", "credit note %s over %s does not fit the refund %s of %s",
			r.note.CreditNoteNumber, total, r.mark, r.pay.Amount)
		return nil
	}
	for _, row := range r.note.Payments {
		if amount, err := r.book.amount(row.Amount); err == nil && row.live() {
			r.effect("payment", row.PaymentID, amount)
			r.out.ID = strings.ToLower(row.PaymentID)
		}
	}
	r.credit = left
	if left.IsZero() && len(r.payBacks) == 0 {
		r.settle(connector.Unchanged, r.out.ID, "")
	}
	return nil
}

// payRefunds pays out every part that is planned, in one request.
func (b *batch) payRefunds(ctx context.Context, list []*refund) {
	var orders []order
	for _, r := range list {
		if r.settled() {
			continue
		}
		part, err := b.refundOrders(r)
		if err != nil {
			r.fail(err)
			continue
		}
		orders = append(orders, part...)
	}
	results := b.placeOrders(ctx, "refund", orders)
	for i, m := range results {
		p := orders[i].p
		if m.err != nil {
			b.failRefund(ctx, p, m)
			continue
		}
		p.effect("payment", m.payment.PaymentID, orders[i].amount)
		if orders[i].form.CreditNote != nil || p.out.ID == "" {
			p.out.ID = strings.ToLower(m.payment.PaymentID)
		}
	}
	for _, o := range orders {
		if !o.p.settled() {
			o.p.settle(connector.Created, o.p.out.ID, b.movedReason(o.p))
		}
	}
}

func (b *batch) refundOrders(r *refund) ([]order, error) {
	if !r.chooseDay(b.org.lockDate()) {
		return nil, nil
	}
	var out []order
	for _, part := range r.payBacks {
		o, err := r.order(toOverpayment, part.from.form.OverpaymentID, part.amount, r.bookReference())
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	if r.credit.Sign() > 0 {
		o, err := r.order(toCreditNote, r.note.CreditNoteID, r.credit, r.bookReference())
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// payBackNow pays back the planned parts of the surplus.
func (b *batch) payBackNow(ctx context.Context, r *refund) error {
	orders, err := b.refundOrders(r)
	if err != nil || r.settled() {
		return err
	}
	r.payBacks = nil
	for i, m := range b.placeOrders(ctx, "refund surplus", orders) {
		if m.err != nil {
			b.failRefund(ctx, r.posting, m)
			continue
		}
		r.effect("payment", m.payment.PaymentID, orders[i].amount)
		r.out.ID = strings.ToLower(m.payment.PaymentID)
	}
	return nil
}

// failRefund settles a refusal. A lock date that moved since it was read is
// read again for the next attempt.
func (b *batch) failRefund(ctx context.Context, p *posting, m made) {
	p.fail(m.err)
	if m.raced() {
		p.fail(connector.Errorf(connector.Unavailable, opPost, "the books have changed meanwhile: %s", m.err.Message))
		return
	}
	if !m.locked() || p.write.Policy.LockedPeriod == connector.LockedPerson {
		return
	}
	if org, err := b.organisation(ctx, true); err == nil && !org.lockDate().Before(p.day) {
		p.fail(connector.Errorf(connector.Unavailable, opPost, "the lock date has moved to %s meanwhile", org.lockDate()))
	}
}
