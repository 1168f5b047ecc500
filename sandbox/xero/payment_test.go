package xero

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPaymentSettlesAndUnsettles(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	first := w.payment(inv.InvoiceID, "40", "ch_1")
	wants(t, first, "Amount", "40.00", "BankAmount", "40.00", "CurrencyRate", "1.0", "PaymentType", "ACCRECPAYMENT", "Status", "AUTHORISED",
		"Reference", "ch_1", "IsReconciled", "false", "Account.Code", "610", "Account.Name", "Stripe Clearing",
		"Invoice.AmountDue", "60.00", "Invoice.AmountPaid", "40.00", "Invoice.Status", "AUTHORISED", "Invoice.Type", "ACCREC",
		"Invoice.Payments.0.Reference", "ch_1", "Invoice.Payments.0.HasAccount", "false", "Invoice.Payments.0.Account", "<none>")
	twin := w.payment(inv.InvoiceID, "40", "ch_1") // nothing notices a duplicate that fits
	last := w.must("PUT", "Payments", fmt.Sprintf(`{"Invoice":{"InvoiceNumber":"inv-1"},"Account":{"AccountID":%q},"Amount":"20.00","Date":"2030-02-03"}`,
		w.s.account("610").id))
	wants(t, last, "Invoice.Status", "PAID", "Invoice.AmountDue", "0.00", "Invoice.FullyPaidOnDate", day("2030-02-03").ms())
	deleted := w.must("POST", "Payments/"+get(twin, "PaymentID"), `{"Payments":[{"Status":"DELETED"}]}`)
	wants(t, deleted, "Status", "DELETED", "Invoice.Status", "AUTHORISED", "Invoice.AmountDue", "40.00", "Invoice.FullyPaidOnDate", "<none>")
	wants(t, w.must("GET", "Invoices/"+inv.InvoiceID, ""), "Payments.0.PaymentID", get(first, "PaymentID"),
		"Payments.1.PaymentID", get(last, "PaymentID"), "Payments.2", "<none>", "Payments.1.Reference", "<none>")
}

// payFirst pays INV-1 into an account.
func payFirst(account, amount, extra string) func(*world) string {
	return func(w *world) string {
		return fmt.Sprintf(`{"Payments":[{"Invoice":{"InvoiceID":%q},"Account":{"Code":%q},"Amount":%s%s}]}`,
			w.s.Invoices("INV-1")[0].InvoiceID, account, amount, extra)
	}
}

