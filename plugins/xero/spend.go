package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// A fee or a dispute is money spent out of the clearing account to another
// account; what comes back is money received. The line contains its tax, so that
// the total is the sum itself: https://developer.xero.com/documentation/api/accounting/banktransactions
//
// What a person entered is not taken for a fee, as it is for a receipt: fees are
// small and alike, several a day over the same sum, and people enter them by the
// month. Nothing but the mark could tell which is which.

const (
	typeSpend        = "SPEND"
	typeReceive      = "RECEIVE"
	lineRunesMax     = 1000 // what we write into a line's description; the service takes more
	disputeWord      = "Dispute"
	streamBank       = "bank_transactions"
	whatSpend        = "bank transaction"
	opSpend          = "xero: post bank transaction"
	pathTransactions = "/BankTransactions"
)

// bankForm is a bank transaction. Those of overpayments, prepayments and
// transfers have other types than SPEND and RECEIVE, and follow what made them.
type bankForm struct {
	BankTransactionID string
	OverpaymentID     string
	Type              string
	Reference         string
	Status            string
	CurrencyCode      string
	LineAmountTypes   string
	Total             number
	Date              instant
	UpdatedDateUTC    instant
	IsReconciled      bool
	Contact           contactRef
	BankAccount       accountRef
	LineItems         []lineForm
	issues
}

// messages are those of the bank transaction and of what it names.
func (t bankForm) messages() []string {
	return append(append(t.issues.messages(), t.Contact.messages()...), t.BankAccount.messages()...)
}

func (t bankForm) bad() bool { return t.issues.bad() || t.Contact.bad() || t.BankAccount.bad() }

// movement reports whether it is money spent or received by itself.
func (t bankForm) movement() bool { return t.Type == typeSpend || t.Type == typeReceive }

func (t bankForm) live() bool { return t.Status == "" || t.Status == "AUTHORISED" }

// counter is the account of all its lines; "" when they differ.
func (t bankForm) counter() string {
	out := ""
	for i, l := range t.LineItems {
		one := l.AccountCode
		if one == "" {
			one = strings.ToLower(l.AccountID)
		}
		if i > 0 && one != out {
			return ""
		}
		out = one
	}
	return out
}

func (t bankForm) ref() connector.Record {
	return connector.Record{
		Entity: connector.EntityPayment, ID: strings.ToLower(t.BankTransactionID), UpdatedAt: t.UpdatedDateUTC.UTC(),
		Version: versionOf(t.UpdatedDateUTC, t.Type, t.Status, string(t.Total), t.Reference, t.counter(), strconv.FormatBool(t.IsReconciled)),
	}
}

// kind is what the money was for, as far as can be told: what bears no mark, and
// is no dispute by its description, counts as a fee.
func (t bankForm) kind() connector.PaymentKind {
	switch back := returned(t.Reference); {
	case marked(t.Reference) && len(t.LineItems) > 0 && strings.HasPrefix(t.LineItems[0].Description, disputeWord):
		return connector.PaymentDispute
	case (t.Type == typeSpend) != back:
		return connector.PaymentFee
	}
	return connector.PaymentFeeRefund
}

// record is the bank transaction in the host's words. It has failed when it was
// deleted, and when it is what came back of another one, as long as it stands.
func (t bankForm) record() (connector.Record, error) {
	rec := t.ref()
	body := &connector.Payment{
		Kind: t.kind(), Status: standing(t.live(), returned(t.Reference)), Date: t.Date.date(), Reference: t.Reference,
		Account: t.BankAccount.name(), CounterAccount: t.counter(), ContactID: strings.ToLower(t.Contact.ContactID), ContactName: t.Contact.Name,
		Marks: map[string]string{}, Extra: map[string]connector.Value{"xero_type": {Text: t.Type}, "reconciled": {Flag: &t.IsReconciled}},
	}
	if len(t.LineItems) > 0 {
		body.Note = t.LineItems[0].Description
		if t.LineAmountTypes != "NoTax" {
			body.TaxCode = t.LineItems[0].TaxType
		}
	}
	c, err := currencyOf(t.CurrencyCode)
	if err == nil {
		body.Amount, err = t.Total.amount(c)
	}
	if err != nil {
		return rec, err
	}
	rec.Payment = body
	return rec, nil
}

// standing is the status of an entry: money that came back makes what it takes
// back fail, as long as it is not deleted itself.
func standing(live, back bool) connector.PaymentStatus {
	if live != back {
		return connector.PaymentSucceeded
	}
	return connector.PaymentFailed
}

// name is how an account is named to the host: by its code, or by its id.
func (a accountRef) name() string {
	if a.Code != "" {
		return a.Code
	}
	return strings.ToLower(a.AccountID)
}

