package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ml-connector/ml-connector/connector"
)

// target returns a connection's plugin and a session for it. Every error means
// that nothing was asked of the service.
func (e *Engine) target(ctx context.Context, name string, p connector.Priority) (Connector, *connector.Session, error) {
	c, err := e.cfg.Connections.Get(ctx, name)
	if err != nil {
		return nil, nil, before(err)
	}
	plug, err := e.cfg.Plugin(ctx, c.Connector)
	if err != nil {
		return nil, nil, before(err)
	}
	sess, err := e.cfg.Connections.Session(ctx, name, p)
	if err != nil {
		return nil, nil, before(err)
	}
	return plug, sess, nil
}

// before classifies an error that came before any call: nothing was done.
func before(err error) error {
	if connector.KindOf(err) == connector.UnknownOutcome {
		return connector.Errorf(connector.Unavailable, "prepare the call", "%w", err)
	}
	return err
}

// call runs fn with a session, and once more with a new access token when the
// service refuses the one we have.
func (e *Engine) call(ctx context.Context, name string, p connector.Priority, fn func(Connector, *connector.Session) error) error {
	for retried := false; ; retried = true {
		plug, sess, err := e.target(ctx, name, p)
		if err != nil {
			return err
		}
		err = fn(plug, sess)
		if retried || connector.KindOf(err) != connector.Auth || err == nil || sess.AccessToken == "" {
			return err
		}
		if err := e.cfg.Connections.Refresh(ctx, name, sess.AccessToken); err != nil {
			return before(err)
		}
	}
}

func (e *Engine) support(ctx context.Context, l lane) (connector.EntitySupport, error) {
	c, err := e.cfg.Connections.Get(ctx, l.connection)
	if err != nil {
		return connector.EntitySupport{}, before(err)
	}
	plug, err := e.cfg.Plugin(ctx, c.Connector)
	if err != nil {
		return connector.EntitySupport{}, before(err)
	}
	s, ok := plug.Manifest().Support(l.entity)
	if !ok {
		return s, connector.Errorf(connector.Invalid, "connection "+l.connection, "%s offers no %s", c.Connector, l.entity)
	}
	return s, nil
}

func (e *Engine) getBatch(ctx context.Context, l lane) (int, error) {
	s, err := e.support(ctx, l)
	return s.GetBatch, err
}

func (e *Engine) upsertBatch(ctx context.Context, l lane) (int, error) {
	s, err := e.support(ctx, l)
	return s.UpsertBatch, err
}

// callGet reads several records in one call. A record that is not there is nil.
// A record that the connector cannot represent gets its own error, and the
// others are read without it.
func (e *Engine) callGet(ctx context.Context, l lane, ids []string) []reply[*connector.Record] {
	var left []string
	for _, id := range ids {
		if !slices.Contains(left, id) {
			left = append(left, id)
		}
	}
	left, ahead := e.readAhead(ctx, l, left)
	e.log.Debug("read", "connection", l.connection, "entity", l.entity, "asked", len(left)-len(ahead), "ahead", len(ahead))
	found := map[string]reply[*connector.Record]{}
	for len(left) > 0 {
		recs, err := e.get(ctx, l, left)
		for i := range recs {
			found[recs[i].ID] = reply[*connector.Record]{answer: &recs[i]}
		}
		if err == nil {
			break
		}
		bad := unreadable(err, left)
		if len(bad) == 0 {
			bad = slices.Clone(left) // it is about none of them, so about all
		}
		for _, id := range bad {
			found[id] = reply[*connector.Record]{err: err}
		}
		left = slices.DeleteFunc(left, func(id string) bool { return slices.Contains(bad, id) })
	}
	for _, d := range ahead {
		if got := found[d.id]; got.answer != nil {
			e.fresh.put(d.work, d.generation, *got.answer)
		}
	}
	out := make([]reply[*connector.Record], len(ids))
	for i, id := range ids {
		out[i] = found[id]
	}
	return out
}

func (e *Engine) get(ctx context.Context, l lane, ids []string) (recs []connector.Record, err error) {
	err = e.call(ctx, l.connection, connector.PriorityRead, func(plug Connector, s *connector.Session) (err error) {
		recs, err = plug.Get(ctx, s, connector.GetRequest{Entity: l.entity, IDs: ids})
		return err
	})
	return recs, err
}

// unreadable returns the ids that an Invalid error names as its cause.
func unreadable(err error, asked []string) []string {
	var e *connector.Error
	if !errors.As(err, &e) || e.Kind != connector.Invalid {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(e.Candidates), func(id string) bool { return !slices.Contains(asked, id) })
}

// callUpsert writes several records in one call. Writes whose access token was
// refused are sent once more with a new one; a part of them may be there already.
func (e *Engine) callUpsert(ctx context.Context, l lane, writes []connector.Write) []reply[connector.Outcome] {
	out := make([]reply[connector.Outcome], len(writes))
	left := make([]int, len(writes)) // places of the writes without an answer
	for i := range left {
		left[i] = i
	}
	err := e.call(ctx, l.connection, connector.PriorityWrite, func(plug Connector, s *connector.Session) error {
		req := connector.UpsertRequest{Entity: l.entity}
		for _, at := range left {
			req.Writes = append(req.Writes, writes[at])
		}
		outcomes, err := plug.Upsert(ctx, s, req)
		if err == nil && len(outcomes) != len(left) {
			err = connector.Errorf(connector.UnknownOutcome, "upsert", "%d writes, %d outcomes", len(left), len(outcomes))
		}
		if err != nil {
			return err
		}
		var refused []int
		for i, o := range outcomes {
			at := left[i]
			out[at] = reply[connector.Outcome]{answer: o}
			switch {
			case o.Err == nil:
			case o.Err.Kind == connector.Auth:
				refused, err = append(refused, at), o.Err
				writes[at].Attempt = max(writes[at].Attempt, 2)
			default:
				out[at].err = o.Err
			}
		}
		left = refused
		return err
	})
	if err != nil {
		for _, at := range left {
			out[at] = reply[connector.Outcome]{err: err}
		}
	}
	return out
}

// fetch reads one record, together with others that are due. A record that is
// not there comes back as gone.
func (e *Engine) fetch(ctx context.Context, r Ref) (connector.Record, error) {
	rec, err := e.reads.ask(ctx, lane{r.Connection, r.Entity}, r.ID)
	if err != nil {
		if connector.KindOf(err) == connector.UnknownOutcome { // a read leaves nothing behind
			err = connector.Errorf(connector.Unavailable, fmt.Sprintf("read %s", r), "%w", err)
		}
		return connector.Record{}, err
	}
	if rec == nil {
		return connector.Record{Entity: r.Entity, ID: r.ID, Gone: true}, nil
	}
	return *rec, nil
}
