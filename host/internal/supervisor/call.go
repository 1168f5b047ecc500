package supervisor

import (
	"context"

	"github.com/ml-connector/ml-connector/connector"
)

// The calls of a connector, each to the process that runs now.

// Check asks who we are in the service.
func (p *Plugin) Check(ctx context.Context, s *connector.Session, req connector.CheckRequest) (connector.CheckResult, error) {
	c, err := p.client(ctx)
	if err != nil {
		return connector.CheckResult{}, err
	}
	return c.Check(ctx, s, req)
}

// List returns a page of changes.
func (p *Plugin) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	c, err := p.client(ctx)
	if err != nil {
		return connector.Page{}, err
	}
	return c.List(ctx, s, req)
}

// Get reads records afresh.
func (p *Plugin) Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	c, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Get(ctx, s, req)
}

// Upsert makes the service hold what each write wants.
func (p *Plugin) Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	c, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	return c.Upsert(ctx, s, req)
}

// VerifyWebhook asks whether a webhook request is genuine.
func (p *Plugin) VerifyWebhook(ctx context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	c, err := p.client(ctx)
	if err != nil {
		return connector.WebhookVerdict{}, err
	}
	return c.VerifyWebhook(ctx, s, req)
}

// RegisterWebhook makes the service send webhooks to url.
func (p *Plugin) RegisterWebhook(ctx context.Context, s *connector.Session, url string) (map[string]connector.Secret, error) {
	c, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	return c.RegisterWebhook(ctx, s, url)
}
