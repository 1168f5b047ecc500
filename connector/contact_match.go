package connector

import (
	"slices"
	"strings"
	"unicode"
)

// Which of a service's contacts is meant by one that nothing links yet? Our mark
// decides, else the e-mail address, else the name, both without regard to case
// and spacing. One candidate is taken; two are a person's decision, never a
// guess. A contact with the same name and another e-mail address is somebody
// else, and so is one that bears another record's mark.

// ContactMatch says which contact is meant: none, one, or several for a person
// to choose from.
type ContactMatch struct {
	ID         string   // empty: none, or several
	Why        MatchWhy // what they have in common
	Candidates []string // two or more; their order is that of the contacts
}

// MatchWhy is what two contacts have in common.
type MatchWhy string

// What contacts are matched by, the strongest first.
const (
	MatchMark  MatchWhy = "our mark"
	MatchEmail MatchWhy = "e-mail address"
	MatchName  MatchWhy = "name"
)

// MatchContact chooses among contacts of one service. Archived, merged and
// deleted ones are never meant. Aliases are further names that only the wanted
// contact can have, such as the one that it gets where its own is taken.
func MatchContact(want *Contact, among []Record, aliases ...string) ContactMatch {
	by := map[MatchWhy][]string{}
	for _, rec := range among {
		if why := want.isLike(rec, aliases); why != "" && !slices.Contains(by[why], rec.ID) {
			by[why] = append(by[why], rec.ID)
		}
	}
	if found := by[MatchMark]; len(found) > 0 {
		return ContactMatch{ID: found[0], Why: MatchMark} // two bear it when one was made twice: either is ours
	}
	for _, why := range []MatchWhy{MatchEmail, MatchName} {
		switch found := by[why]; len(found) {
		case 0:
		case 1:
			return ContactMatch{ID: found[0], Why: why}
		default:
			return ContactMatch{Why: why, Candidates: found}
		}
	}
	return ContactMatch{}
}

// isLike says what a wanted contact and a record have in common; "" for nothing.
func (c *Contact) isLike(rec Record, aliases []string) MatchWhy {
	there := rec.Contact
	if rec.Gone || there == nil || there.Status == ContactArchived || there.MergedInto != "" {
		return ""
	}
	ours := len(c.Marks) > 0
	for k, v := range c.Marks {
		switch there.Marks[k] {
		case v:
		case "":
			ours = false
		default:
			return ""
		}
	}
	email, name := FoldText(there.Email), FoldText(there.Name)
	switch mine := FoldText(c.Email); {
	case ours:
		return MatchMark
	case mine != "" && mine == email:
		return MatchEmail
	case name == "":
	case slices.ContainsFunc(aliases, func(a string) bool { return FoldText(a) == name }):
		return MatchName
	case name == FoldText(c.Name) && (mine == "" || email == ""):
		return MatchName
	}
	return ""
}

// FoldText brings a name or an e-mail address into the form in which they are
// compared: lower case, single spaces, no angle brackets, which not every
// service can hold.
func FoldText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '<' || r == '>' || unicode.IsControl(r) {
			return ' '
		}
		return unicode.ToLower(r)
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
