package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	stand "github.com/ml-connector/ml-connector/sandbox/stripe"
)

func person(b *bench, name, email string, marks map[string]string) string {
	b.t.Helper()
	id, err := b.srv.CreateCustomer(stand.CustomerFields{Name: &name, Email: &email, Metadata: marks})
	b.must(err)
	return id
}

func ada() connector.Contact {
	return connector.Contact{
		Name: "Ada Ltd", Email: "ada@example.com", Phone: "+64 9 555 0100", Status: connector.ContactActive,
		Address: connector.Address{Line1: "1 Queen St", City: "Auckland", PostalCode: "1010", Country: "New Zealand"},
		Marks:   map[string]string{"xero_contact_id": "c-1"},
	}
}

func TestCustomerLife(t *testing.T) {
	b := newBench(t)
	w := contactWrite("k1", ada())
	id := b.ok(w, connector.Created).ID
	got := *b.one(connector.EntityContact, id).Contact
	want := ada()
	want.Address.Country = "NZ"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("customer (-want +got):\n%s", diff)
	}
	if again := b.ok(again(w), connector.Unchanged); again.ID != id {
		t.Errorf("second attempt finds %s, want %s", again.ID, id)
	}
	b.srv.ResetCalls()
	next := contactWrite("k2", ada())
	next.TargetID = id
	b.ok(next, connector.Unchanged)
	if calls := b.srv.Calls(); calls.Writes != 0 || calls.Total != 1 {
		t.Errorf("calls for nothing to change: %+v", calls)
	}
	next.Key, next.Record.Contact.Name, next.Record.Contact.Phone = "k3", "Ada Limited", ""
	b.ok(next, connector.Updated)
	if got := b.one(connector.EntityContact, id).Contact; got.Name != "Ada Limited" || got.Phone != "+64 9 555 0100" {
		t.Errorf("after the change: %+v", got)
	}
	b.must(b.srv.DeleteCustomer(id))
	if rec := b.one(connector.EntityContact, id); !rec.Gone || rec.Contact != nil {
		t.Errorf("deleted customer: %+v", rec)
	}
	next.Key = "k4"
	if e := b.fails(next, connector.Conflict, "deleted"); e.Remedy == "" {
		t.Error("no remedy")
	}
}

// A repeated answer must not pass for the truth: somebody undid the change.
func TestCustomerUpdateIsNotMemory(t *testing.T) {
	b := newBench(t)
	id := b.ok(contactWrite("k1", ada()), connector.Created).ID
	w := contactWrite("k2", ada())
	w.TargetID, w.Record.Contact.Name = id, "Ada Limited"
	b.ok(w, connector.Updated)
	cn, err := b.c.connect(b.s, "test")
	b.must(err)
	undo := contactWrite("other", ada())
	undo.TargetID = id
	_, err = cn.upsert(b.ctx(), connector.EntityContact, undo)
	b.must(err)
	b.ok(again(w), connector.Updated)
	if got := b.one(connector.EntityContact, id).Contact.Name; got != "Ada Limited" {
		t.Errorf("name %q", got)
	}
}

func TestCustomerMatching(t *testing.T) {
	mark := func(v string) map[string]string { return map[string]string{"xero_contact_id": v} }
	tests := []struct {
		name   string
		there  func(*bench) []string
		result connector.Result
		match  int // index in there; -1: a new one
		kind   connector.Kind
	}{
		{name: "nobody", result: connector.Created, match: -1, there: func(*bench) []string { return nil }},
		{name: "one with the address", result: connector.Adopted, match: 0, there: func(b *bench) []string {
			return []string{person(b, "Somebody", "ada@example.com", nil)}
		}},
		{name: "one with the address in lower case", result: connector.Adopted, match: 0, there: func(b *bench) []string {
			return []string{person(b, "", "ada@example.com", map[string]string{"other": "x"})}
		}},
		{name: "one with the address and our mark", result: connector.Updated, match: 1, there: func(b *bench) []string {
			return []string{person(b, "A", "ada@example.com", nil), person(b, "B", "ada@example.com", mark("c-1"))}
		}},
		{name: "another record's", result: connector.Created, match: -1, there: func(b *bench) []string {
			return []string{person(b, "A", "ada@example.com", mark("c-2"))}
		}},
		{name: "two", kind: connector.Conflict, there: func(b *bench) []string {
			return []string{person(b, "A", "ada@example.com", nil), person(b, "B", "ada@example.com", nil)}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			there := tt.there(b)
			c := ada()
			if strings.Contains(tt.name, "lower case") {
				c.Email = "Ada@Example.com"
			}
			w := contactWrite("k1", c)
			if tt.kind != 0 {
				if e := b.fails(w, tt.kind, "2 customers"); len(e.Candidates) != 2 {
					t.Errorf("candidates: %v", e.Candidates)
				}
				return
			}
			out := b.ok(w, tt.result)
			if tt.match >= 0 && out.ID != there[tt.match] || tt.match < 0 && len(there) > 0 && out.ID == there[0] {
				t.Errorf("matched %s among %v", out.ID, there)
			}
			got := b.one(connector.EntityContact, out.ID).Contact
			if got.Marks["xero_contact_id"] != "c-1" || got.Phone == "" {
				t.Errorf("not marked or filled in: %+v", got)
			}
			if tt.result == connector.Adopted && tt.match == 0 && tt.name == "one with the address" && got.Name != "Somebody" {
				t.Errorf("adoption overwrote the name: %q", got.Name)
			}
		})
	}
}

