package main

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

const (
	organisationFresh = 5 * time.Minute // how long what was read of an organisation serves
	organisationsMax  = 1000
)

// organisation is who we work for.
type organisation struct {
	Name               string
	BaseCurrency       string
	Timezone           string
	ShortCode          string
	IsDemoCompany      bool
	PeriodLockDate     instant
	EndOfYearLockDate  instant
	OrganisationStatus string
}

// account is a ledger account: "bank account" to people when its Type is BANK.
type account struct {
	AccountID               string
	Code                    string
	Name                    string
	Type                    string
	Status                  string
	CurrencyCode            string
	EnablePaymentsToAccount bool
}

// bank reports whether bank transactions can be made in the account.
func (a account) bank() bool { return a.Type == "BANK" }

// lockDate is the later of the two lock dates: documents dated on or before it
// are refused. The zero date means that nothing is locked.
func (o organisation) lockDate() connector.Date {
	period, year := o.PeriodLockDate.date(), o.EndOfYearLockDate.date()
	if period.Before(year) {
		return year
	}
	return period
}

// connection is one organisation that the consent covers.
type connection struct {
	TenantID   string `json:"tenantId"`
	TenantType string `json:"tenantType"`
	TenantName string `json:"tenantName"`
}

// connections lists what the token reaches.
func (a *api) connections(ctx context.Context) ([]connection, error) {
	var out []connection
	r := request{op: "xero: list connections", method: http.MethodGet, path: "/connections", noTenant: true}
	if _, err := a.call(ctx, r, &out); err != nil {
		return nil, err
	}
	if out == nil {
		return nil, unpromised(r, "the answer holds no list of connections")
	}
	return out, nil
}

// organisations remembers what was read, for a few minutes.
type organisations struct {
	now func() time.Time
	mu  sync.Mutex
	m   map[string]*remembered
}

type remembered struct {
	mu         sync.Mutex // held while reading, so that one call serves all
	org        organisation
	orgAt      time.Time
	accounts   []account
	accountsAt time.Time
	contacts   map[string]knownContact // by folded name: those that fees are paid to
	replacing  chan struct{}           // holds an element while receipts are being replaced
}

type knownContact struct {
	id string
	at time.Time
}

const contactsKeptMax = 1000 // names; there is one for each recipe as a rule

func (o *organisations) of(key string) *remembered {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil || len(o.m) >= organisationsMax {
		o.m = map[string]*remembered{}
	}
	got, ok := o.m[key]
	if !ok {
		got = &remembered{replacing: make(chan struct{}, 1)}
		o.m[key] = got
	}
	return got
}

// organisation returns who we work for. fresh reads it again: lock dates move.
func (a *api) organisation(ctx context.Context, fresh bool) (organisation, error) {
	r := a.x.orgs.of(a.cacheKey())
	r.mu.Lock()
	defer r.mu.Unlock()
	now := a.x.now()
	if !fresh && !r.orgAt.IsZero() && now.Sub(r.orgAt) < organisationFresh {
		return r.org, nil
	}
	var env envelope
	req := request{op: "xero: read organisation", method: http.MethodGet, path: accounting + "/Organisation"}
	if _, err := a.call(ctx, req, &env); err != nil {
		return organisation{}, err
	}
	if len(env.Organisations) != 1 {
		return organisation{}, unpromised(req, "the answer holds no organisation")
	}
	r.org, r.orgAt = env.Organisations[0], now
	return r.org, nil
}

// accounts returns the ledger accounts.
func (a *api) accounts(ctx context.Context, fresh bool) ([]account, error) {
	r := a.x.orgs.of(a.cacheKey())
	r.mu.Lock()
	defer r.mu.Unlock()
	now := a.x.now()
	if !fresh && !r.accountsAt.IsZero() && now.Sub(r.accountsAt) < organisationFresh {
		return r.accounts, nil
	}
	var env envelope
	req := request{op: "xero: read accounts", method: http.MethodGet, path: accounting + "/Accounts"}
	if _, err := a.call(ctx, req, &env); err != nil {
		return nil, err
	}
	if env.Accounts == nil {
		return nil, unpromised(req, "the answer holds no accounts")
	}
	r.accounts, r.accountsAt = env.Accounts, now
	return r.accounts, nil
}

// knownContact returns the contact that a name was found to mean lately.
func (a *api) knownContact(name string) (string, bool) {
	r := a.x.orgs.of(a.cacheKey())
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.contacts[folded(name)]
	return c.id, ok && a.x.now().Sub(c.at) < organisationFresh
}

// keepContact remembers what a name means; with an empty id it is forgotten.
func (a *api) keepContact(name, id string) {
	r := a.x.orgs.of(a.cacheKey())
	r.mu.Lock()
	defer r.mu.Unlock()
	if id == "" {
		delete(r.contacts, folded(name))
		return
	}
	if r.contacts == nil || len(r.contacts) >= contactsKeptMax {
		r.contacts = map[string]knownContact{}
	}
	r.contacts[folded(name)] = knownContact{id: id, at: a.x.now()}
}

// findAccount finds an account by code or id that can be posted to.
func findAccount(op string, accounts []account, name string) (account, error) {
	for _, acc := range accounts {
		if !sameID(acc.AccountID, name) && (acc.Code == "" || acc.Code != name) {
			continue
		}
		if acc.Status != "" && acc.Status != "ACTIVE" {
			return account{}, connector.Errorf(connector.Invalid, op, "account %s (%s) is %s", name, acc.Name, strings.ToLower(acc.Status)).
				WithRemedy("restore the account in Xero, or choose another one")
		}
		return acc, nil
	}
	return account{}, connector.Errorf(connector.Invalid, op, "there is no account with the code or id %q", name).
		WithRemedy("look the code up in Xero (Accounting, Chart of accounts)")
}

// postingAccount finds an account by code or id and makes sure that payments
// can be posted to it.
func postingAccount(op string, accounts []account, name string) (account, error) {
	if name == "" {
		return account{}, connector.Errorf(connector.Invalid, op, "no account is named to post to").
			WithRemedy("name the code or id of the clearing account")
	}
	acc, err := findAccount(op, accounts, name)
	if err == nil && !acc.bank() && !acc.EnablePaymentsToAccount {
		return account{}, connector.Errorf(connector.Invalid, op, "account %s (%s) cannot receive payments", name, acc.Name).
			WithRemedy("choose an account of type Bank, or tick “Enable payments to this account” in Xero's chart of accounts")
	}
	return acc, err
}

// takes reports whether a payment in currency c can be posted to the account:
// its own currency must be the payment's or the organisation's base currency.
func (a account) takes(c money.Currency, org organisation) bool {
	return a.CurrencyCode == "" || strings.EqualFold(a.CurrencyCode, string(c)) || strings.EqualFold(a.CurrencyCode, org.BaseCurrency)
}

// keptIn reports whether the account is kept in currency c.
func (a account) keptIn(c money.Currency, org organisation) bool {
	if a.CurrencyCode == "" {
		return strings.EqualFold(org.BaseCurrency, string(c))
	}
	return strings.EqualFold(a.CurrencyCode, string(c))
}

// location is the organisation's time zone.
func (o organisation) location() (*time.Location, error) {
	loc, ok := location(o.Timezone)
	if !ok {
		return nil, connector.Errorf(connector.Invalid, "xero: read organisation", "the organisation's time zone %q is not known to the connector", o.Timezone)
	}
	return loc, nil
}
