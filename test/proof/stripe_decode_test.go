package proof

import (
	"encoding/json"
	"fmt"

	stripego "github.com/stripe/stripe-go/v76"
)

// stripeTypes are the library's types by the name of the object.
var stripeTypes = map[string]func() any{
	"account":             func() any { return &stripego.Account{} },
	"balance_transaction": func() any { return &stripego.BalanceTransaction{} },
	"charge":              func() any { return &stripego.Charge{} },
	"credit_note":         func() any { return &stripego.CreditNote{} },
	"customer":            func() any { return &stripego.Customer{} },
	"dispute":             func() any { return &stripego.Dispute{} },
	"event":               func() any { return &stripego.Event{} },
	"invoice":             func() any { return &stripego.Invoice{} },
	"invoiceitem":         func() any { return &stripego.InvoiceItem{} },
	"line_item":           func() any { return &stripego.InvoiceLineItem{} },
	"payment_intent":      func() any { return &stripego.PaymentIntent{} },
	"payout":              func() any { return &stripego.Payout{} },
	"refund":              func() any { return &stripego.Refund{} },
	"webhook_endpoint":    func() any { return &stripego.WebhookEndpoint{} },
}

// decodeStripe reads an answer, or every row of a list, with Stripe's library.
func decodeStripe(answer []byte) []string {
	var head struct {
		Object string
		Data   []json.RawMessage
	}
	if err := json.Unmarshal(answer, &head); err != nil {
		return []string{"cannot be read: " + err.Error()}
	}
	if head.Object != "list" {
		return decodeObject(head.Object, answer)
	}
	var out []string
	for _, row := range head.Data {
		var one struct{ Object string }
		if err := json.Unmarshal(row, &one); err != nil {
			return []string{"a row cannot be read: " + err.Error()}
		}
		out = append(out, decodeObject(one.Object, row)...)
	}
	return out
}

func decodeObject(object string, text []byte) []string {
	fresh, ok := stripeTypes[object]
	if !ok {
		return []string{fmt.Sprintf("object %q is none that the library is asked for", object)}
	}
	if err := json.Unmarshal(text, fresh()); err != nil {
		return []string{"the library cannot read the " + object + ": " + err.Error()}
	}
	return nil
}
