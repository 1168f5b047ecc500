package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/connectortest"
	"github.com/ml-connector/ml-connector/connector/wire"
	"github.com/ml-connector/ml-connector/money"
)

const testKey = "paper-test-key-1"

func session(folder string) *connector.Session {
	return &connector.Session{
		Connection: "cabinet", AccountID: folder,
		Settings: map[string]string{settingFolder: folder},
		Secrets:  map[string]connector.Secret{settingKey: "retired-paper-key, " + testKey},
	}
}

func signed(at time.Time, body string) connector.WebhookRequest {
	sig := fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(sign(testKey, at.Unix(), []byte(body))))
	return connector.WebhookRequest{
		Header: http.Header{signatureHeader: {sig}}, Body: []byte(body), ReceivedAt: at,
	}
}

func TestConformance(t *testing.T) {
	folder := t.TempDir()
	c, stop, err := wire.Loopback(&Paper{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	sum, err := connectortest.Run(t.Context(), connectortest.Config{
		Connector: c,
		Session:   func() *connector.Session { return session(folder) },
		PageSize:  1,
		PagesMax:  100,
		Fixtures: connectortest.Fixtures{
			Contact: func(label string) connector.Record {
				return connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{Name: label, Status: connector.ContactActive}}
			},
			Invoice: func(label string, total money.Amount) connector.Record {
				return connector.Record{Entity: connector.EntityInvoice, Invoice: &connector.Invoice{
					Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: label, Currency: total.Currency(), Total: total, AmountDue: total,
				}}
			},
			Payment: func(label string, amount money.Amount) connector.Record {
				return connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
					Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Amount: amount, Label: label,
				}}
			},
			Currencies: []money.Currency{"NZD", "JPY", "KWD"},
			Delivery: func() (*connector.Session, connector.WebhookRequest) {
				return session(folder), signed(time.Now(), `{"events":[{"entity":"invoice","id":"INV-1"}]}`)
			},
		},
	}, connectortest.InTest(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", sum)
}

// put writes a file as a person would, with a time of change of our choosing.
func put(t *testing.T, folder, file, text string, changed time.Time) {
	t.Helper()
	path := filepath.Join(folder, file)
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, changed, changed),
	); err != nil {
		t.Fatal(err)
	}
}

func TestListOrder(t *testing.T) {
	folder := t.TempDir()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	const text = `{"contact":{"name":"Ada"}}`
	put(t, folder, "contact/c.json", text, noon)
	put(t, folder, "contact/a.json", text, noon.Add(2*time.Second))
	put(t, folder, "contact/b.json", text, noon)
	put(t, folder, "contact/old.json", text, noon.Add(-time.Hour))
	put(t, folder, "contact/.a.tmp", "half", noon)
	put(t, folder, "contact/note.txt", "not a record", noon)

	p, ctx := &Paper{}, t.Context()
	req := connector.ListRequest{Entity: connector.EntityContact, Since: noon, PageSize: 2}
	list := func() (ids []string, more bool) {
		t.Helper()
		page, err := p.List(ctx, session(folder), req)
		if err != nil {
			t.Fatal(err)
		}
		req.Cursor = page.Next
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		return ids, page.More
	}
	for _, tc := range []struct {
		name string
		act  func()
		want []string
		more bool
	}{
		{name: "first page, same time by name", want: []string{"b", "c"}, more: true},
		{name: "last page", want: []string{"a"}},
		{name: "nothing new", want: nil},
		{name: "an edit comes again", act: func() { put(t, folder, "contact/b.json", text, noon.Add(time.Minute)) }, want: []string{"b"}},
	} {
		if tc.act != nil {
			tc.act()
		}
		got, more := list()
		if diff := cmp.Diff(tc.want, got); diff != "" || more != tc.more {
			t.Errorf("%s: more %t, want %t; ids (-want +got):\n%s", tc.name, more, tc.more, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	folder := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, tc := range []struct{ name, file, text, want string }{
		{name: "not JSON", file: "invoice/a.json", text: "INV-1", want: "invoice/a.json"},
		{name: "misspelt field", file: "invoice/b.json", text: `{"invoice":{"totl":null}}`, want: "totl"},
		{name: "float money", file: "invoice/c.json", text: `{"invoice":{"total":{"amount":10.5,"currency":"NZD"}}}`, want: "amount"},
		{name: "another entity", file: "invoice/d.json", text: `{"contact":{"name":"Ada"}}`, want: "must hold one"},
		{name: "two bodies", file: "invoice/e.json", text: `{"invoice":{},"contact":{}}`, want: "must hold one"},
		{name: "empty", file: "invoice/f.json", text: `{}`, want: "must hold one"},
		{name: "too large", file: "invoice/g.json", text: strings.Repeat(" ", fileBytesMax+1), want: "larger"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			put(t, folder, tc.file, tc.text, old)
			id := strings.TrimSuffix(filepath.Base(tc.file), ".json")
			_, err := (&Paper{}).Get(t.Context(), session(folder), connector.GetRequest{Entity: connector.EntityInvoice, IDs: []string{id}})
			if err == nil || connector.KindOf(err) != connector.Invalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v (%s), want an invalid one with %q", err, connector.KindOf(err), tc.want)
			}
		})
	}
}

func TestGoneNeedsNoBody(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, "contact/ada.json", `{"gone":true}`, time.Now().Add(-time.Hour))
	got, err := (&Paper{}).Get(t.Context(), session(folder), connector.GetRequest{Entity: connector.EntityContact, IDs: []string{"ada"}})
	if err != nil || len(got) != 1 || !got[0].Gone {
		t.Errorf("got %+v, %v", got, err)
	}
}

