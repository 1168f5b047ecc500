package main

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// cursor is where a list stands. A backfill lists objects by the time they were
// made, in spans that fit a page; then the rows of a feed (events, mostly) tell
// what changed since the mark that was set before the backfill began, so that
// nothing falls between. Days of fees know only From, Width and After.
type cursor struct {
	V     int   `json:"v"`
	Since int64 `json:"since"` // where the backfill begins, Unix seconds

	Kind  int    `json:"kind,omitempty"`  // backfill: which of the entity's kinds of object
	From  int64  `json:"from,omitempty"`  // objects made before it are done
	Width int64  `json:"width,omitempty"` // seconds of the next span; 0: to the end
	Top   int64  `json:"top,omitempty"`   // spans: the newest object known to be there
	After string `json:"after,omitempty"` // within a single second: continue after this id; within a day: after this currency

	Events bool     `json:"events,omitempty"` // the backfill is done, the feed is read
	Last   string   `json:"last,omitempty"`   // rows up to this one are done; empty: there was none
	LastAt int64    `json:"last_at,omitempty"`
	Seen   int64    `json:"seen,omitempty"`   // when rows were last read to the end, Stripe's clock
	Recent []string `json:"recent,omitempty"` // rows after Last that are done too
	At     string   `json:"at,omitempty"`     // there is more after this row, which is done; empty: go on at Last
	Young  bool     `json:"young,omitempty"`  // rows between Last and At were too young for the mark to pass them
}

const cursorVersion = 1

// readCursor reads a cursor of ours, or starts a fresh one, for an entity with so
// many kinds of object.
func readCursor(text string, since time.Time, kinds int) (cur *cursor, fresh bool, err error) {
	if text == "" {
		cur = &cursor{V: cursorVersion}
		if !since.IsZero() && since.Unix() > 0 {
			cur.Since = since.Unix()
		}
		cur.From = cur.Since
		return cur, true, nil
	}
	cur = &cursor{}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(cur); err != nil || cur.V != cursorVersion || cur.Kind < 0 || cur.Kind >= kinds || cur.Width < 0 {
		return nil, false, connector.Errorf(connector.Invalid, "stripe: list", "the cursor is not one of this connector's").
			WithRemedy("Start the flow without a cursor.")
	}
	return cur, false, nil
}

func (cur *cursor) text() (string, error) {
	b, err := json.Marshal(cur)
	if err != nil {
		return "", connector.Errorf(connector.Invalid, "stripe: list", "cursor: %w", err)
	}
	return string(b), nil
}
