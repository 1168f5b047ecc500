package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/host/internal/flow"
	"github.com/ml-connector/ml-connector/host/internal/reconcile"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

const (
	pairInvoices = 18
	pairPaid     = 9 // the first ones are paid
	pairRefunded = 3 // and of these the first ones are partly refunded
)

// number is the nth invoice; it belongs to the nth contact.
func number(n int) string { return fmt.Sprintf("INV-%04d", n) }

func contactName(n int) string { return fmt.Sprintf("Customer %02d", n) }

func TestReconcileFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	w := pairInStep(t)
	known := found(t, w)
	if len(known) > 0 {
		t.Fatalf("a pair in step has differences: %v", known)
	}
	for _, p := range plants() {
		t.Run(p.name, func(t *testing.T) {
			if err := p.plant(w); err != nil {
				t.Fatal(err)
			}
			now := found(t, w)
			var fresh []reconcile.Difference
			for _, d := range now {
				if d.Kind != reconcile.Sum && !slices.Contains(known, d) {
					fresh = append(fresh, d)
				}
			}
			known = now
			if !slices.ContainsFunc(fresh, func(d reconcile.Difference) bool {
				return d.Flow == p.flow && d.Kind == p.kind && (d.Label == p.label || p.label == "") && strings.Contains(d.Message, p.says)
			}) {
				t.Errorf("not found: want %s in %s of %s saying %q, got %+v", p.kind, p.flow, p.label, p.says, fresh)
			}
			for _, d := range fresh {
				if d.Remedy == "" || d.Message == "" || d.Source == "" {
					t.Errorf("a difference without remedy, message or source: %+v", d)
				}
				if !slices.Contains(append(p.others, p.label), d.Label) {
					t.Errorf("something else differs: %+v", d)
				}
			}
		})
	}
}

// plant is one thing that goes wrong behind the connector's back.
type plant struct {
	name   string
	plant  func(w *world) error
	flow   string
	kind   reconcile.Kind
	label  string // empty: any of others
	says   string
	others []string // labels that it touches as well
}

func plants() []plant {
	return append(append(paymentPlants(), invoicePlants()...), contactPlants()...)
}

func paymentPlants() []plant {
	return []plant{
		{"payment deleted in Xero", func(w *world) error { return w.deletePayment(number(5)) },
			"receipts-in", reconcile.Gone, number(5), "posting was deleted", nil},
		{"refund not posted", func(w *world) error {
			id, err := w.chargeOf(number(6))
			if err != nil {
				return err
			}
			_, err = w.stripe.Refund(id, 500, "succeeded")
			return err
		}, "refunds-in", reconcile.Missing, number(6), "no counterpart", nil},
		{"charge not posted", func(w *world) error {
			_, err := w.stripe.Pay(number(10), stripe.OutcomeSuccess)
			return err
		}, "receipts-in", reconcile.Missing, number(10), "no counterpart", nil},
		{"credit note's payment deleted in Xero", func(w *world) error {
			for _, p := range w.xero.Payments() {
				if strings.HasPrefix(p.PaymentType, "ARCREDIT") {
					return w.xero.DeletePayment(p.PaymentID)
				}
			}
			return fmt.Errorf("no refund is posted")
		}, "refunds-in", reconcile.Gone, "", "posting was deleted", []string{number(1), number(2), number(3)}},
		{"payment entered anew with another sum", func(w *world) error {
			id, err := w.chargeOf(number(7))
			if err != nil {
				return err
			}
			if err := w.deletePayment(number(7)); err != nil {
				return err
			}
			_, err = w.xero.PayInvoice(number(7), xero.PaymentDetails{Amount: "1.00", Account: demoAccount, Reference: id})
			return err
		}, "receipts-in", reconcile.Differs, number(7), "1.00 NZD is posted", nil},
		{"charge entered a second time by hand", func(w *world) error {
			id, err := w.chargeOf(number(8))
			if err != nil {
				return err
			}
			if _, err := w.xero.CreateInvoice(xero.InvoiceInput{Contact: contactName(8), Number: "INV-TWICE", Lines: []xero.LineInput{line("More", "1", "50.00")}}); err != nil {
				return err
			}
			_, err = w.xero.PayInvoice("INV-TWICE", xero.PaymentDetails{Account: demoAccount, Reference: id})
			return err
		}, "receipts-in", reconcile.Extra, number(8), "stands for it as well", nil},
	}
}

func invoicePlants() []plant {
	return []plant{
		{"voided by hand in Stripe", func(w *world) error { return w.stripe.VoidInvoice(number(11)) },
			"invoices-out", reconcile.Gone, number(11), "void", nil},
		{"marked paid by hand in Stripe", func(w *world) error { return w.stripe.PayOutOfBand(number(12)) },
			"invoices-out", reconcile.Differs, number(12), "counterpart is paid", nil},
		{"edited in Xero", func(w *world) error {
			_, err := w.xero.EditInvoice(number(13), xero.InvoiceInput{Lines: []xero.LineInput{line("More", "1", "99.00")}})
			return err
		}, "invoices-out", reconcile.Differs, number(13), "is due", nil},
		{"voided in Xero", func(w *world) error { _, err := w.xero.VoidInvoice(number(14)); return err },
			"invoices-out", reconcile.Differs, number(14), "it is void", nil},
		{"paid by bank transfer", func(w *world) error {
			_, err := w.xero.PayInvoice(number(15), xero.PaymentDetails{})
			return err
		}, "invoices-out", reconcile.Differs, number(15), "it is paid", nil},
		{"partly credited in Xero", func(w *world) error {
			_, err := w.xero.CreditInvoice(number(16), xero.CreditDetails{Amount: "5.00"})
			return err
		}, "invoices-out", reconcile.Differs, number(16), "is due", nil},
		{"approved and not sent", func(w *world) error {
			_, err := w.xero.CreateInvoice(xero.InvoiceInput{Contact: contactName(1), Number: "INV-NEW", Lines: []xero.LineInput{line("Late", "1", "20.00")}})
			return err
		}, "invoices-out", reconcile.Missing, "INV-NEW", "no counterpart", nil},
	}
}

