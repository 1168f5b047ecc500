package xero

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestContactRules(t *testing.T) {
	cases := []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"create", "PUT", "Contacts", `{"Name":"New One","EmailAddress":"a@example.com","Phones":[{"PhoneType":"MOBILE","PhoneNumber":"21"}]}`, 200, `"PhoneNumber":"21"`},
		{"case of keys does not matter", "PUT", "Contacts", `{"contacts":[{"name":"New One"}]}`, 200, `"Name":"New One"`},
		{"name is taken", "PUT", "Contacts", `{"Name":"RIDGEWAY"}`, 400, "The contact name RIDGEWAY is already assigned to another contact. The contact name must be unique across all active contacts."},
		{"no name", "PUT", "Contacts", `{"EmailAddress":"x@example.com"}`, 400, "Name must be specified"},
		{"angle brackets", "PUT", "Contacts", `{"Name":"<b>"}`, 400, "angle brackets"},
		{"double space", "PUT", "Contacts", `{"Name":"a  b"}`, 400, "double spaces"},
		{"long name", "PUT", "Contacts", `{"Name":"` + strings.Repeat("x", 256) + `"}`, 400, "255"},
		{"number is taken", "PUT", "Contacts", `{"Name":"New","ContactNumber":"C-1"}`, 400, "contact number"},
		{"currency", "PUT", "Contacts", `{"Name":"New","DefaultCurrency":"XAU"}`, 400, "Organisation is not subscribed to currency XAU"},
		{"put has no id", "PUT", "Contacts", `{"ContactID":"` + zeroID + `","Name":"x"}`, 501, "ContactID"},
		{"upsert by name", "POST", "Contacts", `{"Name":"ridgeway","EmailAddress":"new@example.com"}`, 200, "new@example.com"},
		{"upsert by number", "POST", "Contacts", `{"ContactNumber":"C-1","Name":"Renamed"}`, 200, "Renamed"},
		{"upsert makes new", "POST", "Contacts", `{"Name":"Someone"}`, 200, "Someone"},
		{"unknown id", "POST", "Contacts", `{"ContactID":"` + newID() + `","Name":"x"}`, 404, ""},
		{"archived by name", "POST", "Contacts", `{"Name":"Old Friend"}`, 400, "Archived contacts cannot currently be edited via the API."},
		{"name of an archived one is free", "PUT", "Contacts", `{"Name":"Old Friend"}`, 200, "Old Friend"},
		{"privacy request", "POST", "Contacts", `{"Name":"Ridgeway","ContactStatus":"GDPRREQUEST"}`, 501, "GDPRREQUEST"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, Config{})
			if _, err := w.s.CreateContact(ContactInput{Name: "Ridgeway", ContactNumber: "C-1"}); err != nil {
				t.Fatal(err)
			}
			old, err := w.s.CreateContact(ContactInput{Name: "Old Friend"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.s.ArchiveContact(old.ContactID); err != nil {
				t.Fatal(err)
			}
			a := w.call(tc.method, tc.path, tc.body)
			if a.status != tc.status || !strings.Contains(a.raw, tc.want) {
				t.Errorf("got %d %s, want %d with %q", a.status, a.raw, tc.status, tc.want)
			}
		})
	}
}

