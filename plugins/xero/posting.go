package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// Our mark on what we post is the first word of its Reference: the id of the
// payment or refund in the other service. Finding it again is what makes a
// write happen once; idempotency keys are only remembered for six minutes.

// referenceRunesMax is the service's limit for the references of documents; it
// states none for payments. The mark comes first and is never cut.
const referenceRunesMax = 255

// markOf is the mark of a reference; "" when it is empty.
func markOf(reference string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(reference), " ")
	return word
}

// marked reports whether a reference bears some mark of ours: the id of a
// record elsewhere, such as abc_1NirD82, or of what a day brought in a currency,
// such as abc_2026-11-22_nzd. What people write does not look so.
func marked(reference string) bool {
	prefix, rest, ok := strings.Cut(markOf(reference), "_")
	if day, currency, dated := strings.Cut(rest, "_"); dated && len(currency) == 3 {
		if _, err := connector.ParseDate(day); err == nil {
			rest = strings.ReplaceAll(rest, "-", "")
		}
	}
	return ok && prefix != "" && len(rest) >= 8 && strings.IndexFunc(prefix+rest, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_'
	}) < 0
}

// posting is one wanted payment on its way into the books.
type posting struct {
	write     connector.Write
	pay       *connector.Payment
	mark      string
	reference string
	account   account
	bank      money.Amount   // what the account moves by, when it is in another currency than the amount; unset: not known
	done      money.Amount   // how much of the amount is posted or ordered; unset: nothing
	trueDay   connector.Date // when the money moved, in the organisation's time zone
	day       connector.Date // when it is booked: trueDay, unless that is locked
	out       *connector.Outcome
	refusal   *connector.Error // why the last round did not post it
}

const opPost = "xero: post payment"

func (p *posting) settled() bool { return p.out.Result != "" || p.out.Err != nil }

func (p *posting) fail(err error) { p.out.Result, p.out.Err = "", connector.AsError(err, opPost) }

func (p *posting) conflict(remedy, format string, args ...any) {
	p.fail(connector.Errorf(connector.Conflict, opPost, format, args...).WithRemedy("%s", remedy))
}

// settle ends the posting. What it made is in the outcome's effects already.
func (p *posting) settle(result connector.Result, id, reason string) {
	p.out.Result, p.out.ID, p.out.Reason, p.out.Err = result, strings.ToLower(id), reason, nil
}

func (p *posting) effect(what, id string, amount money.Amount) {
	p.out.Effects = append(p.out.Effects, connector.Effect{What: what, ID: strings.ToLower(id), Amount: amount})
}

// label names the invoice for people.
func (p *posting) label() string {
	if p.pay.Label != "" {
		return p.pay.Label
	}
	return p.pay.InvoiceID
}

// batch is the payments of one Upsert.
type batch struct {
	*api
	org      organisation
	reread   bool // org is of this call, not remembered
	accounts []account
}

func failAll(list []*posting, err error) {
	for _, p := range list {
		if !p.settled() {
			p.fail(err)
		}
	}
}

// open returns those that have no outcome yet.
func open(list []*posting) []*posting {
	var out []*posting
	for _, p := range list {
		if !p.settled() {
			out = append(out, p)
		}
	}
	return out
}

func writesOf(list []*posting) []connector.Write {
	out := make([]connector.Write, len(list))
	for i, p := range list {
		out[i] = p.write
	}
	return out
}

