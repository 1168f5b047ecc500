//go:build linux

package e2e

import (
	"fmt"
	"net/http"
)

// balance checks that the clearing account holds what Stripe holds, pending
// money included, to the minor unit.
func (b books) balance() error {
	all, err := b.list("stripe", "balance")
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return fmt.Errorf("stripe has %d balances, want one currency", len(all))
	}
	want, err := minor(all[0], "total")
	if err != nil {
		return err
	}
	var state map[string]any
	if err := b.w.control(http.MethodGet, "xero"+b.suffix, "state", nil, &state); err != nil {
		return err
	}
	got, err := cents(lookUp(state, "accounts."+b.w.pairs()[b.suffix].clearing+".balance"))
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the clearing account holds %d minor units, Stripe's balance is %d", got, want)
	}
	return nil
}
