package main

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/connectortest"
	"github.com/ml-connector/ml-connector/connector/wire"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{DayLimit: 100000})
	acme := w.person("Acme", "")
	client, stop, err := wire.Loopback(w.x, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	today := connector.DateOf(w.clock.Now().UTC())
	const delivery = `{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S"}`
	_, err = connectortest.Run(context.Background(), connectortest.Config{
		Connector: client,
		Session: func() *connector.Session {
			s := *w.session
			return &s
		},
		Fixtures: connectortest.Fixtures{
			Contact: func(label string) connector.Record {
				return connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{Name: label, Status: connector.ContactActive}}
			},
			Invoice: func(label string, total money.Amount) connector.Record {
				return connector.Record{Entity: connector.EntityInvoice, Invoice: &connector.Invoice{
					Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: label, ContactID: acme.ContactID, Currency: total.Currency(),
					IssueDate: today, DueDate: today, TaxMode: connector.TaxNone, Total: total,
					Lines: []connector.InvoiceLine{{Description: "Work", Amount: total, AccountCode: "200", TaxCode: "NONE"}},
				}}
			},
			Payment: func(label string, amount money.Amount) connector.Record {
				paid := w.invoiceOf(xero.InvoiceInput{Contact: "Acme", Number: label, Currency: string(amount.Currency()),
					Lines: []xero.LineInput{{Description: "Work", UnitAmount: "1000", Tax: "NONE"}}})
				return connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
					Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Amount: amount, Date: today,
					InvoiceID: paid.InvoiceID, Account: "610", Reference: "ch_" + label, Label: label,
				}}
			},
			Currencies: []money.Currency{"NZD", "JPY", "KWD"},
			Delivery: func() (*connector.Session, connector.WebhookRequest) {
				s := *w.session
				s.Secrets = map[string]connector.Secret{"webhook_key": "k"}
				return &s, connector.WebhookRequest{Header: http.Header{http.CanonicalHeaderKey(signatureHeader): {signature("k", delivery)}},
					Body: []byte(delivery), ReceivedAt: time.Now()}
			},
		},
	}, connectortest.InTest(t))
	if err != nil {
		t.Fatal(err)
	}
}