func contactPlants() []plant {
	text := func(s string) *string { return &s }
	return []plant{
		{"customer's e-mail address changed in Stripe", func(w *world) error {
			return w.editCustomer(8, stripe.CustomerFields{Email: text("new@example.com")})
		}, "contacts-out", reconcile.Differs, contactName(8), "e-mail", nil},
		{"contact renamed in Xero", func(w *world) error {
			return w.editContact(9, xero.ContactInput{Name: "Customer Nine"})
		}, "contacts-out", reconcile.Differs, "Customer Nine", "name", []string{contactName(9)}},
		{"customer deleted in Stripe", func(w *world) error {
			id, err := w.partner(contactName(17))
			if err != nil {
				return err
			}
			return w.stripe.DeleteCustomer(id)
		}, "contacts-out", reconcile.Gone, contactName(17), "no longer there", []string{number(17)}},
		{"customer given another contact's mark", func(w *world) error {
			return w.editCustomer(18, stripe.CustomerFields{Metadata: map[string]string{"xero_contact_id": "somebody-else"}})
		}, "contacts-out", reconcile.Differs, contactName(18), "mark xero_contact_id", nil},
		{"customer made a second time by hand", func(w *world) error {
			id, err := w.partner(contactName(2))
			if err != nil {
				return err
			}
			contact, err := w.contactOf(id)
			if err == nil {
				_, err = w.stripe.CreateCustomer(stripe.CustomerFields{
					Name: text("Customer 02 again"), Metadata: map[string]string{"xero_contact_id": contact},
				})
			}
			return err
		}, "contacts-out", reconcile.Extra, contactName(2), "stands for it as well", nil},
		{"customer's mark removed", func(w *world) error {
			return w.editCustomer(4, stripe.CustomerFields{Metadata: map[string]string{"xero_contact_id": ""}})
		}, "contacts-out", reconcile.Differs, contactName(4), "mark xero_contact_id", nil},
	}
}

// pairInStep starts a host whose two sides agree.
func pairInStep(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	c := &command{Streams: Streams{Out: io.Discard, Err: io.Discard}, log: hclog.NewNullLogger()}
	c.set.data, c.set.plugins, c.set.recipes = t.TempDir(), buildPlugins(t), "../../../recipes"
	w, err := newWorld(ctx, c, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	for n := 1; n <= pairInvoices; n++ {
		if _, err := w.xero.CreateContact(xero.ContactInput{Name: contactName(n), EmailAddress: fmt.Sprintf("c%d@example.com", n)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.xero.CreateInvoice(xero.InvoiceInput{
			Contact: contactName(n), Number: number(n), Lines: []xero.LineInput{line("Goods", "2", "21.35")},
		}); err != nil {
			t.Fatal(err)
		}
	}
	step := func() {
		if err := c.pass(ctx, w.r, w.engine, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := w.reopen(); err != nil {
			t.Fatal(err)
		}
	}
	step()
	for n := 1; n <= pairPaid; n++ {
		id, err := w.stripe.Pay(number(n), stripe.OutcomeSuccess)
		if err != nil {
			t.Fatal(err)
		}
		if n <= pairRefunded {
			if _, err := w.stripe.Refund(id, 1000, "succeeded"); err != nil {
				t.Fatal(err)
			}
		}
	}
	step()
	return w
}

func found(t *testing.T, w *world) []reconcile.Difference {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	rep, err := reconcile.Run(ctx, w.engine, time.Time{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Checked) == 0 || rep.Checked[0].Records == 0 {
		t.Fatal("nothing was compared")
	}
	return rep.Differences
}

// chargeOf returns the charge that paid an invoice.
func (w *world) chargeOf(number string) (string, error) { return (&day{world: w}).charge(number) }

func (w *world) deletePayment(number string) error {
	for _, p := range w.xero.Payments() {
		if p.InvoiceNumber == number {
			return w.xero.DeletePayment(p.PaymentID)
		}
	}
	return fmt.Errorf("no payment on %s", number)
}

// partner returns the customer of a contact, by its name.
func (w *world) partner(label string) (string, error) {
	links, err := flow.Links(context.Background(), w.r.db, flow.LinkFilter{ID: label})
	if err != nil {
		return "", err
	}
	for _, l := range links {
		if l.B.Connection == "stripe" {
			return l.B.ID, nil
		}
	}
	return "", fmt.Errorf("%s has no customer", label)
}

// contactOf returns the contact of a customer.
func (w *world) contactOf(customer string) (string, error) {
	links, err := flow.Links(context.Background(), w.r.db, flow.LinkFilter{ID: customer})
	if err == nil && len(links) == 0 {
		err = fmt.Errorf("%s has no contact", customer)
	}
	if err != nil {
		return "", err
	}
	return links[0].A.ID, nil
}

func (w *world) editCustomer(n int, f stripe.CustomerFields) error {
	id, err := w.partner(contactName(n))
	if err != nil {
		return err
	}
	return w.stripe.UpdateCustomer(id, f)
}

func (w *world) editContact(n int, in xero.ContactInput) error {
	for _, c := range w.xero.Contacts() {
		if c.Name == contactName(n) {
			_, err := w.xero.EditContact(c.ContactID, in)
			return err
		}
	}
	return fmt.Errorf("no contact %d", n)
}
