package xero

import "fmt"

// More levers: a person who uses money that a contact has with the organisation
// already to settle an invoice.

// ReceivedDetails are money that came before, or beyond, an invoice.
type ReceivedDetails struct {
	Amount    Number `json:"amount"`  // tax included; default all that is due
	Account   string `json:"account"` // code or id of a bank account; default 090, the business bank account
	Reference string `json:"reference"`
}

// PrepayInvoice is a person recording a prepayment of the contact and
// allocating all of it to the invoice.
func (s *Server) PrepayInvoice(ref string, in ReceivedDetails) (Credit, error) {
	return s.settleWith(kindPrepayment, ref, in)
}

// OverpayInvoice is a person recording an overpayment of the contact and
// allocating all of it to the invoice.
func (s *Server) OverpayInvoice(ref string, in ReceivedDetails) (Credit, error) {
	return s.settleWith(kindOverpayment, ref, in)
}

func (s *Server) settleWith(kind, ref string, in ReceivedDetails) (Credit, error) {
	var out Credit
	err := s.locked(func() error {
		d := s.invoice(ref)
		if d == nil || d.kind != kindSale || len(d.lines) == 0 {
			return fmt.Errorf("no sales invoice %q", ref)
		}
		amount, err := in.Amount.orDue(d)
		if err != nil {
			return err
		}
		if in.Account == "" {
			in.Account = "090"
		}
		l := lineInput{description: "Received for " + d.number, quantity: fracOne, unit: frac(amount) * 100, hasQuantity: true, hasUnit: true}
		types := "NoTax"
		if kind == kindPrepayment {
			first := d.lines[0]
			l.account, l.taxType = first.account.id, first.taxType
			if d.types != "NoTax" {
				types = "Inclusive"
			}
		}
		b, err := s.addBankTransaction(docPatch{kind: kind, reference: &in.Reference, contact: &contactRef{id: d.contact.id},
			types: types, hasLines: true, lines: []lineInput{l}}, s.account(in.Account), false)
		if err != nil {
			return err
		}
		if _, err := s.allocate(b.credit, d, amount, ""); err != nil {
			return err
		}
		out = b.credit.reportCredit()
		return nil
	})
	return out, err
}

// orDue is the sum that was entered, or all that is due.
func (n Number) orDue(d *document) (cents, error) {
	if n == "" {
		return d.open(), nil
	}
	v, err := n.scaled(centsPlaces)
	return cents(v), err
}

// AllocationDetails are a part of a credit that settles an invoice.
type AllocationDetails struct {
	Invoice string `json:"invoice"` // its number or id
	Amount  Number `json:"amount"`  // default the less of what is due and what is left of the credit
}

// AllocateCredit is a person allocating a credit note, an overpayment or a
// prepayment, named by its id, to an invoice.
func (s *Server) AllocateCredit(id string, in AllocationDetails) (Credit, error) {
	var out Credit
	err := s.locked(func() error {
		credit, d := s.documents.get(id), s.invoice(in.Invoice)
		if credit == nil || credit.isInvoice() {
			return fmt.Errorf("no credit %q", id)
		}
		if d == nil {
			return fmt.Errorf("no invoice %q", in.Invoice)
		}
		amount, err := in.Amount.orDue(d)
		if err != nil {
			return err
		}
		if in.Amount == "" {
			amount = min(amount, credit.open())
		}
		if _, err := s.allocate(credit, d, amount, ""); err != nil {
			return err
		}
		out = credit.reportCredit()
		return nil
	})
	return out, err
}
