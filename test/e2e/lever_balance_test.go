//go:build linux

package e2e

import "slices"

// balanceLevers are those of two words: the lever of the table that it is, and what
// always goes with it.
var balanceLevers = map[string][]string{
	"payout make":     {"payout"},
	"payout pay":      {"pay-payout"},
	"payout fail":     {"fail-payout"},
	"payout cancel":   {"cancel-payout"},
	"dispute open":    {"open-dispute"},
	"dispute inquiry": {"open-dispute", "inquiry:=true"},
	"dispute win":     {"close-dispute", "outcome=won"},
	"dispute lose":    {"close-dispute", "outcome=lost"},
}

// oneWord turns a lever of two words into that of one.
func oneWord(args []string) []string {
	if len(args) < 2 {
		return args
	}
	as, ok := balanceLevers[args[0]+" "+args[1]]
	if !ok {
		return args
	}
	return slices.Concat(as[:1], args[2:], as[1:])
}
