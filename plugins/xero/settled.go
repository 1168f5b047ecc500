package main

import (
	"encoding/json"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A payment has two sums when its document and its account are in different
// currencies: Amount in the document's, BankAmount in the account's. When it is
// known what the money settled as, BankAmount says so, and the account moves by
// exactly that; else the service takes the rate of the day:
// https://developer.xero.com/documentation/api/accounting/payments

// settles notes what the account moves by, when that is another sum than the
// amount and is in the account's currency.
func (p *posting) settles(org organisation) error {
	s := p.pay.Settled
	if !s.IsSet() || s.Sign() <= 0 || s.Currency() == p.pay.Amount.Currency() || !p.account.keptIn(s.Currency(), org) {
		return nil
	}
	if _, err := sum(s); err != nil {
		return connector.Errorf(connector.Invalid, opPost, "%w", err).WithRemedy("enter the payment in Xero by hand, rounded")
	}
	p.bank = s
	return nil
}

// startAt says how much of the amount is still to be ordered.
func (p *posting) startAt(missing money.Amount) error {
	done, err := p.pay.Amount.Sub(missing)
	p.done = done
	return err
}

// bankPart is what the account moves by for a part of the amount, of which some
// is done before. The parts of the whole sum to the whole, however it is cut:
// each reaches from where the one before ended.
func (p *posting) bankPart(done, part money.Amount) (money.Amount, error) {
	end, err := done.Add(part)
	if err != nil {
		return money.Amount{}, err
	}
	from, err := p.bankUpTo(done)
	if err != nil {
		return money.Amount{}, err
	}
	to, err := p.bankUpTo(end)
	if err != nil {
		return money.Amount{}, err
	}
	out, err := to.Sub(from)
	if err == nil && out.Sign() <= 0 {
		err = connector.Errorf(connector.Conflict, opPost, "%s of %s is less than the smallest unit of %s", part, p.pay.Amount, p.bank).
			WithRemedy("enter the payment in Xero by hand with the reference %s", p.mark)
	}
	return out, err
}

// bankUpTo is the share of what settled that belongs to the first part of the amount.
func (p *posting) bankUpTo(first money.Amount) (money.Amount, error) {
	rest, err := p.pay.Amount.Sub(first)
	if err != nil {
		return money.Amount{}, err
	}
	shares, err := p.bank.Allocate([]int64{first.Minor(), rest.Minor()})
	if err != nil {
		return money.Amount{}, err
	}
	return shares[0], nil
}

// bankAmount is the next part's BankAmount; "" when there is none to say.
func (p *posting) bankAmount(part money.Amount) (json.Number, error) {
	if !p.bank.IsSet() {
		return "", nil
	}
	if !p.done.IsSet() {
		p.done = money.Zero(p.pay.Amount.Currency())
	}
	bank, err := p.bankPart(p.done, part)
	if err != nil {
		return "", err
	}
	if p.done, err = p.done.Add(part); err != nil {
		return "", err
	}
	return sum(bank)
}

// rebooked is the BankAmount of a receipt that is posted again over another
// amount, because a refund was taken off it or put back; "" when there is none to say.
func (b *batch) rebooked(r *refund, old *paymentForm, amount money.Amount) (json.Number, error) {
	c, err := ledger{org: b.org, accounts: b.accounts}.currency(old.Account)
	if err != nil || c == amount.Currency() || old.BankAmount == "" {
		return "", nil //nolint:nilerr // an account that is gone has no currency; the service says the rest
	}
	bank, err := old.BankAmount.amount(c)
	if err != nil {
		return "", err
	}
	was, err := r.book.amount(old.Amount)
	if err != nil {
		return "", err
	}
	off, err := was.Sub(amount)
	if err != nil || off.IsZero() {
		n, _ := sum(bank) // it was read from two decimals
		return n, err
	}
	if r.bank.Currency() != c {
		return "", nil
	}
	size, err := off.Abs()
	if err != nil {
		return "", err
	}
	if err := r.startAt(size); err != nil {
		return "", err
	}
	share, err := r.bankPart(r.done, size)
	if err == nil && off.Sign() > 0 {
		share, err = share.Neg()
	}
	if err == nil {
		bank, err = bank.Add(share)
	}
	if err == nil && bank.Sign() <= 0 {
		err = connector.Errorf(connector.Conflict, opPost, "the refund %s is over more of %s than the receipt was", r.mark, c).
			WithRemedy("enter what was not refunded in Xero by hand, with the reference %s", lessRefund(old.Reference, r.mark))
	}
	if err != nil {
		return "", err
	}
	return sum(bank)
}
