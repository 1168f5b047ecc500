package recipe

import "github.com/ml-connector/ml-connector/connector"

var addressStruct = newStruct("address", "A postal address; every part may be empty.",
	func() any { return new(connector.Address) },
	text("line1", "", func(a *connector.Address) *string { return &a.Line1 }),
	text("line2", "", func(a *connector.Address) *string { return &a.Line2 }),
	text("city", "", func(a *connector.Address) *string { return &a.City }),
	text("region", "", func(a *connector.Address) *string { return &a.Region }),
	text("postal_code", "", func(a *connector.Address) *string { return &a.PostalCode }),
	text("country", "", func(a *connector.Address) *string { return &a.Country }),
)

type contact = connector.Contact

var contactTable = newTable(connector.EntityContact,
	newStruct("contact", "A person or company that is invoiced or paid.", func() any { return new(contact) },
		text("name", "", func(c *contact) *string { return &c.Name }),
		text("email", "", func(c *contact) *string { return &c.Email }),
		text("phone", "", func(c *contact) *string { return &c.Phone }),
		structure("address", "", addressStruct, func(c *contact) *connector.Address { return &c.Address }),
		word("status", "", func(c *contact) *connector.ContactStatus { return &c.Status },
			connector.ContactActive, connector.ContactArchived),
		text("currency", "default currency; may be empty", func(c *contact) *string { return &c.Currency }),
		serviceSets(text("merged_into", "id of the survivor; empty unless merged", func(c *contact) *string { return &c.MergedInto })),
		textMap("marks", "our marks in the service, by name", func(c *contact) *map[string]string { return &c.Marks }),
		structMap("extra", "fields that only one service knows", valueStruct, func(c *contact) *map[string]connector.Value { return &c.Extra }),
	),
	func(r *connector.Record) **contact { return &r.Contact })
