package stripe

import (
	"net/http"
	"time"
)

// Rules of idempotency keys (https://docs.stripe.com/api/idempotent_requests):
// the first answer to a key is kept for 24 hours and replayed, failures of the
// service included; a request that was refused before anything was done is not
// kept; the same key with other parameters is refused; a key whose first
// request still runs is a conflict.

const (
	idempotencyKeyMax = 255
	storedSweepMin    = 1024 // answers kept before old ones are looked for
)

// stored is what is known under one idempotency key.
type stored struct {
	fingerprint string // method, path and parameters
	at          time.Time
	running     bool
	request     string // Request-Id of the first request
	answer      answer
}

// idempotent runs a request once per key.
func (s *Server) idempotent(c *call, rt *route) answer {
	if len(c.idem) > idempotencyKeyMax {
		return errorAnswer(refuse("", "", "Idempotency-Key must be at most %d characters.", idempotencyKeyMax))
	}
	fingerprint := c.method + " " + c.path + "?" + c.root.canonical()
	if ans, done := s.claim(c, fingerprint); done {
		return ans
	}
	s.waitForGate(c)
	ans := s.run(c, rt)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ans.status < 300 || ans.status == http.StatusPaymentRequired || ans.status >= 500 {
		s.stored[c.idem] = &stored{fingerprint: fingerprint, at: s.clock.Now(), request: c.id, answer: ans}
	} else {
		delete(s.stored, c.idem)
	}
	return ans
}

// claim takes the key for this request, or answers it from what is kept.
func (s *Server) claim(c *call, fingerprint string) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if len(s.stored) >= max(s.sweepAt, storedSweepMin) {
		for k, old := range s.stored {
			if !old.running && now.Sub(old.at) >= idempotencyWindow {
				delete(s.stored, k)
			}
		}
		s.sweepAt = 2 * len(s.stored) // so that sweeping costs little per request
	}
	old, ok := s.stored[c.idem]
	if !ok || (!old.running && now.Sub(old.at) >= idempotencyWindow) {
		s.stored[c.idem] = &stored{fingerprint: fingerprint, at: now, running: true, request: c.id}
		return answer{}, false
	}
	if old.fingerprint != fingerprint {
		return errorAnswer(&apiError{status: http.StatusBadRequest, typ: typeIdempotency,
			message: "Keys for idempotent requests can only be used with the same parameters they were first used with."}), true
	}
	if old.running {
		return errorAnswer(&apiError{status: http.StatusConflict, typ: typeIdempotency, code: "idempotency_key_in_use",
			message: "There is currently another in-progress request using this idempotency key."}), true
	}
	ans := old.answer
	ans.header = ans.header.Clone()
	ans.header.Set("Idempotent-Replayed", "true")
	ans.header.Set("Original-Request", old.request)
	return ans, true
}
