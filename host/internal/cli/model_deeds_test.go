package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// deeds are what the acts do.
var deeds = map[string]func(p *play, b *modelBill, a act) error{
	actApprove:      (*play).approve,
	actPayUnmarked:  (*play).approvePaidEarly,
	actEditUp:       (*play).editUp,
	actEditDown:     (*play).editDown,
	actDueDate:      (*play).dueDate,
	actVoid:         (*play).void,
	actBankPart:     (*play).bankPart,
	actBankFull:     (*play).bankFull,
	actCreditPart:   (*play).creditPart,
	actCreditFull:   (*play).creditFull,
	actByHand:       (*play).byHand,
	actDecline:      (*play).decline,
	actPay:          pays(stripe.OutcomeSuccess),
	actDeclinePay:   pays(stripe.OutcomeDeclineThenSuccess),
	actDebit:        pays(stripe.OutcomeAsync),
	actPayAmbush:    (*play).payAmbush,
	actEditAmbush:   postAmbush((*play).editDown),
	actBankAmbush:   postAmbush((*play).bankPart),
	actDebitDone:    settles(stripe.OutcomeSuccess),
	actDebitBounce:  settles("fail"),
	actDebitBack:    (*play).debitBack,
	actForeign:      (*play).foreign,
	actRefundFull:   (*play).refundFull,
	actRefundPart:   (*play).refundPart,
	actRefundSlow:   (*play).refundSlow,
	actRefundDone:   (*play).refundDone,
	actRefundFails:  (*play).refundFails,
	actDispute:      (*play).dispute,
	actDisputeWon:   closes("won"),
	actDisputeLost:  closes("lost"),
	actRenameXero:   inXero(func(run string) xero.ContactInput { return xero.ContactInput{Name: run} }, "name"),
	actMailXero:     inXero(func(run string) xero.ContactInput { return xero.ContactInput{EmailAddress: run + "@x.example"} }, "email"),
	actRenameStripe: inStripe(func(run string) stripe.CustomerFields { return stripe.CustomerFields{Name: &run} }, "name"),
	actMailStripe: inStripe(func(run string) stripe.CustomerFields {
		run += "@s.example"
		return stripe.CustomerFields{Email: &run}
	}, "email"),
	actClock:   func(p *play, _ *modelBill, _ act) error { p.w.wantHours = true; return nil },
	actReplay:  (*play).replay,
	actNothing: func(*play, *modelBill, act) error { return nil },
}

func (p *play) decline(b *modelBill, _ act) error {
	id, err := p.w.stripe.Pay(b.number, stripe.OutcomeDecline)
	if err == nil {
		p.w.owners[id] = p
	}
	return err
}

func settles(outcome string) func(*play, *modelBill, act) error {
	return func(p *play, b *modelBill, _ act) error {
		_, err := p.w.stripe.Settle(b.number, outcome)
		return err
	}
}

// lastCharge is the last charge of the invoice that succeeded.
func (p *play) lastCharge(b *modelBill) (stripeCharge, error) {
	for i := len(b.charges) - 1; i >= 0; i-- {
		c, err := p.w.chargeByID(b.charges[i])
		if err != nil || c.Status == "succeeded" {
			return c, err
		}
	}
	return stripeCharge{}, errors.New("no charge succeeded")
}

func (p *play) debitBack(b *modelBill, _ act) error {
	c, err := p.lastCharge(b)
	if err != nil {
		return err
	}
	return p.w.stripe.FailCharge(c.ID)
}

// foreign is a charge of another application. It says nothing of an invoice.
func (p *play) foreign(_ *modelBill, a act) error {
	id, err := p.w.stripe.Charge(stripe.OtherCharge{Amount: int64(1000 + a.n), Metadata: map[string]string{"order": fmt.Sprint(a.n)}})
	if err == nil {
		p.w.owners[id] = p
		p.foreigners = append(p.foreigners, id)
	}
	return err
}

func (p *play) refundFull(b *modelBill, _ act) error { return p.refund(b, 100, "succeeded") }
func (p *play) refundPart(b *modelBill, a act) error { return p.refund(b, a.n, "failed_later") }
func (p *play) refundSlow(b *modelBill, a act) error { return p.refund(b, a.n, "pending") }

// refund gives back a percentage of what is left of the last charge.
func (p *play) refund(b *modelBill, percent int, status string) error {
	c, err := p.lastCharge(b)
	if err != nil {
		return err
	}
	left := c.Amount - c.Refunded
	n := left * int64(percent) / 100
	if b.currency == "KWD" {
		n -= n % 10
	}
	if percent == 100 || n == 0 {
		n = left
	}
	if n == 0 {
		return errors.New("all of it is refunded")
	}
	id, err := p.w.stripe.Refund(c.ID, n, status)
	if err != nil {
		return err
	}
	p.w.owners[id] = p
	switch {
	case n < left && c.Refunded > 0:
		p.count("several refunds of one charge")
	case n == left && c.Refunded > 0:
		p.count("partial refunds to the full sum")
	}
	return nil
}

