package connector

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatchContact(t *testing.T) {
	con := func(id, name, email string) Record {
		return Record{Entity: EntityContact, ID: id, Contact: &Contact{Name: name, Email: email, Status: ContactActive}}
	}
	marked := func(r Record, v string) Record {
		r.Contact.Marks = map[string]string{"source": v, "theirs": "x"}
		return r
	}
	archived := con("1", "Ada Ltd", "ada@x")
	archived.Contact.Status = ContactArchived
	merged := con("1", "Ada Ltd", "ada@x")
	merged.Contact.MergedInto = "2"
	gone := con("1", "Ada Ltd", "ada@x")
	gone.Gone = true
	want := &Contact{Name: "Ada Ltd", Email: "ada@x", Marks: map[string]string{"source": "7"}}
	for _, tt := range []struct {
		name    string
		want    *Contact
		among   []Record
		aliases []string
		got     ContactMatch
	}{
		{name: "nobody", want: want},
		{name: "our mark, though all else differs", want: want, among: []Record{con("1", "Ada Ltd", "ada@x"), marked(con("2", "B", "b@x"), "7")}, got: ContactMatch{ID: "2", Why: MatchMark}},
		{name: "another record's mark", want: want, among: []Record{marked(con("1", "Ada Ltd", "ada@x"), "8")}},
		{name: "e-mail, another name", want: want, among: []Record{con("1", "Somebody", " ADA@x ")}, got: ContactMatch{ID: "1", Why: MatchEmail}},
		{name: "e-mail before name", want: want, among: []Record{con("1", "Ada Ltd", ""), con("2", "B", "ada@x")}, got: ContactMatch{ID: "2", Why: MatchEmail}},
		{name: "name, no e-mail there", want: want, among: []Record{con("1", "ADA  ltd", "")}, got: ContactMatch{ID: "1", Why: MatchName}},
		{name: "name, no e-mail here", want: &Contact{Name: "<Ada> Ltd"}, among: []Record{con("1", "Ada ltd", "ada@x")}, got: ContactMatch{ID: "1", Why: MatchName}},
		{name: "name, another e-mail", want: want, among: []Record{con("1", "Ada Ltd", "b@x")}},
		{name: "an alias, whatever its e-mail", want: want, among: []Record{con("1", "Ada Ltd (ada@x)", "b@x")}, aliases: []string{"Ada Ltd (ada@x)"}, got: ContactMatch{ID: "1", Why: MatchName}},
		{name: "two with the e-mail", want: want, among: []Record{con("1", "A", "ada@x"), con("2", "B", "ada@x")}, got: ContactMatch{Why: MatchEmail, Candidates: []string{"1", "2"}}},
		{name: "one listed twice", want: want, among: []Record{con("1", "A", "ada@x"), con("1", "A", "ada@x")}, got: ContactMatch{ID: "1", Why: MatchEmail}},
		{name: "archived, merged, deleted", want: want, among: []Record{archived, merged, gone}},
		{name: "neither has a name", want: &Contact{}, among: []Record{con("1", "", "")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.got, MatchContact(tt.want, tt.among, tt.aliases...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
