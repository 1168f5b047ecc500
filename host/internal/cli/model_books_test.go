package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/sandbox/stripe"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// The books of both sides as the stand-ins have them, not as the host's tables
// say. All sums are in Stripe's units of their currency.

type stripeInvoice struct {
	ID        string            `json:"id"`
	Status    string            `json:"status"`
	Currency  string            `json:"currency"`
	Total     int64             `json:"total"`
	Remaining int64             `json:"amount_remaining"`
	OutOfBand bool              `json:"paid_out_of_band"`
	Charge    string            `json:"charge"`
	Metadata  map[string]string `json:"metadata"`
}

type stripeCharge struct {
	ID       string            `json:"id"`
	Amount   int64             `json:"amount"`
	Refunded int64             `json:"amount_refunded"`
	Currency string            `json:"currency"`
	Status   string            `json:"status"`
	Invoice  string            `json:"invoice"`
	Disputed bool              `json:"disputed"`
	Metadata map[string]string `json:"metadata"`
}

type stripeRefund struct {
	ID       string `json:"id"`
	Charge   string `json:"charge"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Status   string `json:"status"`
}

type stripeDispute struct {
	ID     string `json:"id"`
	Charge string `json:"charge"`
	Status string `json:"status"`
}

type stripeCustomer struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Email    string            `json:"email"`
	Metadata map[string]string `json:"metadata"`
}

// stripeList reads all objects of a noun from the stand-in.
func stripeList[T any](w *modelWorld, noun string) ([]T, error) {
	res := httptest.NewRecorder()
	w.stripe.Handler().ServeHTTP(res, httptest.NewRequest(http.MethodGet, "/_stripe/"+noun, nil))
	var list struct {
		Data []T `json:"data"`
	}
	if err := json.Unmarshal(res.Body.Bytes(), &list); err != nil {
		return nil, fmt.Errorf("list %s: %w", noun, err)
	}
	return list.Data, nil
}

// ask reads one object of Stripe's API as a caller would, without the network.
// The outage of a moment hits it as well.
func (w *modelWorld) ask(path string, to any) error {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.SetBasicAuth(stripe.DefaultAPIKey, "")
	req.Header.Set("Stripe-Version", stripe.Version)
	res := httptest.NewRecorder()
	w.stripe.Handler().ServeHTTP(res, req)
	if res.Code != http.StatusOK {
		return fmt.Errorf("%s: status %d", path, res.Code)
	}
	return json.Unmarshal(res.Body.Bytes(), to)
}

// chargeByID finds one charge.
func (w *modelWorld) chargeByID(id string) (c stripeCharge, err error) {
	err = w.ask("/v1/charges/"+id, &c)
	return c, err
}

// claims are the notes in an invoice's history that say which payment of a person
// was recognised as which charge: charge by payment.
func (w *modelWorld) claims(invoiceID string) (map[string]string, error) {
	token := w.xero.IssueTokens()
	req := httptest.NewRequest(http.MethodGet, "/api.xro/2.0/Invoices/"+invoiceID+"/History", nil)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("Xero-Tenant-Id", token.TenantID)
	req.Header.Set("Accept", "application/json")
	res := httptest.NewRecorder()
	w.xero.Handler().ServeHTTP(res, req)
	var list struct {
		HistoryRecords []struct{ Details string }
	}
	if err := json.Unmarshal(res.Body.Bytes(), &list); err != nil || res.Code != http.StatusOK {
		return nil, fmt.Errorf("history of %s: status %d: %w", invoiceID, res.Code, err)
	}
	out := map[string]string{}
	for _, h := range list.HistoryRecords {
		ids := recordIDs.FindAllString(h.Details, -1)
		if strings.Contains(h.Details, "was recognised as") && len(ids) == 2 {
			out[ids[0]] = ids[1]
		}
	}
	return out, nil
}

// openBills are the ids of the open Stripe invoices with a number of Xero's.
func (w *modelWorld) openBills(number string) []string {
	all, err := stripeList[stripeInvoice](w, "invoices")
	var out []string
	for _, in := range all {
		if err == nil && in.Status == "open" && in.Metadata["xero_invoice_number"] == number {
			out = append(out, in.ID)
		}
	}
	return out
}

// books are both sides at one moment.
type books struct {
	invoices  map[string]xero.Invoice // by number
	contacts  map[string]xero.Contact // by id
	payments  map[string][]xero.Payment
	notes     map[string][]xero.Credit // by the first word of the reference
	over      map[string][]xero.Credit // by reference
	byMark    map[string][]xero.Payment
	all       []xero.Payment
	allOver   []xero.Credit
	bills     map[string][]stripeInvoice  // by id of the Xero invoice
	charges   map[string][]stripeCharge   // by id of the Stripe invoice; "" for those without
	refunds   map[string][]stripeRefund   // by charge
	customers map[string][]stripeCustomer // by id of the Xero contact
	disputes  []stripeDispute
}

func (w *modelWorld) look() (*books, error) {
	b := &books{invoices: map[string]xero.Invoice{}, contacts: map[string]xero.Contact{}, payments: map[string][]xero.Payment{},
		notes: map[string][]xero.Credit{}, over: map[string][]xero.Credit{}, byMark: map[string][]xero.Payment{},
		bills: map[string][]stripeInvoice{}, charges: map[string][]stripeCharge{}, refunds: map[string][]stripeRefund{},
		customers: map[string][]stripeCustomer{}}
	for _, x := range w.xero.Invoices("") {
		b.invoices[x.Number] = x
	}
	for _, x := range w.xero.Contacts() {
		b.contacts[x.ContactID] = x
	}
	b.all, b.allOver = w.xero.Payments(), w.xero.Overpayments()
	for _, p := range b.all {
		b.payments[p.InvoiceID] = append(b.payments[p.InvoiceID], p)
		b.byMark[firstWord(p.Reference)] = append(b.byMark[firstWord(p.Reference)], p)
	}
	for _, n := range w.xero.CreditNotes() {
		b.notes[firstWord(n.Reference)] = append(b.notes[firstWord(n.Reference)], n)
	}
	for _, o := range b.allOver {
		b.over[o.Reference] = append(b.over[o.Reference], o)
	}
	return b, b.lookAtStripe(w)
}

func (b *books) lookAtStripe(w *modelWorld) error {
	invoices, err := stripeList[stripeInvoice](w, "invoices")
	if err != nil {
		return err
	}
	for _, in := range invoices {
		id := in.Metadata["xero_invoice_id"]
		b.bills[id] = append(b.bills[id], in)
	}
	charges, err := stripeList[stripeCharge](w, "charges")
	if err != nil {
		return err
	}
	for _, c := range charges {
		b.charges[c.Invoice] = append(b.charges[c.Invoice], c)
	}
	refunds, err := stripeList[stripeRefund](w, "refunds")
	if err != nil {
		return err
	}
	for _, r := range refunds {
		b.refunds[r.Charge] = append(b.refunds[r.Charge], r)
	}
	if b.disputes, err = stripeList[stripeDispute](w, "disputes"); err != nil {
		return err
	}
	customers, err := stripeList[stripeCustomer](w, "customers")
	for _, c := range customers {
		id := c.Metadata["xero_contact_id"]
		b.customers[id] = append(b.customers[id], c)
	}
	return err
}

// chargesOf are the charges of all Stripe invoices of a Xero invoice.
func (b *books) chargesOf(invoiceID string) []stripeCharge {
	var out []stripeCharge
	for _, in := range b.bills[invoiceID] {
		out = append(out, b.charges[in.ID]...)
	}
	return out
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// stripeDigits is how many decimals Stripe's integers count, where it is not two.
var stripeDigits = map[string]int{"JPY": 0, "KWD": 3}

// inUnits reads a sum of Xero's in Stripe's units; exact is false when Stripe
// cannot count it.
func inUnits(sum, currency string) (n int64, exact bool) {
	whole, part, _ := strings.Cut(sum, ".")
	cents, err := strconv.ParseInt(whole+(part + "00")[:2], 10, 64)
	if err != nil {
		return 0, false
	}
	switch digits, special := stripeDigits[currency]; {
	case !special:
		return cents, true
	case digits == 3:
		return cents * 10, true
	}
	return cents / 100, cents%100 == 0
}

// inXeroSum writes Stripe's units as Xero writes sums.
func inXeroSum(n int64, currency string) xero.Number {
	digits, special := stripeDigits[currency]
	if !special {
		digits = 2
	}
	for ; digits < 2; digits++ {
		n *= 10
	}
	for ; digits > 2; digits-- {
		n /= 10
	}
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return xero.Number(fmt.Sprintf("%s%d.%02d", sign, n/100, n%100))
}
