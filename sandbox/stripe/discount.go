package stripe

import "math/big"

// discount is a coupon that a customer has. Exactly one of percent and amount is
// set.
type discount struct {
	id       string
	start    int64
	percent  int64 // 1 to 100
	amount   int64 // minor units of currency
	currency string
}

// off is what the discount takes from a sum of discountable lines; an amount in
// another currency takes nothing.
func (d *discount) off(sum int64, cur string) int64 {
	switch {
	case d == nil || sum <= 0:
		return 0
	case d.percent > 0:
		return roundRat(big.NewRat(sum*d.percent, 100))
	case d.currency == cur:
		return min(d.amount, sum)
	}
	return 0
}

func (d *discount) obj(customer, invoice string) any {
	if d == nil {
		return nil
	}
	coupon := obj{"id": "coupon_" + d.id, "object": "coupon", "amount_off": nil, "created": d.start, "currency": nil,
		"duration": "forever", "duration_in_months": nil, "livemode": false, "max_redemptions": nil, "metadata": obj{},
		"name": "Sandbox discount", "percent_off": nil, "redeem_by": nil, "times_redeemed": 1, "valid": true}
	if d.percent > 0 {
		coupon["percent_off"] = d.percent
	} else {
		coupon["amount_off"], coupon["currency"] = d.amount, d.currency
	}
	return obj{"id": d.id, "object": "discount", "checkout_session": nil, "coupon": coupon, "customer": orNull(customer),
		"end": nil, "invoice": orNull(invoice), "invoice_item": nil, "promotion_code": nil, "start": d.start, "subscription": nil}
}
