// Command ml-connector-plugin-xero is the Xero connector: contacts, sales
// invoices, and what was paid and refunded on them.
//
// Its rules, in the order in which they protect the books:
//
//   - One write has one effect. Before anything is posted, the invoice is read
//     afresh and our mark (the first word of Reference) is looked for; the
//     service's own idempotency memory of six minutes only covers quick repeats.
//   - Sums are money.Amount from the digits of the answer; none passes through
//     binary fractions.
//   - What cannot be decided from the books is a Conflict with a remedy. Nothing
//     is guessed, and a payment that a person entered is adopted, not doubled.
//   - Calls are scarce: reads and writes of one Upsert share their requests, and
//     a budget per organisation keeps the last calls for writes.
//
// Type Xero implements connector.Connector; the files are named for what they
// hold. The service's rules are described at
// https://developer.xero.com/documentation/api/accounting/overview.
package main

import "github.com/ml-connector/ml-connector/connector/wire"

func main() { wire.Serve(New()) }
