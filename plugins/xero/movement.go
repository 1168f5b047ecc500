package main

import (
	"context"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// Some money moves without an invoice: fees, disputes, payouts. A fee or a
// dispute becomes a bank transaction of the clearing account, a payout becomes a
// bank transfer out of it. Nothing is ever deleted: what came back is posted as
// the same movement the other way, on the day when it came back, under the same
// mark and the word "returned":
//
//	po_1abc
//	po_1abc returned
//
// The service accepts the same movement twice, so the books are read first, each
// time, for the mark (I3).

const returnedWord = "returned"

// returned reports whether a reference is that of money that came back.
func returned(reference string) bool {
	words := strings.Fields(reference)
	return len(words) > 1 && words[1] == returnedWord && marked(words[0])
}

// returnedReference is a reference for money that came back.
func returnedReference(reference string) string {
	mark := markOf(reference)
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(reference), mark))
	return cutRunes(strings.TrimSpace(mark+" "+returnedWord+" "+rest), referenceRunesMax)
}

// movement is one wanted movement on its way into the books.
type movement struct {
	*posting
	sum     money.Amount // as it moves the account
	counter account
	contact string // id; bank transactions only

	remembered bool // the contact was not looked for again

	found []entry // what the books hold of it
	back  bool    // it is to be posted the other way
	from  *entry  // what is taken back
}

// entry is a bank transaction or a bank transfer as the books have it.
type entry struct {
	what      string // "bank transaction", "bank transfer"
	id        string
	reference string
	amount    money.Amount
	day       connector.Date
	live      bool
	back      bool // it goes the other way
	account   string
	counter   string
	record    connector.Record
}

// isMovement reports whether a kind is posted without an invoice.
func isMovement(k connector.PaymentKind) bool {
	switch k {
	case connector.PaymentFee, connector.PaymentFeeRefund, connector.PaymentDispute, connector.PaymentPayout:
		return true
	}
	return false
}

// checkMovement refuses what can never be posted.
func (p *posting) checkMovement() error {
	const op = opPost
	pay := p.pay
	if _, ok := textIs("Reference", markOf(pay.Reference)); !ok {
		return connector.Errorf(connector.Invalid, op, "the reference %q cannot be looked for in Xero", pay.Reference).
			WithRemedy("correct the recipe: a reference begins with an id, without quotes")
	}
	if pay.CounterAccount == "" {
		return connector.Errorf(connector.Invalid, op, "the %s does not name its other account", pay.Kind).
			WithRemedy("name the code or id of the account in the recipe")
	}
	if pay.Kind == connector.PaymentPayout {
		return nil
	}
	if !isID(pay.ContactID) && (pay.ContactID != "" || cleanName(pay.ContactName) == "") {
		return connector.Errorf(connector.Invalid, op, "the %s names no contact of Xero", pay.Kind).
			WithRemedy("name a contact in the recipe, by its id or its name")
	}
	return nil
}

// moves is the sum as it moves the account's balance.
func (p *posting) moves() money.Amount {
	if isMovement(p.pay.Kind) && p.pay.Settled.IsSet() {
		return p.pay.Settled
	}
	return p.pay.Amount
}

// prepareMovement finds the other account and makes sure that both fit. Nothing
// is posted before.
func (b *batch) prepareMovement(p *posting) (account, error) {
	c := p.moves().Currency()
	counter, err := findAccount(opPost, b.accounts, p.pay.CounterAccount)
	switch {
	case err != nil:
		return counter, err
	case !p.account.bank():
		return counter, connector.Errorf(connector.Conflict, opPost, "account %s is not a bank account: %s cannot be posted out of it", p.account.Name, kindWords(p.pay.Kind)).
			WithRemedy("choose a clearing account of type Bank")
	case !p.account.keptIn(c, b.org):
		return counter, connector.Errorf(connector.Conflict, opPost, "account %s is in another currency than %s", p.account.Name, p.moves()).
			WithRemedy("choose a clearing account in %s, or enter it in Xero by hand with the reference %s", c, p.mark)
	case p.pay.Kind != connector.PaymentPayout && counter.bank():
		return counter, connector.Errorf(connector.Conflict, opPost, "account %s is a bank account: %s cannot be booked to it", counter.Name, kindWords(p.pay.Kind)).
			WithRemedy("choose an expense account")
	case p.pay.Kind != connector.PaymentPayout:
		return counter, nil
	case !counter.bank():
		return counter, connector.Errorf(connector.Conflict, opPost, "account %s is not a bank account: no payout can arrive there", counter.Name).
			WithRemedy("choose the account of type Bank where payouts arrive")
	case sameID(counter.AccountID, p.account.AccountID):
		return counter, connector.Errorf(connector.Conflict, opPost, "the payout would go from account %s to itself", counter.Name).
			WithRemedy("choose the account of type Bank where payouts arrive")
	case !counter.keptIn(c, b.org):
		return counter, connector.Errorf(connector.Conflict, opPost, "account %s is in another currency than %s", counter.Name, p.moves()).
			WithRemedy("choose an account in %s for payouts, or enter the transfer in Xero by hand with the reference %s", c, p.mark)
	}
	return counter, nil
}

