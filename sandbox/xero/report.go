package xero

import (
	"slices"
	"time"
)

// Reports are plain views for tests and for people. Sums are decimal strings.

// Contact is a contact.
type Contact struct {
	ContactID     string    `json:"contact_id"`
	Name          string    `json:"name"`
	EmailAddress  string    `json:"email_address"`
	ContactNumber string    `json:"contact_number"`
	Status        string    `json:"status"`
	Phone         string    `json:"phone"`
	City          string    `json:"city"`
	MergedInto    string    `json:"merged_into,omitempty"`
	Updated       time.Time `json:"updated"`
}

// Invoice is an invoice of either type.
type Invoice struct {
	InvoiceID      string    `json:"invoice_id"`
	Number         string    `json:"number"`
	Reference      string    `json:"reference"`
	Type           string    `json:"type"`
	Status         string    `json:"status"`
	ContactID      string    `json:"contact_id"`
	Contact        string    `json:"contact"`
	Currency       string    `json:"currency"`
	Date           string    `json:"date"`
	Due            string    `json:"due"`
	SubTotal       string    `json:"sub_total"`
	TotalTax       string    `json:"total_tax"`
	Total          string    `json:"total"`
	AmountDue      string    `json:"amount_due"`
	AmountPaid     string    `json:"amount_paid"`
	AmountCredited string    `json:"amount_credited"`
	Updated        time.Time `json:"updated"`
}

// Payment is a payment. Invoice names whatever it settles, so that a refund
// carries the number of its credit note.
type Payment struct {
	PaymentID     string `json:"payment_id"`
	PaymentType   string `json:"payment_type"`
	Status        string `json:"status"`
	Reference     string `json:"reference"`
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	BankAmount    string `json:"bank_amount"`
	InvoiceID     string `json:"invoice_id"`
	InvoiceNumber string `json:"invoice_number"`
	Account       string `json:"account"` // its code
	Date          string `json:"date"`
	IsReconciled  bool   `json:"is_reconciled"`
}

// Credit is a credit note, an overpayment or a prepayment.
type Credit struct {
	ID              string   `json:"id"`
	Type            string   `json:"type"`
	Number          string   `json:"number"`
	Reference       string   `json:"reference"`
	Status          string   `json:"status"`
	ContactID       string   `json:"contact_id"`
	Contact         string   `json:"contact"`
	Currency        string   `json:"currency"`
	Date            string   `json:"date"`
	Total           string   `json:"total"`
	TotalTax        string   `json:"total_tax"`
	RemainingCredit string   `json:"remaining_credit"`
	Invoices        []string `json:"invoices"` // numbers of the invoices that it is allocated to
}

func (x *contact) report() Contact {
	return Contact{ContactID: x.id, Name: x.name, EmailAddress: x.email, ContactNumber: x.number, Status: x.status(),
		Phone: part(x.phones, "PhoneType", "DEFAULT", "PhoneNumber"), City: part(x.addresses, "AddressType", "POBOX", "City"),
		MergedInto: x.mergedInto, Updated: x.updated}
}

func (d *document) report() Invoice {
	return Invoice{InvoiceID: d.id, Number: d.number, Reference: d.reference, Type: d.kind, Status: d.status,
		ContactID: d.contact.id, Contact: d.contact.name, Currency: d.currency, Date: string(d.date), Due: string(d.due),
		SubTotal: d.subTotal.String(), TotalTax: d.tax.String(), Total: d.total.String(), AmountDue: d.open().String(),
		AmountPaid: d.paid().String(), AmountCredited: d.allocated().String(), Updated: d.updated}
}

func (d *document) reportCredit() Credit {
	c := Credit{ID: d.id, Type: d.kind, Number: d.number, Reference: d.reference, Status: d.status, ContactID: d.contact.id,
		Contact: d.contact.name, Currency: d.currency, Date: string(d.date), Total: d.total.String(), TotalTax: d.tax.String(),
		RemainingCredit: d.open().String(), Invoices: []string{}}
	for _, a := range d.allocations {
		c.Invoices = append(c.Invoices, a.invoice.number)
	}
	return c
}

func (p *payment) report() Payment {
	return Payment{PaymentID: p.id, PaymentType: paymentTypes[p.doc.kind], Status: p.status(), Reference: p.reference,
		Amount: p.amount.String(), Currency: p.doc.currency, BankAmount: p.bankAmount.String(), InvoiceID: p.doc.id,
		InvoiceNumber: p.doc.number, Account: p.account.code, Date: string(p.date), IsReconciled: p.reconciled}
}

// Contacts are all contacts, archived ones included.
func (s *Server) Contacts() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Contact{}
	for _, x := range s.contacts.rows {
		out = append(out, x.report())
	}
	return out
}

// Invoices are all invoices in the order of their creation, or those with the
// given number.
func (s *Server) Invoices(number string) []Invoice {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Invoice{}
	for _, d := range s.documents.rows {
		if d.isInvoice() && (number == "" || d.number == number) {
			out = append(out, d.report())
		}
	}
	return out
}

