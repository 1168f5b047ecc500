package wire

import (
	"time"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// Generators of everything that travels. Text is any valid UTF-8; an enumeration
// may be unset, as it is in a record that says little.

var (
	text   = rapid.StringN(0, 24, 64)
	idText = rapid.StringMatching(`[a-z0-9_-]{1,20}`)
)

func oneOf[G comparable, P ~int32](e enum[G, P]) *rapid.Generator[G] {
	words := []G{*new(G)}
	for g := range e.to {
		words = append(words, g)
	}
	return rapid.SampledFrom(words)
}

func genAmount(sign int64) *rapid.Generator[money.Amount] {
	return rapid.Custom(func(t *rapid.T) money.Amount {
		if rapid.Bool().Draw(t, "unset") {
			return money.Amount{}
		}
		c := rapid.SampledFrom([]money.Currency{"JPY", "NZD", "KWD", "CLF"}).Draw(t, "currency")
		minor := rapid.Int64().Draw(t, "minor")
		if sign > 0 && minor < 0 {
			minor = -(minor + 1)
		}
		return money.MustNew(minor, c)
	})
}

var genTime = rapid.Custom(func(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "unset") {
		return time.Time{}
	}
	// The years 1 to 9999, to the nanosecond.
	return time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
})

var genDate = rapid.Custom(func(t *rapid.T) connector.Date {
	if rapid.Bool().Draw(t, "unset") {
		return connector.Date{}
	}
	return connector.Date{Year: 1, Month: 1, Day: 1}.AddDays(rapid.IntRange(0, 3_652_058).Draw(t, "day"))
})

var genDecimal = rapid.Custom(func(t *rapid.T) money.Decimal {
	d, err := money.ParseDecimal(rapid.StringMatching(`-?[0-9]{1,15}(\.[0-9]{1,15})?`).Draw(t, "decimal"))
	if err != nil {
		t.Fatal(err)
	}
	return d
})

var genValue = rapid.Custom(func(t *rapid.T) connector.Value {
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0:
		v := rapid.Bool().Draw(t, "flag")
		return connector.Value{Flag: &v}
	case 1:
		v := rapid.Int64().Draw(t, "integer")
		return connector.Value{Integer: &v}
	case 2:
		return connector.Value{Money: genAmount(0).Draw(t, "money")}
	case 3:
		return connector.Value{Time: genTime.Draw(t, "time")}
	}
	return connector.Value{Text: text.Draw(t, "text")}
})

var (
	genMarks = rapid.MapOfN(text, text, 0, 3)
	genExtra = rapid.MapOfN(text, genValue, 0, 3)
	genIDs   = rapid.SliceOfN(idText, 0, 3)
)

var genLine = rapid.Custom(func(t *rapid.T) connector.InvoiceLine {
	return connector.InvoiceLine{
		Description: text.Draw(t, "description"), Quantity: genDecimal.Draw(t, "quantity"), UnitPrice: genDecimal.Draw(t, "price"),
		Amount: genAmount(0).Draw(t, "amount"), Tax: genAmount(0).Draw(t, "tax"),
		TaxCode: text.Draw(t, "tax code"), AccountCode: text.Draw(t, "account"),
	}
})

var genInvoice = rapid.Custom(func(t *rapid.T) connector.Invoice {
	a := genAmount(0)
	return connector.Invoice{
		Kind: oneOf(invoiceKinds).Draw(t, "kind"), Status: oneOf(invoiceStatuses).Draw(t, "status"),
		Number: text.Draw(t, "number"), Reference: text.Draw(t, "reference"),
		ContactID: text.Draw(t, "contact"), ContactName: text.Draw(t, "contact name"),
		Currency:  rapid.SampledFrom([]money.Currency{"", "JPY", "NZD", "KWD"}).Draw(t, "currency"),
		IssueDate: genDate.Draw(t, "issued"), DueDate: genDate.Draw(t, "due"), TaxMode: oneOf(taxModes).Draw(t, "tax mode"),
		Lines: rapid.SliceOfN(genLine, 0, 3).Draw(t, "lines"),
		Total: a.Draw(t, "total"), TaxTotal: a.Draw(t, "tax"), AmountDue: a.Draw(t, "due"),
		AmountPaid: a.Draw(t, "paid"), AmountCredited: a.Draw(t, "credited"),
		PayURL: text.Draw(t, "pay"), ViewURL: text.Draw(t, "view"), PaymentIDs: genIDs.Draw(t, "payments"),
		PaymentReferences: genIDs.Draw(t, "payment references"),
		Marks:             genMarks.Draw(t, "marks"), Extra: genExtra.Draw(t, "extra"),
	}
})

