package recipe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/connector"
)

const paramRecipe = `
recipe: r
connections:
  a: {connector: aa}
  b: {connector: bb}
params:
  acct: {type: string, required: true, help: the account}
  note: {type: string}
  mode: {type: string, default: fast, one_of: [fast, slow]}
  on: {type: bool, default: true}
  n: {type: int, default: 3}
  rate: {type: decimal, default: "1.50"}
  since: {type: date, default: first_run}
  until: {type: date}
  grace: {type: duration, default: 90s}
checks:
  - {connection: a, posting_account: params.acct, currency_of: b}
  - {connection: b, posting_account: params.note}
flows:
  f:
    from: a.contact
    to: b.contact
    enabled: params.on && params.until > params.since
    map: {name: contact.name}
`

func parsed(t testing.TB, text string) *Recipe {
	t.Helper()
	r, err := Parse("r.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestBind(t *testing.T) {
	first := connector.Date{Year: 2026, Month: time.September, Day: 14}
	for _, tt := range []struct {
		name   string
		values map[string]string
		first  connector.Date
		want   map[string]string
		errs   []string
	}{
		{
			name:   "defaults",
			values: map[string]string{"acct": "610"},
			first:  first,
			want:   map[string]string{"acct": "610", "note": "", "mode": "fast", "on": "true", "n": "3", "rate": "1.5", "since": "2026-09-14", "grace": "1m30s"},
		},
		{
			name:   "chosen",
			values: map[string]string{"acct": "610", "note": "x", "mode": "slow", "on": "false", "n": "-1", "rate": "2", "since": "2026-01-01", "until": "2027-01-01", "grace": "1h"},
			want:   map[string]string{"acct": "610", "note": "x", "mode": "slow", "on": "false", "n": "-1", "rate": "2", "since": "2026-01-01", "until": "2027-01-01", "grace": "1h0m0s"},
		},
		{
			name:   "everything wrong is listed",
			values: map[string]string{"mode": "fsat", "on": "yes", "n": "1.5", "rate": "a", "since": "soon", "grace": "long", "nots": "x", "note": strings.Repeat("x", 2000)},
			errs: []string{
				"there is no parameter nots (did you mean 'note'?)", "parameter note: longer than", "parameter mode: 'fsat' is not 'fast' or 'slow' (did you mean 'fast'?)",
				"parameter on: 'yes'", "parameter n: '1.5'", "parameter rate: ", "parameter since: ", "parameter grace: ", "parameter acct is required: the account",
			},
		},
		{
			name:   "first run unknown",
			values: map[string]string{"acct": "610"},
			errs:   []string{"parameter since: the day of the first run is not known"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parsed(t, paramRecipe).Bind(tt.values, tt.first)
			if (err != nil) != (tt.errs != nil) {
				t.Fatalf("got error %v", err)
			}
			for _, want := range tt.errs {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, got.All()); diff != "" {
				t.Errorf("values differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckRequest(t *testing.T) {
	r := parsed(t, paramRecipe)
	p, err := r.Bind(map[string]string{"acct": "610", "since": "2026-01-01"}, connector.Date{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "a"}, r.CheckOrder()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	for connection, want := range map[string]connector.CheckRequest{"a": {PostingAccounts: []string{"610"}, Currency: "EUR"}, "b": {}, "c": {}} {
		got, err := r.CheckRequest(connection, p, map[string]string{"a": "NZD", "b": "EUR"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", connection, diff)
		}
	}
	if _, err := r.CheckRequest("a", Params{}, nil); connector.KindOf(err) != connector.Invalid {
		t.Errorf("unbound parameters: got %v, want an Invalid error", err)
	}
}

func TestParameterWithoutValue(t *testing.T) {
	r := parsed(t, paramRecipe)
	p, err := r.Bind(map[string]string{"acct": "610", "since": "2026-01-01"}, connector.Date{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Flow("f").Enabled(p)
	if connector.KindOf(err) != connector.Invalid || !strings.Contains(err.Error(), "parameter until has no value") {
		t.Errorf("got %v, want an Invalid error that names the parameter", err)
	}
}

func TestRetryWait(t *testing.T) {
	r := Retry{Attempts: 8, First: time.Second, Factor: 2, Cap: 5 * time.Second}
	var got []time.Duration
	for attempt := range 5 {
		got = append(got, r.Wait(attempt+1))
	}
	want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("waits differ (-want +got):\n%s", diff)
	}
	if got := r.Wait(1 << 30); got != 5*time.Second {
		t.Errorf("after very many attempts: got %s", got)
	}
}

func TestChoicesThatDoNotGoTogether(t *testing.T) {
	r := parsed(t, `
recipe: choices
connections: {a: {connector: aa}, b: {connector: bb}}
params:
  payouts: {type: string, default: "off", one_of: ["off", transfer]}
  account: {type: string}
refuse:
  - {when: "params.payouts == 'transfer' && params.account == ''", because: "='payouts=' + params.payouts + ' needs an account'"}
flows:
  f: {from: a.contact, to: b.contact, map: {name: contact.name}}
`)
	for name, tt := range map[string]struct {
		values map[string]string
		want   string
	}{
		"neither":          {nil, ""},
		"both":             {map[string]string{"payouts": "transfer", "account": "090"}, ""},
		"one without":      {map[string]string{"payouts": "transfer"}, "recipe choices: payouts=transfer needs an account"},
		"the other, alone": {map[string]string{"account": "090"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Bind(tt.values, connector.Date{})
			if got := fmt.Sprint(err); err != nil && got != tt.want || err == nil && tt.want != "" {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