// entry is the bank transaction as movements compare it.
func (t bankForm) entry() (entry, error) {
	rec, err := t.record()
	if err != nil {
		return entry{}, err
	}
	e := entry{what: whatSpend, id: rec.ID, reference: t.Reference, amount: rec.Payment.Amount, day: t.Date.date(), live: t.live(),
		back: t.Type == typeReceive, account: t.BankAccount.AccountID, counter: rec.Payment.CounterAccount, record: rec}
	return e, nil
}

var bankFeed = feed{
	op: "xero: list bank transactions", path: pathTransactions,
	rows: func(env *envelope, _ bool) ([]row, bool) {
		var out []row
		for _, t := range env.BankTransactions {
			r := row{id: t.BankTransactionID, updated: t.UpdatedDateUTC.Time, record: t.ref(), skip: !t.movement()}
			if rec, err := t.record(); err == nil {
				r.record = rec
			}
			out = append(out, r)
		}
		return out, env.BankTransactions != nil
	},
}

// bankTransactionsWhere reads the bank transactions that match any of the filters.
func (a *api) bankTransactionsWhere(ctx context.Context, filters []string) ([]bankForm, error) {
	var out []bankForm
	for _, where := range filters {
		for page := 1; ; page++ {
			r := request{op: "xero: read bank transactions", method: http.MethodGet, path: accounting + pathTransactions, query: url.Values{
				"where": {where}, "page": {strconv.Itoa(page)}, "pageSize": {strconv.Itoa(lookupRows)},
			}}
			var env envelope
			if _, err := a.call(ctx, r, &env); err != nil {
				return nil, err
			}
			if env.BankTransactions == nil {
				return nil, unpromised(r, "the answer holds no bank transactions")
			}
			out = append(out, env.BankTransactions...)
			if len(env.BankTransactions) < lookupRows {
				break
			}
			if page == lookupPages {
				return nil, connector.Errorf(connector.Invalid, r.op, "more than %d bank transactions match", lookupPages*lookupRows)
			}
		}
	}
	return slices.DeleteFunc(out, func(t bankForm) bool { return !t.movement() }), nil
}

func (a *api) bankTransactionsByID(ctx context.Context, ids []string) ([]bankForm, error) {
	filters := make([]string, 0, len(ids))
	for _, id := range ids {
		filters = append(filters, guidIs("BankTransactionID", id))
	}
	return a.bankTransactionsWhere(ctx, anyOf(filters))
}

// lookAtSpends reads what the books hold of the movements, in a call for some
// fifty of them, and one more for those that are known by an id only.
func (b *batch) lookAtSpends(ctx context.Context, list []*movement) error {
	rows, err := b.bankTransactionsWhere(ctx, markFilters(list))
	if err != nil {
		return err
	}
	found := b.spendEntries(list, rows)
	if ids := unseen(list, found); len(ids) > 0 {
		if rows, err = b.bankTransactionsByID(ctx, ids); err != nil {
			return err
		}
		found = append(found, b.spendEntries(list, rows)...)
	}
	for _, m := range list {
		forth := m.pay.Kind != connector.PaymentFeeRefund
		for _, e := range found {
			if m.mine(e) {
				e.back = e.back == forth
				m.found = append(m.found, e)
			}
		}
	}
	return nil
}

// spendEntries turns rows into entries, and fails the movements whose rows
// cannot be read.
func (b *batch) spendEntries(list []*movement, rows []bankForm) []entry {
	var out []entry
	for _, t := range rows {
		e, err := t.entry()
		if err != nil {
			failUnread(list, "bank transaction", entry{id: t.BankTransactionID, reference: t.Reference}, err)
			continue
		}
		out = append(out, e)
	}
	return out
}

// postSpends posts fees and disputes, all in one request, and returns those
// that are to be decided anew.
func (b *batch) postSpends(ctx context.Context, list []*movement, round int) []*movement {
	if len(list) == 0 {
		return nil
	}
	if err := b.lookAtSpends(ctx, list); err != nil {
		for _, m := range list {
			m.fail(err)
		}
		return nil
	}
	var post []*movement
	for _, m := range list {
		if !m.settled() && m.decide(b.org.lockDate()) {
			post = append(post, m)
		}
	}
	post = b.nameContacts(ctx, post)
	if round == 1 {
		return b.sendSpends(ctx, post, round)
	}
	var again []*movement
	for _, m := range post { // apart, so that one that is refused harms no other
		again = append(again, b.sendSpends(ctx, []*movement{m}, round)...)
	}
	return again
}

