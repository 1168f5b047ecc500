package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// signer signs the deliveries of one endpoint. A courier calls it from its own
// goroutine.
type signer struct {
	mu       sync.Mutex
	secret   string
	old      string // signs too until oldUntil; empty: none
	oldUntil time.Time
}

func (g *signer) roll(secret string, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.old, g.oldUntil, g.secret = g.secret, until, secret
}

func (g *signer) sign(body []byte, now time.Time) http.Header {
	g.mu.Lock()
	secrets := []string{g.secret}
	if g.old != "" && now.Before(g.oldUntil) {
		secrets = append(secrets, g.old)
	}
	g.mu.Unlock()
	return http.Header{
		"Stripe-Signature": {signature(body, now, secrets)},
		"User-Agent":       {"Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
	}
}

// signature is the header of one delivery: https://docs.stripe.com/webhooks#verify-manually
func signature(body []byte, now time.Time, secrets []string) string {
	t := strconv.FormatInt(now.Unix(), 10)
	mac := func(key string) string {
		h := hmac.New(sha256.New, []byte(key))
		h.Write([]byte(t + "."))
		h.Write(body)
		return hex.EncodeToString(h.Sum(nil))
	}
	out := "t=" + t
	for _, secret := range secrets {
		out += ",v1=" + mac(secret)
	}
	return out + ",v0=" + mac("v0") // a scheme that proves nothing, which receivers must ignore
}
