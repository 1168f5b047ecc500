package main

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// usdAccount is a person adding a bank account in USD.
func usdAccount(w *world) {
	if _, err := w.s.AddAccount(xero.AccountInput{Code: "usd", Name: "USD Clearing", Currency: "USD"}); err != nil {
		w.t.Fatal(err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*world)
		posts  []string
		money  string // the currency that arrives
		want   string // kind of the error; "": none
		says   string
	}{
		{name: "fine", posts: []string{"610"}},
		{name: "not bound yet", change: func(w *world) { w.session.AccountID = "" }},
		{name: "an account that cannot be paid into", posts: []string{"200"}, want: "invalid", says: "cannot receive payments"},
		{name: "an unknown account", posts: []string{"61O"}, want: "invalid", says: "no account"},
		{name: "an archived account", posts: []string{"610"}, change: func(w *world) { _ = w.s.ArchiveAccount("610") }, want: "invalid", says: "archived"},
		{name: "an account of the money's currency", posts: []string{"usd"}, change: usdAccount, money: "USD"},
		{name: "an account of the base currency", posts: []string{"610"}, money: "USD"},
		{name: "an account of another currency", posts: []string{"usd"}, change: usdAccount, money: "NZD", want: "invalid", says: "account usd (USD Clearing) is in USD, and the money that arrives is in NZD"},
		{name: "an account of another currency, nobody knows the money's", posts: []string{"usd"}, change: usdAccount},
		{name: "another organisation", change: func(w *world) { w.session.AccountID = "5d1c6a1e-0000-4000-8000-000000000000" }, want: "auth", says: "does not cover"},
		{name: "bound to another one than named", change: func(w *world) { w.session.Settings["tenant_id"] = "5d1c6a1e-0000-4000-8000-000000000000" }, want: "auth", says: "bound to"},
		{name: "disconnected", change: func(w *world) { w.s.DisconnectTenant() }, want: "auth", says: "no organisation"},
		{name: "a token that is no good", change: func(w *world) { w.session.AccessToken = "x" }, want: "auth"},
		{name: "a plain URL that is not https", change: func(w *world) { w.session.Settings["api_url"] = "http://api.xero.com" }, want: "invalid", says: "https"},
		{name: "a limit that is no number", change: func(w *world) { w.session.Settings["calls_per_day"] = "many" }, want: "invalid", says: "calls_per_day"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{Timezone: "NEWZEALANDSTANDARDTIME"})
			if tt.change != nil {
				tt.change(w)
			}
			got, err := w.x.Check(context.Background(), w.session, connector.CheckRequest{PostingAccounts: tt.posts, Currency: tt.money})
			if tt.want != "" {
				if kind := kindOf(t, err).String(); kind != tt.want || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: %v", kind, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := connector.Account{ID: w.s.TenantID(), Name: "Demo Company (NZ)", Currency: "NZD", TimeZone: "Pacific/Auckland", Live: got.Account.Live}
			if diff := cmp.Diff(got.Account, want); diff != "" || len(got.Choices) != 1 || len(got.Missing)+len(got.Excess) > 0 {
				t.Errorf("%+v\n%s", got, diff)
			}
		})
	}
}

// A missing permission and a disconnected organisation look the same to a call.
func TestForbidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	get := func() error {
		_, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityInvoice, IDs: []string{w.s.TenantID()}})
		return err
	}
	w.session.AccessToken = connector.Secret(w.s.IssueTokens("accounting.contacts").AccessToken)
	if err := get(); kindOf(t, err) != connector.Auth || !strings.Contains(err.Error(), "accounting.invoices") {
		t.Errorf("missing permission: %v", err)
	}
	w.session.AccessToken = connector.Secret(w.s.IssueTokens().AccessToken)
	w.s.DisconnectTenant()
	if err := get(); kindOf(t, err) != connector.Auth || !strings.Contains(err.Error(), "disconnected") {
		t.Errorf("disconnected: %v", err)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"
	}
	tests := []struct {
		name, token     string
		missing, excess []string
		notes           int
	}{
		{name: "least", token: token(`{"scope":"` + defaultScopes + `"}`)},
		{name: "as a list", token: token(`{"scope":["accounting.invoices","accounting.payments","accounting.contacts","accounting.banktransactions","accounting.settings.read"]}`)},
		{name: "too few", token: token(`{"scope":"accounting.invoices accounting.contacts.read"}`),
			missing: []string{"accounting.payments", "accounting.contacts", "accounting.banktransactions", "accounting.settings.read"}, excess: []string{"accounting.contacts.read"}},
		{name: "broad", token: token(`{"scope":"accounting.transactions accounting.contacts accounting.settings"}`), excess: []string{"accounting.transactions", "accounting.settings"}},
		{name: "opaque", token: "abc", notes: 1},
		{name: "no claim", token: token(`{}`), notes: 1},
		{name: "not JSON", token: token(`x`), notes: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			missing, excess, notes := permissions(tt.token)
			if diff := cmp.Diff([][]string{missing, excess}, [][]string{tt.missing, tt.excess}); diff != "" || len(notes) != tt.notes {
				t.Errorf("notes %v (-got +want):\n%s", notes, diff)
			}
		})
	}
}
