package wire

import (
	"context"
	"fmt"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// Client is a connector in another process. It implements the connector
// interfaces but for Manifest, which can fail here: see Describe.
type Client struct {
	rpc pb.ConnectorClient

	// OnUsage, if set, is told what each call cost. Set it before the first call.
	OnUsage func(connection string, u connector.Usage)
}

func (c *Client) used(s *connector.Session, u *pb.Usage) {
	if c.OnUsage != nil && u != nil {
		c.OnUsage(s.Connection, connector.Usage{
			Calls: int(u.GetCalls()), MinuteRemaining: int(u.GetMinuteRemaining()), DayRemaining: int(u.GetDayRemaining()),
		})
	}
}

// Describe returns the plugin's manifest.
func (c *Client) Describe(ctx context.Context) (connector.Manifest, error) {
	const op = "describe"
	res, err := c.rpc.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return connector.Manifest{}, errorOf(err, op, connector.Unavailable)
	}
	m, err := manifestFromWire(res.GetManifest())
	if err != nil {
		return m, nonsense(op, connector.Invalid, err)
	}
	return m, nil
}

// Tasks returns how many tasks run in the plugin now; 0 when it does not tell.
func (c *Client) Tasks(ctx context.Context) (int, error) {
	res, err := c.rpc.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return 0, errorOf(err, "describe", connector.Unavailable)
	}
	return int(res.GetTasks()), nil
}

// Check asks who we are in the service.
func (c *Client) Check(ctx context.Context, s *connector.Session, req connector.CheckRequest) (connector.CheckResult, error) {
	res, err := c.rpc.Check(ctx, &pb.CheckRequest{Session: sessionToWire(s), PostingAccounts: req.PostingAccounts, CounterAccounts: req.CounterAccounts, Currency: req.Currency})
	if err != nil {
		return connector.CheckResult{}, errorOf(err, "check", connector.Unavailable)
	}
	c.used(s, res.GetUsage())
	out := connector.CheckResult{
		Account: accountFromWire(res.GetAccount()),
		Missing: res.GetMissing(), Excess: res.GetExcess(), Notes: res.GetNotes(),
	}
	for _, a := range res.GetChoices() {
		out.Choices = append(out.Choices, accountFromWire(a))
	}
	return out, nil
}

// List returns a page of changes.
func (c *Client) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	op := "list " + string(req.Entity)
	res, err := c.rpc.List(ctx, &pb.ListRequest{
		Session: sessionToWire(s), Entity: entities.wire(req.Entity), Cursor: req.Cursor,
		Since: timeToWire(req.Since), PageSize: int32(req.PageSize), IdsOnly: req.IDsOnly, Stream: req.Stream,
	})
	if err != nil {
		return connector.Page{}, errorOf(err, op, connector.Unavailable)
	}
	c.used(s, res.GetUsage())
	// A record that the connector cannot represent comes without its body, and
	// must not hold up the others: Get says what is wrong with it.
	recs, err := readRecords(res.GetRecords(), req.Entity, false)
	if err != nil {
		return connector.Page{}, nonsense(op, connector.Unavailable, err)
	}
	// I5: a cursor that does not move while there is more would poll for ever.
	if res.GetMore() && res.GetNextCursor() == req.Cursor {
		return connector.Page{}, nonsense(op, connector.Unavailable, fmt.Errorf("there is more, but the cursor stands still"))
	}
	return connector.Page{Records: recs, Next: res.GetNextCursor(), More: res.GetMore()}, nil
}

// Get reads records afresh.
func (c *Client) Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	op := "get " + string(req.Entity)
	res, err := c.rpc.Get(ctx, &pb.GetRequest{Session: sessionToWire(s), Entity: entities.wire(req.Entity), Ids: req.IDs})
	if err != nil {
		return nil, errorOf(err, op, connector.Unavailable)
	}
	c.used(s, res.GetUsage())
	recs, err := readRecords(res.GetRecords(), req.Entity, true)
	if err != nil {
		return nil, nonsense(op, connector.Unavailable, err)
	}
	return recs, nil
}

