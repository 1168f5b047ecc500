package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// stepWithin bounds how long the demo waits for a step to show on the other
// side; without an outage it takes a fraction of a second.
const stepWithin = 30 * time.Second

// day is the story of the demo.
type day struct {
	*world
	began  time.Time
	before map[string]xero.Ageing
	first  string // number of the first invoice
}

// sale is an invoice that the story makes.
type sale struct {
	number, contact, currency string
	ago                       int // days since it was issued; terms are 14 days
	lines                     []xero.LineInput
}

func line(text string, quantity, price string) xero.LineInput {
	return xero.LineInput{Description: text, Quantity: xero.Number(quantity), UnitAmount: xero.Number(price)}
}

func sales() []sale {
	return []sale{
		{"INV-1001", "Harbour Cafe", "NZD", 0, []xero.LineInput{line("Beans, kg", "12.5", "38.40")}},
		{"INV-1002", "Kowhai Clinic", "NZD", 0, []xero.LineInput{line("Consulting, h", "7.25", "165.00"), line("Travel", "1", "48.90")}},
		{"INV-1003", "Pohutukawa Press", "NZD", 3, []xero.LineInput{line("Printing", "1", "2310.00")}},
		{"INV-1004", "Blue Ridge Inc", "USD", 1, []xero.LineInput{line("Licence", "3", "199.99")}},
		{"INV-1005", "Rive Gauche SARL", "EUR", 1, []xero.LineInput{line("Design", "1", "1250.00")}},
		{"INV-1006", "Shinjuku KK", "JPY", 2, []xero.LineInput{line("Support", "1", "48000")}},
		{"INV-1007", "Thames & Sons", "GBP", 5, []xero.LineInput{line("Workshop", "2", "640.00")}},
		{"INV-1008", "Harbour Cafe", "NZD", 40, []xero.LineInput{line("Grinder service", "1", "310.00")}},
		{"INV-1009", "Tui Tools", "NZD", 55, []xero.LineInput{line("Hire", "4", "72.15")}},
		{"INV-1010", "Kowhai Clinic", "NZD", 80, []xero.LineInput{line("Audit", "1", "980.00")}},
		{"INV-1011", "Tui Tools", "NZD", 0, []xero.LineInput{line("Parts", "9", "19.95")}},
		{"INV-1012", "Pohutukawa Press", "NZD", 0, []xero.LineInput{line("Paper", "30", "11.37")}},
	}
}

// play tells the story. Every step waits until it shows on the other side.
func (d *day) play(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		d.invoices, d.payments, d.early, d.refund, d.changes, d.outage, d.again,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (d *day) title(s string) { d.c.printf("\n%s\n", s) }

// wait returns once cond holds, and prints how long that took.
func (d *day) wait(ctx context.Context, what string, cond func() (bool, error)) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := cond()
		if err != nil {
			return err
		}
		if ok {
			d.c.printf("  %-62s %6.2f s\n", what, time.Since(start).Seconds())
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the demo waited %s for: %s (entries that need a person: %d; see ml-connector --data %s failures list)",
				stepWithin, what, d.needPerson(), d.c.set.data)
		case <-tick.C:
		}
	}
}

func (d *day) needPerson() int {
	all, err := flow.Failures(context.Background(), d.r.db)
	if err != nil {
		return -1
	}
	return len(all)
}

func (d *day) invoices(ctx context.Context) error {
	d.title("Morning: invoices are approved in Xero and become payable in Stripe")
	all := sales()
	d.first = all[0].number
	for i, s := range all {
		issued := d.clock.Now().AddDate(0, 0, -s.ago)
		if _, err := d.xero.CreateContact(xero.ContactInput{
			Name: s.contact, EmailAddress: fmt.Sprintf("accounts%d@example.com", i),
		}); err != nil && !slices.ContainsFunc(all[:i], func(o sale) bool { return o.contact == s.contact }) {
			return err
		}
		if _, err := d.xero.CreateInvoice(xero.InvoiceInput{
			Number: s.number, Contact: s.contact, Currency: s.currency, Lines: s.lines,
			Date: issued.Format(time.DateOnly), Due: issued.AddDate(0, 0, 14).Format(time.DateOnly),
		}); err != nil {
			return fmt.Errorf("%s: %w", s.number, err)
		}
	}
	d.before = d.xero.State().Ageing
	return d.wait(ctx, fmt.Sprintf("%d invoices in 5 currencies are payable", len(all)), func() (bool, error) {
		return d.linked(ctx, "invoice") == len(all), nil
	})
}

func (d *day) linked(ctx context.Context, entity string) int {
	links, err := flow.Links(ctx, d.r.db, flow.LinkFilter{})
	if err != nil {
		return -1
	}
	n := 0
	for _, l := range links {
		if l.Entity == entity {
			n++
		}
	}
	return n
}

// paid waits until the invoices are paid in Xero.
func (d *day) paid(ctx context.Context, what string, numbers ...string) error {
	return d.wait(ctx, what, func() (bool, error) {
		for _, n := range numbers {
			got := d.xero.Invoices(n)
			if len(got) != 1 || got[0].Status != "PAID" {
				return false, nil
			}
		}
		return true, nil
	})
}

func (d *day) pay(outcome string, numbers ...string) error {
	for _, n := range numbers {
		if _, err := d.stripe.Pay(n, outcome); err != nil && outcome != stripe.OutcomeDecline {
			return fmt.Errorf("%s is not paid: %w", n, err)
		}
	}
	return nil
}