func TestCustomerLimits(t *testing.T) {
	b := newBench(t)
	c := ada()
	c.Name, c.Phone, c.Address.Country = strings.Repeat("é", 300), "+64 9 555 0100 extension 12345", "Atlantis"
	id := b.ok(contactWrite("k1", c), connector.Created).ID
	got := b.one(connector.EntityContact, id).Contact
	if n := len([]rune(got.Name)); n != nameMax || len(got.Phone) != phoneMax || got.Address.Country != "" {
		t.Errorf("name of %d runes, phone %q, country %q", n, got.Phone, got.Address.Country)
	}
	w := contactWrite("k2", c)
	w.TargetID = id
	b.ok(w, connector.Unchanged)
}

// I3: an answer that is lost, or repeated as a failure, makes no second customer.
func TestCustomerResumes(t *testing.T) {
	for _, email := range []string{"ada@example.com", ""} {
		for _, kind := range []string{sandbox.FaultResetAfter, sandbox.FaultResetBefore, "500 after", "500 before"} {
			t.Run(fmt.Sprintf("%s %q", kind, email), func(t *testing.T) {
				b := newBench(t)
				c := ada()
				c.Email = email
				w := contactWrite("k1", c)
				f := sandbox.Fault{Method: "POST", Path: "/v1/customers", Kind: kind}
				switch kind {
				case "500 after":
					b.srv.FailAfter(sandbox.Fault{Method: "POST", Path: "/v1/customers"})
				case "500 before":
					f.Kind, f.Status = sandbox.FaultStatus, 500
					fallthrough
				default:
					b.srv.Faults().Add(f)
				}
				b.fails(w, connector.UnknownOutcome, "")
				b.srv.ClearFaults()
				w.Attempt = 2
				if out := b.upsert(w); out.Err != nil {
					t.Fatal(out.Err)
				}
				cn, err := b.c.connect(b.s, "test")
				b.must(err)
				rows, err := cn.customersSince(b.ctx(), time.Unix(0, 0))
				b.must(err)
				if len(rows) != 1 {
					t.Errorf("%d customers", len(rows))
				}
			})
		}
	}
}

// Two contacts with one address may not both take the one customer.
func TestCustomerNotAdoptedTwice(t *testing.T) {
	b := newBench(t)
	there := person(b, "Family", "family@example.com", nil)
	var ws []connector.Write
	for i := range 6 {
		ws = append(ws, contactWrite(fmt.Sprintf("k%d", i), connector.Contact{
			Name: fmt.Sprintf("Person %d", i), Email: "family@example.com", Marks: map[string]string{"xero_contact_id": fmt.Sprintf("c-%d", i)},
		}))
	}
	out, err := b.c.Upsert(b.ctx(), b.s, connector.UpsertRequest{Entity: connector.EntityContact, Writes: ws})
	b.must(err)
	adopted, ids := 0, map[string]bool{}
	for _, o := range out {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		ids[o.ID] = true
		if o.ID == there {
			adopted++
		}
	}
	if adopted != 1 || len(ids) != 6 {
		t.Errorf("adopted %d times, %d customers", adopted, len(ids))
	}
}
