package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const bankTransactions = "/api.xro/2.0/BankTransactions"

// movementOf is the write that posts money without an invoice.
func (w *world) movementOf(kind connector.PaymentKind, reference, amount string) connector.Write {
	w.keys++
	pay := &connector.Payment{
		Kind: kind, Status: connector.PaymentSucceeded, Amount: nzd(amount), PaidAt: w.clock.Now(),
		Account: "610", CounterAccount: "404", ContactName: "Stripe", Reference: reference, Note: "card fees",
	}
	if kind == connector.PaymentPayout {
		pay.CounterAccount, pay.ContactName, pay.Note = "090", "", ""
	}
	return connector.Write{Key: "movement-" + strconv.Itoa(w.keys), Attempt: 1, IntendedAt: w.clock.Now(),
		Record: connector.Record{Entity: connector.EntityPayment, Payment: pay}}
}

func (w *world) fee(mark, amount string) connector.Write {
	return w.movementOf(connector.PaymentFee, mark, amount)
}

// failed is the same movement, come back.
func failed(w connector.Write, out connector.Outcome) connector.Write {
	pay := *w.Record.Payment
	pay.Status = connector.PaymentFailed
	w.Key, w.TargetID, w.Attempt, w.Record.Payment = w.Key+"-failed", out.ID, 1, &pay
	return w
}

// bank sums up the bank accounts: one line per live bank transaction, then what
// they hold.
func (w *world) bank() string {
	var lines []string
	for _, b := range w.s.BankTransactions() {
		if b.Status == "AUTHORISED" {
			lines = append(lines, fmt.Sprintf("%s %s tax %s %s>%s %s %q %q", b.Type, b.Total, b.TotalTax, b.Account, b.CounterAccount, b.Contact, b.Reference, b.Description))
		}
	}
	return strings.Join(lines, "\n")
}

func (w *world) expectBank(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(strings.Join(want, "\n"), w.bank()); diff != "" {
		w.t.Errorf("bank transactions (-want +got):\n%s", diff)
	}
}

// expectHeld checks what an account holds.
func (w *world) expectHeld(code, want string) {
	w.t.Helper()
	if got := w.s.State().Accounts[code].Balance; got != want {
		w.t.Errorf("account %s holds %s, want %s", code, got, want)
	}
}

func TestFeeIsSpentOutOfTheClearingAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	write := w.fee("txn_00000001 INV-1", "0.59")
	write.Record.Payment.Label = "INV-1"
	out := w.pay(write)[0]
	w.expect(out, "created")
	want := `SPEND 0.59 tax 0.00 610>404 Stripe "txn_00000001 INV-1" "Fee: INV-1: card fees"`
	w.expectBank(want)
	w.expectHeld("610", "-0.59")
	if len(out.Effects) != 1 || out.Effects[0].Amount != nzd("0.59") || out.Record == nil || out.Record.ID != out.ID {
		t.Errorf("outcome %+v", out)
	}
	write.TargetID = out.ID
	for _, next := range []connector.Write{write, again(write)} {
		o := w.pay(next)[0]
		w.expect(o, "unchanged")
		if o.ID != out.ID {
			t.Errorf("id %s, want %s", o.ID, out.ID)
		}
	}
	w.expectBank(want)
}

func TestManyFeesGoInOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	var writes []connector.Write
	for i := range 100 {
		writes = append(writes, w.fee(fmt.Sprintf("txn_%08d", i), "0.30"))
	}
	w.expect(w.pay(writes[0])[0], "created")
	before := w.s.Calls().Total
	for i, o := range w.pay(writes...) {
		want := "created"
		if i == 0 {
			want = "unchanged"
		}
		w.expect(o, want)
	}
	// Two looks of some fifty marks, the contact, the write.
	if calls := w.s.Calls().Total - before; calls > 5 {
		t.Errorf("%d calls for 100 fees", calls)
	}
	w.expectHeld("610", "-30.00")
	if n := len(w.s.Contacts()); n != 1 {
		t.Errorf("%d contacts", n)
	}
}

