// Package sandbox holds what the stand-ins for remote services share: a clock
// that can be moved, faults on demand, and a courier that delivers webhooks.
//
// The stand-ins themselves are sandbox/xero and sandbox/stripe. They keep their
// state in memory, listen on loopback only and are never part of a connector.
// This package knows no service.
package sandbox
