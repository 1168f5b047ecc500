package xero

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"time"
)

// An Idempotency-Key on POST or PUT is remembered for six minutes after its
// first use, in the whole app and not per organisation. The same request gets
// the identical answer again, a refusal too; another request is refused:
// https://developer.xero.com/documentation/guides/idempotent-requests/idempotency

const (
	idempotencyFor = 6 * time.Minute
	keyLengthMax   = 128
)

type remembered struct {
	request [sha256.Size]byte // method, URL and body
	at      time.Time
	reply   reply
	err     error
}

// once runs the call, unless its key has an answer already. The caller holds
// the lock, so that two calls with one key never run side by side.
func (s *Server) once(c *call) (reply, error) {
	key := c.r.Header.Get("Idempotency-Key")
	if key == "" || (c.r.Method != http.MethodPost && c.r.Method != http.MethodPut) {
		return c.route.run(c)
	}
	if len(key) > keyLengthMax {
		return reply{}, badData("the Idempotency-Key has more than %d characters", keyLengthMax)
	}
	s.forgetKeys(c.now)
	request := sha256.Sum256([]byte(c.r.Method + " " + c.r.URL.RequestURI() + "\n" + string(c.body)))
	if old, ok := s.idempotent[key]; ok {
		if old.request != request {
			return reply{}, badData("Idempotency Key: %s is used with a different request.", key)
		}
		return old.reply, old.err
	}
	rep, err := c.route.run(c)
	if p, ok := asProblem(err); ok {
		rep, err = p.reply, errRefused
	}
	if err == nil || errors.Is(err, errRefused) {
		s.idempotent[key] = &remembered{request: request, at: c.now, reply: rep, err: err}
	}
	return rep, err
}

// forgetKeys bounds the memory: only keys of the last minutes are in it.
func (s *Server) forgetKeys(now time.Time) {
	for k, old := range s.idempotent {
		if now.Sub(old.at) >= idempotencyFor {
			delete(s.idempotent, k)
		}
	}
}
