package stripe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/sandbox"
)

const (
	endpointsMax    = 16 // per account
	deliveryTimeout = 5 * time.Second
	secretOverlap   = 24 * time.Hour // both secrets sign after a roll
)

// endpoint is a webhook endpoint. Its version is fixed when it is made, and its
// secret is shown only then.
type endpoint struct {
	id          string
	created     int64
	url         string
	version     string // empty: the account's
	events      []string
	description string
	metadata    map[string]string
	disabled    bool
	courier     *sandbox.Courier
	client      *http.Client
	signer      *signer
}

// eventTypes are those that can be asked for by name at Version.
var eventTypes = []string{
	"balance.available", "charge.captured", "charge.expired", "charge.failed", "charge.pending", "charge.refund.updated",
	"charge.refunded", "charge.succeeded", "charge.updated", "charge.dispute.closed", "charge.dispute.created",
	"charge.dispute.funds_reinstated", "charge.dispute.funds_withdrawn", "charge.dispute.updated",
	"credit_note.created", "credit_note.updated", "credit_note.voided",
	"customer.created", "customer.deleted", "customer.updated", "customer.discount.created", "customer.discount.deleted",
	"customer.discount.updated", "customer.tax_id.created", "customer.tax_id.deleted", "customer.tax_id.updated",
	"invoice.created", "invoice.deleted", "invoice.finalization_failed", "invoice.finalized", "invoice.marked_uncollectible",
	"invoice.paid", "invoice.payment_action_required", "invoice.payment_failed", "invoice.payment_succeeded", "invoice.sent",
	"invoice.upcoming", "invoice.updated", "invoice.voided", "invoiceitem.created", "invoiceitem.deleted", "invoiceitem.updated",
	"payment_intent.amount_capturable_updated", "payment_intent.canceled", "payment_intent.created",
	"payment_intent.partially_funded", "payment_intent.payment_failed", "payment_intent.processing",
	"payment_intent.requires_action", "payment_intent.succeeded",
	"payout.canceled", "payout.created", "payout.failed", "payout.paid", "payout.reconciliation_completed", "payout.updated",
	"refund.created", "refund.updated",
}

func (e *endpoint) wants(kind string) bool {
	return !e.disabled && (slices.Contains(e.events, "*") || slices.Contains(e.events, kind))
}

// shape is the version in which the endpoint gets its events.
func (e *endpoint) shape(account string) string {
	if e.version == "" {
		return account
	}
	return e.version
}

func (e *endpoint) stop() {
	e.courier.Close()
	e.client.CloseIdleConnections()
}

// AddEndpoint makes a webhook endpoint at Version by hand, for the named events
// or, without any, for all. An empty url keeps its deliveries.
func (s *Server) AddEndpoint(url, secret string, events ...string) (id string, err error) {
	if len(events) == 0 {
		events = []string{"*"}
	}
	err = s.lever(func() error {
		for _, kind := range events {
			if kind != "*" && !slices.Contains(eventTypes, kind) {
				return fmt.Errorf("stripe sandbox: event type %q is not modelled", kind)
			}
		}
		e := &endpoint{id: newID("we"), created: s.now.Unix(), url: url, version: Version, events: events, metadata: map[string]string{}}
		id = e.id
		return s.startEndpoint(e, secret)
	})
	return id, err
}

// startEndpoint gives a new endpoint its courier.
func (s *Server) startEndpoint(e *endpoint, secret string) error {
	if s.closed {
		return errors.New("stripe sandbox: closed")
	}
	if len(s.endpoints.all) >= endpointsMax {
		return refuse("", "", "You have reached the maximum of %d webhook endpoints.", endpointsMax)
	}
	e.signer = &signer{secret: secret}
	e.client = &http.Client{Timeout: deliveryTimeout,
		Transport:     &reporter{base: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: deliveryTimeout}, endpoint: e.id, delivered: &s.delivered},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	e.courier = sandbox.NewCourier(sandbox.CourierConfig{URL: e.url, Sign: e.signer.sign, Clock: s.clock, Client: e.client})
	if err := e.courier.Mode(s.courierMode); err != nil {
		return err
	}
	s.endpoints.add(e.id, e)
	return nil
}

// CourierMode sets how all endpoints, present and future, get their deliveries:
// "normal", "off", "hold" or "twice".
func (s *Server) CourierMode(mode string) error {
	return s.lever(func() error {
		for _, e := range s.endpoints.all {
			if err := e.courier.Mode(mode); err != nil {
				return err
			}
		}
		if !slices.Contains([]string{sandbox.ModeNormal, sandbox.ModeOff, sandbox.ModeHold, sandbox.ModeTwice}, mode) {
			return fmt.Errorf("stripe sandbox: unknown courier mode %q", mode)
		}
		s.courierMode = mode
		return nil
	})
}

// Release sends what the endpoints hold, oldest or newest first.
func (s *Server) Release(reverse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints.all {
		e.courier.Release(reverse)
	}
}

// SetEndpointURL sends the deliveries of all endpoints elsewhere.
func (s *Server) SetEndpointURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints.all {
		e.url = url
		e.courier.SetURL(url)
	}
}