func TestPaymentRefusals(t *testing.T) {
	body := payFirst
	const notAuthorised = "Payments can only be made against Authorised documents"
	const exceeds = "Payment amount exceeds the amount outstanding on this document"
	cases := []struct {
		name  string
		setup func(w *world) error
		body  func(w *world) string
		want  []string
	}{
		{"too much", nil, body("610", "10.01", ""), []string{exceeds}},
		{"nothing", nil, body("610", "0", ""), []string{"greater than zero"}},
		{"negative", nil, body("610", "-1", ""), []string{"greater than zero"}},
		{"paid already", func(w *world) error { _, err := w.s.PayInvoice("INV-1", PaymentDetails{}); return err }, body("610", "1", ""), []string{notAuthorised, exceeds}},
		{"voided", func(w *world) error { _, err := w.s.VoidInvoice("INV-1"); return err }, body("610", "1", ""), []string{notAuthorised}},
		{"draft", nil, func(w *world) string {
			d, _ := w.s.CreateInvoice(InvoiceInput{Contact: "A", Status: "DRAFT", Lines: []LineInput{{Description: "x", UnitAmount: "5"}}})
			return payJSON(d.InvoiceID, "1", "")
		}, []string{notAuthorised}},
		{"wrong account type", nil, body("200", "1", ""), []string{"Account type is invalid for making a payment to/from"}},
		{"unknown account", nil, body("999", "1", ""), []string{"Account could not be found"}},
		{"archived account", func(w *world) error { return w.s.ArchiveAccount("610") }, body("610", "1", ""), []string{"archived"}},
		{"locked", func(w *world) error { return w.s.SetLockDates("2026-10-31", "") }, body("610", "1", `,"Date":"2026-10-31"`), []string{"The document date cannot be before the period lock date, currently set at 31 October 2026"}},
		{"two targets", nil, body("610", "1", `,"CreditNote":{"CreditNoteID":"`+zeroID+`"}`), []string{"exactly one"}},
		{"no target", nil, func(*world) string { return `{"Account":{"Code":"610"},"Amount":1}` }, []string{"exactly one"}},
		{"unknown invoice", nil, func(*world) string { return payJSON(newID(), "1", "") }, []string{"could not be found"}},
		{"third currency", func(w *world) error {
			_, err := w.s.AddAccount(AccountInput{Code: "611", Name: "Euro", Currency: "EUR"})
			return err
		}, body("611", "1", ""), []string{"must be the base currency"}},
		{"bank amount of one currency", nil, body("610", "1", `,"BankAmount":2`), []string{"BankAmount"}},
		{"long reference", nil, body("610", "1", `,"Reference":"`+strings.Repeat("x", 256)+`"`), []string{"Reference"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			w.invoice("INV-1", "10", "NZD")
			if tc.setup != nil {
				if err := tc.setup(w); err != nil {
					t.Fatal(err)
				}
			}
			before := len(w.s.Payments())
			a := w.call("PUT", "Payments", tc.body(w))
			if a.status != 400 {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			for _, want := range tc.want {
				if !strings.Contains(a.raw, want) {
					t.Errorf("got %s, want %q", a.raw, want)
				}
			}
			if len(w.s.Payments()) != before {
				t.Error("a payment was kept")
			}
		})
	}
}

func TestBatchOfPaymentsSharesTheAmountDue(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	one := fmt.Sprintf(`{"Invoice":{"InvoiceID":%q},"Account":{"Code":"610"},"Amount":6}`, inv.InvoiceID)
	a := w.call("PUT", "Payments?summarizeErrors=false", `{"Payments":[`+one+`,`+one+`]}`)
	list := a.records()
	if a.status != 200 || len(list) != 2 {
		t.Fatalf("%d %s", a.status, a.raw)
	}
	wants(t, list[0], "StatusAttributeString", "OK", "Amount", "6.00")
	wants(t, list[1], "StatusAttributeString", "ERROR", "PaymentID", zeroID, "HasValidationErrors", "true",
		"ValidationErrors.0.Message", "Payment amount exceeds the amount outstanding on this document")
	if a := w.call("PUT", "Payments", `{"Payments":[`+one+`]}`); a.status != 400 || len(w.s.Payments()) != 1 {
		t.Errorf("%d, %d payments", a.status, len(w.s.Payments()))
	}
}

func TestPaymentCurrencies(t *testing.T) {
	cases := []struct {
		name, account, extra, bank, rate string
		warning                          bool
	}{
		{"same currency", "611", "", "30.00", "0.6", false},
		{"base, day rate", "610", "", "50.00", "0.6", false},
		{"base, bank amount", "610", `,"BankAmount":48`, "48.00", "0.625", false},
		{"base, own rate", "610", `,"CurrencyRate":0.75`, "40.00", "0.75", false},
		{"bank amount beats the rate", "610", `,"CurrencyRate":0.75,"BankAmount":48`, "48.00", "0.625", false},
		{"rate of one warns", "610", `,"CurrencyRate":1`, "30.00", "1.0", true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			if _, err := w.s.AddAccount(AccountInput{Code: "611", Name: "Dollars", Currency: "USD"}); err != nil {
				t.Fatal(err)
			}
			inv := w.invoice("INV-1", "30", "USD")
			p := w.must("PUT", "Payments", fmt.Sprintf(`{"Invoice":{"InvoiceID":%q},"Account":{"Code":%q},"Amount":30%s}`, inv.InvoiceID, tc.account, tc.extra))
			wants(t, p, "Amount", "30.00", "BankAmount", tc.bank, "CurrencyRate", tc.rate, "Invoice.Status", "PAID")
			if (p["Warnings"] != nil) != tc.warning {
				t.Errorf("warnings %v", p["Warnings"])
			}
			if got := w.s.State().Accounts[tc.account].Balance; got != tc.bank {
				t.Errorf("the account holds %s, want %s", got, tc.bank)
			}
		})
	}
}

