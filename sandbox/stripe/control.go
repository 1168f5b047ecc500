package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/sandbox"
)

const controlBytesMax = 1 << 20

// control serves the control API. A GET of a noun answers {"data": [...]} with
// the oldest object first, in the shape of Version, unexpanded.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	for path, f := range map[string]func() []any{
		"invoices": func() []any { return renderAll(s.invoices.all, s.renderInvoice) },
		"customers": func() []any {
			live := slices.DeleteFunc(slices.Clone(s.customers.all), func(x *customer) bool { return x.deleted })
			return renderAll(live, s.renderCustomer)
		},
		"charges":     func() []any { return renderAll(s.charges.all, s.renderCharge) },
		"refunds":     func() []any { return renderAll(s.refunds.all, s.renderRefund) },
		"creditnotes": func() []any { return renderAll(s.creditNotes.all, s.renderCreditNote) },
		"intents":     func() []any { return renderAll(s.intents.all, s.renderIntent) },
		"disputes":    func() []any { return renderAll(s.disputes.all, s.renderDispute) },
		"payouts":     func() []any { return renderAll(s.payouts.all, s.renderPayout) },
		"movements":   func() []any { return renderAll(s.movements.all, s.renderMovement) },
		"events": func() []any {
			return renderAll(s.events.all, func(e *event) obj { return s.renderEvent(e, Version) })
		},
	} {
		mux.HandleFunc("GET /_stripe/"+path, func(w http.ResponseWriter, _ *http.Request) {
			var data []any
			_ = s.lever(func() error { // cannot fail
				data = f()
				return nil
			})
			reply(w, obj{"data": data}, nil)
		})
	}
	s.controlMoney(mux)
	s.controlBalance(mux)
	s.controlPeople(mux)
	s.controlMachine(mux)
	return mux
}

func renderAll[T any](all []T, render func(T) obj) []any {
	out := make([]any, len(all))
	for i, x := range all {
		out[i] = plainObj(render(x))
	}
	return out
}

// controlMoney has the levers that move money.
func (s *Server) controlMoney(mux *http.ServeMux) {
	type outcome struct {
		Outcome string    `json:"outcome"`
		At      time.Time `json:"at"` // default now
	}
	control(mux, "POST /_stripe/invoices/{id}/pay", func(id string, in outcome) (any, error) {
		if in.Outcome == "" {
			in.Outcome = OutcomeSuccess
		}
		ch, err := s.PayAt(in.At, id, in.Outcome)
		return obj{"charge": ch}, err
	})
	control(mux, "POST /_stripe/invoices/{id}/settle", func(id string, in outcome) (any, error) {
		if in.Outcome == "" {
			in.Outcome = OutcomeSuccess
		}
		ch, err := s.SettleAt(in.At, id, in.Outcome)
		return obj{"charge": ch}, err
	})
	control(mux, "POST /_stripe/charges", func(_ string, in struct {
		Amount   int64             `json:"amount"`
		Currency string            `json:"currency"`
		Customer string            `json:"customer"`
		Metadata map[string]string `json:"metadata"`
	}) (any, error) {
		ch, err := s.Charge(OtherCharge{Amount: in.Amount, Currency: in.Currency, Customer: in.Customer, Metadata: in.Metadata})
		return obj{"charge": ch}, err
	})
	control(mux, "POST /_stripe/charges/{id}/fail", func(id string, _ struct{}) (any, error) { return obj{"charge": id}, s.FailCharge(id) })
	control(mux, "POST /_stripe/charges/{id}/refund", func(id string, in struct {
		Amount int64     `json:"amount"`
		Status string    `json:"status"`
		At     time.Time `json:"at"` // default now
	}) (any, error) {
		r, err := s.RefundAt(in.At, id, in.Amount, in.Status)
		return obj{"refund": r}, err
	})
	control(mux, "POST /_stripe/refunds/{id}/fail", func(id string, _ struct{}) (any, error) { return obj{"refund": id}, s.FailRefund(id) })
	control(mux, "POST /_stripe/refunds/{id}/succeed", func(id string, _ struct{}) (any, error) { return obj{"refund": id}, s.SucceedRefund(id) })
	control(mux, "POST /_stripe/charges/{id}/dispute", func(id string, in struct {
		Amount  int64 `json:"amount"`
		Inquiry bool  `json:"inquiry"`
	}) (any, error) {
		d, err := s.Dispute(id, in.Amount, in.Inquiry)
		return obj{"dispute": d}, err
	})
	control(mux, "POST /_stripe/disputes/{id}/close", func(id string, in outcome) (any, error) {
		return obj{"dispute": id}, s.CloseDispute(id, in.Outcome)
	})
}

// controlPeople has what a person does in the dashboard.
func (s *Server) controlPeople(mux *http.ServeMux) {
	type fields struct {
		Name        *string           `json:"name"`
		Email       *string           `json:"email"`
		Phone       *string           `json:"phone"`
		City        *string           `json:"city"` // of the address
		Description *string           `json:"description"`
		Metadata    map[string]string `json:"metadata"`
		Balance     *int64            `json:"balance"`
		Discount    *struct {
			Percent  int64  `json:"percent"`
			Amount   int64  `json:"amount"`
			Currency string `json:"currency"`
		} `json:"discount"`
	}
	apply := func(id string, in fields) (any, error) {
		f := CustomerFields{Name: in.Name, Email: in.Email, Phone: in.Phone, City: in.City, Description: in.Description, Metadata: in.Metadata, Balance: in.Balance}
		var err error
		if id == "" {
			id, err = s.CreateCustomer(f)
		} else {
			err = s.UpdateCustomer(id, f)
		}
		if err == nil && in.Discount != nil {
			err = s.SetDiscount(id, Discount{Percent: in.Discount.Percent, Amount: in.Discount.Amount, Currency: in.Discount.Currency})
		}
		return obj{"customer": id}, err
	}
	control(mux, "POST /_stripe/customers", apply)
	control(mux, "POST /_stripe/customers/{id}", apply)
	control(mux, "POST /_stripe/customers/{id}/delete", func(id string, _ struct{}) (any, error) { return obj{"customer": id}, s.DeleteCustomer(id) })
	control(mux, "DELETE /_stripe/customers/{id}", func(id string, _ struct{}) (any, error) { return obj{"customer": id}, s.DeleteCustomer(id) })
	for verb, f := range map[string]func(string) error{"void": s.VoidInvoice, "mark_uncollectible": s.MarkUncollectible, "pay_out_of_band": s.PayOutOfBand} {
		control(mux, "POST /_stripe/invoices/{id}/"+verb, func(id string, _ struct{}) (any, error) { return obj{"invoice": id}, f(id) })
	}
}