func TestFeeWithTaxIsExactlyTheSum(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, amount, code, tax string
		currency                money.Currency
		minor                   int64
		total                   string
	}{
		{name: "inclusive", minor: 59, currency: "NZD", code: "INPUT2", total: "0.59", tax: "0.08"},
		{name: "no tax", minor: 59, currency: "NZD", total: "0.59", tax: "0.00"},
		{name: "yen", minor: 37, currency: "JPY", code: "INPUT2", total: "37.00", tax: "4.83"},
		{name: "dinar", minor: 1230, currency: "KWD", total: "1.23", tax: "0.00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			if _, err := w.s.AddAccount(xero.AccountInput{Code: "612", Name: "Clearing abroad", Currency: string(tt.currency)}); err != nil {
				t.Fatal(err)
			}
			write := w.fee("txn_00000001", "1.00")
			write.Record.Payment.Amount, write.Record.Payment.TaxCode, write.Record.Payment.Account = money.MustNew(tt.minor, tt.currency), tt.code, "612"
			w.expect(w.pay(write)[0], "created")
			got := w.s.BankTransactions()[0]
			if got.Total != tt.total || got.TotalTax != tt.tax || got.Currency != string(tt.currency) {
				t.Errorf("%+v", got)
			}
			w.expectHeld("612", "-"+tt.total)
			w.expect(w.pay(again(write))[0], "unchanged")
		})
	}
}

func TestFeeOfADayThatGaveMoneyBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	write := w.movementOf(connector.PaymentFeeRefund, "fees_2026-11-22_nzd", "4.35")
	out := w.pay(write)[0]
	w.expect(out, "created")
	w.expectBank(`RECEIVE 4.35 tax 0.00 610>404 Stripe "fees_2026-11-22_nzd" "Fee returned: card fees"`)
	w.expectHeld("610", "4.35")
	w.expect(w.pay(again(write))[0], "unchanged")
	// The day's sum turns round: a person decides.
	turned := w.fee("fees_2026-11-22_nzd", "1.00")
	turned.TargetID = out.ID
	w.expect(w.pay(turned)[0], "conflict")
}

// I3: cut off before or after the write, soon or late, the fee is posted once.
func TestFeeAfterALostAnswer(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{sandbox.FaultResetBefore, sandbox.FaultResetAfter, sandbox.FaultTruncate} {
		for _, wait := range []time.Duration{0, 10 * time.Minute} {
			t.Run(kind+" "+wait.String(), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, xero.Config{})
				write, other := w.fee("txn_00000001", "0.59"), w.fee("txn_000000012", "0.59")
				w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: bankTransactions, Kind: kind})
				w.expect(w.pay(write)[0], "unknown outcome")
				w.clock.Advance(wait)
				next := w.pay(again(write), other)
				if o := next[0]; o.Result != connector.Created && o.Result != connector.Unchanged {
					t.Errorf("second attempt: %q %v", o.Result, o.Err)
				}
				w.expect(next[1], "created")
				w.expectHeld("610", "-1.18")
			})
		}
	}
}

