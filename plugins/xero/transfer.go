package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A payout is a bank transfer from the clearing account to the account where it
// arrives: https://developer.xero.com/documentation/api/accounting/banktransfers
//
// A person may have entered the transfer before us, from the bank's feed. One
// between the same two accounts, over the same sum, without a mark and of a near
// date is taken to be it. As with payments, a note in its history says which
// payout it serves, so that no other one is taken for it too.

const (
	transferDays    = 3 // a payout is on its way for a few days at most
	streamTransfers = "bank_transfers"
	whatTransfer    = "bank transfer"
	opTransfer      = "xero: post bank transfer"
	pathTransfers   = "/BankTransfers"
)

// transferForm is a bank transfer. The service shows no time of change, and no
// currency: it is that of the accounts.
type transferForm struct {
	BankTransferID   string
	Status           string
	Reference        string
	Amount           number
	Date             instant
	CreatedDateUTC   instant
	FromBankAccount  accountRef
	ToBankAccount    accountRef
	FromIsReconciled bool
	ToIsReconciled   bool
	issues
}

// messages are those of the transfer and of the accounts that it names.
func (t transferForm) messages() []string {
	return append(append(t.issues.messages(), t.FromBankAccount.messages()...), t.ToBankAccount.messages()...)
}

func (t transferForm) bad() bool {
	return t.issues.bad() || t.FromBankAccount.bad() || t.ToBankAccount.bad()
}

func (t transferForm) live() bool { return t.Status == "" || t.Status == "AUTHORISED" }

func (t transferForm) reconciled() bool { return t.FromIsReconciled || t.ToIsReconciled }

func (t transferForm) ref() connector.Record {
	return connector.Record{
		Entity: connector.EntityPayment, ID: strings.ToLower(t.BankTransferID), UpdatedAt: t.CreatedDateUTC.UTC(),
		Version: versionOf(t.CreatedDateUTC, t.Status, string(t.Amount), t.Reference, t.Date.date().String(), strconv.FormatBool(t.reconciled())),
	}
}

// ledger are the accounts of an organisation.
type ledger struct {
	org      organisation
	accounts []account
}

// ledger reads the accounts, or remembers them.
func (a *api) ledger(ctx context.Context) (ledger, error) {
	org, err := a.organisation(ctx, false)
	if err != nil {
		return ledger{}, err
	}
	accounts, err := a.accounts(ctx, false)
	return ledger{org: org, accounts: accounts}, err
}

// currency is the one that an account is kept in.
func (l ledger) currency(ref accountRef) (money.Currency, error) {
	for _, acc := range l.accounts {
		if sameID(acc.AccountID, ref.AccountID) {
			if acc.CurrencyCode == "" {
				return currencyOf(l.org.BaseCurrency)
			}
			return currencyOf(acc.CurrencyCode)
		}
	}
	return "", connector.Errorf(connector.Invalid, opTransfer, "account %s is not in the chart of accounts", ref.Name)
}

// record is the transfer in the host's words. What came back names its accounts
// the way of the payout that it takes back.
func (t transferForm) record(l ledger) (connector.Record, error) {
	rec := t.ref()
	back, reconciled := returned(t.Reference), t.reconciled()
	from, to := t.FromBankAccount, t.ToBankAccount
	if back {
		from, to = to, from
	}
	body := &connector.Payment{
		Kind: connector.PaymentPayout, Status: standing(t.live(), back), Date: t.Date.date(), Reference: t.Reference,
		Account: from.name(), CounterAccount: to.name(),
		Marks: map[string]string{}, Extra: map[string]connector.Value{"xero_type": {Text: "TRANSFER"}, "reconciled": {Flag: &reconciled}},
	}
	c, err := l.currency(t.FromBankAccount)
	if err == nil {
		body.Amount, err = t.Amount.amount(c)
	}
	if err != nil {
		return rec, err
	}
	rec.Payment = body
	return rec, nil
}

