package main

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ml-connector/ml-connector/connector"
)

// Who is meant by a contact that we have no id for is the rule of
// connector.MatchContact. Names are unique here, so a contact whose name somebody
// else has gets one other name, and is known by that as well.

const nameRunesMax = 255

// cleanName brings a name into the form that the service accepts: no angle
// brackets, single spaces, 255 letters.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == '<' || r == '>' || unicode.IsControl(r) {
			return ' '
		}
		return r
	}, name)
	return cutRunes(strings.Join(strings.Fields(name), " "), nameRunesMax)
}

func cutRunes(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return strings.TrimSpace(string(r[:n]))
	}
	return s
}

// renamed is the one other name that a contact may get when its own is taken.
// It is the same at every attempt.
func renamed(w connector.Write) string { return renamedWith(w, w.Record.Contact.Email) }

// renamedWith is the other name of a contact whose e-mail address the write does
// not set.
func renamedWith(w connector.Write, suffix string) string {
	if suffix == "" {
		suffix = w.Key[max(0, len(w.Key)-6):]
	}
	suffix = cutRunes(cleanName(suffix), 100)
	return cutRunes(cleanName(w.Record.Contact.Name), nameRunesMax-len([]rune(suffix))-3) + " (" + suffix + ")"
}

func folded(s string) string { return connector.FoldText(s) }

// match is what was found for one wanted contact.
type match struct {
	found      *contactForm
	candidates []string // two or more: a person decides
	taken      bool     // somebody else has the name
}

// findContacts reads every contact that one of the writes may mean, in one or
// two calls.
func (a *api) findContacts(ctx context.Context, writes []connector.Write) ([]contactForm, error) {
	var filters, terms []string
	add := func(field, text string) {
		if filter, ok := textIs(field, text); ok {
			if !slices.Contains(filters, filter) {
				filters = append(filters, filter)
			}
		} else if term := searchable(text); term != "" && !slices.Contains(terms, term) {
			terms = append(terms, term)
		}
	}
	for _, w := range writes {
		want := w.Record.Contact
		if want.Email != "" {
			add("EmailAddress", strings.TrimSpace(want.Email))
		}
		add("Name", cleanName(want.Name))
		if want.Email == "" { // else it has that address
			add("Name", renamed(w))
		}
	}
	var out []contactForm
	for _, where := range anyOf(filters) {
		found, err := a.contactsBy(ctx, url.Values{"where": {where}}, lookupRows)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	for _, term := range terms {
		found, err := a.contactsBy(ctx, url.Values{"searchTerm": {term}}, lookupRows)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return distinct(out), nil
}

// searchable is the longest part of a text that a filter cannot carry whole.
func searchable(text string) string {
	longest := ""
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == '"' || r == '\\' || unicode.IsControl(r) }) {
		if part = strings.TrimSpace(part); len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

func distinct(list []contactForm) []contactForm {
	seen := map[string]bool{}
	var out []contactForm
	for _, c := range list {
		if !seen[c.ContactID] {
			seen[c.ContactID] = true
			out = append(out, c)
		}
	}
	return out
}

// matchContact decides which of the contacts is meant.
func matchContact(w connector.Write, all []contactForm) match {
	want, other := *w.Record.Contact, renamed(w)
	want.Name = cleanName(want.Name)
	var m match
	among := make([]connector.Record, 0, len(all))
	for i := range all {
		among = append(among, all[i].record())
		m.taken = m.taken || all[i].active() && folded(all[i].Name) == folded(want.Name)
	}
	found := connector.MatchContact(&want, among, other)
	m.candidates = found.Candidates
	for i := range all {
		if found.ID != "" && sameID(all[i].ContactID, found.ID) {
			m.found = &all[i]
		}
	}
	return m
}

// severalContacts is the question for a person.
func severalContacts(w connector.Write, ids []string) *connector.Error {
	e := connector.Errorf(connector.Conflict, "xero: match contact", "%s contacts in Xero may be %q", strconv.Itoa(len(ids)), w.Record.Contact.Name)
	e.Candidates = ids
	return e.WithRemedy("merge the contacts in Xero, or link the right one")
}
