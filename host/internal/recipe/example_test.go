package recipe_test

import (
	"fmt"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

const contacts = `
recipe: contacts
connections:
  books: {connector: paper}
  shop: {connector: glass}
flows:
  out:
    from: books.contact
    to: shop.contact
    skip:
      - {when: "contact.email == ''", because: no e-mail address}
    map:
      name: contact.name
      email: contact.email
`

func ExampleParse() {
	_, err := recipe.Parse("contacts.yaml", []byte("recipe: contacts\nflow: {}\n"))
	fmt.Println(err)
	// Output:
	// contacts.yaml:1:1: a recipe needs 'connections' and 'flows'
	// contacts.yaml:2:1: unknown key 'flow' in a recipe (did you mean 'flows'?)
}

func ExampleFlow_Evaluate() {
	r, err := recipe.Parse("contacts.yaml", []byte(contacts))
	if err != nil {
		fmt.Println(err)
		return
	}
	params, err := r.Bind(nil, connector.Date{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, email := range []string{"ada@example.com", ""} {
		d, err := r.Flow("out").Evaluate(recipe.Input{
			Params: params,
			Record: connector.Record{Entity: connector.EntityContact, ID: "1", Contact: &connector.Contact{Name: "Ada", Email: email}},
		})
		switch {
		case err != nil:
			fmt.Println(err)
		case d.Skip != nil:
			fmt.Println("skipped:", d.Skip.Reason)
		case d.Want != nil:
			fmt.Println("wanted:", d.Want.Record.Contact.Name, d.Want.Record.Contact.Email)
		}
	}
	// Output:
	// wanted: Ada ada@example.com
	// skipped: no e-mail address
}