func kindWords(k connector.PaymentKind) string {
	switch k {
	case connector.PaymentFeeRefund:
		return "a fee that came back"
	case connector.PaymentPayout:
		return "a payout"
	case connector.PaymentDispute:
		return "a dispute"
	}
	return "a fee"
}

// postMovements takes two rounds at most: when a lock date moved, or a request
// was refused as a whole, the books are read again and decided anew.
func (b *batch) postMovements(ctx context.Context, list []*posting) {
	var pending []*movement
	for _, p := range list {
		counter, err := b.prepareMovement(p)
		if err != nil {
			p.fail(err)
			continue
		}
		pending = append(pending, &movement{posting: p, sum: p.moves(), counter: counter})
	}
	for round := 1; round <= 2 && len(pending) > 0; round++ {
		pending = b.movementRound(ctx, pending, round)
	}
	for _, m := range pending {
		m.fail(m.refusal)
	}
}

func (b *batch) movementRound(ctx context.Context, list []*movement, round int) []*movement {
	var spends, transfers []*movement
	for _, m := range list {
		m.found, m.back, m.from = nil, false, nil
		if m.pay.Kind == connector.PaymentPayout {
			transfers = append(transfers, m)
		} else {
			spends = append(spends, m)
		}
	}
	again := b.postSpends(ctx, spends, round)
	again = append(again, b.postTransfers(ctx, transfers, round)...)
	if slices.ContainsFunc(again, func(m *movement) bool { return says([]string{m.refusal.Message}, textLockDate) }) {
		var err error
		if b.org, err = b.organisation(ctx, true); err != nil {
			for _, m := range again {
				m.fail(err)
			}
			return nil
		}
	}
	return again
}

// mine reports whether an entry is this movement's, or the one we know it by.
func (m *movement) mine(e entry) bool {
	return markOf(e.reference) == m.mark || sameID(e.id, m.write.TargetID)
}

// decide settles the movement, or says by true that it is to be posted.
func (m *movement) decide(lock connector.Date) bool {
	var forth, back []*entry
	gone, backGone := false, false
	for i := range m.found {
		switch e := &m.found[i]; {
		case !e.live && e.back:
			backGone = true
		case !e.live:
			gone = true
		case e.back:
			back = append(back, e)
		default:
			forth = append(forth, e)
		}
	}
	if m.pay.Status == connector.PaymentFailed {
		return m.decideReturn(forth, back, backGone) && m.chooseDay(lock)
	}
	switch {
	case len(back) > 0:
		m.conflict("delete the entry under "+markOf(back[0].reference)+" that does not hold, in Xero",
			"Xero has %s %s the other way under %s", kindWords(m.pay.Kind), m.sum, m.mark)
	case len(forth) > 1:
		m.several(forth)
	case len(forth) == 1:
		m.agree(forth[0])
	case gone || m.write.TargetID != "":
		m.deleted(m.mark)
	default:
		return m.chooseDay(lock)
	}
	return false
}

// decideReturn is decide for money that came back; gone says that the books had
// it once.
func (m *movement) decideReturn(forth, back []*entry, gone bool) bool {
	switch {
	case len(forth) == 0 && len(back) == 0:
		m.settle(connector.Unchanged, m.write.TargetID, "nothing of it is in the books")
	case len(forth) > 1 || len(back) > 1:
		m.several(append(forth, back...))
	case len(forth) == 0:
		m.conflict("delete the entry in Xero, or enter the one that it takes back with the reference "+m.mark,
			"Xero has the money of %s come back and not go", m.mark)
	case len(back) == 1:
		m.agree(back[0])
	case gone:
		m.deleted(returnedReference(m.mark))
	case forth[0].amount != m.sum:
		m.differs(forth[0])
	case !marked(forth[0].reference):
		m.conflict("enter the return in Xero with the reference "+returnedReference(m.mark),
			"a person entered what %s was recognised as, and the money came back", m.mark)
	default:
		m.back, m.from = true, forth[0]
		return true
	}
	return false
}

