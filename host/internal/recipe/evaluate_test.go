package recipe

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// bindShipped binds the shipped recipe's parameters to plain values.
func bindShipped(t testing.TB, r *Recipe) Params {
	t.Helper()
	p, err := r.Bind(map[string]string{"clearing_account": "610"}, connector.Date{Year: 2026, Month: time.January, Day: 1})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func approvedInvoice() connector.Record {
	return connector.Record{Entity: connector.EntityInvoice, ID: "inv-1", Version: "7", Invoice: &connector.Invoice{
		Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: "INV-1", ContactID: "con-1", Currency: "NZD",
		IssueDate: connector.Date{Year: 2026, Month: 9, Day: 14}, TaxMode: connector.TaxExclusive,
		Lines: []connector.InvoiceLine{{Description: "Consulting", Amount: money.MustNew(10000, "NZD"), Tax: money.MustNew(1500, "NZD")}},
		Total: money.MustNew(11500, "NZD"), TaxTotal: money.MustNew(1500, "NZD"), AmountDue: money.MustNew(11500, "NZD"), AmountPaid: money.Zero("NZD"),
	}}
}

func TestEvaluateWant(t *testing.T) {
	r := shipped(t)
	flow := r.Flow("invoices-out")
	in := Input{Record: approvedInvoice(), Params: bindShipped(t, r), From: Side{"xero", "tenant-1"}, To: Side{"stripe", "acct_1"}}

	needs, err := flow.Needs(in)
	if err != nil {
		t.Fatal(err)
	}
	wantNeeds := []Need{{Name: "customer", Flow: "contacts-out", ID: "con-1"}}
	if diff := cmp.Diff(wantNeeds, needs); diff != "" {
		t.Errorf("needs differ (-want +got):\n%s", diff)
	}
	d, err := flow.Evaluate(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Decision{Wait: &Wait{Needs: wantNeeds}}, d); diff != "" {
		t.Errorf("without its customer (-want +got):\n%s", diff)
	}

	in.Needs, in.Linked, in.TargetID = map[string]string{"customer": "cus_1"}, true, "in_1"
	d, err = flow.Evaluate(in)
	if err != nil {
		t.Fatal(err)
	}
	body := *approvedInvoice().Invoice
	body.ContactID = "cus_1"
	body.Marks = map[string]string{"xero_invoice_id": "inv-1", "xero_invoice_number": "INV-1", "xero_tenant_id": "tenant-1"}
	want := Decision{Want: &Want{Record: connector.Record{Entity: connector.EntityInvoice, ID: "in_1", Invoice: &body}}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("decision differs (-want +got):\n%s", diff)
	}
}

func TestAlsoRecordsAndExpand(t *testing.T) {
	r := shipped(t)
	flow := r.Flow("invoices-out")
	if diff := cmp.Diff([]Also{{End: End{Connection: "xero", Entity: connector.EntityPayment}},
		{End: End{Connection: "stripe", Entity: connector.EntityPayment}, Target: true}}, flow.Also()); diff != "" {
		t.Errorf("also differs (-want +got):\n%s", diff)
	}
	in := Input{Params: bindShipped(t, r), Record: connector.Record{Entity: connector.EntityPayment, ID: "p", Payment: &connector.Payment{InvoiceID: "inv-1"}}}
	ids, err := flow.AlsoRecords(in, false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"inv-1"}, ids); diff != "" {
		t.Errorf("records differ (-want +got):\n%s", diff)
	}
	in.Record.Payment.InvoiceID = ""
	if ids, err := flow.AlsoRecords(in, false); err != nil || ids != nil {
		t.Errorf("a payment of no invoice: got %v, %v", ids, err)
	}
	in.Record.Payment = &connector.Payment{InvoiceID: "in_1", Status: connector.PaymentFailed,
		Marks: map[string]string{"xero_invoice_id": "inv-1", "xero_tenant_id": "tenant-1"}}
	in.From.Account = "tenant-1"
	if ids, err := flow.AlsoRecords(in, true); err != nil || len(ids) != 1 || ids[0] != "inv-1" {
		t.Errorf("a failed payment of the target: got %v, %v", ids, err)
	}
	in.Record = approvedInvoice()
	if ids, err := flow.AlsoRecords(in, false); err != nil || ids != nil {
		t.Errorf("an entity that is not named: got %v, %v", ids, err)
	}
	in.Record = connector.Record{Entity: connector.EntityPayment, ID: "ch_1", Payment: &connector.Payment{Kind: connector.PaymentReceipt, RefundIDs: []string{"re_1", "", "re_2", "re_1"}}}
	if ids, err = r.Flow("refunds-in").Expand(in); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"re_1", "re_2"}, ids); diff != "" {
		t.Errorf("expand differs (-want +got):\n%s", diff)
	}
}

