// Package e2e drives the built binaries from outside, as their users do: a real
// host, real plugin processes, the command line, and the stateful stand-ins for
// Xero and Stripe behind a loopback listener.
//
// Each file in testdata/ is one story and opens with the sentence that it
// proves. TestScripts runs them; besides the commands of testscript
// (https://pkg.go.dev/github.com/rogpeppe/go-internal/testscript) they use:
//
//	ml [CODE] ARG…                    run ml-connector, expect that exit code (default 0); then stdout, stderr, json
//	connect [nohooks] [b]             add and authorise both connections, webhook endpoints included; b: of the second pair
//	add NAME CONNECTOR [nokey|unnamed] add a connection, without a webhook key or, with one-consent, without its tenant
//	authorize NAME [CODE]             go through the OAuth flow with a browser that consents at once
//	host [ARG…]                       start `ml-connector run`, wait until it is ready
//	host-stop, host-kill              SIGTERM, SIGKILL; both wait for the process and its plugins to be gone
//	plugin-kill NAME                  SIGKILL a plugin of the running host
//	arm WHAT SIDE N before|after      kill host or plugin-NAME at the Nth write that reaches SIDE from now on,
//	                                  before it is done or after it, with its answer lost
//	gone                              wait until the armed kill has happened
//	race METHOD PATH SIDE LEVER…      pull that lever at the moment when the next such request arrives, before it is done
//	raced                             wait until it has happened
//	hits N                            Xero's faults have struck N times or more
//	second [one-consent]              start a second organisation and a second account: sides xero-b and stripe-b, whose
//	                                  clearing account is 611; with one-consent both organisations let in one app at once
//	both|xero|stripe VERB …           pull a lever of the stand-ins: see levers in lever_test.go
//	set VAR QUERY FIELD               keep a field of the one record that QUERY finds
//	expect QUERY [COUNT]              so many records are found now (default 1)
//	until DURATION QUERY [COUNT]      poll until so many are found
//	burst KIND FROM TO                many invoices, payments or refunds at once
//	idle                              wait until nothing is queued, in flight or waiting on either side
//	prove [NAME…]                     the books agree: one posting per charge and refund, one bill per invoice
//	json PATH WANT                    a value in the last standard output; WANT may be ~REGEXP
//	webhook NAME WANT_STATUS FLAG…    post a delivery that a stranger could make
//	leaks                             no secret is anywhere that it does not belong
//	edit FILE OLD NEW                 replace text in a file, which must be there
//
// Invoices with several lines are made by `xero bill NUMBER CONTACT TYPES LINE…` and
// edited by `xero rebill NUMBER TYPES LINE…`, where TYPES is Exclusive, Inclusive or
// NoTax and a LINE such as '300 * 2 x 50.00 -15% NONE' is 300 lines of quantity 2 at
// 50.00 each, less 15 per cent, without tax.
//
// What moves Stripe's balance: `stripe fee AMOUNT [TEXT]` and `stripe adjust AMOUNT
// [TYPE [TEXT]]` are of the account itself, `stripe payout make|pay|fail|cancel`,
// `stripe dispute open|inquiry|win|lose`; amounts are in minor units. `stripe behave
// return_fees:=true` lets refunds give fees back, `stripe rate eur 1 2` halves the
// euro, `stripe clock 26h` lets time pass there. `expect stripe balance total=N` is
// what came of it, and `prove balance` that Xero's clearing account holds the same.
// There `xero spend|transfer AMOUNT` and `unspend|untransfer ID` are a person's.
//
// A QUERY is SIDE NOUN FILTER…: the side is xero, stripe, xero-b, stripe-b (a list of the control
// API) or cli (a list that `--json` prints); a filter is PATH=VALUE, PATH!=VALUE
// or PATH~REGEXP, where a path is names with dots. A COUNT is a number, or a number
// and + for that many or more.
//
// ML_CONNECTOR_BIN names a folder with prebuilt binaries; without it they are
// built once. The stories look into /proc, so they run on Linux only.
package e2e
