package stripe_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	stripego "github.com/stripe/stripe-go/v76"
	"github.com/stripe/stripe-go/v76/client"
	"go.uber.org/goleak"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// bench is a server with the SDK pointed at it.
type bench struct {
	t    *testing.T
	srv  *stripe.Server
	url  string
	http *http.Client
	api  *client.API
}

func newBench(t *testing.T, cfg stripe.Config) *bench {
	t.Helper()
	srv, err := stripe.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(srv.Handler())
	srv.SetBaseURL(ts.URL)
	hc := &http.Client{Transport: basicAuth{stripe.DefaultAPIKey, ts.Client().Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		hc.CloseIdleConnections()
		ts.Close()
		srv.Close()
	})
	backend := stripego.GetBackendWithConfig(stripego.APIBackend, &stripego.BackendConfig{HTTPClient: hc, URL: stripego.String(ts.URL),
		MaxNetworkRetries: stripego.Int64(0), EnableTelemetry: stripego.Bool(false), LeveledLogger: &stripego.LeveledLogger{Level: stripego.LevelNull}})
	return &bench{t: t, srv: srv, url: ts.URL, http: hc,
		api: client.New("placeholder", &stripego.Backends{API: backend, Connect: backend, Uploads: backend})}
}

// basicAuth sends the key as the user name of HTTP Basic, unless the request has
// an Authorization of its own.
type basicAuth struct {
	key  string
	base http.RoundTripper
}

func (b basicAuth) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if h := r.Header.Get("Authorization"); h == "" || h == "Bearer placeholder" {
		r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(b.key+":")))
	}
	return b.base.RoundTrip(r)
}

// response is a raw answer.
type response struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (r response) errorField(name string) string {
	e, _ := r.body["error"].(map[string]any)
	s, _ := e[name].(string)
	return s
}

// do sends form parameters ("a=1", "b[c]=2") by raw HTTP. A parameter "Header: x"
// becomes a header.
func (b *bench) do(method, path string, params ...string) response {
	b.t.Helper()
	form := url.Values{}
	header := http.Header{}
	for _, p := range params {
		if k, v, ok := strings.Cut(p, ": "); ok {
			header.Set(k, v)
			continue
		}
		k, v, _ := strings.Cut(p, "=")
		form.Add(k, v)
	}
	body, address := "", b.url+path
	if method == http.MethodPost {
		body = form.Encode()
	} else if len(form) > 0 {
		address += "?" + form.Encode()
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for k := range header {
		req.Header.Set(k, header.Get(k))
	}
	return b.send(req)
}

// control sends JSON to the control API.
func (b *bench) control(method, path, body string) response {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+"/_stripe/"+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(req)
}

func (b *bench) send(req *http.Request) response {
	b.t.Helper()
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	out := response{status: res.StatusCode, header: res.Header, raw: string(raw)}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		if err := dec.Decode(&out.body); err != nil {
			b.t.Fatalf("%s %s: %v\n%s", req.Method, req.URL, err, raw)
		}
	}
	return out
}

// ok fails the test unless the answer is a 200.
func (b *bench) ok(r response) response {
	b.t.Helper()
	if r.status != http.StatusOK {
		b.t.Fatalf("status %d: %s", r.status, r.raw)
	}
	return r
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// customer makes a customer and returns its id.
func (b *bench) customer() string {
	b.t.Helper()
	c, err := b.api.Customers.New(&stripego.CustomerParams{Name: stripego.String("Ada Lovelace"), Email: stripego.String("ada@example.com")})
	b.must(err)
	return c.ID
}

// draft makes a draft with one line and returns its id.
func (b *bench) draft(customer string, amount int64, cur string, extra ...string) string {
	b.t.Helper()
	params := append([]string{"customer=" + customer, "currency=" + cur, "collection_method=send_invoice", "days_until_due=30"}, extra...)
	inv := b.ok(b.do("POST", "/v1/invoices", params...))
	id, _ := inv.body["id"].(string)
	b.must(b.line(customer, id, amount, cur))
	return id
}

func (b *bench) line(customer, invoice string, amount int64, cur string) error {
	_, err := b.api.InvoiceItems.New(&stripego.InvoiceItemParams{Customer: stripego.String(customer), Invoice: stripego.String(invoice),
		Amount: stripego.Int64(amount), Currency: stripego.String(cur), Description: stripego.String("Work")})
	return err
}

// open makes an open invoice.
func (b *bench) open(customer string, amount int64, cur string, extra ...string) *stripego.Invoice {
	b.t.Helper()
	inv, err := b.api.Invoices.FinalizeInvoice(b.draft(customer, amount, cur, extra...), &stripego.InvoiceFinalizeInvoiceParams{})
	b.must(err)
	return inv
}
