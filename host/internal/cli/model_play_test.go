package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// play is a story that is being played.
type play struct {
	story
	w      *modelWorld
	run    string         // names its records apart from all others
	people []*modelPerson // hides the story's
	bills  []*modelBill   // hides the story's
	at     int            // the step that comes
	held   []letter       // mail that waits

	foreigners []string // charges of another application
	told       []string // what really happened
	counts     *tally
	wrong      []string // what the proof found
}

type modelPerson struct {
	id       string
	customer string // once it is known
	edits    int
	edited   map[string]bool // which field, on which side
}

// modelBill is what the model remembers of an invoice.
type modelBill struct {
	bill
	number, id string
	unseen     string // what was changed in Xero and the host has not been told of
	charges    []string
	byHand     []string // payments that a person entered into the clearing account
	bank       []string // payments by bank transfer
	disputes   []string
	now        []xero.LineInput // the lines as they were edited last
}

func newPlay(w *modelWorld, s story, run string, counts *tally) (*play, error) {
	p := &play{story: s, w: w, run: run, counts: counts}
	for i := range s.people {
		x, err := w.xero.CreateContact(xero.ContactInput{Name: fmt.Sprintf("%s Person %d", run, i), EmailAddress: fmt.Sprintf("p%d@%s.example", i, run)})
		if err != nil {
			return nil, err
		}
		p.people = append(p.people, &modelPerson{id: x.ContactID, edited: map[string]bool{}})
		w.owners[x.ContactID] = p
	}
	for i, b := range s.bills {
		p.bills = append(p.bills, &modelBill{bill: b, number: fmt.Sprintf("%s-%d", run, i)})
	}
	return p, nil
}

// now is the step that is played.
func (p *play) now() step { return p.steps[p.at] }

// did notes what happened, or why it could not.
func (p *play) did(a act, err error) {
	if err != nil {
		p.told = append(p.told, fmt.Sprintf("%s: not possible: %s", a, err))
		return
	}
	p.told = append(p.told, a.String())
	p.counts.add(a.what, 1)
}

func (p *play) count(what string) { p.counts.add(what, 1) }

// perform does what an act says; what a service refuses does not happen.
func (p *play) perform(a act) {
	p.w.stage.Lock()
	defer p.w.stage.Unlock()
	b := p.bills[a.bill]
	if b.id == "" && a.what != actApprove && a.what != actPayUnmarked && a.what != actNothing && a.what != actClock {
		p.did(a, errors.New("there is no invoice yet"))
		return
	}
	err := deeds[a.what](p, b, a)
	if errors.Is(err, errLater) {
		return // a trap is set: it is noted when it springs
	}
	p.did(a, err)
}

var errLater = errors.New("it happens when the time has come")

func (p *play) approve(b *modelBill, _ act) error {
	issued := p.w.clock.Now().AddDate(0, 0, -b.ago)
	x, err := p.w.xero.CreateInvoice(xero.InvoiceInput{
		ContactID: p.people[b.person].id, Number: b.number, Currency: b.currency, LineAmountTypes: b.mode, Lines: b.lines,
		Date: issued.Format("2006-01-02"), Due: issued.AddDate(0, 0, 14).Format("2006-01-02"),
	})
	if err != nil {
		return err
	}
	b.id = x.InvoiceID
	b.now = b.lines
	p.w.owners[b.id] = p
	p.w.owners[b.number] = p
	return nil
}

func (p *play) approvePaidEarly(b *modelBill, a act) error {
	p.w.ambush.set(trap{
		springs: func(_, path, body string) bool {
			return strings.HasPrefix(path, "/v1/payment_intents/") && strings.Contains(body, b.number)
		},
		do: func() { p.did(a, p.charge(b, stripe.OutcomeSuccess)) },
	})
	if err := p.approve(b, a); err != nil {
		return err
	}
	return errLater
}

// invoice is how Xero has it now.
func (p *play) invoice(b *modelBill) xero.Invoice {
	if all := p.w.xero.Invoices(b.number); len(all) == 1 {
		return all[0]
	}
	return xero.Invoice{}
}

// edit replaces the lines so that the total becomes a percentage of what it is.
func (p *play) edit(b *modelBill, percent int) error {
	x := p.invoice(b)
	base := x.SubTotal
	if x.Total == "" {
		return errors.New("there is no invoice")
	}
	if b.mode == "Inclusive" {
		base = x.Total
	}
	n, _ := inUnits(base, "NZD") // hundredths, whatever the currency
	n = n * int64(percent) / 100
	if b.currency == "JPY" {
		n -= n % 100
	}
	lines := []xero.LineInput{line("As agreed", "1", string(inXeroSum(n, "NZD")))}
	_, err := p.w.xero.EditInvoice(b.number, xero.InvoiceInput{LineAmountTypes: b.mode, Lines: lines})
	if err == nil {
		b.now = lines
	}
	return err
}

func (p *play) editUp(b *modelBill, a act) error {
	return p.changed(b, "edited up", p.edit(b, 100+a.n))
}

