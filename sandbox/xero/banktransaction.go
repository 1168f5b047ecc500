package xero

import (
	"slices"
	"strings"
	"time"
)

// Bank transactions move money of a bank account without an invoice. Two kinds
// make a credit of the contact: RECEIVE-OVERPAYMENT and RECEIVE-PREPAYMENT:
// https://developer.xero.com/documentation/api/accounting/banktransactions

type bankTransaction struct {
	document   // its id, kind, contact, date, lines and sums
	account    *account
	credit     *document // the overpayment or prepayment that it made
	reconciled bool
	transfer   *bankTransfer // it is one side of this transfer; it has neither contact nor lines then
}

// in tells whether it brings money into its account.
func (b *bankTransaction) in() bool { return b.kind != "SPEND" && b.kind != kindSpendTransfer }

func (c *call) putBankTransactions() (reply, error) {
	return c.write("BankTransactions", "BankTransactionID", func(f *fields) (object, error) {
		p := docPatch{id: f.str("BankTransactionID"), kind: f.str("Type"), status: f.str("Status"), reference: f.text("Reference"),
			url: f.text("Url"), contact: readContactRef(f.obj("Contact")), date: f.day("Date"), currency: f.str("CurrencyCode"),
			types: f.str("LineAmountTypes"), rate: f.rate("CurrencyRate"), hasRate: f.has("CurrencyRate"), hasLines: true,
			lines: readLines(f.list("LineItems"), c.places()), byApp: true}
		a, reconciled := c.s.readAccount(f.obj("BankAccount")), f.boolean("IsReconciled")
		if err := f.finish(); err != nil {
			return nil, err
		}
		b, err := c.s.addBankTransaction(p, a, reconciled)
		if err != nil {
			return nil, err
		}
		return b.view(true, c.places()), nil
	})
}

func (s *Server) addBankTransaction(p docPatch, a *account, reconciled bool) (*bankTransaction, error) {
	isCredit := p.kind == kindOverpayment || p.kind == kindPrepayment
	switch {
	case !isCredit && p.kind != "SPEND" && p.kind != "RECEIVE":
		return nil, notModelled("a new bank transaction of Type %q", p.kind)
	case p.id != "":
		return nil, notModelled("a BankTransactionID in a new bank transaction")
	case p.status != "" && p.status != statusAuthorised:
		return nil, notModelled("Status %s on a new bank transaction", p.status)
	case len(p.lines) == 0:
		return nil, refuse("One or more line items must be specified")
	}
	if err := s.bankAccount(a); err != nil {
		return nil, err
	}
	switch {
	case p.currency == "":
		p.currency = a.currency
	case p.currency != a.currency:
		return nil, refuse("The currency %s differs from the bank account's currency %s", p.currency, a.currency)
	}
	b := &bankTransaction{account: a, reconciled: reconciled}
	b.id, b.kind, b.status, b.byApp = newID(), p.kind, statusAuthorised, p.byApp
	if p.kind == kindOverpayment {
		if err := s.overpaymentLines(&p); err != nil {
			return nil, err
		}
	}
	if err := s.fill(&b.document, p); err != nil {
		return nil, err
	}
	if b.total <= 0 {
		return nil, refuse("The total of a bank transaction must be greater than zero")
	}
	if err := s.checkLock(b.date); err != nil {
		return nil, err
	}
	b.updated = s.now()
	s.bank.add(s, b.id, b)
	if isCredit {
		b.credit = s.addCredit(b)
	}
	return b, nil
}

// overpaymentLines books an overpayment, which has no tax, to the receivables.
func (s *Server) overpaymentLines(p *docPatch) error {
	if p.types != "" && p.types != "NoTax" {
		return refuse("The LineAmountTypes of an overpayment must be NoTax")
	}
	p.types = "NoTax"
	i := slices.IndexFunc(s.accounts, func(a *account) bool { return a.system == "DEBTORS" })
	for k := range p.lines {
		l := &p.lines[k]
		if l.account != "" && s.account(l.account) != s.accounts[i] {
			return refuse("Account code %s is not a valid code for this document.", l.account)
		}
		l.account = s.accounts[i].id
	}
	return nil
}