// Upsert makes the service hold what each write wants.
func (c *Client) Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	op := "upsert " + string(req.Entity)
	in := &pb.UpsertRequest{Session: sessionToWire(s), Entity: entities.wire(req.Entity)}
	for _, w := range req.Writes {
		in.Writes = append(in.Writes, writeToWire(w))
	}
	res, err := c.rpc.Upsert(ctx, in)
	if err != nil {
		// I3: a plugin that died in the middle may have written.
		return nil, errorOf(err, op, connector.UnknownOutcome)
	}
	c.used(s, res.GetUsage())
	if len(res.GetOutcomes()) != len(req.Writes) {
		return nil, nonsense(op, connector.UnknownOutcome,
			fmt.Errorf("%d writes were answered with %d outcomes", len(req.Writes), len(res.GetOutcomes())))
	}
	out := make([]connector.Outcome, len(req.Writes))
	for i, w := range res.GetOutcomes() {
		o, err := outcomeFromWire(w, req.Entity)
		if err != nil {
			o = connector.Failed(nonsense(op, connector.UnknownOutcome, err), op)
		}
		out[i] = o
	}
	return out, nil
}

// VerifyWebhook asks whether a webhook request is genuine.
func (c *Client) VerifyWebhook(ctx context.Context, s *connector.Session, req connector.WebhookRequest) (connector.WebhookVerdict, error) {
	const op = "verify webhook"
	res, err := c.rpc.Subscribe(ctx, &pb.SubscribeRequest{
		Session: sessionToWire(s),
		Ask: &pb.SubscribeRequest_Delivery{Delivery: &pb.Delivery{
			Headers: headersToWire(req.Header), Body: req.Body, ReceivedAt: timeToWire(req.ReceivedAt),
		}},
	})
	if err != nil {
		return connector.WebhookVerdict{}, errorOf(err, op, connector.Unavailable)
	}
	verdict, err := verdicts.read(res.GetVerdict())
	if err != nil || verdict == 0 {
		return connector.WebhookVerdict{}, nonsense(op, connector.Unavailable, fmt.Errorf("no verdict"))
	}
	out := connector.WebhookVerdict{Verdict: verdict, Reason: res.GetReason(), DeliveryID: res.GetDeliveryId()}
	for _, w := range res.GetEvents() {
		e, err := eventFromWire(w)
		if err != nil {
			return connector.WebhookVerdict{}, nonsense(op, connector.Unavailable, err)
		}
		out.Events = append(out.Events, e)
	}
	return out, nil
}

// RegisterWebhook makes the service send webhooks to url.
func (c *Client) RegisterWebhook(ctx context.Context, s *connector.Session, url string) (map[string]connector.Secret, error) {
	res, err := c.rpc.Subscribe(ctx, &pb.SubscribeRequest{
		Session: sessionToWire(s), Ask: &pb.SubscribeRequest_Registration{Registration: &pb.Registration{Url: url}},
	})
	if err != nil {
		return nil, errorOf(err, "register webhook", connector.Unavailable)
	}
	c.used(s, res.GetUsage())
	out := make(map[string]connector.Secret, len(res.GetNewSecrets()))
	for k, v := range res.GetNewSecrets() {
		out[k] = connector.Secret(v)
	}
	return out, nil
}

func readRecords(in []*pb.Record, entity connector.Entity, bodies bool) ([]connector.Record, error) {
	out := make([]connector.Record, 0, len(in))
	for _, w := range in {
		r, err := recordFromWire(w)
		if err != nil {
			return nil, err
		}
		if r.Entity != entity || r.ID == "" {
			return nil, fmt.Errorf("asked for %s, got %s %q", entity, r.Entity, r.ID)
		}
		if bodies && wanting(r) {
			return nil, fmt.Errorf("%s is empty", r.Ref())
		}
		out = append(out, r)
	}
	return out, nil
}

func nonsense(op string, kind connector.Kind, err error) *connector.Error {
	return connector.Errorf(kind, op, "the plugin's answer cannot be used: %w", err).
		WithRemedy("check that the plugin is of the same release as the host, or report this to its author")
}