// entry is the transfer as movements compare it.
func (t transferForm) entry(l ledger) (entry, error) {
	rec, err := t.record(l)
	if err != nil {
		return entry{}, err
	}
	return entry{what: whatTransfer, id: rec.ID, reference: t.Reference, amount: rec.Payment.Amount, day: t.Date.date(), live: t.live(),
		back: returned(t.Reference), account: t.FromBankAccount.AccountID, counter: t.ToBankAccount.AccountID, record: rec}, nil
}

// transfersWhere reads the transfers that match any of the filters, deleted ones
// too. The service has no pages of them.
func (a *api) transfersWhere(ctx context.Context, filters []string) ([]transferForm, error) {
	var out []transferForm
	seen := map[string]bool{}
	for _, where := range anyOf(filters) {
		r := request{op: "xero: read bank transfers", method: http.MethodGet, path: accounting + pathTransfers, query: url.Values{
			"where": {where}, "includeDeleted": {"true"},
		}}
		var env envelope
		if _, err := a.call(ctx, r, &env); err != nil {
			return nil, err
		}
		if env.BankTransfers == nil {
			return nil, unpromised(r, "the answer holds no bank transfers")
		}
		for _, t := range env.BankTransfers {
			if !seen[t.BankTransferID] {
				seen[t.BankTransferID] = true
				out = append(out, t)
			}
		}
	}
	return out, nil
}

func (a *api) transfersByID(ctx context.Context, ids []string) ([]transferForm, error) {
	filters := make([]string, 0, len(ids))
	for _, id := range ids {
		filters = append(filters, guidIs("BankTransferID", id))
	}
	return a.transfersWhere(ctx, filters)
}

// dayIs is the filter for dates from one day to another, both included.
func dayIs(from, to connector.Date) string {
	form := func(d connector.Date) string { return fmt.Sprintf("DateTime(%04d,%02d,%02d)", d.Year, d.Month, d.Day) }
	return "(Date>=" + form(from) + " AND Date<" + form(to.AddDays(1)) + ")"
}

// lookAtTransfers reads what the books hold of the payouts, and returns what a
// person may have entered for those that are new.
func (b *batch) lookAtTransfers(ctx context.Context, list []*movement) ([]entry, error) {
	var filters []string
	for _, f := range markFilters(list) {
		filters = append(filters, "("+f+")")
	}
	for _, m := range list {
		f := dayIs(m.trueDay.AddDays(-transferDays), m.trueDay.AddDays(transferDays))
		if m.pay.Status == connector.PaymentSucceeded && m.write.TargetID == "" && !slices.Contains(filters, f) {
			filters = append(filters, f)
		}
	}
	rows, err := b.transfersWhere(ctx, filters)
	if err != nil {
		return nil, err
	}
	found := b.transferEntries(list, rows)
	if ids := unseen(list, found); len(ids) > 0 {
		if rows, err = b.transfersByID(ctx, ids); err != nil {
			return nil, err
		}
		found = append(found, b.transferEntries(list, rows)...)
	}
	for _, m := range list {
		for _, e := range found {
			if m.mine(e) {
				m.found = append(m.found, e)
			}
		}
	}
	return found, nil
}

// transferEntries turns rows into entries, and fails the movements whose rows
// cannot be read.
func (b *batch) transferEntries(list []*movement, rows []transferForm) []entry {
	var out []entry
	for _, t := range rows {
		e, err := t.entry(ledger{org: b.org, accounts: b.accounts})
		if err != nil {
			failUnread(list, "bank transfer", entry{id: t.BankTransferID, reference: t.Reference}, err)
			continue
		}
		out = append(out, e)
	}
	return out
}

// postTransfers posts payouts, each in a request of its own: the service does
// not say what becomes of one transfer when another one is refused.
func (b *batch) postTransfers(ctx context.Context, list []*movement, round int) (again []*movement) {
	if len(list) == 0 {
		return nil
	}
	found, err := b.lookAtTransfers(ctx, list)
	if err != nil {
		for _, m := range list {
			m.fail(err)
		}
		return nil
	}
	taken := map[string]bool{}
	for _, m := range list {
		if m.settled() || !m.decide(b.org.lockDate()) {
			continue
		}
		if !m.back {
			if err := b.adoptTransfer(ctx, m, found, taken); err != nil {
				m.fail(err)
			}
			if m.settled() {
				continue
			}
		}
		if b.sendTransfer(ctx, m, round) {
			again = append(again, m)
		}
	}
	return again
}

