package xero

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func bankJSON(kind, account, amount, extra string) string {
	return fmt.Sprintf(`{"BankTransactions":[{"Type":%q,"Contact":{"Name":"Ridgeway Cycles"},"BankAccount":{"Code":%q},"Reference":"ch_9","LineAmountTypes":"NoTax",`+
		`"LineItems":[{"Description":"Paid twice","LineAmount":%s}]%s}]}`, kind, account, amount, extra)
}

func TestOverpayment(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "NZD")
	bank := w.must("PUT", "BankTransactions", bankJSON("RECEIVE-OVERPAYMENT", "610", "50", ""))
	id := get(bank, "OverpaymentID")
	wants(t, bank, "Type", "RECEIVE-OVERPAYMENT", "Total", "50.00", "BankAccount.Code", "610", "Status", "AUTHORISED", "Contact.ContactID", inv.ContactID,
		"UpdatedDateUTCString", "<none>")
	wants(t, w.must("GET", "Overpayments?References=ch_9", ""), "OverpaymentID", id, "RemainingCredit", "50.00", "Reference", "ch_9")
	if a := w.call("GET", "Overpayments?References=ch_8", ""); len(a.records()) != 0 {
		t.Errorf("another reference: %s", a.raw)
	}
	w.must("PUT", "Overpayments/"+id+"/Allocations", allocationJSON(inv.InvoiceID, "20"))
	wants(t, w.must("GET", "Invoices/"+inv.InvoiceID, ""), "AmountDue", "80.00", "AmountCredited", "20.00", "Overpayments.0.OverpaymentID", id)
	full := w.must("GET", "Overpayments/"+id, "")
	wants(t, full, "RemainingCredit", "30.00", "Allocations.0.Amount", "20.00")
	if a := w.call("POST", "BankTransactions/"+get(bank, "BankTransactionID"), `{"Status":"DELETED"}`); a.status != 400 {
		t.Errorf("delete while allocated: %d", a.status)
	}
	refund := fmt.Sprintf(`{"Overpayment":{"OverpaymentID":%q},"Account":{"Code":"610"},"Amount":30}`, id)
	wants(t, w.must("PUT", "Payments", refund), "PaymentType", "AROVERPAYMENTPAYMENT", "Invoice.Type", "AROVERPAYMENT", "Invoice.Status", "PAID")
	wants(t, w.must("GET", "Overpayments/"+id, ""), "Status", "PAID", "FullyPaidOnDate", "<none>")
	if a := w.call("PUT", "Payments", refund); a.status != 400 || !strings.Contains(a.raw, "Authorised documents") {
		t.Errorf("refund again: %d %s", a.status, a.raw)
	}
	if got := w.s.State().Accounts["610"].Balance; got != "20.00" {
		t.Errorf("the clearing account holds %s", got)
	}
	w.call("DELETE", "Overpayments/"+id+"/Allocations/"+get(full, "Allocations.0.AllocationID"), "")
	wants(t, w.must("GET", "Overpayments/"+id, ""), "RemainingCredit", "20.00", "Status", "AUTHORISED")
}

