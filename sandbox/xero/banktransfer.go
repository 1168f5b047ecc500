package xero

import (
	"fmt"
	"strings"
	"time"
)

// Bank transfers move money between two bank accounts of one currency:
// https://developer.xero.com/documentation/api/accounting/banktransfers
// Xero shows no time of change for them. Each is also two bank transactions,
// SPEND-TRANSFER and RECEIVE-TRANSFER, which only follow it.

const (
	kindSpendTransfer   = "SPEND-TRANSFER"
	kindReceiveTransfer = "RECEIVE-TRANSFER"
)

type bankTransfer struct {
	id                         string
	from, to                   *account
	out, in                    *bankTransaction // the two sides in the accounts
	amount                     cents
	date                       day
	reference                  string
	fromReconciled, reconciled bool
	deleted                    bool
	notes                      []note
	created, updated           time.Time
}

func (c *call) putBankTransfers() (reply, error) {
	return c.write("BankTransfers", "BankTransferID", func(f *fields) (object, error) {
		t := &bankTransfer{from: c.s.readAccount(f.obj("FromBankAccount")),
			to: c.s.readAccount(f.obj("ToBankAccount")), amount: f.cents("Amount"), date: f.day("Date"), reference: f.str("Reference"),
			fromReconciled: f.boolean("FromIsReconciled"), reconciled: f.boolean("ToIsReconciled")}
		if err := f.finish(); err != nil {
			return nil, err
		}
		if err := c.s.addTransfer(t); err != nil {
			return nil, err
		}
		return t.view(), nil
	})
}

func (s *Server) addTransfer(t *bankTransfer) error {
	for _, a := range []*account{t.from, t.to} {
		if err := s.bankAccount(a); err != nil {
			return err
		}
	}
	switch {
	case t.from == t.to:
		return refuse("The From and To bank accounts must be different")
	case t.from.currency != t.to.currency:
		return notModelled("a bank transfer between %s and %s", t.from.currency, t.to.currency)
	case t.amount <= 0:
		return refuse("The Amount must be greater than zero")
	case len([]rune(t.reference)) > referenceLengthMax:
		return refuse("The Reference is too long")
	}
	if t.date == "" {
		t.date = s.today()
	}
	if err := s.checkLock(t.date); err != nil {
		return err
	}
	t.id, t.created, t.updated = newID(), s.now(), s.now()
	t.out, t.in = s.transferSide(t, kindSpendTransfer, t.from, t.fromReconciled), s.transferSide(t, kindReceiveTransfer, t.to, t.reconciled)
	s.transfers.add(s, t.id, t)
	return nil
}

// transferSide makes the bank transaction of one side. It has neither contact
// nor lines.
func (s *Server) transferSide(t *bankTransfer, kind string, a *account, reconciled bool) *bankTransaction {
	b := &bankTransaction{account: a, reconciled: reconciled, transfer: t}
	b.id, b.kind, b.status, b.reference, b.date = newID(), kind, statusAuthorised, t.reference, t.date
	b.currency, b.rate, b.types = a.currency, s.dayRate(a.currency), "NoTax"
	b.subTotal, b.total, b.updated = t.amount, t.amount, t.created
	s.bank.add(s, b.id, b)
	return b
}

// postBankTransfers deletes, which is all that can be done to a transfer.
func (c *call) postBankTransfers() (reply, error) {
	one := func(f *fields) (object, error) {
		id, status := f.str("BankTransferID"), f.str("Status")
		if err := f.finish(); err != nil {
			return nil, err
		}
		if c.id != "" {
			if id != "" && !strings.EqualFold(id, c.id) {
				return nil, notModelled("a BankTransferID that differs from the path")
			}
			id = c.id
		}
		if id == "" || status != statusDeleted {
			return nil, notModelled("POST /BankTransfers other than with Status DELETED")
		}
		t := c.s.transfers.get(id)
		if t == nil {
			return nil, notFound()
		}
		if err := c.s.removeTransfer(t, false); err != nil {
			return nil, err
		}
		return t.view(), nil
	}
	if c.id != "" {
		return c.writeOne("BankTransfers", "BankTransferID", one)
	}
	return c.write("BankTransfers", "BankTransferID", one)
}

