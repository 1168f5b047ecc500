package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// listAll follows a feed until nothing more is there; between runs after each page.
func (w *world) listAll(entity connector.Entity, cursor string, size int, between func(page int)) ([]connector.Record, string) {
	w.t.Helper()
	var out []connector.Record
	for page := 1; ; page++ {
		got, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: entity, Cursor: cursor, PageSize: size})
		if err != nil {
			w.t.Fatalf("list page %d: %v", page, err)
		}
		out, cursor = append(out, got.Records...), got.Next
		if !got.More {
			return out, cursor
		}
		if page > 100 {
			w.t.Fatal("the list does not end")
		}
		if between != nil {
			between(page)
		}
	}
}

func TestListFollowsChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	want := map[string]bool{}
	for range 25 {
		want[w.invoice("10.00").InvoiceID] = true
		w.clock.Advance(2 * time.Second)
	}
	got, cursor := w.listAll(connector.EntityInvoice, "", 10, nil)
	if len(got) != 25 {
		t.Errorf("%d records of 25", len(got))
	}
	for _, r := range got {
		delete(want, r.ID)
	}
	if len(want) > 0 {
		t.Errorf("%d invoices are missing", len(want))
	}
	got, same := w.listAll(connector.EntityInvoice, cursor, 10, nil)
	if len(got) != 0 || same != cursor {
		t.Errorf("%d records and cursor %s on a second look, was %s", len(got), same, cursor)
	}
	inv := w.invoice("11.00")
	if got, _ = w.listAll(connector.EntityInvoice, cursor, 10, nil); len(got) != 1 || got[0].ID != inv.InvoiceID {
		t.Errorf("%d records after one change", len(got))
	}
}

// A record of the first page that is touched moves to the end; the first of
// the second page must not be lost by it.
func TestListWhileRecordsChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		gap  time.Duration // between the records; zero: all within one second
	}{{name: "over time", gap: 2 * time.Second}, {name: "all in one second"}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			var all []xero.Invoice
			for range 20 {
				all = append(all, w.invoice("10.00"))
				w.clock.Advance(tt.gap)
			}
			w.clock.Advance(10 * time.Second)
			seen := map[string]int{}
			got, _ := w.listAll(connector.EntityInvoice, "", 5, func(page int) {
				if page <= 3 {
					if _, err := w.s.EditInvoice(all[page].Number, xero.InvoiceInput{Reference: fmt.Sprint("touched ", page)}); err != nil {
						t.Fatal(err)
					}
				}
			})
			for _, r := range got {
				seen[r.ID]++
			}
			for i, inv := range all {
				if seen[inv.InvoiceID] == 0 {
					t.Errorf("invoice %d is missing", i)
				}
			}
		})
	}
}

func TestListSince(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	w.invoice("10.00")
	w.clock.Advance(10 * time.Minute)
	since := w.clock.Now()
	w.clock.Advance(time.Minute)
	late := w.invoice("11.00")
	page, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: connector.EntityInvoice, Since: since, PageSize: 500})
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != late.InvoiceID {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
	brief, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: connector.EntityInvoice, Since: since, PageSize: 500, IDsOnly: true})
	if err != nil || len(brief.Records) != 1 || brief.Records[0].ID != late.InvoiceID || brief.Records[0].Version != page.Records[0].Version {
		t.Errorf("ids only: %+v, %v", brief.Records, err)
	}
}

func TestListRefusesAForeignCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	_, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: connector.EntityInvoice, Cursor: "evt_1", PageSize: 1})
	if kind := kindOf(t, err); kind != connector.Invalid {
		t.Errorf("kind %s", kind)
	}
}

func TestListAndGetPayments(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.taxed()
	receipt := w.paid(inv, "ch_00000001", "125.00")
	w.expect(w.pay(w.refund(inv, receipt, "re_00000001", "25.00", ""))[0], "created")
	gone := w.invoice("10.00")
	deleted := w.paid(gone, "ch_00000002", "10.00")
	if err := w.s.DeletePayment(deleted.ID); err != nil {
		t.Fatal(err)
	}
	bill := w.invoiceOf(xero.InvoiceInput{Type: "ACCPAY", Contact: "Supplier", Lines: []xero.LineInput{{Description: "x", UnitAmount: "5", Tax: "NONE", Account: "404"}}})
	if _, err := w.s.PayInvoice(bill.InvoiceID, xero.PaymentDetails{}); err != nil {
		t.Fatal(err)
	}
	got, _ := w.listAll(connector.EntityPayment, "", 500, nil)
	summary := map[string]string{}
	for _, r := range got {
		p := r.Payment
		summary[markOf(p.Reference)] = fmt.Sprint(p.Kind, " ", p.Status, " ", p.Amount, " ", p.InvoiceID == inv.InvoiceID, " ", p.Account)
	}
	want := map[string]string{
		"ch_00000001": "receipt succeeded 125.00 NZD true 610",
		"re_00000001": "refund succeeded 25.00 NZD false 610",
		"ch_00000002": "receipt failed 10.00 NZD false 610",
	}
	if diff := cmp.Diff(summary, want); diff != "" {
		t.Errorf("payments (-got +want):\n%s", diff)
	}
	read, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityPayment, IDs: []string{receipt.ID, deleted.ID, "nonsense"}})
	if err != nil || len(read) != 2 {
		t.Errorf("get: %d payments, %v", len(read), err)
	}
}

