package xero

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/sandbox"
)

func TestRefusalsBeforeTheNoun(t *testing.T) {
	cases := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"no token", "GET", "Organisation", "", []string{"Authorization", ""}, 401, "AuthenticationUnsuccessful"},
		{"wrong token", "GET", "Organisation", "", []string{"Authorization", "Bearer x"}, 401, "Unauthorized"},
		{"no tenant", "GET", "Organisation", "", []string{"Xero-Tenant-Id", ""}, 403, "AuthenticationUnsuccessful"},
		{"wrong tenant", "GET", "Organisation", "", []string{"Xero-Tenant-Id", zeroID}, 403, "Forbidden"},
		{"XML", "GET", "Organisation", "", []string{"Accept", "*/*"}, 406, "XML"},
		{"form body", "PUT", "Payments", "{}", []string{"Content-Type", "text/plain"}, 415, "application/json"},
		{"unknown resource", "GET", "ManualJournals", "", nil, 501, "GET /api.xro/2.0/ManualJournals"},
		{"unknown method", "DELETE", "Invoices/x", "", nil, 501, "DELETE"},
		{"unknown parameter", "GET", "Invoices?page_size=100", "", nil, 501, "page_size"},
		{"empty parameter", "GET", "Invoices?Statuses=", "", nil, 501, "empty"},
		{"credit notes have no IDs filter", "GET", "CreditNotes?IDs=x", "", nil, 501, "IDs"},
		{"unknown field", "PUT", "Contacts", `{"Name":"A","Colour":"red"}`, nil, 501, "Contacts.Colour"},
		{"unknown nested field", "PUT", "Invoices", `{"Type":"ACCREC","Contact":{"Name":"A","EmailAddress":"a@example.com"}}`, nil, 501, "Contact.EmailAddress"},
		{"wrong plural", "PUT", "Payments", `{"Invoices":[]}`, nil, 501, "Payments.Invoices"},
		{"empty array", "PUT", "Payments", `{"Payments":[]}`, nil, 400, "NoDataProcessedException"},
		{"not JSON", "PUT", "Payments", `<a/>`, nil, 400, "PostDataInvalidException"},
		{"two values", "PUT", "Payments", `{} {}`, nil, 400, "PostDataInvalidException"},
		{"wrong type", "PUT", "Contacts", `{"Name":{}}`, nil, 400, "not a string"},
		{"three decimals", "PUT", "Payments", `{"Amount":1.005}`, nil, 501, "too many decimals"},
		{"bad boolean parameter", "GET", "Contacts?includeArchived=yes", "", nil, 400, "QueryParseException"},
		{"bad page", "GET", "Contacts?page=0", "", nil, 400, "positive"},
		{"page size alone", "GET", "Contacts?pageSize=10", "", nil, 501, "pageSize"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			a := w.call(tc.method, tc.path, tc.body, tc.headers...)
			if a.status != tc.status || !strings.Contains(a.raw, tc.want) {
				t.Errorf("got %d %s, want %d with %q", a.status, a.raw, tc.status, tc.want)
			}
			if a.header.Get("Xero-Correlation-Id") == "" {
				t.Error("no correlation id")
			}
		})
	}
}

func TestNotFoundIsEmptyHTML(t *testing.T) {
	w := newWorld(t, Config{})
	for _, path := range []string{"Invoices/", "Payments/", "CreditNotes/", "Overpayments/", "Contacts/", "Accounts/"} {
		a := w.call("GET", path+newID(), "")
		if a.status != 404 || a.raw != "" || a.header.Get("Content-Type") != htmlType {
			t.Errorf("%s: %d %q %q", path, a.status, a.raw, a.header.Get("Content-Type"))
		}
	}
}

func TestEnvelope(t *testing.T) {
	w := newWorld(t, Config{Timezone: "NEWZEALANDSTANDARDTIME"})
	a := w.call("GET", "Organisation", "")
	if get(a.json, "Status") != "OK" || get(a.json, "ProviderName") != "ml-connector" || !strings.HasPrefix(get(a.json, "DateTimeUTC"), "/Date(") {
		t.Errorf("envelope %s", a.raw)
	}
	wants(t, a.records()[0], "BaseCurrency", "NZD", "Timezone", "NEWZEALANDSTANDARDTIME", "PeriodLockDate", "<none>")
	if w.must("GET", "Organisation/Actions", "") == nil || w.must("GET", "Currencies", "") == nil {
		t.Error("no actions or currencies")
	}
	wants(t, w.must("GET", "TaxRates?"+where(`TaxType=="OUTPUT2"`), ""), "EffectiveRate", "15.0000", "CanApplyToExpenses", "false")
	wants(t, w.must("GET", "Accounts?"+where(`Code=="610"`), ""), "Type", "BANK", "CurrencyCode", "NZD", "Name", "Stripe Clearing")
}

