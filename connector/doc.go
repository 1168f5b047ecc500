// Package connector is the SDK for ml-connector: what a connector is, in Go.
//
// A connector is the code for one service. It implements [Connector] — five
// methods, three of them the verbs List, Get and Upsert — and is turned into a
// plugin executable by package wire:
//
//	func main() { wire.Serve(paper.New()) }
//
// Powers beyond that are opt-in interfaces: [WebhookReceiver] for a service
// that calls us back, [WebhookRegistrar] where its API can be told to.
//
// # The entities
//
// The host speaks of three kinds of thing: [Invoice], [Payment] and [Contact],
// carried in a [Record]. Money is [money.Amount]: exact, with its currency.
// What only one service knows travels in Extra; the names of our own marks in
// the service (metadata, references) travel in Marks.
//
// # What the host promises
//
//   - It stores what it intends to write before it calls Upsert, and calls again
//     with the same [Write], and Attempt counted up, until it knows the outcome.
//   - It never runs two writes for one source record at the same time.
//   - It sends settings, secrets and a fresh access token with every call. A
//     connector keeps nothing on disk and refreshes no token.
//
// # What a connector promises
//
//   - The same Write has at most one effect, however often it is sent, also when
//     the answer to an earlier attempt was lost.
//   - List misses nothing that changed between two pages.
//   - Every error is an [Error] whose Kind tells the host what to do next, and
//     holds no secret.
//   - Amounts are exact, or the call fails.
//
// Package connectortest checks these promises against a real executable.
package connector
