package recipe

import (
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// evalIn compiles and computes an expression over an invoice.
func evalIn(t *testing.T, code string) (any, error) {
	t.Helper()
	sc, err := newScope(nil, map[string]*cel.Type{"invoice": invoiceTable.record.celType})
	if err != nil {
		t.Fatal(err)
	}
	ast, issues := sc.env.Compile(code)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := sc.env.Program(ast, cel.CostLimit(evaluationCostMax))
	if err != nil {
		t.Fatal(err)
	}
	quantity, err := money.ParseDecimal("2.5")
	if err != nil {
		t.Fatal(err)
	}
	rec := connector.Record{Entity: connector.EntityInvoice, ID: "inv-1", Invoice: &connector.Invoice{
		Number:    "INV-1",
		Currency:  "NZD",
		IssueDate: connector.Date{Year: 2026, Month: 9, Day: 14},
		AmountDue: money.MustNew(11500, "NZD"),
		Lines:     []connector.InvoiceLine{{Description: "Consulting", Quantity: quantity, Amount: money.MustNew(10000, "NZD")}},
		Marks:     map[string]string{"k": "v"},
		Extra:     map[string]connector.Value{"x": {Text: "y"}},
	}}
	v, err := (&expression{path: "test", program: program}).eval(map[string]any{"invoice": &object{of: invoiceTable.record, ptr: &rec}})
	if err != nil {
		return nil, err
	}
	return canonicalValue(v)
}

func TestExpressions(t *testing.T) {
	for _, tt := range []struct {
		name, code string
		want       any
	}{
		{"sum", "string(invoice.amount_due + money('0.05', 'nzd'))", "115.05 NZD"},
		{"difference", "string(invoice.amount_due - money('200', 'NZD'))", "-85.00 NZD"},
		{"negation", "string(-invoice.amount_due)", "-115.00 NZD"},
		{"money is equal", "invoice.amount_due == money('115', 'NZD')", true},
		{"another currency is not equal", "invoice.amount_due == money('115', 'USD')", false},
		{"money compares", "invoice.amount_due > money('114.99', 'NZD') && invoice.amount_due <= money('115', 'NZD')", true},
		{"currency of money", "invoice.amount_due.currency()", "NZD"},
		{"sign of money", "(-invoice.amount_due).sign()", int64(-1)},
		{"zero money", "money('0', 'JPY').is_zero()", true},
		{"unset money is not set", "has(invoice.total)", false},
		{"set money is set", "has(invoice.amount_due)", true},
		{"decimal arithmetic is exact", "string(decimal('0.1') + decimal('0.2') * decimal('3') - decimal('1'))", "-0.3"},
		{"decimal compares", "invoice.lines[0].quantity >= decimal('2.50')", true},
		{"decimals are equal by value", "decimal('2.50') == invoice.lines[0].quantity", true},
		{"decimal negation and sign", "(-decimal('2')).sign()", int64(-1)},
		{"zero decimal", "decimal('0.00').is_zero()", true},
		{"date compares", "invoice.issue_date < date('2026-09-15') && invoice.issue_date >= date('2026-09-14')", true},
		{"date is equal", "invoice.issue_date == date('2026-09-14')", true},
		{"date as text", "string(invoice.issue_date)", "2026-09-14"},
		{"unset date as text", "string(invoice.due_date)", ""},
		{"timestamp and duration", "timestamp('2026-09-14T10:00:00Z') + duration('90m') == timestamp('2026-09-14T11:30:00Z')", true},
		{"mark", "invoice.marks.k + invoice.marks['k']", "vv"},
		{"mark is there", "has(invoice.marks.k) && !has(invoice.marks.z) && 'k' in invoice.marks", true},
		{"extra", "invoice.extra.x.text", "y"},
		{"extra flag is not set", "has(invoice.extra.x.flag)", false},
		{"lines", "invoice.lines.map(l, l.description)", "Consulting"},
		{"structs are equal", "invoice.lines == invoice.lines && invoice.lines[0] != line{description: 'x'}", true},
		{"struct is built", "address{city: 'Wellington'}.city", "Wellington"},
		{"record field", "invoice.id + (invoice.gone ? ' gone' : '')", "inv-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := evalIn(t, tt.code)
			if err != nil {
				t.Fatal(err)
			}
			if list, ok := got.([]any); ok && len(list) == 1 {
				got = list[0]
			}
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// What does not fit is an error: at load where the types say so, else when it
// is computed. It is never a panic.
func TestExpressionErrors(t *testing.T) {
	for _, tt := range []struct{ name, code, want string }{
		{"money plus number", "invoice.amount_due + 1", "no matching overload"},
		{"money plus decimal", "invoice.amount_due + decimal('1')", "no matching overload"},
		{"money times number", "invoice.amount_due * 2", "no matching overload"},
		{"money times money", "invoice.amount_due * invoice.amount_due", "no matching overload"},
		{"money against number", "invoice.amount_due > 0", "no matching overload"},
		{"money equals text", "invoice.amount_due == '115.00 NZD'", "no matching overload"},
		{"decimal plus number", "decimal('1') + 1", "no matching overload"},
		{"decimal divided", "decimal('1') / decimal('3')", "no matching overload"},
		{"date plus number", "invoice.issue_date + 1", "no matching overload"},
		{"date against timestamp", "invoice.issue_date < invoice.updated_at", "no matching overload"},
		{"dynamic sum with a number", "dyn(invoice.amount_due) + 1", "no such overload"},
		{"number with a dynamic sum", "dyn(1) < dyn(invoice.amount_due)", "no such overload"},
		{"two currencies added", "invoice.amount_due + money('1', 'USD')", "currencies differ"},
		{"two currencies compared", "invoice.amount_due < money('1', 'USD')", "currencies differ"},
		{"unset money added", "invoice.amount_due + invoice.total", "currencies differ or are missing"},
		{"unset money asked for zero", "invoice.total.is_zero()", "not set"},
		{"unset date compared", "invoice.due_date < invoice.issue_date", "not set"},
		{"overflow", "money('92233720368547758.07', 'NZD') + money('0.01', 'NZD')", "out of range"},
		{"too many decimals", "money(invoice.number, 'NZD')", "not a decimal number"},
		{"unknown currency", "money('1', invoice.number)", "ISO 4217"},
		{"not a date", "date(invoice.number)", "YYYY-MM-DD"},
		{"missing mark", "invoice.marks.z", "no such key: z"},
		{"missing extra", "invoice.extra.z.text", "no such key: z"},
		{"missing line", "invoice.lines[7].tax", "index out of bounds: 7"},
		{"unknown dynamic field", "dyn(invoice).nmber", "no field 'nmber'"},
		{"integer overflow", "9223372036854775807 + size(invoice.lines)", "overflow"},
		{"too expensive", expensive(), "cost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := evalIn(t, tt.code)
			if err == nil {
				t.Fatalf("got %v, want an error", got)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to contain %q", err, tt.want)
			}
		})
	}
}

// expensive is an expression of a few hundred characters and 10^7 steps.
func expensive() string {
	list := "[" + strings.TrimSuffix(strings.Repeat("1,", 56), ",") + "]"
	return list + ".all(a, " + list + ".all(b, " + list + ".all(c, " + list + ".all(d, a + b + c + d > 0))))"
}

func TestOpaqueValuesConvert(t *testing.T) {
	if got := (amountValue{}).ConvertToType(types.IntType); !types.IsError(got) {
		t.Errorf("money became a number: %v", got)
	}
	if got := (dateValue{}).ConvertToType(types.TypeType); got != dateType {
		t.Errorf("got type %v", got)
	}
	if _, err := (decimalValue{}).ConvertToNative(nil); err == nil {
		t.Error("a decimal became a Go value")
	}
}