// removeTransfer deletes a transfer with its two sides. Unproven, as for
// payments: only a person may delete a reconciled one.
func (s *Server) removeTransfer(t *bankTransfer, person bool) error {
	switch {
	case t.deleted:
		return refuse("The bank transfer has already been deleted")
	case (t.fromReconciled || t.reconciled) && !person:
		return refuse("The bank transfer has been reconciled and cannot be deleted")
	}
	if err := s.checkLock(t.date); err != nil {
		return err
	}
	keep(s, t)
	t.deleted, t.updated = true, s.now()
	for _, b := range []*bankTransaction{t.out, t.in} {
		keep(s, b)
		b.status, b.updated = statusDeleted, s.now()
	}
	return nil
}

func (c *call) listBankTransfers() (reply, error) {
	cols := columns[bankTransfer]{
		"banktransferid":            func(t *bankTransfer) value { return guidValue(t.id) },
		"reference":                 func(t *bankTransfer) value { return textValue(t.reference) },
		"date":                      func(t *bankTransfer) value { return dayValue(t.date) },
		"amount":                    func(t *bankTransfer) value { return sumValue(t.amount) },
		"status":                    func(t *bankTransfer) value { return textValue(t.status()) },
		"createddateutc":            func(t *bankTransfer) value { return timeValue(t.created) },
		"frombankaccount.accountid": func(t *bankTransfer) value { return guidValue(t.from.id) },
		"tobankaccount.accountid":   func(t *bankTransfer) value { return guidValue(t.to.id) },
	}
	all := c.query.Get("includeDeleted") == "true"
	return list(c, listing[bankTransfer]{plural: "BankTransfers", rows: c.s.transfers.rows, cols: cols,
		updated: func(t *bankTransfer) time.Time {
			if c.s.cfg.Unproven.TransfersByCreation {
				return t.created
			}
			return t.updated
		},
		id:   func(t *bankTransfer) string { return t.id },
		only: func(t *bankTransfer) bool { return all || !t.deleted },
		view: func(t *bankTransfer, _ bool) object { return t.view() }})
}

func (c *call) getBankTransfer() (reply, error) {
	t := c.s.transfers.get(c.id)
	if t == nil {
		return reply{}, notFound()
	}
	return c.ok("BankTransfers", []object{t.view()}), nil
}

func (t *bankTransfer) status() string {
	if t.deleted {
		return statusDeleted
	}
	return statusAuthorised
}

func (t *bankTransfer) view() object {
	return object{"BankTransferID": t.id, "FromBankTransactionID": t.out.id, "ToBankTransactionID": t.in.id,
		"FromBankAccount": t.from.short(), "ToBankAccount": t.to.short(), "Amount": t.amount, "Date": t.date.ms(),
		"DateString": t.date.iso(), "Reference": t.reference, "CurrencyRate": t.out.rate, "Status": t.status(),
		"FromIsReconciled": t.fromReconciled, "ToIsReconciled": t.reconciled, "HasAttachments": false,
		"FromTracking": []object{}, "ToTracking": []object{},
		"CreatedDateUTC": msDate(t.created), "CreatedDateUTCString": t.created.UTC().Format(isoLayout), "ValidationErrors": []object{}}
}

// TransferInput is a transfer as a person enters it.
type TransferInput struct {
	From      string `json:"from"` // code or id of a bank account
	To        string `json:"to"`
	Amount    Number `json:"amount"`
	Date      string `json:"date"` // YYYY-MM-DD; default today
	Reference string `json:"reference"`
}

// TransferMoney is a person entering a bank transfer.
func (s *Server) TransferMoney(in TransferInput) (BankTransfer, error) {
	var out BankTransfer
	err := s.locked(func() error {
		amount, err := in.Amount.scaled(centsPlaces)
		if err != nil {
			return err
		}
		t := &bankTransfer{from: s.account(in.From), to: s.account(in.To), amount: cents(amount), reference: in.Reference}
		if in.Date != "" {
			if t.date, err = parseDay(in.Date); err != nil {
				return err
			}
		}
		if err := s.addTransfer(t); err != nil {
			return err
		}
		out = t.report()
		return nil
	})
	return out, err
}

// DeleteTransfer is a person deleting a bank transfer, named by its id.
func (s *Server) DeleteTransfer(id string) error {
	return s.locked(func() error {
		t := s.transfers.get(id)
		if t == nil {
			return fmt.Errorf("no bank transfer %q", id)
		}
		return s.removeTransfer(t, true)
	})
}
