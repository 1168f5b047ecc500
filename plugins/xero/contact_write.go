package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/ml-connector/ml-connector/connector"
)

// contactChange is what is sent: only the fields that are to change.
type contactChange struct {
	ContactID    string        `json:",omitempty"`
	Name         string        `json:",omitempty"`
	EmailAddress string        `json:",omitempty"`
	Phones       []phoneForm   `json:",omitempty"`
	Addresses    []addressForm `json:",omitempty"`
}

func (c contactChange) empty() bool {
	return c.Name == "" && c.EmailAddress == "" && c.Phones == nil && c.Addresses == nil
}

// contactJob is one wanted contact on its way.
type contactJob struct {
	write  connector.Write
	want   *connector.Contact
	out    *connector.Outcome
	result connector.Result // what a successful change makes of it
	change contactChange
	rename bool // our own name was refused: use the other one
}

func (j *contactJob) settled() bool { return j.out.Result != "" || j.out.Err != nil }

func (j *contactJob) fail(err error) { *j.out = connector.Failed(err, "xero: write contact") }

func (j *contactJob) succeed(result connector.Result, c contactForm) {
	rec := c.record()
	*j.out = connector.Outcome{Result: result, ID: rec.ID, Record: &rec, Effects: []connector.Effect{{What: "contact", ID: rec.ID}}}
}

// upsertContacts takes two rounds at most: the second is for contacts whose
// name was refused, or that mean the same as another one of the call.
func (a *api) upsertContacts(ctx context.Context, writes []connector.Write) []connector.Outcome {
	outs := make([]connector.Outcome, len(writes))
	var jobs []*contactJob
	for i, w := range writes {
		j := &contactJob{write: w, want: w.Record.Contact, out: &outs[i]}
		if err := checkContact(w); err != nil {
			j.fail(err)
			continue
		}
		jobs = append(jobs, j)
	}
	for round := 1; round <= 2 && len(jobs) > 0; round++ {
		jobs = a.contactRound(ctx, jobs)
	}
	for _, j := range jobs {
		j.fail(connector.Errorf(connector.Conflict, "xero: write contact", "the contact cannot be told from another one with the same name").
			WithRemedy("rename one of the two contacts"))
	}
	return outs
}

func checkContact(w connector.Write) error {
	const op = "xero: write contact"
	switch c := w.Record.Contact; {
	case c == nil:
		return connector.Errorf(connector.Invalid, op, "the write holds no contact")
	case w.TargetID != "" && !isID(w.TargetID):
		return connector.Errorf(connector.Invalid, op, "%q is not an id of Xero", w.TargetID)
	case w.TargetID == "" && cleanName(c.Name) == "":
		return connector.Errorf(connector.Invalid, op, "a contact needs a name").WithRemedy("give the contact a name")
	case c.Status == connector.ContactArchived:
		return connector.Errorf(connector.Invalid, op, "the connector archives no contacts").WithRemedy("archive the contact in Xero")
	}
	return nil
}

// contactRound plans, writes, and returns the jobs for another round.
func (a *api) contactRound(ctx context.Context, jobs []*contactJob) []*contactJob {
	deferred := a.planContacts(ctx, jobs)
	var creates, updates []*contactJob
	for _, j := range jobs {
		switch {
		case j.settled() || contains(deferred, j):
		case j.change.ContactID == "":
			creates = append(creates, j)
		default:
			updates = append(updates, j)
		}
	}
	deferred = append(deferred, a.sendContacts(ctx, http.MethodPut, creates)...)
	return append(deferred, a.sendContacts(ctx, http.MethodPost, updates)...)
}

func contains(list []*contactJob, j *contactJob) bool {
	for _, one := range list {
		if one == j {
			return true
		}
	}
	return false
}