// upsertPayments sorts the wanted payments by what is to be done with them.
func (a *api) upsertPayments(ctx context.Context, writes []connector.Write) []connector.Outcome {
	outs := make([]connector.Outcome, len(writes))
	var all []*posting
	for i, w := range writes {
		p := &posting{write: w, pay: w.Record.Payment, out: &outs[i]}
		if err := p.check(); err != nil {
			p.fail(err)
			continue
		}
		p.reference = cutRunes(strings.TrimSpace(p.pay.Reference), referenceRunesMax)
		p.mark = markOf(p.reference)
		all = append(all, p)
	}
	if len(all) == 0 {
		return outs
	}
	b := &batch{api: a}
	if err := b.prepare(ctx, all); err != nil {
		failAll(all, err)
		return outs
	}
	var receipts, undone, refunds, unrefunded, movements []*posting
	for _, p := range open(all) {
		failed := p.pay.Status == connector.PaymentFailed
		switch {
		case isMovement(p.pay.Kind):
			movements = append(movements, p)
		case p.pay.Kind == connector.PaymentRefund && failed:
			unrefunded = append(unrefunded, p)
		case p.pay.Kind == connector.PaymentRefund:
			refunds = append(refunds, p)
		case failed:
			undone = append(undone, p)
		default:
			receipts = append(receipts, p)
		}
	}
	b.postReceipts(ctx, receipts)
	b.undoReceipts(ctx, undone)
	b.postRefunds(ctx, refunds)
	b.undoRefunds(ctx, unrefunded)
	b.postMovements(ctx, movements)
	return outs
}

// check refuses what can never be posted.
func (p *posting) check() error {
	const op = opPost
	pay := p.pay
	if pay == nil {
		return connector.Errorf(connector.Invalid, op, "the write holds no payment")
	}
	switch {
	case pay.Kind == connector.PaymentAdjustment:
		return connector.Errorf(connector.Invalid, op, "no rule says what an adjustment of the balance was for (%s)", pay.Note).
			WithRemedy("enter it in Xero by hand, in the clearing account, with the reference %s", markOf(pay.Reference))
	case pay.Kind != connector.PaymentReceipt && pay.Kind != connector.PaymentRefund && !isMovement(pay.Kind):
		return connector.Errorf(connector.Invalid, op, "a payment of kind %q cannot be posted", string(pay.Kind))
	case pay.Status != connector.PaymentSucceeded && pay.Status != connector.PaymentFailed:
		return connector.Errorf(connector.Invalid, op, "a payment with status %q is not posted: the money has not moved", string(pay.Status))
	case !pay.Amount.IsSet() || pay.Amount.Sign() <= 0 || p.moves().Sign() <= 0:
		return connector.Errorf(connector.Invalid, op, "the amount must be above zero, not %s", p.moves())
	case markOf(pay.Reference) == "":
		return connector.Errorf(connector.Invalid, op, "the payment has no reference: it could not be found again")
	case p.write.TargetID != "" && !isID(p.write.TargetID):
		return connector.Errorf(connector.Invalid, op, "%q is not an id of Xero", p.write.TargetID)
	}
	if _, err := sum(p.moves()); err != nil {
		return connector.Errorf(connector.Invalid, op, "%w", err).WithRemedy("enter the payment in Xero by hand, rounded")
	}
	if isMovement(pay.Kind) {
		return p.checkMovement()
	}
	switch {
	case !isID(pay.InvoiceID):
		return connector.Errorf(connector.Invalid, op, "%q is not the id of an invoice in Xero", pay.InvoiceID)
	case pay.Kind == connector.PaymentRefund && !isID(pay.PaymentOf):
		return connector.Errorf(connector.Invalid, op, "the refund does not name the payment in Xero that it gives back")
	}
	return nil
}

// prepare reads who we work for and finds each posting's account and day.
func (b *batch) prepare(ctx context.Context, all []*posting) error {
	var err error
	if b.org, err = b.organisation(ctx, false); err != nil {
		return err
	}
	if b.accounts, err = b.api.accounts(ctx, false); err != nil {
		return err
	}
	loc, err := b.org.location()
	if err != nil {
		return err
	}
	fresh := false
	for _, p := range all {
		p.account, err = postingAccount(opPost, b.accounts, p.pay.Account)
		if err != nil && !fresh { // the account may have been made or corrected meanwhile
			fresh = true
			if b.accounts, err = b.api.accounts(ctx, true); err != nil {
				return err
			}
			p.account, err = postingAccount(opPost, b.accounts, p.pay.Account)
		}
		if err == nil {
			err = p.date(loc)
		}
		if err == nil && !isMovement(p.pay.Kind) {
			err = p.settles(b.org)
		}
		if err != nil {
			p.fail(err)
			continue
		}
		if _, err := b.locks(ctx, p.trueDay); err != nil {
			return err
		}
		if !isMovement(p.pay.Kind) && !p.account.takes(p.pay.Amount.Currency(), b.org) {
			p.fail(connector.Errorf(connector.Invalid, opPost, "account %s is in %s: a payment in %s cannot be posted to it",
				p.account.Name, p.account.CurrencyCode, p.pay.Amount.Currency()).
				WithRemedy("choose a clearing account in %s or in the base currency %s", p.pay.Amount.Currency(), b.org.BaseCurrency))
		}
	}
	return nil
}