// adoptTransfer settles the payout when a person's transfer serves, or when a
// person has to choose.
func (b *batch) adoptTransfer(ctx context.Context, m *movement, found []entry, taken map[string]bool) error {
	var free []entry
	for _, e := range found {
		if taken[e.id] || !m.mayBe(e) {
			continue
		}
		claims, err := b.readClaims(ctx, transferHistory(e.id))
		if err != nil {
			return err
		}
		switch claims[e.id] {
		case m.mark:
			taken[e.id] = true
			m.adopted(e)
			return nil
		case "":
			free = append(free, e)
		}
	}
	switch len(free) {
	case 0:
		return nil
	case 1:
		if err := b.claim(ctx, m.posting, transferHistory(free[0].id), free[0].id); err != nil {
			return err
		}
		taken[free[0].id] = true
		m.adopted(free[0])
		return nil
	}
	err := connector.Errorf(connector.Conflict, opPost, "%d bank transfers of %s near %s may be the payout %s", len(free), m.sum, m.trueDay, m.mark)
	for _, e := range free {
		err.Candidates = append(err.Candidates, e.id)
	}
	return err.WithRemedy("delete the right one in Xero and enter it again with the reference %s", m.mark)
}

// mayBe reports whether a person may have entered the transfer for the payout.
func (m *movement) mayBe(e entry) bool {
	near := !e.day.Before(m.trueDay.AddDays(-transferDays)) && !m.trueDay.AddDays(transferDays).Before(e.day)
	return e.live && !marked(e.reference) && near && e.amount == m.sum &&
		sameID(e.account, m.account.AccountID) && sameID(e.counter, m.counter.AccountID)
}

func (m *movement) adopted(e entry) {
	m.effect(e.what, e.id, e.amount)
	m.out.Record = &e.record
	m.settle(connector.Adopted, e.id, "a transfer that a person entered serves")
}

func transferHistory(id string) string {
	return accounting + pathTransfers + "/" + strings.ToLower(id) + "/History"
}

// transferOrder is one bank transfer to be made.
type transferOrder struct {
	FromBankAccount idForm
	ToBankAccount   idForm
	Amount          json.Number
	Date            string
	Reference       string
}

// sendTransfer makes the transfer, and reports whether it is to be decided anew.
func (b *batch) sendTransfer(ctx context.Context, m *movement, round int) bool {
	n, err := sum(m.sum)
	if err != nil {
		m.fail(connector.Errorf(connector.Invalid, opPost, "%w", err))
		return false
	}
	from, to := m.account.AccountID, m.counter.AccountID
	if m.back { // out of the account that it went to
		from, to = m.from.counter, m.from.account
	}
	order := transferOrder{FromBankAccount: idForm{"AccountID": from}, ToBankAccount: idForm{"AccountID": to},
		Amount: n, Date: dateForm(m.day), Reference: m.entryReference()}
	r := request{op: opTransfer, method: http.MethodPut, path: accounting + pathTransfers, step: stepName("transfer", round),
		writes: []connector.Write{m.write}, body: map[string]any{"BankTransfers": []transferOrder{order}}}
	elements, err := writeElements(ctx, b.api, r, func(env *envelope) []transferForm { return env.BankTransfers })
	if err != nil {
		m.fail(refusedAltogether(err, 1).err)
		return false
	}
	el, ok := pick(elements, 0, 1, func(el transferForm) bool { return el.bad() || markOf(el.Reference) == m.mark })
	if ok && el.bad() {
		return b.judgeMade(m, r, entry{}, true, true, el.messages())
	}
	e, err := el.entry(ledger{org: b.org, accounts: b.accounts})
	return b.judgeMade(m, r, e, ok && err == nil, false, nil)
}
