// Package stripe is a stateful stand-in for the Stripe API at version
// 2023-10-16: enough of it to bill a customer with an invoice, take the
// payment, refund it, and tell of it by events and signed webhooks.
//
// New makes a [Server]; its Handler serves three things:
//
//	/v1/...       the API. What is not modelled is refused loudly.
//	/pay/...      the hosted page of an invoice, for a person with a browser.
//	/_stripe/...  the control API: JSON, no authentication, loopback use only.
//
// The control API takes and gives JSON; a name that it does not know is refused.
//
//	GET  invoices customers charges refunds creditnotes intents disputes payouts movements events
//	GET  balance, calls, state, webhooks
//	POST invoices/{id or Xero number}/pay {"outcome": "success|decline|async|decline_then_success"}
//	POST invoices/{…}/settle {"outcome": "success|fail"}, /void, /mark_uncollectible, /pay_out_of_band
//	POST charges {"amount", "currency", "customer", "metadata"}: a payment to another application
//	POST charges/{id}/refund {"amount", "status": "succeeded|pending"}, /dispute {"amount", "inquiry"}
//	POST refunds/{id}/fail, refunds/{id}/succeed, disputes/{id}/close {"outcome": "won|lost"}
//	POST payouts {"currency", "amount", "pending", "debit"}, payouts/{id}/pay, /fail, /cancel
//	POST fees {"amount", "currency", "description"}, adjustments {… "type": "topup"}: balance transactions of their own
//	POST rates/{currency} {"num", "den"}: what it is worth from now on
//	POST customers, customers/{id} {"name", "email", "phone", "city", "metadata", "balance", "discount", …}; POST customers/{id}/delete, or DELETE customers/{id}
//	POST faults (a [sandbox.Fault], or kind "status_after": done, then an error); DELETE faults
//	POST webhooks {"url", "secret", "events", "mode": "normal|off|hold|twice", "release": "forward|reverse"}
//	POST behaviour {"delay_balance", "twin_events", "return_fees"}, clock {"advance": "24h"}, reset-calls
//
// The methods of Server that change things by hand ("levers") and the control
// API play everybody who is not the API's caller: the customer who pays, the
// bank that fails a refund, the bookkeeper in the dashboard.
//
// Rules of the model
//
//   - All state lives in plain structs under one mutex; it is gone with the process.
//   - Amounts are int64 minor units. There is no floating point number.
//   - Time is the sandbox clock. Nothing happens by itself except what time
//     decides when somebody looks: expiry of idempotency keys, of events, of
//     hosted links, and funds that become available.
//   - An event is rendered when it happens. GET /v1/events shows it in the
//     account's version, which is newer than 2023-10-16 unless configured; a
//     webhook endpoint gets its own version.
//
// It never calls out except to webhook endpoints, and it is never part of a
// connector.
package stripe
