package main

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// abroad is an invoice of 100 in a foreign currency, paid into the clearing
// account in the base currency.
func (w *world) abroad(currency money.Currency) xero.Invoice {
	return w.invoiceOf(xero.InvoiceInput{Contact: "Abroad", Currency: string(currency), Lines: []xero.LineInput{{Description: "x", UnitAmount: "100", Tax: "NONE"}}})
}

// settledAs makes a write over an amount that moved the balance by another sum.
func settledAs(write connector.Write, amount, settled money.Amount) connector.Write {
	write.Record.Payment.Amount, write.Record.Payment.Settled = amount, settled
	return write
}

func major(units int64, c money.Currency) money.Amount {
	for range c.Digits() {
		units *= 10
	}
	return money.MustNew(units, c)
}

func TestForeignReceiptMovesTheAccountByWhatItSettledAs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		currency money.Currency
		settled  string
		rate     string
	}{
		{currency: "USD", settled: "161.37"}, {currency: "JPY", settled: "1.09"}, {currency: "KWD", settled: "543.21"},
	}
	for _, tt := range tests {
		t.Run(string(tt.currency), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			inv := w.abroad(tt.currency)
			write := settledAs(w.receipt(inv, "ch_00000001", "1.00"), major(100, tt.currency), nzd(tt.settled))
			w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: payments, Kind: sandbox.FaultResetAfter})
			w.expect(w.pay(write)[0], "unknown outcome")
			w.expect(w.pay(again(write))[0], "unchanged")
			if got := w.s.Payments()[0]; got.Amount != "100.00" || got.BankAmount != tt.settled {
				t.Errorf("%+v", got)
			}
			w.expectHeld("610", tt.settled)
			if due := w.now(inv.Number).AmountDue; due != "0.00" {
				t.Errorf("%s due", due)
			}
		})
	}
}

func TestSettledIsLeftAwayWhereItSaysNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		change  func(w *world, p *connector.Payment)
		settled money.Amount
		want    string // what the account moves by
	}{
		{name: "not known", want: "166.67"},                                      // the stand-in's rate of the day
		{name: "in a third currency", settled: major(90, "EUR"), want: "166.67"}, // which is not the account's
		{name: "in the account's currency", settled: nzd("160.00"), want: "160.00"},
		{name: "the account is in the invoice's currency", settled: nzd("160.00"), want: "100.00", change: func(w *world, p *connector.Payment) {
			id, err := w.s.AddAccount(xero.AccountInput{Code: "612", Name: "Clearing USD", Currency: "USD"})
			if err != nil {
				w.t.Fatal(err)
			}
			p.Account = id
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			write := settledAs(w.receipt(w.abroad("USD"), "ch_00000001", "1.00"), major(100, "USD"), tt.settled)
			if tt.change != nil {
				tt.change(w, write.Record.Payment)
			}
			w.expect(w.pay(write)[0], "created")
			if got := w.s.Payments()[0].BankAmount; got != tt.want {
				t.Errorf("the account moved by %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("the same currency", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, xero.Config{})
		write := settledAs(w.receipt(w.invoice("100.00"), "ch_00000001", "100.00"), nzd("100.00"), nzd("100.00"))
		w.expect(w.pay(write)[0], "created")
		w.expectHeld("610", "100.00")
	})
}

func TestSettledWithAThirdDecimalIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{BaseCurrency: "KWD"})
	inv := w.abroad("USD")
	o := w.pay(settledAs(w.receipt(inv, "ch_00000001", "1.00"), major(100, "USD"), money.MustNew(30125, "KWD")))[0]
	w.expect(o, "invalid")
	w.expectBooks()
}

// Refunds of a foreign receipt move the account by what they settled as, too.
func TestForeignRefunds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.abroad("USD")
	paid := w.pay(settledAs(w.receipt(inv, "ch_00000001", "1.00"), major(100, "USD"), nzd("161.37")))[0]
	w.expect(paid, "created")
	first := settledAs(w.refund(inv, paid, "re_00000001", "1.00", connector.RefundCreditNote), major(30, "USD"), nzd("47.03"))
	w.expect(w.pay(first)[0], "created")
	w.expectHeld("610", "114.34")
	second := settledAs(w.refund(inv, paid, "re_00000002", "1.00", connector.RefundCreditNote), major(70, "USD"), nzd("109.99"))
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: payments, Kind: sandbox.FaultResetBefore})
	w.expect(w.pay(second)[0], "unknown outcome") // the credit note is there, its payment is not
	w.expect(w.pay(again(second))[0], "created")
	w.expectHeld("610", "4.35")
	for _, write := range []connector.Write{first, second} {
		w.expect(w.pay(again(write))[0], "unchanged")
	}
	w.expectHeld("610", "4.35")
}

// A receipt that is posted again over less keeps what the rest had settled as.
func TestForeignRefundThatReopens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.abroad("USD")
	paid := w.pay(settledAs(w.receipt(inv, "ch_00000001", "1.00"), major(100, "USD"), nzd("161.37")))[0]
	w.expect(paid, "created")
	part := settledAs(w.refund(inv, paid, "re_00000001", "1.00", connector.RefundReopen), major(30, "USD"), nzd("47.03"))
	out := w.pay(part)[0]
	w.expect(out, "updated")
	w.expectHeld("610", "114.34")
	w.expect(w.pay(failed(part, out))[0], "updated")
	w.expectHeld("610", "161.37")

	whole := settledAs(w.refund(inv, paid, "re_00000002", "1.00", connector.RefundReopen), major(100, "USD"), nzd("158.00"))
	gone := w.pay(whole)[0]
	w.expect(gone, "updated")
	w.expectHeld("610", "0.00") // the receipt is taken out as it was
	w.expect(w.pay(failed(whole, gone))[0], "updated")
	w.expectHeld("610", "161.37")
}

// The parts of a posting sum to what settled, wherever it is cut.
func TestBankPartsSumToTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(1, 1_000_000).Draw(t, "amount")
		p := &posting{pay: &connector.Payment{Amount: money.MustNew(amount, "USD")}, bank: money.MustNew(rapid.Int64Range(amount, 1_000_000_000).Draw(t, "settled"), "NZD")}
		done, total := int64(0), money.Zero("NZD")
		for done < amount {
			part := rapid.Int64Range(1, amount-done).Draw(t, "part")
			if err := p.startAt(money.MustNew(amount-done, "USD")); err != nil {
				t.Fatal(err)
			}
			bank, err := p.bankPart(p.done, money.MustNew(part, "USD"))
			if err == nil {
				total, err = total.Add(bank)
			}
			if err != nil {
				t.Fatal(err)
			}
			done += part
		}
		if total != p.bank {
			t.Fatalf("the parts sum to %s, the whole is %s", total, p.bank)
		}
	})
}

func TestPartLessThanAUnitGoesToAPerson(t *testing.T) {
	t.Parallel()
	p := &posting{mark: "ch_00000001", pay: &connector.Payment{Amount: money.MustNew(1000, "JPY")}, bank: money.MustNew(1, "NZD")}
	if _, err := p.bankPart(money.MustNew(500, "JPY"), money.MustNew(500, "JPY")); kindOf(t, err) != connector.Conflict {
		t.Errorf("error %v", err)
	}
}
