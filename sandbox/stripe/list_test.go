package stripe_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	stripego "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/sandbox"
	"github.com/ml-connector/ml-connector/sandbox/stripe"
)

// names lists customers by the SDK's iterator.
func names(b *bench, p *stripego.CustomerListParams) []string {
	b.t.Helper()
	var out []string
	it := b.api.Customers.List(p)
	for it.Next() {
		out = append(out, it.Customer().Name)
	}
	b.must(it.Err())
	return out
}

func TestListPaging(t *testing.T) {
	b := newBench(t, stripe.Config{})
	var ids []string
	for i := range 7 {
		c, err := b.api.Customers.New(&stripego.CustomerParams{Name: stripego.String(fmt.Sprint("c", i))})
		b.must(err)
		ids = append(ids, c.ID)
	}
	tests := []struct {
		name   string
		params stripego.ListParams
		want   []string
	}{
		{name: "all", params: stripego.ListParams{}, want: []string{"c6", "c5", "c4", "c3", "c2", "c1", "c0"}},
		{name: "all in small pages", params: stripego.ListParams{Limit: stripego.Int64(3)}, want: []string{"c6", "c5", "c4", "c3", "c2", "c1", "c0"}},
		{name: "one page", params: stripego.ListParams{Limit: stripego.Int64(3), Single: true}, want: []string{"c6", "c5", "c4"}},
		{name: "older than", params: stripego.ListParams{Limit: stripego.Int64(2), StartingAfter: &ids[3]}, want: []string{"c2", "c1", "c0"}},
		{name: "newer than, walking forward", params: stripego.ListParams{Limit: stripego.Int64(2), EndingBefore: &ids[1]}, want: []string{"c2", "c3", "c4", "c5", "c6"}},
		{name: "newer than the newest", params: stripego.ListParams{EndingBefore: &ids[6]}, want: nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := names(b, &stripego.CustomerListParams{ListParams: tt.params}); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	raw := b.ok(b.do("GET", "/v1/customers", "limit=2", "ending_before="+ids[1]))
	if raw.body["has_more"] != true || raw.body["url"] != "/v1/customers" || raw.body["object"] != "list" {
		t.Errorf("page before: %s", raw.raw)
	}
}

func TestListFilters(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	start := clock.Now().Unix()
	for _, email := range []string{"a@example.com", "A@example.com", "a@example.com"} {
		_, err := b.api.Customers.New(&stripego.CustomerParams{Name: stripego.String(email), Email: stripego.String(email)})
		b.must(err)
		clock.Advance(time.Hour)
	}
	if got := names(b, &stripego.CustomerListParams{Email: stripego.String("a@example.com")}); len(got) != 2 {
		t.Errorf("by email: %v, want the two with the same case", got)
	}
	since := &stripego.RangeQueryParams{GreaterThanOrEqual: start + 1800, LesserThan: start + 5400}
	if got := names(b, &stripego.CustomerListParams{CreatedRange: since}); !slices.Equal(got, []string{"A@example.com"}) {
		t.Errorf("by time: %v", got)
	}
}

func TestCustomerLife(t *testing.T) {
	b := newBench(t, stripe.Config{})
	c, err := b.api.Customers.New(&stripego.CustomerParams{Name: stripego.String("Ada"), Metadata: map[string]string{"a": "1", "b": "2"},
		Address:   &stripego.AddressParams{City: stripego.String("Wellington"), Country: stripego.String("NZ")},
		TaxIDData: []*stripego.CustomerTaxIDDataParams{{Type: stripego.String("nz_gst"), Value: stripego.String("123456789")}}})
	b.must(err)
	params := &stripego.CustomerParams{Metadata: map[string]string{"a": "", "c": "3"}, Name: stripego.String("Ada L.")}
	params.AddExpand("tax_ids")
	c, err = b.api.Customers.Update(c.ID, params)
	b.must(err)
	if c.Name != "Ada L." || c.Metadata["b"] != "2" || c.Metadata["c"] != "3" || len(c.Metadata) != 2 || c.Address.City != "Wellington" || len(c.TaxIDs.Data) != 1 {
		t.Errorf("updated: %+v", c)
	}
	events := b.ok(b.do("GET", "/v1/events", "type=customer.updated"))
	e := events.body["data"].([]any)[0].(map[string]any)
	prev := e["data"].(map[string]any)["previous_attributes"].(map[string]any)
	if meta := prev["metadata"].(map[string]any); prev["name"] != "Ada" || meta["a"] != "1" || meta["c"] != nil || len(prev) != 2 {
		t.Errorf("previous_attributes: %v", prev)
	}
	_, err = b.api.Customers.Del(c.ID, &stripego.CustomerParams{})
	b.must(err)
	gone, err := b.api.Customers.Get(c.ID, nil)
	b.must(err)
	if !gone.Deleted || len(names(b, &stripego.CustomerListParams{})) != 0 {
		t.Errorf("deleted: %+v", gone)
	}
	if got := b.do("POST", "/v1/invoices", "customer="+c.ID); got.status != 400 || got.errorField("code") != "resource_missing" {
		t.Errorf("invoice for a deleted customer: %s", got.raw)
	}
}

func TestSearchLags(t *testing.T) {
	clock := sandbox.NewClock()
	b := newBench(t, stripe.Config{Clock: clock})
	_, err := b.api.Customers.New(&stripego.CustomerParams{Name: stripego.String("O'Hara"), Email: stripego.String("o@example.com"),
		Metadata: map[string]string{"xero_contact_id": "c-1"}})
	b.must(err)
	find := func(query string) []string {
		var out []string
		it := b.api.Customers.Search(&stripego.CustomerSearchParams{SearchParams: stripego.SearchParams{Query: query}})
		for it.Next() {
			out = append(out, it.Customer().Name)
		}
		b.must(it.Err())
		return out
	}
	if got := find(`metadata['xero_contact_id']:'c-1'`); len(got) != 0 {
		t.Errorf("found at once: %v", got)
	}
	clock.Advance(time.Minute)
	tests := []struct {
		name, query string
		found       bool
	}{
		{name: "metadata", query: `metadata['xero_contact_id']:'c-1'`, found: true},
		{name: "metadata, double quotes", query: `metadata["xero_contact_id"]:"c-1"`, found: true},
		{name: "escaped quote", query: `name:'O\'Hara'`, found: true},
		{name: "both", query: `email:'o@example.com' AND name~'hara'`, found: true},
		{name: "one of two", query: `email:'x@example.com' OR name~'hara'`, found: true},
		{name: "not", query: `-email:'o@example.com'`},
		{name: "created", query: `created>100`, found: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := find(tt.query); (len(got) == 1) != tt.found {
				t.Errorf("got %v", got)
			}
		})
	}
	for _, query := range []string{"", "email", "email:'a' AND name:'b' OR name:'c'", "phone>'1'", "total>5", "email:'a' name:'b' x"} {
		if got := b.do("GET", "/v1/customers/search", "query="+query); got.status != 400 {
			t.Errorf("query %q: %d", query, got.status)
		}
	}
}