func TestFeeRefusals(t *testing.T) {
	t.Parallel()
	set := func(change func(*connector.Payment)) func(*world, *connector.Write) {
		return func(_ *world, write *connector.Write) { change(write.Record.Payment) }
	}
	tests := []struct {
		name   string
		change func(*world, *connector.Write)
		want   string
		says   string
	}{
		{name: "no other account", want: "invalid", says: "other account", change: set(func(p *connector.Payment) { p.CounterAccount = "" })},
		{name: "an unknown other account", want: "invalid", says: `"499"`, change: set(func(p *connector.Payment) { p.CounterAccount = "499" })},
		{name: "a bank account as expense", want: "conflict", says: "bank account", change: set(func(p *connector.Payment) { p.CounterAccount = "090" })},
		{name: "no contact", want: "invalid", says: "contact", change: set(func(p *connector.Payment) { p.ContactName = " " })},
		{name: "a contact of another system", want: "invalid", says: "contact", change: set(func(p *connector.Payment) { p.ContactID = "cus_1" })},
		{name: "a clearing account that is no bank account", want: "conflict", says: "not a bank account", change: set(func(p *connector.Payment) { p.Account = "620" })},
		{name: "another currency than the account", want: "conflict", says: "another currency", change: set(func(p *connector.Payment) { p.Amount = money.MustNew(59, "USD") })},
		{name: "a third decimal", want: "invalid", says: "two decimals", change: set(func(p *connector.Payment) { p.Amount = money.MustNew(1234, "KWD") })},
		{name: "an adjustment", want: "invalid", says: "topup: in", change: set(func(p *connector.Payment) { p.Kind, p.Note = connector.PaymentAdjustment, "topup: in" })},
		{name: "a tax code that is none", want: "invalid", says: "TaxType", change: set(func(p *connector.Payment) { p.TaxCode = "GST" })},
		{name: "the tax of sales", want: "invalid", says: "cannot be used with account code", change: set(func(p *connector.Payment) { p.TaxCode = "OUTPUT2" })},
		{name: "a reference that cannot be looked for", want: "invalid", says: "looked for", change: set(func(p *connector.Payment) { p.Reference = `a"b` })},
		{name: "an archived contact", want: "conflict", says: "", change: func(w *world, write *connector.Write) {
			c := w.person("Gone", "")
			if _, err := w.s.ArchiveContact(c.ContactID); err != nil {
				w.t.Fatal(err)
			}
			write.Record.Payment.ContactID, write.Record.Payment.ContactName = c.ContactID, ""
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			write := w.fee("txn_00000001", "0.59")
			tt.change(w, &write)
			outs := w.pay(write, w.fee("txn_00000002", "0.10"))
			if outs[0].Err == nil || outs[0].Err.Kind.String() != tt.want || outs[0].Err.Remedy == "" || !strings.Contains(outs[0].Err.Message, tt.says) {
				t.Errorf("outcome %+v, %v", outs[0], outs[0].Err)
			}
			w.expect(outs[1], "created") // the other one is not harmed
			w.expectHeld("610", "-0.10")
		})
	}
}

func TestFeeThatAPersonTouched(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		person func(w *world, id string) error
		want   string
		says   string
	}{
		{name: "deleted", want: "conflict", says: "deleted in Xero", person: func(w *world, id string) error { return w.s.DeleteBankTransaction(id) }},
		{name: "another sum", want: "conflict", says: "0.60", person: func(w *world, id string) error {
			_, err := w.s.AmendBankTransaction(id, xero.AmendInput{Amount: "0.60"})
			return err
		}},
		{name: "another expense account", want: "unchanged", person: func(w *world, id string) error {
			_, err := w.s.AmendBankTransaction(id, xero.AmendInput{Counter: "400"})
			return err
		}},
		{name: "another reference", want: "unchanged", person: func(w *world, id string) error {
			_, err := w.s.AmendBankTransaction(id, xero.AmendInput{Reference: "Stripe fee"})
			return err
		}},
		{name: "entered once more under the mark", want: "conflict", says: "2 entries", person: func(w *world, _ string) error {
			_, err := w.s.SpendMoney(xero.SpendInput{Account: "610", Contact: "Stripe", Amount: "0.59", Tax: "NONE", Reference: "txn_00000001 again"})
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			write := w.fee("txn_00000001", "0.59")
			out := w.pay(write)[0]
			w.expect(out, "created")
			if err := tt.person(w, out.ID); err != nil {
				t.Fatal(err)
			}
			bank := w.bank()
			write.TargetID = out.ID
			o := w.pay(again(write))[0]
			w.expect(o, tt.want)
			if o.Err != nil && !strings.Contains(o.Err.Message, tt.says) {
				t.Errorf("says %q", o.Err.Message)
			}
			if w.bank() != bank {
				t.Errorf("the books changed:\n%s", w.bank())
			}
		})
	}
}

func TestFeeInALockedPeriod(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		policy connector.LockedPeriodPolicy
		late   bool // the lock date moves after the connector has read it
		want   string
	}{
		{name: "next open day", want: "created"},
		{name: "person", policy: connector.LockedPerson, want: "conflict"},
		{name: "moved meanwhile", late: true, want: "created"},
		{name: "moved meanwhile, person", policy: connector.LockedPerson, late: true, want: "conflict"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			if tt.late {
				w.expect(w.pay(w.fee("txn_00000009", "1.00"))[0], "created")
			}
			if err := w.s.SetLockDates(w.today(), ""); err != nil {
				t.Fatal(err)
			}
			write, payout := w.fee("txn_00000001", "0.59"), w.movementOf(connector.PaymentPayout, "po_00000001", "5.00")
			write.Policy.LockedPeriod, payout.Policy.LockedPeriod = tt.policy, tt.policy
			for _, o := range w.pay(write, payout) {
				w.expect(o, tt.want)
			}
			if tt.want != "created" {
				return
			}
			tomorrow := w.clock.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
			paid := " (paid " + w.today() + ")"
			for _, b := range w.s.BankTransactions() {
				if mark := markOf(b.Reference); mark != "txn_00000009" && (b.Date != tomorrow || b.Reference != mark+paid) {
					t.Errorf("booked on %s as %q", b.Date, b.Reference)
				}
			}
			for _, o := range w.pay(again(write), again(payout)) {
				w.expect(o, "unchanged")
			}
		})
	}
}

func TestFeeOnTheDayOfTheOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{Timezone: "NEWZEALANDSTANDARDTIME"})
	derived, given := w.fee("txn_00000001", "1.00"), w.fee("fees_2026-10-31_nzd", "1.00")
	derived.Record.Payment.PaidAt = time.Date(2026, time.October, 31, 12, 30, 0, 0, time.UTC) // 1 November in Auckland
	given.Record.Payment.Date = connector.Date{Year: 2026, Month: time.October, Day: 31}
	w.pay(derived, given)
	for i, want := range []string{"2026-11-01", "2026-10-31"} {
		if got := w.s.BankTransactions()[i].Date; got != want {
			t.Errorf("%d is booked on %s, want %s", i, got, want)
		}
	}
}

func TestDisputeIsSpentAndComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	write := w.movementOf(connector.PaymentDispute, "du_00000001 INV-1", "100.00")
	write.Record.Payment.Amount, write.Record.Payment.Settled = money.MustNew(6000, "USD"), nzd("100.00")
	write.Record.Payment.Note, write.Record.Payment.ContactName = "fraudulent", "Ridgeway University"
	early := failed(write, connector.Outcome{})
	w.expect(w.pay(early)[0], "unchanged") // nothing was ever withdrawn
	w.expectBank()

	out := w.pay(write)[0]
	w.expect(out, "created")
	spent := `SPEND 100.00 tax 0.00 610>404 Ridgeway University "du_00000001 INV-1" "Dispute: fraudulent"`
	w.expectBank(spent)
	w.expectHeld("610", "-100.00")

	won := failed(write, out)
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: bankTransactions, Kind: sandbox.FaultResetAfter})
	w.expect(w.pay(won)[0], "unknown outcome")
	back := w.pay(again(won))[0]
	w.expect(back, "unchanged")
	w.expectBank(spent, `RECEIVE 100.00 tax 0.00 610>404 Ridgeway University "du_00000001 returned INV-1" "Dispute, money returned: fraudulent"`)
	w.expectHeld("610", "0.00")

	for _, tt := range []struct {
		id   string
		want connector.PaymentStatus
	}{{out.ID, connector.PaymentSucceeded}, {back.ID, connector.PaymentFailed}} {
		if rec := w.get(tt.id); rec.Payment.Kind != connector.PaymentDispute || rec.Payment.Status != tt.want || rec.Payment.Amount != nzd("100.00") {
			t.Errorf("%s: %+v", tt.id, rec.Payment)
		}
	}
	if err := w.s.DeleteBankTransaction(back.ID); err != nil {
		t.Fatal(err)
	}
	if rec := w.get(back.ID); rec.Payment.Status != connector.PaymentSucceeded {
		t.Errorf("the return was deleted, so that the money is gone: %+v", rec.Payment)
	}
}

func (w *world) get(id string) connector.Record {
	w.t.Helper()
	recs, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityPayment, IDs: []string{id}})
	if err != nil || len(recs) != 1 {
		w.t.Fatalf("get %s: %d records, %v", id, len(recs), err)
	}
	return recs[0]
}

// What comes back goes out of the accounts that it went into, even if the recipe
// or a person chose others meanwhile.
func TestReturnGoesTheSameWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	if _, err := w.s.AddAccount(xero.AccountInput{Code: "611", Name: "Stripe two"}); err != nil {
		t.Fatal(err)
	}
	write := w.movementOf(connector.PaymentDispute, "du_00000001", "10.00")
	out := w.pay(write)[0]
	w.expect(out, "created")
	if _, err := w.s.AmendBankTransaction(out.ID, xero.AmendInput{Counter: "400"}); err != nil {
		t.Fatal(err)
	}
	won := failed(write, out)
	won.Record.Payment.Account = "611"
	w.expect(w.pay(won)[0], "updated")
	w.expectHeld("610", "0.00")
	w.expectHeld("611", "0.00")
	if got := w.s.BankTransactions()[1]; got.CounterAccount != "400" {
		t.Errorf("%+v", got)
	}
}

