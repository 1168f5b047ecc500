package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// Check implements connector.Connector.
func (x *Xero) Check(ctx context.Context, s *connector.Session, req connector.CheckRequest) (connector.CheckResult, error) {
	a, err := x.open(s)
	if err != nil {
		return connector.CheckResult{}, err
	}
	found, err := a.connections(ctx)
	if err != nil {
		return connector.CheckResult{}, err
	}
	var out connector.CheckResult
	for _, c := range found {
		if c.TenantType == "" || strings.EqualFold(c.TenantType, "ORGANISATION") {
			out.Choices = append(out.Choices, connector.Account{ID: c.TenantID, Name: c.TenantName})
		}
	}
	out.Missing, out.Excess, out.Notes = permissions(s.AccessToken.Reveal())
	chosen, err := a.choose(out.Choices)
	if err != nil {
		return connector.CheckResult{}, err
	}
	if chosen == "" {
		out.Notes = append(out.Notes, "the consent covers several organisations: set tenant_id to one of them")
		return out, nil
	}
	bound := *s
	bound.AccountID = chosen
	if a, err = x.openBound(&bound); err != nil {
		return connector.CheckResult{}, err
	}
	if err := a.describe(ctx, &out); err != nil {
		return connector.CheckResult{}, err
	}
	return out, a.checkAccounts(ctx, req)
}

// choose picks the organisation; "" when only a person can.
func (a *api) choose(choices []connector.Account) (string, error) {
	const op = "xero: check"
	if len(choices) == 0 {
		return "", connector.Errorf(connector.Auth, op, "the authorization covers no organisation").
			WithRemedy("authorize the connection again and choose the organisation")
	}
	if a.tenant == "" {
		if len(choices) == 1 {
			return choices[0].ID, nil
		}
		return "", nil
	}
	for _, c := range choices {
		if sameID(c.ID, a.tenant) {
			return c.ID, nil
		}
	}
	return "", connector.Errorf(connector.Auth, op, "the authorization does not cover organisation %s", a.tenant).
		WithRemedy("authorize the connection again and choose this organisation, or correct tenant_id")
}

// describe fills in who we work for.
func (a *api) describe(ctx context.Context, out *connector.CheckResult) error {
	org, err := a.organisation(ctx, true)
	if err != nil {
		return err
	}
	out.Account = connector.Account{ID: a.tenant, Name: org.Name, Currency: org.BaseCurrency, Live: !org.IsDemoCompany}
	loc, err := org.location()
	if err != nil {
		out.Notes = append(out.Notes, err.Error())
	} else {
		out.Account.TimeZone = loc.String()
	}
	if lock := org.lockDate(); !lock.IsZero() {
		out.Notes = append(out.Notes, "the books are locked up to "+lock.String())
	}
	for i := range out.Choices {
		if sameID(out.Choices[i].ID, a.tenant) {
			out.Choices[i] = out.Account
		}
	}
	return nil
}

// checkAccounts makes sure of the accounts that a recipe posts to.
func (a *api) checkAccounts(ctx context.Context, req connector.CheckRequest) error {
	const op = "xero: check"
	if len(req.PostingAccounts)+len(req.CounterAccounts) == 0 {
		return nil
	}
	accounts, err := a.accounts(ctx, true)
	if err != nil {
		return err
	}
	org, err := a.organisation(ctx, false)
	if err != nil {
		return err
	}
	for _, name := range req.PostingAccounts {
		acc, err := postingAccount(op, accounts, name)
		if err != nil {
			return err
		}
		if c := money.Currency(req.Currency); c != "" && !acc.takes(c, org) {
			remedy := "choose an account in " + req.Currency
			if req.Currency != org.BaseCurrency {
				remedy += ", or in the base currency " + org.BaseCurrency
			}
			return connector.Errorf(connector.Invalid, op, "account %s (%s) is in %s, and the money that arrives is in %s", name, acc.Name, acc.CurrencyCode, c).
				WithRemedy("%s", remedy)
		}
	}
	for _, name := range req.CounterAccounts {
		if _, err := findAccount(op, accounts, name); err != nil {
			return err
		}
	}
	return nil
}

// grants says which of our permissions a scope carries beyond its own name. The
// broad ones are those of apps that were made before March 2026:
// https://developer.xero.com/faq/granular-scopes
var grants = map[string][]string{
	"accounting.transactions": {"accounting.invoices", "accounting.payments", "accounting.banktransactions"},
	"accounting.settings":     {"accounting.settings.read"},
}

// identityScopes let us know who consented and keep the consent; they reach no
// books.
var identityScopes = []string{"openid", "profile", "email", "offline_access"}

// permissions compares the scopes that the access token names with those that
// we need. A token that names none is taken as it is.
func permissions(token string) (missing, excess, notes []string) {
	have := tokenScopes(token)
	if have == nil {
		return nil, nil, []string{"the access token does not name its permissions: they are not checked"}
	}
	granted := slices.Clone(have)
	for _, s := range have {
		granted = append(granted, grants[s]...)
	}
	for _, s := range neededScopes {
		if !slices.Contains(granted, s) {
			missing = append(missing, s)
		}
	}
	for _, s := range have {
		if !slices.Contains(neededScopes, s) && !slices.Contains(identityScopes, s) {
			excess = append(excess, s)
		}
	}
	return missing, excess, nil
}

// tokenScopes reads the claim "scope" of an access token. Its signature is not
// checked: the token is our own, and the service decides what it may do.
func tokenScopes(token string) []string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil
	}
	var claims struct {
		Scope json.RawMessage `json:"scope"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Scope == nil {
		return nil
	}
	var list []string
	if json.Unmarshal(claims.Scope, &list) == nil {
		return list
	}
	var text string
	if json.Unmarshal(claims.Scope, &text) == nil {
		return strings.Fields(text)
	}
	return nil
}
