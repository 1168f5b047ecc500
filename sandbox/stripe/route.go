package stripe

import (
	"net/http"
	"slices"
	"strings"
)

// route is one operation of the API.
type route struct {
	method  string
	pattern string
	noun    string // guards it, and names what a missing id is
	result  string // what the answer holds, for expand: a noun or list:noun
	handle  func(*Server, *call) (obj, error)
}

const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete

// routes are all operations that are modelled. Of two that match, the first is
// used.
func routes() []route {
	return slices.Concat(customerRoutes(), invoiceRoutes(), paymentRoutes(), accountRoutes())
}

func customerRoutes() []route {
	return []route{
		{post, "/v1/customers", "customer", "customer", (*Server).createCustomer},
		{get, "/v1/customers", "customer", "list:customer", (*Server).listCustomers},
		{get, "/v1/customers/search", "customer", "list:customer", (*Server).searchCustomers},
		{get, "/v1/customers/{id}", "customer", "customer", (*Server).getCustomer},
		{post, "/v1/customers/{id}", "customer", "customer", (*Server).updateCustomer},
		{del, "/v1/customers/{id}", "customer", "customer", (*Server).deleteCustomer},
		{post, "/v1/customers/{id}/tax_ids", "customer", "tax_id", (*Server).createTaxID},
		{get, "/v1/customers/{id}/tax_ids", "customer", "list:tax_id", (*Server).listTaxIDs},
		{get, "/v1/customers/{id}/tax_ids/{tax_id}", "customer", "tax_id", (*Server).getTaxID},
		{del, "/v1/customers/{id}/tax_ids/{tax_id}", "customer", "tax_id", (*Server).deleteTaxID},
	}
}

func invoiceRoutes() []route {
	return []route{
		{post, "/v1/invoiceitems", "invoiceitem", "invoiceitem", (*Server).createItem},
		{get, "/v1/invoiceitems", "invoiceitem", "list:invoiceitem", (*Server).listItems},
		{get, "/v1/invoiceitems/{id}", "invoiceitem", "invoiceitem", (*Server).getItem},
		{post, "/v1/invoiceitems/{id}", "invoiceitem", "invoiceitem", (*Server).updateItem},
		{del, "/v1/invoiceitems/{id}", "invoiceitem", "invoiceitem", (*Server).deleteItem},

		{post, "/v1/invoices", "invoice", "invoice", (*Server).createInvoice},
		{get, "/v1/invoices", "invoice", "list:invoice", (*Server).listInvoices},
		{get, "/v1/invoices/{id}", "invoice", "invoice", (*Server).getInvoice},
		{post, "/v1/invoices/{id}", "invoice", "invoice", (*Server).updateInvoice},
		{del, "/v1/invoices/{id}", "invoice", "invoice", (*Server).deleteInvoice},
		{get, "/v1/invoices/{id}/lines", "invoice", "list:line_item", (*Server).listLines},
		{post, "/v1/invoices/{id}/finalize", "invoice", "invoice", (*Server).finalizeInvoice},
		{post, "/v1/invoices/{id}/pay", "invoice", "invoice", (*Server).payInvoice},
		{post, "/v1/invoices/{id}/void", "invoice", "invoice", (*Server).voidInvoice},
		{post, "/v1/invoices/{id}/mark_uncollectible", "invoice", "invoice", (*Server).markInvoice},
		{post, "/v1/invoices/{id}/send", "invoice", "invoice", (*Server).sendInvoice},

		{post, "/v1/credit_notes", "credit_note", "credit_note", (*Server).createCreditNote},
		{get, "/v1/credit_notes", "credit_note", "list:credit_note", (*Server).listCreditNotes},
		{get, "/v1/credit_notes/{id}", "credit_note", "credit_note", (*Server).getCreditNote},
		{post, "/v1/credit_notes/{id}", "credit_note", "credit_note", (*Server).updateCreditNote},
		{post, "/v1/credit_notes/{id}/void", "credit_note", "credit_note", (*Server).voidCreditNote},
	}
}

