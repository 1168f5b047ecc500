package main

import (
	"context"
	"crypto/rand"
	"slices"

	stripe "github.com/stripe/stripe-go/v76"

	"github.com/ml-connector/ml-connector/connector"
)

// hookedEvents are the types that our webhook endpoint asks for.
func hookedEvents() []string {
	return slices.Concat(customerEvents, invoiceEvents, chargeEvents, disputeEvents)
}

// RegisterWebhook makes Stripe send events to url, in the version of the API
// that this connector speaks. The version of an endpoint cannot be changed and
// its secret is told only once, so an endpoint that lacks either is replaced.
// https://docs.stripe.com/api/webhook_endpoints
func (c *Connector) RegisterWebhook(ctx context.Context, s *connector.Session, url string) (map[string]connector.Secret, error) {
	const op = "stripe: register webhook"
	cn, err := c.connect(s, op)
	if err != nil {
		return nil, err
	}
	there, err := cn.endpointsAt(ctx, url)
	if err != nil {
		return nil, err
	}
	known := len(webhookSecrets(s)) > 0
	var old []*stripe.WebhookEndpoint
	for _, ep := range there {
		if !known || ep.APIVersion != apiVersion {
			old = append(old, ep)
			continue
		}
		return nil, cn.completeEndpoint(ctx, ep)
	}
	secret, err := cn.createEndpoint(ctx, url)
	if err != nil {
		return nil, err
	}
	for _, ep := range old { // after the new one, so that no event is lost
		if err := cn.deleteEndpoint(ctx, ep.ID); err != nil {
			return nil, err
		}
	}
	return map[string]connector.Secret{settingHook: connector.Secret(secret)}, nil
}

func (cn *conn) endpointsAt(ctx context.Context, url string) ([]*stripe.WebhookEndpoint, error) {
	const pagesMax = 5
	var out []*stripe.WebhookEndpoint
	p := &stripe.WebhookEndpointListParams{}
	for range pagesMax {
		rows, more, _, err := list[*stripe.WebhookEndpoint](ctx, "stripe: list webhook endpoints", &p.ListParams, func() *stripe.Iter {
			return cn.api.WebhookEndpoints.List(p).Iter
		})
		if err != nil {
			return nil, err
		}
		for _, ep := range rows {
			if ep.URL == url {
				out = append(out, ep)
			}
		}
		if !more || len(rows) == 0 {
			break
		}
		p.StartingAfter = stripe.String(rows[len(rows)-1].ID)
	}
	return out, nil
}

// completeEndpoint makes sure that an endpoint is on and asks for all types.
func (cn *conn) completeEndpoint(ctx context.Context, ep *stripe.WebhookEndpoint) error {
	lacks := func(t string) bool { return !slices.Contains(ep.EnabledEvents, t) }
	all := slices.Contains(ep.EnabledEvents, "*") || !slices.ContainsFunc(hookedEvents(), lacks)
	if all && ep.Status == "enabled" {
		return nil
	}
	p := &stripe.WebhookEndpointParams{Disabled: stripe.Bool(false)}
	if !all {
		wanted := slices.Concat(ep.EnabledEvents, slices.DeleteFunc(hookedEvents(), func(t string) bool { return !lacks(t) }))
		p.EnabledEvents = stripe.StringSlice(wanted)
	}
	_, err := cn.write(ctx, "stripe: update webhook endpoint", "endpoint-"+rand.Text(), &p.Params, func() error {
		_, err := cn.api.WebhookEndpoints.Update(ep.ID, p)
		return err
	})
	return err
}

// createEndpoint makes an endpoint and returns its secret. The key is random: a
// repeated answer would hold the secret of an endpoint that may be gone.
func (cn *conn) createEndpoint(ctx context.Context, url string) (string, error) {
	const op = "stripe: create webhook endpoint"
	send := func(types []string) (*stripe.WebhookEndpoint, error) {
		p := &stripe.WebhookEndpointParams{
			URL: stripe.String(url), APIVersion: stripe.String(apiVersion),
			Description: stripe.String("ml-connector"), EnabledEvents: stripe.StringSlice(types),
		}
		var ep *stripe.WebhookEndpoint
		_, err := cn.write(ctx, op, "endpoint-"+rand.Text(), &p.Params, func() (err error) {
			ep, err = cn.api.WebhookEndpoints.New(p)
			return err
		})
		return ep, err
	}
	ep, err := send(slices.Concat(hookedEvents(), refundEvents))
	if err != nil && connector.KindOf(err) == connector.Invalid {
		ep, err = send(hookedEvents()) // types that this version need not know
	}
	if err != nil {
		return "", err
	}
	if ep.Secret == "" {
		return "", connector.Errorf(connector.UnknownOutcome, op, "Stripe told no secret for endpoint %s", ep.ID)
	}
	return ep.Secret, nil
}

func (cn *conn) deleteEndpoint(ctx context.Context, id string) error {
	p := &stripe.WebhookEndpointParams{}
	_, err := cn.write(ctx, "stripe: delete webhook endpoint", "endpoint-"+rand.Text(), &p.Params, func() error {
		_, err := cn.api.WebhookEndpoints.Del(id, p)
		return err
	})
	if err != nil && connector.KindOf(err) == connector.NotFound {
		return nil
	}
	return err
}
