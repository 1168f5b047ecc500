package xero

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/sandbox"
)

// hook is a receiver that checks signatures.
type hook struct {
	mu     sync.Mutex
	bodies [][]byte
	verify func(body []byte, signature string) bool
	cookie bool
	text   string
}

func goodSignature(body []byte, signature string) bool {
	mac := hmac.New(sha256.New, []byte(DefaultWebhookKey))
	mac.Write(body)
	return hmac.Equal([]byte(signature), []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil))))
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if !h.verify(body, r.Header.Get("X-Xero-Signature")) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bodies = append(h.bodies, body)
	if h.cookie {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
	}
	_, _ = io.WriteString(w, h.text)
}

func (w *world) hook() *hook {
	w.t.Helper()
	h := &hook{verify: goodSignature}
	srv := httptest.NewServer(h)
	w.t.Cleanup(srv.Close)
	w.s.SetWebhookURL(srv.URL)
	return h
}

// events waits for the deliveries and returns one line per event.
func (w *world) events(h *hook) []string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.s.Courier().Idle(ctx); err != nil {
		w.t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, body := range h.bodies {
		var d struct {
			Events []struct {
				EventCategory, EventType, ResourceID, ResourceURL, TenantID, TenantType string
				Data                                                                    struct{ Type, Status string }
			}
		}
		if err := json.Unmarshal(body, &d); err != nil {
			w.t.Fatalf("%s: %v", body, err)
		}
		var line []string
		for _, e := range d.Events {
			if e.TenantID != w.s.TenantID() || e.TenantType != "ORGANISATION" || !strings.HasSuffix(e.ResourceURL, e.ResourceID) {
				w.t.Errorf("event %+v", e)
			}
			text := e.EventCategory + " " + e.EventType
			if e.Data.Type != "" {
				text += " " + e.Data.Type + " " + e.Data.Status
			}
			line = append(line, text)
		}
		out = append(out, strings.Join(line, ", "))
	}
	h.bodies = nil
	return out
}

func TestEvents(t *testing.T) {
	w := newWorld(t, Config{})
	h := w.hook()
	inv := w.invoice("INV-1", "100", "NZD")
	if diff := cmp.Diff([]string{"CONTACT CREATE, INVOICE CREATE"}, w.events(h)); diff != "" {
		t.Errorf("create (-want +got)\n%s", diff)
	}
	body := payJSON(inv.InvoiceID, "40", "ch_1")
	w.call("PUT", "Payments", body, "Idempotency-Key", "k")
	w.call("PUT", "Payments", body, "Idempotency-Key", "k")
	w.call("PUT", "Payments", payJSON(inv.InvoiceID, "400", "ch_1"))
	if diff := cmp.Diff([]string{"INVOICE UPDATE"}, w.events(h)); diff != "" {
		t.Errorf("payment, its replay and a refused one (-want +got)\n%s", diff)
	}
	note := get(w.must("PUT", "CreditNotes", creditJSON(inv.ContactID, "60")), "CreditNoteID")
	w.must("PUT", "CreditNotes/"+note+"/Allocations", allocationJSON(inv.InvoiceID, "60"))
	w.must("PUT", "BankTransactions", bankJSON("RECEIVE-OVERPAYMENT", "610", "5", ""))
	want := []string{"CREDITNOTE CREATE ACCRECCREDIT AUTHORISED", "CREDITNOTE UPDATE ACCRECCREDIT PAID, INVOICE UPDATE",
		"OVERPAYMENT CREATE RECEIVE-OVERPAYMENT AUTHORISED"}
	if diff := cmp.Diff(want, w.events(h)); diff != "" {
		t.Errorf("credits (-want +got)\n%s", diff)
	}
	w.must("PUT", "Contacts", `{"Contacts":[{"Name":"A"},{"Name":"B"}]}`)
	if diff := cmp.Diff([]string{"CONTACT CREATE, CONTACT CREATE"}, w.events(h)); diff != "" {
		t.Errorf("batch (-want +got)\n%s", diff)
	}
}

func TestEventSwitches(t *testing.T) {
	cases := []struct {
		name string
		cfg  Unproven
		want []string
	}{
		{"default", Unproven{}, []string{"INVOICE UPDATE"}},
		{"payments", Unproven{PaymentEvents: true}, []string{"INVOICE UPDATE, PAYMENT CREATE"}},
		{"quiet invoices", Unproven{QuietInvoicePayments: true}, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{Unproven: tc.cfg})
			inv := w.invoice("INV-1", "100", "NZD")
			h := w.hook()
			w.payment(inv.InvoiceID, "40", "ch_1")
			if diff := cmp.Diff(tc.want, w.events(h)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestPayloadShape(t *testing.T) {
	w := newWorld(t, Config{})
	if err := w.s.Courier().Mode(sandbox.ModeHold); err != nil {
		t.Fatal(err)
	}
	h := w.hook()
	for _, number := range []string{"INV-1", "INV-2"} {
		w.invoice(number, "1", "NZD")
	}
	w.s.Courier().Release(true)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := w.s.Courier().Idle(ctx); err != nil {
		t.Fatal(err)
	}
	var first, last []int
	for _, body := range h.bodies {
		var d struct {
			FirstEventSequence, LastEventSequence int
			Entropy                               string
			Events                                []struct{ EventDateUTC string }
		}
		if err := json.Unmarshal(body, &d); err != nil {
			t.Fatal(err)
		}
		if _, err := time.Parse(momentLayout, d.Events[0].EventDateUTC); err != nil || len(d.Entropy) != 20 {
			t.Errorf("%s", body)
		}
		if compact, _ := json.Marshal(json.RawMessage(body)); string(compact) == string(body) {
			t.Error("the spacing is regular")
		}
		first, last = append(first, d.FirstEventSequence), append(last, d.LastEventSequence)
	}
	if diff := cmp.Diff([][]int{{3, 1}, {3, 2}}, [][]int{first, last}); diff != "" {
		t.Errorf("sequences, newest first (-want +got)\n%s", diff)
	}
}

func TestIntentToReceive(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(h *hook)
		want  string // empty: it passes
	}{
		{"right", func(*hook) {}, ""},
		{"accepts all", func(h *hook) { h.verify = func([]byte, string) bool { return true } }, "answered 200, want 401"},
		{"refuses all", func(h *hook) { h.verify = func([]byte, string) bool { return false } }, "answered 401, want 200"},
		{"compares the start only", func(h *hook) {
			h.verify = func(b []byte, s string) bool {
				mac := hmac.New(sha256.New, []byte(DefaultWebhookKey))
				mac.Write(b)
				return strings.HasPrefix(s, base64.StdEncoding.EncodeToString(mac.Sum(nil))[:40])
			}
		}, "answered 200, want 401"},
		{"body", func(h *hook) { h.text = "ok" }, "body"},
		{"cookie", func(h *hook) { h.cookie = true }, "cookie"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			tc.spoil(w.hook())
			err := w.s.IntentToReceive(t.Context())
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	if err := newWorld(t, Config{}).s.IntentToReceive(t.Context()); err == nil {
		t.Error("passed without a URL")
	}
}
