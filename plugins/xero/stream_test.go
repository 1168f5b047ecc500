package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/sandbox/xero"
)

// stream follows a stream of payments until nothing more is there.
func (w *world) stream(name, cursor string, size int) ([]connector.Record, string) {
	w.t.Helper()
	var out []connector.Record
	for range 200 {
		got, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: connector.EntityPayment, Stream: name, Cursor: cursor, PageSize: size})
		if err != nil {
			w.t.Fatalf("list %s: %v", name, err)
		}
		if len(got.Records) > size {
			w.t.Fatalf("%d records on a page of %d", len(got.Records), size)
		}
		out, cursor = append(out, got.Records...), got.Next
		if !got.More {
			return out, cursor
		}
	}
	w.t.Fatal("the list does not end")
	return nil, ""
}

// told sums up records, one line each.
func told(list []connector.Record) string {
	var lines []string
	for _, r := range list {
		p := r.Payment
		lines = append(lines, fmt.Sprintf("%s %s %s %s>%s %q %s", p.Kind, p.Status, p.Amount, p.Account, p.CounterAccount, p.Reference, p.TaxCode))
	}
	return strings.Join(lines, "\n")
}

func TestStreamsTellWhatWasPosted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	inv := w.invoice("10.00")
	taxed := w.fee("txn_00000001", "1.15")
	taxed.Record.Payment.TaxCode = "INPUT2"
	dispute := w.movementOf(connector.PaymentDispute, "du_00000001", "10.00")
	payout := w.payout("po_00000001", "5.00")
	outs := w.pay(taxed, w.movementOf(connector.PaymentFeeRefund, "txn_00000002", "0.20"), dispute, payout, w.receipt(inv, "ch_00000001", "15.00"))
	for _, o := range outs {
		w.expect(o, "created")
	}
	w.clock.Advance(time.Minute)
	w.expect(w.pay(failed(dispute, outs[2]), failed(payout, outs[3]))[0], "updated")
	if err := w.s.DeleteBankTransaction(outs[1].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.SpendMoney(xero.SpendInput{Contact: "Landlord", Amount: "900.00", Tax: "NONE"}); err != nil {
		t.Fatal(err)
	}
	bank, _ := w.stream(streamBank, "", 2)
	want := []string{
		`fee succeeded NZD 1.15 610>404 "txn_00000001" INPUT2`,
		`dispute succeeded NZD 10.00 610>404 "du_00000001" `,
		`fee_refund failed NZD 0.20 610>404 "txn_00000002" `,
		`dispute failed NZD 10.00 610>404 "du_00000001 returned" `,
		`fee succeeded NZD 900.00 090>404 "" NONE`,
	}
	for _, amount := range []string{"1.15", "10.00", "0.20", "900.00"} {
		want = strings.Split(strings.ReplaceAll(strings.Join(want, "\n"), "NZD "+amount, nzd(amount).String()), "\n")
	}
	sorted := cmp.Transformer("sort", func(s []string) map[string]bool {
		m := map[string]bool{}
		for _, one := range s {
			m[one] = true
		}
		return m
	})
	if diff := cmp.Diff(want, strings.Split(told(bank), "\n"), sorted); diff != "" {
		t.Errorf("bank transactions (-want +got):\n%s", diff)
	}
	transfers, _ := w.stream(streamTransfers, "", 2)
	want = []string{
		"payout succeeded " + nzd("5.00").String() + ` 610>090 "po_00000001" `,
		"payout failed " + nzd("5.00").String() + ` 610>090 "po_00000001 returned" `,
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), told(transfers)); diff != "" {
		t.Errorf("transfers (-want +got):\n%s", diff)
	}
	// The payments themselves have none of them, and Get finds them all.
	plain, _ := w.listAll(connector.EntityPayment, "", 10, nil)
	if len(plain) != 1 || plain[0].Payment.Kind != connector.PaymentReceipt {
		t.Errorf("payments: %s", told(plain))
	}
	var ids []string
	for _, r := range append(append(plain, bank...), transfers...) {
		ids = append(ids, r.ID)
	}
	before := w.s.Calls().Total
	got, err := w.x.Get(context.Background(), w.session, connector.GetRequest{Entity: connector.EntityPayment, IDs: append(ids, w.s.TenantID())})
	if err != nil || len(got) != len(ids) {
		t.Errorf("%d records for %d ids, %v", len(got), len(ids), err)
	}
	if calls := w.s.Calls().Total - before; calls > 5 {
		t.Errorf("%d calls", calls)
	}
}

