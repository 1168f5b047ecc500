package wire

import (
	"context"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
)

// script is a connector that does what a test tells it to and remembers what it
// was asked. Tests that call it from one goroutine may change its fields.
type script struct {
	manifest connector.Manifest
	check    func(ctx context.Context) (connector.CheckResult, error)
	page     connector.Page
	records  []connector.Record
	outcomes []connector.Outcome
	verdict  connector.WebhookVerdict
	secrets  map[string]connector.Secret
	err      error

	session *connector.Session
	asked   any // the last request
}

func (c *script) Manifest() connector.Manifest { return c.manifest }

func (c *script) Check(ctx context.Context, s *connector.Session, req connector.CheckRequest) (connector.CheckResult, error) {
	c.session, c.asked = s, req
	if c.check != nil {
		return c.check(ctx)
	}
	return connector.CheckResult{}, c.err
}

func (c *script) List(_ context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	c.session, c.asked = s, req
	return c.page, c.err
}

func (c *script) Get(_ context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	c.session, c.asked = s, req
	return c.records, c.err
}

func (c *script) Upsert(_ context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	c.session, c.asked = s, req
	return c.outcomes, c.err
}

// hooked is a script that also takes and registers webhooks.
type hooked struct{ *script }

func (c hooked) VerifyWebhook(_ context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	c.session, c.asked = s, req
	return c.verdict, c.err
}

func (c hooked) RegisterWebhook(_ context.Context, s *connector.Session, url string) (map[string]connector.Secret, error) {
	c.session, c.asked = s, url
	return c.secrets, c.err
}

// dial serves a connector over a real connection until the test ends.
func dial(t testing.TB, c connector.Connector) *Client {
	t.Helper()
	client, stop, err := Loopback(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return client
}

func contact(id string) connector.Record {
	return connector.Record{Entity: connector.EntityContact, ID: id, Contact: &connector.Contact{Name: "Ada"}}
}
