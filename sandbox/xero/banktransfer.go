package xero

import "time"

// Bank transfers move money between two bank accounts of one currency:
// https://developer.xero.com/documentation/api/accounting/banktransfers
// Xero shows no time of change for them.

type bankTransfer struct {
	id, fromID, toID           string // of itself and of the two bank transactions
	from, to                   *account
	amount                     cents
	date                       day
	reference                  string
	fromReconciled, reconciled bool
	created                    time.Time
}

func (c *call) putBankTransfers() (reply, error) {
	return c.write("BankTransfers", "BankTransferID", func(f *fields) (object, error) {
		t := &bankTransfer{id: newID(), fromID: newID(), toID: newID(), from: c.s.readAccount(f.obj("FromBankAccount")),
			to: c.s.readAccount(f.obj("ToBankAccount")), amount: f.cents("Amount"), date: f.day("Date"), reference: f.str("Reference"),
			fromReconciled: f.boolean("FromIsReconciled"), reconciled: f.boolean("ToIsReconciled"), created: c.now}
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
	}
	if t.date == "" {
		t.date = s.today()
	}
	if err := s.checkLock(t.date); err != nil {
		return err
	}
	s.transfers.add(s, t.id, t)
	return nil
}

func (c *call) listBankTransfers() (reply, error) {
	cols := columns[bankTransfer]{
		"banktransferid": func(t *bankTransfer) value { return guidValue(t.id) },
		"reference":      func(t *bankTransfer) value { return textValue(t.reference) },
		"date":           func(t *bankTransfer) value { return dayValue(t.date) },
		"amount":         func(t *bankTransfer) value { return sumValue(t.amount) },
	}
	return list(c, listing[bankTransfer]{plural: "BankTransfers", rows: c.s.transfers.rows, cols: cols,
		updated: func(t *bankTransfer) time.Time { return t.created },
		id:      func(t *bankTransfer) string { return t.id },
		view:    func(t *bankTransfer, _ bool) object { return t.view() }})
}

func (c *call) getBankTransfer() (reply, error) {
	t := c.s.transfers.get(c.id)
	if t == nil {
		return reply{}, notFound()
	}
	return c.ok("BankTransfers", []object{t.view()}), nil
}

func (t *bankTransfer) view() object {
	return object{"BankTransferID": t.id, "FromBankTransactionID": t.fromID, "ToBankTransactionID": t.toID,
		"FromBankAccount": t.from.short(), "ToBankAccount": t.to.short(), "Amount": t.amount, "Date": t.date.ms(),
		"DateString": t.date.iso(), "Reference": t.reference, "CurrencyRate": rateOne, "Status": statusAuthorised,
		"FromIsReconciled": t.fromReconciled, "ToIsReconciled": t.reconciled, "HasAttachments": false,
		"CreatedDateUTC": msDate(t.created), "ValidationErrors": []object{}}
}
