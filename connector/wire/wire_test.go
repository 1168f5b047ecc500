package wire

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/ml-connector/ml-connector/connector"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// alike compares what was sent with what arrived. An empty list or map and a
// missing one are the same on the wire; a cause stays behind.
var alike = cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(connector.Error{}, "Err")}

func same(t *rapid.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, alike); diff != "" {
		t.Fatalf("%s (-sent +arrived):\n%s", what, diff)
	}
}

var entity = rapid.SampledFrom(connector.Entities())

func TestReadsSurvive(t *testing.T) {
	c := &script{}
	client := dial(t, c)
	rapid.Check(t, func(rt *rapid.T) {
		e := entity.Draw(rt, "entity")
		sess := genSession.Draw(rt, "session")
		c.records = rapid.SliceOfN(genRecord(e), 0, 4).Draw(rt, "records")
		c.page = connector.Page{Records: c.records, Next: idText.Draw(rt, "next"), More: rapid.Bool().Draw(rt, "more")}

		list := connector.ListRequest{
			Entity: e, Stream: text.Draw(rt, "stream"), Since: genTime.Draw(rt, "since"),
			PageSize: rapid.IntRange(1, 1000).Draw(rt, "size"), IDsOnly: rapid.Bool().Draw(rt, "ids only"),
		}
		page, err := client.List(t.Context(), sess, list)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "page", page, c.page)
		same(rt, "list request", c.asked, list)
		same(rt, "session", c.session, sess)

		get := connector.GetRequest{Entity: e, IDs: genIDs.Draw(rt, "ids")}
		records, err := client.Get(t.Context(), sess, get)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "records", records, c.records)
		same(rt, "get request", c.asked, get)
	})
}

func TestWritesSurvive(t *testing.T) {
	c := &script{}
	client := dial(t, c)
	rapid.Check(t, func(rt *rapid.T) {
		e := entity.Draw(rt, "entity")
		req := connector.UpsertRequest{Entity: e, Writes: rapid.SliceOfN(genWrite(e), 0, 4).Draw(rt, "writes")}
		c.outcomes = nil
		for range req.Writes {
			c.outcomes = append(c.outcomes, genOutcome(e).Draw(rt, "outcome"))
		}
		got, err := client.Upsert(t.Context(), genSession.Draw(rt, "session"), req)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "outcomes", got, c.outcomes)
		same(rt, "request", c.asked, req)
	})
}

func TestErrorsSurvive(t *testing.T) {
	c := &script{}
	client := dial(t, hooked{c})
	s := &connector.Session{}
	rapid.Check(t, func(rt *rapid.T) {
		want := genError.Draw(rt, "error")
		c.err = errors.Join(errors.New("outside"), want) // an error deep in a chain is found
		_, list := client.List(t.Context(), s, connector.ListRequest{Entity: connector.EntityInvoice})
		_, get := client.Get(t.Context(), s, connector.GetRequest{Entity: connector.EntityInvoice})
		_, upsert := client.Upsert(t.Context(), s, connector.UpsertRequest{Entity: connector.EntityInvoice})
		_, check := client.Check(t.Context(), s, connector.CheckRequest{})
		_, verify := client.VerifyWebhook(t.Context(), s, connector.WebhookRequest{})
		_, register := client.RegisterWebhook(t.Context(), s, "https://example.com")
		for verb, err := range map[string]error{
			"list": list, "get": get, "upsert": upsert, "check": check, "verify": verify, "register": register,
		} {
			var got *connector.Error
			if !errors.As(err, &got) {
				rt.Fatalf("%s: got %v", verb, err)
			}
			same(rt, verb, got, want)
		}
	})
}

