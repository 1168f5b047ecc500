package xero

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Contacts. A name belongs to one active contact; a contact that is archived
// cannot be edited or brought back through the API:
// https://developer.xero.com/documentation/api/accounting/contacts

type contact struct {
	id, mergedInto               string
	name, first, last, email     string
	number, accountNumber        string
	taxNumber, companyNumber     string
	currency                     string // DefaultCurrency; may be empty
	phones, addresses            []object
	archived, customer, supplier bool
	updated                      time.Time
}

// contactPatch is what a request says about a contact; nil fields stay.
type contactPatch struct {
	id, status                                      string
	name, first, last, email                        *string
	number, accountNumber, taxNumber, companyNumber *string
	currency                                        *string
	phones, addresses                               []object
}

// text reads a field that may be absent (nil) or emptied ("").
func (f *fields) text(name string) *string {
	if !f.has(name) {
		return nil
	}
	s := f.str(name)
	return &s
}

func readContact(f *fields) (contactPatch, error) {
	p := contactPatch{id: f.str("ContactID"), status: f.str("ContactStatus"), name: f.text("Name"), first: f.text("FirstName"),
		last: f.text("LastName"), email: f.text("EmailAddress"), number: f.text("ContactNumber"),
		accountNumber: f.text("AccountNumber"), taxNumber: f.text("TaxNumber"), companyNumber: f.text("CompanyNumber"),
		currency: f.text("DefaultCurrency")}
	p.phones = readParts(f.list("Phones"), "PhoneType", "PhoneNumber", "PhoneAreaCode", "PhoneCountryCode")
	p.addresses = readParts(f.list("Addresses"), "AddressType", "AddressLine1", "AddressLine2", "AddressLine3", "AddressLine4",
		"City", "Region", "PostalCode", "Country", "AttentionTo")
	return p, f.finish()
}

func readParts(list []*fields, names ...string) []object {
	var out []object
	for _, f := range list {
		o := object{}
		for _, n := range names {
			if f.has(n) {
				o[n] = f.str(n)
			}
		}
		out = append(out, o)
	}
	return out
}

// mergeParts puts the parts of a request over the old ones of the same type.
func mergeParts(old, parts []object, typeName string) []object {
	out := slices.Clone(old)
	for _, p := range parts {
		i := slices.IndexFunc(out, func(o object) bool { return o[typeName] == p[typeName] })
		if i < 0 {
			out = append(out, p)
			continue
		}
		merged := object{}
		for k, v := range out[i] {
			merged[k] = v
		}
		for k, v := range p {
			merged[k] = v
		}
		out[i] = merged
	}
	return out
}

const (
	archivedEdit = "The specified contact details matched an archived contact. Archived contacts cannot currently be edited via the API."
	archivedUse  = "The contact with the specified contact details has been archived. The contact must be un-archived before creating new invoices or credit notes"
)

func (s *Server) contactByName(name string, archived bool) *contact {
	for _, x := range s.contacts.rows {
		if x.archived == archived && strings.EqualFold(x.name, name) {
			return x
		}
	}
	return nil
}

func (s *Server) contactByNumber(number string) *contact {
	for _, x := range s.contacts.rows {
		if number != "" && strings.EqualFold(x.number, number) {
			return x
		}
	}
	return nil
}