// planContacts reads what is there and fills in each job's change, or settles
// it. It returns the jobs that mean a contact which another job will make.
func (a *api) planContacts(ctx context.Context, jobs []*contactJob) []*contactJob {
	var ids []string
	var unknown []connector.Write
	for _, j := range jobs {
		if j.write.TargetID != "" {
			ids = append(ids, j.write.TargetID)
		} else {
			unknown = append(unknown, j.write)
		}
	}
	var known, around []contactForm
	var err error
	if ids = guids(ids); len(ids) > 0 {
		known, err = a.readContacts(ctx, ids)
	}
	if err == nil && len(unknown) > 0 {
		around, err = a.findContacts(ctx, unknown)
	}
	if err != nil {
		for _, j := range jobs {
			j.fail(err)
		}
		return nil
	}
	var deferred []*contactJob
	making := map[string]bool{}
	for _, j := range jobs {
		if j.write.TargetID != "" {
			j.planKnown(known)
		} else if !j.planNew(around, making) {
			deferred = append(deferred, j)
		}
	}
	return deferred
}

// planKnown compares with the contact that we know it by.
func (j *contactJob) planKnown(known []contactForm) {
	const op = "xero: write contact"
	for _, c := range known {
		if !sameID(c.ContactID, j.write.TargetID) {
			continue
		}
		if !c.active() {
			e := connector.Errorf(connector.Conflict, op, "contact %q is archived in Xero", c.Name)
			if c.MergedToContactID != "" {
				e.Message = "contact " + c.Name + " was merged into another one in Xero"
				e.Candidates = []string{strings.ToLower(c.MergedToContactID)}
			}
			j.fail(e.WithRemedy("restore the contact in Xero, or link the one that replaces it"))
			return
		}
		j.change, j.result = j.differences(c), connector.Updated
		if j.change.empty() {
			j.succeed(connector.Unchanged, c)
		}
		return
	}
	j.fail(connector.Errorf(connector.NotFound, op, "contact %s is not in Xero", j.write.TargetID))
}

// planNew looks for the contact among those around, and reports false when an
// earlier job of this round is about to make it.
func (j *contactJob) planNew(around []contactForm, making map[string]bool) bool {
	m := matchContact(j.write, around)
	if len(m.candidates) > 0 {
		j.fail(severalContacts(j.write, m.candidates))
		return true
	}
	if m.found != nil {
		// From the second attempt on it may well be our own, whose answer was lost.
		if j.write.Attempt > 1 && j.differences(*m.found).empty() {
			j.succeed(connector.Unchanged, *m.found)
			return true
		}
		j.change, j.result = j.gaps(*m.found), connector.Adopted
		if j.change.empty() {
			j.succeed(connector.Adopted, *m.found)
		}
		return true
	}
	j.change, j.result = j.whole(), connector.Created
	if m.taken || j.rename {
		j.change.Name = renamed(j.write)
	}
	for _, key := range []string{"name " + folded(j.change.Name), "email " + folded(j.want.Email)} {
		if key != "email " && making[key] {
			return false
		}
		making[key] = true
	}
	return true
}

// whole is the change that makes the contact.
func (j *contactJob) whole() contactChange {
	ch := contactChange{Name: cleanName(j.want.Name), EmailAddress: strings.TrimSpace(j.want.Email)}
	if j.want.Phone != "" {
		ch.Phones = phoneChange(j.want.Phone)
	}
	if j.want.Address != (connector.Address{}) {
		ch.Addresses = []addressForm{addressChange("POBOX", j.want.Address)}
	}
	return ch
}

// differences are the wanted fields that the contact has otherwise. A wanted
// field that is empty is left alone.
func (j *contactJob) differences(c contactForm) contactChange {
	ch := contactChange{ContactID: c.ContactID}
	other := renamed(j.write)
	if j.want.Email == "" {
		other = renamedWith(j.write, c.EmailAddress)
	}
	if name := cleanName(j.want.Name); name != "" && name != c.Name && c.Name != other {
		ch.Name = name
		if j.rename {
			ch.Name = other
		}
	}
	if email := strings.TrimSpace(j.want.Email); email != "" && !strings.EqualFold(email, c.EmailAddress) {
		ch.EmailAddress = email
	}
	if j.want.Phone != "" && digits(j.want.Phone) != digits(c.phone()) {
		ch.Phones = phoneChange(j.want.Phone)
	}
	if have := c.address(); j.want.Address != (connector.Address{}) {
		if merged := overlay(have, j.want.Address); merged != have {
			ch.Addresses = []addressForm{addressChange(c.addressKind(), merged)}
		}
	}
	return ch
}