// controlMachine has the clock, faults, webhooks and counters.
func (s *Server) controlMachine(mux *http.ServeMux) {
	control(mux, "POST /_stripe/faults", func(_ string, in json.RawMessage) (any, error) { return obj{}, s.addFault(in) })
	control(mux, "DELETE /_stripe/faults", func(_ string, _ struct{}) (any, error) {
		s.ClearFaults()
		return obj{}, nil
	})
	control(mux, "POST /_stripe/webhooks", func(_ string, in webhookOrder) (any, error) { return s.orderWebhooks(in) })
	control(mux, "GET /_stripe/webhooks", func(string, struct{}) (any, error) { return obj{"data": s.Endpoints()}, nil })
	control(mux, "POST /_stripe/clock", func(_ string, in struct {
		Advance string `json:"advance"`
	}) (any, error) {
		d, err := time.ParseDuration(in.Advance)
		if err != nil {
			return nil, fmt.Errorf("advance %q: %w", in.Advance, err)
		}
		s.Advance(d)
		return obj{"now": s.clock.Now().Format(time.RFC3339)}, nil
	})
	control(mux, "POST /_stripe/behaviour", func(_ string, in struct {
		DelayBalance *bool `json:"delay_balance"`
		TwinEvents   *bool `json:"twin_events"`
		ReturnFees   *bool `json:"return_fees"`
	}) (any, error) {
		if in.ReturnFees != nil {
			s.ReturnFees(*in.ReturnFees)
		}
		if in.DelayBalance != nil {
			s.DelayBalance(*in.DelayBalance)
		}
		if in.TwinEvents != nil {
			s.TwinEvents(*in.TwinEvents)
		}
		return obj{}, nil
	})
	control(mux, "GET /_stripe/calls", func(string, struct{}) (any, error) { return s.Calls(), nil })
	control(mux, "POST /_stripe/reset-calls", func(string, struct{}) (any, error) {
		s.ResetCalls()
		return obj{}, nil
	})
	control(mux, "GET /_stripe/state", func(string, struct{}) (any, error) { return s.State(), nil })
}

// faultStatusAfter is a kind of fault of this server only: see FailAfter.
const faultStatusAfter = "status_after"

func (s *Server) addFault(raw json.RawMessage) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return err
	}
	after := string(fields["kind"]) == `"`+faultStatusAfter+`"`
	if after {
		fields["kind"] = json.RawMessage(`"` + sandbox.FaultStatus + `"`)
	}
	again, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	var f sandbox.Fault
	if err := json.Unmarshal(again, &f); err != nil {
		return err
	}
	if after {
		s.FailAfter(f)
		return nil
	}
	s.faults.Add(f)
	return nil
}

// webhookOrder changes webhooks. With url and secret it makes an endpoint; with
// url alone it sends all deliveries there.
type webhookOrder struct {
	URL     string   `json:"url"`
	Secret  string   `json:"secret"`
	Events  []string `json:"events"`
	Mode    string   `json:"mode"`
	Release string   `json:"release"` // forward, reverse
}

func (s *Server) orderWebhooks(in webhookOrder) (any, error) {
	out := obj{}
	switch {
	case in.Secret != "":
		id, err := s.AddEndpoint(in.URL, in.Secret, in.Events...)
		if err != nil {
			return nil, err
		}
		out["id"] = id
	case in.URL != "":
		s.SetEndpointURL(in.URL)
	}
	if in.Mode != "" {
		if err := s.CourierMode(in.Mode); err != nil {
			return nil, err
		}
	}
	switch in.Release {
	case "":
	case "forward", "reverse":
		s.Release(in.Release == "reverse")
	default:
		return nil, fmt.Errorf("release %q: forward or reverse", in.Release)
	}
	out["data"] = s.Endpoints()
	return out, nil
}

// control adds one operation of the control API: the {id} of its path and its
// JSON body go in, JSON comes out.
func control[In any](mux *http.ServeMux, pattern string, f func(id string, in In) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var in In
		if err := readJSON(r.Body, &in); err != nil {
			reply(w, nil, err)
			return
		}
		out, err := f(r.PathValue("id"), in)
		reply(w, out, err)
	})
}

// readJSON reads one JSON value; an empty body is an empty object.
func readJSON(body io.Reader, to any) error {
	dec := json.NewDecoder(io.LimitReader(body, controlBytesMax))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if dec.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

func reply(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		status, v = http.StatusBadRequest, obj{"error": err.Error()}
		var e *apiError
		if errors.As(err, &e) {
			v = obj{"error": e.message, "code": e.code}
		}
	}
	ans := jsonAnswer(status, v)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(ans.status)
	_, _ = w.Write(ans.body) // the client may be gone
}
