package xero

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const lineJSON = `{"Description":"Service","Quantity":1,"UnitAmount":100,"AccountCode":"200"}`

func invoiceJSON(extra string) string {
	return `{"Type":"ACCREC","Contact":{"Name":"Ridgeway"},"Date":"2026-10-15","DueDate":"2026-10-29","Status":"AUTHORISED",` +
		`"LineItems":[` + lineJSON + `]` + extra + `}`
}

func TestInvoiceSums(t *testing.T) {
	cases := []struct {
		name, types, lines, sub, tax, total string
	}{
		{"exclusive", "Exclusive", lineJSON, "100.00", "15.00", "115.00"},
		{"inclusive", "Inclusive", lineJSON, "86.96", "13.04", "100.00"},
		{"no tax", "NoTax", lineJSON, "100.00", "0.00", "100.00"},
		{"tax is rounded per line", "Exclusive", strings.Repeat(`{"Description":"x","UnitAmount":0.10,"AccountCode":"200"},`, 2) +
			`{"Description":"x","UnitAmount":0.10,"AccountCode":"200"}`, "0.30", "0.06", "0.36"},
		{"discount", "Exclusive", `{"Description":"x","Quantity":3,"UnitAmount":33.33,"DiscountRate":10,"AccountCode":"200","TaxType":"NONE"}`,
			"89.99", "0.00", "89.99"},
		{"line amount alone", "Exclusive", `{"Description":"x","LineAmount":20,"AccountCode":"200"}`, "20.00", "3.00", "23.00"},
		{"given tax", "Exclusive", `{"Description":"x","LineAmount":20,"TaxAmount":2.99,"AccountCode":"200"}`, "20.00", "2.99", "22.99"},
		{"negative line", "Exclusive", lineJSON + `,{"Description":"off","UnitAmount":-10,"AccountCode":"200"}`, "90.00", "13.50", "103.50"},
		{"unit amount is rounded to 2", "NoTax", `{"Description":"x","UnitAmount":1.0051,"Quantity":100,"AccountCode":"200"}`, "101.00", "0.00", "101.00"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			o := w.must("PUT", "Invoices", `{"Type":"ACCREC","Contact":{"Name":"A"},"DueDate":"2026-12-01","Status":"AUTHORISED","LineAmountTypes":"`+
				tc.types+`","LineItems":[`+tc.lines+`]}`)
			wants(t, o, "SubTotal", tc.sub, "TotalTax", tc.tax, "Total", tc.total, "AmountDue", tc.total, "AmountPaid", "0.00")
		})
	}
}

func TestUnitDecimals(t *testing.T) {
	w := newWorld(t, Config{})
	o := w.must("PUT", "Invoices?unitdp=4", `{"Type":"ACCREC","Contact":{"Name":"A"},"LineAmountTypes":"NoTax","LineItems":[{"Description":"x","UnitAmount":1.0051,"Quantity":100,"AccountCode":"200"}]}`)
	wants(t, o, "Total", "100.51", "LineItems.0.UnitAmount", "1.0051", "Status", "DRAFT")
	wants(t, w.must("GET", "Invoices/"+get(o, "InvoiceID"), ""), "LineItems.0.UnitAmount", "1.01")
}

func TestInvoiceFieldsAndNumbers(t *testing.T) {
	w := newWorld(t, Config{})
	first := w.must("PUT", "Invoices", invoiceJSON(`,"Reference":"PO 7","Url":"https://example.com/1","SentToContact":true`))
	wants(t, first, "InvoiceNumber", "INV-0001", "Reference", "PO 7", "Url", "https://example.com/1", "SentToContact", "true",
		"CurrencyCode", "NZD", "CurrencyRate", "1.0", "DateString", "2026-10-15T00:00:00", "Date", "/Date(1792022400000+0000)/",
		"DueDateString", "2026-10-29T00:00:00", "AmountCredited", "<none>", "LineItems.0.TaxType", "OUTPUT2", "Contact.Name", "Ridgeway")
	byNumber := w.must("GET", "Invoices/INV-0001", "")
	wants(t, byNumber, "InvoiceID", get(first, "InvoiceID"), "AmountCredited", "0.00")
	wants(t, w.must("GET", "Invoices/"+get(first, "InvoiceID")+"/OnlineInvoice", ""), "OnlineInvoiceUrl",
		"https://in.xero.com/"+strings.ReplaceAll(get(first, "InvoiceID"), "-", ""))
	if len(w.s.Contacts()) != 1 {
		t.Error("the name did not make one contact")
	}
	usd := w.must("PUT", "Invoices", invoiceJSON(`,"CurrencyCode":"USD"`))
	wants(t, usd, "InvoiceNumber", "INV-0002", "CurrencyCode", "USD", "CurrencyRate", "0.6")
}