func (p *play) editDown(b *modelBill, a act) error {
	return p.changed(b, "edited down", p.edit(b, 100-a.n))
}

func (p *play) changed(b *modelBill, how string, err error) error {
	if err == nil {
		b.unseen = how
	}
	return err
}

func (p *play) dueDate(b *modelBill, a act) error {
	_, err := p.w.xero.EditInvoice(b.number, xero.InvoiceInput{Due: p.w.clock.Now().AddDate(0, 0, a.n).Format("2006-01-02")})
	return p.changed(b, "due date moved", err)
}

func (p *play) void(b *modelBill, _ act) error {
	_, err := p.w.xero.VoidInvoice(b.number)
	return p.changed(b, "voided", err)
}

// part is a percentage of what is due.
func (p *play) part(b *modelBill, percent int) xero.Number {
	n, _ := inUnits(p.invoice(b).AmountDue, "NZD")
	n = n * int64(percent) / 100
	if b.currency == "JPY" {
		n -= n % 100
	}
	return inXeroSum(n, "NZD")
}

func (p *play) bankPart(b *modelBill, a act) error { return p.transfer(b, p.part(b, a.n)) }
func (p *play) bankFull(b *modelBill, _ act) error { return p.transfer(b, "") }

func (p *play) transfer(b *modelBill, amount xero.Number) error {
	pay, err := p.w.xero.PayInvoice(b.number, xero.PaymentDetails{Amount: amount, Reference: "bank transfer"})
	if err == nil {
		b.bank = append(b.bank, pay.PaymentID)
	}
	return p.changed(b, "paid by bank", err)
}

func (p *play) creditPart(b *modelBill, a act) error { return p.credit(b, p.part(b, a.n)) }
func (p *play) creditFull(b *modelBill, _ act) error { return p.credit(b, "") }

func (p *play) credit(b *modelBill, amount xero.Number) error {
	_, err := p.w.xero.CreditInvoice(b.number, xero.CreditDetails{Amount: amount, Reference: "goodwill"})
	return p.changed(b, "credited", err)
}

// byHand is a person who enters what came in at Stripe: the last charge, or all
// that is due when there is none.
func (p *play) byHand(b *modelBill, _ act) error {
	amount := xero.Number("")
	if n := len(b.charges); n > 0 {
		c, err := p.w.chargeByID(b.charges[n-1])
		if err != nil {
			return err
		}
		amount = inXeroSum(c.Amount, b.currency)
	}
	pay, err := p.w.xero.PayInvoice(b.number, xero.PaymentDetails{Amount: amount, Account: demoAccount, Reference: "card"})
	if err == nil {
		b.byHand = append(b.byHand, pay.PaymentID)
	}
	return p.changed(b, "paid by hand", err)
}

// charge is the customer on the hosted page.
func (p *play) charge(b *modelBill, outcome string) error {
	id, err := p.w.stripe.Pay(b.number, outcome)
	if err != nil {
		return err
	}
	b.charges = append(b.charges, id)
	p.w.owners[id] = p
	if b.unseen != "" {
		p.count("paid while " + b.unseen)
	}
	return nil
}

func pays(outcome string) func(*play, *modelBill, act) error {
	return func(p *play, b *modelBill, _ act) error { return p.charge(b, outcome) }
}

// payAmbush changes what is due, and pays as the host is about to act on it.
func (p *play) payAmbush(b *modelBill, a act) error {
	ids := p.w.openBills(b.number)
	if len(ids) == 0 {
		return errors.New("nothing can be paid")
	}
	var err error
	switch a.n % 4 {
	case 0:
		err = p.editUp(b, a)
	case 1:
		err = p.editDown(b, a)
	case 2:
		err = p.bankPart(b, a)
	default:
		err = p.void(b, a)
	}
	if err != nil {
		return err
	}
	p.w.ambush.set(trap{
		springs: func(_, path, body string) bool {
			return strings.HasPrefix(path, "/v1/") && slices.ContainsFunc(ids, func(id string) bool {
				return strings.Contains(path, "/"+id+"/") || strings.Contains(body, id)
			})
		},
		do: func() { p.did(a, p.charge(b, stripe.OutcomeSuccess)) },
	})
	return errLater
}

// postAmbush pays, and lets do happen as the host is about to post the receipt.
func postAmbush(do func(p *play, b *modelBill, a act) error) func(*play, *modelBill, act) error {
	return func(p *play, b *modelBill, a act) error {
		if err := p.charge(b, stripe.OutcomeSuccess); err != nil {
			return err
		}
		id := b.charges[len(b.charges)-1]
		p.w.ambush.set(trap{
			springs: func(_, path, body string) bool {
				return strings.HasPrefix(path, "/api.xro/") && strings.HasSuffix(path, "/Payments") && strings.Contains(body, id)
			},
			do: func() { p.did(a, do(p, b, a)) },
		})
		return errLater
	}
}
