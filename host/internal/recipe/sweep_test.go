package recipe

import (
	"errors"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

const sweepRecipe = `
recipe: r
connections: {a: {connector: aa}, b: {connector: bb}}
params: {currency: {type: string, default: NZD}}
flows:
  swept:
    from: a.invoice
    to: b.invoice
    needs: {other: {flow: never, id: invoice.contact_id}}
    sweep: {every: 36h, while: "invoice.status == 'open' && invoice.currency == params.currency && invoice.due_date > date('2026-01-01')"}
    map: {number: invoice.number}
  never:
    from: a.invoice
    to: b.invoice
    map: {number: invoice.number}
tests:
  - {name: open, flow: swept, sweep: true, record: {id: "1", invoice: {status: open, currency: NZD, due_date: 2026-03-01}}}
  - {name: paid, flow: swept, sweep: true, record: {id: "1", invoice: {status: paid, currency: NZD}}}
  - {name: no sweep, flow: never, sweep: false, record: {id: "1", invoice: {status: open}}}
`

func TestSweepWhile(t *testing.T) {
	r := parsed(t, sweepRecipe)
	params, err := r.Bind(nil, connector.Date{})
	if err != nil {
		t.Fatal(err)
	}
	due := connector.Date{Year: 2026, Month: time.March, Day: 1}
	body := func(status connector.InvoiceStatus, currency money.Currency, due connector.Date) *connector.Invoice {
		return &connector.Invoice{Status: status, Currency: currency, DueDate: due}
	}
	for _, tt := range []struct {
		name  string
		flow  string
		rec   connector.Record
		want  bool
		wrong bool // an error of kind invalid
	}{
		{name: "it holds", flow: "swept", rec: connector.Record{Invoice: body(connector.InvoiceOpen, "NZD", due)}, want: true},
		{name: "it does not hold", flow: "swept", rec: connector.Record{Invoice: body(connector.InvoicePaid, "NZD", due)}},
		{name: "it sees the parameters", flow: "swept", rec: connector.Record{Invoice: body(connector.InvoiceOpen, "AUD", due)}},
		{name: "a date that is not set", flow: "swept", rec: connector.Record{Invoice: body(connector.InvoiceOpen, "NZD", connector.Date{})}, wrong: true},
		{name: "a record that is gone", flow: "swept", rec: connector.Record{Gone: true}},
		{name: "a flow without a sweep", flow: "never", rec: connector.Record{Invoice: body(connector.InvoiceOpen, "NZD", due)}},
	} {
		tt.rec.Entity, tt.rec.ID = connector.EntityInvoice, "1"
		got, err := r.Flow(tt.flow).SweepWhile(Input{Record: tt.rec, Params: params})
		if got != tt.want || (err != nil) != tt.wrong {
			t.Errorf("%s: got %t, %v", tt.name, got, err)
		}
		var e *connector.Error
		if tt.wrong && (!errors.As(err, &e) || e.Kind != connector.Invalid) {
			t.Errorf("%s: got %v, want an error of kind invalid", tt.name, err)
		}
	}
	if s := r.Flow("swept").Sweep; s == nil || s.Every != 36*time.Hour || r.Flow("never").Sweep != nil {
		t.Errorf("got %+v and %+v", s, r.Flow("never").Sweep)
	}
}

// A recipe's own case says whether a record is swept.
func TestSweepCases(t *testing.T) {
	want := map[string]string{"open": "", "paid": "sweep: got false, want true", "no sweep": ""}
	for _, c := range parsed(t, sweepRecipe).Test() {
		got := ""
		if c.Err != nil {
			got = c.Err.Error()
		}
		if got != want[c.Name] {
			t.Errorf("%s: got %q, want %q", c.Name, got, want[c.Name])
		}
	}
}
