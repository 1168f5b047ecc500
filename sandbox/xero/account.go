package xero

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Accounts of the chart. The API can read them; a person adds and archives them.

type account struct {
	id, code, name, kind string
	currency             string // BANK only
	tax                  string
	system               string
	payable              bool // EnablePaymentsToAccount
	archived             bool
	updated              time.Time
}

func (a *account) class() string {
	switch a.kind {
	case "REVENUE", "SALES", "OTHERINCOME":
		return "REVENUE"
	case "EXPENSE", "DIRECTCOSTS", "OVERHEADS":
		return "EXPENSE"
	case "CURRLIAB", "LIABILITY", "TERMLIAB":
		return "LIABILITY"
	}
	return "ASSET"
}

// seedAccounts is the chart of a fresh organisation. The receivables have code
// 120, so that 610 is free for the clearing account.
func seedAccounts(base string, now time.Time) []*account {
	list := []*account{
		{code: "090", name: "Business Bank", kind: "BANK", currency: base, tax: "NONE"},
		{code: "610", name: "Stripe Clearing", kind: "BANK", currency: base, tax: "NONE"},
		{code: "120", name: "Accounts Receivable", kind: "CURRENT", tax: "NONE", system: "DEBTORS"},
		{code: "800", name: "Accounts Payable", kind: "CURRLIAB", tax: "NONE", system: "CREDITORS"},
		{code: "820", name: "GST", kind: "CURRLIAB", tax: "NONE", system: "GST"},
		{code: "620", name: "Undeposited Funds", kind: "CURRENT", tax: "NONE", payable: true},
		{code: "200", name: "Sales", kind: "REVENUE", tax: "OUTPUT2"},
		{code: "400", name: "Advertising", kind: "EXPENSE", tax: "INPUT2"},
		{code: "404", name: "Fees", kind: "EXPENSE", tax: "INPUT2"},
	}
	for _, a := range list {
		a.id, a.updated = newID(), now
	}
	return list
}

// account finds one by id or code; nil when there is none.
func (s *Server) account(ref string) *account {
	for _, a := range s.accounts {
		if strings.EqualFold(a.id, ref) || (a.code != "" && a.code == ref) {
			return a
		}
	}
	return nil
}

// readAccount reads {AccountID} or {Code}.
func (s *Server) readAccount(f *fields) *account {
	if f == nil {
		return nil
	}
	id, code := f.str("AccountID"), f.str("Code")
	if id != "" {
		return s.account(id)
	}
	return s.account(code)
}

// payInto checks an account that a payment goes to or comes from.
func (s *Server) payInto(a *account, currency string) error {
	switch {
	case a == nil:
		return refuse("Account could not be found")
	case a.archived:
		return refuse("Account %s has been archived and cannot be used", a.name)
	case a.kind != "BANK" && !a.payable:
		return refuse("Account type is invalid for making a payment to/from")
	case a.kind == "BANK" && a.currency != s.org.base && a.currency != currency:
		return refuse("The account's currency %s must be the base currency %s or the document's currency %s", a.currency, s.org.base, currency)
	}
	return nil
}

// bankAccount checks the account of a bank transaction or transfer.
func (s *Server) bankAccount(a *account) error {
	switch {
	case a == nil:
		return refuse("The bank account could not be found")
	case a.archived:
		return refuse("Account %s has been archived and cannot be used", a.name)
	case a.kind != "BANK":
		return refuse("The Account must be of type BANK")
	}
	return nil
}

// currencyOf is the currency that an account is kept in.
func (s *Server) currencyOf(a *account) string {
	if a.currency == "" {
		return s.org.base
	}
	return a.currency
}

func (a *account) status() string {
	if a.archived {
		return "ARCHIVED"
	}
	return "ACTIVE"
}

