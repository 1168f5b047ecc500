package xero

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/ml-connector/ml-connector/sandbox"
)

// The control API pulls the levers over HTTP. It has no authentication and is
// for loopback only. Bodies and answers are JSON; an unknown field is refused,
// and an error is {"error":"..."} with status 400.

const controlBytesMax = 1 << 20 // an invoice of some thousand lines

// control serves everything below /_xero/.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	show := func(pattern string, get func(*http.Request) any) {
		mux.HandleFunc("GET /_xero/"+pattern, func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, get(r))
		})
	}
	show("contacts", func(*http.Request) any { return s.Contacts() })
	show("invoices", func(r *http.Request) any { return s.Invoices(r.URL.Query().Get("number")) })
	show("payments", func(*http.Request) any { return s.Payments() })
	show("creditnotes", func(*http.Request) any { return s.CreditNotes() })
	show("overpayments", func(*http.Request) any { return s.Overpayments() })
	show("prepayments", func(*http.Request) any { return s.Prepayments() })
	show("bankTransactions", func(*http.Request) any { return s.BankTransactions() })
	show("bankTransfers", func(*http.Request) any { return s.BankTransfers() })
	show("accounts", func(*http.Request) any { return s.Accounts() })
	show("state", func(*http.Request) any { return s.State() })
	show("calls", func(*http.Request) any { return s.Calls() })
	show("webhooks", func(*http.Request) any { return s.courier.Stats() })

	lever(mux, "contacts", func(_ *http.Request, in ContactInput) (any, error) { return s.CreateContact(in) })
	lever(mux, "contacts/{id}", func(r *http.Request, in ContactInput) (any, error) { return s.EditContact(r.PathValue("id"), in) })
	lever(mux, "contacts/{id}/archive", func(r *http.Request, _ struct{}) (any, error) { return s.ArchiveContact(r.PathValue("id")) })
	lever(mux, "contacts/{id}/restore", func(r *http.Request, _ struct{}) (any, error) { return s.RestoreContact(r.PathValue("id")) })
	lever(mux, "contacts/{id}/merge", s.controlMerge)
	lever(mux, "invoices", func(_ *http.Request, in InvoiceInput) (any, error) { return s.CreateInvoice(in) })
	lever(mux, "invoices/{ref}/edit", func(r *http.Request, in InvoiceInput) (any, error) { return s.EditInvoice(r.PathValue("ref"), in) })
	lever(mux, "invoices/{ref}/approve", func(r *http.Request, _ struct{}) (any, error) { return s.ApproveInvoice(r.PathValue("ref")) })
	lever(mux, "invoices/{ref}/void", func(r *http.Request, _ struct{}) (any, error) { return s.VoidInvoice(r.PathValue("ref")) })
	lever(mux, "invoices/{ref}/delete", func(r *http.Request, _ struct{}) (any, error) { return s.DeleteInvoice(r.PathValue("ref")) })
	lever(mux, "invoices/{ref}/pay", func(r *http.Request, in PaymentDetails) (any, error) { return s.PayInvoice(r.PathValue("ref"), in) })
	lever(mux, "invoices/{ref}/credit", func(r *http.Request, in CreditDetails) (any, error) { return s.CreditInvoice(r.PathValue("ref"), in) })
	lever(mux, "invoices/{ref}/prepay", func(r *http.Request, in ReceivedDetails) (any, error) { return s.PrepayInvoice(r.PathValue("ref"), in) })
	lever(mux, "invoices/{ref}/overpay", func(r *http.Request, in ReceivedDetails) (any, error) {
		return s.OverpayInvoice(r.PathValue("ref"), in)
	})
	lever(mux, "credits/{id}/allocate", func(r *http.Request, in AllocationDetails) (any, error) {
		return s.AllocateCredit(r.PathValue("id"), in)
	})
	lever(mux, "payments/{id}/delete", func(r *http.Request, _ struct{}) (any, error) { return object{}, s.DeletePayment(r.PathValue("id")) })
	lever(mux, "payments/{id}/reconcile", func(r *http.Request, _ struct{}) (any, error) {
		return object{}, s.ReconcilePayment(r.PathValue("id"))
	})
	lever(mux, "accounts", s.controlAccount)
	lever(mux, "accounts/{ref}/archive", func(r *http.Request, _ struct{}) (any, error) {
		return object{}, s.ArchiveAccount(r.PathValue("ref"))
	})
	s.controlBank(mux)
	s.controlWorld(mux)
	return mux
}

