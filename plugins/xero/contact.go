package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
)

// contactForm is a contact as the service has it.
type contactForm struct {
	ContactID         string
	Name              string
	EmailAddress      string
	ContactNumber     string
	ContactStatus     string
	DefaultCurrency   string
	MergedToContactID string
	Phones            []phoneForm
	Addresses         []addressForm
	UpdatedDateUTC    instant
	issues
}

type phoneForm struct {
	PhoneType        string
	PhoneNumber      string
	PhoneAreaCode    string `json:",omitempty"`
	PhoneCountryCode string `json:",omitempty"`
}

type addressForm struct {
	AddressType  string
	AddressLine1 string `json:",omitempty"`
	AddressLine2 string `json:",omitempty"`
	AddressLine3 string `json:",omitempty"`
	AddressLine4 string `json:",omitempty"`
	City         string `json:",omitempty"`
	Region       string `json:",omitempty"`
	PostalCode   string `json:",omitempty"`
	Country      string `json:",omitempty"`
}

// active reports whether documents can be made for the contact.
func (c contactForm) active() bool { return c.ContactStatus == "" || c.ContactStatus == "ACTIVE" }

// phone is the default phone number in one text.
func (c contactForm) phone() string {
	for _, p := range c.Phones {
		if p.PhoneType == "DEFAULT" && p.PhoneNumber != "" {
			return strings.Join(strings.Fields(p.PhoneCountryCode+" "+p.PhoneAreaCode+" "+p.PhoneNumber), " ")
		}
	}
	return ""
}

// address is the postal address, or the street address when only that is set.
func (c contactForm) address() connector.Address {
	for _, kind := range []string{"POBOX", "STREET"} {
		for _, f := range c.Addresses {
			if f.AddressType != kind {
				continue
			}
			rest := strings.Join(nonEmpty(f.AddressLine2, f.AddressLine3, f.AddressLine4), ", ")
			adr := connector.Address{Line1: f.AddressLine1, Line2: rest, City: f.City, Region: f.Region, PostalCode: f.PostalCode, Country: f.Country}
			if adr != (connector.Address{}) {
				return adr
			}
		}
	}
	return connector.Address{}
}

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// record is the contact in the host's words.
func (c contactForm) record() connector.Record {
	status := connector.ContactActive
	if !c.active() {
		status = connector.ContactArchived
	}
	extra := map[string]connector.Value{}
	if c.ContactNumber != "" {
		extra["contact_number"] = connector.Value{Text: c.ContactNumber}
	}
	body := connector.Contact{
		Name: c.Name, Email: c.EmailAddress, Phone: c.phone(), Address: c.address(), Status: status,
		Currency: c.DefaultCurrency, MergedInto: strings.ToLower(c.MergedToContactID),
		Marks: map[string]string{}, Extra: extra,
	}
	return connector.Record{
		Entity: connector.EntityContact, ID: strings.ToLower(c.ContactID), UpdatedAt: c.UpdatedDateUTC.UTC(),
		Version: versionOf(c.UpdatedDateUTC, body.Name, body.Email, body.Phone, string(body.Status), body.MergedInto),
		Contact: &body,
	}
}

var contactFeed = feed{
	op: "xero: list contacts", path: "/Contacts",
	query: url.Values{"includeArchived": {"true"}},
	rows: func(env *envelope, _ bool) ([]row, bool) {
		var out []row
		for _, c := range env.Contacts {
			out = append(out, row{id: c.ContactID, updated: c.UpdatedDateUTC.Time, record: c.record()})
		}
		return out, env.Contacts != nil
	},
}

// readContacts reads contacts by id, archived ones too. It asks for a page:
// only then does the service say what a contact was merged into.
func (a *api) readContacts(ctx context.Context, ids []string) ([]contactForm, error) {
	return a.contactsBy(ctx, url.Values{"IDs": {strings.Join(ids, ",")}}, len(ids))
}

func (a *api) contactsBy(ctx context.Context, query url.Values, size int) ([]contactForm, error) {
	query.Set("includeArchived", "true")
	query.Set("page", "1")
	query.Set("pageSize", strconv.Itoa(size))
	r := request{op: "xero: read contacts", method: http.MethodGet, path: accounting + "/Contacts", query: query}
	var env envelope
	if _, err := a.call(ctx, r, &env); err != nil {
		return nil, err
	}
	if env.Contacts == nil {
		return nil, unpromised(r, "the answer holds no contacts")
	}
	return env.Contacts, nil
}

func (a *api) getContacts(ctx context.Context, ids []string) ([]connector.Record, error) {
	found, err := a.readContacts(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]connector.Record, 0, len(found))
	for _, c := range found {
		out = append(out, c.record())
	}
	return out, nil
}