// entryReference is the movement's reference as it goes into the books.
func (m *movement) entryReference() string {
	if m.back {
		return m.dated(returnedReference(m.reference))
	}
	return m.dated(m.reference)
}

// agree settles the movement with what is in the books.
func (m *movement) agree(e *entry) {
	if e.amount != m.sum {
		m.differs(e)
		return
	}
	m.effect(e.what, e.id, e.amount)
	m.out.Record = &e.record
	m.settle(connector.Unchanged, e.id, "")
}

func (m *movement) deleted(reference string) {
	m.conflict("enter it again in Xero with the reference "+reference+", or accept that the account differs by it",
		"%s of %s was posted under %s and deleted in Xero", kindWords(m.pay.Kind), m.sum, reference)
}

func (m *movement) differs(e *entry) {
	m.conflict("correct the "+e.what+" in Xero, or accept the difference", "Xero holds %s under %s, it should be %s", e.amount, m.mark, m.sum)
}

func (m *movement) several(list []*entry) {
	e := connector.Errorf(connector.Conflict, opPost, "%d entries in Xero bear the mark %s", len(list), m.mark)
	for _, one := range list {
		e.Candidates = append(e.Candidates, strings.ToLower(one.id))
	}
	m.fail(e.WithRemedy("delete those that are too many in Xero and run the work again"))
}

// judgeMade settles the movement by the answer to its order, or reports that it
// is to be decided anew.
func (b *batch) judgeMade(m *movement, r request, e entry, found, refused bool, messages []string) (again bool) {
	switch {
	case !found:
		m.fail(unpromised(r, "the answer does not say what became of "+m.mark))
	case refused:
		if len(messages) == 0 {
			messages = []string{"Xero refused it without a reason"}
		}
		m.refusal = refusedBecause(r.op, messages)
		if m.remembered { // the contact may be archived by now, or merged
			b.keepContact(m.contactName(), "")
		}
		if says(messages, textLockDate) || m.remembered {
			return true
		}
		m.fail(m.refusal)
	case !isID(e.id) || !e.live || e.amount != m.sum:
		m.fail(unpromised(r, "the answer does not show "+m.mark+" over "+m.sum.String()))
	default:
		m.effect(e.what, e.id, e.amount)
		m.out.Record = &e.record
		result, reason := connector.Created, b.movedReason(m.posting)
		if m.back {
			result, reason = connector.Updated, strings.TrimSuffix("the money came back; "+reason, "; ")
		}
		m.settle(result, e.id, reason)
	}
	return false
}

// refuseMovements is what becomes of orders whose request failed, and returns
// those that are to be decided anew.
func refuseMovements(list []*movement, err error) (again []*movement) {
	for _, m := range list {
		whole := refusedAltogether(err, len(list))
		if whole.wholesale {
			m.refusal = whole.err
			again = append(again, m)
		} else {
			m.fail(whole.err)
		}
	}
	return again
}

// markFilters find what bears the marks, whatever stands behind them in the
// reference. Prefixes are compared once more when the rows are there.
func markFilters(list []*movement) []string {
	var filters []string
	for _, m := range list {
		if _, ok := textIs("Reference", m.mark); ok {
			f := `Reference.StartsWith("` + m.mark + `")`
			if !slices.Contains(filters, f) {
				filters = append(filters, f)
			}
		}
	}
	var out []string
	for _, f := range anyOf(filters) {
		out = append(out, "Reference!=null AND ("+f+")") // an empty reference has no beginning
	}
	return out
}

// unseen are the records that the movements are known by and that are not among
// what was found: a person may have changed the reference.
func unseen(list []*movement, found []entry) []string {
	var ids []string
	for _, m := range list {
		known := slices.ContainsFunc(found, func(e entry) bool { return sameID(e.id, m.write.TargetID) })
		if m.write.TargetID != "" && !known {
			ids = append(ids, m.write.TargetID)
		}
	}
	return guids(ids)
}

// failUnread fails the movements that a row is about whose sums cannot be read.
func failUnread(list []*movement, what string, row entry, err error) {
	for _, m := range list {
		if m.mine(row) {
			m.fail(unreadable(opPost, what+" "+row.reference, row.id, err))
		}
	}
}
