// Package audit is the append-only trail of everything the host did, and the proof
// that it is whole.
//
// [Log.Append] adds an [Entry] in the caller's transaction, so that an entry exists
// exactly when what it tells of does (I4). If it cannot be written the caller's
// transaction fails, and nothing is posted (I9).
//
// Each entry carries a keyed hash over all its fields and over the hash of the
// entry before it; the head row carries the last hash under a keyed hash of its own:
//
//	entry 1 <── entry 2 <── ... <── entry n <── head (n, hash of n, MAC)
//
// Without the key nobody can change, remove, add or reorder entries, cut off the
// end, or make a new head, and have [Log.Verify] pass. What it cannot see is a
// database put back whole to an earlier state: keep the head that Verify reports
// somewhere else to see that too.
//
// The package owns the tables audit_entry and audit_head, and never updates or
// deletes an entry. Entries hold no secrets and no payloads: that is for the
// callers to keep (I8).
package audit
