package stripe

import (
	"encoding/json"
	"math/big"
	"strings"
)

// currency is what the sandbox knows of a currency. Amounts of the API are in
// its minor unit: https://docs.stripe.com/currencies
type currency struct {
	exponent int      // decimals of the API's amounts
	usd      [2]int64 // a major unit in US dollars, as a fraction; fixed, made up
	min      int64    // smallest charge when it settles in this currency; 0: none known
	step     int64    // amounts must be a multiple of it
}

// rates holds the currencies that are modelled; others are refused. ISK and UGX
// have no decimals in use but are sent with two, three-decimal currencies are
// sent with a last digit of zero.
var rates = map[string]currency{
	"usd": {2, [2]int64{1, 1}, 50, 1},
	"nzd": {2, [2]int64{3, 5}, 50, 1},
	"aud": {2, [2]int64{13, 20}, 50, 1},
	"cad": {2, [2]int64{73, 100}, 50, 1},
	"sgd": {2, [2]int64{3, 4}, 50, 1},
	"eur": {2, [2]int64{27, 25}, 50, 1},
	"chf": {2, [2]int64{9, 8}, 50, 1},
	"gbp": {2, [2]int64{127, 100}, 30, 1},
	"inr": {2, [2]int64{3, 250}, 50, 1},
	"brl": {2, [2]int64{9, 50}, 50, 1},
	"zar": {2, [2]int64{11, 200}, 0, 1},
	"fjd": {2, [2]int64{11, 25}, 0, 1},
	"hkd": {2, [2]int64{32, 250}, 400, 1},
	"dkk": {2, [2]int64{29, 200}, 250, 1},
	"nok": {2, [2]int64{19, 200}, 300, 1},
	"sek": {2, [2]int64{19, 200}, 300, 1},
	"pln": {2, [2]int64{1, 4}, 200, 1},
	"czk": {2, [2]int64{43, 1000}, 1500, 1},
	"huf": {2, [2]int64{27, 10000}, 17500, 1},
	"mxn": {2, [2]int64{29, 500}, 1000, 1},
	"thb": {2, [2]int64{7, 250}, 1000, 1},
	"aed": {2, [2]int64{34, 125}, 200, 1},
	"myr": {2, [2]int64{53, 250}, 200, 1},
	"twd": {2, [2]int64{31, 1000}, 0, 1},
	"jpy": {0, [2]int64{1, 150}, 50, 1},
	"krw": {0, [2]int64{1, 1300}, 0, 1},
	"vnd": {0, [2]int64{1, 25000}, 0, 1},
	"clp": {0, [2]int64{1, 900}, 0, 1},
	"vuv": {0, [2]int64{1, 120}, 0, 1},
	"xpf": {0, [2]int64{1, 110}, 0, 1},
	"isk": {2, [2]int64{1, 140}, 0, 100},
	"ugx": {2, [2]int64{1, 3700}, 0, 100},
	"kwd": {3, [2]int64{13, 4}, 0, 10},
	"bhd": {3, [2]int64{53, 20}, 0, 10},
	"jod": {3, [2]int64{141, 100}, 0, 10},
	"omr": {3, [2]int64{13, 5}, 0, 10},
	"tnd": {3, [2]int64{8, 25}, 0, 10},
}

// Limits of one payment in minor units: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
const (
	chargeMax    = 99_999_999
	chargeMaxINR = 999_999_999
)

// knownCurrency reads an optional currency parameter.
func (p *params) currency(name string) string {
	var v string
	p.str(name, 3, &v)
	v = strings.ToLower(v)
	if _, ok := rates[v]; v != "" && !ok {
		p.fail(refuse("", name, "Invalid currency: %s. The sandbox does not model it, or it does not exist.", v))
	}
	return v
}

// exchange is the price of a major unit of from in to.
func exchange(from, to string) *big.Rat {
	a, b := rates[from].usd, rates[to].usd
	return new(big.Rat).Mul(big.NewRat(a[0], a[1]), big.NewRat(b[1], b[0]))
}

// convert turns minor units of from into minor units of to, rounded half away
// from zero.
func convert(amount int64, from, to string) int64 {
	if from == to {
		return amount
	}
	return convertAt(exchange(from, to), amount, from, to)
}

func convertAt(rate *big.Rat, amount int64, from, to string) int64 {
	r := new(big.Rat).Mul(big.NewRat(amount, 1), rate)
	r.Mul(r, new(big.Rat).SetFrac(pow10(rates[to].exponent), pow10(rates[from].exponent)))
	return roundRat(r)
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// roundRat rounds half away from zero.
func roundRat(r *big.Rat) int64 {
	num, den := new(big.Int).Abs(r.Num()), r.Denom()
	num.Mul(num, big.NewInt(2)).Add(num, den)
	num.Quo(num, new(big.Int).Mul(den, big.NewInt(2)))
	if r.Sign() < 0 {
		num.Neg(num)
	}
	return num.Int64()
}

// rateNumber writes an exchange rate with at most six decimals.
func rateNumber(rate *big.Rat) json.RawMessage {
	return json.RawMessage(strings.TrimRight(strings.TrimRight(rate.FloatString(6), "0"), "."))
}

// belowMinimum reports whether a payment would be too small, judged in the
// settlement currency.
func (s *Server) belowMinimum(amount int64, cur string) bool {
	home := s.cfg.DefaultCurrency
	return convert(amount, cur, home) < rates[home].min
}

// checkAmount refuses what cannot be charged in the currency.
func checkAmount(amount int64, cur string) error {
	limit := int64(chargeMax)
	if cur == "inr" {
		limit = chargeMaxINR
	}
	if amount > limit {
		return refuse("amount_too_large", "amount", "Amount must be no more than %d in the minor unit of %s.", limit, cur)
	}
	if step := rates[cur].step; amount%step != 0 {
		return refuse("invalid_charge_amount_no_decimal_compatible", "amount", "Amounts in %s must be a multiple of %d.", cur, step)
	}
	return nil
}

// fee is the processing fee of a payment in the settlement currency: 2.9 % and
// 30 minor units, rounded half up.
func fee(amount int64) int64 { return (amount*29+500)/1000 + 30 }