func paymentRoutes() []route {
	return []route{
		{get, "/v1/payment_intents", "payment_intent", "list:payment_intent", (*Server).listIntents},
		{get, "/v1/payment_intents/{id}", "payment_intent", "payment_intent", (*Server).getIntent},
		{post, "/v1/payment_intents/{id}", "payment_intent", "payment_intent", (*Server).updateIntent},

		{get, "/v1/charges", "charge", "list:charge", (*Server).listCharges},
		{get, "/v1/charges/{id}", "charge", "charge", (*Server).getCharge},
		{post, "/v1/charges/{id}", "charge", "charge", (*Server).updateCharge},

		{post, "/v1/refunds", "refund", "refund", (*Server).createRefund},
		{get, "/v1/refunds", "refund", "list:refund", (*Server).listRefunds},
		{get, "/v1/refunds/{id}", "refund", "refund", (*Server).getRefund},
		{post, "/v1/refunds/{id}", "refund", "refund", (*Server).updateRefund},

		{get, "/v1/disputes", "dispute", "list:dispute", (*Server).listDisputes},
		{get, "/v1/disputes/{id}", "dispute", "dispute", (*Server).getDispute},
	}
}

func accountRoutes() []route {
	return []route{
		{get, "/v1/account", "account", "account", (*Server).getAccount},
		{get, "/v1/balance", "balance", "balance", (*Server).getBalance},
		{get, "/v1/balance_transactions", "balance_transaction", "list:balance_transaction", (*Server).listMovements},
		{get, "/v1/balance_transactions/{id}", "balance_transaction", "balance_transaction", (*Server).getMovement},

		{get, "/v1/payouts", "payout", "list:payout", (*Server).listPayouts},
		{get, "/v1/payouts/{id}", "payout", "payout", (*Server).getPayout},

		{get, "/v1/events", "event", "list:event", (*Server).listEvents},
		{get, "/v1/events/{id}", "event", "event", (*Server).getEvent},

		{post, "/v1/webhook_endpoints", "webhook_endpoint", "webhook_endpoint", (*Server).createEndpoint},
		{get, "/v1/webhook_endpoints", "webhook_endpoint", "list:webhook_endpoint", (*Server).listEndpoints},
		{get, "/v1/webhook_endpoints/{id}", "webhook_endpoint", "webhook_endpoint", (*Server).getEndpoint},
		{post, "/v1/webhook_endpoints/{id}", "webhook_endpoint", "webhook_endpoint", (*Server).updateEndpoint},
		{del, "/v1/webhook_endpoints/{id}", "webhook_endpoint", "webhook_endpoint", (*Server).deleteEndpoint},
	}
}

// findRoute finds the operation of a request and what its placeholders stand for.
func findRoute(method, path string) (*route, []string, bool) {
	parts := strings.Split(path, "/")
	for _, rt := range routes() {
		if rt.method != method {
			continue
		}
		if args, ok := matchPath(strings.Split(rt.pattern, "/"), parts); ok {
			return &rt, args, true
		}
	}
	return nil, nil, false
}

func matchPath(pattern, parts []string) (args []string, ok bool) {
	if len(pattern) != len(parts) {
		return nil, false
	}
	for i, p := range pattern {
		switch {
		case strings.HasPrefix(p, "{"):
			if parts[i] == "" {
				return nil, false
			}
			args = append(args, parts[i])
		case p != parts[i]:
			return nil, false
		}
	}
	return args, true
}

// found looks an object up by the id in the path.
func found[T any](c *call, t *table[T], noun string) (T, error) {
	v, ok := t.get(c.args[0])
	if !ok {
		return v, missingObject(http.StatusNotFound, noun, "id", c.args[0])
	}
	return v, nil
}

// named looks an object up by an id that was sent as a parameter. The mistake is
// kept in the params; the result is then the zero value.
func named[T any](p *params, t *table[T], noun, param, id string) T {
	v, ok := t.get(id)
	if !ok && id != "" {
		p.fail(missingObject(http.StatusBadRequest, noun, param, id))
	}
	return v
}
