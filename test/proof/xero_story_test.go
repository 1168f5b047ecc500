package proof

import (
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const xeroScopes = "accounting.invoices accounting.payments accounting.contacts accounting.banktransactions accounting.settings.read"

// bookkeeper drives the Xero connector against the stand-in.
type bookkeeper struct {
	*actor
	s *xero.Server
}

// xeroWorld starts the connector, and the stand-in behind a recorder.
func xeroWorld(t *testing.T) (*bookkeeper, *recorder) {
	t.Helper()
	const noLimit = "100000"
	s := xero.New(xero.Config{Timezone: "UTC", MinuteLimit: 100000, DayLimit: 100000})
	t.Cleanup(s.Close)
	rec, address := record(t, s.Handler())
	return &bookkeeper{s: s, actor: &actor{t: t, c: startPlugin(t, "xero"), session: &connector.Session{
		Connection: "xero", AccountID: s.TenantID(), Priority: connector.PriorityWrite,
		Settings:    map[string]string{"api_url": address, "calls_per_minute": noLimit, "calls_per_day": noLimit},
		AccessToken: connector.Secret(s.IssueTokens(split(xeroScopes)...).AccessToken),
	}}}, rec
}

// play makes every request that the Xero connector can make.
func (b *bookkeeper) play() {
	b.t.Helper()
	res, err := b.c.Check(b.t.Context(), b.session, connector.CheckRequest{PostingAccounts: []string{"610"}, CounterAccounts: []string{"404"}})
	b.must(err)
	if res.Account.ID != b.s.TenantID() {
		b.t.Fatalf("check: %+v", res.Account)
	}
	contact := b.contacts()
	b.invoices(contact)
	b.receipts()
	b.refunds()
	b.reopened()
	b.movements()
	b.refusals()
	b.lists()
}

// contacts are made, changed, found again and completed.
func (b *bookkeeper) contacts() string {
	b.t.Helper()
	want := connector.Contact{Name: "Ridgeway University", Email: "accounts@ridgeway.example", Phone: "+64 3 555 0100", Status: connector.ContactActive,
		Address: connector.Address{Line1: "1 Long Road", Line2: "Block B", City: "Dunedin", Region: "Otago", PostalCode: "9016", Country: "New Zealand"}}
	rec := connector.Record{Entity: connector.EntityContact, Contact: &want}
	id := b.upsert(b.write(rec, ""), "created").ID

	changed := want
	changed.Name, changed.Phone = "Ridgeway University (Finance)", "+64 3 555 0199"
	b.upsert(b.write(connector.Record{Entity: connector.EntityContact, Contact: &changed}, id), "updated")

	quoted := connector.Contact{Name: `The "Blue" Café & Söhne`, Status: connector.ContactActive}
	b.upsert(b.write(connector.Record{Entity: connector.EntityContact, Contact: &quoted}, ""), "created")

	_, err := b.s.CreateContact(xero.ContactInput{Name: "Bayside Club"})
	b.must(err)
	adopted := connector.Contact{Name: "Bayside Club", Email: "pay@bayside.example", Status: connector.ContactActive}
	b.upsert(b.write(connector.Record{Entity: connector.EntityContact, Contact: &adopted}, ""), "adopted")
	b.get(connector.EntityContact, id)
	return id
}

// invoices are made as drafts and approved, deleted and voided.
func (b *bookkeeper) invoices(contact string) {
	b.t.Helper()
	today := connector.DateOf(time.Now().UTC())
	order := func(number, reference string, status connector.InvoiceStatus, mode connector.TaxMode) connector.Record {
		two, err := money.ParseDecimal("2")
		b.must(err)
		price, err := money.ParseDecimal("50.25")
		b.must(err)
		return connector.Record{Entity: connector.EntityInvoice, Invoice: &connector.Invoice{
			Kind: connector.InvoiceSale, Status: status, Number: number, Reference: reference, ContactID: contact, Currency: "NZD",
			IssueDate: today, DueDate: today.AddDays(14), TaxMode: mode,
			Lines: []connector.InvoiceLine{
				{Description: "Work", Quantity: two, UnitPrice: price, Amount: amount(b.t, "100.50", "NZD"), AccountCode: "200", TaxCode: "NONE"},
				{Description: "Stamps", Amount: amount(b.t, "9.50", "NZD"), AccountCode: "200", TaxCode: "NONE"},
			},
			Total: amount(b.t, "110.00", "NZD"), AmountDue: amount(b.t, "110.00", "NZD"),
		}}
	}
	become := func(id string, status connector.InvoiceStatus) {
		rec := order("", "", status, connector.TaxNone)
		b.upsert(b.write(rec, id), "updated")
	}
	draft := b.upsert(b.write(order("PROOF-1", "", connector.InvoiceDraft, connector.TaxExclusive), ""), "created").ID
	become(draft, connector.InvoiceOpen)
	become(draft, connector.InvoiceVoid)
	unwanted := b.upsert(b.write(order("", "by reference", connector.InvoiceDraft, connector.TaxInclusive), ""), "created").ID
	become(unwanted, connector.InvoiceVoid)
	open := b.write(order("PROOF-2", "PO 7", connector.InvoiceOpen, connector.TaxNone), "")
	id := b.upsert(open, "created").ID
	b.upsert(again(open), "unchanged")

	wrong := order("PROOF-3", "", connector.InvoiceOpen, connector.TaxNone)
	wrong.Invoice.Total = amount(b.t, "110.01", "NZD")
	b.upsert(b.write(wrong, ""), "invalid") // made, compared and taken back
	b.get(connector.EntityInvoice, draft, id)
}

// sale is an approved invoice of a person: 115.00 with tax and 10.00 without.
func (b *bookkeeper) sale() xero.Invoice {
	b.t.Helper()
	inv, err := b.s.CreateInvoice(xero.InvoiceInput{Contact: "Acme", Lines: []xero.LineInput{
		{Description: "Work", UnitAmount: "100.00", Tax: "OUTPUT2"}, {Description: "Stamps", UnitAmount: "10.00", Tax: "NONE"}}})
	b.must(err)
	return inv
}

func (b *bookkeeper) receipt(inv xero.Invoice, mark, sum string) connector.Write {
	return b.write(connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
		Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Amount: amount(b.t, sum, "NZD"), PaidAt: time.Now().UTC(),
		InvoiceID: inv.InvoiceID, Account: "610", Reference: mark + " " + inv.Number, Label: inv.Number,
	}}, "")
}