// saveContact creates a contact (old is nil) or changes one.
func (s *Server) saveContact(old *contact, p contactPatch) (*contact, error) {
	if old != nil && old.archived {
		return nil, refuse(archivedEdit)
	}
	next := contact{id: newID()}
	if old != nil {
		next = *old
	}
	for _, set := range []struct {
		to   *string
		from *string
		max  int
		name string
	}{{&next.name, p.name, 255, "Name"}, {&next.first, p.first, 255, "FirstName"}, {&next.last, p.last, 255, "LastName"},
		{&next.email, p.email, 255, "EmailAddress"}, {&next.number, p.number, 50, "ContactNumber"},
		{&next.accountNumber, p.accountNumber, 50, "AccountNumber"}, {&next.taxNumber, p.taxNumber, 50, "TaxNumber"},
		{&next.companyNumber, p.companyNumber, 50, "CompanyNumber"}, {&next.currency, p.currency, 3, "DefaultCurrency"}} {
		if set.from == nil {
			continue
		}
		if len([]rune(*set.from)) > set.max {
			return nil, refuse("The %s must not be more than %d characters long.", set.name, set.max)
		}
		*set.to = *set.from
	}
	next.phones = mergeParts(next.phones, p.phones, "PhoneType")
	next.addresses = mergeParts(next.addresses, p.addresses, "AddressType")
	if err := s.checkContact(next, p.status); err != nil {
		return nil, err
	}
	next.archived = p.status == "ARCHIVED"
	next.updated = s.now()
	if old == nil {
		s.contacts.add(s, next.id, &next)
		s.tell("CONTACT", "CREATE", next.id, nil)
		return &next, nil
	}
	keep(s, old)
	*old = next
	s.tell("CONTACT", "UPDATE", old.id, nil)
	return old, nil
}

func (s *Server) checkContact(x contact, status string) error {
	switch {
	case x.name == "":
		return refuse("The Contact Name must be specified.")
	case strings.ContainsAny(x.name, "<>"), strings.TrimSpace(x.name) != x.name, strings.Contains(x.name, "  "):
		return refuse("The contact name %s must have no angle brackets and no leading, trailing or double spaces.", x.name)
	case status != "" && status != "ACTIVE" && status != "ARCHIVED":
		return notModelled("ContactStatus %s", status)
	}
	if other := s.contactByName(x.name, false); other != nil && other.id != x.id {
		return refuse("The contact name %s is already assigned to another contact. The contact name must be unique across all active contacts.", x.name)
	}
	if other := s.contactByNumber(x.number); other != nil && other.id != x.id {
		return refuse("The contact number %s is already assigned to another contact.", x.number)
	}
	if x.currency != "" {
		return s.checkCurrency(x.currency)
	}
	return nil
}

// findForUpsert finds the contact that a POST means: by id, by number, by name.
// An unknown id refuses the whole request.
func (s *Server) findForUpsert(p contactPatch) (*contact, error) {
	if p.id != "" {
		x := s.contacts.get(p.id)
		if x == nil {
			return nil, notFound()
		}
		return x, nil
	}
	if p.number != nil {
		if x := s.contactByNumber(*p.number); x != nil {
			return x, nil
		}
	}
	if p.name == nil {
		return nil, nil
	}
	if x := s.contactByName(*p.name, false); x != nil {
		return x, nil
	}
	return s.contactByName(*p.name, true), nil
}

func (c *call) putContacts() (reply, error) {
	return c.write("Contacts", "ContactID", func(f *fields) (object, error) {
		p, err := readContact(f)
		if err != nil {
			return nil, err
		}
		if p.id != "" {
			return nil, notModelled("a ContactID in PUT /Contacts, which only creates")
		}
		x, err := c.s.saveContact(nil, p)
		if err != nil {
			return nil, err
		}
		return x.view(true), nil
	})
}

func (c *call) postContacts() (reply, error) {
	one := func(f *fields) (object, error) {
		p, err := readContact(f)
		if err != nil {
			return nil, err
		}
		if c.id != "" {
			if p.id != "" && !strings.EqualFold(p.id, c.id) {
				return nil, notModelled("a ContactID that differs from the path")
			}
			p.id = c.id
		}
		old, err := c.s.findForUpsert(p)
		if err != nil {
			return nil, err
		}
		x, err := c.s.saveContact(old, p)
		if err != nil {
			return nil, err
		}
		return x.view(true), nil
	}
	if c.id != "" {
		return c.writeOne("Contacts", "ContactID", one)
	}
	return c.write("Contacts", "ContactID", one)
}

