package xero

import "testing"

// What a contact has with the organisation settles an invoice, as far as it goes.
func TestSettleWithWhatWasReceived(t *testing.T) {
	type settle func(*Server, string, Number) (Credit, error)
	prepay := func(s *Server, ref string, n Number) (Credit, error) {
		return s.PrepayInvoice(ref, ReceivedDetails{Amount: n})
	}
	overpay := func(s *Server, ref string, n Number) (Credit, error) {
		return s.OverpayInvoice(ref, ReceivedDetails{Amount: n})
	}
	tests := []struct {
		name         string
		types        string
		settle       settle
		amount       Number
		status, due  string
		creditTax    string // of the credit
		bank, refuse string
	}{
		{name: "prepaid in part", types: "Exclusive", settle: prepay, amount: "30.00", status: "AUTHORISED", due: "85.00", creditTax: "3.91", bank: "30.00"},
		{name: "prepaid in full", types: "Exclusive", settle: prepay, status: "PAID", due: "0.00", creditTax: "15.00", bank: "115.00"},
		{name: "prepaid without tax", types: "NoTax", settle: prepay, status: "PAID", due: "0.00", creditTax: "0.00", bank: "100.00"},
		{name: "overpaid before", types: "Inclusive", settle: overpay, amount: "30.00", status: "AUTHORISED", due: "70.00", creditTax: "0.00", bank: "30.00"},
		{name: "more than is due", types: "NoTax", settle: overpay, amount: "100.01", status: "AUTHORISED", due: "100.00", bank: "0.00",
			refuse: "The Amount exceeds the amount outstanding on this document"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			inv, err := w.s.CreateInvoice(InvoiceInput{Contact: "A", LineAmountTypes: tc.types, Lines: []LineInput{{Description: "x", UnitAmount: "100.00"}}})
			if err != nil {
				t.Fatal(err)
			}
			credit, err := tc.settle(w.s, inv.Number, tc.amount)
			if (err == nil) != (tc.refuse == "") || err != nil && err.Error() != tc.refuse {
				t.Fatalf("got %v, want %q", err, tc.refuse)
			}
			now := w.s.Invoices(inv.Number)[0]
			if now.Status != tc.status || now.AmountDue != tc.due || credit.TotalTax != tc.creditTax {
				t.Errorf("the invoice is %s with %s due, the credit has %s tax", now.Status, now.AmountDue, credit.TotalTax)
			}
			if got := w.s.State().Accounts["090"].Balance; got != tc.bank { // a refusal keeps nothing
				t.Errorf("the bank account holds %s, want %s", got, tc.bank)
			}
		})
	}
}

func TestAllocateCreditByHand(t *testing.T) {
	w := newWorld(t, Config{})
	var numbers []string
	for range 2 {
		inv, err := w.s.CreateInvoice(InvoiceInput{Contact: "A", LineAmountTypes: "NoTax", Lines: []LineInput{{Description: "x", UnitAmount: "100.00"}}})
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, inv.Number)
	}
	over, err := w.s.OverpayInvoice(numbers[0], ReceivedDetails{Amount: "40.00"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.AllocateCredit(over.ID, AllocationDetails{Invoice: numbers[1]}); err == nil {
		t.Error("a credit was used twice")
	}
	if _, err := w.s.AllocateCredit("nonsense", AllocationDetails{Invoice: numbers[1]}); err == nil {
		t.Error("a credit that is not there was used")
	}
	if got := w.s.Prepayments(); len(got) != 0 {
		t.Errorf("prepayments: %+v", got)
	}
}