// refundsOf are the refunds of the invoice's charges with a status, oldest first.
func (p *play) refundsOf(b *modelBill, statuses ...string) ([]stripeRefund, error) {
	var out []stripeRefund
	for _, id := range b.charges {
		var list struct{ Data []stripeRefund }
		if err := p.w.ask("/v1/refunds?limit=100&charge="+id, &list); err != nil {
			return nil, err
		}
		slices.Reverse(list.Data) // Stripe has the newest first
		for _, r := range list.Data {
			if slices.Contains(statuses, r.Status) {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func (p *play) refundDone(b *modelBill, _ act) error {
	all, err := p.refundsOf(b, "pending")
	if err != nil || len(all) == 0 {
		return errors.Join(errors.New("no refund is pending"), err)
	}
	return p.w.stripe.SucceedRefund(all[0].ID)
}

func (p *play) refundFails(b *modelBill, a act) error {
	all, err := p.refundsOf(b, "pending", "succeeded")
	if err != nil || len(all) == 0 {
		return errors.Join(errors.New("no refund can fail"), err)
	}
	r := all[a.n%len(all)]
	if r.Status == "succeeded" {
		p.count("refund fails after it succeeded")
	}
	return p.w.stripe.FailRefund(r.ID)
}

func (p *play) dispute(b *modelBill, _ act) error {
	c, err := p.lastCharge(b)
	if err != nil {
		return err
	}
	id, err := p.w.stripe.Dispute(c.ID, 0, false)
	if err == nil {
		b.disputes = append(b.disputes, id)
		p.w.owners[id] = p
	}
	return err
}

func closes(outcome string) func(*play, *modelBill, act) error {
	return func(p *play, b *modelBill, _ act) error {
		if len(b.disputes) == 0 {
			return errors.New("nothing is disputed")
		}
		return p.w.stripe.CloseDispute(b.disputes[len(b.disputes)-1], outcome)
	}
}

func inXero(change func(run string) xero.ContactInput, field string) func(*play, *modelBill, act) error {
	return func(p *play, b *modelBill, a act) error {
		x := p.people[b.person]
		x.edits++
		_, err := p.w.xero.EditContact(x.id, change(fmt.Sprintf("%s-x%d-%d", p.run, b.person, x.edits)))
		return x.noted(field+" in Xero", err)
	}
}

func inStripe(change func(run string) stripe.CustomerFields, field string) func(*play, *modelBill, act) error {
	return func(p *play, b *modelBill, a act) error {
		x := p.people[b.person]
		if err := x.findCustomer(p); err != nil {
			return err
		}
		x.edits++
		return x.noted(field+" in Stripe", p.w.stripe.UpdateCustomer(x.customer, change(fmt.Sprintf("%s-s%d-%d", p.run, b.person, x.edits))))
	}
}

// findCustomer finds the customer of a contact.
func (x *modelPerson) findCustomer(p *play) error {
	if x.customer != "" {
		return nil
	}
	customers, err := stripeList[stripeCustomer](p.w, "customers")
	for _, c := range customers {
		if c.Metadata["xero_contact_id"] == x.id {
			p.w.owners[c.ID], x.customer = p, c.ID
			return nil
		}
	}
	return errors.Join(errors.New("no customer yet"), err)
}

func (x *modelPerson) noted(what string, err error) error {
	if err == nil {
		x.edited[what] = true
	}
	return err
}

// replay is a person who says of everything in the story: try again.
func (p *play) replay(*modelBill, act) error {
	n, err := p.w.replay([]*play{p})
	if err == nil && n == 0 {
		err = errors.New("nothing needs a person")
	}
	return err
}

// replay runs again what needs a person in some stories.
func (w *modelWorld) replay(plays []*play) (int, error) {
	var ids []int64
	for _, p := range plays {
		work, err := p.persons()
		if err != nil {
			return 0, err
		}
		for _, x := range work {
			ids = append(ids, x.ID)
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	ctx, cancel := timeLimit()
	defer cancel()
	return len(ids), flow.Replay(ctx, w.r.db, w.r.audit, w.r.queue, ids)
}

// passHours moves the time of both stand-ins and of the host.
func (w *modelWorld) passHours() {
	w.wantHours = false
	if w.hours < 20 { // a webhook's or an idempotency key's day is not to end
		w.hours += 5
		w.clock.Advance(5 * time.Hour)
	}
}
