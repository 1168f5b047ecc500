// Package wire carries package connector over gRPC: it is the only code that
// touches the generated proto types.
//
// A plugin's main calls [Serve]. The host uses [Client], which is a
// connector.Connector like any other. Everything that arrives is checked here:
// a plugin that answers too few outcomes, an amount whose digits do not fit its
// currency, or a record of another entity gets an error, never a guess.
package wire