func (c *call) listContacts() (reply, error) {
	ids, term := c.idSet("IDs"), strings.ToLower(c.query.Get("searchTerm"))
	return list(c, listing[contact]{plural: "Contacts", rows: c.s.contacts.rows, cols: contactColumns,
		updated: func(x *contact) time.Time { return x.updated },
		id:      func(x *contact) string { return x.id },
		only: func(x *contact) bool {
			text := strings.ToLower(strings.Join([]string{x.name, x.first, x.last, x.number, x.email, x.companyNumber}, "\n"))
			return in(ids, x.id) && (!x.archived || c.query.Get("includeArchived") == "true") && strings.Contains(text, term)
		},
		view: func(x *contact, full bool) object { return x.view(full && c.query.Get("summaryOnly") != "true") }})
}

func (c *call) getContact() (reply, error) {
	x := c.s.contacts.get(c.id)
	if x == nil {
		x = c.s.contactByNumber(c.id)
	}
	if x == nil {
		return reply{}, notFound()
	}
	return c.ok("Contacts", []object{x.view(true)}), nil
}

var contactColumns = columns[contact]{
	"contactid":      func(x *contact) value { return guidValue(x.id) },
	"name":           func(x *contact) value { return textValue(x.name) },
	"firstname":      func(x *contact) value { return textValue(x.first) },
	"lastname":       func(x *contact) value { return textValue(x.last) },
	"emailaddress":   func(x *contact) value { return textValue(x.email) },
	"contactnumber":  func(x *contact) value { return textValue(x.number) },
	"accountnumber":  func(x *contact) value { return textValue(x.accountNumber) },
	"contactstatus":  func(x *contact) value { return textValue(x.status()) },
	"iscustomer":     func(x *contact) value { return boolValue(x.customer) },
	"issupplier":     func(x *contact) value { return boolValue(x.supplier) },
	"updateddateutc": func(x *contact) value { return timeValue(x.updated) },
}

func (x *contact) status() string {
	if x.archived {
		return "ARCHIVED"
	}
	return "ACTIVE"
}

// view is the contact as the API shows it; a list without pages leaves out some.
func (x *contact) view(full bool) object {
	o := object{"ContactID": x.id, "ContactStatus": x.status(), "Name": x.name, "FirstName": x.first, "LastName": x.last,
		"EmailAddress": x.email, "BankAccountDetails": "", "Addresses": allParts(x.addresses, "AddressType", "STREET", "POBOX"),
		"Phones":        allParts(x.phones, "PhoneType", "DEFAULT", "DDI", "FAX", "MOBILE"),
		"ContactGroups": []object{}, "IsSupplier": x.supplier, "IsCustomer": x.customer, "HasAttachments": false,
		"HasValidationErrors": false, "UpdatedDateUTC": msDate(x.updated)}
	for name, v := range map[string]string{"ContactNumber": x.number, "AccountNumber": x.accountNumber, "TaxNumber": x.taxNumber,
		"CompanyNumber": x.companyNumber, "DefaultCurrency": x.currency} {
		if v != "" {
			o[name] = v
		}
	}
	if full {
		o["ContactPersons"] = []object{}
		if x.mergedInto != "" {
			o["MergedToContactID"] = x.mergedInto
		}
	}
	return o
}

// thin is the contact inside a record of a list without pages.
func (x *contact) thin() object {
	return object{"ContactID": x.id, "Name": x.name, "Addresses": []object{}, "Phones": []object{},
		"ContactGroups": []object{}, "ContactPersons": []object{}, "HasValidationErrors": false}
}

// allParts shows every type once, as Xero does, with what is known of it.
func allParts(parts []object, typeName string, types ...string) []object {
	out := []object{}
	for _, t := range types {
		o := object{typeName: t}
		for _, p := range parts {
			if p[typeName] == t {
				o = p
			}
		}
		out = append(out, o)
	}
	return out
}

