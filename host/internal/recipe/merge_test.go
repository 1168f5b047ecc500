package recipe

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
)

const mergingRecipe = `
recipe: r
connections: {a: {connector: aa}, b: {connector: bb}}
flows:
  out:
    from: a.contact
    to: b.contact
    inverse: in
    owns: [address]
    map: {name: contact.name, email: contact.email, phone: contact.phone, address: contact.address, marks: "{'source': contact.id}"}
  in:
    from: b.contact
    to: a.contact
    inverse: out
    owns: [phone]
    map: {name: contact.name, email: contact.email, phone: contact.phone, address: contact.address}
`

func quoted(s string) string { return `"` + s + `"` }

func TestMergeDecidesFieldByField(t *testing.T) {
	r := parsed(t, mergingRecipe)
	noon := time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	base := Fields{"name": quoted("Ada"), "email": quoted("a@x"), "phone": quoted("1"), "address": `{"city":"W"}`}
	with := func(over Fields) Fields {
		out := Fields{}
		for k, v := range base {
			out[k] = v
		}
		for k, v := range over {
			out[k] = v
			if v == "" {
				delete(out, k)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		flow        string
		here, there Fields
		at, back    time.Time
		write       []string
		reason      string
	}{
		"nothing changed":                     {flow: "out"},
		"one field here":                      {flow: "out", here: Fields{"name": quoted("B")}, write: []string{"name"}},
		"another field there":                 {flow: "out", here: Fields{"name": quoted("B")}, there: Fields{"email": quoted("b@x")}, write: []string{"name"}},
		"only there":                          {flow: "out", there: Fields{"email": quoted("b@x")}},
		"the same change on both sides":       {flow: "out", here: Fields{"name": quoted("B")}, there: Fields{"name": quoted("B")}},
		"later here":                          {flow: "in", here: Fields{"name": quoted("B")}, there: Fields{"name": quoted("C")}, at: noon.Add(time.Second), back: noon, write: []string{"name"}},
		"later there":                         {flow: "out", here: Fields{"name": quoted("B")}, there: Fields{"name": quoted("C")}, at: noon, back: noon.Add(time.Second), reason: `name "B" gives way to "C" on the other side: it changed last`},
		"within one second the first flow":    {flow: "out", here: Fields{"name": quoted("B")}, there: Fields{"name": quoted("C")}, at: noon, back: noon.Add(time.Millisecond), write: []string{"name"}},
		"within one second the second flow":   {flow: "in", here: Fields{"name": quoted("B")}, there: Fields{"name": quoted("C")}, at: noon.Add(time.Millisecond), back: noon, reason: `name "B" gives way to "C" on the other side: both changed at the same time`},
		"the owner, though earlier":           {flow: "out", here: Fields{"address": `{"city":"N"}`}, there: Fields{"address": `{"city":"C"}`}, at: noon, back: noon.Add(time.Hour), write: []string{"address"}},
		"not the owner, though later":         {flow: "in", here: Fields{"address": `{"city":"N"}`}, at: noon, reason: "left to the other side, which owns it: address"},
		"not the owner, where there is none":  {flow: "in", here: Fields{"address": `{"city":"N"}`}, there: Fields{"address": ""}, write: []string{"address"}},
		"emptied here":                        {flow: "out", here: Fields{"email": ""}, reason: "emptied here, left as it is on the other side: email"},
		"emptied there, changed here":         {flow: "out", here: Fields{"email": quoted("b@x")}, there: Fields{"email": ""}, write: []string{"email"}},
		"what only this flow writes, written": {flow: "out", here: Fields{"marks": `{"source":"1"}`}, write: []string{"marks"}},
	} {
		t.Run(name, func(t *testing.T) {
			there := with(c.there)
			got := r.Flow(c.flow).Merge(Meeting{
				Want: with(c.here), Agreed: base, Back: there, BackAgreed: base, There: there, ChangedAt: c.at, BackSince: c.back,
			})
			if diff := cmp.Diff(c.write, got.Write); diff != "" {
				t.Errorf("write (-want +got):\n%s", diff)
			}
			if got.Reason() != c.reason {
				t.Errorf("reason: got %q, want %q", got.Reason(), c.reason)
			}
		})
	}
}

// Whatever happened on both sides, the two flows never both write a field, and
// never both leave a contested one.
func TestBothFlowsDecideAContestTheSameWay(t *testing.T) {
	r := parsed(t, mergingRecipe)
	noon := time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
	base := Fields{"name": quoted("Ada"), "phone": quoted("1"), "address": quoted("W")}
	a, b := Fields{"name": quoted("B"), "phone": quoted("2"), "address": quoted("N")}, Fields{"name": quoted("C"), "phone": quoted("3"), "address": quoted("C")}
	for _, shift := range []time.Duration{-time.Hour, -time.Second, 0, time.Millisecond, time.Second, time.Hour} {
		out := r.Flow("out").Merge(Meeting{Want: a, Agreed: base, Back: b, BackAgreed: base, There: b, ChangedAt: noon, BackSince: noon.Add(shift)})
		in := r.Flow("in").Merge(Meeting{Want: b, Agreed: base, Back: a, BackAgreed: base, There: a, ChangedAt: noon.Add(shift), BackSince: noon})
		writes := map[string]int{}
		for _, name := range append(out.Write, in.Write...) {
			writes[name]++
		}
		if diff := cmp.Diff(map[string]int{"name": 1, "phone": 1, "address": 1}, writes); diff != "" {
			t.Errorf("shift %s (-want +got):\n%s", shift, diff)
		}
	}
}

func TestOnlyKeepsTheNamedFields(t *testing.T) {
	rec := connector.Record{Entity: connector.EntityContact, ID: "c1", Contact: &connector.Contact{
		Name: "Ada", Email: "a@x", Address: connector.Address{City: "Wellington"}, Marks: map[string]string{"source": "1"},
	}}
	got, err := Only(rec, []string{"address", "marks", "phone"})
	if err != nil {
		t.Fatal(err)
	}
	want := connector.Record{Entity: connector.EntityContact, ID: "c1", Contact: &connector.Contact{
		Address: connector.Address{City: "Wellington"}, Marks: map[string]string{"source": "1"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
