package recipe

import (
	"strings"
	"testing"
)

const failingCases = `
recipe: r
connections:
  a: {connector: aa}
  b: {connector: bb}
params:
  on: {type: bool, default: true}
flows:
  need:
    from: a.contact
    to: b.contact
    map: {name: contact.name}
  f:
    from: a.invoice
    to: b.invoice
    enabled: params.on
    expand: invoice.payment_ids
    also:
      - {entity: payment, records: "[payment.invoice_id]"}
    needs:
      c: {flow: need, id: invoice.contact_id}
    skip:
      - {when: "invoice.status == 'void'", because: it is void}
    map:
      number: invoice.number
      lines: invoice.lines
      amount_due: invoice.amount_due
    policy: {refunds: "'reopen'"}
tests:
  - {name: passes, flow: f, needs: {c: "1"}, record: {id: "1", invoice: {number: 7}}, enabled: true, expand: [], want: {invoice: {number: 7, lines: null, reference: ""}, policy: {refunds: reopen}}}
  - {name: other text, flow: f, needs: {c: "1"}, record: {id: "1", invoice: {number: A}}, want: {invoice: {number: B}}}
  - {name: unset, flow: f, needs: {c: "1"}, record: {id: "1", invoice: {number: A}}, want: {invoice: {amount_due: 1 NZD}}}
  - {name: must be unset, flow: f, needs: {c: "1"}, record: {id: "1", invoice: {number: A}}, want: {invoice: {number: null}}}
  - {name: fewer lines, flow: f, needs: {c: "1"}, record: {id: "1", invoice: {number: A}}, want: {invoice: {lines: [{amount: 1 NZD}]}}}
  - {name: other line, flow: f, needs: {c: "1"}, record: {id: "1", invoice: {lines: [{amount: 2 NZD}]}}, want: {invoice: {lines: [{amount: 1 NZD}]}}}
  - {name: other policy, flow: f, needs: {c: "1"}, record: {id: "1", invoice: {number: A}}, want: {policy: {refunds: credit_note}}}
  - {name: other end, flow: f, record: {id: "1", invoice: {status: void}}, want: {invoice: {number: A}}}
  - {name: other reason, flow: f, record: {id: "1", invoice: {status: void}}, skip: paid}
  - {name: other need, flow: f, record: {id: "1", invoice: {contact_id: x}}, waits_for: d}
  - {name: other expansion, flow: f, record: {id: "1", invoice: {payment_ids: [x]}}, expand: [y]}
  - {name: other records, flow: f, record: {id: "1", payment: {invoice_id: x}}, records: [y]}
  - {name: other switch, flow: f, params: {on: false}, enabled: true}
  - {name: cannot be mapped, flow: f, record: {id: "1", invoice: {}}, want: {invoice: {number: A}}}
`

// A recipe's own cases must be able to fail, and say how.
func TestCasesFail(t *testing.T) {
	r := parsed(t, failingCases)
	want := map[string]string{
		"passes":           "",
		"other text":       "invoice.number: got A, want B",
		"unset":            "invoice.amount_due: got nothing, want 1.00 NZD",
		"must be unset":    "invoice.number: got A, want nothing",
		"fewer lines":      "invoice.lines: got 0 entries, want 1",
		"other line":       "invoice.lines[0].amount: got 2.00 NZD, want 1.00 NZD",
		"other policy":     "policy.refunds: got reopen, want credit_note",
		"other end":        "got skip: it is void; want want",
		"other reason":     "skip: got 'it is void', want 'paid'",
		"other need":       "waits_for: got 'c', want 'd'",
		"other expansion":  "expand: got [x], want [y]",
		"other records":    "records: got [x], want [y]",
		"other switch":     "enabled: got false, want true",
		"cannot be mapped": "flows.f.needs.c.id",
	}
	results := r.Test()
	if len(results) != len(want) {
		t.Fatalf("got %d results, want %d", len(results), len(want))
	}
	for _, c := range results {
		got := ""
		if c.Err != nil {
			got = c.Err.Error()
		}
		if w := want[c.Name]; (w == "") != (got == "") || !strings.Contains(got, w) {
			t.Errorf("%s: got %q, want %q", c.Name, got, w)
		}
	}
}