func TestMinuteLimit(t *testing.T) {
	w := newWorld(t, Config{MinuteLimit: 3, DayLimit: 100})
	for i, left := range []string{"2", "1", "0"} {
		a := w.call("GET", "Organisation", "")
		if a.status != 200 || a.header.Get("X-MinLimit-Remaining") != left || a.header.Get("X-AppMinLimit-Remaining") == "" {
			t.Errorf("call %d: %d, %s left", i+1, a.status, a.header.Get("X-MinLimit-Remaining"))
		}
		w.clock.Advance(time.Second)
	}
	a := w.call("GET", "Organisation", "")
	if a.status != 429 || a.raw != "" || a.header.Get("Content-Type") != "" || a.header.Get("X-Rate-Limit-Problem") != "minute" {
		t.Errorf("got %d %q %v", a.status, a.raw, a.header)
	}
	if wait := a.header.Get("Retry-After"); wait != "57" {
		t.Errorf("Retry-After %s, want 57", wait)
	}
	w.clock.Advance(57 * time.Second)
	if a := w.call("GET", "Organisation", ""); a.status != 200 {
		t.Errorf("after the wait: %d", a.status)
	}
	if c := w.s.Calls(); c.Total != 5 || c.Rejected != 1 || c.ByPath["GET /Organisation"] != 5 {
		t.Errorf("calls %+v", c)
	}
}

func TestDayLimit(t *testing.T) {
	w := newWorld(t, Config{DayLimit: 2})
	w.call("GET", "Organisation", "")
	w.call("GET", "Organisation", "")
	w.clock.Advance(time.Minute)
	a := w.call("GET", "Organisation", "")
	if a.status != 429 || a.header.Get("X-Rate-Limit-Problem") != "day" || a.header.Get("X-DayLimit-Remaining") != "0" || len(a.header.Get("Retry-After")) != 5 {
		t.Errorf("got %d %v", a.status, a.header)
	}
	w.clock.Advance(24 * time.Hour)
	w.token = w.s.IssueTokens().AccessToken
	if a := w.call("GET", "Organisation", ""); a.status != 200 {
		t.Errorf("the next day: %d", a.status)
	}
}

func TestFiveAtOnce(t *testing.T) {
	w := newWorld(t, Config{})
	w.s.Faults().Add(sandbox.Fault{Kind: sandbox.FaultSlow, Delay: 300 * time.Millisecond, Times: -1})
	var wg sync.WaitGroup
	statuses := make(chan answer, 8)
	for range 8 {
		wg.Go(func() {
			if a, err := w.try("GET", "Organisation", ""); err == nil {
				statuses <- a
			}
		})
	}
	wg.Wait()
	close(statuses)
	count := map[int]int{}
	for a := range statuses {
		count[a.status]++
		if a.status == 429 && a.header.Get("X-Rate-Limit-Problem") != "concurrent" {
			t.Errorf("headers %v", a.header)
		}
	}
	if count[200] < 5 || count[429] == 0 || count[200]+count[429] != 8 {
		t.Errorf("statuses %v", count)
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	body := payJSON(inv.InvoiceID, "40", "ch_1")
	first := w.call("PUT", "Payments", body, "Idempotency-Key", "k1")
	again := w.call("PUT", "Payments", body, "Idempotency-Key", "k1")
	if first.status != 200 || first.raw != again.raw || again.status != 200 {
		t.Errorf("replay differs:\n%s\n%s", first.raw, again.raw)
	}
	other := w.call("PUT", "Payments", payJSON(inv.InvoiceID, "41", "ch_1"), "Idempotency-Key", "k1")
	if other.status != 400 || !strings.Contains(other.raw, "Idempotency Key: k1 is used with a different request.") {
		t.Errorf("mismatch: %d %s", other.status, other.raw)
	}
	other = w.call("PUT", "Payments?summarizeErrors=false", body, "Idempotency-Key", "k1")
	if other.status != 400 {
		t.Errorf("another URL: %d", other.status)
	}
	if n := len(w.s.Payments()); n != 1 {
		t.Errorf("%d payments, want 1", n)
	}
	w.clock.Advance(6 * time.Minute)
	if a := w.call("PUT", "Payments", body, "Idempotency-Key", "k1"); a.status != 200 || a.raw == first.raw {
		t.Errorf("after six minutes: %d", a.status)
	}
	if n := len(w.s.Payments()); n != 2 {
		t.Errorf("%d payments after the key expired, want 2", n)
	}
}

func TestIdempotencyKeepsErrors(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	body := payJSON(inv.InvoiceID, "11", "ch_1")
	first := w.call("PUT", "Payments", body, "Idempotency-Key", "k")
	if _, err := w.s.EditInvoice("INV-1", InvoiceInput{Lines: []LineInput{{Description: "More", UnitAmount: "20"}}}); err != nil {
		t.Fatal(err)
	}
	again := w.call("PUT", "Payments", body, "Idempotency-Key", "k")
	if first.status != 400 || again.status != 400 || first.raw != again.raw {
		t.Errorf("got %d then %d", first.status, again.status)
	}
	if a := w.call("PUT", "Payments", body, "Idempotency-Key", "k2"); a.status != 200 {
		t.Errorf("a new key: %d %s", a.status, a.raw)
	}
	long := w.call("PUT", "Payments", body, "Idempotency-Key", strings.Repeat("x", 129))
	if long.status != 400 {
		t.Errorf("a long key: %d", long.status)
	}
}

func TestSummarizeErrors(t *testing.T) {
	good := `{"Name":"Good"}`
	bad := `{"Name":""}`
	cases := []struct {
		name, query string
		keepGood    bool
		status      int
		want        string
		saved       int
	}{
		{"absent", "", false, 400, "ValidationException", 0},
		{"true", "?summarizeErrors=true", false, 400, "Elements", 0},
		{"false", "?summarizeErrors=false", false, 200, `"StatusAttributeString":"ERROR"`, 1},
		{"absent, good ones kept", "", true, 400, "Elements", 1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{Unproven: Unproven{BatchKeepsGood: tc.keepGood}})
			a := w.call("PUT", "Contacts"+tc.query, `{"contacts":[`+good+`,`+bad+`]}`)
			if a.status != tc.status || !strings.Contains(a.raw, tc.want) || !strings.Contains(a.raw, zeroID) {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if n := len(w.s.Contacts()); n != tc.saved {
				t.Errorf("%d saved, want %d", n, tc.saved)
			}
		})
	}
}

