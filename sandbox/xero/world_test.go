package xero

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/sandbox"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// world is a running stand-in and a client that is allowed in.
type world struct {
	t     *testing.T
	s     *Server
	clock *sandbox.Clock
	url   string
	token string
	http  *http.Client
}

// newWorld starts a stand-in whose books are in UTC, so that dates do not depend
// on the hour of the test.
func newWorld(t *testing.T, cfg Config) *world {
	t.Helper()
	cfg.Clock = sandbox.NewClock()
	if cfg.Timezone == "" {
		cfg.Timezone = "UTC"
	}
	if cfg.MinuteLimit == 0 {
		cfg.MinuteLimit = 1000
	}
	s := New(cfg)
	t.Cleanup(s.Close)
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	tr := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(tr.CloseIdleConnections)
	client := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &world{t: t, s: s, clock: cfg.Clock, url: srv.URL, token: s.IssueTokens().AccessToken, http: client}
}

// answer is a decoded answer.
type answer struct {
	status int
	header http.Header
	raw    string
	json   object
}

// call sends one API request; headers are name, value, name, value; an empty
// value removes the header.
func (w *world) call(method, path, body string, headers ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (w *world) try(method, path, body string, headers ...string) (answer, error) {
	target := w.url + apiPrefix + "/" + path
	if strings.HasPrefix(path, "/") {
		target = w.url + path
	}
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+w.token)
	req.Header.Set("Xero-Tenant-Id", w.s.TenantID())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Del(headers[i])
		if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	res, err := w.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	a := answer{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 && raw[0] == '{' {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&a.json); err != nil {
			return a, err
		}
	}
	return a, err
}

// must is call for what has to succeed; it returns the first record.
func (w *world) must(method, path, body string, headers ...string) object {
	w.t.Helper()
	a := w.call(method, path, body, headers...)
	if a.status != http.StatusOK {
		w.t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.raw)
	}
	if list := a.records(); len(list) > 0 {
		return list[0]
	}
	return nil
}

// records are the records under the plural name, whichever it is.
func (a answer) records() []object {
	for k, v := range a.json {
		if list, ok := v.([]any); ok && k != "Elements" {
			var out []object
			for _, x := range list {
				out = append(out, x.(map[string]any))
			}
			return out
		}
	}
	return nil
}

// get walks into nested objects and arrays: "Invoice.Contact.Name", "Lines.0.Tax".
func get(v any, path string) string {
	for _, key := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(x) {
				return "<none>"
			}
			v = x[i]
		default:
			return "<none>"
		}
	}
	if v == nil {
		return "<none>"
	}
	return fmt.Sprint(v)
}

// wants compares fields of a record, given as path and value.
func wants(t *testing.T, o object, pairs ...string) {
	t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		if got := get(o, pairs[i]); got != pairs[i+1] {
			t.Errorf("%s is %s, want %s", pairs[i], got, pairs[i+1])
		}
	}
}

// invoice makes an approved sales invoice without tax over amount.
func (w *world) invoice(number, amount, currency string) Invoice {
	w.t.Helper()
	inv, err := w.s.CreateInvoice(InvoiceInput{Contact: "Ridgeway Cycles", Number: number, Currency: currency, LineAmountTypes: "NoTax",
		Lines: []LineInput{{Description: "Service", UnitAmount: Number(amount)}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return inv
}

// payment pays part of an invoice into the clearing account.
func (w *world) payment(invoiceID, amount, reference string) object {
	w.t.Helper()
	return w.must("PUT", "Payments", payJSON(invoiceID, amount, reference))
}

func payJSON(invoiceID, amount, reference string) string {
	return fmt.Sprintf(`{"Payments":[{"Invoice":{"InvoiceID":%q},"Account":{"Code":"610"},"Amount":%s,"Reference":%q}]}`,
		invoiceID, amount, reference)
}

func where(expr string) string { return "where=" + url.QueryEscape(expr) }