// Payments are the payments that stand; deleted ones are left out.
func (s *Server) Payments() []Payment {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Payment{}
	for _, p := range s.payments.rows {
		if !p.deleted {
			out = append(out, p.report())
		}
	}
	return out
}

// CreditNotes are all credit notes.
func (s *Server) CreditNotes() []Credit { return s.credits(kindCredit) }

// Overpayments are all overpayments.
func (s *Server) Overpayments() []Credit { return s.credits(kindOverpayment) }

// Prepayments are all prepayments.
func (s *Server) Prepayments() []Credit { return s.credits(kindPrepayment) }

func (s *Server) credits(kind string) []Credit {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Credit{}
	for _, d := range s.documents.rows {
		if d.kind == kind {
			out = append(out, d.reportCredit())
		}
	}
	return out
}

// Total is a number of records and their sum.
type Total struct {
	Count int    `json:"count"`
	Sum   string `json:"sum"`
}

// Ageing is what customers owe by days overdue, and the credit that they have.
type Ageing struct {
	Current string `json:"current"`
	To30    string `json:"1-30"`
	To60    string `json:"31-60"`
	To90    string `json:"61-90"`
	Over90  string `json:"90+"`
	Total   string `json:"total"`
	Credit  string `json:"unapplied_credit"`
}

// Balance is what an account holds by payments, bank transactions and transfers.
type Balance struct {
	Currency string `json:"currency"`
	Balance  string `json:"balance"`
}

// State is the organisation at a glance. Maps are by status, by currency and by
// account code.
type State struct {
	Invoices map[string]int     `json:"invoices"` // sales invoices
	Payments map[string]Total   `json:"payments"` // received on sales invoices
	Refunds  map[string]Total   `json:"refunds"`  // paid out on credit notes, over- and prepayments
	Ageing   map[string]Ageing  `json:"ar_ageing"`
	Accounts map[string]Balance `json:"accounts"`
}

// State sums everything up as of today.
func (s *Server) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{Invoices: map[string]int{}, Payments: map[string]Total{}, Refunds: map[string]Total{},
		Ageing: map[string]Ageing{}, Accounts: s.balances()}
	received, refunded := map[string][]cents{}, map[string][]cents{}
	for _, p := range s.payments.rows {
		switch {
		case p.deleted:
		case p.doc.kind == kindSale:
			received[p.doc.currency] = append(received[p.doc.currency], p.amount)
		case !p.in() && p.doc.kind != kindBill:
			refunded[p.doc.currency] = append(refunded[p.doc.currency], p.amount)
		}
	}
	for code, list := range received {
		st.Payments[code] = Total{len(list), sumOf(list).String()}
	}
	for code, list := range refunded {
		st.Refunds[code] = Total{len(list), sumOf(list).String()}
	}
	for _, d := range s.documents.rows {
		if d.kind == kindSale {
			st.Invoices[d.status]++
		}
		if _, done := st.Ageing[d.currency]; !done {
			st.Ageing[d.currency] = s.ageing(d.currency)
		}
	}
	return st
}

func sumOf(list []cents) cents {
	var sum cents
	for _, c := range list {
		sum += c
	}
	return sum
}

func (s *Server) ageing(currency string) Ageing {
	var buckets [5]cents
	var credit, total cents
	today := s.today().time()
	for _, d := range s.documents.rows {
		if d.currency != currency || d.status != statusAuthorised || d.kind == kindBill {
			continue
		}
		if d.kind != kindSale {
			credit += d.open()
			continue
		}
		overdue := int(today.Sub(d.due.time()).Hours()) / 24
		i, _ := slices.BinarySearch([]int{0, 30, 60, 90}, overdue)
		buckets[i] += d.open()
		total += d.open()
	}
	return Ageing{Current: buckets[0].String(), To30: buckets[1].String(), To60: buckets[2].String(), To90: buckets[3].String(),
		Over90: buckets[4].String(), Total: total.String(), Credit: credit.String()}
}

// holds tells whether payments, bank transactions or transfers can move what is
// in the account.
func (a *account) holds() bool { return a.kind == "BANK" || a.payable }

// sums are what the accounts hold, each in its own currency.
func (s *Server) sums() map[*account]cents {
	sums := map[*account]cents{}
	add := func(a *account, c cents, in bool) {
		if !in {
			c = -c
		}
		sums[a] += c
	}
	for _, p := range s.payments.rows {
		if !p.deleted {
			add(p.account, p.bankAmount, p.in())
		}
	}
	for _, b := range s.bank.rows {
		if b.status == statusAuthorised { // a transfer is two of them
			add(b.account, b.total, b.in())
		}
	}
	return sums
}

func (s *Server) balances() map[string]Balance {
	sums := s.sums()
	out := map[string]Balance{}
	for _, a := range s.accounts {
		if a.holds() {
			out[a.code] = Balance{Currency: s.currencyOf(a), Balance: sums[a].String()}
		}
	}
	return out
}