// ContactInput is what a person enters for a contact. When a contact is edited,
// empty fields stay as they are.
type ContactInput struct {
	Name            string `json:"name"`
	FirstName       string `json:"first_name"`
	LastName        string `json:"last_name"`
	EmailAddress    string `json:"email_address"`
	ContactNumber   string `json:"contact_number"`
	DefaultCurrency string `json:"default_currency"`
	Phone           string `json:"phone"` // the default number, whole
	City            string `json:"city"`  // of the postal address
}

func (in ContactInput) patch() contactPatch {
	opt := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	var phones, addresses []object
	if in.Phone != "" {
		phones = []object{{"PhoneType": "DEFAULT", "PhoneNumber": in.Phone}}
	}
	if in.City != "" {
		addresses = []object{{"AddressType": "POBOX", "City": in.City}}
	}
	return contactPatch{phones: phones, addresses: addresses, name: opt(in.Name), first: opt(in.FirstName), last: opt(in.LastName), email: opt(in.EmailAddress),
		number: opt(in.ContactNumber), currency: opt(in.DefaultCurrency)}
}

// CreateContact is a person adding a contact.
func (s *Server) CreateContact(in ContactInput) (Contact, error) {
	return s.changeContact("", in.patch())
}

// EditContact is a person changing a contact.
func (s *Server) EditContact(id string, in ContactInput) (Contact, error) {
	return s.changeContact(id, in.patch())
}

// ArchiveContact is a person archiving a contact.
func (s *Server) ArchiveContact(id string) (Contact, error) {
	return s.changeContact(id, contactPatch{status: "ARCHIVED"})
}

// RestoreContact is a person bringing an archived contact back, which only the
// website can.
func (s *Server) RestoreContact(id string) (Contact, error) {
	var out Contact
	err := s.locked(func() error {
		x := s.contacts.get(id)
		if x == nil || !x.archived {
			return fmt.Errorf("no archived contact %q", id)
		}
		if s.contactByName(x.name, false) != nil {
			return refuse("The contact name %s is already assigned to another contact. The contact name must be unique across all active contacts.", x.name)
		}
		keep(s, x)
		x.archived, x.mergedInto, x.updated = false, "", s.now()
		s.tell("CONTACT", "UPDATE", x.id, nil)
		out = x.report()
		return nil
	})
	return out, err
}

// part is a field of the part of a type; empty when there is none.
func part(parts []object, typeName, of, name string) string {
	for _, p := range parts {
		if p[typeName] == of {
			text, _ := p[name].(string)
			return text
		}
	}
	return ""
}

func (s *Server) changeContact(id string, p contactPatch) (Contact, error) {
	var out Contact
	err := s.locked(func() error {
		var old *contact
		if id != "" {
			if old = s.contacts.get(id); old == nil {
				return fmt.Errorf("no contact %q", id)
			}
		}
		x, err := s.saveContact(old, p)
		if err == nil {
			out = x.report()
		}
		return err
	})
	return out, err
}

// MergeContacts is a person merging loser into survivor: its documents move, and
// it is archived.
func (s *Server) MergeContacts(loser, survivor string) error {
	return s.locked(func() error {
		from, to := s.contacts.get(loser), s.contacts.get(survivor)
		if from == nil || to == nil || from == to || from.archived || to.archived {
			return fmt.Errorf("cannot merge contact %q into %q", loser, survivor)
		}
		keep(s, from)
		keep(s, to)
		from.archived, from.mergedInto, from.updated = true, to.id, s.now()
		to.updated = s.now()
		for _, d := range s.documents.rows {
			if d.contact == from {
				keep(s, d)
				d.contact = to
				s.touch(d, "UPDATE")
			}
		}
		s.tell("CONTACT", "UPDATE", from.id, nil)
		s.tell("CONTACT", "UPDATE", to.id, nil)
		return nil
	})
}