// An element that was refused has the flag and the dates of its kind.
func TestRefusedElement(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	a := w.call("PUT", "Payments?summarizeErrors=false",
		`{"Invoice":{"InvoiceID":"`+inv.InvoiceID+`"},"Account":{"Code":"610"},"Date":"2026-10-31","Amount":11}`)
	wants(t, a.records()[0], "PaymentID", zeroID, "HasValidationErrors", "true", "HasErrors", "<none>", "Date", "/Date(1793404800000+0000)/", "DateString", "<none>")
	a = w.call("PUT", "Invoices?summarizeErrors=false",
		`{"Type":"ACCREC","Contact":{"ContactID":"`+zeroID+`"},"Date":"2026-10-31","DueDate":"2026-11-01"}`)
	wants(t, a.records()[0], "InvoiceID", zeroID, "HasErrors", "true", "HasValidationErrors", "<none>", "DateString", "2026-10-31T00:00:00",
		"DueDate", "/Date(1793491200000+0000)/")
}

func TestLostResponseReallyCommits(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	w.s.Faults().Add(sandbox.Fault{Kind: sandbox.FaultResetAfter, Path: apiPrefix + "/Payments"})
	body := payJSON(inv.InvoiceID, "10", "ch_1")
	if _, err := w.try("PUT", "Payments", body, "Idempotency-Key", "k"); err == nil {
		t.Fatal("the answer was not lost")
	}
	if n := len(w.s.Payments()); n != 1 {
		t.Fatalf("%d payments, want 1", n)
	}
	if a := w.call("PUT", "Payments", body, "Idempotency-Key", "k"); a.status != 200 {
		t.Errorf("replay: %d %s", a.status, a.raw)
	}
	if n := len(w.s.Payments()); n != 1 {
		t.Errorf("%d payments after the replay, want 1", n)
	}
}

func TestFaultsDoNotTouchTheControlAPI(t *testing.T) {
	w := newWorld(t, Config{})
	w.s.Faults().Add(sandbox.Fault{Kind: sandbox.FaultStatus, Status: 503, Times: -1})
	if a := w.call("GET", "Organisation", ""); a.status != 503 {
		t.Errorf("API: %d", a.status)
	}
	if a := w.call("GET", "/_xero/state", ""); a.status != 200 {
		t.Errorf("control: %d", a.status)
	}
}

func TestLargeBody(t *testing.T) {
	w := newWorld(t, Config{})
	req, err := http.NewRequest("PUT", w.url+apiPrefix+"/Payments", io.LimitReader(endless{}, bodyBytesMax+1))
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.http.Do(req)
	if err != nil {
		return // the server may cut the upload short
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", res.StatusCode)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
