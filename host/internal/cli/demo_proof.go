package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/money"
)

// ageing prints what is owed by currency and age, before the day and after it.
func (d *day) ageing() {
	after := d.xero.State().Ageing
	t := d.c.table("  CURRENCY", "", "CURRENT", "1-30", "31-60", "61-90", "OVER 90", "TOTAL")
	for _, cur := range slices.Sorted(maps.Keys(d.before)) {
		b, a := d.before[cur], after[cur]
		t.row("  "+cur, "before", b.Current, b.To30, b.To60, b.To90, b.Over90, b.Total)
		t.row("", "after", zero(a.Current), zero(a.To30), zero(a.To60), zero(a.To90), zero(a.Over90), zero(a.Total))
	}
	_ = t.flush() // standard output is gone: nobody reads it
}

func zero(s string) string {
	if s == "" {
		return "0.00"
	}
	return s
}

// prove compares what Stripe took and gave back with what is posted in Xero's
// clearing account, to the minor unit, currency by currency.
func (d *day) prove(ctx context.Context) error {
	posted := map[money.Currency]money.Amount{}
	add := func(cur, amount string, sign int) error {
		c, err := money.ParseCurrency(cur)
		if err != nil {
			return err
		}
		a, err := money.Parse(amount, c)
		if err != nil {
			return err
		}
		if sign < 0 {
			if a, err = a.Neg(); err != nil {
				return err
			}
		}
		if !posted[c].IsSet() {
			posted[c] = money.Zero(c)
		}
		posted[c], err = posted[c].Add(a)
		return err
	}
	for _, p := range d.xero.Payments() {
		if p.Account != demoAccount {
			continue
		}
		sign := 1
		if strings.HasPrefix(p.PaymentType, "ARCREDIT") {
			sign = -1
		}
		if err := add(p.Currency, p.Amount, sign); err != nil {
			return err
		}
	}
	sums := d.stripe.State()
	for _, cur := range slices.Sorted(maps.Keys(sums.Charges)) {
		taken := sums.Charges[cur]
		c, err := money.ParseCurrency(cur)
		if err != nil {
			return err
		}
		want, err := money.New(taken-sums.Refunds[cur], c)
		if err != nil {
			return err
		}
		if got := posted[c]; got != want {
			return fmt.Errorf("clearing account holds %s, Stripe took %s", got, want)
		}
		d.c.printf("  %s: charges less refunds in Stripe = movements of the clearing account in Xero\n", want)
	}
	if d.stripe.Calls().Bearer > 0 {
		return fmt.Errorf("a request to Stripe was not sent with Basic authentication")
	}
	return ctx.Err()
}