func TestContactArchiveIsOneWay(t *testing.T) {
	w := newWorld(t, Config{})
	id := get(w.must("PUT", "Contacts", `{"Name":"Ridgeway"}`), "ContactID")
	wants(t, w.must("POST", "Contacts/"+id, `{"ContactStatus":"ARCHIVED"}`), "ContactStatus", "ARCHIVED")
	for _, body := range []string{`{"ContactStatus":"ARCHIVED"}`, `{"ContactStatus":"ACTIVE"}`, `{"EmailAddress":"a@example.com"}`} {
		if a := w.call("POST", "Contacts/"+id, body); a.status != 400 || !strings.Contains(a.raw, archivedEdit) {
			t.Errorf("%s: %d %s", body, a.status, a.raw)
		}
	}
	if a := w.call("GET", "Contacts", ""); len(a.records()) != 0 {
		t.Errorf("listed: %s", a.raw)
	}
	if a := w.call("GET", "Contacts?includeArchived=true", ""); len(a.records()) != 1 {
		t.Errorf("not listed: %s", a.raw)
	}
	wants(t, w.must("GET", "Contacts/"+id, ""), "ContactStatus", "ARCHIVED")
	body := fmt.Sprintf(`{"Type":"ACCREC","Contact":{"ContactID":%q}}`, id)
	if a := w.call("PUT", "Invoices", body); a.status != 400 || !strings.Contains(a.raw, "un-archived") {
		t.Errorf("an invoice: %d %s", a.status, a.raw)
	}
}

func TestContactListPagesAndSince(t *testing.T) {
	w := newWorld(t, Config{})
	for i := range 5 {
		w.must("PUT", "Contacts", fmt.Sprintf(`{"Name":"Contact %d","EmailAddress":"c%d@example.com"}`, i, i))
		w.clock.Advance(time.Second)
	}
	a := w.call("GET", "Contacts?page=2&pageSize=2&order="+"UpdatedDateUTC%20ASC", "")
	if got := a.records(); len(got) != 2 || get(got[0], "Name") != "Contact 2" {
		t.Errorf("page 2: %s", a.raw)
	}
	wants(t, a.json, "pagination.pageCount", "3", "pagination.itemCount", "5", "pagination.pageSize", "2", "pagination.page", "2")
	if a := w.call("GET", "Contacts?page=1&pageSize=5000", ""); get(a.json, "pagination.pageSize") != "1000" {
		t.Errorf("page size %s", get(a.json, "pagination.pageSize"))
	}
	if a := w.call("GET", "Contacts", ""); a.json["pagination"] != nil || len(a.records()) != 5 {
		t.Errorf("unpaged: %s", a.raw)
	}
	since := w.s.Contacts()[3].Updated.Format(isoLayout)
	if a := w.call("GET", "Contacts", "", "If-Modified-Since", since); len(a.records()) != 2 {
		t.Errorf("since %s: %d", since, len(a.records()))
	}
	if a := w.call("GET", "Contacts", "", "If-Modified-Since", "22/11/2026 10:00:00"); len(a.records()) != 5 {
		t.Errorf("an unreadable time: %d", len(a.records()))
	}
	for query, want := range map[string]int{"searchTerm=C3%40EXAMPLE": 1, "searchTerm=zzz": 0, where(`EmailAddress=="C2@example.com"`): 1,
		"IDs=" + w.s.Contacts()[0].ContactID + "," + w.s.Contacts()[1].ContactID: 2, where(`ContactStatus=="ACTIVE"`): 5} {
		if a := w.call("GET", "Contacts?"+query, ""); len(a.records()) != want {
			t.Errorf("%s: %d records, want %d", query, len(a.records()), want)
		}
	}
}

func TestMergeContacts(t *testing.T) {
	w := newWorld(t, Config{})
	loser, _ := w.s.CreateContact(ContactInput{Name: "Ridgeway Cycles"})
	winner, _ := w.s.CreateContact(ContactInput{Name: "Ridgeway Cycles Ltd"})
	inv := w.invoice("INV-1", "10", "NZD")
	if err := w.s.MergeContacts(loser.ContactID, winner.ContactID); err != nil {
		t.Fatal(err)
	}
	wants(t, w.must("GET", "Contacts/"+loser.ContactID, ""), "ContactStatus", "ARCHIVED", "MergedToContactID", winner.ContactID)
	wants(t, w.must("GET", "Invoices/"+inv.InvoiceID, ""), "Contact.ContactID", winner.ContactID)
	if err := w.s.MergeContacts(loser.ContactID, winner.ContactID); err == nil {
		t.Error("merged twice")
	}
}