func TestStreamOfTransfersLosesNothing(t *testing.T) {
	t.Parallel()
	for _, byCreation := range []bool{false, true} {
		for _, gap := range []time.Duration{0, 2 * time.Second} {
			t.Run(fmt.Sprint(byCreation, gap), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, xero.Config{Unproven: xero.Unproven{TransfersByCreation: byCreation}})
				var first string
				for i := range 12 {
					made := w.moved("1.00", fmt.Sprintf("po_%08d", i), "")
					if i == 0 {
						first = made.BankTransferID
					}
					w.clock.Advance(gap)
				}
				got, cursor := w.stream(streamTransfers, "", 5)
				if len(got) != 12 {
					t.Errorf("%d records of 12", len(got))
				}
				w.clock.Advance(10 * time.Second)
				for range 2 {
					if got, cursor = w.stream(streamTransfers, cursor, 5); len(got) != 0 {
						t.Errorf("%d records on another look", len(got))
					}
				}
				if err := w.s.DeleteTransfer(first); err != nil {
					t.Fatal(err)
				}
				last := w.moved("2.00", "po_00000099", "")
				got, cursor = w.stream(streamTransfers, cursor, 5)
				ids := map[string]connector.PaymentStatus{}
				for _, r := range got {
					ids[r.ID] = r.Payment.Status
				}
				want := map[string]connector.PaymentStatus{first: connector.PaymentFailed, last.BankTransferID: connector.PaymentSucceeded}
				if byCreation && gap > 0 { // the service does not tell of the deletion
					delete(want, first)
				}
				if diff := cmp.Diff(want, ids); diff != "" {
					t.Errorf("after a deletion and another transfer (-want +got):\n%s", diff)
				}
				if got, _ = w.stream(streamTransfers, cursor, 5); len(got) != 0 {
					t.Errorf("%d records again", len(got))
				}
			})
		}
	}
}

func TestStreamOfBankTransactionsFollowsChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	out := w.pay(w.fee("txn_00000001", "1.00"))[0]
	w.expect(out, "created")
	w.clock.Advance(10 * time.Second)
	got, cursor := w.stream(streamBank, "", 5)
	if len(got) != 1 {
		t.Errorf("%d records", len(got))
	}
	if got, cursor = w.stream(streamBank, cursor, 5); len(got) != 0 {
		t.Errorf("%d records on another look", len(got))
	}
	if _, err := w.s.AmendBankTransaction(out.ID, xero.AmendInput{Amount: "1.10"}); err != nil {
		t.Fatal(err)
	}
	if got, _ = w.stream(streamBank, cursor, 5); len(got) != 1 || got[0].Payment.Amount != nzd("1.10") {
		t.Errorf("after an edit: %s", told(got))
	}
}

func TestUnknownStreamIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	for _, req := range []connector.ListRequest{
		{Entity: connector.EntityPayment, Stream: "fees", PageSize: 5},
		{Entity: connector.EntityInvoice, Stream: streamBank, PageSize: 5},
	} {
		if _, err := w.x.List(context.Background(), w.session, req); kindOf(t, err) != connector.Invalid {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

func TestTransfersRefuseAForeignCursor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	_, err := w.x.List(context.Background(), w.session, connector.ListRequest{Entity: connector.EntityPayment, Stream: streamTransfers, Cursor: "evt_1", PageSize: 1})
	if kindOf(t, err) != connector.Invalid {
		t.Errorf("%v", err)
	}
}

// Without the permission for bank transactions the error names it.
func TestFeesNeedTheirPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	w.session.AccessToken = connector.Secret(w.s.IssueTokens("accounting.payments", "accounting.settings", "accounting.contacts").AccessToken)
	for _, o := range w.pay(w.fee("txn_00000001", "1.00"), w.payout("po_00000001", "1.00")) {
		w.expect(o, "auth")
		if !strings.Contains(o.Err.Message, "accounting.banktransactions") {
			t.Errorf("says %q", o.Err.Message)
		}
	}
	if got := scopeFor(accounting + pathTransfers); got != "accounting.banktransactions" {
		t.Errorf("scope %s", got)
	}
}

func TestCheckOfCounterAccounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, account string
		archived      bool
		want          string // part of the refusal; "": none
	}{
		{name: "an expense account", account: "404"},
		{name: "a bank account", account: "090"},
		{name: "unknown", account: "499", want: `"499"`},
		{name: "archived", account: "404", archived: true, want: "404 (Fees) is archived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, xero.Config{})
			if tt.archived {
				if err := w.s.ArchiveAccount(tt.account); err != nil {
					t.Fatal(err)
				}
			}
			_, err := w.x.Check(context.Background(), w.session, connector.CheckRequest{PostingAccounts: []string{"610"}, CounterAccounts: []string{tt.account}})
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := connector.AsError(err, "")
			if e == nil || e.Kind != connector.Invalid || e.Remedy == "" || !strings.Contains(e.Message, tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What bears our mark is found behind an empty reference, too, and only a
// request that the service understands is made.
func TestLookUpPassesOverEmptyReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, xero.Config{})
	if _, err := w.s.SpendMoney(xero.SpendInput{Account: "610", Contact: "Landlord", Amount: "1.00", Tax: "NONE"}); err != nil {
		t.Fatal(err)
	}
	asked := false
	w.before = func(r *http.Request) {
		if where := r.URL.Query().Get("where"); r.URL.Path == bankTransactions && r.Method == http.MethodGet {
			asked = asked || where == `Reference!=null AND (Reference.StartsWith("txn_00000001"))`
		}
	}
	w.expect(w.pay(w.fee("txn_00000001", "1.00"))[0], "created")
	if !asked {
		t.Error("the mark was not looked for")
	}
}
