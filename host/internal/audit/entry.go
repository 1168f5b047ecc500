package audit

import (
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind says what an entry tells of. The set is open: a room may add its own word,
// lower case with hyphens.
type Kind string

// The kinds that the host writes.
const (
	KindDelivery   Kind = "delivery"   // a webhook delivery was accepted or refused
	KindPoll       Kind = "poll"       // a page of changes was taken in
	KindIntent     Kind = "intent"     // a write was decided and stored before it left
	KindAttempt    Kind = "attempt"    // a write left; its answer is not yet known, or it failed
	KindOutcome    Kind = "outcome"    // an intent was settled: created, updated or unchanged
	KindSkip       Kind = "skip"       // a record needs no write, and why
	KindHold       Kind = "hold"       // a record waits for a person, and why
	KindDead       Kind = "dead"       // a record could not be worked and became a dead letter
	KindReplay     Kind = "replay"     // a person ran a record again
	KindLink       Kind = "link"       // a link was made or ended
	KindConnection Kind = "connection" // a connection was added, authorised, changed, paused or removed
	KindPlugin     Kind = "plugin"     // a plugin was accepted, refused, started or died
	KindRecipe     Kind = "recipe"     // a recipe was started, or a parameter was set
	KindKey        Kind = "key"        // data keys were rotated
)

// Entry is one line of the trail. Every field but Kind may be empty.
type Entry struct {
	Seq     int64     `json:"seq"`     // from 1, without gaps; Append sets it
	At      time.Time `json:"at"`      // UTC, whole microseconds; zero at Append means now
	Kind    Kind      `json:"kind"`    // the only field that must be set
	Recipe  string    `json:"recipe"`  // name
	Flow    string    `json:"flow"`    // name within the recipe
	WorkID  int64     `json:"work_id"` // the row in table work; 0 for none
	Source  string    `json:"source"`  // ref of the record that it is about
	Target  string    `json:"target"`  // ref of the record that was written
	Attempt int       `json:"attempt"` // from 1; 0 for none
	Outcome string    `json:"outcome"` // "created", "refused", ...
	Reason  string    `json:"reason"`  // for people
	Detail  Detail    `json:"detail"`  // more facts by name
	Prev    Hash      `json:"prev"`    // Hash of the entry before; Append sets it
	Hash    Hash      `json:"hash"`    // over all of the above; Append sets it
}

// Detail holds further facts by name. It never holds a secret or a payload.
type Detail map[string]string

// Hash is an HMAC-SHA256; in JSON it is lower case hex.
type Hash []byte

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("hash: %w", err)
	}
	*h = decoded
	return nil
}

// String is the hash in lower case hex.
func (h Hash) String() string { return hex.EncodeToString(h) }

const (
	textBytesMax  = 4 << 10 // of each text; a service's error message is shorter, and the rest is cut visibly
	detailKeysMax = 64
	cutMark       = "... (cut)"
)

// row is an entry as it is stored: its detail is the text that was hashed.
type row struct {
	entry  Entry
	detail string
}

// newRow brings an entry into the form that any database gives back unchanged.
func newRow(e Entry, now time.Time) (row, error) {
	if e.Kind == "" {
		return row{}, errors.New("audit entry has no kind")
	}
	if len(e.Detail) > detailKeysMax {
		return row{}, fmt.Errorf("audit entry %s has %d details, at most %d", e.Kind, len(e.Detail), detailKeysMax)
	}
	if e.At.IsZero() {
		e.At = now
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	if year := e.At.Year(); year < 1 || year > 9999 {
		return row{}, fmt.Errorf("audit entry %s is of the year %d", e.Kind, year)
	}
	e.Kind = Kind(plain(string(e.Kind)))
	for _, text := range []*string{&e.Recipe, &e.Flow, &e.Source, &e.Target, &e.Outcome, &e.Reason} {
		*text = plain(*text)
	}
	detail := make(Detail, len(e.Detail))
	for name, value := range e.Detail {
		detail[plain(name)] = plain(value)
	}
	e.Detail = detail
	text, err := json.Marshal(detail) // sorts by name
	if err != nil {
		return row{}, fmt.Errorf("audit entry %s: %w", e.Kind, err)
	}
	return row{entry: e, detail: string(text)}, nil
}

// plain cuts a long text, and replaces what a database cannot hold in text: a
// service's message must not be able to stop the trail.
func plain(s string) string {
	if len(s) > textBytesMax {
		end := textBytesMax - len(cutMark)
		for end > 0 && !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end] + cutMark
	}
	s = strings.ReplaceAll(s, "\x00", string(utf8.RuneError))
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}

const columns = `seq, at, kind, recipe, flow, work_id, source, target, attempt, outcome, reason, detail, prev, hash`

// malformedError: a stored entry has a value that Append never writes.
type malformedError struct {
	seq    int64
	column string
}

func (e *malformedError) Error() string {
	return fmt.Sprintf("audit entry %d: column %s was changed to something that is not a %s", e.seq, e.column, e.column)
}

// scanRow reads one row of the columns above. SQLite lets any kind of value stand
// in any column, so each is checked: a wrong one is a malformedError.
func scanRow(rows *sql.Rows) (row, error) {
	var r row
	e := &r.entry
	var at, workID, attempt any
	texts := make([]any, 8)
	var prev, hash any
	err := rows.Scan(&e.Seq, &at, &texts[0], &texts[1], &texts[2], &workID, &texts[3], &texts[4], &attempt,
		&texts[5], &texts[6], &texts[7], &prev, &hash)
	if err != nil {
		return row{}, fmt.Errorf("read audit entry: %w", err)
	}
	var kind string
	var attempts int64
	checks := []struct {
		column string
		ok     bool
	}{
		{"at", asTime(at, &e.At)},
		{"kind", asText(texts[0], &kind)},
		{"recipe", asText(texts[1], &e.Recipe)},
		{"flow", asText(texts[2], &e.Flow)},
		{"work_id", asInt(workID, &e.WorkID)},
		{"source", asText(texts[3], &e.Source)},
		{"target", asText(texts[4], &e.Target)},
		{"attempt", asInt(attempt, &attempts)},
		{"outcome", asText(texts[5], &e.Outcome)},
		{"reason", asText(texts[6], &e.Reason)},
		{"detail", asText(texts[7], &r.detail) && json.Unmarshal([]byte(r.detail), &e.Detail) == nil},
		{"prev", asBytes(prev, &e.Prev)},
		{"hash", asBytes(hash, &e.Hash)},
	}
	e.Kind, e.Attempt = Kind(kind), int(attempts)
	for _, check := range checks {
		if !check.ok {
			return row{entry: Entry{Seq: e.Seq}}, &malformedError{seq: e.Seq, column: check.column}
		}
	}
	return r, nil
}

func asText(value any, to *string) bool {
	switch v := value.(type) {
	case string:
		*to = v
	case []byte:
		*to = string(v)
	default:
		return false
	}
	return true
}

func asInt(value any, to *int64) bool {
	v, ok := value.(int64)
	*to = v
	return ok
}

func asBytes(value any, to *Hash) bool {
	v, ok := value.([]byte)
	*to = v
	return ok
}

// asTime refuses what is finer than a microsecond: the hash would not see it.
func asTime(value any, to *time.Time) bool {
	v, ok := value.(time.Time)
	*to = v.UTC()
	return ok && v.Nanosecond()%int(time.Microsecond) == 0
}
