package stripe

import (
	"net/http"
	"regexp"
)

// taxID belongs to a customer. It cannot be changed, only made and deleted.
type taxID struct {
	id       string
	created  int64
	customer string
	kind     string
	value    string
}

// taxIDShapes holds the types that are modelled, with the shape of their values.
var taxIDShapes = map[string]*regexp.Regexp{
	"nz_gst": regexp.MustCompile(`^\d{8,9}$|^\d{2,3}-\d{3}-\d{3}$`),
	"au_abn": regexp.MustCompile(`^\d{11}$`),
	"gb_vat": regexp.MustCompile(`^GB(\d{9}|\d{12})$`),
	"eu_vat": regexp.MustCompile(`^[A-Z]{2}[0-9A-Z]{8,12}$`),
	"us_ein": regexp.MustCompile(`^\d{2}-\d{7}$`),
	"za_vat": regexp.MustCompile(`^4\d{9}$`),
	"sg_gst": regexp.MustCompile(`^[0-9A-Z]{8,10}$`),
}

func (s *Server) readTaxID(p *params, owner string) *taxID {
	t := &taxID{id: newID("txi"), created: s.now.Unix(), customer: owner, kind: p.need("type"), value: p.need("value")}
	shape, ok := taxIDShapes[t.kind]
	switch {
	case t.kind == "" || t.value == "": // already refused
	case !ok:
		p.fail(refuse("", p.full("type"), "The sandbox does not model tax ids of type %s.", t.kind))
	case !shape.MatchString(t.value):
		p.fail(refuse("tax_id_invalid", p.full("value"), "Invalid value for %s.", t.kind))
	}
	return t
}

func (s *Server) createTaxID(c *call) (obj, error) {
	x, err := found(c, &s.customers, "customer")
	if err == nil && x.deleted {
		err = missingObject(http.StatusNotFound, "customer", "id", x.id)
	}
	if err != nil {
		return nil, err
	}
	t := s.readTaxID(c.p, x.id)
	if err := c.p.done(); err != nil {
		return nil, err
	}
	s.taxIDs.add(t.id, t)
	s.emit("customer.tax_id.created", s.renderTaxID(t), nil)
	return s.renderTaxID(t), nil
}

func (s *Server) listTaxIDs(c *call) (obj, error) {
	x, err := found(c, &s.customers, "customer")
	if err != nil {
		return nil, err
	}
	return page(c, listing[*taxID]{noun: "tax_id", all: s.taxIDs.all,
		id:     func(t *taxID) string { return t.id },
		keep:   func(t *taxID) bool { return t.customer == x.id },
		render: s.renderTaxID})
}

func (s *Server) findTaxID(c *call) (*taxID, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	t, ok := s.taxIDs.get(c.args[1])
	if !ok || t.customer != c.args[0] {
		return nil, missingObject(http.StatusNotFound, "tax_id", "id", c.args[1])
	}
	return t, nil
}

func (s *Server) getTaxID(c *call) (obj, error) {
	t, err := s.findTaxID(c)
	if err != nil {
		return nil, err
	}
	return s.renderTaxID(t), nil
}

func (s *Server) deleteTaxID(c *call) (obj, error) {
	t, err := s.findTaxID(c)
	if err != nil {
		return nil, err
	}
	last := s.renderTaxID(t)
	s.taxIDs.remove(func(x *taxID) bool { return x == t }, func(x *taxID) string { return x.id })
	s.emit("customer.tax_id.deleted", last, nil)
	return obj{"id": t.id, "object": "tax_id", "deleted": true}, nil
}

func (s *Server) embeddedTaxIDs(x *customer) obj {
	data := []any{}
	for i := len(s.taxIDs.all) - 1; i >= 0; i-- {
		if t := s.taxIDs.all[i]; t.customer == x.id {
			data = append(data, s.renderTaxID(t))
		}
	}
	return embedded("/v1/customers/"+x.id+"/tax_ids", data, false)
}

func (s *Server) renderTaxID(t *taxID) obj {
	return obj{"id": t.id, "object": "tax_id", "country": orNull(countryOf(t)), "created": t.created,
		"customer": s.customerRef(t.customer), "livemode": s.live, "type": t.kind, "value": t.value,
		"owner":        obj{"type": "customer", "customer": t.customer},
		"verification": obj{"status": "unavailable", "verified_address": nil, "verified_name": nil}}
}

func countryOf(t *taxID) string {
	if t.kind == "eu_vat" {
		return t.value[:2]
	}
	return map[string]string{"nz_gst": "NZ", "au_abn": "AU", "gb_vat": "GB", "us_ein": "US", "za_vat": "ZA", "sg_gst": "SG"}[t.kind]
}
