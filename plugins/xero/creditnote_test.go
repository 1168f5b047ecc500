package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

var modeText = map[connector.TaxMode]string{connector.TaxExclusive: "Exclusive", connector.TaxInclusive: "Inclusive", connector.TaxNone: "NoTax"}

func TestShares(t *testing.T) {
	t.Parallel()
	line := func(amount, tax, account string) lineForm {
		return lineForm{LineAmount: number(amount), TaxAmount: number(tax), AccountCode: account, TaxType: "OUTPUT2"}
	}
	tests := []struct {
		name   string
		lines  []lineForm
		mode   connector.TaxMode
		refund string
		want   string
	}{
		{name: "tax on top", lines: []lineForm{line("100", "15", "200"), line("10", "0", "201")}, mode: connector.TaxExclusive, refund: "62.50", want: "200:57.50 201:5.00"},
		{name: "tax within", lines: []lineForm{line("115", "15", "200"), line("10", "0", "201")}, mode: connector.TaxInclusive, refund: "125", want: "200:115.00 201:10.00"},
		{name: "thirds", lines: []lineForm{line("1", "", "200"), line("1", "", "201"), line("1", "", "202")}, mode: connector.TaxNone, refund: "1", want: "200:0.34 201:0.33 202:0.33"},
		{name: "text lines", lines: []lineForm{line("", "", ""), line("10", "", "200")}, mode: connector.TaxNone, refund: "1", want: "200:1.00"},
		{name: "a discount line", lines: []lineForm{line("100", "", "200"), line("-20", "", "200"), line("20", "", "201")}, mode: connector.TaxNone, refund: "50", want: "200:40.00 201:10.00"},
		{name: "a deposit on another account", lines: []lineForm{line("100", "", "200"), line("-30", "", "800")}, mode: connector.TaxNone, refund: "70", want: "200:70.00"},
		{name: "one cent", lines: []lineForm{line("100", "", "200"), line("100", "", "201")}, mode: connector.TaxNone, refund: "0.01", want: "200:0.01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := shares(invoiceForm{LineItems: tt.lines, LineAmountTypes: modeText[tt.mode]}, nzd(tt.refund), nil)
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for _, s := range got {
				text += fmt.Sprintf(" %s:%s", s.line.AccountCode, s.amount.Decimal())
			}
			if text != " "+tt.want {
				t.Errorf("got%s, want %s", text, tt.want)
			}
		})
	}
	if _, err := shares(invoiceForm{LineItems: []lineForm{line("-5", "", "200")}, LineAmountTypes: "NoTax"}, nzd("1"), nil); err == nil {
		t.Error("a refund over nothing has shares")
	}
}

// I6: whatever the lines, the credit note's lines sum to the refund exactly.
func TestSharesSumToTheRefund(t *testing.T) {
	t.Parallel()
	currencies := []money.Currency{"NZD", "JPY", "USD", "KWD"}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(currencies).Draw(t, "currency")
		mode := rapid.SampledFrom([]connector.TaxMode{connector.TaxExclusive, connector.TaxInclusive, connector.TaxNone}).Draw(t, "mode")
		n := rapid.IntRange(1, 30).Draw(t, "lines")
		lines := []lineForm{{LineAmount: number(money.MustNew(rapid.Int64Range(1, 1e9).Draw(t, "first"), c).Decimal()), AccountCode: "1"}}
		for i := 1; i < n; i++ {
			lines = append(lines, lineForm{
				LineAmount:  number(money.MustNew(rapid.Int64Range(-1e6, 1e9).Draw(t, "amount"), c).Decimal()),
				TaxAmount:   number(money.MustNew(rapid.Int64Range(0, 1e6).Draw(t, "tax"), c).Decimal()),
				AccountCode: rapid.SampledFrom([]string{"2", "3"}).Draw(t, "account"),
			})
		}
		refund := money.MustNew(rapid.Int64Range(1, 1e9).Draw(t, "refund")*stepOf(c), c)
		got, err := shares(invoiceForm{LineItems: lines, LineAmountTypes: modeText[mode]}, refund, nil)
		if err != nil {
			t.Fatal(err)
		}
		total := money.Zero(c)
		for _, s := range got {
			if s.amount.Sign() <= 0 {
				t.Fatalf("a share of %s", s.amount)
			}
			if _, err := sum(s.amount); err != nil {
				t.Fatal(err)
			}
			if total, err = total.Add(s.amount); err != nil {
				t.Fatal(err)
			}
		}
		if total != refund {
			t.Fatalf("shares sum to %s, the refund is %s", total, refund)
		}
	})
}