// controlBank has what a person does in the bank accounts.
func (s *Server) controlBank(mux *http.ServeMux) {
	lever(mux, "bankTransactions", func(_ *http.Request, in SpendInput) (any, error) { return s.SpendMoney(in) })
	lever(mux, "bankTransactions/{id}/edit", func(r *http.Request, in AmendInput) (any, error) {
		return s.AmendBankTransaction(r.PathValue("id"), in)
	})
	lever(mux, "bankTransactions/{id}/delete", func(r *http.Request, _ struct{}) (any, error) {
		return object{}, s.DeleteBankTransaction(r.PathValue("id"))
	})
	lever(mux, "bankTransfers", func(_ *http.Request, in TransferInput) (any, error) { return s.TransferMoney(in) })
	lever(mux, "bankTransfers/{id}/delete", func(r *http.Request, _ struct{}) (any, error) {
		return object{}, s.DeleteTransfer(r.PathValue("id"))
	})
}

// controlWorld has what is not in the books: time, faults, webhooks, tokens.
func (s *Server) controlWorld(mux *http.ServeMux) {
	lever(mux, "clock", s.controlClock)
	lever(mux, "lock", s.controlLock)
	lever(mux, "faults", func(_ *http.Request, in sandbox.Fault) (any, error) {
		s.faults.Add(in)
		return object{}, nil
	})
	mux.HandleFunc("DELETE /_xero/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.faults.Clear()
		writeJSON(w, http.StatusOK, object{})
	})
	lever(mux, "webhooks", s.controlWebhooks)
	lever(mux, "webhooks/verify", func(r *http.Request, _ struct{}) (any, error) {
		return object{"passed": true}, s.IntentToReceive(r.Context())
	})
	lever(mux, "webhooks/event", func(_ *http.Request, in eventInput) (any, error) {
		s.SendEvent(in.Category, in.Type, in.ID)
		return object{}, nil
	})
	lever(mux, "tokens", func(*http.Request, struct{}) (any, error) { return s.IssueTokens(), nil })
	lever(mux, "disconnect", func(*http.Request, struct{}) (any, error) {
		s.DisconnectTenant()
		return object{}, nil
	})
	lever(mux, "revoke", func(*http.Request, struct{}) (any, error) {
		s.RevokeTokens()
		return object{}, nil
	})
	lever(mux, "reset-calls", func(*http.Request, struct{}) (any, error) {
		s.ResetCalls()
		return object{}, nil
	})
}

// lever serves POST with a body of T, which may be empty.
func lever[T any](mux *http.ServeMux, pattern string, pull func(*http.Request, T) (any, error)) {
	mux.HandleFunc("POST /_xero/"+pattern, func(w http.ResponseWriter, r *http.Request) {
		var in T
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, controlBytesMax))
		dec.DisallowUnknownFields()
		err := dec.Decode(&in)
		if errors.Is(err, io.EOF) && r.ContentLength <= 0 {
			err = nil
		}
		var out any
		if err == nil {
			out, err = pull(r, in)
		}
		if err != nil {
			writeJSON(w, http.StatusBadRequest, object{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, out)
	})
}

type eventInput struct {
	Category string `json:"category"`
	Type     string `json:"type"`
	ID       string `json:"id"`
}

type mergeInput struct {
	Into string `json:"into"` // the contact that stays
}

func (s *Server) controlMerge(r *http.Request, in mergeInput) (any, error) {
	return object{}, s.MergeContacts(r.PathValue("id"), in.Into)
}

func (s *Server) controlAccount(_ *http.Request, in AccountInput) (any, error) {
	id, err := s.AddAccount(in)
	return object{"account_id": id}, err
}

type clockInput struct {
	Advance string `json:"advance"` // a Go duration such as "24h"
}

func (s *Server) controlClock(_ *http.Request, in clockInput) (any, error) {
	d, err := time.ParseDuration(in.Advance)
	if err != nil {
		return nil, fmt.Errorf("advance: %w", err)
	}
	s.clock.Advance(d)
	return object{"now": s.clock.Now().Format(time.RFC3339Nano)}, nil
}

type lockInput struct {
	Period    string `json:"period"`      // YYYY-MM-DD; empty unlocks
	EndOfYear string `json:"end_of_year"` // YYYY-MM-DD; empty unlocks
}

func (s *Server) controlLock(_ *http.Request, in lockInput) (any, error) {
	return object{}, s.SetLockDates(in.Period, in.EndOfYear)
}

// webhooksInput changes only what it names.
type webhooksInput struct {
	URL     *string `json:"url"`
	Mode    string  `json:"mode"`
	Release string  `json:"release"` // forward or reverse
}

func (s *Server) controlWebhooks(_ *http.Request, in webhooksInput) (any, error) {
	if in.Release != "" && in.Release != "forward" && in.Release != "reverse" {
		return nil, fmt.Errorf("release is forward or reverse, not %q", in.Release)
	}
	if in.Mode != "" {
		if err := s.courier.Mode(in.Mode); err != nil {
			return nil, err
		}
	}
	if in.URL != nil {
		s.SetWebhookURL(*in.URL)
	}
	if in.Release != "" {
		s.courier.Release(in.Release == "reverse")
	}
	return s.courier.Stats(), nil
}
