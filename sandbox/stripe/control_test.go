package stripe_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

func TestControl(t *testing.T) {
	b := newBench(t, stripe.Config{})
	cus := b.ok(b.control("POST", "customers", `{"name":"Ada","email":"ada@example.com","metadata":{"k":"v"}}`)).body["customer"].(string)
	b.ok(b.control("POST", "customers/"+cus, `{"name":"Ada L.","balance":-100,"discount":{"percent":10}}`))
	b.open(cus, 5000, "nzd", "metadata[xero_invoice_number]=INV-1")
	for _, step := range []struct{ path, body, want string }{
		{"invoices/INV-1/pay", `{"outcome":"decline"}`, ""},
		{"invoices/INV-1/pay", `{"outcome":"async"}`, ""},
		{"invoices/INV-1/pay", `{}`, "payment in progress"},
		{"invoices/INV-1/settle", `{"outcome":"success"}`, ""},
		{"invoices/INV-1/pay", `{}`, "is paid"},
		{"invoices/INV-2/pay", `{}`, "no invoice"},
		{"invoices/INV-1/pay", `{"amount":5}`, "unknown field"},
		{"charges", `{"amount":900,"currency":"usd","metadata":{"app":"other"}}`, ""},
		{"charges", `{"amount":1}`, "below the minimum"},
		{"faults", `{"kind":"status_after","path":"/v1/customers","status":503}`, ""},
		{"faults", `{"kind":"slow"}`, "needs a delay"},
		{"clock", `{"advance":"24h"}`, ""},
		{"clock", `{"advance":"soon"}`, "invalid duration"},
		{"webhooks", `{"url":"","secret":"whsec_x","mode":"hold","events":["charge.succeeded"]}`, ""},
		{"webhooks", `{"mode":"sideways"}`, "unknown mode"},
		{"reset-calls", ``, ""},
	} {
		got := b.control("POST", step.path, step.body)
		message, _ := got.body["error"].(string)
		if (got.status == 200) != (step.want == "") || !strings.Contains(message, step.want) {
			t.Errorf("%s %s: %d %s", step.path, step.body, got.status, got.raw)
		}
	}
	list := func(noun string) []any { return b.ok(b.control("GET", noun, "")).body["data"].([]any) }
	charges := list("charges")
	if len(charges) != 3 || len(list("invoices")) != 1 || len(list("customers")) != 1 || len(list("creditnotes")) != 0 || len(list("webhooks")) != 1 {
		t.Fatalf("%d charges, want 3", len(charges))
	}
	paid := charges[1].(map[string]any)
	re := b.ok(b.control("POST", "charges/"+paid["id"].(string)+"/refund", `{"amount":100,"status":"pending"}`)).body["refund"].(string)
	b.ok(b.control("POST", "refunds/"+re+"/fail", ""))
	if r := list("refunds")[0].(map[string]any); r["status"] != "failed" {
		t.Errorf("refund: %v", r)
	}
	b.ok(b.control("POST", "charges/"+paid["id"].(string)+"/dispute", `{}`))
	if got := b.do("POST", "/v1/customers"); got.status != 503 {
		t.Errorf("the fault: %d", got.status)
	}
	b.ok(b.control("DELETE", "faults", ""))
	b.ok(b.control("DELETE", "customers/"+cus, ""))
	calls := b.ok(b.control("GET", "calls", "")).body
	state := b.ok(b.control("GET", "state", "")).body
	sums := state["charges"].(map[string]any)
	// 5000 less 10 % and less the credit of 100.
	if calls["total"] != json.Number("1") || sums["nzd"] != json.Number("4400") || sums["usd"] != json.Number("900") {
		t.Errorf("calls %v, state %v", calls, state)
	}
}

func TestHostedPage(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	inv := b.open(b.customer(), 123450, "nzd", "description=<b>Work</b>")
	path := strings.TrimPrefix(inv.HostedInvoiceURL, b.url)
	page := b.ok(b.do("GET", path))
	for _, want := range []string{"1234.50 NZD", inv.Number, "<button", "&lt;b&gt;Work"} {
		if !strings.Contains(page.raw, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if got := b.do("POST", path); got.status != 303 {
		t.Fatalf("paying: %d %s", got.status, got.raw)
	}
	if got := b.do("POST", path); got.status != 409 || !strings.Contains(got.raw, "paid") {
		t.Errorf("paying twice: %d", got.status)
	}
	got, err := b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	if got.Status != "paid" || got.HostedInvoiceURL != inv.HostedInvoiceURL {
		t.Errorf("invoice %s", got.Status)
	}
	clock.Advance(61 * 24 * time.Hour) // due after 30 days, and 30 more
	if old := b.do("GET", path); old.status != 410 {
		t.Errorf("an old link: %d", old.status)
	}
	got, err = b.api.Invoices.Get(inv.ID, nil)
	b.must(err)
	b.ok(b.do("GET", strings.TrimPrefix(got.HostedInvoiceURL, b.url)))
	if none := b.do("GET", "/pay/acct_1Sandbox/nothing"); none.status != 404 {
		t.Errorf("no link: %d", none.status)
	}
}
