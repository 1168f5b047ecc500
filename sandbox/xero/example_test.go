package xero_test

import (
	"fmt"

	"github.com/ml-connector/ml-connector/sandbox/xero"
)

func Example() {
	s := xero.New(xero.Config{})
	defer s.Close()
	inv, err := s.CreateInvoice(xero.InvoiceInput{Contact: "Ridgeway Cycles", Number: "INV-1",
		Lines: []xero.LineInput{{Description: "Service", UnitAmount: "100"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := s.PayInvoice("INV-1", xero.PaymentDetails{Amount: "15"}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(inv.Status, inv.Total, s.Invoices("INV-1")[0].AmountDue)
	// Output: AUTHORISED 115.00 100.00
}