// addCredit makes the overpayment or prepayment of a bank transaction, under an
// id of its own.
func (s *Server) addCredit(b *bankTransaction) *document {
	d := b.document
	d.id = newID()
	if d.kind == kindOverpayment && s.cfg.Unproven.OverpaymentsUnmarked {
		b.reference, d.reference = "", ""
	}
	s.documents.add(s, d.id, &d)
	s.touch(&d, "CREATE")
	return &d
}

// postBankTransactions deletes, which is the only change that is modelled.
func (c *call) postBankTransactions() (reply, error) {
	one := func(f *fields) (object, error) {
		id, status := f.str("BankTransactionID"), f.str("Status")
		if err := f.finish(); err != nil {
			return nil, err
		}
		if c.id != "" {
			if id != "" && !strings.EqualFold(id, c.id) {
				return nil, notModelled("a BankTransactionID that differs from the path")
			}
			id = c.id
		}
		if id == "" || status != statusDeleted {
			return nil, notModelled("POST /BankTransactions other than with Status DELETED")
		}
		b := c.s.bank.get(id)
		if b == nil {
			return nil, notFound()
		}
		if err := c.s.deleteBankTransaction(b, false); err != nil {
			return nil, err
		}
		return b.view(true, c.places()), nil
	}
	if c.id != "" {
		return c.writeOne("BankTransactions", "BankTransactionID", one)
	}
	return c.write("BankTransactions", "BankTransactionID", one)
}

// deleteBankTransaction deletes one; only a person may delete a reconciled one.
func (s *Server) deleteBankTransaction(b *bankTransaction, person bool) error {
	switch {
	case b.transfer != nil:
		return refuse("A bank transaction of a transfer cannot be deleted by itself")
	case b.status == statusDeleted:
		return refuse("The bank transaction has already been deleted")
	case b.reconciled && !person:
		return refuse("This Bank Transaction cannot be edited as it has been reconciled with a Bank Statement.")
	case b.credit != nil && b.credit.settled():
		return refuse(noEditPaid)
	}
	if err := s.checkLock(b.date); err != nil {
		return err
	}
	keep(s, b)
	b.status, b.updated = statusDeleted, s.now()
	if b.credit != nil {
		keep(s, b.credit)
		b.credit.status = statusVoided
		s.touch(b.credit, "UPDATE")
	}
	return nil
}

func (c *call) listBankTransactions() (reply, error) {
	references := c.idSet("References")
	cols := columns[bankTransaction]{
		"bankaccount.accountid": func(b *bankTransaction) value { return guidValue(b.account.id) },
		"bankaccount.code":      func(b *bankTransaction) value { return textValue(b.account.code) },
		"isreconciled":          func(b *bankTransaction) value { return boolValue(b.reconciled) },
	}
	for name, get := range documentColumns("banktransaction") {
		cols[name] = func(b *bankTransaction) value {
			if b.contact == nil && strings.HasPrefix(name, "contact.") {
				return value{kind: isNull}
			}
			return get(&b.document)
		}
	}
	return list(c, listing[bankTransaction]{plural: "BankTransactions", rows: c.s.bank.rows, cols: cols,
		updated: func(b *bankTransaction) time.Time { return b.updated },
		id:      func(b *bankTransaction) string { return b.id },
		only:    func(b *bankTransaction) bool { return in(references, b.reference) },
		view:    func(b *bankTransaction, full bool) object { return b.view(full, c.places()) }})
}

func (c *call) getBankTransaction() (reply, error) {
	b := c.s.bank.get(c.id)
	if b == nil {
		return reply{}, notFound()
	}
	return c.ok("BankTransactions", []object{b.view(true, c.places())}), nil
}

func (b *bankTransaction) view(full bool, places int) object {
	o := b.head(full, places)
	delete(o, "Payments")
	delete(o, "UpdatedDateUTCString") // bank transactions are not among those that have it
	o["BankTransactionID"], o["Reference"], o["IsReconciled"] = b.id, b.reference, b.reconciled
	o["BankAccount"] = b.account.short()
	if b.url != "" {
		o["Url"] = b.url
	}
	if b.credit != nil && b.kind == kindOverpayment {
		o["OverpaymentID"] = b.credit.id
	}
	if b.credit != nil && b.kind == kindPrepayment {
		o["PrepaymentID"] = b.credit.id
	}
	return o
}
