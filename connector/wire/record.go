package wire

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

func recordToWire(r connector.Record) *pb.Record {
	w := &pb.Record{
		Entity:    entities.wire(r.Entity),
		Id:        r.ID,
		Version:   r.Version,
		UpdatedAt: timeToWire(r.UpdatedAt),
		Gone:      r.Gone,
	}
	switch {
	case r.Invoice != nil:
		w.Body = &pb.Record_Invoice{Invoice: invoiceToWire(r.Invoice)}
	case r.Payment != nil:
		w.Body = &pb.Record_Payment{Payment: paymentToWire(r.Payment)}
	case r.Contact != nil:
		w.Body = &pb.Record_Contact{Contact: contactToWire(r.Contact)}
	}
	return w
}

func recordsToWire(in []connector.Record) []*pb.Record {
	out := make([]*pb.Record, len(in))
	for i, r := range in {
		out[i] = recordToWire(r)
	}
	return out
}

// recordFromWire reads a record and checks that its body is of its entity.
func recordFromWire(w *pb.Record) (connector.Record, error) {
	entity, err := entities.read(w.GetEntity())
	if err != nil {
		return connector.Record{}, err
	}
	r := connector.Record{Entity: entity, ID: w.GetId(), Version: w.GetVersion(), Gone: w.GetGone()}
	r.UpdatedAt, err = timeFromWire(w.GetUpdatedAt())
	if err != nil {
		return connector.Record{}, fmt.Errorf("record %s/%s: %w", entity, w.GetId(), err)
	}
	body := entity
	switch b := w.GetBody().(type) {
	case *pb.Record_Invoice:
		body = connector.EntityInvoice
		r.Invoice, err = invoiceFromWire(b.Invoice)
	case *pb.Record_Payment:
		body = connector.EntityPayment
		r.Payment, err = paymentFromWire(b.Payment)
	case *pb.Record_Contact:
		body = connector.EntityContact
		r.Contact, err = contactFromWire(b.Contact)
	}
	if err == nil && body != entity {
		err = fmt.Errorf("it is called %s and holds %s", entity, body)
	}
	if err != nil {
		return connector.Record{}, fmt.Errorf("record %s/%s: %w", entity, w.GetId(), err)
	}
	return r, nil
}

// wanting reports whether a record lacks the body that it should have: only a
// record that is gone may come without one.
func wanting(r connector.Record) bool {
	return !r.Gone && r.Invoice == nil && r.Payment == nil && r.Contact == nil
}

func invoiceToWire(v *connector.Invoice) *pb.Invoice {
	lines := make([]*pb.InvoiceLine, len(v.Lines))
	for i, l := range v.Lines {
		lines[i] = &pb.InvoiceLine{
			Description: l.Description,
			Quantity:    l.Quantity.String(),
			UnitPrice:   l.UnitPrice.String(),
			Amount:      moneyToWire(l.Amount),
			Tax:         moneyToWire(l.Tax),
			TaxCode:     l.TaxCode,
			AccountCode: l.AccountCode,
		}
	}
	return &pb.Invoice{
		Kind: invoiceKinds.wire(v.Kind), Status: invoiceStatuses.wire(v.Status),
		Number: v.Number, Reference: v.Reference, ContactId: v.ContactID, ContactName: v.ContactName,
		Currency: string(v.Currency), IssueDate: dateToWire(v.IssueDate), DueDate: dateToWire(v.DueDate),
		TaxMode: taxModes.wire(v.TaxMode), Lines: lines,
		Total: moneyToWire(v.Total), TaxTotal: moneyToWire(v.TaxTotal), AmountDue: moneyToWire(v.AmountDue),
		AmountPaid: moneyToWire(v.AmountPaid), AmountCredited: moneyToWire(v.AmountCredited),
		PayUrl: v.PayURL, ViewUrl: v.ViewURL, PaymentIds: v.PaymentIDs, PaymentReferences: v.PaymentReferences,
		Marks: v.Marks, Extra: valuesToWire(v.Extra),
	}
}

func invoiceFromWire(w *pb.Invoice) (*connector.Invoice, error) {
	var r reader
	v := &connector.Invoice{
		Number: w.GetNumber(), Reference: w.GetReference(),
		ContactID: w.GetContactId(), ContactName: w.GetContactName(),
		Kind:   readEnum(&r, invoiceKinds, w.GetKind()),
		Status: readEnum(&r, invoiceStatuses, w.GetStatus()), TaxMode: readEnum(&r, taxModes, w.GetTaxMode()),
		Currency:  r.currency(w.GetCurrency()),
		IssueDate: r.date(w.GetIssueDate()), DueDate: r.date(w.GetDueDate()),
		Total: r.money(w.GetTotal()), TaxTotal: r.money(w.GetTaxTotal()), AmountDue: r.money(w.GetAmountDue()),
		AmountPaid: r.money(w.GetAmountPaid()), AmountCredited: r.money(w.GetAmountCredited()),
		PayURL: w.GetPayUrl(), ViewURL: w.GetViewUrl(), PaymentIDs: w.GetPaymentIds(), PaymentReferences: w.GetPaymentReferences(),
		Marks: w.GetMarks(), Extra: r.values(w.GetExtra()),
	}
	for i, l := range w.GetLines() {
		r.at = fmt.Sprintf("line %d: ", i+1)
		v.Lines = append(v.Lines, connector.InvoiceLine{
			Description: l.GetDescription(),
			Quantity:    r.decimal(l.GetQuantity()),
			UnitPrice:   r.decimal(l.GetUnitPrice()),
			Amount:      r.money(l.GetAmount()),
			Tax:         r.money(l.GetTax()),
			TaxCode:     l.GetTaxCode(),
			AccountCode: l.GetAccountCode(),
		})
	}
	return v, r.err
}

