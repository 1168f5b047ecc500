// Package money holds exact sums of money and exact decimal numbers.
//
// An [Amount] is a whole number of a currency's minor units (cents for NZD, yen
// for JPY, fils for KWD) together with that currency. A [Decimal] is a plain
// number without a currency: a quantity, a unit price, a rate. The rules:
//
//   - Nothing is ever rounded unless the caller names the rule: [Parse] refuses
//     "10.505" USD with [ErrPrecision]; [Decimal.Round] asks for a [Rounding].
//   - An Amount never parts from its currency, and two currencies never mix:
//     every operation on two of them answers [ErrMismatch].
//   - The zero Amount has no currency and means "unset". It is not 0.00 of
//     anything: arithmetic with it is ErrMismatch, and in JSON it is null.
//   - Whatever does not fit is refused with [ErrRange]; nothing wraps around.
//   - To split a sum, use [Amount.Allocate]: its parts always add up to the whole.
//   - Binary floating point appears nowhere, neither in the API nor inside.
//
// The minor unit is the one of ISO 4217. A service that counts differently for
// some currencies converts in its own connector.
//
// All types are values that never change: they may be copied and used by several
// goroutines at once.
package money
