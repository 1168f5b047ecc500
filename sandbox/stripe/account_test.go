package stripe_test

import (
	"testing"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// Stripe's OpenAPI document requires these parts of an account's settings.
func TestAccountSettings(t *testing.T) {
	b := newBench(t, stripe.Config{})
	settings, _ := b.ok(b.do("GET", "/v1/account")).body["settings"].(map[string]any)
	for _, name := range []string{"branding", "card_payments", "dashboard", "payments"} {
		if part, ok := settings[name].(map[string]any); !ok || len(part) == 0 {
			t.Errorf("settings.%s: %v", name, settings[name])
		}
	}
}