func paymentToWire(v *connector.Payment) *pb.Payment {
	return &pb.Payment{
		Kind: paymentKinds.wire(v.Kind), Status: paymentStatuses.wire(v.Status),
		Amount: moneyToWire(v.Amount), PaidAt: timeToWire(v.PaidAt), Date: dateToWire(v.Date),
		InvoiceId: v.InvoiceID, ContactId: v.ContactID, PaymentOf: v.PaymentOf, RefundIds: v.RefundIDs,
		Account: v.Account, Reference: v.Reference, Label: v.Label, Note: v.Note,
		CounterAccount: v.CounterAccount, ContactName: v.ContactName, Settled: moneyToWire(v.Settled), TaxCode: v.TaxCode,
		Marks: v.Marks, Extra: valuesToWire(v.Extra),
	}
}

func paymentFromWire(w *pb.Payment) (*connector.Payment, error) {
	var r reader
	v := &connector.Payment{
		Kind:   readEnum(&r, paymentKinds, w.GetKind()),
		Status: readEnum(&r, paymentStatuses, w.GetStatus()),
		Amount: r.money(w.GetAmount()), PaidAt: r.time(w.GetPaidAt()), Date: r.date(w.GetDate()),
		InvoiceID: w.GetInvoiceId(), ContactID: w.GetContactId(), PaymentOf: w.GetPaymentOf(), RefundIDs: w.GetRefundIds(),
		Account: w.GetAccount(), Reference: w.GetReference(), Label: w.GetLabel(), Note: w.GetNote(),
		CounterAccount: w.GetCounterAccount(), ContactName: w.GetContactName(), Settled: r.money(w.GetSettled()), TaxCode: w.GetTaxCode(),
		Marks: w.GetMarks(), Extra: r.values(w.GetExtra()),
	}
	if v.Amount.Sign() < 0 {
		return nil, errors.New("amount of a payment is negative")
	}
	return v, r.err
}

func contactToWire(v *connector.Contact) *pb.Contact {
	w := &pb.Contact{
		Name: v.Name, Email: v.Email, Phone: v.Phone,
		Status: contactStatuses.wire(v.Status), Currency: v.Currency, MergedInto: v.MergedInto,
		Marks: v.Marks, Extra: valuesToWire(v.Extra),
	}
	if a := v.Address; a != (connector.Address{}) {
		w.Address = &pb.Address{
			Line1: a.Line1, Line2: a.Line2, City: a.City, Region: a.Region, PostalCode: a.PostalCode, Country: a.Country,
		}
	}
	return w
}

func contactFromWire(w *pb.Contact) (*connector.Contact, error) {
	var r reader
	v := &connector.Contact{
		Name: w.GetName(), Email: w.GetEmail(), Phone: w.GetPhone(),
		Status: readEnum(&r, contactStatuses, w.GetStatus()), Currency: w.GetCurrency(), MergedInto: w.GetMergedInto(),
		Marks: w.GetMarks(), Extra: r.values(w.GetExtra()),
	}
	if a := w.GetAddress(); a != nil {
		v.Address = connector.Address{
			Line1: a.GetLine1(), Line2: a.GetLine2(), City: a.GetCity(),
			Region: a.GetRegion(), PostalCode: a.GetPostalCode(), Country: a.GetCountry(),
		}
	}
	return v, r.err
}

// reader keeps the first error of many fields, so that a record is read in one
// expression.
type reader struct {
	at  string
	err error
}

func (r *reader) keep(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s%w", r.at, err)
	}
}

func (r *reader) money(w *pb.Money) money.Amount {
	a, err := moneyFromWire(w)
	r.keep(err)
	return a
}

func (r *reader) date(w *pb.Date) connector.Date {
	d, err := dateFromWire(w)
	r.keep(err)
	return d
}

func (r *reader) time(w *timestamppb.Timestamp) time.Time {
	t, err := timeFromWire(w)
	r.keep(err)
	return t
}

func (r *reader) decimal(s string) money.Decimal {
	d, err := decimalFromWire(s)
	r.keep(err)
	return d
}

func (r *reader) values(w map[string]*pb.Value) map[string]connector.Value {
	v, err := valuesFromWire(w)
	r.keep(err)
	return v
}

func (r *reader) currency(s string) money.Currency {
	c := money.Currency(s)
	if s != "" && !c.Valid() {
		r.keep(fmt.Errorf("%q is not an ISO 4217 currency", s))
	}
	return c
}

func readEnum[G comparable, P ~int32](r *reader, e enum[G, P], p P) G {
	g, err := e.read(p)
	r.keep(err)
	return g
}