func (b *bookkeeper) refund(inv xero.Invoice, of, mark, sum string, policy connector.RefundPolicy) connector.Write {
	w := b.receipt(inv, mark, sum)
	w.Record.Payment.Kind, w.Record.Payment.PaymentOf, w.Policy.Refunds = connector.PaymentRefund, of, policy
	return w
}

// failed is a write that takes back what an earlier one posted.
func (b *bookkeeper) failed(w connector.Write, target string) connector.Write {
	pay := *w.Record.Payment
	pay.Status = connector.PaymentFailed
	out := b.write(connector.Record{Entity: connector.EntityPayment, Payment: &pay}, target)
	out.Policy = w.Policy
	return out
}

// receipts are posted, recognised, divided and taken back.
func (b *bookkeeper) receipts() {
	b.t.Helper()
	inv := b.sale()
	first := b.receipt(inv, "ch_00000001", "125.00")
	id := b.upsert(first, "created").ID
	b.upsert(again(first), "unchanged")
	b.get(connector.EntityPayment, id)
	b.upsert(b.failed(first, id), "updated")

	surplus := b.receipt(b.sale(), "ch_00000002", "130.00")
	over := b.upsert(surplus, "created")
	b.upsert(b.failed(surplus, over.ID), "updated")

	known := b.sale()
	_, err := b.s.PayInvoice(known.Number, xero.PaymentDetails{Account: "610"})
	b.must(err)
	b.upsert(b.receipt(known, "ch_00000003", "125.00"), "adopted")
}

// refunds become credit notes and payments out of overpayments.
func (b *bookkeeper) refunds() {
	b.t.Helper()
	inv := b.sale()
	paid := b.upsert(b.receipt(inv, "ch_00000011", "130.00"), "created")
	refund := b.refund(inv, paid.ID, "re_00000011", "60.00", connector.RefundCreditNote)
	note := b.upsert(refund, "created")
	b.upsert(again(refund), "unchanged")
	b.upsert(b.failed(refund, note.ID), "updated")

	// All of a second receipt is an overpayment, which is the receipt's record.
	twice := b.upsert(b.receipt(inv, "ch_00000012", "20.00"), "created")
	b.upsert(b.refund(inv, twice.ID, "re_00000012", "20.00", connector.RefundCreditNote), "created")
}

