package xero

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// control sends one request to the control API and decodes the answer.
func (w *world) control(method, path, body string, into any) int {
	w.t.Helper()
	a := w.call(method, "/_xero/"+path, body, "Authorization", "")
	if into != nil {
		if err := json.Unmarshal([]byte(a.raw), into); err != nil {
			w.t.Fatalf("%s %s: %s: %v", method, path, a.raw, err)
		}
	}
	return a.status
}

func TestControlDayOfBusiness(t *testing.T) {
	w := newWorld(t, Config{})
	var c Contact
	w.control("POST", "contacts", `{"name":"Ridgeway Cycles","email_address":"a@example.com"}`, &c)
	w.control("POST", "contacts/"+c.ContactID, `{"first_name":"Ann"}`, &c)
	var inv Invoice
	w.control("POST", "invoices", `{"contact":"ridgeway cycles","number":"INV-1","due":"2020-01-01","line_amount_types":"Exclusive",
		"lines":[{"description":"Service","quantity":2,"unit_amount":"50.00","tax":"OUTPUT2","account":"200","discount_rate":10}]}`, &inv)
	if inv.Status != "AUTHORISED" || inv.Total != "103.50" || inv.ContactID != c.ContactID {
		t.Fatalf("%+v", inv)
	}
	var draft Invoice
	w.control("POST", "invoices", `{"contact":"B","number":"INV-2","status":"DRAFT","lines":[{"description":"x","unit_amount":1}]}`, &draft)
	w.control("POST", "invoices/INV-2/edit", `{"reference":"PO 9"}`, &draft)
	w.control("POST", "invoices/INV-2/approve", "", &draft)
	if draft.Status != "AUTHORISED" || draft.Reference != "PO 9" {
		t.Errorf("%+v", draft)
	}
	w.control("POST", "invoices/INV-2/void", "", &draft)
	var p Payment
	w.control("POST", "invoices/INV-1/pay", `{"amount":"3.50","reference":"bank"}`, &p)
	if p.Account != "090" || p.Amount != "3.50" || p.InvoiceNumber != "INV-1" || p.PaymentType != "ACCRECPAYMENT" {
		t.Errorf("%+v", p)
	}
	w.control("POST", "invoices/"+inv.InvoiceID+"/credit", `{"amount":20}`, nil)
	var list []Invoice
	w.control("GET", "invoices?number=INV-1", "", &list)
	if len(list) != 1 || list[0].AmountDue != "80.00" || list[0].AmountPaid != "3.50" || list[0].AmountCredited != "20.00" {
		t.Errorf("%+v", list)
	}
	var st State
	w.control("GET", "state", "", &st)
	want := Ageing{Current: "0.00", To30: "0.00", To60: "0.00", To90: "0.00", Over90: "80.00", Total: "80.00", Credit: "0.00"}
	if diff := cmp.Diff(want, st.Ageing["NZD"]); diff != "" {
		t.Errorf("ageing (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"AUTHORISED": 1, "VOIDED": 1}, st.Invoices); diff != "" {
		t.Errorf("invoices (-want +got)\n%s", diff)
	}
	w.control("POST", "payments/"+p.PaymentID+"/reconcile", "", nil)
	w.control("POST", "payments/"+p.PaymentID+"/delete", "", nil)
	var payments []Payment
	w.control("GET", "payments", "", &payments)
	if len(payments) != 0 {
		t.Errorf("%+v", payments)
	}
}

func TestControlWorld(t *testing.T) {
	w := newWorld(t, Config{})
	h := w.hook()
	var tok Tokens
	w.control("POST", "tokens", "", &tok)
	if tok.TenantID != w.s.TenantID() || tok.RefreshToken == "" || tok.ExpiresIn != 1800 {
		t.Errorf("%+v", tok)
	}
	w.token = tok.AccessToken
	w.control("POST", "faults", `{"path":"/api.xro/2.0/Payments","kind":"status","status":503}`, nil)
	if a := w.call("GET", "Payments", ""); a.status != 503 {
		t.Errorf("fault: %d", a.status)
	}
	w.control("POST", "faults", `{"kind":"status","status":503}`, nil)
	w.control("DELETE", "faults", "", nil)
	w.control("POST", "lock", `{"period":"2026-10-31"}`, nil)
	wants(t, w.must("GET", "Organisation", ""), "PeriodLockDate", day("2026-10-31").ms())
	var calls Calls
	w.control("GET", "calls", "", &calls)
	if calls.Total != 2 || calls.Writes != 0 || calls.ByPath["GET /Payments"] != 1 {
		t.Errorf("%+v", calls)
	}
	w.control("POST", "reset-calls", "", nil)
	if got := w.s.Calls().Total; got != 0 {
		t.Errorf("%d calls after the reset", got)
	}
	var stats struct{ Held, Delivered int }
	w.control("POST", "webhooks", `{"mode":"hold"}`, nil)
	w.invoice("INV-1", "1", "NZD")
	w.control("POST", "webhooks", `{"release":"forward","mode":"normal"}`, nil)
	if got := w.events(h); len(got) != 1 {
		t.Errorf("events %v", got)
	}
	w.control("GET", "webhooks", "", &stats)
	if stats.Delivered != 1 || stats.Held != 0 {
		t.Errorf("%+v", stats)
	}
	w.control("POST", "webhooks/event", `{"category":"QUOTE","type":"Update","id":"`+zeroID+`"}`, nil)
	if diff := cmp.Diff([]string{"QUOTE Update"}, w.events(h)); diff != "" {
		t.Errorf("an event of its own (-want +got)\n%s", diff)
	}
	if status := w.control("POST", "webhooks/verify", "", nil); status != 200 {
		t.Errorf("verify: %d", status)
	}
	before := w.clock.Now()
	w.control("POST", "clock", `{"advance":"24h"}`, nil)
	if moved := w.clock.Now().Sub(before); moved < 24*time.Hour {
		t.Errorf("moved by %v", moved)
	}
	w.token = w.s.IssueTokens().AccessToken
	w.control("POST", "disconnect", "", nil)
	if a := w.call("GET", "Organisation", ""); a.status != 403 {
		t.Errorf("disconnected: %d", a.status)
	}
}

func TestControlRefuses(t *testing.T) {
	w := newWorld(t, Config{})
	cases := []struct{ path, body, want string }{
		{"contacts", `{"name":"A","colour":"red"}`, "colour"},
		{"contacts", `{"name":""}`, "Name"},
		{"contacts/" + zeroID + "/archive", "", "no contact"},
		{"contacts/" + zeroID + "/merge", `{"into":"x"}`, "merge"},
		{"invoices", `{"contact":"A","lines":[{"description":"x","unit_amount":"1.23456"}]}`, "decimals"},
		{"invoices", `{"contact":"A","date":"yesterday"}`, "date"},
		{"invoices/INV-9/pay", "", "no invoice"},
		{"payments/" + zeroID + "/delete", "", "no payment"},
		{"faults", `{"kind":"melt"}`, "melt"},
		{"clock", `{"advance":"soon"}`, "advance"},
		{"lock", `{"period":"31 October"}`, "lock date"},
		{"webhooks", `{"mode":"sideways"}`, "sideways"},
		{"webhooks", `{"release":"sideways"}`, "sideways"},
		{"webhooks/verify", "", "no webhook URL"},
		{"accounts", `{"name":"Stripe Clearing"}`, "unique Name"},
		{"accounts", `{"name":"Gold","type":"GOLD"}`, "GOLD"},
		{"accounts/999/archive", "", "no account"},
	}
	for _, tc := range cases {
		t.Run(tc.path+" "+tc.body, func(t *testing.T) {
			var got struct{ Error string }
			if status := w.control("POST", tc.path, tc.body, &got); status != 400 || !strings.Contains(got.Error, tc.want) {
				t.Errorf("got %d %q, want %q", status, got.Error, tc.want)
			}
		})
	}
}

func TestAgeingBuckets(t *testing.T) {
	w := newWorld(t, Config{})
	today := w.clock.Now()
	for i, days := range []int{-1, 0, 1, 30, 31, 60, 61, 90, 91} {
		if _, err := w.s.CreateInvoice(InvoiceInput{Contact: "A", Date: "2020-01-01", Due: today.AddDate(0, 0, -days).Format(dayLayout),
			LineAmountTypes: "NoTax", Lines: []LineInput{{Description: "x", UnitAmount: Number(fmt.Sprint(1 << i))}}}); err != nil {
			t.Fatal(err)
		}
	}
	want := Ageing{Current: "3.00", To30: "12.00", To60: "48.00", To90: "192.00", Over90: "256.00", Total: "511.00", Credit: "0.00"}
	if diff := cmp.Diff(want, w.s.State().Ageing["NZD"]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