// I6: refunds that make up the whole give back each line and its tax exactly,
// however the service rounds the tax of a credit note that it works out.
func TestSharesOfSeveralRefundsMakeUpTheInvoice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		inv := invoiceForm{InvoiceNumber: "INV-1", LineAmountTypes: rapid.SampledFrom([]string{"Inclusive", "Exclusive"}).Draw(t, "mode")}
		var total, tax int64
		for range rapid.IntRange(1, 6).Draw(t, "lines") {
			gross := rapid.Int64Range(1, 1e6).Draw(t, "gross")
			l := lineForm{
				Description: rapid.SampledFrom([]string{"Work", "Travel"}).Draw(t, "text"),
				AccountCode: rapid.SampledFrom([]string{"200", "201"}).Draw(t, "account"),
				TaxType:     rapid.SampledFrom([]string{"OUTPUT2", "NONE"}).Draw(t, "tax"),
			}
			part := taxWithin(gross, l.TaxType)
			l.LineAmount, l.TaxAmount = cents(gross), cents(part)
			if inv.LineAmountTypes == "Exclusive" {
				l.LineAmount = cents(gross - part)
			}
			inv.LineItems = append(inv.LineItems, l)
			total, tax = total+gross, tax+part
		}
		var notes []creditNoteForm
		var givenTax int64
		for left := total; left > 0; {
			n := rapid.Int64Range(1, left).Draw(t, "refund")
			got, err := shares(inv, nzd(money.MustNew(n, "NZD").Decimal()), notes)
			if err != nil {
				t.Fatal(err)
			}
			note := creditNoteForm{Total: cents(n)}
			for _, s := range got {
				part := taxWithin(s.amount.Minor(), s.line.TaxType)
				if s.tax.IsSet() {
					part = s.tax.Minor()
				}
				if part < 0 || part > s.amount.Minor() {
					t.Fatalf("tax of %d in %s", part, s.amount)
				}
				givenTax += part
				note.LineItems = append(note.LineItems, lineForm{Description: refundText("INV-1", s.line), AccountCode: s.line.AccountCode,
					TaxType: s.line.TaxType, LineAmount: cents(s.amount.Minor()), TaxAmount: cents(part)})
			}
			notes, left = append(notes, note), left-n
		}
		if givenTax != tax {
			t.Fatalf("tax of %d was given back, of %d", givenTax, tax)
		}
		list, err := piecesOf(inv, "NZD")
		if err != nil {
			t.Fatal(err)
		}
		if rest, ok := leftBy(list, "INV-1", notes, "NZD"); !ok || sumLeft(rest) != 0 {
			t.Fatalf("left of the lines: %+v", rest)
		}
	})
}

// taxWithin is 15 % in a sum, rounded as the service does.
func taxWithin(gross int64, taxType string) int64 {
	if taxType == "NONE" {
		return 0
	}
	return (gross*30 + 115) / 230
}

func cents(n int64) number { return number(money.MustNew(n, "NZD").Decimal()) }

func TestSums(t *testing.T) {
	t.Parallel()
	tests := []struct {
		amount money.Amount
		want   string // "": refused
	}{
		{amount: nzd("10.5"), want: "10.50"},
		{amount: money.MustNew(1000, "JPY"), want: "1000"},
		{amount: money.MustNew(1230, "KWD"), want: "1.23"},
		{amount: money.MustNew(1235, "KWD")},
	}
	for _, tt := range tests {
		t.Run(tt.amount.String(), func(t *testing.T) {
			t.Parallel()
			got, err := sum(tt.amount)
			if string(got) != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	var form struct{ A, B, C number }
	if err := json.Unmarshal([]byte(`{"A":24.15,"B":"50.00","C":null}`), &form); err != nil || form.A != "24.15" || form.B != "50.00" || form.C != "" {
		t.Errorf("%+v, %v", form, err)
	}
	if err := json.Unmarshal([]byte(`{"A":true}`), &form); err == nil {
		t.Error("true is a number")
	}
}

func TestReferencesOfReopenedReceipts(t *testing.T) {
	t.Parallel()
	ref := "ch_00000001 INV-1"
	one := lessRefund(ref, "re_00000001")
	two := lessRefund(one, "re_00000002")
	if one != "ch_00000001 less re_00000001 INV-1" || two != "ch_00000001 less re_00000002 re_00000001 INV-1" {
		t.Errorf("%q, %q", one, two)
	}
	if !takesOff(two, "re_00000001") || takesOff(ref, "re_00000001") || takesOff(one, "re_00000002") {
		t.Error("the references do not say what was taken off")
	}
	if got := moreRefund(two, "re_00000002"); got != one {
		t.Errorf("%q", got)
	}
	if got := moreRefund(one, "re_00000001"); got != ref {
		t.Errorf("%q", got)
	}
	if got := moreRefund(lessRefund("ch_00000001", "re_00000001"), "re_00000001"); got != "ch_00000001" {
		t.Errorf("%q", got)
	}
}

func TestMarked(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]bool{
		"ch_3Nq8vK2eZvKYlo2C INV-1": true, "pyr_1Nq8vK2eZvKYlo2C": true, "ch_00000001": true,
		"": false, "cheque 12": false, "INV-001": false, "a_b": false, "paid by bank_transfer": false, "_12345678": false, "x_123-5678": false,
	} {
		if got := marked(ref); got != want {
			t.Errorf("marked(%q) = %v", ref, got)
		}
	}
}