func TestInvoiceRefusals(t *testing.T) {
	cases := []struct{ name, method, body, want string }{
		{"number is taken", "PUT", invoiceJSON(`,"InvoiceNumber":"inv-1"`), "Invoice # must be unique."},
		{"currency", "PUT", invoiceJSON(`,"CurrencyCode":"XAU"`), "Organisation is not subscribed to currency XAU"},
		{"locked", "PUT", strings.Replace(invoiceJSON(""), "2026-10-15", "2026-01-31", 1), "The document date cannot be before the period lock date, currently set at 31 January 2026"},
		{"locked by year", "PUT", strings.Replace(invoiceJSON(""), "2026-10-15", "2025-03-31", 1), "end of year lock date"},
		{"no due date", "PUT", strings.Replace(invoiceJSON(""), `"DueDate":"2026-10-29",`, "", 1), "DueDate"},
		{"no lines", "PUT", `{"Type":"ACCREC","Contact":{"Name":"A"},"DueDate":"2026-10-29","Status":"AUTHORISED"}`, "line items"},
		{"no contact", "PUT", `{"Type":"ACCREC"}`, "The Contact must contain at least 1"},
		{"no type", "PUT", `{"Contact":{"Name":"A"}}`, "Type"},
		{"unknown account", "PUT", strings.Replace(invoiceJSON(""), `"200"`, `"999"`, 1), "Account code 999 is not a valid code for this document."},
		{"bank account", "PUT", strings.Replace(invoiceJSON(""), `"200"`, `"610"`, 1), "Account code 610 is not a valid code"},
		{"tax of expenses", "PUT", strings.Replace(invoiceJSON(""), `"200"`, `"200","TaxType":"INPUT2"`, 1), "The TaxType code 'INPUT2' cannot be used with account code '200'."},
		{"line total", "PUT", strings.Replace(invoiceJSON(""), `"200"`, `"200","LineAmount":99`, 1), "The line total 99.00 does not match the expected line total 100.00"},
		{"paid by hand", "PUT", strings.Replace(invoiceJSON(""), "AUTHORISED", "PAID", 1), "not of valid status"},
		{"negative total", "PUT", strings.Replace(invoiceJSON(""), "100", "-100", 1), "less than zero"},
		{"url", "PUT", invoiceJSON(`,"Url":"https://xero.example.com"`), "must not contain xero"},
		{"line id of another", "PUT", strings.Replace(invoiceJSON(""), `"200"`, `"200","LineItemID":"`+zeroID+`"`, 1), "LineItemID"},
		{"rate of zero", "PUT", invoiceJSON(`,"CurrencyCode":"USD","CurrencyRate":0`), "CurrencyRate"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.invoice("INV-1", "10", "NZD")
			if err := w.s.SetLockDates("2026-01-31", "2025-03-31"); err != nil {
				t.Fatal(err)
			}
			a := w.call(tc.method, "Invoices", tc.body)
			if a.status != 400 || !strings.Contains(a.raw, tc.want) {
				t.Errorf("got %d %s, want %q", a.status, a.raw, tc.want)
			}
			if len(w.s.Invoices("")) != 1 || len(w.s.Contacts()) != 1 {
				t.Error("something was kept")
			}
		})
	}
}