// fragileRecipe maps what a record may not have.
const fragileRecipe = `
recipe: r
connections:
  a: {connector: aa}
  b: {connector: bb}
params:
  acct: {type: string, default: "610"}
flows:
  other:
    from: a.contact
    to: b.contact
    map: {name: contact.name}
  f:
    from: a.invoice
    to: b.payment
    needs:
      c: {flow: other, id: invoice.contact_id}
    skip:
      - {when: "invoice.number == 'empty reason'", because: =invoice.reference}
    map:
      invoice_id: invoice.marks.id
      amount: invoice.amount_due + invoice.amount_paid
      kind: invoice.marks.kind
      account: params.acct
`

// A record that cannot be mapped is an Invalid error that names recipe, flow
// and field, whatever is wrong with it.
func TestEvaluateErrors(t *testing.T) {
	r := parsed(t, fragileRecipe)
	bound, err := r.Bind(nil, connector.Date{})
	if err != nil {
		t.Fatal(err)
	}
	good := func() Input {
		return Input{Params: bound, Needs: map[string]string{"c": "1"}, Record: connector.Record{Entity: connector.EntityInvoice, ID: "1", Invoice: &connector.Invoice{
			ContactID: "con-1", AmountDue: money.MustNew(1, "NZD"), AmountPaid: money.MustNew(2, "NZD"), Marks: map[string]string{"id": "x", "kind": "receipt"},
		}}}
	}
	if d, err := r.Flow("f").Evaluate(good()); err != nil || d.Want == nil {
		t.Fatalf("good record: got %v, %v", d, err)
	}
	for _, tt := range []struct {
		name  string
		spoil func(in *Input)
		want  string
	}{
		{"missing mark", func(in *Input) { delete(in.Record.Invoice.Marks, "id") }, "flows.f.map.invoice_id: no such key: id"},
		{"two currencies", func(in *Input) { in.Record.Invoice.AmountPaid = money.MustNew(1, "USD") }, "flows.f.map.amount: "},
		{"overflow", func(in *Input) { in.Record.Invoice.AmountDue = money.MustNew(1<<63-1, "NZD") }, "flows.f.map.amount: "},
		{"a word that the field does not have", func(in *Input) { in.Record.Invoice.Marks["kind"] = "gift" }, "flows.f.map.kind: 'gift' is not "},
		{"a need without an id", func(in *Input) { in.Needs, in.Record.Invoice.ContactID = nil, "" }, "flows.f.needs.c.id: "},
		{"an empty reason", func(in *Input) { in.Record.Invoice.Number = "empty reason" }, "flows.f.skip[0].because: the reason is empty"},
		{"a record without a body", func(in *Input) { in.Record.Invoice = nil }, "no such key: id"},
		{"a record of another entity", func(in *Input) { in.Record = connector.Record{Entity: connector.EntityContact} }, "a record of contact cannot start a flow from a.invoice"},
		{"unbound parameters", func(in *Input) { in.Params = Params{} }, "not bound"},
		{"parameters of another recipe", func(in *Input) { in.Params = bindShipped(t, shipped(t)) }, "not bound"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := good()
			tt.spoil(&in)
			d, err := r.Flow("f").Evaluate(in)
			var e *connector.Error
			if !errors.As(err, &e) || e.Kind != connector.Invalid {
				t.Fatalf("got %v, %v; want an Invalid error", d, err)
			}
			if e.Op != "recipe r: flow f" || !strings.Contains(e.Message, tt.want) || e.Remedy == "" {
				t.Errorf("got %q, remedy %q; want it to contain %q", e, e.Remedy, tt.want)
			}
		})
	}
}

// A recipe is used by many workers at once; the race detector watches.
func TestEvaluateConcurrently(t *testing.T) {
	r := shipped(t)
	p := bindShipped(t, r)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				in := Input{Record: approvedInvoice(), Params: p, Needs: map[string]string{"customer": "cus_1"}}
				if d, err := r.Flow("invoices-out").Evaluate(in); err != nil || d.Want == nil {
					t.Errorf("got %v, %v", d, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkEvaluate(b *testing.B) {
	r := shipped(b)
	p := bindShipped(b, r)
	flow, record := r.Flow("invoices-out"), approvedInvoice()
	b.ReportAllocs()
	for range b.N {
		in := Input{Record: record, Params: p, Needs: map[string]string{"customer": "cus_1"}}
		if _, err := flow.Evaluate(in); err != nil {
			b.Fatal(err)
		}
	}
}