func TestWebhooksSurvive(t *testing.T) {
	c := &script{}
	client := dial(t, hooked{c})
	rapid.Check(t, func(rt *rapid.T) {
		sess := genSession.Draw(rt, "session")
		req := connector.WebhookRequest{
			Header: http.Header{}, Body: rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(rt, "body"), ReceivedAt: genTime.Draw(rt, "at"),
		}
		for k, v := range rapid.MapOfN(rapid.StringMatching(`[A-Z][a-z]{1,8}`), text, 0, 3).Draw(rt, "header") {
			req.Header.Set(k, v)
		}
		c.verdict = connector.WebhookVerdict{
			Verdict: rapid.SampledFrom([]connector.Verdict{connector.Accepted, connector.Refused, connector.NotConfigured}).Draw(rt, "verdict"),
			Reason:  text.Draw(rt, "reason"), DeliveryID: text.Draw(rt, "delivery"),
		}
		for range rapid.IntRange(0, 3).Draw(rt, "events") {
			c.verdict.Events = append(c.verdict.Events, connector.Event{
				Ref:  connector.Ref{Entity: entity.Draw(rt, "entity"), ID: idText.Draw(rt, "id")},
				Kind: oneOf(eventKinds).Draw(rt, "kind"), OccurredAt: genTime.Draw(rt, "occurred"),
				DedupeKey: text.Draw(rt, "dedupe"), AccountID: text.Draw(rt, "account"), Stream: text.Draw(rt, "stream"),
			})
		}
		got, err := client.VerifyWebhook(t.Context(), sess, req)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "verdict", got, c.verdict)
		same(rt, "request", c.asked, req)

		c.secrets = map[string]connector.Secret{"key": connector.Secret(text.Draw(rt, "secret"))}
		secrets, err := client.RegisterWebhook(t.Context(), sess, "https://example.com/hook")
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "secrets", secrets, c.secrets)
	})
}

func TestManifestAndCheckSurvive(t *testing.T) {
	c := &script{manifest: connector.Manifest{
		Name: "paper", Title: "Paper", Version: "1.2.3", Summary: "Files.",
		Settings: []connector.Setting{
			{Name: "folder", Help: "where", Required: true, Type: connector.SettingText},
			{Name: "url", Help: "where", Default: "https://example.com", Type: connector.SettingURL},
			{Name: "key", Help: "which", Secret: true, Type: connector.SettingText},
			{Name: "n", Help: "how many", Default: "5", Type: connector.SettingInteger},
		},
		Entities: []connector.EntitySupport{{
			Entity: connector.EntityInvoice, GetBatch: 3, UpsertBatch: 4, PageSize: 5,
			Verbs:   []connector.Verb{connector.VerbList, connector.VerbGet, connector.VerbUpsert, connector.VerbSubscribe},
			Streams: []connector.Stream{{Name: "bills", Help: "what we owe"}},
		}},
		OAuth: &connector.OAuth{
			AuthorizeURLSetting: "a", TokenURLSetting: "b", ClientIDSetting: "c", ClientSecretSetting: "d",
			RedirectURLSetting: "e", ScopesSetting: "f", AccountSetting: "g",
		},
	}}
	got, err := dial(t, hooked{c}).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := c.manifest
	want.ReceivesWebhooks, want.RegistersWebhooks = true, true // by what it implements
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	if got, err = dial(t, c).Describe(t.Context()); err != nil || got.ReceivesWebhooks || got.RegistersWebhooks {
		t.Errorf("without webhooks: got %+v, %v", got, err)
	}
}

func TestUsageIsReported(t *testing.T) {
	c := &script{check: func(ctx context.Context) (connector.CheckResult, error) {
		connector.MeterFrom(ctx).Count(59, -1)
		connector.MeterFrom(ctx).Count(58, 4999)
		return connector.CheckResult{
			Account: connector.Account{ID: "1", Name: "Ltd", Currency: "NZD", Live: true, TimeZone: "Pacific/Auckland"},
			Choices: []connector.Account{{ID: "1"}, {ID: "2"}}, Missing: []string{"m"}, Excess: []string{"e"}, Notes: []string{"n"},
		}, nil
	}}
	client := dial(t, c)
	var used []connector.Usage
	client.OnUsage = func(connection string, u connector.Usage) {
		if connection == "books" {
			used = append(used, u)
		}
	}
	got, err := client.Check(t.Context(), &connector.Session{Connection: "books"}, connector.CheckRequest{PostingAccounts: []string{"610"}, CounterAccounts: []string{"404"}, Currency: "NZD"})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := c.check(t.Context())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]connector.Usage{{Calls: 2, MinuteRemaining: 58, DayRemaining: 4999}}, used); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(connector.CheckRequest{PostingAccounts: []string{"610"}, CounterAccounts: []string{"404"}, Currency: "NZD"}, c.asked); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}