// A receipt that nothing was due for is an overpayment as a whole; it is read back
// under that id.
func TestGetReceiptThatIsAnOverpayment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	if _, err := w.s.PayInvoice(inv.Number, xero.PaymentDetails{}); err != nil {
		t.Fatal(err)
	}
	write := w.receipt(inv, "ch_00000001", "100.00")
	out := w.pay(write)[0]
	w.expect(out, "created")
	read := func() *connector.Payment {
		t.Helper()
		recs, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityPayment, IDs: []string{out.ID}})
		if err != nil || len(recs) != 1 || recs[0].ID != out.ID || recs[0].Version == "" {
			t.Fatalf("got %+v, %v", recs, err)
		}
		return recs[0].Payment
	}
	if got := read(); got.Kind != connector.PaymentReceipt || got.Status != connector.PaymentSucceeded || got.Amount.String() != "100.00 NZD" ||
		got.Reference != "ch_00000001" || got.InvoiceID != "" {
		t.Errorf("got %+v", got)
	}
	write = again(write)
	write.TargetID, write.Record.Payment.Status = out.ID, connector.PaymentFailed
	w.expect(w.pay(write)[0], "updated")
	if got := read(); got.Status != connector.PaymentFailed {
		t.Errorf("taken back, it is %s", got.Status)
	}
}

func TestGetInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.taxed()
	receipt := w.paid(inv, "ch_00000001", "25.00")
	got, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityInvoice, IDs: []string{inv.InvoiceID, "5d1c6a1e-0000-4000-8000-000000000000"}})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d invoices, %v", len(got), err)
	}
	one, _ := money.ParseDecimal("1")
	hundred, _ := money.ParseDecimal("100")
	ten, _ := money.ParseDecimal("10")
	issue, _ := connector.ParseDate(inv.Date)
	due, _ := connector.ParseDate(inv.Due)
	want := &connector.Invoice{
		Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: inv.Number, ContactID: inv.ContactID, ContactName: "Ridgeway University",
		Currency: "NZD", IssueDate: issue, DueDate: due, TaxMode: connector.TaxExclusive,
		Lines: []connector.InvoiceLine{
			{Description: "Work", Quantity: one, UnitPrice: hundred, Amount: nzd("100"), Tax: nzd("15"), TaxCode: "OUTPUT2", AccountCode: "200"},
			{Description: "Stamps", Quantity: one, UnitPrice: ten, Amount: nzd("10"), Tax: nzd("0"), TaxCode: "NONE", AccountCode: "200"},
		},
		Total: nzd("125"), TaxTotal: nzd("15"), AmountDue: nzd("100"), AmountPaid: nzd("25"), AmountCredited: nzd("0"),
		ViewURL: viewURL + inv.InvoiceID, PaymentIDs: []string{receipt.ID}, PaymentReferences: []string{"ch_00000001"}, Marks: map[string]string{}, Extra: map[string]connector.Value{"xero_status": {Text: "AUTHORISED"}},
	}
	if diff := cmp.Diff(got[0].Invoice, want); diff != "" {
		t.Errorf("invoice (-got +want):\n%s", diff)
	}
	if got[0].Version == "" || got[0].UpdatedAt.IsZero() {
		t.Errorf("record: %+v", got[0])
	}
}

// The marks of what is posted: those of payments that were deleted are not.
func TestPaymentReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	w.paid(inv, "ch_00000002 INV-1", "30.00")
	gone := w.paid(inv, "ch_00000003", "20.00")
	w.paid(inv, "ch_00000001 less re_00000001", "10.00")
	if err := w.s.DeletePayment(gone.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.PayInvoice(inv.InvoiceID, xero.PaymentDetails{Amount: "5.00"}); err != nil {
		t.Fatal(err)
	}
	page, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: connector.EntityInvoice, PageSize: 500})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("%d records, %v", len(page.Records), err)
	}
	read, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityInvoice, IDs: []string{inv.InvoiceID}})
	if err != nil || len(read) != 1 {
		t.Fatalf("%d records, %v", len(read), err)
	}
	want := []string{"ch_00000001", "ch_00000002"}
	if diff := cmp.Diff([][]string{page.Records[0].Invoice.PaymentReferences, read[0].Invoice.PaymentReferences}, [][]string{want, want}); diff != "" {
		t.Errorf("marks in the list and read (-got +want):\n%s", diff)
	}
}

