package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/connectortest"
	"github.com/ml-connector/ml-connector/connector/wire"
	"github.com/ml-connector/ml-connector/money"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

func TestConformance(t *testing.T) {
	srv, err := stand.New(stand.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	web := httptest.NewServer(srv.Handler())
	defer web.Close()
	srv.SetBaseURL(web.URL)
	customer, err := srv.CreateCustomer(stand.CustomerFields{})
	if err != nil {
		t.Fatal(err)
	}
	if err := business(srv); err != nil {
		t.Fatal(err)
	}
	impl := newConnector(t)
	c, stop, err := wire.Loopback(impl, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	cfg := connectortest.Config{
		Connector: c,
		Settings:  map[string]string{settingKey: "sk_test_", settingSpeed: "5000"},
		Session:   func() *connector.Session { return sessionAt(web.URL) },
		Fixtures:  fixtures(customer),
	}
	if _, err := connectortest.Run(t.Context(), cfg, connectortest.InTest(t)); err != nil {
		t.Fatal(err)
	}
}

// business leaves something in every stream.
func business(srv *stand.Server) error {
	ago := time.Now().Add(-72 * time.Hour)
	_, err := srv.Fee(stand.Movement{Amount: 120, At: ago})
	if err == nil {
		_, err = srv.Adjust(stand.Movement{Amount: 50_000, Type: "topup", At: ago})
	}
	if err == nil {
		_, err = srv.PayOut(stand.PayoutOrder{Amount: 700})
	}
	charge, paid := srv.Charge(stand.OtherCharge{Amount: 10_000})
	_, disputed := srv.Dispute(charge, 900, false)
	return errors.Join(err, paid, disputed)
}

func fixtures(customer string) connectortest.Fixtures {
	return connectortest.Fixtures{
		Currencies: []money.Currency{"NZD", "JPY", "KWD"},
		Contact: func(label string) connector.Record {
			return connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{
				Name: label, Email: "x" + label[max(0, len(label)-12):] + "@example.com", Status: connector.ContactActive,
				Marks: map[string]string{"xero_contact_id": label},
			}}
		},
		Invoice: func(label string, total money.Amount) connector.Record {
			return connector.Record{Entity: connector.EntityInvoice, Invoice: &connector.Invoice{
				Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: label, ContactID: customer, Currency: total.Currency(),
				Lines: []connector.InvoiceLine{{Description: "All", Amount: total}}, TaxMode: connector.TaxNone,
				Total: total, AmountDue: total,
				Marks: map[string]string{"xero_invoice_id": label, "xero_invoice_number": label},
			}}
		},
		Delivery: func() (*connector.Session, connector.WebhookRequest) {
			now := time.Now()
			body := eventBody("charge.succeeded", `{"id":"ch_1","object":"charge"}`)
			s := sessionAt("http://127.0.0.1:1")
			s.Secrets[settingHook] = "whsec_fixture"
			return s, connector.WebhookRequest{
				Header: http.Header{signatureHeader: {sign(body, now, "whsec_fixture")}}, Body: []byte(body), ReceivedAt: now.UTC(),
			}
		},
	}
}