// gaps are the wanted fields that the contact lacks: what a person wrote is
// never overwritten by adopting their contact.
func (j *contactJob) gaps(c contactForm) contactChange {
	ch := contactChange{ContactID: c.ContactID}
	if c.EmailAddress == "" {
		ch.EmailAddress = strings.TrimSpace(j.want.Email)
	}
	if c.phone() == "" && j.want.Phone != "" {
		ch.Phones = phoneChange(j.want.Phone)
	}
	if c.address() == (connector.Address{}) && j.want.Address != (connector.Address{}) {
		ch.Addresses = []addressForm{addressChange("POBOX", j.want.Address)}
	}
	return ch
}

func phoneChange(phone string) []phoneForm {
	return []phoneForm{{PhoneType: "DEFAULT", PhoneNumber: cutRunes(strings.TrimSpace(phone), 50)}}
}

func addressChange(kind string, a connector.Address) addressForm {
	return addressForm{AddressType: kind, AddressLine1: cutRunes(a.Line1, 500), AddressLine2: cutRunes(a.Line2, 500),
		City: cutRunes(a.City, 255), Region: cutRunes(a.Region, 255), PostalCode: cutRunes(a.PostalCode, 50), Country: cutRunes(a.Country, 50)}
}

// addressKind is the kind of the address that address returns.
func (c contactForm) addressKind() string {
	only := contactForm{}
	for _, f := range c.Addresses {
		if f.AddressType == "STREET" {
			only.Addresses = append(only.Addresses, f)
		}
	}
	if have := c.address(); have != (connector.Address{}) && have == only.address() {
		return "STREET"
	}
	return "POBOX"
}

// overlay is a with the parts that b sets.
func overlay(a, b connector.Address) connector.Address {
	for _, part := range []struct{ to, from *string }{
		{&a.Line1, &b.Line1}, {&a.Line2, &b.Line2}, {&a.City, &b.City}, {&a.Region, &b.Region}, {&a.PostalCode, &b.PostalCode}, {&a.Country, &b.Country},
	} {
		if v := strings.TrimSpace(*part.from); v != "" {
			*part.to = v
		}
	}
	return a
}

// digits compares phone numbers without their punctuation.
func digits(phone string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return r
		}
		return -1
	}, phone)
}

// answers reports whether an element of the answer is about this contact. One
// that was refused has the id of zeros.
func (j *contactJob) answers(c contactForm) bool {
	if sameID(c.ContactID, j.change.ContactID) {
		return true
	}
	sameName := folded(c.Name) == folded(j.change.Name)
	return sameName && (j.change.ContactID == "" || !isID(c.ContactID) && c.bad())
}

// sendContacts writes the changes in one request and returns the jobs whose
// name was refused for the first time.
func (a *api) sendContacts(ctx context.Context, method string, jobs []*contactJob) []*contactJob {
	if len(jobs) == 0 {
		return nil
	}
	r := request{op: "xero: write contacts", method: method, path: accounting + "/Contacts",
		query: url.Values{"summarizeErrors": {"false"}}, step: "contacts"}
	var changes []contactChange
	for _, j := range jobs {
		changes = append(changes, j.change)
		r.writes = append(r.writes, j.write)
	}
	r.body = map[string]any{"Contacts": changes}
	elements, err := writeElements(ctx, a, r, func(env *envelope) []contactForm { return env.Contacts })
	if err != nil {
		for _, j := range jobs {
			j.fail(err)
		}
		return nil
	}
	var again []*contactJob
	for i, j := range jobs {
		c, ok := pick(elements, i, len(jobs), j.answers)
		switch {
		case !ok:
			j.fail(unpromised(r, "the answer does not say what became of the contact"))
		case c.bad() && says(c.messages(), textNameTaken) && !j.rename:
			j.rename = true
			again = append(again, j)
		case c.bad():
			j.fail(refusedBecause(r.op, c.messages()))
		case !isID(c.ContactID):
			j.fail(unpromised(r, "the answer names no contact"))
		default:
			j.succeed(j.result, c)
		}
	}
	return again
}