func TestBankTransactionRefusals(t *testing.T) {
	cases := []struct {
		name, body string
		status     int
		want       string
	}{
		{"not a bank account", bankJSON("RECEIVE-OVERPAYMENT", "620", "5", ""), 400, "type BANK"},
		{"unknown account", bankJSON("RECEIVE-OVERPAYMENT", "999", "5", ""), 400, "could not be found"},
		{"other currency", bankJSON("RECEIVE-OVERPAYMENT", "610", "5", `,"CurrencyCode":"USD"`), 400, "currency"},
		{"taxed overpayment", strings.Replace(bankJSON("RECEIVE-OVERPAYMENT", "610", "5", ""), "NoTax", "Exclusive", 1), 400, "NoTax"},
		{"nothing", bankJSON("RECEIVE-OVERPAYMENT", "610", "0", ""), 400, "greater than zero"},
		{"no account code", bankJSON("SPEND", "610", "5", ""), 400, "Account code must be specified"},
		{"locked", bankJSON("RECEIVE-OVERPAYMENT", "610", "5", `,"Date":"2026-01-31"`), 400, "lock date"},
		{"supplier kinds", bankJSON("SPEND-OVERPAYMENT", "610", "5", ""), 501, "SPEND-OVERPAYMENT"},
		{"no contact", strings.Replace(bankJSON("RECEIVE-OVERPAYMENT", "610", "5", ""), `"Name":"Ridgeway Cycles"`, "", 1), 400, "The Contact must contain at least 1"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			if err := w.s.SetLockDates("2026-01-31", ""); err != nil {
				t.Fatal(err)
			}
			a := w.call("PUT", "BankTransactions", tc.body)
			if a.status != tc.status || !strings.Contains(a.raw, tc.want) || len(w.s.Overpayments()) != 0 || len(w.s.Contacts()) != 0 {
				t.Errorf("got %d %s", a.status, a.raw)
			}
		})
	}
}

func TestSpendReceiveAndDelete(t *testing.T) {
	w := newWorld(t, Config{})
	fee := strings.Replace(bankJSON("SPEND", "610", "5.75", ""), `"Paid twice"`, `"Stripe fee","AccountCode":"404","TaxType":"NONE"`, 1)
	spend := w.must("PUT", "BankTransactions", fee)
	w.must("PUT", "BankTransactions", strings.Replace(fee, "SPEND", "RECEIVE", 1))
	pre := w.must("PUT", "BankTransactions", strings.Replace(bankJSON("RECEIVE-PREPAYMENT", "610", "9", ""), `"Paid twice"`, `"Deposit","AccountCode":"200"`, 1))
	wants(t, w.must("GET", "Prepayments/"+get(pre, "PrepaymentID"), ""), "RemainingCredit", "9.00", "Type", "RECEIVE-PREPAYMENT")
	if got := w.s.State().Accounts["610"].Balance; got != "9.00" {
		t.Errorf("balance %s", got)
	}
	for query, want := range map[string]int{"References=ch_9": 3, where(`Type=="SPEND"`): 1, where(`BankAccount.Code=="610" AND Total>6`): 1, "page=1&pageSize=2": 2} {
		if a := w.call("GET", "BankTransactions?"+query, ""); len(a.records()) != want {
			t.Errorf("%s: %d records, want %d", query, len(a.records()), want)
		}
	}
	id := get(spend, "BankTransactionID")
	wants(t, w.must("POST", "BankTransactions", `{"BankTransactionID":"`+id+`","Status":"DELETED"}`), "Status", "DELETED")
	if a := w.call("POST", "BankTransactions/"+id, `{"Status":"DELETED"}`); a.status != 400 {
		t.Errorf("twice: %d", a.status)
	}
	w.must("POST", "BankTransactions/"+get(pre, "BankTransactionID"), `{"Status":"DELETED"}`)
	wants(t, w.must("GET", "Prepayments/"+get(pre, "PrepaymentID"), ""), "Status", "VOIDED", "RemainingCredit", "0.00")
}

func TestOverpaymentMarkCanBeDropped(t *testing.T) {
	w := newWorld(t, Config{Unproven: Unproven{OverpaymentsUnmarked: true}})
	w.must("PUT", "BankTransactions", bankJSON("RECEIVE-OVERPAYMENT", "610", "50", ""))
	if got := w.s.Overpayments()[0].Reference; got != "" {
		t.Errorf("reference %q", got)
	}
}

