package recipe

import (
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

func digestOf(t *testing.T, rec connector.Record, pol connector.Policy) string {
	t.Helper()
	d, err := Digest(rec, pol)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The digest of a wish is stored for as long as the link lives: it must not
// change between builds. A change of this value rewrites every record once.
func TestDigestIsStable(t *testing.T) {
	const want = "0e8d92fd6020f229b01611df55a68ecf021e41f7b40c0e446dc083c9920a9ab0"
	rec := approvedInvoice()
	rec.Invoice.Marks = map[string]string{"a": "1", "b": "2", "c": "3"}
	if got := digestOf(t, rec, connector.Policy{Refunds: connector.RefundReopen}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDigest(t *testing.T) {
	base := func() connector.Record {
		yes, n := true, int64(3)
		price, err := money.ParseDecimal("1.50")
		if err != nil {
			t.Fatal(err)
		}
		r := approvedInvoice()
		r.Invoice.Marks = map[string]string{"a": "1", "b": "2"}
		r.Invoice.Extra = map[string]connector.Value{"f": {Flag: &yes}, "n": {Integer: &n}}
		r.Invoice.Lines[0].UnitPrice = price
		return r
	}
	for _, tt := range []struct {
		name   string
		change func(r *connector.Record, p *connector.Policy)
		same   bool
	}{
		{"nothing", func(*connector.Record, *connector.Policy) {}, true},
		{"id, version and time", func(r *connector.Record, _ *connector.Policy) {
			r.ID, r.Version, r.UpdatedAt = "x", "y", time.Unix(1, 0)
		}, true},
		{"an empty map for none", func(r *connector.Record, _ *connector.Policy) { r.Invoice.PaymentIDs = []string{} }, true},
		{"trailing zeros of a number", func(r *connector.Record, _ *connector.Policy) {
			r.Invoice.Lines[0].UnitPrice, _ = money.ParseDecimal("1.5")
		}, true},
		{"an amount", func(r *connector.Record, _ *connector.Policy) { r.Invoice.AmountDue = money.MustNew(11501, "NZD") }, false},
		{"a currency", func(r *connector.Record, _ *connector.Policy) { r.Invoice.AmountDue = money.MustNew(11500, "AUD") }, false},
		{"nothing for zero", func(r *connector.Record, _ *connector.Policy) { r.Invoice.AmountPaid = money.Amount{} }, false},
		{"a line", func(r *connector.Record, _ *connector.Policy) { r.Invoice.Lines[0].Description = "x" }, false},
		{"one line more", func(r *connector.Record, _ *connector.Policy) {
			r.Invoice.Lines = append(r.Invoice.Lines, connector.InvoiceLine{})
		}, false},
		{"a mark", func(r *connector.Record, _ *connector.Policy) { r.Invoice.Marks["b"] = "3" }, false},
		{"a flag", func(r *connector.Record, _ *connector.Policy) {
			no := false
			r.Invoice.Extra["f"] = connector.Value{Flag: &no}
		}, false},
		{"a policy", func(_ *connector.Record, p *connector.Policy) { p.LockedPeriod = connector.LockedPerson }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec, pol := base(), connector.Policy{}
			before := digestOf(t, rec, pol)
			tt.change(&rec, &pol)
			if got := digestOf(t, rec, pol) == before; got != tt.same {
				t.Errorf("same digest: got %t, want %t", got, tt.same)
			}
		})
	}
}

// What is only told along is no reason to write a posting again.
func TestDigestLeavesOutWhatIsToldAlong(t *testing.T) {
	rec := connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{Kind: connector.PaymentReceipt, Amount: money.MustNew(11500, "NZD")}}
	before := digestOf(t, rec, connector.Policy{})
	rec.Payment.RefundIDs = []string{"re_1"}
	if after := digestOf(t, rec, connector.Policy{}); after != before {
		t.Error("a refund of the receipt changes what is wanted of it")
	}
}

func TestDigestRefusesNothing(t *testing.T) {
	for _, rec := range []connector.Record{{}, {Entity: "gift"}, {Entity: connector.EntityContact}, {Entity: connector.EntityContact, Contact: &connector.Contact{}}} {
		if d, err := Digest(rec, connector.Policy{}); err == nil {
			t.Errorf("%v: got %s, want an error", rec, d)
		}
	}
}
