package xero

import "fmt"

// More levers and reports: what a person does and sees in a bank account.

// BankTransaction is money spent or received, or one side of a transfer.
type BankTransaction struct {
	BankTransactionID string `json:"bank_transaction_id"`
	Type              string `json:"type"`
	Status            string `json:"status"`
	Reference         string `json:"reference"`
	Description       string `json:"description"` // of the first line
	Contact           string `json:"contact"`     // its name; a transfer has none
	ContactID         string `json:"contact_id"`
	Account           string `json:"account"`         // code of the bank account
	CounterAccount    string `json:"counter_account"` // code of the first line's account; empty: none
	TaxType           string `json:"tax_type"`        // of the first line
	Currency          string `json:"currency"`
	Total             string `json:"total"`
	TotalTax          string `json:"total_tax"`
	Date              string `json:"date"`
	IsReconciled      bool   `json:"is_reconciled"`
}

// BankTransfer is money moved between two bank accounts.
type BankTransfer struct {
	BankTransferID string `json:"bank_transfer_id"`
	Status         string `json:"status"`
	Reference      string `json:"reference"`
	From           string `json:"from"` // code of the bank account
	To             string `json:"to"`
	Currency       string `json:"currency"`
	Amount         string `json:"amount"`
	Date           string `json:"date"`
}

// Account is an account of the chart.
type Account struct {
	AccountID string `json:"account_id"`
	Code      string `json:"code"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Status    string `json:"status"`
	Currency  string `json:"currency"`
	Balance   string `json:"balance"` // in the account's currency; empty: it receives no payments
}

func (b *bankTransaction) report() BankTransaction {
	out := BankTransaction{BankTransactionID: b.id, Type: b.kind, Status: b.status, Reference: b.reference, Account: b.account.code,
		Currency: b.currency, Total: b.total.String(), TotalTax: b.tax.String(), Date: string(b.date), IsReconciled: b.reconciled}
	if b.contact != nil {
		out.Contact, out.ContactID = b.contact.name, b.contact.id
	}
	if len(b.lines) > 0 {
		out.Description, out.TaxType = b.lines[0].description, b.lines[0].taxType
		if a := b.lines[0].account; a != nil {
			out.CounterAccount = a.code
		}
	}
	return out
}

func (t *bankTransfer) report() BankTransfer {
	return BankTransfer{BankTransferID: t.id, Status: t.status(), Reference: t.reference, From: t.from.code, To: t.to.code,
		Currency: t.out.currency, Amount: t.amount.String(), Date: string(t.date)}
}

// BankTransactions are all bank transactions, deleted ones included, in the
// order of their creation.
func (s *Server) BankTransactions() []BankTransaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []BankTransaction{}
	for _, b := range s.bank.rows {
		out = append(out, b.report())
	}
	return out
}

// BankTransfers are all bank transfers, deleted ones included, in the order of
// their creation.
func (s *Server) BankTransfers() []BankTransfer {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []BankTransfer{}
	for _, t := range s.transfers.rows {
		out = append(out, t.report())
	}
	return out
}

// Accounts are all accounts of the chart with what they hold.
func (s *Server) Accounts() []Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.sums()
	out := []Account{}
	for _, a := range s.accounts {
		x := Account{AccountID: a.id, Code: a.code, Name: a.name, Type: a.kind, Status: a.status(), Currency: s.currencyOf(a)}
		if a.holds() {
			x.Balance = held[a].String()
		}
		out = append(out, x)
	}
	return out
}

// SpendInput is money spent or received as a person enters it.
type SpendInput struct {
	Type        string `json:"type"`    // SPEND, the default, or RECEIVE
	Account     string `json:"account"` // code or id of the bank account; default 090
	Contact     string `json:"contact"` // its name; one that nobody has makes a new contact
	Counter     string `json:"counter"` // code or id of the line's account; default 404
	Amount      Number `json:"amount"`  // tax included
	Tax         string `json:"tax"`     // default the counter account's
	Description string `json:"description"`
	Date        string `json:"date"` // YYYY-MM-DD; default today
	Reference   string `json:"reference"`
	Reconciled  bool   `json:"reconciled"`
}

func (in *SpendInput) fillDefaults() {
	for _, d := range []struct {
		to  *string
		def string
	}{{&in.Type, "SPEND"}, {&in.Account, "090"}, {&in.Counter, "404"}, {&in.Description, "By hand"}} {
		if *d.to == "" {
			*d.to = d.def
		}
	}
}

// SpendMoney is a person entering money spent or received.
func (s *Server) SpendMoney(in SpendInput) (BankTransaction, error) {
	in.fillDefaults()
	var out BankTransaction
	err := s.locked(func() error {
		l, err := LineInput{Description: in.Description, UnitAmount: in.Amount, Tax: in.Tax, Account: in.Counter}.input()
		if err != nil {
			return err
		}
		p := docPatch{kind: in.Type, reference: &in.Reference, contact: &contactRef{name: in.Contact}, types: "Inclusive", hasLines: true,
			lines: []lineInput{l}}
		if in.Date != "" {
			if p.date, err = parseDay(in.Date); err != nil {
				return err
			}
		}
		b, err := s.addBankTransaction(p, s.account(in.Account), in.Reconciled)
		if err == nil {
			out = b.report()
		}
		return err
	})
	return out, err
}

// AmendInput is what a person changes in a bank transaction; empty fields stay.
type AmendInput struct {
	Amount    Number `json:"amount"` // of its one line
	Counter   string `json:"counter"`
	Reference string `json:"reference"`
}

// AmendBankTransaction is a person editing a bank transaction with one line,
// named by its id.
func (s *Server) AmendBankTransaction(id string, in AmendInput) (BankTransaction, error) {
	var out BankTransaction
	err := s.withBankTransaction(id, func(b *bankTransaction) error {
		if len(b.lines) != 1 || b.credit != nil || b.status != statusAuthorised {
			return fmt.Errorf("bank transaction %q cannot be edited here", id)
		}
		l := lineInput{description: b.lines[0].description, account: b.lines[0].account.id, taxType: b.lines[0].taxType,
			quantity: fracOne, unit: b.lines[0].unit, hasQuantity: true, hasUnit: true}
		if in.Amount != "" {
			unit, err := in.Amount.scaled(fracPlaces)
			if err != nil {
				return err
			}
			l.unit = frac(unit)
		}
		if in.Counter != "" {
			l.account = in.Counter
		}
		if err := s.checkLock(b.date); err != nil {
			return err
		}
		keep(s, b)
		if in.Reference != "" {
			b.reference = in.Reference
		}
		lines, err := s.makeLines(&b.document, []lineInput{l})
		if err != nil {
			return err
		}
		b.lines, b.updated = lines, s.now()
		b.sum()
		out = b.report()
		return nil
	})
	return out, err
}

// DeleteBankTransaction is a person deleting a bank transaction, reconciled or
// not, named by its id.
func (s *Server) DeleteBankTransaction(id string) error {
	return s.withBankTransaction(id, func(b *bankTransaction) error { return s.deleteBankTransaction(b, true) })
}

func (s *Server) withBankTransaction(id string, fn func(*bankTransaction) error) error {
	return s.locked(func() error {
		b := s.bank.get(id)
		if b == nil {
			return fmt.Errorf("no bank transaction %q", id)
		}
		return fn(b)
	})
}