func TestInvoiceStates(t *testing.T) {
	cases := []struct {
		name, from, to string
		pay            bool
		want           string // empty: it works
	}{
		{"submit a draft", "DRAFT", "SUBMITTED", false, ""},
		{"approve a draft", "DRAFT", "AUTHORISED", false, ""},
		{"delete a draft", "DRAFT", "DELETED", false, ""},
		{"void a draft", "DRAFT", "VOIDED", false, "Invoice not of valid status for modification"},
		{"back to draft", "SUBMITTED", "DRAFT", false, ""},
		{"void", "AUTHORISED", "VOIDED", false, ""},
		{"delete approved", "AUTHORISED", "DELETED", false, "Invoice not of valid status for modification"},
		{"unapprove", "AUTHORISED", "DRAFT", false, "Invoice not of valid status for modification"},
		{"void with a payment", "AUTHORISED", "VOIDED", true, "This document cannot be edited"},
		{"approve a voided one", "VOIDED", "AUTHORISED", false, "Invoice not of valid status for modification"},
		{"approve a deleted one", "DELETED", "AUTHORISED", false, "Invoice not of valid status for modification"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			made, then := tc.from, ""
			if tc.from == "VOIDED" {
				made, then = "AUTHORISED", "VOIDED"
			}
			if tc.from == "DELETED" {
				made, then = "DRAFT", "DELETED"
			}
			o := w.must("PUT", "Invoices", strings.Replace(invoiceJSON(""), "AUTHORISED", made, 1))
			id := get(o, "InvoiceID")
			if then != "" {
				w.must("POST", "Invoices/"+id, `{"Status":"`+then+`"}`)
			}
			if tc.pay {
				w.payment(id, "1", "ch_1")
			}
			a := w.call("POST", "Invoices/"+id, `{"Status":"`+tc.to+`"}`)
			if tc.want == "" {
				if a.status != 200 || get(a.records()[0], "Status") != tc.to {
					t.Errorf("got %d %s", a.status, a.raw)
				}
			} else if a.status != 400 || !strings.Contains(a.raw, tc.want) {
				t.Errorf("got %d %s, want %q", a.status, a.raw, tc.want)
			}
		})
	}
}

func TestInvoiceEditLines(t *testing.T) {
	w := newWorld(t, Config{})
	o := w.must("PUT", "Invoices", strings.Replace(invoiceJSON(""), lineJSON, lineJSON+","+lineJSON, 1))
	keepID := get(o, "LineItems.0.LineItemID")
	body := fmt.Sprintf(`{"InvoiceID":%q,"LineItems":[{"LineItemID":%q,"Description":"Kept","UnitAmount":50,"AccountCode":"200"}]}`, get(o, "InvoiceID"), keepID)
	after := w.must("POST", "Invoices", body)
	wants(t, after, "LineItems.0.LineItemID", keepID, "LineItems.1", "<none>", "Total", "57.50", "InvoiceNumber", "INV-0001")
	renamed := w.must("POST", "Invoices", `{"InvoiceNumber":"INV-0001","Reference":"by number"}`)
	wants(t, renamed, "InvoiceID", get(o, "InvoiceID"), "Reference", "by number", "Total", "57.50")
	if a := w.call("POST", "Invoices/"+newID(), `{"Status":"VOIDED"}`); a.status != 404 {
		t.Errorf("unknown id: %d", a.status)
	}
}

func TestPaidInvoiceIsReadOnly(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	w.payment(inv.InvoiceID, "4", "ch_1")
	before := w.s.Invoices("INV-1")[0].Updated
	w.clock.Advance(time.Minute)
	if a := w.call("POST", "Invoices/"+inv.InvoiceID, `{"LineItems":[`+lineJSON+`]}`); a.status != 400 || !strings.Contains(a.raw, "cannot be edited") {
		t.Errorf("lines: %d %s", a.status, a.raw)
	}
	wants(t, w.must("POST", "Invoices/"+inv.InvoiceID, `{"SentToContact":true}`), "SentToContact", "true")
	if after := w.s.Invoices("INV-1")[0].Updated; !after.Equal(before) {
		t.Error("SentToContact on a part-paid invoice moved UpdatedDateUTC")
	}
}

