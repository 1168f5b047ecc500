package flow

import (
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

const lastingRecipe = `
recipe: fees
connections: {a: {connector: aa}, b: {connector: bb}}
params:
  fees: {type: string, default: "off", one_of: ["off", per_charge, daily], lasting: [per_charge, daily]}
flows:
  fees: {from: b.payment, to: a.payment, map: {kind: payment.kind}}
`

// What was posted in one way must not be posted again in another.
func TestLastingChoices(t *testing.T) {
	w := newWorld()
	h := w.open(t, dbtest.Dir(t), lastingRecipe)
	r := parsed(t, lastingRecipe)
	try := func(value string, keep bool) error {
		t.Helper()
		p, err := r.Bind(map[string]string{"fees": value}, connector.Date{})
		if err != nil {
			t.Fatal(err)
		}
		return Lasting(t.Context(), h.db, Selection{Recipe: r, Params: p}, keep, time.Now())
	}
	for _, step := range []struct {
		value string
		keep  bool
		fails bool
	}{
		{"off", true, false},
		{"daily", false, false}, // a look ahead binds nobody
		{"per_charge", true, false},
		{"per_charge", true, false},
		{"daily", false, true},
		{"daily", true, true},
		{"off", true, false},
		{"daily", true, true},
		{"per_charge", true, false},
	} {
		err := try(step.value, step.keep)
		if (err != nil) != step.fails {
			t.Errorf("fees=%s (keep %v): got %v", step.value, step.keep, err)
		}
		if err != nil && !strings.Contains(err.Error(), "it has run with fees=per_charge") {
			t.Errorf("fees=%s: %v", step.value, err)
		}
	}
}
