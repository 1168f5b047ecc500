package main

import (
	"context"
	"errors"
	"slices"
	"time"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// stepsMax bounds one attempt; the longest regular way is below ten steps.
const stepsMax = 40

// run carries out the plan for one write, one step at a time.
type run struct {
	cn      *conn
	w       connector.Write
	b       *bill
	there   []*stripe.Invoice
	listed  bool           // there holds all that have our marks
	tries   map[string]int // steps that Stripe only repeats under their key
	created bool
	updated bool
	effects []connector.Effect
	reasons []string
}

// upsertInvoice makes an invoice payable, follows its changes, or closes it.
func (cn *conn) upsertInvoice(ctx context.Context, w connector.Write) (connector.Outcome, error) {
	b, err := newBill(w)
	if err != nil {
		return connector.Outcome{}, err
	}
	if len(b.marks) == 0 && w.TargetID == "" {
		return connector.Outcome{Result: connector.Unchanged, Reason: "nothing to pay in Stripe"}, nil
	}
	release, err := cn.locks.acquire(ctx, "invoices "+b.customer)
	if err != nil {
		return connector.Outcome{}, err
	}
	defer release()
	r := &run{cn: cn, w: w, b: b, tries: map[string]int{}}
	if err := r.look(ctx); err != nil {
		return connector.Outcome{}, err
	}
	for range stepsMax {
		s := plan(b, r.there)
		switch s.do {
		case actDone:
			return r.outcome(s)
		case actRefuse:
			return connector.Outcome{}, s.err
		case actCreate:
			if !r.listed { // there may be one that nobody told us of
				if err := r.search(ctx); err != nil {
					return connector.Outcome{}, err
				}
				continue
			}
		}
		if err := r.take(ctx, s); err != nil {
			return connector.Outcome{}, err
		}
	}
	return connector.Outcome{}, connector.Errorf(connector.Unavailable, "stripe: upsert invoice",
		"the invoice keeps changing in Stripe; it is tried again later")
}

// look reads what is there: the invoice known by id, and those with our marks.
func (r *run) look(ctx context.Context) error {
	const op = "stripe: upsert invoice"
	var known *stripe.Invoice
	if r.w.TargetID != "" {
		inv, err := r.cn.invoice(ctx, r.w.TargetID)
		switch {
		case err != nil && connector.KindOf(err) == connector.NotFound:
		case err != nil:
			return err
		case foreign(inv.Metadata, r.b.marks):
			return connector.Errorf(connector.Conflict, op, "the metadata of invoice %s names another record", inv.ID).
				WithRemedy("Correct the invoice's metadata in Stripe, or unlink it.")
		default:
			known = inv
		}
	}
	r.there = nil
	if known != nil {
		if err := r.cn.sameMode(op, "invoice", known.ID, known.Livemode); err != nil {
			return err
		}
		if known.Status != stripe.InvoiceStatusVoid {
			r.there = append(r.there, known)
		}
		if r.b.wish == connector.InvoiceOpen {
			if err := r.lookBack(ctx, known); err != nil {
				return err
			}
		}
	}
	if len(r.there) > 0 && r.w.Attempt <= 1 && !r.listed || r.b.customer == "" {
		return nil
	}
	return r.search(ctx)
}

// search adds the customer's invoices with our marks that are not known yet.
func (r *run) search(ctx context.Context) error {
	const op = "stripe: upsert invoice"
	rows, err := r.cn.invoicesOf(ctx, r.b.customer, r.w.IntendedAt.Add(-time.Hour))
	if err != nil {
		return err
	}
	for _, inv := range slices.Backward(rows) { // oldest first
		if !ours(inv.Metadata, r.b.marks) || inv.Status == stripe.InvoiceStatusVoid || r.find(inv.ID) != nil {
			continue
		}
		if err := r.cn.sameMode(op, "invoice", inv.ID, inv.Livemode); err != nil {
			return err
		}
		if err := r.cn.completeLines(ctx, inv); err != nil {
			return err
		}
		r.there = append(r.there, inv)
	}
	r.listed = true
	return nil
}

// take does one step and learns what is there after it.
func (r *run) take(ctx context.Context, s step) error {
	err := r.act(ctx, s)
	if errors.Is(err, errReplayed) {
		return r.look(ctx) // that request is over: what is there now is all it did
	}
	if err == nil || s.inv == nil || connector.KindOf(err) != connector.Invalid && connector.KindOf(err) != connector.NotFound {
		return err
	}
	// Somebody may have been faster: the customer paid, a person voided it.
	now, again := r.cn.invoice(ctx, s.inv.ID)
	switch {
	case again != nil && connector.KindOf(again) == connector.NotFound:
		r.drop(s.inv.ID)
		return nil
	case again != nil:
		return again
	case now.Status == s.inv.Status && now.AmountRemaining == s.inv.AmountRemaining && inFlight(now) == inFlight(s.inv):
		return err
	}
	r.put(now)
	return nil
}

func (r *run) act(ctx context.Context, s step) error {
	switch s.do {
	case actCreate:
		return r.create(ctx, s)
	case actAddLines:
		return r.addLines(ctx, s)
	case actFinalize:
		return r.finalize(ctx, s.inv)
	case actDelete:
		return r.remove(ctx, s.inv)
	case actVoid:
		return r.void(ctx, s.inv, s.why)
	case actSettle:
		return r.settle(ctx, s.inv, s.why)
	case actCredit:
		return r.credit(ctx, s)
	case actMark:
		return r.mark(ctx, s.inv)
	case actMarkIntent:
		return r.markIntent(ctx, s.inv)
	}
	return connector.Errorf(connector.Invalid, "stripe: upsert invoice", "step %d is not known", s.do)
}

// send makes one write of the plan. After an answer from memory the next one of
// that name gets another key; a useful one leads to an invoice that moved on.
func (r *run) send(ctx context.Context, op, name string, p *stripe.Params, call func() error) (replayed bool, err error) {
	replayed, err = r.cn.write(ctx, op, stepKey(r.b.key, name, r.tries[name]+1), p, call)
	if !replayed {
		return false, err
	}
	if r.tries[name]++; r.tries[name] >= triesMax {
		return true, connector.Errorf(connector.UnknownOutcome, op, "Stripe only repeats its answers to earlier requests")
	}
	return true, err
}

// change sends a write that answers with the invoice and keeps that answer.
func (r *run) change(ctx context.Context, op, name, id string, p *stripe.Params, call func() (*stripe.Invoice, error)) error {
	var inv *stripe.Invoice
	replayed, err := r.send(ctx, op, name, p, func() (err error) {
		inv, err = call()
		return err
	})
	if err != nil {
		return err
	}
	r.updated = true
	if replayed {
		return r.refresh(ctx, id)
	}
	if old := r.find(id); inv.Lines != nil && inv.Lines.HasMore && old != nil {
		inv.Lines = old.Lines // complete, and not changed by this
	}
	r.put(inv)
	return nil
}

// refresh reads one invoice again.
func (r *run) refresh(ctx context.Context, id string) error {
	inv, err := r.cn.invoice(ctx, id)
	if err != nil && connector.KindOf(err) == connector.NotFound {
		r.drop(id)
		return nil
	}
	if err != nil {
		return err
	}
	r.put(inv)
	return nil
}

func (r *run) find(id string) *stripe.Invoice {
	for _, inv := range r.there {
		if inv.ID == id {
			return inv
		}
	}
	return nil
}

// put keeps an invoice as it is now; a void one is forgotten.
func (r *run) put(inv *stripe.Invoice) {
	if inv.Status == stripe.InvoiceStatusVoid {
		r.drop(inv.ID)
		return
	}
	for i, old := range r.there {
		if old.ID == inv.ID {
			r.there[i] = inv
			return
		}
	}
	r.there = append(r.there, inv)
}

func (r *run) drop(id string) {
	r.there = slices.DeleteFunc(r.there, func(inv *stripe.Invoice) bool { return inv.ID == id })
}

// outcome tells what the write came to.
func (r *run) outcome(s step) (connector.Outcome, error) {
	out := connector.Outcome{Result: connector.Unchanged, ID: r.w.TargetID, Effects: r.effects, Reason: s.why}
	switch {
	case r.created:
		out.Result = connector.Created
	case r.updated:
		out.Result = connector.Updated
	}
	if out.Reason == "" && len(r.reasons) > 0 {
		out.Reason = r.reasons[len(r.reasons)-1]
	}
	if s.inv == nil {
		return out, nil
	}
	rec, err := r.cn.recordOfInvoice(s.inv)
	if err != nil {
		return connector.Outcome{}, err
	}
	out.ID, out.Record = s.inv.ID, rec
	if old := s.inv.Metadata[markSupersedes]; old != "" && old == r.w.TargetID {
		out.Effects = append(out.Effects, connector.Effect{What: "superseded invoice", ID: old})
	}
	return out, nil
}