func (a *account) view() object {
	o := object{"AccountID": a.id, "Name": a.name, "Type": a.kind, "Status": a.status(), "TaxType": a.tax,
		"Class": a.class(), "EnablePaymentsToAccount": a.payable, "ShowInExpenseClaims": false, "AddToWatchlist": false,
		"HasAttachments": false, "UpdatedDateUTC": msDate(a.updated)}
	if a.code != "" {
		o["Code"] = a.code
	}
	if a.kind == "BANK" {
		o["BankAccountType"], o["BankAccountNumber"], o["CurrencyCode"] = "BANK", "", a.currency
	}
	if a.system != "" {
		o["SystemAccount"] = a.system
	}
	return o
}

// short is how an account appears inside other records.
func (a *account) short() object {
	o := object{"AccountID": a.id, "Name": a.name}
	if a.code != "" {
		o["Code"] = a.code
	}
	return o
}

var accountColumns = columns[account]{
	"accountid":               func(a *account) value { return guidValue(a.id) },
	"code":                    func(a *account) value { return textValue(a.code) },
	"name":                    func(a *account) value { return textValue(a.name) },
	"type":                    func(a *account) value { return textValue(a.kind) },
	"class":                   func(a *account) value { return textValue(a.class()) },
	"status":                  func(a *account) value { return textValue(a.status()) },
	"systemaccount":           func(a *account) value { return textValue(a.system) },
	"taxtype":                 func(a *account) value { return textValue(a.tax) },
	"currencycode":            func(a *account) value { return textValue(a.currency) },
	"enablepaymentstoaccount": func(a *account) value { return boolValue(a.payable) },
	"updateddateutc":          func(a *account) value { return timeValue(a.updated) },
}

func (c *call) listAccounts() (reply, error) {
	return list(c, listing[account]{plural: "Accounts", rows: c.s.accounts, cols: accountColumns,
		updated: func(a *account) time.Time { return a.updated },
		id:      func(a *account) string { return a.id },
		view:    func(a *account, _ bool) object { return a.view() }})
}

func (c *call) getAccount() (reply, error) {
	for _, a := range c.s.accounts {
		if strings.EqualFold(a.id, c.id) {
			return c.ok("Accounts", []object{a.view()}), nil
		}
	}
	return reply{}, notFound()
}

// accountTypes are the types that a person can choose here.
var accountTypes = []string{"BANK", "CURRENT", "CURRLIAB", "REVENUE", "EXPENSE", "DIRECTCOSTS", "OVERHEADS"}

// AccountInput describes an account that a person adds.
type AccountInput struct {
	Code     string `json:"code"`
	Name     string `json:"name"`
	Type     string `json:"type"`     // default BANK
	Currency string `json:"currency"` // BANK only; default the base currency
	Payable  bool   `json:"payable"`  // EnablePaymentsToAccount
}

// AddAccount adds an account to the chart and returns its id.
func (s *Server) AddAccount(in AccountInput) (string, error) {
	if in.Type == "" {
		in.Type = "BANK"
	}
	a := &account{id: newID(), code: in.Code, name: in.Name, kind: in.Type, payable: in.Payable, tax: "NONE", updated: s.now()}
	return a.id, s.locked(func() error {
		if in.Type == "BANK" {
			if a.currency = in.Currency; a.currency == "" {
				a.currency = s.org.base
			}
			if err := s.checkCurrency(a.currency); err != nil {
				return err
			}
		}
		if !slices.Contains(accountTypes, in.Type) {
			return refuse("Account type %s is not one of %s", in.Type, strings.Join(accountTypes, ", "))
		}
		for _, other := range s.accounts {
			if in.Name == "" || strings.EqualFold(other.name, in.Name) {
				return refuse("Please enter a unique Name.")
			}
			if in.Code != "" && other.code == in.Code {
				return refuse("Please enter a unique Code.")
			}
		}
		s.accounts = append(s.accounts, a)
		return nil
	})
}

// ArchiveAccount archives an account, named by its code or id.
func (s *Server) ArchiveAccount(ref string) error {
	return s.locked(func() error {
		a := s.account(ref)
		if a == nil || a.system != "" {
			return fmt.Errorf("no account %q that can be archived", ref)
		}
		a.archived, a.updated = true, s.now()
		return nil
	})
}
