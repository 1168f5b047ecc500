package cli

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// A story is what happens between a bookkeeper, a customer, Xero and Stripe
// about a few invoices. It is drawn as a whole before it is played, so that its
// seed says all of it, and it can be read.

type story struct {
	seed   int
	people int
	bills  []bill
	steps  []step
}

// bill is an invoice that a person makes in Xero.
type bill struct {
	person   int
	currency string
	mode     string // of its amounts: Exclusive, Inclusive, NoTax
	ago      int    // days since it was issued
	lines    []xero.LineInput
}

// step is one thing that somebody does, and how the news of it travel. race is
// a second thing, done while the host works on the first.
type step struct {
	act
	mail    string
	race    *act
	poll    bool
	restart bool
	trouble string // a fault of the moment
}

// act is what somebody does. n means something to each act: a percentage, a choice.
type act struct {
	what string
	bill int
	n    int
}

// The acts, as they are counted and told.
const (
	actApprove      = "approve invoice"
	actEditUp       = "edit invoice up"
	actEditDown     = "edit invoice down"
	actDueDate      = "change due date"
	actVoid         = "void invoice"
	actBankPart     = "bank transfer, part"
	actBankFull     = "bank transfer, all that is due"
	actCreditPart   = "credit note allocated, part"
	actCreditFull   = "credit note allocated, all that is due"
	actByHand       = "payment entered by hand"
	actDecline      = "card declined"
	actPay          = "customer pays"
	actDeclinePay   = "customer pays after a decline"
	actPayAmbush    = "customer pays as the host writes to Stripe"
	actEditAmbush   = "edit as the host posts the receipt"
	actBankAmbush   = "bank transfer as the host posts the receipt"
	actPayUnmarked  = "approve invoice, paid before the marks are set"
	actDebit        = "bank debit begins"
	actDebitDone    = "bank debit arrives"
	actDebitBounce  = "bank debit bounces"
	actDebitBack    = "bank debit is taken back after it arrived"
	actForeign      = "charge of another application"
	actRefundFull   = "refund, all"
	actRefundPart   = "refund, part"
	actRefundSlow   = "refund begins"
	actRefundDone   = "refund arrives"
	actRefundFails  = "refund fails"
	actDispute      = "dispute opens"
	actDisputeWon   = "dispute is won"
	actDisputeLost  = "dispute is lost"
	actRenameXero   = "contact renamed in Xero"
	actMailXero     = "contact's e-mail changed in Xero"
	actRenameStripe = "customer renamed in Stripe"
	actMailStripe   = "customer's e-mail changed in Stripe"
	actClock        = "hours pass"
	actReplay       = "a person replays"
	actNothing      = "nothing"
)

// What may go wrong for the requests of a step.
const (
	troubleNone      = ""
	trouble429       = "429 once"
	trouble503       = "503 for a few requests"
	troubleCutBefore = "connection cut before the write"
	troubleCutAfter  = "connection cut after the write"
	troubleHalf      = "half of an answer"
	troubleOutage    = "outage of both services"
)

var storyGen = rapid.Custom(drawStory)

func drawStory(t *rapid.T) story {
	s := story{people: upTo(t, 2, "people")}
	for range pickOf(t, []int{1, 1, 1, 2, 2, 3}, "invoices") {
		s.bills = append(s.bills, drawBill(t, s.people))
	}
	// Most stories are short, which costs less and finds as much.
	length := 2 + min(upTo(t, 13, "length"), upTo(t, 13, "or so"))
	d := drawing{t: t, stage: make([]string, len(s.bills))}
	for i := range length {
		b := upTo(t, len(s.bills), "of invoice") - 1
		if i < len(s.bills) {
			b = i
		}
		s.steps = append(s.steps, d.step(b))
	}
	return s
}