func TestPaymentDelete(t *testing.T) {
	cases := []struct {
		name   string
		cfg    Unproven
		setup  func(w *world, id string) error
		body   string
		status int
		want   string
	}{
		{"bare", Unproven{}, nil, `{"Status":"DELETED"}`, 200, "DELETED"},
		{"wrapped", Unproven{}, nil, `{"Payments":[{"Status":"DELETED"}]}`, 200, "DELETED"},
		{"more than status", Unproven{}, nil, `{"Status":"DELETED","Amount":1}`, 400, "Only Status accepted for updates"},
		{"other status", Unproven{}, nil, `{"Status":"VOIDED"}`, 400, "Only Status accepted for updates"},
		{"twice", Unproven{}, (*world).deletePayment, `{"Status":"DELETED"}`, 400, "already been deleted"},
		{"twice, silently", Unproven{PaymentDeleteIsSilent: true}, (*world).deletePayment, `{"Status":"DELETED"}`, 200, "DELETED"},
		{"reconciled", Unproven{}, (*world).reconcile, `{"Status":"DELETED"}`, 400, "reconciled"},
		{"reconciled, allowed", Unproven{ReconciledDeletable: true}, (*world).reconcile, `{"Status":"DELETED"}`, 200, "DELETED"},
		{"locked", Unproven{}, func(w *world, _ string) error { return w.s.SetLockDates("2099-01-01", "") }, `{"Status":"DELETED"}`, 400, "period lock date"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{Unproven: tc.cfg})
			id := get(w.payment(w.invoice("INV-1", "10", "NZD").InvoiceID, "10", "ch_1"), "PaymentID")
			if tc.setup != nil {
				if err := tc.setup(w, id); err != nil {
					t.Fatal(err)
				}
			}
			if a := w.call("POST", "Payments/"+id, tc.body); a.status != tc.status || !strings.Contains(a.raw, tc.want) {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
	w := newWorld(t, Config{})
	if a := w.call("POST", "Payments/"+newID(), `{"Status":"DELETED"}`); a.status != 404 {
		t.Errorf("unknown: %d", a.status)
	}
}

func (w *world) deletePayment(id string) error { return w.s.DeletePayment(id) }
func (w *world) reconcile(id string) error     { return w.s.ReconcilePayment(id) }

func TestPaymentLists(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	for i := range 4 {
		w.payment(inv.InvoiceID, "10", fmt.Sprintf("ch_%d", i))
		w.clock.Advance(2 * time.Second)
	}
	all := w.s.Payments()
	gone := all[0].PaymentID
	since := w.clock.Now().Format(isoLayout)
	w.clock.Advance(time.Second)
	w.must("POST", "Payments/"+gone, `{"Status":"DELETED"}`)
	cases := []struct {
		query string
		want  int
	}{
		{where(`Invoice.InvoiceID==guid("` + inv.InvoiceID + `")`), 4}, {where(`Reference=="ch_2"`), 1},
		{where(`Status=="AUTHORISED"`), 3}, {where(`Status=="DELETED"`), 1}, {where(`PaymentType=="ACCRECPAYMENT" AND Reference.StartsWith("ch_")`), 4},
		{where(`PaymentID==guid("` + gone + `")`), 1}, {"page=1&pageSize=3", 3}, {"page=2&pageSize=3", 1},
	}
	for _, tc := range cases {
		t.Run(tc.query, func(t *testing.T) {
			if a := w.call("GET", "Payments?"+tc.query, ""); a.status != 200 || len(a.records()) != tc.want {
				t.Errorf("got %d with %d records, want %d", a.status, len(a.records()), tc.want)
			}
		})
	}
	a := w.call("GET", "Payments?page=1&order=UpdatedDateUTC%20ASC", "", "If-Modified-Since", since)
	if list := a.records(); len(list) != 1 || get(list[0], "Status") != "DELETED" || get(list[0], "Invoice.InvoiceNumber") != "INV-1" {
		t.Errorf("the deleted payment is not among the changes: %s", a.raw)
	}
	wants(t, w.must("GET", "Payments/"+gone, ""), "Status", "DELETED", "Invoice.AmountDue", "70.00")
}

func TestPostPaymentsTakesOne(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	one := fmt.Sprintf(`{"Invoice":{"InvoiceID":%q},"Account":{"Code":"620"},"Amount":5}`, inv.InvoiceID)
	wants(t, w.must("POST", "Payments", one), "Account.Code", "620")
	if a := w.call("POST", "Payments", `{"Payments":[`+one+`,`+one+`]}`); a.status != 501 {
		t.Errorf("two: %d", a.status)
	}
	if a := w.call("POST", "Payments?summarizeErrors=false", one); a.status != 501 {
		t.Errorf("summarizeErrors: %d", a.status)
	}
}

func TestPaymentOnAnArchivedContact(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "10", "NZD")
	if _, err := w.s.ArchiveContact(inv.ContactID); err != nil {
		t.Fatal(err)
	}
	wants(t, w.payment(inv.InvoiceID, "5", "ch_1"), "Invoice.AmountDue", "5.00")
	if a := w.call("PUT", "CreditNotes", creditJSON(inv.ContactID, "5")); a.status != 400 || !strings.Contains(a.raw, "un-archived") {
		t.Errorf("credit note: %d %s", a.status, a.raw)
	}
}
