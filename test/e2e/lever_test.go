//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// lever is one request to a control API. {} in its path is the first word; the
// other words become fields, those named "NAME:" as raw JSON. After them come
// NAME=TEXT and NAME:=JSON, where a name with dots is nested.
type lever struct {
	path     string
	fields   []string
	optional int // so many of the fields may be left out
}

// billField is how amounts stand to tax, and several lines: see takeBill.
const billField = "bill"

// linkWithin is how long a bill may take until it can be paid, kills included.
const linkWithin = "20s"

var xeroLevers = map[string]lever{
	"contact":         {path: "contacts", fields: []string{"name", "email_address"}, optional: 1},
	"edit-contact":    {path: "contacts/{}"},
	"archive":         {path: "contacts/{}/archive"},
	"restore":         {path: "contacts/{}/restore"},
	"invoice":         {path: "invoices", fields: []string{"number", "contact", "lines"}},
	"edit":            {path: "invoices/{}/edit", fields: []string{"lines"}},
	"bill":            {path: "invoices", fields: []string{"number", "contact", billField}},
	"rebill":          {path: "invoices/{}/edit", fields: []string{billField}},
	"change":          {path: "invoices/{}/edit"},
	"delete":          {path: "invoices/{}/delete"},
	"prepay":          {path: "invoices/{}/prepay", fields: []string{"amount"}, optional: 1},
	"overpay":         {path: "invoices/{}/overpay", fields: []string{"amount"}, optional: 1},
	"allocate":        {path: "credits/{}/allocate", fields: []string{"invoice", "amount"}, optional: 1},
	"merge":           {path: "contacts/{}/merge", fields: []string{"into"}},
	"approve":         {path: "invoices/{}/approve"},
	"void":            {path: "invoices/{}/void"},
	"pay":             {path: "invoices/{}/pay", fields: []string{"amount"}, optional: 1},
	"unpay":           {path: "payments/{}/delete"},
	"reconcile":       {path: "payments/{}/reconcile"},
	"credit":          {path: "invoices/{}/credit", fields: []string{"amount"}, optional: 1},
	"account":         {path: "accounts", fields: []string{"code", "name"}},
	"archive-account": {path: "accounts/{}/archive"},
	"spend":           {path: "bankTransactions", fields: []string{"amount"}},
	"unspend":         {path: "bankTransactions/{}/delete"},
	"transfer":        {path: "bankTransfers", fields: []string{"amount"}},
	"untransfer":      {path: "bankTransfers/{}/delete"},
	"lock":            {path: "lock", fields: []string{"period"}},
	"clock":           {path: "clock", fields: []string{"advance"}},
	"revoke":          {path: "revoke"},
	"disconnect":      {path: "disconnect"},
	"fault":           {path: "faults", fields: []string{"kind"}},
	"webhooks":        {path: "webhooks"},
	"handshake":       {path: "webhooks/verify"},
	"event":           {path: "webhooks/event", fields: []string{"category", "type", "id"}},
	"reset":           {path: "reset-calls"},
}

var stripeLevers = map[string]lever{
	"customer":       {path: "customers", fields: []string{"name", "email"}},
	"edit-customer":  {path: "customers/{}"},
	"drop-customer":  {path: "customers/{}/delete"},
	"pay":            {path: "invoices/{}/pay", fields: []string{"outcome"}, optional: 1},
	"pay-early":      {path: "invoices/{}/pay", fields: []string{"outcome"}, optional: 1},
	"settle":         {path: "invoices/{}/settle", fields: []string{"outcome"}, optional: 1},
	"void":           {path: "invoices/{}/void"},
	"charge":         {path: "charges", fields: []string{"amount:", "currency"}},
	"refund":         {path: "charges/{}/refund", fields: []string{"amount:", "status"}, optional: 2},
	"fail-charge":    {path: "charges/{}/fail"},
	"fail-refund":    {path: "refunds/{}/fail"},
	"succeed-refund": {path: "refunds/{}/succeed"},
	"fee":            {path: "fees", fields: []string{"amount:", "description"}, optional: 1},
	"adjust":         {path: "adjustments", fields: []string{"amount:", "type", "description"}, optional: 2},
	"payout":         {path: "payouts", fields: []string{"currency"}, optional: 1}, // see balanceLevers
	"pay-payout":     {path: "payouts/{}/pay"},
	"fail-payout":    {path: "payouts/{}/fail"},
	"cancel-payout":  {path: "payouts/{}/cancel"},
	"open-dispute":   {path: "charges/{}/dispute", fields: []string{"amount:"}, optional: 1},
	"close-dispute":  {path: "disputes/{}/close"},
	"behave":         {path: "behaviour"},
	"rate":           {path: "rates/{}", fields: []string{"num:", "den:"}},
	"clock":          {path: "clock", fields: []string{"advance"}},
	"fault":          {path: "faults", fields: []string{"kind"}},
	"webhooks":       {path: "webhooks"},
	"reset":          {path: "reset-calls"},
}

