package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

const messageLettersMax = 500

// networkError classifies a call without an answer. Until a connection was
// there, nothing can have been done.
func networkError(r request, err error, connected bool) error {
	kind := connector.Unavailable
	message := "no answer from the service"
	if !connected {
		message = "the service cannot be reached"
	} else if r.isWrite() {
		kind = connector.UnknownOutcome
	}
	return &connector.Error{Kind: kind, Op: r.op, Message: message, Err: err}
}

// statusError classifies an answer that is not 200.
func (a *api) statusError(ctx context.Context, r request, resp *http.Response, body []byte) error {
	switch code := resp.StatusCode; {
	case code == http.StatusBadRequest:
		return badRequest(r, body)
	case code == http.StatusUnauthorized:
		return unauthorized(r, body)
	case code == http.StatusForbidden:
		return a.forbidden(ctx, r)
	case code == http.StatusNotFound:
		return connector.Errorf(connector.NotFound, r.op, "not found in Xero")
	case code == http.StatusTooManyRequests:
		wait := a.budget.refused(resp.Header)
		return &connector.Error{Kind: connector.RateLimited, Op: r.op, RetryAfter: wait,
			Message: fmt.Sprintf("Xero's limit is reached (%s)", cmp.Or(strings.ToLower(resp.Header.Get("X-Rate-Limit-Problem")), "unnamed"))}
	case code >= 500:
		return unpromised(r, fmt.Sprintf("Xero answered with status %d", code))
	case code >= 300 && code < 400, code < 300:
		return unpromised(r, fmt.Sprintf("Xero answered with the unexpected status %d", code))
	default:
		return connector.Errorf(connector.Invalid, r.op, "Xero refused the request with status %d", code)
	}
}

// refusal is the body of a 400.
type refusal struct {
	Type     string
	Message  string
	Elements []json.RawMessage
}

// validationError is a 400 whose elements say what is wrong with each record.
type validationError struct {
	elements []json.RawMessage
	err      *connector.Error
}

func (e *validationError) Error() string { return e.err.Error() }
func (e *validationError) Unwrap() error { return e.err }

func badRequest(r request, body []byte) error {
	var ref refusal
	if err := json.Unmarshal(body, &ref); err != nil {
		return connector.Errorf(connector.Invalid, r.op, "Xero refused the request without a reason")
	}
	var messages []string
	for _, el := range ref.Elements {
		messages = append(messages, validationMessages(el)...)
	}
	if len(messages) == 0 {
		messages = []string{cmp.Or(ref.Message, ref.Type, "Xero refused the request without a reason")}
	}
	e := refusedBecause(r.op, messages)
	if len(ref.Elements) == 0 {
		return e
	}
	return &validationError{elements: ref.Elements, err: e}
}

// validationMessages collects every ValidationErrors message of an element and
// of what is nested in it, each once.
func validationMessages(element json.RawMessage) []string {
	var v any
	dec := json.NewDecoder(strings.NewReader(string(element)))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil
	}
	var out []string
	collectMessages(v, &out)
	return out
}

func collectMessages(v any, out *[]string) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			collectMessages(one, out)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key != "ValidationErrors" {
				collectMessages(v[key], out)
				continue
			}
			list, _ := v[key].([]any)
			for _, one := range list {
				fields, _ := one.(map[string]any)
				message, _ := fields["Message"].(string)
				if message == "" {
					message, _ = fields["Description"].(string)
				}
				if message != "" && !slices.Contains(*out, message) {
					*out = append(*out, message)
				}
			}
		}
	}
}

