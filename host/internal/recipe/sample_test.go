package recipe

import (
	"reflect"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// sample sets the i-th field of a Go struct to something. The tables list their
// fields in the order of the SDK's structs.
func sample(t *testing.T, ptr any, i int) {
	t.Helper()
	f := reflect.ValueOf(ptr).Elem().Field(i)
	switch p := f.Addr().Interface().(type) {
	case *money.Amount:
		*p = money.MustNew(5, "NZD")
	case *money.Decimal:
		d, err := money.ParseDecimal("1.5")
		if err != nil {
			t.Fatal(err)
		}
		*p = d
	case *connector.Date:
		*p = connector.Date{Year: 2026, Month: 9, Day: 14}
	case *time.Time:
		*p = time.Unix(1_800_000_000, 0).UTC()
	case *connector.Address:
		p.City = "Wellington"
	case *[]connector.InvoiceLine:
		*p = []connector.InvoiceLine{{Description: "x", Amount: money.MustNew(5, "NZD")}}
	case *[]string:
		*p = []string{"x", "y"}
	case *map[string]string:
		*p = map[string]string{"x": "y"}
	case *map[string]connector.Value:
		yes := true
		*p = map[string]connector.Value{"x": {Flag: &yes}}
	case **bool:
		no := false
		*p = &no
	case **int64:
		n := int64(0)
		*p = &n
	default:
		f.SetString("x")
	}
}
