// Command ml-connector-plugin-stripe is the Stripe connector.
//
// It speaks API version 2023-10-16 (https://docs.stripe.com/upgrades), on every
// request, with HTTP Basic authentication and its own idempotency key on every
// write. What it holds in Stripe carries marks: metadata, by names that the
// recipe chooses. A mark whose name ends in "_id" identifies; the others
// describe. This code gives no other meaning to a mark.
//
// # How an invoice becomes payable
//
//	draft ──lines──▶ draft, complete ──finalize──▶ open ──marks on its payment intent──▶ published
//	                                                │
//	              due fell: credit note ◀───────────┼──────▶ rose or rewritten: void, new draft
//	              settled elsewhere: paid out of band       in flight or paid: left alone
//
// One step at a time is planned from what Stripe holds now (invoice_plan.go) and
// then done (invoice_run.go), so an attempt that was cut anywhere is resumed by
// the next one. There is never more than one invoice to pay for one set of
// marks.
//
// # What moves the balance
//
//	charge, payment ────────▶ receipt ┐
//	refund ─────────────────▶ refund  ├ listed without a stream
//	their failures ─────────▶ nothing: the record fails. What a changed rate leaves is an adjustment
//	any fee ────────────────▶ fees, and again in daily_fees
//	payout, its failure ────▶ payouts
//	dispute, its reversal ──▶ disputes
//	everything else ────────▶ adjustments
//
// Each balance transaction is accounted for once (balance.go), so the streams, with
// receipts less refunds, add up to the account's balance.
//
// # What it never does
//
// It makes no charge, never computes a tax or a price, never decodes an event's
// object beyond its ids (an account's events come in that account's own API
// version), and never shows an error text of Stripe's library, which prints
// client secrets.
package main