func TestBankTransfer(t *testing.T) {
	w := newWorld(t, Config{})
	body := func(from, to, amount string) string {
		return fmt.Sprintf(`{"BankTransfers":[{"FromBankAccount":{"Code":%q},"ToBankAccount":{"Code":%q},"Amount":%s,"Date":"2026-11-20","Reference":"po_1"}]}`, from, to, amount)
	}
	made := w.must("PUT", "BankTransfers", body("610", "090", "12.50"))
	wants(t, made, "Amount", "12.50", "FromBankAccount.Code", "610", "Status", "AUTHORISED", "Reference", "po_1")
	wants(t, w.must("GET", "BankTransfers/"+get(made, "BankTransferID"), ""), "ToBankAccount.Code", "090")
	wants(t, w.must("GET", "BankTransfers?"+where(`Reference=="po_1"`), ""), "Amount", "12.50")
	for _, bad := range []string{body("610", "610", "1"), body("610", "200", "1"), body("610", "090", "0")} {
		if a := w.call("PUT", "BankTransfers", bad); a.status != 400 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	if got := w.s.State().Accounts["610"].Balance; got != "-12.50" {
		t.Errorf("balance %s", got)
	}
}

func TestTransferIsDeletedAndShowsBothSides(t *testing.T) {
	w := newWorld(t, Config{})
	body := `{"BankTransfers":[{"FromBankAccount":{"Code":"610"},"ToBankAccount":{"Code":"090"},"Amount":12.50,"Reference":"po_1"}]}`
	made := w.must("PUT", "BankTransfers", body)
	wants(t, w.must("GET", "BankTransactions?"+where(`Type=="SPEND-TRANSFER"`), ""), "BankTransactionID", get(made, "FromBankTransactionID"),
		"BankAccount.Code", "610", "Total", "12.50", "Contact", "<none>", "Reference", "po_1")
	if a := w.call("GET", "BankTransactions?"+where(`Contact.Name=="x"`), ""); a.status != 200 || len(a.records()) != 0 {
		t.Errorf("filter by contact: %d %s", a.status, a.raw)
	}
	if a := w.call("POST", "BankTransactions/"+get(made, "ToBankTransactionID"), `{"Status":"DELETED"}`); a.status != 400 {
		t.Errorf("one side by itself: %d", a.status)
	}
	id := get(made, "BankTransferID")
	w.must("PUT", "BankTransfers/"+id+"/History", `{"HistoryRecords":[{"Details":"seen"}]}`)
	wants(t, w.must("GET", "BankTransfers/"+id+"/History", ""), "Details", "seen")
	if a := w.call("POST", "BankTransfers", `{"BankTransfers":[{"BankTransferID":"`+id+`","Status":"VOIDED"}]}`); a.status != 501 {
		t.Errorf("another status: %d", a.status)
	}
	wants(t, w.must("POST", "BankTransfers/"+id, `{"Status":"DELETED"}`), "Status", "DELETED")
	if a := w.call("POST", "BankTransfers/"+id, `{"Status":"DELETED"}`); a.status != 400 {
		t.Errorf("twice: %d", a.status)
	}
	for query, want := range map[string]int{"": 0, "?includeDeleted=true": 1, "?includeDeleted=true&" + where(`Reference!=null AND Reference.StartsWith("po_")`): 1} {
		if a := w.call("GET", "BankTransfers"+query, ""); len(a.records()) != want {
			t.Errorf("%s: %d records, want %d", query, len(a.records()), want)
		}
	}
	if got := w.s.State().Accounts["610"].Balance; got != "0.00" {
		t.Errorf("balance %s", got)
	}
}

func TestListOfTransfersAfterADeletion(t *testing.T) {
	for _, byCreation := range []bool{false, true} {
		t.Run(fmt.Sprint("by creation ", byCreation), func(t *testing.T) {
			w := newWorld(t, Config{Unproven: Unproven{TransfersByCreation: byCreation}})
			made, err := w.s.TransferMoney(TransferInput{From: "610", To: "090", Amount: "5"})
			if err != nil {
				t.Fatal(err)
			}
			w.clock.Advance(5 * time.Minute)
			since := w.clock.Now().UTC().Format(isoLayout)
			w.clock.Advance(time.Minute)
			if err := w.s.DeleteTransfer(made.BankTransferID); err != nil {
				t.Fatal(err)
			}
			want := 1
			if byCreation {
				want = 0
			}
			if a := w.call("GET", "BankTransfers?includeDeleted=true", "", "If-Modified-Since", since); len(a.records()) != want {
				t.Errorf("%d records, want %d", len(a.records()), want)
			}
		})
	}
}

// The account's balance is in its own currency, whatever the documents are in.
func TestBalanceOfAccountsInTheirCurrency(t *testing.T) {
	w := newWorld(t, Config{})
	inv := w.invoice("INV-1", "100", "USD")
	paid := fmt.Sprintf(`{"Payments":[{"Invoice":{"InvoiceID":%q},"Account":{"Code":"610"},"Amount":100,"BankAmount":161.37}]}`, inv.InvoiceID)
	wants(t, w.must("PUT", "Payments", paid), "BankAmount", "161.37", "CurrencyRate", "0.619694")
	if _, err := w.s.SpendMoney(SpendInput{Account: "610", Contact: "Stripe", Amount: "5.75", Tax: "INPUT2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.SpendMoney(SpendInput{Type: "RECEIVE", Account: "610", Contact: "Stripe", Amount: "1.15", Tax: "INPUT2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.TransferMoney(TransferInput{From: "610", To: "090", Amount: "100"}); err != nil {
		t.Fatal(err)
	}
	held := map[string]string{}
	for _, a := range w.s.Accounts() {
		held[a.Code] = a.Balance + a.Currency
	}
	if held["610"] != "56.77NZD" || held["090"] != "100.00NZD" || held["404"] != "NZD" {
		t.Errorf("accounts hold %v", held)
	}
	spent := w.s.BankTransactions()[0]
	if spent.Total != "5.75" || spent.TotalTax != "0.75" || spent.CounterAccount != "404" || spent.Contact != "Stripe" {
		t.Errorf("%+v", spent)
	}
}

func TestLeversOfBankAccounts(t *testing.T) {
	w := newWorld(t, Config{})
	var spent BankTransaction
	w.control("POST", "bankTransactions", `{"account":"610","contact":"Stripe","amount":"3.20","tax":"NONE","reference":"by hand"}`, &spent)
	w.control("POST", "bankTransactions/"+spent.BankTransactionID+"/edit", `{"amount":"3.40","counter":"400","reference":"corrected"}`, &spent)
	if spent.Total != "3.40" || spent.CounterAccount != "400" || spent.Reference != "corrected" {
		t.Errorf("%+v", spent)
	}
	var moved BankTransfer
	w.control("POST", "bankTransfers", `{"from":"610","to":"090","amount":"7","date":"2026-11-20"}`, &moved)
	w.control("POST", "bankTransactions/"+spent.BankTransactionID+"/delete", "", nil)
	w.control("POST", "bankTransfers/"+moved.BankTransferID+"/delete", "", nil)
	var spends []BankTransaction
	var moves []BankTransfer
	var accounts []Account
	w.control("GET", "bankTransactions", "", &spends)
	w.control("GET", "bankTransfers", "", &moves)
	w.control("GET", "accounts", "", &accounts)
	if len(spends) != 3 || spends[0].Status != "DELETED" || len(moves) != 1 || moves[0].Status != "DELETED" || accounts[1].Balance != "0.00" {
		t.Errorf("%+v\n%+v\n%+v", spends, moves, accounts)
	}
	for path, body := range map[string]string{
		"bankTransactions/" + spent.BankTransactionID + "/edit": `{"amount":"1"}`,
		"bankTransactions/x/delete":                             "",
		"bankTransfers/x/delete":                                "",
		"bankTransfers":                                         `{"from":"610","to":"620","amount":"7"}`,
		"bankTransactions":                                      `{"contact":"Stripe","amount":"1.234567"}`,
	} {
		if status := w.control("POST", path, body, nil); status != 400 {
			t.Errorf("%s %s: %d", path, body, status)
		}
	}
}