func (d *day) payments(ctx context.Context) error {
	d.title("Noon: customers pay, and every webhook comes twice")
	if err := d.stripe.CourierMode("twice"); err != nil {
		return err
	}
	if err := d.pay(stripe.OutcomeSuccess, "INV-1001", "INV-1004", "INV-1006"); err != nil {
		return err
	}
	if err := d.pay(stripe.OutcomeDeclineThenSuccess, "INV-1005"); err != nil {
		return err
	}
	if err := d.paid(ctx, "4 receipts are on their invoices (one card was declined first)", "INV-1001", "INV-1004", "INV-1005", "INV-1006"); err != nil {
		return err
	}
	return d.stripe.CourierMode("normal")
}

func (d *day) early(ctx context.Context) error {
	d.title("Customers pay faster than the webhooks arrive, which then come in reverse")
	if err := d.stripe.CourierMode("hold"); err != nil {
		return err
	}
	if err := d.pay(stripe.OutcomeSuccess, "INV-1008", "INV-1009", "INV-1010"); err != nil {
		return err
	}
	d.stripe.Release(true)
	if err := d.stripe.CourierMode("normal"); err != nil {
		return err
	}
	return d.paid(ctx, "3 overdue invoices are paid", "INV-1008", "INV-1009", "INV-1010")
}

func (d *day) refund(ctx context.Context) error {
	d.title("Afternoon: a part of a payment is given back")
	charge, err := d.charge("INV-1008")
	if err != nil {
		return err
	}
	if _, err := d.stripe.Refund(charge, 10000, "succeeded"); err != nil {
		return err
	}
	return d.wait(ctx, "100.00 NZD are a paid credit note in Xero", func() (bool, error) {
		for _, n := range d.xero.CreditNotes() {
			if n.Status == "PAID" && n.Total == "100.00" {
				return true, nil
			}
		}
		return false, nil
	})
}

// charge returns the Stripe charge that paid an invoice: the payment in Xero
// begins with it.
func (d *day) charge(number string) (string, error) {
	for _, p := range d.xero.Payments() {
		if p.InvoiceNumber == number {
			var id string
			if _, err := fmt.Sscan(p.Reference, &id); err == nil {
				return id, nil
			}
		}
	}
	return "", fmt.Errorf("no payment on %s", number)
}

func (d *day) changes(ctx context.Context) error {
	d.title("An invoice is voided, another one is paid by bank transfer")
	if _, err := d.xero.VoidInvoice("INV-1012"); err != nil {
		return err
	}
	if _, err := d.xero.PayInvoice("INV-1007", xero.PaymentDetails{Reference: "bank transfer"}); err != nil {
		return err
	}
	return d.wait(ctx, "neither can be paid in Stripe any more", func() (bool, error) {
		voided, err := d.stripeStatus(ctx, "INV-1012")
		if err != nil {
			return false, err
		}
		paid, err := d.stripeStatus(ctx, "INV-1007")
		return voided == "void" && paid == "paid", err
	})
}

// stripeStatus asks the stand-in how an invoice stands, by its number in Xero.
func (d *day) stripeStatus(ctx context.Context, number string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+"/_stripe/invoices", nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var list struct {
		Data []struct {
			Status   string            `json:"status"`
			Metadata map[string]string `json:"metadata"`
		} `json:"data"`
	}
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return "", fmt.Errorf("list invoices of the stand-in: %w", err)
	}
	for _, in := range list.Data {
		if in.Metadata["xero_invoice_number"] == number {
			return in.Status, nil
		}
	}
	return "", nil
}

func (d *day) outage(ctx context.Context) error {
	d.title("Evening: Xero is down while customers pay")
	d.xero.Faults().Add(sandbox.Fault{Kind: "status", Path: "/api.xro/", Status: http.StatusServiceUnavailable, Times: -1})
	numbers := []string{"INV-1002", "INV-1011"}
	if err := d.pay(stripe.OutcomeSuccess, numbers...); err != nil {
		return err
	}
	if err := d.wait(ctx, fmt.Sprintf("2 receipts wait as dead letters after %d attempts each", demoAttempts), func() (bool, error) {
		return d.needPerson() == len(numbers), nil
	}); err != nil {
		return err
	}
	d.xero.Faults().Clear()
	d.xero.Faults().Add(sandbox.Fault{Kind: "reset_after", Method: http.MethodPut, Path: "/api.xro/2.0/Payments", Times: 1})
	failed, err := flow.Failures(ctx, d.r.db)
	if err != nil {
		return err
	}
	ids := make([]int64, 0, len(failed))
	for _, f := range failed {
		d.c.printf("  entry %d, %s: %s\n", f.ID, f.Label, f.Reason)
		ids = append(ids, f.ID)
	}
	if err := flow.Replay(ctx, d.r.db, d.r.audit, d.r.queue, ids); err != nil {
		return err
	}
	return d.paid(ctx, "Xero is back; both are replayed, one answer was lost, none doubled", numbers...)
}

// again shows that a quiet system stays quiet.
func (d *day) again(ctx context.Context) error {
	d.title("Night: one more pass over both sides")
	d.c.log.Debug("calls so far", "xero", d.xero.Calls().ByPath)
	if err := d.r.queue.Idle(ctx, stepWithin); err != nil {
		return err
	}
	x, s := d.xero.Calls(), d.stripe.Calls()
	for _, src := range d.engine.Sources() {
		for more := true; more; {
			page, err := d.engine.Poll(ctx, src, time.Time{})
			if err != nil {
				return withRemedy(err)
			}
			more = page.More
		}
	}
	if err := d.r.queue.Idle(ctx, stepWithin); err != nil {
		return err
	}
	x2, s2 := d.xero.Calls(), d.stripe.Calls()
	d.c.printf("  %d writes to Xero, %d to Stripe\n", x2.Writes-x.Writes, s2.Writes-s.Writes)
	if x2.Writes != x.Writes || s2.Writes != s.Writes {
		return fmt.Errorf("a pass over unchanged systems wrote something")
	}
	return nil
}