func drawBill(t *rapid.T, people int) bill {
	b := bill{person: upTo(t, people, "person") - 1,
		currency: pickOf(t, []string{"NZD", "NZD", "NZD", "NZD", "USD", "JPY", "KWD"}, "currency"),
		mode:     pickOf(t, []string{"Exclusive", "Exclusive", "Inclusive", "NoTax"}, "tax"),
		ago:      pickOf(t, []int{0, 0, 0, 3, 20, 70}, "days ago")}
	whole := b.currency == "JPY"
	if whole && !oneIn(t, 8, "taxed") {
		b.mode = "NoTax"
	}
	for i := range pickOf(t, []int{1, 1, 2, 3, 5}, "lines") {
		b.lines = append(b.lines, drawLine(t, i, whole))
	}
	if oneIn(t, 5, "rebate") {
		b.lines = append(b.lines, line("Rebate", "1", "-3"))
	}
	if oneIn(t, 30, "tiny") {
		b.lines = []xero.LineInput{line("Sticker", "1", map[bool]string{true: "20", false: "0.30"}[whole])}
	}
	return b
}

func drawLine(t *rapid.T, i int, whole bool) xero.LineInput {
	price := 9 + upTo(t, 400, "price")
	if whole {
		return line(fmt.Sprint("Goods ", i+1), "1", fmt.Sprint(price*100))
	}
	l := line(fmt.Sprint("Goods ", i+1), pickOf(t, []string{"1", "1", "2", "0.5", "3.3333", "12"}, "quantity"),
		fmt.Sprintf("%d%s", price, pickOf(t, []string{"", ".5", ".05", ".99", ".005", ".3333", ".0001"}, "decimals")))
	if oneIn(t, 6, "discount") {
		l.DiscountRate = "12.5"
	}
	if oneIn(t, 7, "untaxed") {
		l.Tax = "NONE"
	}
	return l
}

// upTo draws a number from 1 to n, each as likely. It is made of bits because
// rapid's ranges and samples favour what comes first.
func upTo(t *rapid.T, n int, what string) int {
	const bits = 12
	x := 0
	for range bits {
		x <<= 1
		if rapid.Bool().Draw(t, what) {
			x++
		}
	}
	return 1 + x*n>>bits
}

// pickOf draws one of several, each as likely.
func pickOf[T any](t *rapid.T, all []T, what string) T { return all[upTo(t, len(all), what)-1] }

// oneIn draws true once in n times.
func oneIn(t *rapid.T, n int, what string) bool { return upTo(t, n, what) == n }

// drawing keeps a rough idea of where each invoice stands, so that most of what
// is drawn can happen.
type drawing struct {
	t     *rapid.T
	stage []string // "", open, debit, paid, back
}

// menu is what may be done at a stage; what stands there more often is done more often.
var menu = map[string][]string{
	"open": slices.Concat(slices.Repeat([]string{actPay}, 7), slices.Repeat([]string{actDebit, actDeclinePay}, 2), []string{
		actEditUp, actEditDown, actEditUp, actEditDown, actDueDate, actVoid, actBankPart, actBankFull, actCreditPart, actCreditFull,
		actDecline, actPayAmbush, actPayAmbush, actEditAmbush, actBankAmbush, actByHand}, always),
	"debit": slices.Concat(slices.Repeat([]string{actDebitDone}, 6), []string{
		actDebitBounce, actDebitBounce, actEditUp, actEditDown, actBankPart, actVoid}, always),
	"arrived": slices.Concat(slices.Repeat([]string{actDebitBack}, 5), []string{actRefundFull, actRefundPart, actEditDown}, always),
	"paid": slices.Concat(slices.Repeat([]string{actRefundPart}, 4), slices.Repeat([]string{actRefundFull, actRefundSlow}, 2), []string{
		actEditUp, actEditDown, actVoid, actByHand, actBankFull, actBankPart, actCreditPart, actDispute, actDispute,
		actPay}, always),
	"back": slices.Concat(slices.Repeat([]string{actRefundPart, actRefundFails}, 3), []string{
		actRefundFull, actRefundDone, actRefundDone, actPay, actEditUp, actBankPart}, always),
	"disputed": slices.Concat(slices.Repeat([]string{actDisputeWon, actDisputeLost}, 3), []string{actRefundPart}, always),
}

var always = []string{actForeign, actRenameXero, actMailXero, actRenameStripe, actMailStripe, actClock, actReplay, actNothing}

// leads is the stage that an act leads to.
var leads = map[string]string{actPay: "paid", actDeclinePay: "paid", actPayAmbush: "paid", actEditAmbush: "paid", actBankAmbush: "paid", actDebit: "debit", actDebitDone: "arrived",
	actDebitBounce: "open", actDebitBack: "open", actRefundFull: "back", actRefundPart: "back", actRefundSlow: "back", actDispute: "disputed",
	actDisputeWon: "paid"}