func (p *posting) date(loc *time.Location) error {
	p.trueDay = p.pay.Date
	if !p.trueDay.IsZero() {
		return nil
	}
	if p.pay.PaidAt.IsZero() {
		return connector.Errorf(connector.Invalid, opPost, "the payment has no date")
	}
	p.trueDay = connector.DateOf(p.pay.PaidAt.In(loc))
	return nil
}

// locks reports whether a day is in a locked period. Before it says so the lock
// dates are read again: a person may have moved them to run the work again.
func (b *batch) locks(ctx context.Context, day connector.Date) (bool, error) {
	locked := func() bool { lock := b.org.lockDate(); return !lock.IsZero() && !lock.Before(day) }
	if !locked() {
		return false, nil
	}
	if b.reread {
		return true, nil
	}
	var err error
	b.org, err = b.organisation(ctx, true)
	b.reread = err == nil
	return locked(), err
}

// chooseDay decides on the day in the books. A locked day moves to the day after
// the lock date, with the true date in the reference, or waits for a person.
func (p *posting) chooseDay(lock connector.Date) bool {
	p.day = p.trueDay
	if lock.IsZero() || lock.Before(p.trueDay) {
		return true
	}
	if p.write.Policy.LockedPeriod == connector.LockedPerson {
		p.conflict("move the lock date in Xero and run the work again, or enter the payment by hand with the reference "+p.mark,
			"%s lies in a period that is locked up to %s", p.trueDay, lock)
		return false
	}
	p.day = lock.AddDays(1)
	return true
}

// bookReference is the reference as it goes into the books, with the true date
// when the day is another one.
func (p *posting) bookReference() string { return p.dated(p.reference) }

func (p *posting) dated(reference string) string {
	if p.day == p.trueDay {
		return reference
	}
	note := fmt.Sprintf(" (paid %s)", p.trueDay)
	return cutRunes(reference, referenceRunesMax-len(note)) + note
}

// Requests for payments ------------------------------------------------------------

type idForm map[string]string

// paymentOrder is one payment to be made: exactly one target is set.
type paymentOrder struct {
	Invoice     idForm `json:",omitempty"`
	CreditNote  idForm `json:",omitempty"`
	Overpayment idForm `json:",omitempty"`
	Account     idForm
	Date        string
	Amount      json.Number
	BankAmount  json.Number `json:",omitempty"` // in the account's currency
	Reference   string
}

// order is a paymentOrder with what is needed to recognise its answer.
type order struct {
	p        *posting
	targetID string
	form     paymentOrder
	amount   money.Amount
}

// target names what an order pays.
type target string

const (
	toInvoice     target = "invoice"
	toCreditNote  target = "credit note"
	toOverpayment target = "overpayment"
)

// order orders the next part of the posting.
func (p *posting) order(to target, id string, amount money.Amount, reference string) (order, error) {
	bank, err := p.bankAmount(amount)
	if err != nil {
		return order{}, err
	}
	return p.orderWith(to, id, amount, bank, reference)
}

func (p *posting) orderWith(to target, id string, amount money.Amount, bank json.Number, reference string) (order, error) {
	n, err := sum(amount)
	if err != nil {
		return order{}, connector.Errorf(connector.Invalid, opPost, "%w", err)
	}
	form := paymentOrder{Account: idForm{"AccountID": p.account.AccountID}, Date: dateForm(p.day), Amount: n, BankAmount: bank, Reference: reference}
	switch to {
	case toInvoice:
		form.Invoice = idForm{"InvoiceID": id}
	case toCreditNote:
		form.CreditNote = idForm{"CreditNoteID": id}
	case toOverpayment:
		form.Overpayment = idForm{"OverpaymentID": id}
	}
	return order{p: p, targetID: id, form: form, amount: amount}, nil
}
