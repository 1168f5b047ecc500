//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// burst invoices|payments|refunds FROM TO makes many things happen at once:
// invoices B-FROM to B-TO of different sums for five customers, their payments,
// and a refund of one tenth of each payment.
func burst(w *world, ts *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("want invoices|payments|refunds FROM TO")
	}
	from, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	to, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	for i := from; i <= to; i++ {
		number := fmt.Sprintf("B-%d", i)
		switch args[0] {
		case "invoices":
			err = w.pull("xero", xeroLevers, []string{"invoice", number, fmt.Sprintf("Customer %d", i%5), fmt.Sprintf("%d.%02d", 10+i, i)})
		case "payments":
			err = stripeLever(w, ts, []string{"pay", number})
		case "refunds":
			err = w.refundTenth(ts, number)
		default:
			err = fmt.Errorf("no burst of %q", args[0])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", number, err)
		}
	}
	return nil
}

func (w *world) refundTenth(ts *testscript.TestScript, number string) error {
	b := books{w: w, ts: ts}
	charges, err := b.list("stripe", "charges", "number="+number, "status=succeeded")
	if err != nil {
		return err
	}
	if len(charges) != 1 {
		return fmt.Errorf("%d charges", len(charges))
	}
	amount, err := minor(charges[0], "amount")
	if err != nil {
		return err
	}
	return w.control(http.MethodPost, "stripe", "charges/"+lookUp(charges[0], "id")+"/refund",
		map[string]any{"amount": amount / 10, "status": "succeeded"}, nil)
}
