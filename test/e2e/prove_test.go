//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// prove [NAME…] compares the books of both sides, to the cent: all of these, or
// those that are named. The clearing account is proved in NZD only. A second pair is
// proved like the first.
//
//   - postings: every succeeded charge of an invoice from Xero has exactly one posting of
//     the same amount (as payment, as overpayment or as both together), less what
//     was given back by reopening the invoice;
//   - clearing: the clearing account holds what Stripe took less what it gave back;
//   - bills: what is due in Xero is open in Stripe, and no invoice can be paid twice;
//   - customers: no contact has two customers;
//   - balance, only where it is asked for: the clearing account is Stripe's balance.
func prove(w *world, ts *testscript.TestScript, args []string) error {
	for suffix := range w.pairs() {
		if err := (books{w: w, ts: ts, suffix: suffix}).prove(args); err != nil {
			return fmt.Errorf("xero%s and stripe%s: %w", suffix, suffix, err)
		}
	}
	return nil
}

func (b books) prove(args []string) error {
	if len(args) == 0 {
		args = []string{"postings", "clearing", "bills", "customers"}
	}
	checks := map[string]func() error{"postings": b.postings, "clearing": b.clearing, "bills": b.bills, "customers": b.customers, "balance": b.balance}
	for _, name := range args {
		check, ok := checks[name]
		if !ok {
			return fmt.Errorf("no proof of %q", name)
		}
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

type books struct {
	w      *world
	ts     *testscript.TestScript
	suffix string // of the pair's sides
}

func (b books) list(side, noun string, filters ...string) ([]any, error) {
	q, err := parseQuery(append([]string{side + b.suffix, noun}, filters...))
	if err != nil {
		return nil, err
	}
	found, _, err := q.run(b.w, b.ts)
	return found, err
}

// cents reads "115.00" as 11500.
func cents(s string) (int64, error) {
	whole, part, _ := strings.Cut(s, ".")
	return strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
}

// stripeDigits are the decimals of Stripe's integers, where they are not two.
var stripeDigits = map[string]int{"JPY": 0, "KWD": 3}

// units reads a sum of Xero's as Stripe counts it; a rest that Stripe cannot
// count is an error.
func units(sum, currency string) (int64, error) {
	n, err := cents(sum)
	switch digits, special := stripeDigits[strings.ToUpper(currency)]; {
	case err != nil || !special:
		return n, err
	case digits == 3:
		return n * 10, nil
	case n%100 != 0:
		return 0, fmt.Errorf("%s %s is not a whole number", sum, currency)
	}
	return n / 100, nil
}

func minor(rec any, path string) (int64, error) {
	s := lookUp(rec, path)
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}

// postings checks charge by charge.
func (b books) postings() error {
	charges, err := b.list("stripe", "charges", "status=succeeded", "metadata.xero_invoice_id~.")
	if err != nil {
		return err
	}
	posted, err := b.posted()
	if err != nil {
		return err
	}
	for _, c := range charges {
		id := lookUp(c, "id")
		amount, err := minor(c, "amount")
		if err != nil {
			return err
		}
		back, err := minor(c, "amount_refunded")
		if err != nil {
			return err
		}
		if got := posted[id]; got != amount && got != amount-back {
			return fmt.Errorf("charge %s of %d minor units (%d given back) is posted with %d", id, amount, back, got)
		}
	}
	return nil
}

// posted sums what is posted in Xero by the first word of the reference.
func (b books) posted() (map[string]int64, error) {
	out := map[string]int64{}
	for noun, field := range map[string]string{"payments": "amount", "overpayments": "total"} {
		all, err := b.list("xero", noun)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			sum, err := units(lookUp(p, field), lookUp(p, "currency"))
			if err != nil {
				return nil, err
			}
			ref, _, _ := strings.Cut(lookUp(p, "reference"), " ")
			if status := lookUp(p, "status"); status != "VOIDED" && status != "DELETED" {
				out[ref] += sum
			}
		}
	}
	return out, nil
}

// clearing checks the sum of it all.
func (b books) clearing() error {
	var state map[string]any
	if err := b.w.control(http.MethodGet, "xero"+b.suffix, "state", nil, &state); err != nil {
		return err
	}
	got, err := cents(lookUp(state, "accounts."+b.w.pairs()[b.suffix].clearing+".balance"))
	if err != nil {
		return err
	}
	var want int64
	charges, err := b.list("stripe", "charges", "status=succeeded", "metadata.xero_invoice_id~.")
	if err != nil {
		return err
	}
	ours := map[string]bool{}
	for _, c := range charges {
		n, err := minor(c, "amount")
		if err != nil {
			return err
		}
		want += n
		ours[lookUp(c, "id")] = true
	}
	refunds, err := b.list("stripe", "refunds", "status=succeeded")
	if err != nil {
		return err
	}
	for _, r := range refunds {
		n, err := minor(r, "amount")
		if err != nil {
			return err
		}
		if ours[lookUp(r, "charge")] {
			want -= n
		}
	}
	if got != want {
		return fmt.Errorf("the clearing account holds %d cents, Stripe took %d net", got, want)
	}
	return nil
}

// bills checks that what is due can be paid, once.
func (b books) bills() error {
	open, err := b.list("stripe", "invoices", "status=open")
	if err != nil {
		return err
	}
	due := map[string]int64{}
	for _, in := range open {
		id := lookUp(in, "metadata.xero_invoice_id")
		if _, twice := due[id]; twice {
			return fmt.Errorf("invoice %s of Xero can be paid twice in Stripe", id)
		}
		if due[id], err = minor(in, "amount_remaining"); err != nil {
			return err
		}
	}
	all, err := b.list("xero", "invoices", "type=ACCREC")
	if err != nil {
		return err
	}
	for _, in := range all {
		want := int64(0)
		if lookUp(in, "status") == "AUTHORISED" {
			if want, err = units(lookUp(in, "amount_due"), lookUp(in, "currency")); err != nil {
				return err
			}
		}
		if got := due[lookUp(in, "invoice_id")]; got != want {
			return fmt.Errorf("%s: %d minor units are due in Xero, %d open in Stripe", lookUp(in, "number"), want, got)
		}
	}
	return nil
}

// customers checks that nobody was made twice.
func (b books) customers() error {
	all, err := b.list("stripe", "customers", "metadata.xero_contact_id~.")
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range all {
		id := lookUp(c, "metadata.xero_contact_id")
		if seen[id] {
			return fmt.Errorf("contact %s has two customers", id)
		}
		seen[id] = true
	}
	return nil
}
