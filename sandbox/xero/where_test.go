package xero

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhere(t *testing.T) {
	w := newWorld(t, Config{})
	for _, in := range []struct{ number, amount, date, reference string }{
		{"INV-1", "10", "2026-10-01", "Alpha one"}, {"INV-2", "20.50", "2026-10-15", "alphabet"}, {"INV-3", "30", "2026-11-01", ""},
	} {
		if _, err := w.s.CreateInvoice(InvoiceInput{Contact: "Ridgeway", Number: in.number, Date: in.date, Reference: in.reference,
			LineAmountTypes: "NoTax", Lines: []LineInput{{Description: "x", UnitAmount: Number(in.amount)}}}); err != nil {
			t.Fatal(err)
		}
	}
	id := w.s.Invoices("INV-2")[0].InvoiceID
	contact := w.s.Contacts()[0].ContactID
	cases := []struct{ expr, want string }{
		{`InvoiceNumber=="INV-2"`, "INV-2"},
		{`invoicenumber="inv-2"`, "INV-2"},
		{`InvoiceID==guid("` + id + `")`, "INV-2"},
		{`InvoiceID==Guid("` + strings.ToUpper(id) + `")`, "INV-2"},
		{`Contact.ContactID==guid("` + contact + `") AND AmountDue>10`, "INV-2 INV-3"},
		{`Total>=20.50 && Total<=20.5`, "INV-2"},
		{`Total<10.01||Total>29.99`, "INV-1 INV-3"},
		{`Date>=DateTime(2026,10,15)`, "INV-2 INV-3"},
		{`Date>=DateTime(2026, 10, 01) AND Date<DateTime(2026, 11, 01)`, "INV-1 INV-2"},
		{`Reference.Contains("PHA")`, "INV-1 INV-2"},
		{`Reference.StartsWith("alphab")`, "INV-2"},
		{`Reference==null`, "INV-3"},
		{`Reference!=null`, "INV-1 INV-2"},
		{`Reference==""`, "INV-3"},
		{`Status!="PAID"`, "INV-1 INV-2 INV-3"},
		{`Status=="AUTHORISED" AND (InvoiceNumber=="INV-1" OR InvoiceNumber=="INV-3")`, "INV-1 INV-3"},
		{`InvoiceNumber=="INV-1" OR InvoiceNumber=="INV-2" AND Total==1`, "INV-1"},
	}
	for _, tc := range cases {
		t.Run(tc.expr, func(t *testing.T) {
			a := w.call("GET", "Invoices?order=InvoiceNumber&"+where(tc.expr), "")
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.raw)
			}
			var got []string
			for _, r := range a.records() {
				got = append(got, get(r, "InvoiceNumber"))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWhereRefuses(t *testing.T) {
	w := newWorld(t, Config{})
	w.invoice("INV-1", "10", "NZD")
	cases := []struct{ name, query string }{
		{"unknown field", where(`Colour=="red"`)},
		{"unknown field of a method", where(`Colour.Contains("red")`)},
		{"guid as text", where(`InvoiceID=="` + newID() + `"`)},
		{"text as number", where(`Total=="10"`)},
		{"not a guid", where(`InvoiceID==guid("x")`)},
		{"short date", where(`Date==DateTime(2026,10)`)},
		{"unterminated", where(`Status=="PAID`)},
		{"no operator", where(`Status "PAID"`)},
		{"no value", where(`Status==`)},
		{"single quotes", where(`Status=='PAID'`)},
		{"open bracket", where(`(Status=="PAID"`)},
		{"rest", where(`Status=="PAID")`)},
		{"deep", where(strings.Repeat("(", 30) + `Status=="PAID"` + strings.Repeat(")", 30))},
		{"method of a number", where(`Reference.Contains(1)`)},
		{"unknown order", "order=Colour"},
		{"bad direction", "order=" + url.QueryEscape("Date SIDEWAYS")},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			a := w.call("GET", "Invoices?"+tc.query, "")
			if a.status != 400 || !strings.Contains(a.raw, "QueryParseException") {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
}

func FuzzWhere(f *testing.F) {
	for _, s := range []string{`Status=="PAID"`, `(Total>1 OR Date<DateTime(2026,1,1)) && Reference.Contains("x")`, `a==guid("`} {
		f.Add(s)
	}
	cols := documentColumns("invoice")
	d := &document{contact: &contact{}}
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := parseWhere(s, cols)
		if err != nil {
			if _, ok := asProblem(err); !ok {
				t.Errorf("%v is not a refusal", err)
			}
			return
		}
		if _, err := filter(d); err != nil {
			if _, ok := asProblem(err); !ok {
				t.Errorf("%v is not a refusal", err)
			}
		}
	})
}
