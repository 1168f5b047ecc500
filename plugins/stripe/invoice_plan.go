package main

import (
	"fmt"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// action is one thing to do about a wanted invoice.
type action int

const (
	actDone       action = iota + 1 // inv is as wanted, or is left alone; it may be nil
	actRefuse                       // a person is needed: err
	actCreate                       // make a draft
	actAddLines                     // add the missing lines to the draft
	actFinalize                     // open the draft for payment
	actDelete                       // delete the draft
	actVoid                         // make the invoice unpayable
	actSettle                       // mark it paid outside Stripe
	actCredit                       // lower what is due by units
	actMark                         // put our marks on the invoice
	actMarkIntent                   // put our marks on its payment intent
)

// step is what to do next.
type step struct {
	do      action
	inv     *stripe.Invoice
	missing []int  // lines, for actAddLines
	units   int64  // for actCredit
	after   string // for actCreate: the paid invoice that the new one follows
	why     string
	err     error
}

// plan says what to do next about a wanted invoice, given those that are there:
// the one known by id first, then the ones with our marks, oldest first; void
// ones are left out. It does nothing itself.
func plan(b *bill, there []*stripe.Invoice) step {
	switch b.wish {
	case connector.InvoicePaid, connector.InvoiceVoid:
		return planClosed(b, there)
	}
	return planOpen(b, there)
}

// planClosed leaves nothing to pay.
func planClosed(b *bill, there []*stripe.Invoice) step {
	var busy *stripe.Invoice
	for _, inv := range there {
		switch {
		case inv.Status == stripe.InvoiceStatusDraft:
			return step{do: actDelete, inv: inv}
		case inv.Status == stripe.InvoiceStatusPaid:
			// the newest of them is the outcome
		case inFlight(inv):
			busy = inv
		case b.wish == connector.InvoiceVoid:
			return step{do: actVoid, inv: inv, why: "void at its source, or edited down to nothing"}
		default:
			return step{do: actSettle, inv: inv, why: "marked paid outside Stripe"}
		}
	}
	last := newest(there)
	switch {
	case busy != nil:
		return step{do: actDone, inv: busy, why: reasonInFlight}
	case last == nil:
		return step{do: actDone, why: "nothing to pay in Stripe"}
	case b.wish == connector.InvoiceVoid:
		return step{do: actDone, inv: last, why: "already paid in Stripe"}
	}
	return step{do: actDone, inv: last}
}

const reasonInFlight = "a payment is in flight in Stripe; what arrives will be booked"

// planOpen makes exactly one invoice payable, over what is due.
func planOpen(b *bill, there []*stripe.Invoice) step {
	var keep, draft *stripe.Invoice
	var unposted []*stripe.Invoice // paid, by charges that are still on their way
	for _, inv := range there {
		switch {
		case inv.Status == stripe.InvoiceStatusDraft && draft == nil:
			draft = inv
		case inv.Status == stripe.InvoiceStatusDraft:
			return step{do: actDelete, inv: inv}
		case inv.Status == stripe.InvoiceStatusPaid && byCharge(inv) && b.whyAgain(inv) == "":
			unposted = append(unposted, inv)
		case inv.Status == stripe.InvoiceStatusPaid && byBalance(inv):
			return step{do: actRefuse, err: balanceConflict(inv)}
		case inv.Status == stripe.InvoiceStatusPaid:
			// settled, and due again: a new invoice follows
		case keep == nil || inFlight(inv) && !inFlight(keep):
			keep = inv
		}
	}
	for _, inv := range there { // never two to pay
		if payable(inv) && inv != keep && !inFlight(inv) {
			return step{do: actVoid, inv: inv, why: "a second invoice for the same record"}
		}
	}
	charged := newest(unposted)
	if draft != nil && (keep != nil || charged != nil) {
		return step{do: actDelete, inv: draft}
	}
	switch {
	case keep != nil && inFlight(keep):
		return step{do: actDone, inv: keep, why: reasonInFlight}
	case charged != nil && keep != nil && follows(there, keep, charged):
		return planInFlight(b, keep, charged)
	case charged != nil && keep != nil:
		return step{do: actVoid, inv: keep, why: "another invoice for the same record was paid"}
	case charged != nil:
		return step{do: actDone, inv: charged, why: fmt.Sprintf("already paid in Stripe by charge %s; the receipt settles it", chargeID(charged))}
	case keep != nil:
		return planKept(b, keep)
	case draft != nil:
		return planDraft(b, draft, newestID(there))
	}
	return planNew(b, newest(there))
}

// planNew makes the first invoice of a record, or one that follows a paid one.
func planNew(b *bill, paid *stripe.Invoice) step {
	if err := chargeable("stripe: create invoice", b.due, b.units); err != nil {
		return step{do: actRefuse, err: err}
	}
	if paid == nil {
		return step{do: actCreate}
	}
	return step{do: actCreate, after: paid.ID, why: b.whyAgain(paid)}
}

// planKept brings an open invoice to what is due now.
func planKept(b *bill, inv *stripe.Invoice) step {
	replace := func(why string) step { return step{do: actVoid, inv: inv, why: why} }
	add, same := missing(unsettled(b.lines), unsettled(linesOf(inv)))
	switch {
	case inv.Customer == nil || inv.Customer.ID != b.customer:
		return replace("replaced: the customer changed")
	case inv.Currency != b.currency:
		return replace("replaced: the currency changed")
	case !same || len(add) > 0:
		return replace("replaced: the lines changed")
	case inv.AmountRemaining < b.units:
		return replace("replaced: more is due")
	case inv.AmountRemaining > b.units && (inv.Status != stripe.InvoiceStatusOpen || chargeable("", b.due, b.units) != nil):
		return replace("replaced: less is due")
	case inv.AmountRemaining > b.units:
		return step{do: actCredit, inv: inv, units: inv.AmountRemaining - b.units, why: "less is due"}
	case inv.PaymentIntent == nil || inv.HostedInvoiceURL == "":
		return step{do: actRefuse, err: connector.Errorf(connector.Conflict, "stripe: upsert invoice",
			"Stripe shows invoice %s as open, without a way to pay it", inv.ID).
			WithRemedy("Look at the invoice in Stripe; void it there, then replay.")}
	case !carries(inv.Metadata, b.marks):
		return step{do: actMark, inv: inv}
	case !b.bareIntent && !carries(inv.PaymentIntent.Metadata, b.marks):
		return step{do: actMarkIntent, inv: inv}
	}
	return step{do: actDone, inv: inv, why: b.whyOldDate(inv)}
}

// whyOldDate says so when the due date moved: that of an open invoice is frozen in
// Stripe, and a new invoice would break the link that the customer has.
func (b *bill) whyOldDate(inv *stripe.Invoice) string {
	if !b.onTime || inv.DueDate == 0 || inv.DueDate == b.dueAt {
		return ""
	}
	return fmt.Sprintf("Stripe goes on showing the due date %s: that of an open invoice cannot be changed", dateOf(inv.DueDate))
}

// planDraft completes a draft that was cut, if all of it is wanted.
func planDraft(b *bill, inv *stripe.Invoice, after string) step {
	add, fits := missing(b.lines, linesOf(inv))
	unmailed := inv.CollectionMethod == stripe.InvoiceCollectionMethodChargeAutomatically
	fits = fits && inv.Customer != nil && inv.Customer.ID == b.customer && inv.Currency == b.currency &&
		(unmailed || inv.DueDate == b.dueAt) && inv.EffectiveAt == b.effectiveAt && inv.Description == b.memo && carries(inv.Metadata, b.marks) &&
		inv.Metadata[markSupersedes] == after
	switch {
	case !fits:
		return step{do: actDelete, inv: inv}
	case len(add) > 0:
		return step{do: actAddLines, inv: inv, missing: add}
	}
	return step{do: actFinalize, inv: inv}
}

// payable reports whether a customer could pay the invoice.
func payable(inv *stripe.Invoice) bool {
	return inv.Status == stripe.InvoiceStatusOpen || inv.Status == stripe.InvoiceStatusUncollectible
}

// inFlight reports whether money is on its way: Stripe refuses to void such an
// invoice, and what arrives is booked.
func inFlight(inv *stripe.Invoice) bool {
	if !payable(inv) || inv.PaymentIntent == nil {
		return false
	}
	switch inv.PaymentIntent.Status {
	case stripe.PaymentIntentStatusProcessing, stripe.PaymentIntentStatusSucceeded, stripe.PaymentIntentStatusRequiresCapture:
		return true
	}
	return false
}

// byCharge reports whether a paid invoice was paid by the customer.
func byCharge(inv *stripe.Invoice) bool {
	return !inv.PaidOutOfBand && (inv.Charge != nil ||
		inv.PaymentIntent != nil && inv.PaymentIntent.Status == stripe.PaymentIntentStatusSucceeded)
}

// byBalance reports whether a paid invoice was settled from the balance that
// Stripe keeps for the customer.
func byBalance(inv *stripe.Invoice) bool {
	return !inv.PaidOutOfBand && inv.Charge == nil && inv.StartingBalance != inv.EndingBalance
}

func balanceConflict(inv *stripe.Invoice) error {
	if inv.EndingBalance > max(inv.StartingBalance, 0) { // less than the minimum in the account's own currency
		return connector.Errorf(connector.Conflict, "stripe: upsert invoice",
			"the amount is less than Stripe charges: it became a debt on the customer's balance by invoice %s, and nothing was charged", inv.ID).
			WithRemedy("Set the customer's balance to zero in Stripe, and collect the amount in another way or write it off.")
	}
	return connector.Errorf(connector.Conflict, "stripe: upsert invoice",
		"Stripe settled invoice %s from the customer's balance, so nothing was charged", inv.ID).
		WithRemedy("Book the customer's balance by hand and set it to zero in Stripe, or mark the invoice as paid at its source.")
}

func chargeID(inv *stripe.Invoice) string {
	if inv.Charge != nil {
		return inv.Charge.ID
	}
	return "of payment intent " + inv.PaymentIntent.ID
}

// linesOf returns an invoice's lines as Stripe counts them.
func linesOf(inv *stripe.Invoice) []billLine {
	if inv.Lines == nil {
		return nil
	}
	out := make([]billLine, len(inv.Lines.Data))
	for i, l := range inv.Lines.Data {
		out[i] = billLine{text: l.Description, units: l.Amount}
	}
	return out
}
