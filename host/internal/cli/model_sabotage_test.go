package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// spoil shows that the proof can fail: stories that end well, and then somebody
// spoils the books before they are compared.
func (c *campaign) spoil(t *testing.T) {
	w := c.open("credit_note")
	defer c.closeWorld(w)
	var stories []story
	for _, tt := range sabotages() {
		stories = append(stories, shortStory(tt.acts...))
	}
	plays, err := w.play(stories, "X", newTally())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plays {
		if len(p.wrong) > 0 {
			t.Fatalf("nothing was spoilt, but:\n%s\n%s", p.tale(), strings.Join(p.wrong, "\n"))
		}
	}
	for i, tt := range sabotages() {
		t.Run(tt.name, func(t *testing.T) {
			var spoilt error
			w.sabotage = func(plays []*play) { spoilt = tt.spoil(plays[0], plays[0].bills[0]) }
			plays, err := w.play([]story{shortStory(tt.acts...)}, fmt.Sprint("Y", i), newTally())
			if err != nil || spoilt != nil {
				t.Fatal(err, spoilt)
			}
			if found := strings.Join(plays[0].wrong, "\n"); !strings.Contains(found, tt.want) {
				t.Errorf("the proof says %q, want %q in it", found, tt.want)
			}
		})
	}
}

// shortStory is about one invoice of 230.00 NZD. The news of an act that begins
// with "held:" are held back.
func shortStory(acts ...string) story {
	s := story{people: 1, bills: []bill{{currency: "NZD", mode: "Exclusive", lines: []xero.LineInput{line("Goods", "1", "200")}}}}
	for _, what := range acts {
		st := step{act: act{what: what, n: 50}, mail: mailAll}
		if held, ok := strings.CutPrefix(what, "held:"); ok {
			st.what, st.mail = held, mailHeld
		}
		s.steps = append(s.steps, st)
	}
	return s
}

type sabotage struct {
	name  string
	acts  []string
	spoil func(p *play, b *modelBill) error
	want  string
}

func sabotages() []sabotage {
	return []sabotage{
		{"a receipt is posted twice", []string{actApprove, "held:" + actPay, actEditUp}, func(p *play, b *modelBill) error {
			_, err := p.w.xero.PayInvoice(b.number, xero.PaymentDetails{Account: demoAccount, Reference: b.charges[0] + " " + b.number})
			return err
		}, "has 2 payments"},
		{"a receipt is deleted", []string{actApprove, actPay}, func(p *play, _ *modelBill) error {
			return p.w.xero.DeletePayment(p.w.xero.Payments()[len(p.w.xero.Payments())-1].PaymentID)
		}, "is posted with 0"},
		{"a refund's payment is deleted", []string{actApprove, actPay, actRefundPart}, func(p *play, _ *modelBill) error {
			return p.w.xero.DeletePayment(p.w.xero.Payments()[len(p.w.xero.Payments())-1].PaymentID)
		}, "0 was paid out"},
		{"somebody else's money is on the clearing account", []string{actApprove}, func(p *play, b *modelBill) error {
			_, err := p.w.xero.PayInvoice(b.number, xero.PaymentDetails{Account: demoAccount, Amount: "10", Reference: "found in a drawer"})
			return err
		}, "is nobody's"},
		{"the bill is voided in Stripe", []string{actApprove}, func(p *play, b *modelBill) error {
			return p.w.stripe.VoidInvoice(b.number)
		}, "23000 is due in Xero (AUTHORISED), 0 is open in Stripe"},
		{"what is due changes unseen", []string{actApprove}, func(p *play, b *modelBill) error {
			return p.edit(b, 50)
		}, "11500 is due in Xero (AUTHORISED), 23000 is open in Stripe"},
		{"a charge of the invoice is not posted", []string{actApprove}, func(p *play, b *modelBill) error {
			_, err := p.w.stripe.Pay(b.number, stripe.OutcomeSuccess)
			return err
		}, "is posted with 0"},
		{"the customer has another name", []string{actApprove, actRenameStripe}, func(p *play, _ *modelBill) error {
			name := "Somebody else"
			return p.w.stripe.UpdateCustomer(p.people[0].customer, stripe.CustomerFields{Name: &name})
		}, `is called "Somebody else"`},
		{"a foreign charge is posted", []string{actApprove, actForeign}, func(p *play, b *modelBill) error {
			_, err := p.w.xero.PayInvoice(b.number, xero.PaymentDetails{Account: demoAccount, Amount: "10", Reference: p.foreigners[0]})
			return err
		}, "of another application is posted"},
	}
}
