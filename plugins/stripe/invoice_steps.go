package main

import (
	"context"
	"errors"
	"fmt"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// create makes the draft. Should the due date have passed since the intent was
// stored, one that fits Stripe's clock takes its place: nothing was made yet.
// For a customer without an e-mail address it is made without one.
func (r *run) create(ctx context.Context, s step) error {
	err := r.sendDraft(ctx, s)
	if wrongParam(err, "due_date") {
		if late, ok := r.laterDue(ctx); ok {
			r.b.dueAt = late
			err = r.sendDraft(ctx, s)
		}
	}
	if errors.Is(err, errNoMail) && !r.b.unmailed {
		r.b.unmailed = true
		if s.why == "" {
			s.why = "without a due date in Stripe, because the customer has no e-mail address"
		}
		err = r.sendDraft(ctx, s)
	}
	return err
}

func (r *run) sendDraft(ctx context.Context, s step) error {
	const op = "stripe: create invoice"
	p, name := r.b.params(s.after), "invoice"
	if r.b.unmailed { // a refusal may be remembered under the first key
		name = "invoice-unmailed"
	}
	var inv *stripe.Invoice
	replayed, err := r.send(ctx, op, name, &p.Params, func() (err error) {
		inv, err = r.cn.api.Invoices.New(p)
		return err
	})
	if err != nil && connector.KindOf(err) == connector.NotFound {
		return connector.Errorf(connector.Conflict, op, "customer %s is not in Stripe any more", r.b.customer).
			WithRemedy("Unlink the contact, so that its customer is matched or made anew, then replay.")
	}
	if err != nil {
		return err
	}
	if replayed { // an earlier attempt's; it may be gone by now
		return r.refresh(ctx, inv.ID)
	}
	r.note(s.why)
	r.put(inv)
	return nil
}

// laterDue finds a due date from Stripe's own clock: the date of an answer, or
// its newest event.
func (r *run) laterDue(ctx context.Context) (int64, bool) {
	p := &stripe.EventListParams{ListParams: listParams("", 1)}
	rows, _, ex, err := list[*stripe.Event](ctx, "stripe: list events", &p.ListParams, func() *stripe.Iter {
		return r.cn.api.Events.List(p).Iter
	})
	if err != nil {
		return 0, false
	}
	now := ex.serverTime()
	for _, ev := range rows {
		if at := eventTime(ev.Created); at.After(now) {
			now = at
		}
	}
	if now.IsZero() {
		return 0, false
	}
	late := soonest(now)
	return late, late > r.b.dueAt
}

// addLines adds what is missing, in order, and reads the draft again.
func (r *run) addLines(ctx context.Context, s step) error {
	for _, i := range s.missing {
		l := r.b.lines[i]
		p := &stripe.InvoiceItemParams{
			Customer: stripe.String(r.b.customer), Invoice: stripe.String(s.inv.ID), Currency: stripe.String(string(r.b.currency)),
			Amount: stripe.Int64(l.units), Description: stripe.String(l.text), Discountable: stripe.Bool(false),
		}
		_, err := r.send(ctx, "stripe: add line", fmt.Sprintf("line-%d", i+1), &p.Params, func() error {
			_, err := r.cn.api.InvoiceItems.New(p)
			return err
		})
		if err != nil {
			return err
		}
	}
	return r.refresh(ctx, s.inv.ID)
}

// finalize opens a complete draft, after a last comparison, and makes sure that
// the customer is asked for exactly what is due.
func (r *run) finalize(ctx context.Context, inv *stripe.Invoice) error {
	if refusal, err := r.inspect(ctx, inv); err != nil || refusal != nil {
		if err == nil {
			err = firstOf(r.remove(ctx, inv), refusal)
		}
		return err
	}
	p := &stripe.InvoiceFinalizeInvoiceParams{AutoAdvance: stripe.Bool(false)}
	p.AddExpand("payment_intent")
	err := r.change(ctx, "stripe: finalize invoice", "finalize", inv.ID, &p.Params, func() (*stripe.Invoice, error) {
		return r.cn.api.Invoices.FinalizeInvoice(inv.ID, p)
	})
	if wrongParam(err, "due_date") { // it passed while the draft waited
		if late, ok := r.laterDue(ctx); ok {
			r.b.dueAt = late
			return r.remove(ctx, inv)
		}
	}
	if err != nil {
		return err
	}
	return r.assertOpen(ctx, inv.ID)
}

// inspect reads the draft once more and says why it must not be opened, if so.
func (r *run) inspect(ctx context.Context, inv *stripe.Invoice) (refusal, err error) {
	const op = "stripe: finalize invoice"
	p := &stripe.InvoiceParams{}
	p.AddExpand("customer")
	var now *stripe.Invoice
	err = r.cn.read(ctx, op, &p.Params, func() (err error) {
		now, err = r.cn.api.Invoices.Get(inv.ID, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	if cu := now.Customer; cu != nil && cu.Balance != 0 && (cu.Currency == "" || cu.Currency == r.b.currency) {
		return connector.Errorf(connector.Conflict, op, "customer %s has a balance of %s in Stripe, which would change what is charged", cu.ID, r.show(cu.Balance)).
			WithRemedy("Set the customer's balance to zero in Stripe, then replay."), nil
	}
	if now.Total != r.b.units || now.AmountDue != r.b.units || now.Currency != r.b.currency {
		return connector.Errorf(connector.Conflict, op, "Stripe makes %s out of lines that sum to %s", r.show(now.AmountDue), r.b.due).
			WithRemedy("Remove default tax rates and discounts from the Stripe account's invoice settings, then replay."), nil
	}
	return nil, nil
}

// assertOpen checks what finalizing made. An invoice over another sum is void
// before anybody can pay it.
func (r *run) assertOpen(ctx context.Context, id string) error {
	const op = "stripe: finalize invoice"
	inv := r.find(id)
	switch {
	case inv == nil:
		return connector.Errorf(connector.UnknownOutcome, op, "invoice %s was gone right after it was opened", id)
	case inv.Status == stripe.InvoiceStatusOpen && inv.AmountDue == r.b.units && inv.AmountRemaining == r.b.units &&
		inv.PaymentIntent != nil && inv.HostedInvoiceURL != "":
		r.created = true
		r.effects = append(r.effects, connector.Effect{What: "invoice", ID: id, Amount: r.b.due})
		return nil
	case inv.Status == stripe.InvoiceStatusPaid && byCharge(inv):
		return nil // somebody was very fast
	case inv.Status == stripe.InvoiceStatusPaid && byBalance(inv):
		return balanceConflict(inv)
	case inv.Status == stripe.InvoiceStatusOpen && !inFlight(inv):
		refusal := connector.Errorf(connector.Conflict, op, "Stripe asks for %s instead of %s; invoice %s was made void", r.show(inv.AmountRemaining), r.b.due, id).
			WithRemedy("Set the customer's balance to zero in Stripe and look for discounts and taxes, then replay.")
		return firstOf(r.void(ctx, inv, ""), refusal)
	}
	return connector.Errorf(connector.Conflict, op, "invoice %s is %s right after it was opened, and nothing was charged", id, inv.Status).
		WithRemedy("Look at the invoice and at the customer's balance in Stripe; undo what Stripe booked there, then replay.")
}

// remove deletes a draft. One that is gone already is as good.
func (r *run) remove(ctx context.Context, inv *stripe.Invoice) error {
	p := &stripe.InvoiceParams{}
	_, err := r.send(ctx, "stripe: delete draft", "delete", &p.Params, func() error {
		_, err := r.cn.api.Invoices.Del(inv.ID, p)
		return err
	})
	if err != nil && connector.KindOf(err) != connector.NotFound {
		return err
	}
	r.updated = true
	r.drop(inv.ID)
	return nil
}

func (r *run) void(ctx context.Context, inv *stripe.Invoice, why string) error {
	p := &stripe.InvoiceVoidInvoiceParams{}
	p.AddExpand("payment_intent")
	err := r.change(ctx, "stripe: void invoice", "void", inv.ID, &p.Params, func() (*stripe.Invoice, error) {
		return r.cn.api.Invoices.VoidInvoice(inv.ID, p)
	})
	if err != nil {
		return err
	}
	r.note(why)
	r.effects = append(r.effects, connector.Effect{What: "voided invoice", ID: inv.ID})
	return nil
}

// settle marks an invoice as paid without a charge.
func (r *run) settle(ctx context.Context, inv *stripe.Invoice, why string) error {
	p := &stripe.InvoicePayParams{PaidOutOfBand: stripe.Bool(true)}
	p.AddExpand("payment_intent")
	err := r.change(ctx, "stripe: mark invoice paid", "settle", inv.ID, &p.Params, func() (*stripe.Invoice, error) {
		return r.cn.api.Invoices.Pay(inv.ID, p)
	})
	if err != nil {
		return err
	}
	r.note(why)
	r.effects = append(r.effects, connector.Effect{What: "marked paid", ID: inv.ID})
	return nil
}

// credit lowers what is due by a credit note; the invoice's link stays good.
// https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
func (r *run) credit(ctx context.Context, s step) error {
	const op = "stripe: credit invoice"
	p := &stripe.CreditNoteParams{
		Invoice: stripe.String(s.inv.ID), Amount: stripe.Int64(s.units), Metadata: r.b.marks,
		Memo: stripe.String(textSettled),
	}
	var note *stripe.CreditNote
	replayed, err := r.send(ctx, op, "credit", &p.Params, func() (err error) {
		note, err = r.cn.api.CreditNotes.New(p)
		return err
	})
	if err != nil {
		return err
	}
	r.updated = true
	if !replayed {
		amount, err := fromUnits(note.Total, note.Currency)
		if err != nil {
			return connector.Errorf(connector.UnknownOutcome, op, "credit note %s: %w", note.ID, err)
		}
		r.note(s.why)
		r.effects = append(r.effects, connector.Effect{What: "credit note", ID: note.ID, Amount: amount})
	}
	return r.refresh(ctx, s.inv.ID)
}

// mark puts our marks on the invoice.
func (r *run) mark(ctx context.Context, inv *stripe.Invoice) error {
	p := &stripe.InvoiceParams{Metadata: r.b.marks}
	p.AddExpand("payment_intent")
	return r.change(ctx, "stripe: mark invoice", "mark", inv.ID, &p.Params, func() (*stripe.Invoice, error) {
		return r.cn.api.Invoices.Update(inv.ID, p)
	})
}

// markIntent puts our marks on the payment intent, before anybody is told where
// to pay: a charge takes them from there, once, when the customer pays.
// https://docs.stripe.com/api/metadata
func (r *run) markIntent(ctx context.Context, inv *stripe.Invoice) error {
	id := inv.PaymentIntent.ID
	p := &stripe.PaymentIntentParams{Metadata: r.b.marks, Description: stripe.String(r.b.memo)}
	var pi *stripe.PaymentIntent
	replayed, err := r.send(ctx, "stripe: mark payment intent", "intent", &p.Params, func() (err error) {
		pi, err = r.cn.api.PaymentIntents.Update(id, p)
		return err
	})
	if err != nil && connector.KindOf(err) == connector.Invalid {
		// Whether Stripe allows it is not documented. The charge still names the
		// invoice, which has the marks.
		r.b.bareIntent = true
		r.note("Stripe refused marks on the payment intent; a charge is found by its invoice")
		return nil
	}
	if err != nil {
		return err
	}
	r.updated = true
	if replayed {
		return r.refresh(ctx, inv.ID)
	}
	inv.PaymentIntent = pi
	return nil
}

func (r *run) note(why string) {
	if why != "" {
		r.reasons = append(r.reasons, why)
	}
}

// show writes Stripe's integer as money.
func (r *run) show(units int64) string {
	a, err := fromUnits(units, r.b.currency)
	if err != nil {
		return money.Amount{}.String()
	}
	return a.String()
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
