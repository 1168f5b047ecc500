package xero

import (
	"fmt"
	"strings"
	"testing"
)

func creditJSON(contactID, amount string) string {
	return fmt.Sprintf(`{"CreditNotes":[{"Type":"ACCRECCREDIT","Status":"AUTHORISED","Contact":{"ContactID":%q},"Reference":"re_1","LineAmountTypes":"NoTax",`+
		`"LineItems":[{"Description":"Refund","Quantity":1,"UnitAmount":%s,"AccountCode":"200"}]}]}`, contactID, amount)
}

func allocationJSON(invoiceID, amount string) string {
	return fmt.Sprintf(`{"Allocations":[{"Invoice":{"InvoiceID":%q},"Amount":%s,"Date":"2026-11-20"}]}`, invoiceID, amount)
}

func TestRefundByCreditNote(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	w.payment(inv.InvoiceID, "100", "ch_1")
	note := w.must("PUT", "CreditNotes", creditJSON(inv.ContactID, "30"))
	id := get(note, "CreditNoteID")
	wants(t, note, "CreditNoteNumber", "CN-0001", "RemainingCredit", "30.00", "Status", "AUTHORISED", "Reference", "re_1", "Total", "30.00")
	refund := func(amount string) string {
		return fmt.Sprintf(`{"CreditNote":{"CreditNoteID":%q},"Account":{"Code":"610"},"Amount":%s,"Reference":"re_1"}`, id, amount)
	}
	if a := w.call("PUT", "Payments", refund("30.01")); a.status != 400 || !strings.Contains(a.raw, "exceeds the amount outstanding") {
		t.Errorf("too much: %d %s", a.status, a.raw)
	}
	p := w.must("PUT", "Payments", refund("30"))
	wants(t, p, "PaymentType", "ARCREDITPAYMENT", "Invoice.Type", "ACCRECCREDIT", "Invoice.InvoiceID", id, "Invoice.Status", "PAID")
	wants(t, w.must("GET", "CreditNotes/"+id, ""), "Status", "PAID", "RemainingCredit", "0.00", "Payments.0.Amount", "30.00")
	if a := w.call("GET", "Invoices/"+id, ""); a.status != 404 {
		t.Errorf("a credit note among the invoices: %d", a.status)
	}
	st := w.s.State()
	if st.Payments["NZD"] != (Total{1, "100.00"}) || st.Refunds["NZD"] != (Total{1, "30.00"}) || st.Accounts["610"].Balance != "70.00" {
		t.Errorf("state %+v", st)
	}
	if a := w.call("POST", "CreditNotes/"+id, `{"Status":"VOIDED"}`); a.status != 400 || !strings.Contains(a.raw, "cannot be edited") {
		t.Errorf("void with a refund: %d %s", a.status, a.raw)
	}
	w.must("POST", "Payments/"+get(p, "PaymentID"), `{"Status":"DELETED"}`)
	wants(t, w.must("POST", "CreditNotes/"+id, `{"Status":"VOIDED"}`), "Status", "VOIDED", "RemainingCredit", "0.00")
}