// knownRefusals are the texts that mean something to us: the service has no
// codes for them. They are compared without regard to case.
var knownRefusals = []struct {
	text   string
	kind   connector.Kind
	remedy string
}{
	{textExceeds, connector.Conflict, "somebody paid or credited the document meanwhile: look at it in Xero and run the work again"},
	{textNotAuthorised, connector.Conflict, "the document is not open for payments: approve or restore it in Xero, or refund the money in the payment service"},
	{"account type is invalid for making a payment", connector.Invalid, "choose a clearing account of type Bank, or enable payments to the account in Xero"},
	{"payments within a batch cannot be deleted", connector.Conflict, "delete the batch payment in Xero"},
	{textLockDate, connector.Conflict, "move the lock date in Xero, or let the recipe use the next open day"},
	{textNameTaken, connector.Conflict, "rename one of the two contacts in Xero"},
	{textAccountArchived, connector.Conflict, "restore the account in Xero (Accounting, Chart of accounts, Archive), or choose another one, and run the work again"},
	{"archived", connector.Conflict, "restore the contact in Xero (Contacts, Archived, Restore) and run the work again"},
	{"invoice not of valid status for modification", connector.Conflict, "the document can no longer be changed: look at it in Xero"},
	{"this document cannot be edited", connector.Conflict, "the document has payments or credits: remove them in Xero first"},
	{"must be unique", connector.Conflict, "the number is taken by another document in Xero"},
	{"is not subscribed to currency", connector.Invalid, "add the currency in Xero (Settings, Currencies)"},
	{"is not a valid code for this document", connector.Invalid, "choose another account"},
	{"does not exist or cannot be used for this type of transaction", connector.Invalid, "correct the tax code in the recipe: it is the TaxType of a tax rate in Xero"},
	{"cannot be used with account code", connector.Invalid, "correct the tax rate of the account in Xero"},
	{"reached the limit of invoices", connector.Invalid, "the organisation's plan allows no more: upgrade it in Xero"},
	{"is used with a different request", connector.UnknownOutcome, ""},
}

const (
	textExceeds       = "exceeds the amount outstanding"
	textNotAuthorised = "against authorised documents"
	textLockDate      = "lock date"

	textAccountArchived = "account …archived"
	textNameTaken       = "is already assigned to another contact"
)

// refusedBecause makes the error for the service's validation messages.
func refusedBecause(op string, messages []string) *connector.Error {
	text := strings.Join(messages, "; ")
	if runes := []rune(text); len(runes) > messageLettersMax {
		text = string(runes[:messageLettersMax]) + "…"
	}
	e := &connector.Error{Kind: connector.Invalid, Op: op, Message: text}
	for _, known := range knownRefusals {
		if says(messages, known.text) {
			e.Kind, e.Remedy = known.kind, known.remedy
			return e
		}
	}
	return e
}

// says reports whether a message contains a text, whatever the case; of a text
// with an ellipsis, both parts in this order.
func says(messages []string, text string) bool {
	before, after, _ := strings.Cut(text, "…")
	return slices.ContainsFunc(messages, func(m string) bool {
		_, rest, ok := strings.Cut(strings.ToLower(m), before)
		return ok && strings.Contains(rest, after)
	})
}

// unauthorized is a token that is no longer good, or lacks a permission.
func unauthorized(r request, body []byte) error {
	var problem struct{ Detail string }
	_ = json.Unmarshal(body, &problem) // the reason is a courtesy
	e := connector.Errorf(connector.Auth, r.op, "Xero does not accept the authorization")
	e.Remedy = "authorize the connection again"
	if strings.Contains(strings.ToLower(problem.Detail), "authorizationunsuccessful") {
		e.Message = "the authorization lacks the permission " + scopeFor(r.path)
		e.Remedy = "authorize the connection again with this permission, as a user who may see and edit these records"
	}
	return e
}

// forbidden tells a disconnected organisation from a missing permission: the
// answer itself is the same for both.
func (a *api) forbidden(ctx context.Context, r request) error {
	denied := connector.Errorf(connector.Auth, r.op, "Xero denies access")
	denied.Remedy = "authorize the connection again"
	if r.noTenant {
		return denied
	}
	connections, err := a.connections(ctx)
	if err != nil {
		return denied
	}
	for _, c := range connections {
		if strings.EqualFold(c.TenantID, a.tenant) {
			denied.Message = "permission missing: " + scopeFor(r.path)
			denied.Remedy = "authorize the connection again with this permission, as a user who may see and edit these records"
			return denied
		}
	}
	denied.Message = "the organisation has disconnected this app"
	denied.Remedy = "authorize the connection again and choose the organisation; a demo company that was reset is a new organisation"
	return denied
}

// scopeFor names the permission that a path needs.
func scopeFor(path string) string {
	resource, _, _ := strings.Cut(strings.TrimPrefix(path, accounting+"/"), "/")
	switch resource {
	case "Invoices", "CreditNotes":
		return "accounting.invoices"
	case "Payments", "Overpayments":
		return "accounting.payments"
	case "BankTransactions", "BankTransfers":
		return "accounting.banktransactions"
	case "Contacts":
		return "accounting.contacts"
	case "Organisation", "Accounts":
		return "accounting.settings.read"
	}
	return "for " + resource
}