func TestContactOfAFee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	known := w.person("Stripe", "support@stripe.example")
	write, named := w.fee("txn_00000001", "1.00"), w.fee("txn_00000002", "1.00")
	write.Record.Payment.ContactName = " stripe "
	named.Record.Payment.ContactName, named.Record.Payment.ContactID = "", known.ContactID
	quoted := w.fee("txn_00000003", "1.00")
	quoted.Record.Payment.ContactName = `The "Blue" Bank`
	for _, o := range w.pay(write, named, quoted) {
		w.expect(o, "created")
	}
	list := w.s.Contacts()
	if len(list) != 2 || list[0] != known || list[1].Name != `The "Blue" Bank` {
		t.Errorf("contacts %+v", list)
	}
}

// The contact of the fees is looked for once in a while, and again when it was
// merged into another one meanwhile.
func TestContactOfFeesIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	w.expect(w.pay(w.fee("txn_00000001", "1.00"))[0], "created")
	before := w.s.Calls().Total
	w.expect(w.pay(w.fee("txn_00000002", "1.00"))[0], "created")
	if calls := w.s.Calls().Total - before; calls != 2 {
		t.Errorf("%d calls for one more fee", calls)
	}
	old := w.s.Contacts()[0]
	if _, err := w.s.EditContact(old.ContactID, xero.ContactInput{Name: "Stripe (old)"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.ArchiveContact(old.ContactID); err != nil {
		t.Fatal(err)
	}
	fresh := w.person("Stripe", "")
	w.expect(w.pay(w.fee("txn_00000003", "1.00"))[0], "created")
	list := w.s.BankTransactions()
	if got := list[len(list)-1].ContactID; got != fresh.ContactID {
		t.Errorf("paid to %s, want %s", got, fresh.ContactID)
	}
}

// I3: a contact whose answer was lost is not made twice.
func TestContactOfAFeeAfterALostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: "/api.xro/2.0/Contacts", Kind: sandbox.FaultResetAfter})
	write := w.fee("txn_00000001", "1.00")
	w.expect(w.pay(write)[0], "unknown outcome")
	w.expectHeld("610", "0.00")
	w.expect(w.pay(again(write))[0], "created")
	if n := len(w.s.Contacts()); n != 1 {
		t.Errorf("%d contacts", n)
	}
}

// A request that is refused as a whole does not condemn the fees in it.
func TestFeesRefusedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: bankTransactions, Kind: sandbox.FaultStatus, Status: 404})
	for _, o := range w.pay(w.fee("txn_00000001", "1.00"), w.fee("txn_00000002", "2.00")) {
		w.expect(o, "created")
	}
	w.expectHeld("610", "-3.00")
}

// A person enters the fee under our mark between our look and our write: both
// stand, and the next look says so.
func TestFeeRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	w.beforeFirst(http.MethodPut, bankTransactions, func() error {
		_, err := w.s.SpendMoney(xero.SpendInput{Account: "610", Contact: "Stripe", Amount: "1.00", Tax: "NONE", Reference: "txn_00000001"})
		return err
	})
	write := w.fee("txn_00000001", "1.00")
	w.expect(w.pay(write)[0], "created")
	o := w.pay(again(write))[0]
	w.expect(o, "conflict")
	if len(o.Err.Candidates) != 2 {
		t.Errorf("candidates %v", o.Err.Candidates)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]bool{
		"txn_3MmlLrLkdIwHu7ix0snN0B15 INV-1": true, "fees_2026-11-22_nzd": true, "po_1MmlLrLk": true, "du_1MmlLrLk returned": true,
		"INV_2026-001": false, "fees_2026-11-22": false, "fees_2026-13-22_nzd": false, "Stripe payout": false, "": false, "po_1": false,
	} {
		if got := marked(reference); got != want {
			t.Errorf("marked(%q) is %v", reference, got)
		}
	}
}
