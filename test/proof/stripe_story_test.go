package proof

import (
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// cashier drives the Stripe connector against the stand-in.
type cashier struct {
	*actor
	s *stripe.Server
}

// stripeWorld starts the connector, and the stand-in behind a recorder.
func stripeWorld(t *testing.T) (*cashier, *recorder) {
	t.Helper()
	s, err := stripe.New(stripe.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := s.CourierMode(sandbox.ModeOff); err != nil { // nobody listens
		t.Fatal(err)
	}
	rec, address := record(t, s.Handler())
	s.SetBaseURL(address)
	return &cashier{s: s, actor: &actor{t: t, c: startPlugin(t, "stripe"), session: &connector.Session{
		Connection: "stripe", Priority: connector.PriorityWrite,
		Settings: map[string]string{"api_url": address, "calls_per_second": "5000"},
		Secrets:  map[string]connector.Secret{"api_key": stripe.DefaultAPIKey},
	}}}, rec
}

// play makes every request that the Stripe connector can make.
func (c *cashier) play() {
	c.t.Helper()
	_, err := c.c.Check(c.t.Context(), c.session, connector.CheckRequest{})
	c.must(err)
	begin := c.lists(nil) // nothing is there yet, no event either
	customer := c.customers()
	c.invoices(customer)
	c.drafts(customer)
	c.payments(customer)
	c.balance()
	c.webhooks()
	c.lists(begin)
	c.lists(nil)
}

// lists read every entity and stream, from the given cursors on, and return the
// next ones.
func (c *cashier) lists(from map[string]string) map[string]string {
	c.t.Helper()
	next := map[string]string{}
	for _, req := range stripePlaces() {
		place := string(req.Entity) + " " + req.Stream
		req.Cursor, req.PageSize = from[place], 2
		for n := 0; ; n++ {
			page, err := c.c.List(c.t.Context(), c.session, req)
			c.must(err)
			if req.Cursor = page.Next; !page.More {
				break
			}
			if n == pagesMax*pagesMax {
				c.t.Fatalf("list %s does not end", place)
			}
		}
		next[place] = req.Cursor
	}
	return next
}

// customers are made, changed, found by e-mail address, and found after a crash.
func (c *cashier) customers() string {
	c.t.Helper()
	contact := func(name, email, mark string) connector.Record {
		return connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{
			Name: name, Email: email, Phone: "+64 3 555 0100", Status: connector.ContactActive,
			Address: connector.Address{Line1: "1 Long Road", City: "Dunedin", PostalCode: "9016", Country: "New Zealand"},
			Marks:   map[string]string{"xero_contact_id": mark},
		}}
	}
	id := c.upsert(c.write(contact("Ridgeway University", "accounts@ridgeway.example", "c-1"), ""), "created").ID
	c.upsert(c.write(contact("Ridgeway University (Finance)", "accounts@ridgeway.example", "c-1"), id), "updated")
	silent := c.write(contact("Bayside Club", "", "c-2"), "")
	c.upsert(silent, "created")
	c.upsert(again(silent), "unchanged")
	name, email := "Someone", "pay@elsewhere.example"
	_, err := c.s.CreateCustomer(stripe.CustomerFields{Name: &name, Email: &email})
	c.must(err)
	c.upsert(c.write(contact("Elsewhere Ltd", email, "c-3"), ""), "adopted")
	c.get(connector.EntityContact, id)
	return id
}

// bill is an invoice of 115.00 in the given number of lines.
func (c *cashier) bill(customer, number string, lines int) connector.Record {
	c.t.Helper()
	today := connector.DateOf(time.Now().UTC())
	inv := connector.Invoice{
		Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: number, Reference: "PO 7", ContactID: customer, Currency: "NZD",
		IssueDate: today.AddDays(-1), DueDate: today.AddDays(14), TaxMode: connector.TaxExclusive,
		Total: amount(c.t, "115.00", "NZD"), TaxTotal: amount(c.t, "15.00", "NZD"), AmountDue: amount(c.t, "115.00", "NZD"),
		Marks: map[string]string{"xero_invoice_id": "x-" + number, "xero_invoice_number": number, "xero_tenant_id": "t-1"},
	}
	weights := make([]int64, lines)
	for i := range weights {
		weights[i] = 1
	}
	parts, err := amount(c.t, "100.00", "NZD").Allocate(weights)
	c.must(err)
	for i, part := range parts {
		inv.Lines = append(inv.Lines, connector.InvoiceLine{Description: "Work " + strconv.Itoa(i+1), Amount: part, Tax: money.Zero("NZD")})
	}
	inv.Lines[0].Tax = amount(c.t, "15.00", "NZD")
	return connector.Record{Entity: connector.EntityInvoice, Invoice: &inv}
}

// invoices are opened, follow their changes, and are closed.
func (c *cashier) invoices(customer string) {
	c.t.Helper()
	rec := c.bill(customer, "PROOF-1", 2)
	id := c.upsert(c.write(rec, ""), "created").ID
	change := func(f func(*connector.Invoice)) connector.Record {
		inv := *rec.Invoice
		inv.Marks = maps.Clone(inv.Marks)
		f(&inv)
		return connector.Record{Entity: connector.EntityInvoice, Invoice: &inv}
	}
	partPaid := func(inv *connector.Invoice) {
		inv.AmountDue, inv.AmountPaid = amount(c.t, "40.00", "NZD"), amount(c.t, "75.00", "NZD")
	}
	c.upsert(c.write(change(partPaid), id), "updated") // a credit note
	c.upsert(c.write(change(func(inv *connector.Invoice) {
		partPaid(inv)
		inv.Marks["xero_invoice_number"] = "PROOF-1b"
	}), id), "updated") // other marks
	c.upsert(c.write(change(func(inv *connector.Invoice) {
		inv.Status, inv.AmountDue, inv.AmountPaid = connector.InvoicePaid, money.Zero("NZD"), inv.Total
	}), id), "updated") // paid elsewhere

	rec = c.bill(customer, "PROOF-2", 12) // more lines than an invoice shows
	other := c.upsert(c.write(rec, ""), "created").ID
	c.get(connector.EntityInvoice, id, other)
	c.upsert(c.write(change(func(inv *connector.Invoice) { inv.Status = connector.InvoiceVoid }), other), "updated")
}

// drafts are left by a crash, and a due date may pass meanwhile.
func (c *cashier) drafts(customer string) {
	c.t.Helper()
	c.s.Faults().Add(sandbox.Fault{Method: "POST", Path: "/v1/invoices/", Kind: sandbox.FaultStatus, Status: 500,
		Header: map[string]string{"Content-Type": "application/json"}, Body: `{"error":{"type":"api_error"}}`})
	c.upsert(c.write(c.bill(customer, "PROOF-3", 1), ""), "unknown outcome")
	c.upsert(c.write(c.bill(customer, "PROOF-3", 2), ""), "created") // another draft takes its place

	late := c.bill(customer, "PROOF-4", 1)
	late.Invoice.IssueDate, late.Invoice.DueDate = connector.Date{}, connector.Date{}
	w := c.write(late, "")
	w.IntendedAt = time.Now().Add(-72 * time.Hour).UTC()
	c.upsert(w, "created")
}

// payments are made by the customer and given back by us, by others, or not.
func (c *cashier) payments(customer string) {
	c.t.Helper()
	charge, err := c.s.Pay("PROOF-3", stripe.OutcomeSuccess)
	c.must(err)
	refund := c.write(connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
		Kind: connector.PaymentRefund, Status: connector.PaymentSucceeded, Amount: amount(c.t, "15.00", "NZD"), PaymentOf: charge,
		Marks: map[string]string{"xero_payment_id": "p-1"},
	}}, "")
	made := c.upsert(refund, "created")
	c.upsert(again(refund), "unchanged")
	refund.TargetID = made.ID
	c.upsert(refund, "unchanged")
	for range 11 { // more than a charge shows
		_, err := c.s.Refund(charge, 100, "succeeded")
		c.must(err)
	}
	foreign, err := c.s.Charge(stripe.OtherCharge{Amount: 5000, Customer: customer})
	c.must(err)
	failed, err := c.s.Pay("PROOF-4", stripe.OutcomeDecline)
	c.must(err)
	c.get(connector.EntityPayment, charge, made.ID, foreign, failed)
}

// webhooks are asked for, completed and replaced.
func (c *cashier) webhooks() {
	c.t.Helper()
	const address = "https://ml-connector.example/webhooks/stripe"
	_, err := c.s.AddEndpoint(address, "whsec_known", "charge.succeeded")
	c.must(err)
	known := *c.session
	known.Secrets = maps.Clone(c.session.Secrets)
	known.Secrets["webhook_secret"] = "whsec_known"
	_, err = c.c.RegisterWebhook(c.t.Context(), &known, address)
	c.must(err)
	secrets, err := c.c.RegisterWebhook(c.t.Context(), c.session, address)
	c.must(err)
	if len(secrets) != 1 {
		c.t.Error(fmt.Errorf("%d secrets for a new endpoint", len(secrets)))
	}
}
