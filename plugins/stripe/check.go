package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	stripe "github.com/stripe/stripe-go/v76"
	"golang.org/x/sync/errgroup"

	"github.com/ml-connector/ml-connector/connector"
)

// Check says who we are in Stripe and which permissions the key lacks for
// reading. Whether it may write shows only when it does.
func (c *Connector) Check(ctx context.Context, s *connector.Session, req connector.CheckRequest) (connector.CheckResult, error) {
	const op = "stripe: check"
	if len(req.PostingAccounts) > 0 {
		return connector.CheckResult{}, connector.Errorf(connector.Invalid, op, "Stripe has no accounts to post to (%s)", cut(strings.Join(req.PostingAccounts, ", "), 100)).
			WithRemedy("Let the recipe check posting accounts of the accounting side only.")
	}
	cn, err := c.connect(s, op)
	if err != nil {
		return connector.CheckResult{}, err
	}
	acc, err := cn.account(ctx)
	if err != nil {
		return connector.CheckResult{}, err
	}
	if s.AccountID != "" && acc.ID != s.AccountID {
		return connector.CheckResult{}, connector.Errorf(connector.Auth, op, "the key belongs to account %s, the connection to %s", acc.ID, s.AccountID).
			WithRemedy("Set %s to a key of account %s, or make a new connection for the other account.", settingKey, s.AccountID)
	}
	lacking, err := refused(ctx, cn.probes())
	if err != nil {
		return connector.CheckResult{}, err
	}
	out := connector.CheckResult{Account: cn.describe(acc), Missing: lacking, Notes: cn.notes(s, acc)}
	more, err := refused(ctx, cn.streamProbes())
	if err != nil {
		return connector.CheckResult{}, err
	}
	if len(more) > 0 {
		out.Notes = append(out.Notes, "optional, for payouts: the key lacks "+strings.Join(more, ", "))
	}
	out.Choices = []connector.Account{out.Account}
	if cn.full {
		out.Excess = []string{"full access: a restricted key (rk_…) with read and write for customers, invoices, credit notes, payment intents and webhook endpoints, and read for charges, refunds, disputes, balance transactions and events is enough; payouts too where the recipe books them"}
	}
	return out, nil
}

// account reads the account of the key. The library's own call for it takes no
// context.
func (cn *conn) account(ctx context.Context) (*stripe.Account, error) {
	const op = "stripe: get account"
	acc, p, backend := &stripe.Account{}, &stripe.AccountParams{}, cn.api.Accounts
	err := cn.read(ctx, op, &p.Params, func() error {
		return backend.B.Call(http.MethodGet, "/v1/account", backend.Key, p, acc)
	})
	if err != nil {
		return nil, err
	}
	if acc.ID == "" {
		return nil, connector.Errorf(connector.Unavailable, op, "Stripe did not say whose key it is")
	}
	return acc, nil
}

func (cn *conn) describe(acc *stripe.Account) connector.Account {
	out := connector.Account{ID: acc.ID, Name: acc.ID, Live: cn.live, Currency: currencyText(acc.DefaultCurrency)}
	if bp := acc.BusinessProfile; bp != nil && bp.Name != "" {
		out.Name = bp.Name
	}
	if acc.Settings != nil && acc.Settings.Dashboard != nil {
		if name := acc.Settings.Dashboard.DisplayName; name != "" {
			out.Name = name
		}
		out.TimeZone = acc.Settings.Dashboard.Timezone
	}
	return out
}

func (cn *conn) notes(s *connector.Session, acc *stripe.Account) []string {
	var out []string
	if !cn.live {
		out = append(out, "a test key: no real money moves")
	}
	if cn.live && !acc.ChargesEnabled {
		out = append(out, "Stripe does not let this account take payments yet; complete its activation in the dashboard")
	}
	if len(webhookSecrets(s)) == 0 {
		out = append(out, settingHook+" is not set: changes are found by polling only")
	}
	return out
}

// refused makes a cheap read of each resource and names what is refused.
func refused(ctx context.Context, probes []func(context.Context) error) ([]string, error) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	names := make([]string, len(probes))
	for i, read := range probes {
		group.Go(func() error {
			err := read(ctx)
			var lacking permissionError
			if !errors.As(err, &lacking) {
				return err
			}
			names[i] = string(lacking)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(names, func(s string) bool { return s == "" })
	slices.Sort(out)
	return slices.Compact(out), nil
}

func one() stripe.ListParams { return stripe.ListParams{Limit: stripe.Int64(1)} }

// streamProbes are those of resources that only some recipes need.
func (cn *conn) streamProbes() []func(context.Context) error {
	return []func(context.Context) error{
		func(ctx context.Context) error {
			p := &stripe.PayoutListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.Payouts.List(p).Iter })
		},
	}
}

// probes are reads of one object of each resource.
func (cn *conn) probes() []func(context.Context) error {
	return []func(context.Context) error{
		func(ctx context.Context) error {
			p := &stripe.CustomerListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.Customers.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.InvoiceListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.Invoices.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.CreditNoteListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.CreditNotes.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.PaymentIntentListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.PaymentIntents.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.ChargeListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.Charges.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.RefundListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.Refunds.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.BalanceTransactionListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.BalanceTransactions.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.DisputeListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.Disputes.List(p).Iter })
		},
		func(ctx context.Context) error {
			p := &stripe.EventListParams{ListParams: one()}
			return probeList(ctx, &p.ListParams, func() *stripe.Iter { return cn.api.Events.List(p).Iter })
		},
	}
}

func probeList(ctx context.Context, p *stripe.ListParams, call func() *stripe.Iter) error {
	ex := &exchange{}
	p.Context, p.Single = withExchange(ctx, ex), true
	return ex.result("stripe: check", call().Err())
}