// nameContacts finds the contacts that are known by name only, and makes those
// that are new. It returns the movements whose contact is known.
func (b *batch) nameContacts(ctx context.Context, list []*movement) []*movement {
	var writes []connector.Write
	at := map[string]int{}
	for _, m := range list {
		m.contact, m.remembered = strings.ToLower(m.pay.ContactID), false
		if m.contact == "" {
			if id, ok := b.knownContact(m.contactName()); ok {
				m.contact, m.remembered = id, true
			}
		}
		if _, asked := at[folded(m.contactName())]; m.contact != "" || asked {
			continue
		}
		at[folded(m.contactName())] = len(writes)
		writes = append(writes, connector.Write{Key: m.write.Key, Attempt: m.write.Attempt, IntendedAt: m.write.IntendedAt,
			Record: connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{Name: m.contactName(), Status: connector.ContactActive}}})
	}
	if len(writes) == 0 {
		return list
	}
	made := b.upsertContacts(ctx, writes)
	for i, o := range made {
		if o.Err == nil {
			b.keepContact(writes[i].Record.Contact.Name, o.ID)
		}
	}
	var out []*movement
	for _, m := range list {
		if m.contact == "" {
			o := made[at[folded(m.contactName())]]
			if o.Err != nil {
				m.fail(o.Err)
				continue
			}
			m.contact = o.ID
		}
		out = append(out, m)
	}
	return out
}

func (m *movement) contactName() string { return cleanName(m.pay.ContactName) }

// spendOrder is one bank transaction to be made.
type spendOrder struct {
	Type            string
	Contact         idForm
	BankAccount     idForm
	Date            string
	Reference       string
	LineAmountTypes string
	LineItems       []spendLine
}

type spendLine struct {
	Description string
	LineAmount  json.Number
	AccountCode string `json:",omitempty"`
	AccountID   string `json:",omitempty"`
	TaxType     string `json:",omitempty"`
}

func (m *movement) spendOrder() (spendOrder, error) {
	n, err := sum(m.sum)
	if err != nil {
		return spendOrder{}, connector.Errorf(connector.Invalid, opPost, "%w", err)
	}
	o := spendOrder{Type: typeSpend, Contact: idForm{"ContactID": m.contact}, BankAccount: idForm{"AccountID": m.account.AccountID},
		Date: dateForm(m.day), Reference: m.entryReference(), LineAmountTypes: "NoTax"}
	if (m.pay.Kind == connector.PaymentFeeRefund) != m.back {
		o.Type = typeReceive
	}
	line := spendLine{Description: m.describe(), LineAmount: n, AccountCode: m.counter.Code}
	if m.back { // out of the accounts that it went into
		o.BankAccount = idForm{"AccountID": m.from.account}
		line.AccountCode = m.from.counter
	}
	if line.AccountCode == "" || isGUID(line.AccountCode) {
		line.AccountCode, line.AccountID = "", m.counter.AccountID
	}
	if m.pay.TaxCode != "" {
		o.LineAmountTypes, line.TaxType = "Inclusive", m.pay.TaxCode
	}
	o.LineItems = []spendLine{line}
	return o, nil
}

// describe is what the line says to people.
func (m *movement) describe() string {
	word := "Fee"
	switch {
	case m.pay.Kind == connector.PaymentDispute && m.back:
		word = disputeWord + ", money returned"
	case m.pay.Kind == connector.PaymentDispute:
		word = disputeWord
	case m.back:
		word = "Taken back"
	case m.pay.Kind == connector.PaymentFeeRefund:
		word = "Fee returned"
	}
	for _, part := range []string{m.pay.Label, m.pay.Note} {
		if part = strings.Join(strings.Fields(part), " "); part != "" {
			word += ": " + part
		}
	}
	return cutRunes(word, lineRunesMax)
}

func (b *batch) sendSpends(ctx context.Context, list []*movement, round int) (again []*movement) {
	var orders []spendOrder
	var sent []*movement
	r := request{op: opSpend, method: http.MethodPut, path: accounting + pathTransactions,
		query: url.Values{"summarizeErrors": {"false"}}, step: stepName("spend", round)}
	for _, m := range list {
		o, err := m.spendOrder()
		if err != nil {
			m.fail(err)
			continue
		}
		orders, sent, r.writes = append(orders, o), append(sent, m), append(r.writes, m.write)
	}
	if len(sent) == 0 {
		return nil
	}
	r.body = map[string]any{"BankTransactions": orders}
	elements, err := writeElements(ctx, b.api, r, func(env *envelope) []bankForm { return env.BankTransactions })
	if err != nil {
		return refuseMovements(sent, err)
	}
	for i, m := range sent {
		el, ok := pick(elements, i, len(sent), func(el bankForm) bool { return markOf(el.Reference) == m.mark })
		if ok && el.bad() {
			if b.judgeMade(m, r, entry{}, true, true, el.messages()) {
				again = append(again, m)
			}
			continue
		}
		e, err := el.entry()
		b.judgeMade(m, r, e, ok && err == nil, false, nil)
	}
	return again
}