// reopened invoices have their receipt deleted and posted again over less.
func (b *bookkeeper) reopened() {
	b.t.Helper()
	inv := b.sale()
	paid := b.upsert(b.receipt(inv, "ch_00000021", "125.00"), "created")
	part := b.refund(inv, paid.ID, "re_00000021", "25.00", connector.RefundReopen)
	less := b.upsert(part, "updated")
	b.upsert(b.failed(part, less.ID), "updated")
}

// movement is a write of money without an invoice.
func (b *bookkeeper) movement(kind connector.PaymentKind, reference, sum, counter string) connector.Write {
	return b.write(connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
		Kind: kind, Status: connector.PaymentSucceeded, Amount: amount(b.t, sum, "NZD"), PaidAt: time.Now().UTC(),
		Account: "610", CounterAccount: counter, ContactName: "Stripe", Reference: reference, Note: "card fees",
	}}, "")
}

// movements are fees with and without tax, a dispute that is won, payouts that
// fail, and what a person entered or deleted; and a foreign receipt.
func (b *bookkeeper) movements() {
	b.t.Helper()
	fee := b.movement(connector.PaymentFee, "txn_00000001 INV-1", "1.15", "404")
	fee.Record.Payment.TaxCode = "INPUT2"
	id := b.upsert(fee, "created").ID
	b.upsert(again(fee), "unchanged")
	b.upsert(b.movement(connector.PaymentFeeRefund, "fees_2026-11-22_nzd", "0.30", "404"), "created")
	wrong := b.movement(connector.PaymentFee, "txn_00000002", "1.15", "404")
	wrong.Record.Payment.TaxCode = "OUTPUT2"
	b.upsert(wrong, "invalid")

	dispute := b.movement(connector.PaymentDispute, "du_00000001", "20.00", "404")
	b.upsert(b.failed(dispute, b.upsert(dispute, "created").ID), "updated")

	payout := b.movement(connector.PaymentPayout, "po_00000001", "9.00", "090")
	moved := b.upsert(payout, "created").ID
	back := b.upsert(b.failed(payout, moved), "updated").ID
	b.get(connector.EntityPayment, id, moved, back)
	_, err := b.s.TransferMoney(xero.TransferInput{From: "610", To: "090", Amount: "7.00"})
	b.must(err)
	b.upsert(b.movement(connector.PaymentPayout, "po_00000002", "7.00", "090"), "adopted")
	b.must(b.s.DeleteTransfer(back))
	b.upsert(b.failed(payout, back), "conflict")

	abroad, err := b.s.CreateInvoice(xero.InvoiceInput{Contact: "Acme", Currency: "USD", Lines: []xero.LineInput{{Description: "Work", UnitAmount: "50.00", Tax: "NONE"}}})
	b.must(err)
	paid := b.receipt(abroad, "ch_00000041", "50.00")
	paid.Record.Payment.Amount, paid.Record.Payment.Settled = amount(b.t, "50.00", "USD"), amount(b.t, "81.17", "NZD")
	b.upsert(paid, "created")
}

// refusals come from a lock date that moved, and from an archived contact.
func (b *bookkeeper) refusals() {
	b.t.Helper()
	inv := b.sale()
	paid := b.upsert(b.receipt(inv, "ch_00000031", "25.00"), "created")
	b.must(b.s.SetLockDates(time.Now().UTC().Format(time.DateOnly), ""))
	b.upsert(b.receipt(inv, "ch_00000032", "25.00"), "created") // on the day after
	_, err := b.s.ArchiveContact(inv.ContactID)
	b.must(err)
	b.upsert(b.refund(inv, paid.ID, "re_00000031", "25.00", connector.RefundCreditNote), "conflict")
}

// lists read everything, in several pages, with bodies and without.
func (b *bookkeeper) lists() {
	b.t.Helper()
	for _, e := range connector.Entities() {
		since := time.Now().Add(-time.Hour)
		if ids := b.list(connector.ListRequest{Entity: e, Since: since, PageSize: 3}); len(ids) < 3 {
			b.t.Errorf("list %s: %d records", e, len(ids))
		}
		b.list(connector.ListRequest{Entity: e, PageSize: 100, IDsOnly: true})
	}
	for _, stream := range []string{"bank_transactions", "bank_transfers"} {
		req := connector.ListRequest{Entity: connector.EntityPayment, Stream: stream, Since: time.Now().Add(-time.Hour), PageSize: 3}
		if ids := b.list(req); len(ids) < 3 {
			b.t.Errorf("list %s: %d records", stream, len(ids))
		}
	}
}
