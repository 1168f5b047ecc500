// Package xero is a stateful stand-in for the part of Xero that invoices,
// payments and contacts need: OAuth 2.0, the Accounting API below
// /api.xro/2.0, and webhooks. It serves the demo, tests, and people who try
// things without an organisation of their own.
//
// It is built to be stricter than friendly. What it does not model is refused
// with status 501 and a body that names the method, parameter or field: a
// client never learns from it that something works which it has not seen.
// Rules that Xero has not documented are marked "unproven" where they are
// kept, and those that matter are switches in Config.
//
// A person who works in Xero's own screens is played by the levers, methods
// such as Server.CreateInvoice and Server.PayInvoice, and over HTTP by the
// control API below /_xero/. The control API has no authentication: listen on
// loopback only.
//
// Everything is kept in memory under one mutex. Sums are integers of
// hundredths, as in Xero, where every total has two decimals in every currency.
//
// Sources: https://developer.xero.com/documentation/api/accounting/overview
// and the specification at https://github.com/XeroAPI/Xero-OpenAPI.
package xero