// A payment that a person entered bears the mark of the receipt that it serves,
// once it was recognised: what is due is due on top of that receipt.
func TestPaymentReferencesOfAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("100.00")
	if _, err := w.s.PayInvoice(inv.InvoiceID, xero.PaymentDetails{Amount: "70.00", Account: "610"}); err != nil {
		t.Fatal(err)
	}
	marks := func() []string {
		t.Helper()
		page, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: connector.EntityInvoice, PageSize: 500})
		if err != nil || len(page.Records) != 1 {
			t.Fatalf("%d records, %v", len(page.Records), err)
		}
		read, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityInvoice, IDs: []string{inv.InvoiceID}})
		if err != nil || len(read) != 1 {
			t.Fatalf("%d records, %v", len(read), err)
		}
		if diff := cmp.Diff(page.Records[0].Invoice.PaymentReferences, read[0].Invoice.PaymentReferences); diff != "" {
			t.Errorf("marks in the list and read (-list +read):\n%s", diff)
		}
		return read[0].Invoice.PaymentReferences
	}
	if got := marks(); len(got) != 0 {
		t.Errorf("marks %v before anything was recognised", got)
	}
	w.expect(w.pay(w.receipt(inv, "ch_00000001", "70.00"))[0], "adopted")
	if diff := cmp.Diff(marks(), []string{"ch_00000001"}); diff != "" {
		t.Errorf("marks (-got +want):\n%s", diff)
	}
}

func TestInvoiceStatusAndPrecision(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		form invoiceForm
		want connector.InvoiceStatus // "": cannot be read
	}{
		{name: "draft", form: invoiceForm{Status: "DRAFT", CurrencyCode: "NZD"}, want: connector.InvoiceDraft},
		{name: "submitted", form: invoiceForm{Status: "SUBMITTED", CurrencyCode: "NZD"}, want: connector.InvoiceDraft},
		{name: "deleted", form: invoiceForm{Status: "DELETED", CurrencyCode: "NZD"}, want: connector.InvoiceVoid},
		{name: "an unknown status", form: invoiceForm{Status: "FROZEN", CurrencyCode: "NZD"}},
		{name: "yen", form: invoiceForm{Status: "PAID", CurrencyCode: "JPY", Total: "1000.00"}, want: connector.InvoicePaid},
		{name: "yen with decimals", form: invoiceForm{Status: "PAID", CurrencyCode: "JPY", Total: "1000.50"}},
		{name: "dinars", form: invoiceForm{Status: "PAID", CurrencyCode: "KWD", Total: "1.23"}, want: connector.InvoicePaid},
		{name: "no currency", form: invoiceForm{Status: "PAID"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec, err := tt.form.record()
			if tt.want == "" {
				if err == nil || rec.Invoice != nil {
					t.Errorf("record %+v, error %v", rec.Invoice, err)
				}
				return
			}
			if err != nil || rec.Invoice.Status != tt.want {
				t.Errorf("%+v, %v", rec.Invoice, err)
			}
		})
	}
}

func TestUpsertInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	c := w.person("Acme", "")
	write := connector.Write{Key: "inv-1", Attempt: 1, Record: connector.Record{Entity: connector.EntityInvoice, Invoice: &connector.Invoice{
		Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: "X-1", ContactID: c.ContactID, Currency: "NZD", TaxMode: connector.TaxExclusive,
		IssueDate: connector.DateOf(w.clock.Now()), DueDate: connector.DateOf(w.clock.Now()),
		Lines: []connector.InvoiceLine{{Description: "Work", Amount: nzd("100"), AccountCode: "200", TaxCode: "OUTPUT2"}}, Total: nzd("115"),
	}}}
	out := w.upsert(connector.EntityInvoice, write)[0]
	w.expect(out, "created")
	w.expect(w.upsert(connector.EntityInvoice, again(write))[0], "unchanged")
	wrong := write
	changed := *write.Record.Invoice
	changed.Number, changed.Total = "X-2", nzd("116")
	wrong.Key, wrong.Record.Invoice = "inv-2", &changed
	w.expect(w.upsert(connector.EntityInvoice, wrong)[0], "invalid")
	if got := w.now("X-2").Status; got != "VOIDED" {
		t.Errorf("the wrong invoice is %s", got)
	}
	write.TargetID = out.ID
	w.expect(w.upsert(connector.EntityInvoice, write)[0], "unchanged")
	void := *write.Record.Invoice
	void.Status = connector.InvoiceVoid
	write.Record.Invoice = &void
	w.expect(w.upsert(connector.EntityInvoice, write)[0], "updated")
	w.expect(w.upsert(connector.EntityInvoice, write)[0], "unchanged")
}
