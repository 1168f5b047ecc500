package main

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

func (w *world) contact(name, email string) connector.Write {
	w.keys++
	return connector.Write{Key: "contact-00000" + string(rune('a'+w.keys)), Attempt: 1, IntendedAt: w.clock.Now(), Record: connector.Record{
		Entity: connector.EntityContact, Contact: &connector.Contact{Name: name, Email: email, Status: connector.ContactActive}}}
}

func (w *world) person(name, email string) xero.Contact {
	w.t.Helper()
	c, err := w.s.CreateContact(xero.ContactInput{Name: name, EmailAddress: email})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) names() string {
	var out []string
	for _, c := range w.s.Contacts() {
		if c.Status == "ACTIVE" {
			out = append(out, c.Name+" <"+c.EmailAddress+">")
		}
	}
	return strings.Join(out, "; ")
}

func TestContactMatching(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		people [][2]string
		wanted [2]string
		want   string
		after  string
	}{
		{name: "nobody", wanted: [2]string{"Acme Ltd", "a@acme.test"}, want: "created", after: "Acme Ltd <a@acme.test>"},
		{name: "same e-mail", people: [][2]string{{"ACME", "A@acme.test"}}, wanted: [2]string{"Acme Ltd", "a@acme.test"}, want: "adopted", after: "ACME <A@acme.test>"},
		{name: "same name, no e-mail yet", people: [][2]string{{"ACME ltd", ""}}, wanted: [2]string{"Acme  Ltd", "a@acme.test"}, want: "adopted", after: "ACME ltd <a@acme.test>"},
		{name: "same name, another e-mail", people: [][2]string{{"Acme Ltd", "b@acme.test"}}, wanted: [2]string{"Acme Ltd", "a@acme.test"}, want: "created",
			after: "Acme Ltd <b@acme.test>; Acme Ltd (a@acme.test) <a@acme.test>"},
		{name: "same name, none given", people: [][2]string{{"Acme Ltd", "b@acme.test"}}, wanted: [2]string{"acme ltd", ""}, want: "adopted", after: "Acme Ltd <b@acme.test>"},
		{name: "two with the e-mail", people: [][2]string{{"A", "x@acme.test"}, {"B", "x@acme.test"}}, wanted: [2]string{"Acme Ltd", "x@acme.test"}, want: "conflict",
			after: "A <x@acme.test>; B <x@acme.test>"},
		{name: "a quote in the name", people: [][2]string{{`Bob "Bobby" Brown`, ""}}, wanted: [2]string{`Bob "Bobby" Brown`, ""}, want: "adopted", after: `Bob "Bobby" Brown <>`},
		{name: "brackets in the name", wanted: [2]string{" <Acme>  Ltd ", "a@acme.test"}, want: "created", after: "Acme Ltd <a@acme.test>"},
		{name: "no name", wanted: [2]string{"", "a@acme.test"}, want: "invalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			for _, p := range tt.people {
				w.person(p[0], p[1])
			}
			write := w.contact(tt.wanted[0], tt.wanted[1])
			out := w.upsert(connector.EntityContact, write)[0]
			w.expect(out, tt.want)
			if got := w.names(); got != tt.after {
				t.Errorf("contacts: %s\nwant: %s", got, tt.after)
			}
			if out.Err == nil {
				second := w.upsert(connector.EntityContact, again(write))[0]
				if second.ID != out.ID {
					t.Errorf("a second attempt has %s, the first %s", second.ID, out.ID)
				}
				if got := w.names(); got != tt.after {
					t.Errorf("after a second attempt: %s", got)
				}
			}
			if tt.want == "conflict" && len(out.Err.Candidates) != 2 {
				t.Errorf("candidates: %v", out.Err.Candidates)
			}
		})
	}
}

func TestContactsOfOneCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	outs := w.upsert(connector.EntityContact, w.contact("Ann", "ann@a.test"), w.contact("John Smith", "j1@a.test"), w.contact("John Smith", "j2@a.test"), w.contact("Ann B", "ann@a.test"))
	for i, want := range []string{"created", "created", "created", "adopted"} {
		w.expect(outs[i], want)
	}
	if got, want := w.names(), "Ann <ann@a.test>; John Smith <j1@a.test>; John Smith (j2@a.test) <j2@a.test>"; got != want {
		t.Errorf("contacts: %s\nwant: %s", got, want)
	}
}

func TestContactUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	p := w.person("Acme Ltd", "a@acme.test")
	write := w.contact("Acme Limited", "")
	write.TargetID = p.ContactID
	write.Record.Contact.Phone = "+64 9 123 4567"
	write.Record.Contact.Address = connector.Address{Line1: "1 Queen St", City: "Auckland", PostalCode: "1010", Country: "NZ"}
	out := w.upsert(connector.EntityContact, write)[0]
	w.expect(out, "updated")
	got, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityContact, IDs: []string{p.ContactID}})
	if err != nil || len(got) != 1 {
		t.Fatalf("get: %v, %d records", err, len(got))
	}
	want := &connector.Contact{Name: "Acme Limited", Email: "a@acme.test", Phone: "+64 9 123 4567", Address: write.Record.Contact.Address,
		Status: connector.ContactActive, Marks: map[string]string{}, Extra: map[string]connector.Value{}}
	if diff := cmp.Diff(got[0].Contact, want); diff != "" {
		t.Errorf("contact (-got +want):\n%s", diff)
	}
	w.s.ResetCalls()
	w.expect(w.upsert(connector.EntityContact, write)[0], "unchanged")
	if n := w.s.Calls().Writes; n != 0 {
		t.Errorf("%d writes for nothing", n)
	}
}

func TestContactTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	archived, loser, survivor := w.person("Gone", ""), w.person("Loser", ""), w.person("Survivor", "")
	if _, err := w.s.ArchiveContact(archived.ContactID); err != nil {
		t.Fatal(err)
	}
	if err := w.s.MergeContacts(loser.ContactID, survivor.ContactID); err != nil {
		t.Fatal(err)
	}
	write := func(id string) connector.Write {
		out := w.contact("New name "+id[:4], "")
		out.TargetID = id
		return out
	}
	outs := w.upsert(connector.EntityContact, write(archived.ContactID), write(loser.ContactID), write("5d1c6a1e-0000-4000-8000-000000000000"))
	w.expect(outs[0], "conflict")
	w.expect(outs[1], "conflict")
	w.expect(outs[2], "not found")
	if diff := cmp.Diff(outs[1].Err.Candidates, []string{survivor.ContactID}); diff != "" {
		t.Errorf("candidates (-got +want):\n%s", diff)
	}
	if clash := w.upsert(connector.EntityContact, func() connector.Write {
		other := w.person("Other", "other@x.test")
		c := w.contact("Survivor", "")
		c.TargetID = other.ContactID
		return c
	}())[0]; clash.Result != connector.Updated || clash.Record.Contact.Name != "Survivor (other@x.test)" {
		t.Errorf("a clash on update: %+v", clash)
	}
}

func TestContactAfterALostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	w.person("Acme", "other@acme.test")
	write := w.contact("Acme", "a@acme.test")
	w.s.Faults().Add(sandbox.Fault{Method: "PUT", Path: "/api.xro/2.0/Contacts", Kind: sandbox.FaultResetAfter})
	w.expect(w.upsert(connector.EntityContact, write)[0], "unknown outcome")
	w.expect(w.upsert(connector.EntityContact, again(write))[0], "unchanged")
	if got, want := w.names(), "Acme <other@acme.test>; Acme (a@acme.test) <a@acme.test>"; got != want {
		t.Errorf("contacts: %s", got)
	}
}
