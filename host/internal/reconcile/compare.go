package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/money"
)

// finding is one way in which a counterpart is not what is wanted.
type finding struct {
	message string
	gone    bool // it was deleted or voided
}

func differences(want, have *connector.Record, effects []flow.Effect) []finding {
	switch {
	case want.Invoice != nil && have.Invoice != nil:
		return invoiceDifferences(want.Invoice, have.Invoice)
	case want.Payment != nil && have.Payment != nil:
		return paymentDifferences(want.Payment, have, effects)
	case want.Contact != nil && have.Contact != nil:
		return contactDifferences(want.Contact, have.Contact)
	}
	return []finding{{message: "its counterpart is of another kind", gone: true}}
}

// invoiceDifferences compares what is due. An invoice that is settled on both
// sides is equal, however it was settled.
func invoiceDifferences(want, have *connector.Invoice) []finding {
	var out []finding
	if want.Status == connector.InvoiceOpen && have.Status == connector.InvoiceVoid {
		return []finding{{message: fmt.Sprintf("%s is due, but its counterpart is void", want.AmountDue), gone: true}}
	}
	if settled(want) != settled(have) {
		out = append(out, finding{message: fmt.Sprintf("it is %s, its counterpart is %s", want.Status, have.Status)})
	}
	if want.Currency != have.Currency {
		return append(out, finding{message: fmt.Sprintf("it is in %s, its counterpart in %s", want.Currency, have.Currency)})
	}
	if !settled(want) && !settled(have) && want.AmountDue != have.AmountDue {
		out = append(out, finding{message: fmt.Sprintf("%s is due, %s on the other side", want.AmountDue, have.AmountDue)})
	}
	// Whose it is matters while somebody is asked to pay: what is settled is final
	// on one side, and may be given to another contact on the other.
	if want.ContactID != "" && want.ContactID != have.ContactID && !(settled(want) && settled(have)) {
		out = append(out, finding{message: fmt.Sprintf("it belongs to %s, its counterpart to %s", want.ContactID, have.ContactID)})
	}
	return append(out, markDifferences(want.Marks, have.Marks)...)
}

// settled reports whether nothing can be paid on an invoice any more.
func settled(v *connector.Invoice) bool {
	return v.Status == connector.InvoicePaid || v.Status == connector.InvoiceVoid
}

func paymentDifferences(want *connector.Payment, target *connector.Record, effects []flow.Effect) []finding {
	have := target.Payment
	if want.Status == connector.PaymentSucceeded && have.Status == connector.PaymentFailed {
		return []finding{{message: fmt.Sprintf("%s moved, but its posting was deleted", want.Amount), gone: true}}
	}
	if want.Status == connector.PaymentFailed {
		if have.Status == connector.PaymentSucceeded {
			return []finding{{message: "it failed, but is still posted"}}
		}
		return nil
	}
	var out []finding
	if got := posted(target, effects); got != want.Amount {
		out = append(out, finding{message: fmt.Sprintf("%s moved, %s is posted", want.Amount, got)})
	}
	if want.Kind == connector.PaymentReceipt && have.InvoiceID != "" && want.InvoiceID != have.InvoiceID {
		out = append(out, finding{message: fmt.Sprintf("it pays invoice %s, its posting is on %s", want.InvoiceID, have.InvoiceID)})
	}
	if word := firstWord(want.Reference); word != "" && firstWord(have.Reference) != word {
		out = append(out, finding{message: fmt.Sprintf("its posting does not begin with the mark %s", word)})
	}
	return out
}

// posted is what stands in the books for a payment: the posting, and what was
// left over and posted as an overpayment, unless that is the posting itself.
func posted(target *connector.Record, effects []flow.Effect) money.Amount {
	total := target.Payment.Amount
	for _, x := range effects {
		if x.What != "overpayment" || x.ID == target.ID {
			continue
		}
		text, cur, _ := strings.Cut(x.Amount, " ")
		if more, err := money.Parse(text, money.Currency(cur)); err == nil {
			if sum, err := total.Add(more); err == nil {
				total = sum
			}
		}
	}
	return total
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

func contactDifferences(want, have *connector.Contact) []finding {
	var out []finding
	for _, f := range []struct{ what, want, have string }{
		{"name", want.Name, have.Name}, {"e-mail address", want.Email, have.Email},
	} {
		if f.want != "" && !strings.EqualFold(f.want, f.have) {
			out = append(out, finding{message: fmt.Sprintf("its %s is %q, %q on the other side", f.what, f.want, f.have)})
		}
	}
	return append(out, markDifferences(want.Marks, have.Marks)...)
}

func markDifferences(want, have map[string]string) []finding {
	var out []finding
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if want[k] != have[k] {
			out = append(out, finding{message: fmt.Sprintf("mark %s should be %q and is %q", k, want[k], have[k])})
		}
	}
	return out
}