var genPayment = rapid.Custom(func(t *rapid.T) connector.Payment {
	return connector.Payment{
		Kind: oneOf(paymentKinds).Draw(t, "kind"), Status: oneOf(paymentStatuses).Draw(t, "status"),
		Amount: genAmount(1).Draw(t, "amount"), PaidAt: genTime.Draw(t, "paid"), Date: genDate.Draw(t, "date"),
		InvoiceID: text.Draw(t, "invoice"), ContactID: text.Draw(t, "contact"), PaymentOf: text.Draw(t, "of"),
		RefundIDs: genIDs.Draw(t, "refunds"), Account: text.Draw(t, "account"), Reference: text.Draw(t, "reference"),
		Label: text.Draw(t, "label"), Note: text.Draw(t, "note"),
		CounterAccount: text.Draw(t, "counter account"), ContactName: text.Draw(t, "contact name"),
		Settled: genAmount(-1).Draw(t, "settled"), TaxCode: text.Draw(t, "tax code"),
		Marks: genMarks.Draw(t, "marks"), Extra: genExtra.Draw(t, "extra"),
	}
})

var genContact = rapid.Custom(func(t *rapid.T) connector.Contact {
	return connector.Contact{
		Name: text.Draw(t, "name"), Email: text.Draw(t, "email"), Phone: text.Draw(t, "phone"),
		Address: connector.Address{
			Line1: text.Draw(t, "1"), Line2: text.Draw(t, "2"), City: text.Draw(t, "city"),
			Region: text.Draw(t, "region"), PostalCode: text.Draw(t, "code"), Country: text.Draw(t, "country"),
		},
		Status: oneOf(contactStatuses).Draw(t, "status"), Currency: text.Draw(t, "currency"), MergedInto: text.Draw(t, "merged"),
		Marks: genMarks.Draw(t, "marks"), Extra: genExtra.Draw(t, "extra"),
	}
})

// genRecord makes a record of an entity; one that is gone may lack its body.
func genRecord(e connector.Entity) *rapid.Generator[connector.Record] {
	return rapid.Custom(func(t *rapid.T) connector.Record {
		r := connector.Record{
			Entity: e, ID: idText.Draw(t, "id"), Version: text.Draw(t, "version"),
			UpdatedAt: genTime.Draw(t, "updated"), Gone: rapid.Bool().Draw(t, "gone"),
		}
		if r.Gone && rapid.Bool().Draw(t, "bare") {
			return r
		}
		switch e {
		case connector.EntityInvoice:
			v := genInvoice.Draw(t, "invoice")
			r.Invoice = &v
		case connector.EntityPayment:
			v := genPayment.Draw(t, "payment")
			r.Payment = &v
		case connector.EntityContact:
			v := genContact.Draw(t, "contact")
			r.Contact = &v
		}
		return r
	})
}

var genError = rapid.Custom(func(t *rapid.T) *connector.Error {
	return &connector.Error{
		Kind: connector.Kind(rapid.IntRange(1, int(connector.UnknownOutcome)).Draw(t, "kind")),
		Op:   text.Draw(t, "op"), Message: text.Draw(t, "message"), Remedy: text.Draw(t, "remedy"),
		RetryAfter: time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "retry")),
		Candidates: genIDs.Draw(t, "candidates"),
	}
})

func genOutcome(e connector.Entity) *rapid.Generator[connector.Outcome] {
	return rapid.Custom(func(t *rapid.T) connector.Outcome {
		o := connector.Outcome{ID: idText.Draw(t, "id"), Reason: text.Draw(t, "reason")}
		if rapid.Bool().Draw(t, "failed") {
			o.Err = genError.Draw(t, "error")
			return o
		}
		o.Result = rapid.SampledFrom([]connector.Result{connector.Created, connector.Updated, connector.Unchanged, connector.Adopted}).Draw(t, "result")
		if rapid.Bool().Draw(t, "told") {
			r := genRecord(e).Draw(t, "record")
			o.Record = &r
		}
		for range rapid.IntRange(0, 3).Draw(t, "effects") {
			o.Effects = append(o.Effects, connector.Effect{What: text.Draw(t, "what"), ID: text.Draw(t, "effect id"), Amount: genAmount(0).Draw(t, "effect amount")})
		}
		return o
	})
}

func genWrite(e connector.Entity) *rapid.Generator[connector.Write] {
	return rapid.Custom(func(t *rapid.T) connector.Write {
		return connector.Write{
			Key: rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "key"), TargetID: text.Draw(t, "target"),
			Record:  genRecord(e).Draw(t, "record"),
			Policy:  connector.Policy{Refunds: oneOf(refundPolicies).Draw(t, "refunds"), LockedPeriod: oneOf(lockedPolicies).Draw(t, "locked")},
			Attempt: rapid.IntRange(1, 100).Draw(t, "attempt"), IntendedAt: genTime.Draw(t, "intended"),
		}
	})
}

var genSession = rapid.Custom(func(t *rapid.T) *connector.Session {
	secret := rapid.Map(text, func(s string) connector.Secret { return connector.Secret(s) })
	return &connector.Session{
		Connection: text.Draw(t, "connection"), AccountID: text.Draw(t, "account"), Settings: genMarks.Draw(t, "settings"),
		Secrets: rapid.MapOfN(text, secret, 0, 3).Draw(t, "secrets"), AccessToken: secret.Draw(t, "token"), Priority: oneOf(priorities).Draw(t, "priority"),
	}
})
