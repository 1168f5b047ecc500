// Package proof holds our connectors and our stand-ins against what the two
// services publish about themselves: Xero's OpenAPI documents, Stripe's official
// mock with its own OpenAPI document, and both services' official npm clients.
//
// Each connector is driven as its built executable, against a stand-in behind a
// recorder, through a story that makes every request it can make. A request that
// the story does not know fails the test, as does one that is missing: an empty
// run cannot pass. What the services publish is no part of this module; a test
// whose part is not there is skipped with the reason. `make proof` installs what
// can be installed and runs all of it.
//
//	XERO_OPENAPI    xero_accounting.yaml, with xero-identity.yaml beside it
//	STRIPE_MOCK     the executable stripe-mock, at the version in the Makefile
//	STRIPE_OPENAPI  spec3.json of that version of stripe-mock
//	NPM_PROOF=1     and NPM_CLIENTS: a folder with the packages of npm/package.json
package proof