func TestInvoiceLists(t *testing.T) {
	w := newWorld(t, Config{})
	a1 := w.invoice("INV-1", "10", "NZD")
	w.clock.Advance(2 * time.Second)
	a2 := w.invoice("INV-2", "20", "NZD")
	w.must("PUT", "Invoices", invoiceJSON(`,"InvoiceNumber":"INV-3"`))
	if _, err := w.s.VoidInvoice("INV-2"); err != nil {
		t.Fatal(err)
	}
	contact := a1.ContactID
	cases := []struct {
		name, query string
		want        int
	}{
		{"all", "", 3}, {"ids", "?IDs=" + a1.InvoiceID + "," + a2.InvoiceID, 2}, {"numbers", "?InvoiceNumbers=INV-1,INV-9", 1},
		{"contacts", "?ContactIDs=" + contact, 2}, {"statuses", "?Statuses=VOIDED,PAID", 1}, {"ours", "?createdByMyApp=true", 1},
		{"search", "?searchTerm=ridgeway", 3}, {"page", "?page=2&pageSize=2", 1}, {"page beyond", "?page=9", 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if a := w.call("GET", "Invoices"+tc.query, ""); a.status != 200 || len(a.records()) != tc.want {
				t.Errorf("got %d with %d records, want %d", a.status, len(a.records()), tc.want)
			}
		})
	}
	unpaged := w.call("GET", "Invoices", "")
	paged := w.call("GET", "Invoices?page=1", "")
	wants(t, unpaged.json, "Invoices.0.LineItems.0", "<none>", "pagination", "<none>")
	wants(t, paged.json, "Invoices.0.LineItems.0.Description", "Service", "pagination.itemCount", "3")
	summary := w.call("GET", "Invoices?summaryOnly=true", "")
	wants(t, summary.json, "Invoices.0.LineItems", "<none>", "Invoices.0.AmountDue", "10.00", "pagination.page", "1")
	since := w.call("GET", "Invoices?page=1", "", "If-Modified-Since", a1.Updated.Add(time.Second).Format(isoLayout))
	if n := len(since.records()); n != 2 {
		t.Errorf("since: %d", n)
	}
	again := w.call("GET", "Invoices?page=1", "", "If-Modified-Since", a1.Updated.Format(isoLayout))
	if n := len(again.records()); n != 3 {
		t.Errorf("the last row does not come back: %d", n)
	}
}

func TestBillsShareNumbers(t *testing.T) {
	w := newWorld(t, Config{})
	bill := `{"Type":"ACCPAY","Contact":{"Name":"Supplier"},"InvoiceNumber":"7","DueDate":"2026-12-01","Status":"AUTHORISED","LineItems":[{"Description":"Fee","UnitAmount":5,"AccountCode":"404"}]}`
	w.must("PUT", "Invoices", bill)
	second := w.must("PUT", "Invoices", bill)
	wants(t, second, "Type", "ACCPAY", "TotalTax", "0.75", "Reference", "<none>")
	p := w.payment(get(second, "InvoiceID"), "5.75", "")
	wants(t, p, "PaymentType", "ACCPAYPAYMENT", "Invoice.Status", "PAID")
}

func TestHistory(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	path := "Invoices/" + inv.InvoiceID + "/History"
	w.must("PUT", path, `{"HistoryRecords":[{"Details":"Paid by card"}]}`)
	wants(t, w.must("GET", path, ""), "Details", "Paid by card", "User", "System Generated")
	if a := w.call("PUT", path, `{"HistoryRecords":[{"Details":"`+strings.Repeat("x", 2501)+`"}]}`); a.status != 400 {
		t.Errorf("too long: %d", a.status)
	}
}

func TestZeroTotalIsPaidAtOnce(t *testing.T) {
	w := newWorld(t, Config{})
	if inv := w.invoice("INV-1", "0", "NZD"); inv.Status != "PAID" {
		t.Errorf("status %s", inv.Status)
	}
}
