package wire

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/connector"
	pb "github.com/ml-connector/ml-connector/proto/connector/v1"
)

// server is the plugin's side: proto in, connector calls, proto out.
type server struct {
	pb.UnimplementedConnectorServer
	c   connector.Connector
	log hclog.Logger
}

func newServer(c connector.Connector, log hclog.Logger) *server {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return &server{c: c, log: log}
}

// guard turns a panic into an error: one bad record must not end the process
// while other calls are in flight.
func (s *server) guard(op string, err *error) {
	if p := recover(); p != nil {
		s.log.Error("panic", "op", op, "stack", string(debug.Stack()))
		*err = statusOf(connector.Errorf(connector.UnknownOutcome, op, "the connector crashed"), op)
	}
}

// begin reads the session and starts counting.
func begin(ctx context.Context, w *pb.Session) (context.Context, *connector.Session, *connector.Meter, error) {
	s, err := sessionFromWire(w)
	if err != nil {
		return nil, nil, nil, err
	}
	m := &connector.Meter{}
	return connector.WithMeter(ctx, m), s, m, nil
}

func (s *server) Describe(context.Context, *pb.DescribeRequest) (_ *pb.DescribeResponse, err error) {
	defer s.guard("describe", &err)
	m := s.c.Manifest()
	_, m.ReceivesWebhooks = s.c.(connector.WebhookReceiver)
	_, m.RegistersWebhooks = s.c.(connector.WebhookRegistrar)
	return &pb.DescribeResponse{Manifest: manifestToWire(m), Tasks: int32(min(runtime.NumGoroutine(), math.MaxInt32))}, nil
}

func (s *server) Check(ctx context.Context, req *pb.CheckRequest) (_ *pb.CheckResponse, err error) {
	const op = "check"
	defer s.guard(op, &err)
	ctx, sess, meter, err := begin(ctx, req.GetSession())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	res, err := s.c.Check(ctx, sess, connector.CheckRequest{
		PostingAccounts: req.GetPostingAccounts(), CounterAccounts: req.GetCounterAccounts(), Currency: req.GetCurrency(),
	})
	if err != nil {
		return nil, statusOf(err, op)
	}
	out := &pb.CheckResponse{
		Account: accountToWire(res.Account), Missing: res.Missing, Excess: res.Excess, Notes: res.Notes,
		Usage: usageToWire(meter.Usage()),
	}
	for _, a := range res.Choices {
		out.Choices = append(out.Choices, accountToWire(a))
	}
	return out, nil
}

func (s *server) List(ctx context.Context, req *pb.ListRequest) (_ *pb.ListResponse, err error) {
	const op = "list"
	defer s.guard(op, &err)
	ctx, sess, meter, err := begin(ctx, req.GetSession())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	entity, err := entities.read(req.GetEntity())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	since, err := timeFromWire(req.GetSince())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	page, err := s.c.List(ctx, sess, connector.ListRequest{
		Entity: entity, Cursor: req.GetCursor(), Since: since,
		PageSize: int(req.GetPageSize()), IDsOnly: req.GetIdsOnly(), Stream: req.GetStream(),
	})
	if err != nil {
		return nil, statusOf(err, op)
	}
	return &pb.ListResponse{
		Records: recordsToWire(page.Records), NextCursor: page.Next, More: page.More, Usage: usageToWire(meter.Usage()),
	}, nil
}

func (s *server) Get(ctx context.Context, req *pb.GetRequest) (_ *pb.GetResponse, err error) {
	const op = "get"
	defer s.guard(op, &err)
	ctx, sess, meter, err := begin(ctx, req.GetSession())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	entity, err := entities.read(req.GetEntity())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	recs, err := s.c.Get(ctx, sess, connector.GetRequest{Entity: entity, IDs: req.GetIds()})
	if err != nil {
		return nil, statusOf(err, op)
	}
	return &pb.GetResponse{Records: recordsToWire(recs), Usage: usageToWire(meter.Usage())}, nil
}

func (s *server) Upsert(ctx context.Context, req *pb.UpsertRequest) (_ *pb.UpsertResponse, err error) {
	const op = "upsert"
	defer s.guard(op, &err)
	ctx, sess, meter, err := begin(ctx, req.GetSession())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	entity, err := entities.read(req.GetEntity())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	in := connector.UpsertRequest{Entity: entity}
	for _, w := range req.GetWrites() {
		v, err := writeFromWire(w, entity)
		if err != nil {
			return nil, statusOf(invalid(op, err), op)
		}
		in.Writes = append(in.Writes, v)
	}
	outcomes, err := s.c.Upsert(ctx, sess, in)
	if err != nil {
		return nil, statusOf(err, op)
	}
	res := &pb.UpsertResponse{Usage: usageToWire(meter.Usage())}
	for _, o := range outcomes {
		res.Outcomes = append(res.Outcomes, outcomeToWire(o))
	}
	return res, nil
}

func (s *server) Subscribe(ctx context.Context, req *pb.SubscribeRequest) (_ *pb.SubscribeResponse, err error) {
	const op = "subscribe"
	defer s.guard(op, &err)
	ctx, sess, meter, err := begin(ctx, req.GetSession())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	switch ask := req.GetAsk().(type) {
	case *pb.SubscribeRequest_Delivery:
		return s.verify(ctx, sess, ask.Delivery)
	case *pb.SubscribeRequest_Registration:
		r, ok := s.c.(connector.WebhookRegistrar)
		if !ok {
			return nil, statusOf(connector.Errorf(connector.Invalid, op, "this connector cannot create webhooks"), op)
		}
		secrets, err := r.RegisterWebhook(ctx, sess, ask.Registration.GetUrl())
		if err != nil {
			return nil, statusOf(err, op)
		}
		res := &pb.SubscribeResponse{
			Verdict: pb.Verdict_VERDICT_ACCEPTED, NewSecrets: make(map[string]string, len(secrets)), Usage: usageToWire(meter.Usage()),
		}
		for k, v := range secrets {
			res.NewSecrets[k] = v.Reveal()
		}
		return res, nil
	}
	return nil, statusOf(connector.Errorf(connector.Invalid, op, "neither a delivery nor a registration"), op)
}

func (s *server) verify(ctx context.Context, sess *connector.Session, d *pb.Delivery) (*pb.SubscribeResponse, error) {
	const op = "verify webhook"
	r, ok := s.c.(connector.WebhookReceiver)
	if !ok {
		return nil, statusOf(connector.Errorf(connector.Invalid, op, "this connector receives no webhooks"), op)
	}
	at, err := timeFromWire(d.GetReceivedAt())
	if err != nil {
		return nil, statusOf(invalid(op, err), op)
	}
	v, err := r.VerifyWebhook(ctx, sess, connector.WebhookRequest{
		Header: headersFromWire(d.GetHeaders()), Body: d.GetBody(), ReceivedAt: at,
	})
	if err != nil {
		return nil, statusOf(err, op)
	}
	res := &pb.SubscribeResponse{Verdict: verdicts.wire(v.Verdict), Reason: plain(v.Reason), DeliveryId: v.DeliveryID}
	for _, e := range v.Events {
		res.Events = append(res.Events, eventToWire(e))
	}
	return res, nil
}

func invalid(op string, err error) error {
	return connector.Errorf(connector.Invalid, op, "the host sent something that this plugin cannot read: %w", err)
}

// String keeps a server from being printed with its connector.
func (s *server) String() string { return fmt.Sprintf("server of %s", s.c.Manifest().Name) }
