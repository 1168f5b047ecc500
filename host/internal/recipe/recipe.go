package recipe

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// Recipe is a checked recipe. It is immutable and safe for concurrent use.
type Recipe struct {
	Name        string
	Extends     string // the recipe that it is read on top of; may be empty
	State       string // under which links, cursors and work are kept: its name, or that of a recipe that it continues
	Description string
	Connections map[string]ConnectionDecl // by the name that the recipe uses
	Params      []Param                   // in the order of the file
	Checks      []Check
	Retry       Retry
	Poll        time.Duration // how often each source is asked; a flow may say its own
	Flows       []*Flow       // in the order of the file

	file   string
	params *structType
	refuse []rule // of choices
	cases  []testCase
}

// ConnectionDecl says which connector a connection of the recipe needs.
type ConnectionDecl struct {
	Connector  string
	Connection string // the connection to use unless the owner names another; empty: that of the recipe's own name
}

// Check is something to ask a connector before the recipe starts.
type Check struct {
	Connection string
	CurrencyOf string      // connection whose money arrives in the posting account; empty: not said
	posting    *expression // nil: none
	counter    *expression // nil: none
}

// Retry says how often failed work is tried, and how long to wait in between.
type Retry struct {
	Attempts int           // at least 1
	First    time.Duration // the wait after the first attempt
	Factor   int           // each further wait is so many times the one before
	Cap      time.Duration // the longest wait
}

// Wait returns how long to wait after a failed attempt, which counts from 1.
func (r Retry) Wait(attempt int) time.Duration {
	wait := r.First
	for range attempt - 1 {
		if wait >= r.Cap/time.Duration(r.Factor) {
			return r.Cap
		}
		wait *= time.Duration(r.Factor)
	}
	return min(wait, r.Cap)
}

// Load reads a recipe file, on top of those beside it that it extends. The error
// is Diagnostics when one of them is a wrong recipe.
func Load(path string) (*Recipe, error) { return Library{}.LoadFile(path) }

// Flow returns the flow of that name, or nil.
func (r *Recipe) Flow(name string) *Flow {
	for _, f := range r.Flows {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// CheckOrder returns the connections in the order in which they are to be asked:
// those whose currency matters to another one first.
func (r *Recipe) CheckOrder() []string {
	var first, rest []string
	for _, name := range slices.Sorted(maps.Keys(r.Connections)) {
		if slices.ContainsFunc(r.Checks, func(c Check) bool { return c.CurrencyOf == name && c.Connection != name }) {
			first = append(first, name)
		} else {
			rest = append(rest, name)
		}
	}
	return append(first, rest...)
}

// CheckRequest returns what to ask the connector of a connection before the recipe
// starts: the accounts that it will post to. connection is the recipe's own name,
// and currencies are those of the connections that were asked before it.
func (r *Recipe) CheckRequest(connection string, p Params, currencies map[string]string) (connector.CheckRequest, error) {
	var req connector.CheckRequest
	for _, c := range r.Checks {
		if c.Connection != connection {
			continue
		}
		if c.CurrencyOf != "" {
			req.Currency = currencies[c.CurrencyOf]
		}
		var err error
		if req.PostingAccounts, err = c.posting.account(req.PostingAccounts, p); err != nil {
			return req, err
		}
		if req.CounterAccounts, err = c.counter.account(req.CounterAccounts, p); err != nil {
			return req, err
		}
	}
	return req, nil
}

// account appends the account that an expression names, if it names one.
func (e *expression) account(to []string, p Params) ([]string, error) {
	if e == nil {
		return to, nil
	}
	account, err := e.text(map[string]any{"params": p.object()})
	if err != nil {
		return to, connector.Errorf(connector.Invalid, "recipe", "%w", err)
	}
	if account == "" {
		return to, nil
	}
	return append(to, account), nil
}

// End is one end of a flow.
type End struct {
	Connection string // as the recipe names it
	Entity     connector.Entity
	Stream     string // one of the entity's streams; empty: its records that are in none
}

// String returns "xero.invoice", "stripe.payment.fees".
func (e End) String() string {
	return strings.TrimSuffix(e.Connection+"."+string(e.Entity)+"."+e.Stream, ".")
}

// Flow carries records of one entity from one connection to another.
type Flow struct {
	Name        string
	Description string
	From, To    End
	Inverse     string        // the flow that carries the same pair back; may be empty
	Poll        time.Duration // how often the source is asked
	Sweep       *Sweep        // nil: none

	recipe    *Recipe
	enabled   *expression // nil: always
	also      []alsoRule
	skip      []rule
	hold      []rule
	needs     []needRule
	needsType *structType // of `needs` in the flow's expressions
	expand    *expression // nil: nothing
	fields    []mapping
	owns      []string // fields of the target that the flow has the last word on
	policy    []mapping
}

// Also is another entity whose events concern the flow's records.
type Also struct {
	End    End  // its connection, of the source or of the target, and the entity
	Target bool // it is the target's: what was written there may hold no more
}

// Also lists the entities beside From whose events concern the flow's records.
func (f *Flow) Also() []Also {
	out := make([]Also, len(f.also))
	for i, a := range f.also {
		out[i] = Also{End: End{Connection: f.From.Connection, Entity: a.entity}, Target: a.target}
		if a.target {
			out[i].End.Connection = f.To.Connection
		}
	}
	return out
}

// Need is a record that must be in the target before the flow can write.
type Need struct {
	Name     string // as in needs.NAME
	Flow     string // the flow that brings it
	Reverse  bool   // ID is the flow's target; wanted is its source
	Optional bool   // evaluate also without it
	ID       string // the flow's source record; its target record when Reverse
}

type (
	alsoRule struct {
		entity  connector.Entity
		target  bool // of the target's end, not the source's
		records *expression
	}
	rule struct {
		when, because *expression
		remedy        *expression // hold only; nil: none
	}
	needRule struct {
		Need
		id *expression
	}
	// mapping is one wanted field, or one policy.
	mapping struct {
		field field
		value *expression
	}
)
