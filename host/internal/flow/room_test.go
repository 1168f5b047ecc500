package flow

import (
	"context"
	"sync"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// connections are the two authorised accounts, kept in memory.
type connections struct {
	mu        sync.Mutex
	all       map[string]connection.Connection
	token     string
	renew     func() (string, error) // of the access token; nil: none is needed
	refreshes int
}

func newConnections() *connections {
	return &connections{all: map[string]connection.Connection{
		"a": {Name: "a", Connector: "aa", AccountID: "account-a"}, "b": {Name: "b", Connector: "bb", AccountID: "account-b"},
	}}
}

func (c *connections) Get(_ context.Context, name string) (connection.Connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if got, ok := c.all[name]; ok {
		return got, nil
	}
	return connection.Connection{}, connection.ErrUnknown
}

func (c *connections) Session(_ context.Context, name string, p connector.Priority) (*connector.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &connector.Session{Connection: name, AccountID: c.all[name].AccountID, AccessToken: connector.Secret(c.token), Priority: p}, nil
}

func (c *connections) Refresh(context.Context, string, connector.Secret) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refreshes++
	c.token, err = c.renew()
	return err
}

func (c *connections) Pause(_ context.Context, name, reason, remedy string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.all[name]
	got.PausedReason, got.PausedRemedy = reason, remedy
	c.all[name] = got
	return nil
}

// queue is the job queue with a moment before each end of a job.
type queue struct {
	*job.Queue
	mu         sync.Mutex
	onComplete func(ctx context.Context, tx *db.Tx) error
}

func (q *queue) moment(ctx context.Context, tx *db.Tx) error {
	q.mu.Lock()
	hook := q.onComplete
	q.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx, tx)
}

func (q *queue) Complete(ctx context.Context, tx *db.Tx, a job.Attempt) error {
	if err := q.moment(ctx, tx); err != nil {
		return err
	}
	return q.Queue.Complete(ctx, tx, a)
}

func (q *queue) CompleteAndAgain(ctx context.Context, tx *db.Tx, a job.Attempt) error {
	if err := q.moment(ctx, tx); err != nil {
		return err
	}
	return q.Queue.CompleteAndAgain(ctx, tx, a)
}
