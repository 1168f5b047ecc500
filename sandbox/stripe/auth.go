package stripe

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// apiKey is what a key may do.
type apiKey struct {
	live       bool
	expired    bool
	restricted bool
	may        []string // of a restricted key: "rak_invoice_read", "rak_invoice_write", …
}

// permissionStem names the permission that guards a noun: rak_STEM_read and
// rak_STEM_write. A noun without an entry needs none of its own.
var permissionStem = map[string]string{
	"account":             "accounts_kyc_basic",
	"balance":             "balance",
	"balance_transaction": "balance_transaction",
	"charge":              "charge",
	"credit_note":         "credit_note",
	"customer":            "customer",
	"dispute":             "dispute",
	"event":               "event",
	"invoice":             "invoice",
	"invoiceitem":         "invoice",
	"line_item":           "invoice",
	"payment_intent":      "payment_intent",
	"payout":              "payout",
	"refund":              "charge", // the dashboard has one switch for both
	"tax_id":              "customer",
	"webhook_endpoint":    "webhook",
}

// AddKey lets a further key in. A restricted key (rk_…) may only do what the
// permissions say, such as "rak_invoice_write"; write includes read. A key of
// the other mode than the server's sees an empty account.
func (s *Server) AddKey(key string, permissions ...string) error {
	k := apiKey{may: permissions}
	switch {
	case strings.HasPrefix(key, "sk_test_"):
	case strings.HasPrefix(key, "sk_live_"):
		k.live = true
	case strings.HasPrefix(key, "rk_test_"):
		k.restricted = true
	case strings.HasPrefix(key, "rk_live_"):
		k.restricted, k.live = true, true
	default:
		return errors.New("stripe sandbox: a key begins with sk_test_, sk_live_, rk_test_ or rk_live_")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = k
	return nil
}

// ExpireKey makes a key useless, as rolling it does.
func (s *Server) ExpireKey(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[key]
	k.expired = true
	s.keys[key] = k
}

// authenticate finds the key of a request, sent as Basic (the key as user name)
// or Bearer: https://docs.stripe.com/api/authentication
func (s *Server) authenticate(r *http.Request) (string, apiKey, error) {
	key := sentKey(r.Header.Get("Authorization"))
	if key == "" {
		return "", apiKey{}, unauthorized("", "You did not provide an API key. Provide it with HTTP Basic (the key as the user name) or as a Bearer token.")
	}
	if strings.HasPrefix(key, "pk_") {
		return "", apiKey{}, unauthorized("secret_key_required", "This call cannot be made with a publishable key. Use a secret key.")
	}
	s.mu.Lock()
	k, ok := s.keys[key]
	s.mu.Unlock()
	if !ok {
		return "", apiKey{}, unauthorized("", "Invalid API Key provided: "+redacted(key))
	}
	if k.expired {
		return "", apiKey{}, unauthorized("api_key_expired", "Expired API Key provided: "+redacted(key))
	}
	return key, k, nil
}

func sentKey(header string) string {
	scheme, value, _ := strings.Cut(header, " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		return value
	case "basic":
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return ""
		}
		key, _, _ := strings.Cut(string(raw), ":")
		return key
	}
	return ""
}

func unauthorized(code, message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, typ: typeInvalidRequest, code: code, message: message,
		header: http.Header{"Www-Authenticate": {`Basic realm="Stripe"`}}}
}

// redacted shows the beginning and the last four characters of a key.
func redacted(key string) string {
	if len(key) < 16 {
		return strings.Repeat("*", len(key))
	}
	return key[:8] + strings.Repeat("*", len(key)-12) + key[len(key)-4:]
}

// allow refuses what a restricted key may not do.
func (k apiKey) allow(account, key, noun string, write bool) error {
	stem := permissionStem[noun]
	if !k.restricted || stem == "" || slices.Contains(k.may, "rak_"+stem+"_write") {
		return nil
	}
	verb := "read"
	if write {
		verb = "write"
	}
	name := "rak_" + stem + "_" + verb
	if slices.Contains(k.may, name) {
		return nil
	}
	return &apiError{status: http.StatusForbidden, typ: typeInvalidRequest,
		message: fmt.Sprintf("The provided key '%s' does not have the required permissions for this endpoint on account '%s'. Having the '%s' permission would allow this request to continue.",
			redacted(key), account, name)}
}
