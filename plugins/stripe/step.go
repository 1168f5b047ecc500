package main

import "fmt"

// triesMax bounds how often one attempt passes over answers that Stripe only
// repeats; each pass is one earlier attempt that failed inside Stripe.
const triesMax = 4

// stepKey derives the idempotency key of one step of a write. A try above one
// leaves behind a key under which Stripe repeats an answer that helps nobody.
func stepKey(key, step string, try int) string {
	if try <= 1 {
		return key + "-" + step
	}
	return fmt.Sprintf("%s-%s-r%d", key, step, try)
}
