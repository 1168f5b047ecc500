package flow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/connection"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// callTimeout bounds one call to a plugin, with all that it asks of its service.
const callTimeout = 90 * time.Second

// Reads and writes wait a moment for others to share a call with: calls are the
// scarce good, not time. While the service leaves plenty, the moment is the
// queue's own beat; the fewer calls it leaves this minute, the longer it gets.
const (
	gatherPlenty = 15 * time.Millisecond
	gatherScarce = time.Second
	gatherLast   = 4 * time.Second

	// With a backlog, writes wait for a full call at most so long.
	gatherBacklog = 3 * time.Second
	backlogMany   = 100 // pieces of work on their way to one target

	callsScarce = 35 // of Xero's 60 a minute
	callsLast   = 15
)

// Connector is what the engine asks of a plugin.
type Connector interface {
	Manifest() connector.Manifest
	List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error)
	Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error)
	Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error)
}

// Connections is what the engine asks of the connection room.
type Connections interface {
	Get(ctx context.Context, name string) (connection.Connection, error)
	Session(ctx context.Context, name string, p connector.Priority) (*connector.Session, error)
	Refresh(ctx context.Context, name string, refused connector.Secret) error
	Pause(ctx context.Context, name, reason, remedy string) error
}

// Queue is what the engine asks of the job room.
type Queue interface {
	Enqueue(ctx context.Context, tx *db.Tx, runs ...job.Run) error
	Complete(ctx context.Context, tx *db.Tx, a job.Attempt) error
	CompleteAndAgain(ctx context.Context, tx *db.Tx, a job.Attempt) error
}

// Selection is one recipe that takes part, with what its owner chose.
type Selection struct {
	Recipe *recipe.Recipe
	Params recipe.Params
	Bind   map[string]string // the recipe's connection names to connections; absent: the same name
	Since  time.Time         // where the first poll of a source starts
}

// Connection returns the connection that an end of a flow is bound to.
func (s Selection) Connection(end recipe.End) string {
	if name := s.Bind[end.Connection]; name != "" {
		return name
	}
	return end.Connection
}

// Config configures an Engine. Everything but CallsLeft, Log and Now is required.
type Config struct {
	DB          *db.DB
	Audit       *audit.Log
	Queue       Queue
	Connections Connections
	Plugin      func(ctx context.Context, connector string) (Connector, error)
	Selections  []Selection
	CallsLeft   func(connection string) int // what the service leaves this minute; -1: unknown. Nil: always unknown
	Log         hclog.Logger
	Now         func() time.Time // default time.Now; tests pin it
}

// Engine runs the flows of the selected recipes. It is safe for concurrent use.
type Engine struct {
	cfg    Config
	log    hclog.Logger
	plans  map[string]*plan // by the recipe's state, under which all its rows are kept
	order  []string         // states as selected
	reads  *gatherer[string, *connector.Record]
	writes *gatherer[connector.Write, connector.Outcome]
	fresh  *shelf

	musterMu sync.Mutex
	mustered map[string]bool // pairs of flows whose roster was filled

	queued backlog
	made   time.Time // what was evaluated before it may not say yet whether it is swept
}

// plan is a selected recipe, bound to connections.
type plan struct {
	Selection
	enabled map[string]bool // by flow name
}

// ErrOneState says that two selected recipes would work on the same links,
// cursors and work: one recipe twice, or one that goes on with another's state.
var ErrOneState = errors.New("two recipes with one state")

// New checks the selections and returns an Engine. It starts nothing.
func New(cfg Config) (*Engine, error) {
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	e := &Engine{cfg: cfg, log: cfg.Log, plans: map[string]*plan{}, mustered: map[string]bool{}}
	if cfg.CallsLeft == nil {
		e.cfg.CallsLeft = func(string) int { return -1 }
	}
	e.made = e.now()
	e.reads = newGatherer(e.window, e.getBatch, e.callGet)
	e.writes = newGatherer(e.writeWindow, e.upsertBatch, e.callUpsert)
	e.fresh = newShelf(e.now)
	e.queued.of = e.countQueued
	for _, s := range cfg.Selections {
		state := s.Recipe.State
		if other, taken := e.plans[state]; taken {
			return nil, fmt.Errorf("%w: %s and %s keep it under %s: select one of them", ErrOneState, other.Recipe.Name, s.Recipe.Name, state)
		}
		p := &plan{Selection: s, enabled: map[string]bool{}}
		for _, f := range s.Recipe.Flows {
			on, err := f.Enabled(s.Params)
			if err != nil {
				return nil, err
			}
			p.enabled[f.Name] = on
		}
		e.plans[state] = p
		e.order = append(e.order, state)
	}
	return e, nil
}

// Close waits for the calls that go on after their attempts have given up. No
// attempt may begin any more; the database must stay open until it returns. The
// error says that ctx ended first.
func (e *Engine) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.reads.calls.Wait()
		e.writes.calls.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("calls to services are still under way: %w", ctx.Err())
	}
}

// Connections lists the connections that the selected recipes use.
func (e *Engine) Connections() []string {
	var out []string
	seen := map[string]bool{}
	for _, name := range e.order {
		p := e.plans[name]
		for _, f := range p.Recipe.Flows {
			for _, end := range []recipe.End{f.From, f.To} {
				if c := p.Connection(end); !seen[c] {
					seen[c] = true
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// window is how long to gather reads for one call.
func (e *Engine) window(l lane) time.Duration {
	switch left := e.cfg.CallsLeft(l.connection); {
	case left < 0 || left > callsScarce:
		return gatherPlenty
	case left > callsLast:
		return gatherScarce
	default:
		return gatherLast
	}
}

// writeWindow is how long to gather writes: longer while a backlog is being
// worked off, which fills a call anyway.
func (e *Engine) writeWindow(l lane) time.Duration {
	if e.queued.count(l) > backlogMany {
		return max(gatherBacklog, e.window(l))
	}
	return e.window(l)
}

func (e *Engine) now() time.Time { return e.cfg.Now().UTC() }

// Ref names a record across connections.
type Ref struct {
	Connection string
	Entity     connector.Entity
	ID         string
}

// String returns "xero:invoice/4f2c…".
func (r Ref) String() string {
	if r.ID == "" {
		return ""
	}
	return r.Connection + ":" + string(r.Entity) + "/" + r.ID
}
