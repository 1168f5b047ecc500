package main

import (
	"context"
	"fmt"
	"slices"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// A paid invoice is final in Stripe. What is due again at its source, because
// the money went back or because the bill grew, is asked for by a new invoice
// with the same marks. It names the paid one that it follows, so that the
// invoices of one record are a chain, and its end is the one that counts.
//
// A charge whose receipt is not in the source's books yet is in flight: what is
// due there still contains it, and asking for it would bill it twice.

// markSupersedes is the metadata that names the invoice before this one.
const markSupersedes = "supersedes"

// chainMax bounds how many earlier invoices of a record are read; each of them
// was paid.
const chainMax = 20

// whyAgain says why the money that paid an invoice no longer counts against what
// is due; "" while it is in flight.
func (b *bill) whyAgain(inv *stripe.Invoice) string {
	switch ch := inv.Charge; {
	case inv.PaidOutOfBand:
		return "due again: it was paid outside Stripe before"
	case ch == nil:
		return ""
	case ch.Status == stripe.ChargeStatusFailed:
		return fmt.Sprintf("due again: charge %s failed after it had paid", ch.ID)
	case ch.Refunded:
		return fmt.Sprintf("due again: charge %s was refunded", ch.ID)
	case slices.Contains(b.posted, ch.ID):
		return fmt.Sprintf("due on top of charge %s, which is posted", ch.ID)
	}
	return ""
}

// newest returns the paid invoice that no other paid one follows; nil if there is
// none.
func newest(all []*stripe.Invoice) *stripe.Invoice {
	followed := map[string]bool{}
	for _, inv := range all {
		if inv.Status == stripe.InvoiceStatusPaid {
			followed[inv.Metadata[markSupersedes]] = true
		}
	}
	var last *stripe.Invoice
	for _, inv := range all {
		if inv.Status == stripe.InvoiceStatusPaid && !followed[inv.ID] && (last == nil || inv.Created >= last.Created) {
			last = inv
		}
	}
	return last
}

// newestID is the id that a new invoice has to name; "" for a first one.
func newestID(all []*stripe.Invoice) string {
	if inv := newest(all); inv != nil {
		return inv.ID
	}
	return ""
}

// follows reports whether an invoice comes after another one in their chain.
func follows(all []*stripe.Invoice, inv, earlier *stripe.Invoice) bool {
	for range chainMax {
		id := inv.Metadata[markSupersedes]
		i := slices.IndexFunc(all, func(x *stripe.Invoice) bool { return x.ID == id })
		switch {
		case id == earlier.ID:
			return true
		case i < 0:
			return false
		}
		inv = all[i]
	}
	return false
}

// planInFlight leaves an open invoice alone while the charge of an earlier one is
// not in the books: what is due contains that charge for the moment. Less is
// never wrong, and goes through.
func planInFlight(b *bill, keep, charged *stripe.Invoice) step {
	if keep.AmountRemaining > b.units {
		return planKept(b, keep)
	}
	return step{do: actDone, inv: keep, why: fmt.Sprintf("charge %s is not posted yet; what is due follows it", chargeID(charged))}
}

// lookBack reads the invoices that one follows. One that is gone, or another
// record's, ends the chain.
func (r *run) lookBack(ctx context.Context, inv *stripe.Invoice) error {
	for range chainMax {
		id := inv.Metadata[markSupersedes]
		if id == "" || r.find(id) != nil {
			return nil
		}
		earlier, err := r.cn.invoice(ctx, id)
		if err != nil && connector.KindOf(err) == connector.NotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if !ours(earlier.Metadata, r.b.marks) {
			return nil
		}
		r.put(earlier)
		inv = earlier
	}
	return nil
}