func xeroLever(w *world, _ *testscript.TestScript, args []string) error {
	return w.pull("xero", xeroLevers, args)
}

// stripeLever makes a customer wait for the link before it is paid: the mark on
// the payment intent comes before it. With pay-early nobody waits.
func stripeLever(w *world, ts *testscript.TestScript, args []string) error {
	return stripeSide(w, ts, "stripe", args)
}

func stripeSide(w *world, ts *testscript.TestScript, side string, args []string) error {
	if len(args) > 1 && args[0] == "pay" {
		if err := until(w, ts, []string{linkWithin, side, "intents", "number=" + args[1], "1+"}); err != nil {
			return fmt.Errorf("%s has no link to pay: %w", args[1], err)
		}
	}
	return w.pull(side, stripeLevers, args)
}

// bothLever pulls a lever on both sides.
func bothLever(w *world, _ *testscript.TestScript, args []string) error {
	return errors.Join(w.pull("xero", xeroLevers, args), w.pull("stripe", stripeLevers, args))
}

func (w *world) pull(side string, levers map[string]lever, args []string) error {
	if len(args) == 0 {
		return errors.New("which lever?")
	}
	args = oneWord(args)
	if args[0] == "heal" {
		return w.control(http.MethodDelete, side, "faults", nil, nil)
	}
	l, ok := levers[args[0]]
	if !ok {
		return fmt.Errorf("no lever %q", args[0])
	}
	words := args[1:]
	path := l.path
	if strings.Contains(path, "{}") {
		if len(words) == 0 {
			return fmt.Errorf("%s: of what?", args[0])
		}
		path = strings.Replace(path, "{}", url.PathEscape(words[0]), 1)
		words = words[1:]
	}
	body, err := l.body(words)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return w.control(http.MethodPost, side, path, body, nil)
}

func (l lever) body(words []string) (map[string]any, error) {
	body := map[string]any{}
	for i, name := range l.fields {
		if len(words) == 0 || strings.Contains(words[0], "=") {
			if i < len(l.fields)-l.optional {
				return nil, fmt.Errorf("%s is missing", name)
			}
			break
		}
		raw := strings.TrimSuffix(name, ":")
		switch {
		case name == billField:
			var err error
			if words, err = takeBill(body, words); err != nil {
				return nil, err
			}
			continue
		case name == "lines": // one line whose amount includes the tax
			body["lines"] = []any{map[string]any{"description": "Work", "unit_amount": words[0]}}
			body["line_amount_types"] = "Inclusive"
		case raw != name:
			body[raw] = json.RawMessage(words[0])
		default:
			body[name] = words[0]
		}
		words = words[1:]
	}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%q: want NAME=TEXT or NAME:=JSON", word)
		}
		raw := strings.TrimSuffix(name, ":")
		at := body
		parts := strings.Split(raw, ".")
		for _, p := range parts[:len(parts)-1] {
			inner, ok := at[p].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[p] = inner
			}
			at = inner
		}
		last := parts[len(parts)-1]
		if raw != name {
			at[last] = json.RawMessage(value)
		} else {
			at[last] = value
		}
	}
	return body, nil
}

// control makes one request to a control API; out, if not nil, gets the answer.
func (w *world) control(method, side, path string, body, out any) error {
	b := []byte("{}")
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	p, plain, err := w.at(side)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(w.ctx, method, p.base+"/_"+plain+"/"+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", side, path, strings.TrimSpace(string(answer)))
	}
	if out == nil {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.UseNumber()
	return dec.Decode(out)
}
