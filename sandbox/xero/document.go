package xero

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Documents are what a contact owes and what is owed to a contact: invoices,
// credit notes, overpayments and prepayments. They share contact, lines, totals,
// payments and allocations, and one identity: what is open is the total less
// payments less allocations.

const (
	statusDraft      = "DRAFT"
	statusSubmitted  = "SUBMITTED"
	statusAuthorised = "AUTHORISED"
	statusPaid       = "PAID"
	statusVoided     = "VOIDED"
	statusDeleted    = "DELETED"

	kindSale           = "ACCREC"
	kindBill           = "ACCPAY"
	kindCredit         = "ACCRECCREDIT"
	kindSupplierCredit = "ACCPAYCREDIT"
	kindOverpayment    = "RECEIVE-OVERPAYMENT"
	kindPrepayment     = "RECEIVE-PREPAYMENT"
)

type document struct {
	id, kind, number, reference string
	status                      string
	contact                     *contact
	date, due, paidOn           day
	currency, types, url        string
	rate                        rate
	lines                       []line
	subTotal, tax, total        cents
	payments                    []*payment    // deleted ones included
	allocations                 []*allocation // of this credit, or on this invoice
	notes                       []note
	sent, byApp                 bool
	updated                     time.Time
}

// allocation uses a credit to settle an invoice.
type allocation struct {
	id              string
	credit, invoice *document
	amount          cents
	date            day
}

func (d *document) isInvoice() bool { return d.kind == kindSale || d.kind == kindBill }

func (d *document) paid() cents {
	var sum cents
	for _, p := range d.payments {
		if !p.deleted {
			sum += p.amount
		}
	}
	return sum
}

func (d *document) allocated() cents {
	var sum cents
	for _, a := range d.allocations {
		sum += a.amount
	}
	return sum
}

// open is AmountDue of an invoice and RemainingCredit of a credit.
func (d *document) open() cents {
	if d.status == statusVoided || d.status == statusDeleted {
		return 0
	}
	return d.total - d.paid() - d.allocated()
}

// settled tells whether money or credit has been applied.
func (d *document) settled() bool { return d.paid() != 0 || len(d.allocations) > 0 }

// noun is the document's kind as the API's resources name it.
func (d *document) noun() (category, resource string) {
	switch d.kind {
	case kindCredit, kindSupplierCredit:
		return "CREDITNOTE", "CreditNotes"
	case kindOverpayment:
		return "OVERPAYMENT", "Overpayments"
	case kindPrepayment:
		return "PREPAYMENT", "Prepayments"
	}
	return "INVOICE", "Invoices"
}

// touch marks a change that the caller has kept.
func (s *Server) touch(d *document, eventType string) {
	d.updated = s.now()
	category, _ := d.noun()
	s.tell(category, eventType, d.id, d)
}

// resettle follows a change of payments or allocations: a document with nothing
// open is PAID, and is AUTHORISED again when a payment is taken back.
func (s *Server) resettle(d *document) {
	d.settleStatus()
	d.updated = s.now()
	if category, _ := d.noun(); !d.isInvoice() || !s.cfg.Unproven.QuietInvoicePayments {
		s.tell(category, "UPDATE", d.id, d)
	}
}

func (d *document) settleStatus() {
	if d.status != statusAuthorised && d.status != statusPaid {
		return
	}
	if d.open() != 0 {
		d.status, d.paidOn = statusAuthorised, ""
		return
	}
	d.status, d.paidOn = statusPaid, d.date
	for _, p := range d.payments {
		if !p.deleted {
			d.paidOn = max(d.paidOn, p.date)
		}
	}
	for _, a := range d.allocations {
		d.paidOn = max(d.paidOn, a.date)
	}
}

// docPatch is what a request says about an invoice or a credit note; what it
// does not say stays.
type docPatch struct {
	id, kind, number, status string
	reference, url           *string
	contact                  *contactRef
	date, due                day
	currency, types          string
	rate                     rate
	hasRate, hasLines        bool
	lines                    []lineInput
	sent                     *bool
	byApp                    bool
}

// contactRef names a contact. Other fields of a contact inside a document would
// change the contact, which is not modelled.
type contactRef struct{ id, name, number string }

func readContactRef(f *fields) *contactRef {
	if f == nil {
		return nil
	}
	return &contactRef{id: f.str("ContactID"), name: f.str("Name"), number: f.str("ContactNumber")}
}

