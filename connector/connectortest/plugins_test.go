package connectortest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/connectortest"
	"github.com/ml-connector/ml-connector/money"
)

// build makes a plugin executable of one of this module's commands.
func build(t *testing.T, pkg, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds an executable")
	}
	bin := filepath.Join(t.TempDir(), "ml-connector-plugin-"+name)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/ml-connector/ml-connector/"+pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return bin
}

func TestPaperBinary(t *testing.T) {
	bin := build(t, "examples/paper", "paper")
	folder := t.TempDir()
	sum, err := connectortest.VerifyBinary(t.Context(), bin, connectortest.Config{
		Session: func() *connector.Session {
			return &connector.Session{Connection: "cabinet", Settings: map[string]string{"folder": folder}}
		},
		PageSize: 2,
		Fixtures: fixtures(),
	}, connectortest.InTest(t))
	if err != nil {
		t.Fatal(err)
	}
	if sum.Failed > 0 || sum.Passed < 30 {
		t.Errorf("got %+v", sum)
	}
}

func TestXeroBinary(t *testing.T) {
	verify(t, "xero", connectortest.Config{})
}

func TestStripeBinary(t *testing.T) {
	verify(t, "stripe", connectortest.Config{
		Settings: map[string]string{"api_key": "sk_test_", "webhook_secret": "whsec_", "calls_per_second": "20"},
	})
}

func verify(t *testing.T, name string, cfg connectortest.Config) {
	sum, err := connectortest.VerifyBinary(t.Context(), build(t, "plugins/"+name, name), cfg, connectortest.InTest(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", sum)
}

func TestVerifyBinaryRefuses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "ml-connector-plugin-script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(text, []byte("no program"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, path, want string }{
		{name: "no plugin", path: script, want: "does not start as a plugin"},
		{name: "no program", path: text, want: "not an executable"},
		{name: "a folder", path: t.TempDir(), want: "not an executable"},
		{name: "nothing", path: filepath.Join(t.TempDir(), "absent"), want: "no such file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := connectortest.VerifyBinary(t.Context(), tc.path, connectortest.Config{}, connectortest.InTest(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// fixtures makes records that any service without rules of its own accepts.
func fixtures() connectortest.Fixtures {
	return connectortest.Fixtures{
		Contact: func(label string) connector.Record {
			return connector.Record{Entity: connector.EntityContact, Contact: &connector.Contact{Name: label, Status: connector.ContactActive}}
		},
		Invoice: func(label string, total money.Amount) connector.Record {
			return connector.Record{Entity: connector.EntityInvoice, Invoice: &connector.Invoice{
				Kind: connector.InvoiceSale, Status: connector.InvoiceOpen, Number: label, Currency: total.Currency(), Total: total, AmountDue: total,
			}}
		},
		Payment: func(label string, amount money.Amount) connector.Record {
			return connector.Record{Entity: connector.EntityPayment, Payment: &connector.Payment{
				Kind: connector.PaymentReceipt, Status: connector.PaymentSucceeded, Amount: amount, Label: label,
			}}
		},
		Currencies: []money.Currency{"NZD", "JPY", "KWD"},
	}
}
