package main

import (
	"math/big"
	"slices"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// A refund is spread over an invoice's lines in proportion to what the customer
// owed for each, tax included. Several refunds of one receipt share the lines out
// between them: each takes from what the earlier ones left, of a line and of its
// tax. So refunds that make up the whole invoice give back each line, and its
// tax, to the cent, although the service would round the tax of every credit note
// by itself.

// piece is a line of an invoice, or several that are alike or count against each
// other.
type piece struct {
	line lineForm
	left int64 // minor units, tax included, that no earlier refund took
	tax  int64 // the tax in it
	own  bool  // its tax is not what the service would work out for such a sum
}

// share is one line's part of a refund.
type share struct {
	line   lineForm
	amount money.Amount
	tax    money.Amount // what the service is told; unset: it works the tax out
}

// shares spreads a refund over an invoice's lines. The shares are above zero and
// sum to the refund exactly. Lines below zero (discounts, deposits) are counted
// against the lines of the same account and tax rate. earlier are the credit
// notes of the receipt's earlier refunds; when they do not fit the invoice, they
// are left out of account.
func shares(inv invoiceForm, refund money.Amount, earlier []creditNoteForm) ([]share, error) {
	list, err := piecesOf(inv, refund.Currency())
	if err != nil {
		return nil, err
	}
	if rest, ok := leftBy(list, inv.InvoiceNumber, earlier, refund.Currency()); ok && sumLeft(rest) >= refund.Minor() {
		list = rest
	}
	weights := make([]int64, len(list))
	for i, p := range list {
		weights[i] = p.left
	}
	amounts, err := allocate(refund, weights)
	if err != nil {
		return nil, err
	}
	var out []share
	for i, a := range amounts {
		if a.Sign() <= 0 {
			continue
		}
		s := share{line: list[i].line, amount: a}
		if p := list[i]; p.own && inv.taxMode() != connector.TaxNone {
			if s.tax, err = money.New(p.taxOf(a.Minor(), stepOf(refund.Currency())), refund.Currency()); err != nil {
				return nil, err
			}
		}
		out = append(out, s)
	}
	return out, nil
}

// allocate spreads an amount by weight in steps that the service can hold.
func allocate(a money.Amount, weights []int64) ([]money.Amount, error) {
	step := stepOf(a.Currency())
	if a.Minor()%step != 0 { // refused, with its reason, when it is written
		step = 1
	}
	steps, err := money.New(a.Minor()/step, a.Currency())
	if err != nil {
		return nil, err
	}
	out, err := steps.Allocate(weights)
	for i := range out {
		if err == nil {
			out[i], err = money.New(out[i].Minor()*step, a.Currency())
		}
	}
	return out, err
}

// taxOf is the tax in a part of the piece, rounded to the nearest step, halves
// up; all of the tax in all of it. An earlier credit note may have taken a cent
// too much: never below zero.
func (p piece) taxOf(amount, step int64) int64 {
	if p.tax <= 0 || p.left <= 0 {
		return 0
	}
	n := new(big.Int).Mul(big.NewInt(2*p.tax), big.NewInt(amount))
	n.Add(n, big.NewInt(p.left*step))
	return n.Div(n, big.NewInt(2*p.left*step)).Int64() * step
}

func sumLeft(list []piece) int64 {
	var sum int64
	for _, p := range list {
		sum += p.left
	}
	return sum
}

// piecesOf is what the customer owed for an invoice's lines.
func piecesOf(inv invoiceForm, c money.Currency) ([]piece, error) {
	mode := inv.taxMode()
	var out []piece
	negative := false
	for _, l := range inv.LineItems {
		gross, err := l.gross(mode, c)
		if err != nil {
			return nil, err
		}
		p := piece{line: l, left: gross.Minor()}
		if mode != connector.TaxNone {
			tax, err := l.TaxAmount.amount(c)
			if err != nil {
				return nil, err
			}
			p.tax = tax.Minor()
		}
		negative = negative || p.left < 0
		out = append(out, p)
	}
	if negative {
		out = merged(out, lineForm.booksLike)
	}
	return merged(out, lineForm.looksLike), nil
}

// gross is what the customer owes for a line, tax included.
func (l lineForm) gross(mode connector.TaxMode, c money.Currency) (money.Amount, error) {
	amount, err := l.LineAmount.amount(c)
	if err != nil || mode != connector.TaxExclusive {
		return amount, err
	}
	tax, err := l.TaxAmount.amount(c)
	if err != nil {
		return amount, err
	}
	return amount.Add(tax)
}

// merged sums the lines that are alike; what stays below zero takes no share.
func merged(list []piece, alike func(a, b lineForm) bool) []piece {
	var out []piece
	for _, p := range list {
		i := slices.IndexFunc(out, func(o piece) bool { return alike(o.line, p.line) })
		if i < 0 {
			out = append(out, p)
			continue
		}
		out[i].left += p.left
		out[i].tax += p.tax
		out[i].own = true
	}
	for i := range out {
		if out[i].left <= 0 {
			out[i].left, out[i].tax = 0, 0
		}
	}
	return out
}

// looksLike reports whether two lines cannot be told apart in a credit note.
func (l lineForm) looksLike(o lineForm) bool {
	return l.Description == o.Description && l.booksLike(o) && slices.Equal(l.Tracking, o.Tracking)
}

// booksLike reports whether two lines go to the same account at the same rate.
func (l lineForm) booksLike(o lineForm) bool {
	if l.TaxType != o.TaxType {
		return false
	}
	if l.AccountCode != "" && o.AccountCode != "" {
		return l.AccountCode == o.AccountCode
	}
	return l.AccountCode == o.AccountCode && l.AccountID == o.AccountID || sameID(l.AccountID, o.AccountID)
}

// leftBy takes off what earlier refunds took of each line. It reports false when
// a credit note is not as we made it.
func leftBy(list []piece, number string, earlier []creditNoteForm, c money.Currency) ([]piece, bool) {
	out := slices.Clone(list)
	for _, note := range earlier {
		total, err := note.Total.amount(c)
		if err != nil {
			return nil, false
		}
		rest := total.Minor()
		for _, l := range note.LineItems {
			amount, err := l.LineAmount.amount(c)
			if err != nil {
				return nil, false
			}
			i := slices.IndexFunc(out, func(p piece) bool {
				return l.Description == refundText(number, p.line) && l.booksLike(p.line) && slices.Equal(l.Tracking, p.line.Tracking) &&
					p.left >= amount.Minor()
			})
			if i < 0 {
				return nil, false
			}
			out[i].left -= amount.Minor()
			out[i].own = true
			if tax, err := l.TaxAmount.amount(c); err == nil {
				out[i].tax -= tax.Minor()
			}
			rest -= amount.Minor()
		}
		if rest != 0 {
			return nil, false
		}
	}
	return out, true
}