// findContact finds the contact of a new document; a name that nobody has makes
// a new contact.
func (s *Server) findContact(ref *contactRef) (*contact, error) {
	var x *contact
	switch {
	case ref == nil || *ref == contactRef{}:
		return nil, refuse("The Contact must contain at least 1 of the following elements to identify the contact: Name, ContactID, ContactNumber")
	case ref.id != "":
		x = s.contacts.get(ref.id)
	case ref.number != "":
		x = s.contactByNumber(ref.number)
	default:
		if x = s.contactByName(ref.name, false); x == nil {
			x = s.contactByName(ref.name, true)
		}
		if x == nil {
			return s.saveContact(nil, contactPatch{name: &ref.name})
		}
	}
	if x == nil {
		return nil, refuse("The contact with the specified contact details could not be found")
	}
	if x.archived {
		return nil, refuse(archivedUse)
	}
	return x, nil
}

// fill puts the patch into d, which is not yet stored, and computes its sums.
func (s *Server) fill(d *document, p docPatch) error {
	if p.contact != nil || d.contact == nil {
		x, err := s.findContact(p.contact)
		if err != nil {
			return err
		}
		d.contact = x
	}
	if d.contact.archived {
		return refuse(archivedUse)
	}
	if p.reference != nil {
		d.reference = *p.reference
	}
	if p.url != nil {
		d.url = *p.url
	}
	if p.sent != nil {
		d.sent = *p.sent
	}
	for _, set := range []struct {
		to   *day
		from day
	}{{&d.date, p.date}, {&d.due, p.due}} {
		if set.from != "" {
			*set.to = set.from
		}
	}
	if d.date == "" {
		d.date = s.today()
	}
	if err := s.fillMoney(d, p); err != nil {
		return err
	}
	return s.checkReady(d)
}

func (s *Server) fillMoney(d *document, p docPatch) error {
	if p.currency != "" {
		d.currency = p.currency
	}
	if d.currency == "" {
		if d.currency = d.contact.currency; d.currency == "" {
			d.currency = s.org.base
		}
	}
	if err := s.checkCurrency(d.currency); err != nil {
		return err
	}
	switch {
	case p.hasRate && d.currency != s.org.base:
		d.rate = p.rate
	case d.rate == 0 || p.currency != "":
		d.rate = s.dayRate(d.currency)
	}
	if d.rate <= 0 {
		return refuse("The CurrencyRate must be greater than zero")
	}
	if p.types != "" {
		d.types = p.types
	}
	if d.types == "" {
		d.types = "Exclusive"
	}
	if !slices.Contains([]string{"Exclusive", "Inclusive", "NoTax"}, d.types) {
		return refuse("LineAmountTypes %s is not Exclusive, Inclusive or NoTax", d.types)
	}
	if p.hasLines {
		lines, err := s.makeLines(d, p.lines)
		if err != nil {
			return err
		}
		d.lines = lines
	} else if p.types != "" && len(d.lines) > 0 {
		return notModelled("a change of LineAmountTypes without LineItems")
	}
	d.sum()
	if d.total < 0 {
		return refuse("The total of a document cannot be less than zero")
	}
	return nil
}

// checkReady holds what an approved document needs.
func (s *Server) checkReady(d *document) error {
	if d.status != statusAuthorised {
		return nil
	}
	var missing invalid
	if len(d.lines) == 0 {
		missing = append(missing, "One or more line items must be specified")
	}
	if d.isInvoice() && d.due == "" {
		missing = append(missing, "The DueDate must be specified")
	}
	for _, l := range d.lines {
		if l.description == "" {
			missing = append(missing, "Description must be specified")
		}
		if l.account == nil {
			missing = append(missing, "Account code must be specified")
		}
	}
	if len(missing) > 0 {
		return missing
	}
	return nil
}

// transitions are the statuses that a document may be given, by its status; ""
// is a new one. PAID is only ever set by settling.
var transitions = map[string][]string{
	"":               {statusDraft, statusSubmitted, statusAuthorised},
	statusDraft:      {statusDraft, statusSubmitted, statusAuthorised, statusDeleted},
	statusSubmitted:  {statusDraft, statusSubmitted, statusAuthorised, statusDeleted},
	statusAuthorised: {statusAuthorised, statusVoided},
}

const (
	badStatus  = "%s not of valid status for modification"
	noEditPaid = "This document cannot be edited as it has a payment or credit note allocated to it."
)

// word is the document's kind in messages.
func (d *document) word() string {
	if d.isInvoice() {
		return "Invoice"
	}
	return "Credit note"
}