// An id comes from outside: it must not lead out of the folder.
func TestStaysInFolder(t *testing.T) {
	outside := t.TempDir()
	folder := filepath.Join(outside, "cabinet")
	put(t, outside, "secret.json", `{"contact":{"name":"Eve"}}`, time.Now().Add(-time.Hour))
	put(t, folder, "contact/ada.json", `{"contact":{"name":"Ada"}}`, time.Now().Add(-time.Hour))
	if err := os.Symlink(filepath.Join(outside, "secret.json"), filepath.Join(folder, "contact", "link.json")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"../../secret", "..", "link", "/etc/passwd", "a/b", ""} {
		got, err := (&Paper{}).Get(t.Context(), session(folder), connector.GetRequest{Entity: connector.EntityContact, IDs: []string{id}})
		if len(got) != 0 {
			t.Errorf("id %q: got %+v, %v", id, got, err)
		}
		out, err := (&Paper{}).Upsert(t.Context(), session(folder), connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{{
			Key: "k", TargetID: id, Record: connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{Name: "Mallory"}},
		}}})
		if id != "" && (err != nil || out[0].Err == nil) {
			t.Errorf("write to %q: got %+v, %v", id, out, err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(outside, "secret.json")); !strings.Contains(string(b), "Eve") {
		t.Errorf("the file outside is now %s", b)
	}
}

func TestUpsertUnknownTarget(t *testing.T) {
	out, err := (&Paper{}).Upsert(t.Context(), session(t.TempDir()), connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{
		{Key: "k1", TargetID: "nobody", Record: connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{Name: "Ada"}}},
		{Key: "k2", Record: connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{Name: "Bob"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err == nil || out[0].Err.Kind != connector.NotFound || out[1].Result != connector.Created {
		t.Errorf("got %+v", out)
	}
}

func TestVerifyWebhook(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	const body = `{"events":[{"entity":"invoice","id":"INV-1"}]}`
	for _, tc := range []struct {
		name string
		req  func() connector.WebhookRequest
		want connector.Verdict
	}{
		{name: "genuine", want: connector.Accepted, req: func() connector.WebhookRequest { return signed(now, body) }},
		{name: "kept and sent later", want: connector.Refused, req: func() connector.WebhookRequest {
			r := signed(now, body)
			r.ReceivedAt = now.Add(6 * time.Minute)
			return r
		}},
		{name: "from the future", want: connector.Refused, req: func() connector.WebhookRequest {
			r := signed(now, body)
			r.ReceivedAt = now.Add(-6 * time.Minute)
			return r
		}},
		{name: "an id that is a path", want: connector.Refused, req: func() connector.WebhookRequest {
			return signed(now, `{"events":[{"entity":"invoice","id":"../x"}]}`)
		}},
		{name: "an entity that is none", want: connector.Refused, req: func() connector.WebhookRequest {
			return signed(now, `{"events":[{"entity":"payslip","id":"x"}]}`)
		}},
		{name: "signed nonsense", want: connector.Refused, req: func() connector.WebhookRequest { return signed(now, "hello") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := (&Paper{}).VerifyWebhook(context.Background(), session("unused"), tc.req())
			if err != nil || got.Verdict != tc.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// A contact's field that a write does not set is left as it is.
func TestContactIsChangedFieldByField(t *testing.T) {
	s := session(t.TempDir())
	write := func(id string, c connector.Contact) connector.Outcome {
		t.Helper()
		out, err := (&Paper{}).Upsert(t.Context(), s, connector.UpsertRequest{Entity: connector.EntityContact, Writes: []connector.Write{
			{Key: "k1", TargetID: id, Record: connector.Record{Entity: connector.EntityContact, Contact: &c}},
		}})
		if err != nil || len(out) != 1 || out[0].Err != nil {
			t.Fatalf("got %+v, %v", out, err)
		}
		return out[0]
	}
	made := write("", connector.Contact{Name: "Ada", Email: "ada@example.com", Status: connector.ContactActive})
	got := write(made.ID, connector.Contact{Phone: "1"}).Record.Contact
	if got.Name != "Ada" || got.Email != "ada@example.com" || got.Phone != "1" || got.Status != connector.ContactActive {
		t.Errorf("got %+v", got)
	}
}