// RollSecret replaces an endpoint's secret; for 24 hours both sign.
func (s *Server) RollSecret(id, secret string) error {
	return s.lever(func() error {
		e, ok := s.endpoints.get(id)
		if !ok {
			return fmt.Errorf("stripe sandbox: no endpoint %s", id)
		}
		e.signer.roll(secret, s.now.Add(secretOverlap))
		return nil
	})
}

// EndpointStats are the deliveries of one endpoint.
type EndpointStats struct {
	ID            string   `json:"id"`
	URL           string   `json:"url"`
	EnabledEvents []string `json:"enabled_events"`
	sandbox.CourierStats
}

// Endpoints lists the webhook endpoints with what happened to their deliveries.
func (s *Server) Endpoints() []EndpointStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []EndpointStats{}
	for _, e := range s.endpoints.all {
		out = append(out, EndpointStats{ID: e.id, URL: e.url, EnabledEvents: e.events, CourierStats: e.courier.Stats()})
	}
	return out
}

// readEndpoint reads what create and update share.
func (s *Server) readEndpoint(p *params, next *endpoint) {
	p.str("url", 5000, &next.url)
	p.str("description", 5000, &next.description)
	p.metadata(&next.metadata)
	if u, err := url.Parse(next.url); next.url != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http")) {
		p.fail(refuse("url_invalid", "url", "Invalid URL: An explicit scheme (such as https) must be provided."))
	} else if s.live && u.Scheme == "http" {
		p.fail(refuse("url_invalid", "url", "Invalid URL: URL must be https in live mode."))
	}
	if list, sent := p.strings("enabled_events"); sent {
		next.events = list
		for _, kind := range list {
			newer := next.shape(s.cfg.AccountVersion) != Version && kind == "refund.failed"
			if kind != "*" && !newer && !slices.Contains(eventTypes, kind) {
				p.fail(refuse("", "enabled_events", "Invalid enabled_events: %s does not exist at this version, or the sandbox does not model it.", kind))
			}
		}
	}
}

func (s *Server) createEndpoint(c *call) (obj, error) {
	next := endpoint{id: newID("we"), created: s.now.Unix(), metadata: map[string]string{}}
	c.p.need("url")
	c.p.enum("api_version", &next.version, Version, VersionNewer)
	s.readEndpoint(c.p, &next)
	if !c.p.has("enabled_events") || len(next.events) == 0 {
		c.p.fail(missingParam("enabled_events"))
	}
	c.p.refuseUnmodelled("connect")
	if err := c.p.done(); err != nil {
		return nil, err
	}
	secret := "whsec_" + token()
	if err := s.startEndpoint(&next, secret); err != nil {
		return nil, err
	}
	out := s.renderEndpoint(&next)
	out["secret"] = secret
	return out, nil
}

func (s *Server) updateEndpoint(c *call) (obj, error) {
	e, err := found(c, &s.endpoints, "webhook_endpoint")
	if err != nil {
		return nil, err
	}
	next := *e
	s.readEndpoint(c.p, &next)
	c.p.boolean("disabled", &next.disabled)
	if err := c.p.done(); err != nil {
		return nil, err
	}
	*e = next
	e.courier.SetURL(e.url)
	return s.renderEndpoint(e), nil
}

func (s *Server) getEndpoint(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	e, err := found(c, &s.endpoints, "webhook_endpoint")
	if err != nil {
		return nil, err
	}
	return s.renderEndpoint(e), nil
}

func (s *Server) deleteEndpoint(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	e, err := found(c, &s.endpoints, "webhook_endpoint")
	if err != nil {
		return nil, err
	}
	s.endpoints.remove(func(x *endpoint) bool { return x == e }, func(x *endpoint) string { return x.id })
	s.after = append(s.after, e.stop)
	return obj{"id": e.id, "object": "webhook_endpoint", "deleted": true}, nil
}

func (s *Server) listEndpoints(c *call) (obj, error) {
	return page(c, listing[*endpoint]{noun: "webhook_endpoint", all: s.endpoints.all,
		id:     func(e *endpoint) string { return e.id },
		keep:   func(*endpoint) bool { return true },
		render: s.renderEndpoint})
}

func (s *Server) renderEndpoint(e *endpoint) obj {
	status := "enabled"
	if e.disabled {
		status = "disabled"
	}
	return obj{"id": e.id, "object": "webhook_endpoint", "api_version": orNull(e.version), "application": nil, "created": e.created,
		"description": orNull(e.description), "enabled_events": strs(e.events), "livemode": s.live,
		"metadata": metadataObj(e.metadata), "status": status, "url": e.url}
}

// reporter is the transport of one endpoint: it notes which events were taken.
type reporter struct {
	base      *http.Transport
	endpoint  string
	delivered *deliveries
}

func (r *reporter) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close() // a reader over bytes
	if err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.GetBody = nil
	res, err := r.base.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	var e struct {
		ID string `json:"id"`
	}
	if res.StatusCode/100 == 2 && json.Unmarshal(body, &e) == nil {
		r.delivered.mark(e.ID, r.endpoint)
	}
	return res, nil
}

// CloseIdleConnections is called through http.Client.
func (r *reporter) CloseIdleConnections() { r.base.CloseIdleConnections() }