func (d *drawing) act(b int) act {
	a := act{what: actApprove, bill: b, n: upTo(d.t, 99, "n")}
	if d.stage[b] == "" {
		d.stage[b] = "open"
		if a.n <= 8 {
			a.what, d.stage[b] = actPayUnmarked, "paid"
		}
		return a
	}
	a.what = pickOf(d.t, menu[d.stage[b]], "act")
	if next := leads[a.what]; next != "" {
		d.stage[b] = next
	}
	return a
}

func (d *drawing) step(b int) step {
	s := step{act: d.act(b)}
	mails := slices.Concat(slices.Repeat([]string{mailAll}, 8), slices.Repeat([]string{mailHeld}, 4),
		[]string{mailReversed, mailTwice, mailLost, mailSome})
	s.mail = pickOf(d.t, mails, "mail")
	if s.what != actApprove && s.what != actPayUnmarked && oneIn(d.t, 6, "race") {
		a := d.act(b)
		s.race = &a
	}
	s.poll = oneIn(d.t, 6, "poll")
	s.restart = oneIn(d.t, 60, "restart")
	if oneIn(d.t, 8, "trouble") {
		s.trouble = pickOf(d.t, []string{trouble503, trouble503, troubleCutBefore, troubleCutBefore, troubleCutAfter, troubleCutAfter,
			troubleCutAfter, troubleHalf, trouble429, troubleOutage}, "what goes wrong")
	}
	return s
}

// outcomes are what must have come of many histories, besides every act.
var outcomes = []string{
	"paid while edited up", "paid while edited down", "paid while voided", "paid while paid by bank", "paid while credited",
	"receipt posted", "receipt with an overpayment", "receipt adopted", "receipt reversed by a refund", "charge that failed",
	"refund is a credit note", "refund reopens the invoice", "refund out of the overpayment", "several refunds of one charge",
	"partial refunds to the full sum", "refund that is failed", "refund that is pending", "refund fails after it succeeded",
	"dispute that is needs_response", "dispute that is won", "dispute that is lost",
	"invoice open in NZD", "invoice open in USD", "invoice open in JPY", "invoice open in KWD",
	"invoice issued again", "invoice paid outside Stripe", "invoice void on both sides", "invoice with several charges",
	"contact edited on one side", "contact edited on both sides", "poll", "restart of the host",
	"news " + mailAll, "news " + mailReversed, "news " + mailTwice, "news " + mailHeld, "news " + mailLost, "news " + mailSome,
	trouble429, trouble503, troubleCutBefore, troubleCutAfter, troubleHalf, troubleOutage,
	"person: less than Stripe charges", "person: receipt of an invoice that was voided", "person: money that the customer's bank took back",
	"person: surplus in another currency than the clearing account's", "person: refund of a receipt that is with a person",
	"person: sums in fractions of the currency",
}

// String tells the story.
func (s story) String() string {
	var b strings.Builder
	for i, x := range s.bills {
		fmt.Fprintf(&b, "  invoice %d: %s, %s, of contact %d, %d days old:", i, x.currency, x.mode, x.person, x.ago)
		for _, l := range x.lines {
			fmt.Fprintf(&b, " %s x %s", l.Quantity, l.UnitAmount)
			if l.DiscountRate != "" {
				fmt.Fprintf(&b, " less %s %%", l.DiscountRate)
			}
			if l.Tax != "" {
				fmt.Fprintf(&b, " (tax %s)", l.Tax)
			}
		}
		b.WriteByte('\n')
	}
	for i, st := range s.steps {
		fmt.Fprintf(&b, "  %2d. %s\n", i+1, st)
	}
	return b.String()
}

func (s step) String() string {
	out := s.act.String() + "; news " + s.mail
	if s.race != nil {
		out += "; meanwhile " + s.race.String()
	}
	if s.trouble != "" {
		out += "; " + s.trouble
	}
	if s.poll {
		out += "; poll"
	}
	if s.restart {
		out += "; restart"
	}
	return out
}

func (a act) String() string { return fmt.Sprintf("%s (invoice %d, %d)", a.what, a.bill, a.n) }