func TestAllocations(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	note := get(w.must("PUT", "CreditNotes", creditJSON(inv.ContactID, "60")), "CreditNoteID")
	path := "CreditNotes/" + note + "/Allocations"
	made := w.must("PUT", path, allocationJSON(inv.InvoiceID, "25"))
	wants(t, made, "Amount", "25.00", "Invoice.InvoiceID", inv.InvoiceID, "CreditNote.CreditNoteID", note, "AllocationID", "<none>")
	wants(t, w.must("GET", "Invoices/"+inv.InvoiceID, ""), "AmountDue", "75.00", "AmountCredited", "25.00", "AmountPaid", "0.00",
		"CreditNotes.0.CreditNoteID", note, "CreditNotes.0.AppliedAmount", "25.00")
	full := w.must("GET", "CreditNotes/"+note, "")
	wants(t, full, "RemainingCredit", "35.00", "AppliedAmount", "25.00", "Allocations.0.Amount", "25.00")
	for name, tc := range map[string]struct{ amount, want string }{"credit": {"35.01", "remaining credit"}, "zero": {"0", "greater than zero"}} {
		if a := w.call("PUT", path, allocationJSON(inv.InvoiceID, tc.amount)); a.status != 400 || !strings.Contains(a.raw, tc.want) {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	allocation := path + "/" + get(full, "Allocations.0.AllocationID")
	a := w.call("DELETE", allocation, "")
	if a.status != 200 || get(a.json, "IsDeleted") != "true" || get(a.json, "Invoice.0.InvoiceID") != inv.InvoiceID || get(a.json, "AllocationId") == "<none>" {
		t.Errorf("delete: %d %s", a.status, a.raw)
	}
	if a := w.call("DELETE", allocation, ""); a.status != 404 {
		t.Errorf("delete twice: %d", a.status)
	}
	wants(t, w.must("GET", "Invoices/"+inv.InvoiceID, ""), "AmountDue", "100.00")
	wants(t, w.must("GET", "CreditNotes/"+note, ""), "RemainingCredit", "60.00", "Status", "AUTHORISED")
}

func TestAllocationNeedsTheSameContact(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	other, err := w.s.CreateContact(ContactInput{Name: "Other"})
	if err != nil {
		t.Fatal(err)
	}
	note := get(w.must("PUT", "CreditNotes", creditJSON(other.ContactID, "10")), "CreditNoteID")
	if a := w.call("PUT", "CreditNotes/"+note+"/Allocations", allocationJSON(inv.InvoiceID, "10")); a.status != 400 {
		t.Errorf("got %d", a.status)
	}
}

func TestCreditNoteLists(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	w.must("PUT", "CreditNotes", creditJSON(inv.ContactID, "10"))
	w.must("POST", "CreditNotes", strings.Replace(creditJSON(inv.ContactID, "20"), "re_1", "re_2", 1))
	for query, want := range map[string]int{"": 2, "?" + where(`Reference=="re_2"`): 1, "?page=1&pageSize=1": 1,
		"?" + where(`RemainingCredit>15 AND Status=="AUTHORISED"`): 1, "?" + where(`Contact.ContactID==guid("`+inv.ContactID+`")`): 2} {
		if a := w.call("GET", "CreditNotes"+query, ""); len(a.records()) != want {
			t.Errorf("%s: %d records, want %d", query, len(a.records()), want)
		}
	}
	if a := w.call("PUT", "CreditNotes", strings.Replace(creditJSON(inv.ContactID, "1"), `"Reference"`, `"CreditNoteNumber":"CN-0001","Reference"`, 1)); a.status != 400 {
		t.Errorf("a number twice: %d", a.status)
	}
}

func TestCreditInvoiceLever(t *testing.T) {
	w := newWorld(t, Config{})
	inv, err := w.s.CreateInvoice(InvoiceInput{Contact: "A", Number: "INV-1", Lines: []LineInput{{Description: "x", UnitAmount: "100"}}})
	if err != nil || inv.Total != "115.00" {
		t.Fatalf("%+v %v", inv, err)
	}
	c, err := w.s.CreditInvoice("INV-1", CreditDetails{Amount: "23", Reference: "goodwill"})
	if err != nil || c.TotalTax != "3.00" || c.RemainingCredit != "0.00" || c.Status != "PAID" {
		t.Errorf("%+v %v", c, err)
	}
	if got := w.s.Invoices("INV-1")[0]; got.AmountDue != "92.00" || got.AmountCredited != "23.00" {
		t.Errorf("%+v", got)
	}
	if _, err := w.s.CreditInvoice("INV-1", CreditDetails{Amount: "92.01"}); err == nil || len(w.s.CreditNotes()) != 1 {
		t.Errorf("too much: %v, %d notes", err, len(w.s.CreditNotes()))
	}
}
