package proof

import (
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// stripePlaces are what the Stripe connector lists: entities, and their streams.
func stripePlaces() []connector.ListRequest {
	out := []connector.ListRequest{}
	for _, e := range connector.Entities() {
		out = append(out, connector.ListRequest{Entity: e})
	}
	for _, stream := range []string{"fees", "daily_fees", "payouts", "disputes", "adjustments"} {
		out = append(out, connector.ListRequest{Entity: connector.EntityPayment, Stream: stream})
	}
	return out
}

// balance moves by all that is neither a payment nor a refund.
func (c *cashier) balance() {
	c.t.Helper()
	ago := time.Now().Add(-50 * time.Hour)
	var ids []string
	keep := func(id string, err error) string {
		c.t.Helper()
		c.must(err)
		ids = append(ids, id)
		return id
	}
	for range 120 { // more than a page in a day
		_, err := c.s.Fee(stripe.Movement{Amount: 7, At: ago})
		c.must(err)
	}
	keep(c.s.Fee(stripe.Movement{Amount: 250}))
	keep(c.s.Adjust(stripe.Movement{Amount: 90_000, Type: "topup", At: ago}))
	for _, inquiry := range []bool{false, true} {
		charge, err := c.s.Charge(stripe.OtherCharge{Amount: 5000, Currency: "eur"})
		c.must(err)
		dispute := keep(c.s.Dispute(charge, 0, inquiry))
		c.must(c.s.Revalue("eur", 9, 10))
		c.must(c.s.CloseDispute(dispute, "won"))
	}
	debit, err := c.s.Charge(stripe.OtherCharge{Amount: 5000, Currency: "eur", Debit: true})
	c.must(err)
	c.must(c.s.Revalue("eur", 1, 1))
	c.must(c.s.FailCharge(debit)) // at another rate of exchange
	keep(c.s.PayOut(stripe.PayoutOrder{}))
	c.must(c.s.FailPayout(ids[len(ids)-1]))
	keep(c.s.PayOut(stripe.PayoutOrder{Amount: 100, Pending: true}))
	day := connector.DateOf(ago.UTC()).String()
	c.get(connector.EntityPayment, append(ids, "fees_"+day+"_nzd")...)
}
