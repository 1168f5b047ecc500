// Package flow carries a change from one service to the other, exactly once.
//
// An event is only a hint that a record may have changed. For each hint there is
// one row of work per flow and record, and at most one job for it. The job reads
// the record now, asks the recipe what the other side should look like, and
// writes the difference. So duplicates, reordering and lost events cannot hurt.
//
//	          hint                                     person replays
//	(none) --------> pending --> done | skipped         +-----------+
//	                   ^  |                             v           |
//	                   |  +--> retrying, waiting --> pending    dead, held
//	                   +------------------------------------------- ^
//	                              a newer hint                      (attempts used up,
//	                                                                 or a person must decide)
//
// The order within one attempt (I2, I3, I4):
//
//  1. an open intent from an earlier attempt is settled exactly as stored;
//  2. the record is read afresh, together with others that are due;
//  3. the recipe evaluates it: skip, hold, wait for another record, or a wish;
//  4. a wish that is already fulfilled ends here, without a call;
//  5. the intent is committed: idempotency key, digest and the exact request;
//  6. the target's connector writes, together with other intents;
//  7. outcome, link, audit entry and the job's end commit in one transaction.
//
// Main types: [Engine] runs it, [Selection] is a recipe that takes part. The
// package owns the tables work, intent, link, event, cursor and param. It knows
// no service.
package flow
