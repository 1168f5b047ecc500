// Package connectortest proves that a connector keeps the contract that package
// connector states.
//
// [Run] drives a connector through the wire; [VerifyBinary] does the same with a
// plugin executable, started as the host starts it. Both report one [Result] for
// each check, and work inside a test as well as in a command:
//
//	func TestConformance(t *testing.T) {
//		c, stop, err := wire.Loopback(paper.New(), nil)
//		…
//		_, err = connectortest.Run(ctx, connectortest.Config{Connector: c}, connectortest.InTest(t))
//
// Most checks need no account. They use made-up settings whose URLs lead to a
// trap: a server in this process that refuses, repeats the credential in its
// refusal, limits, fails or hangs. With Config.Session the connector is also tried
// on a real connection, and with Config.Fixtures it writes there: give it a
// sandbox or a test account, never a company's books.
//
// The package knows no service and calls none by itself.
package connectortest