// save creates a document (old is nil) or changes one.
func (s *Server) save(old *document, p docPatch) (*document, error) {
	if old == nil {
		return s.create(p)
	}
	if p.status == "" || (old.status == statusPaid && p.status == statusPaid) {
		p.status = old.status
	}
	onlySent := p.sent != nil && p.contact == nil && p.date == "" && p.due == "" && !p.hasLines && p.reference == nil && p.status == old.status
	switch {
	case old.settled() && onlySent && old.status != statusVoided:
		keep(s, old)
		old.sent = *p.sent // such an edit leaves UpdatedDateUTC as it is
		return old, nil
	case old.settled() || old.status == statusPaid:
		return nil, refuse(noEditPaid)
	case !slices.Contains(transitions[old.status], p.status):
		return nil, refuse(badStatus, old.word())
	case p.kind != "" && p.kind != old.kind:
		return nil, notModelled("a change of Type")
	}
	if err := s.checkLock(old.date); err != nil {
		return nil, err
	}
	next := *old
	next.status = p.status
	if p.status == statusVoided || p.status == statusDeleted {
		if p.hasLines {
			return nil, notModelled("LineItems together with Status %s", p.status)
		}
		if old.contact.archived {
			return nil, refuse(archivedUse)
		}
	} else if err := s.change(&next, p); err != nil {
		return nil, err
	}
	keep(s, old)
	*old = next
	s.touch(old, "UPDATE")
	return old, nil
}

// change puts an edit into a copy of the document.
func (s *Server) change(next *document, p docPatch) error {
	if p.number != "" && !strings.EqualFold(p.number, next.number) {
		if err := s.checkNumber(next.kind, p.number, next.id); err != nil {
			return err
		}
		next.number = p.number
	}
	if err := s.fill(next, p); err != nil {
		return err
	}
	if err := s.checkLock(next.date); err != nil {
		return err
	}
	s.markContact(next)
	next.settleStatus()
	return nil
}

func (s *Server) create(p docPatch) (*document, error) {
	d := &document{id: newID(), kind: p.kind, status: p.status, number: p.number, byApp: p.byApp}
	if d.status == "" {
		d.status = statusDraft
	}
	if !slices.Contains(transitions[""], d.status) {
		return nil, refuse(badStatus, d.word())
	}
	if err := s.fill(d, p); err != nil {
		return nil, err
	}
	if err := s.checkLock(d.date); err != nil {
		return nil, err
	}
	if d.number == "" && d.kind != kindBill {
		d.number = s.autoNumber(d.kind)
	}
	if err := s.checkNumber(d.kind, d.number, d.id); err != nil {
		return nil, err
	}
	s.markContact(d)
	d.settleStatus()
	s.documents.add(s, d.id, d)
	s.touch(d, "CREATE")
	return d, nil
}

// markContact makes the contact a customer or a supplier, which does not count
// as a change of the contact.
func (s *Server) markContact(d *document) {
	if d.status != statusAuthorised || !d.isInvoice() {
		return
	}
	keep(s, d.contact)
	if d.kind == kindSale {
		d.contact.customer = true
	} else {
		d.contact.supplier = true
	}
}

const numberLengthMax = 255

// checkNumber refuses a number that another sales document has. Bills may share
// numbers; a deleted draft gives its number back.
func (s *Server) checkNumber(kind, number, id string) error {
	if len([]rune(number)) > numberLengthMax {
		return refuse("The number must not be more than %d characters long.", numberLengthMax)
	}
	if kind == kindBill {
		return nil
	}
	if d := s.byNumber(kind, number); d != nil && d.id != id {
		if kind == kindSale {
			return refuse("Invoice # must be unique.")
		}
		return refuse("Credit note # must be unique.")
	}
	return nil
}

// byNumber finds the document of a kind that has the number.
func (s *Server) byNumber(kind, number string) *document {
	if number == "" {
		return nil
	}
	for _, d := range s.documents.rows {
		if d.kind == kind && d.status != statusDeleted && strings.EqualFold(d.number, number) {
			return d
		}
	}
	return nil
}

func (s *Server) autoNumber(kind string) string {
	prefix := "INV"
	if kind != kindSale {
		prefix = "CN"
	}
	for {
		s.nextNumber[prefix]++
		number := fmt.Sprintf("%s-%04d", prefix, s.nextNumber[prefix])
		if s.byNumber(kind, number) == nil {
			return number
		}
	}
}
