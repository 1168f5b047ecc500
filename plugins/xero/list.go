package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// Looking for changes must not lose a record that changes between two pages.
// Numbered pages of a list ordered by change do: a record on page 1 that is
// touched moves to the end, and the first of page 2 slips onto page 1 unread.
// So the first page is asked for again and again, each time from where the
// last one ended (If-Modified-Since, to the second, one second back), and the
// rows that come twice are recognised.
//
// Only when a full page does not get past its first seconds are numbered pages
// read; afterwards they are read once more, until a pass finds nothing new.

const (
	overlap       = time.Second // whether the service's filter includes its own second is not documented
	cursorSeenMax = 20000       // rows remembered in a cursor; beyond it rows may come twice
	cursorVersion = 1
)

// place is where a feed stands; it is the opaque cursor.
type place struct {
	Version int       `json:"v"`
	Since   time.Time `json:"since"`          // rows changed from then on, whole seconds by the service's clock
	Page    int       `json:"page,omitempty"` // 0 and 1: the first
	Again   bool      `json:"again,omitempty"`
	Found   bool      `json:"found,omitempty"` // this pass over numbered pages found something
	Seen    []string  `json:"seen,omitempty"`  // rows at or after Since that were returned
}

// row is one element of a list.
type row struct {
	id      string
	updated time.Time
	skip    bool // not a record of ours
	record  connector.Record
}

// seenKey is short: a cursor may hold thousands.
func (r row) seenKey() string {
	h := sha256.Sum256([]byte(r.id + strconv.FormatInt(r.updated.UnixMilli(), 10)))
	return hex.EncodeToString(h[:6])
}

// feed is a list that can be followed.
type feed struct {
	op    string
	path  string
	query url.Values
	brief url.Values // added when bodies are not needed
	rows  func(env *envelope, idsOnly bool) (rows []row, promised bool)

	complete func(ctx context.Context, a *api, env *envelope) error // before bodies are made of it; nil: nothing is missing
}

func listChanges(ctx context.Context, a *api, req connector.ListRequest, f feed) (connector.Page, error) {
	at, err := readCursor(f.op, req)
	if err != nil {
		return connector.Page{}, err
	}
	rows, full, err := a.readPage(ctx, f, at, req)
	if err != nil {
		return connector.Page{}, err
	}
	if len(rows) > 0 && rows[0].updated.Before(at.Since.Add(-overlap)) {
		return connector.Page{}, connector.Errorf(connector.Unavailable, f.op, "Xero ignored If-Modified-Since %s", modifiedSince(at.Since))
	}
	page := connector.Page{More: full}
	seen := map[string]bool{}
	for _, key := range at.Seen {
		seen[key] = true
	}
	for _, r := range rows {
		if key := r.seenKey(); !seen[key] {
			seen[key] = true
			at.Seen = append(at.Seen, key)
			at.Found = true
			if !r.skip {
				page.Records = append(page.Records, r.record)
			}
		}
	}
	next := at.after(rows, full)
	page.More = full || next.Again
	page.Next, err = next.encode()
	return page, err
}

// after is the place after a page. p.Seen holds every row that was returned.
func (p place) after(rows []row, full bool) place {
	if len(rows) == 0 {
		return place{Version: cursorVersion, Since: p.Since, Seen: p.Seen}.rereading(p, false)
	}
	last := rows[len(rows)-1].updated.Truncate(time.Second).Add(-overlap)
	advances := last.After(p.Since)
	if full && !advances {
		next := p
		next.Page = max(p.Page, 1) + 1
		return next
	}
	next := place{Version: cursorVersion, Since: p.Since, Seen: p.Seen}
	if p.Page > 1 && (!p.Again || p.Found) {
		return next.rereading(p, true)
	}
	if advances {
		next.Since = last
		next.Seen = nil
		for _, r := range rows {
			if !r.updated.Before(last) {
				next.Seen = append(next.Seen, r.seenKey())
			}
		}
	}
	return next.bounded()
}

// rereading starts another pass over numbered pages when the last one may have
// missed a row.
func (p place) rereading(at place, needed bool) place {
	if needed || at.Page > 1 && (!at.Again || at.Found) {
		p.Again = true
	}
	return p.bounded()
}

func (p place) bounded() place {
	if extra := len(p.Seen) - cursorSeenMax; extra > 0 {
		p.Seen = p.Seen[extra:]
	}
	return p
}

func (p place) encode() (string, error) {
	b, err := json.Marshal(p)
	return string(b), err
}

func readCursor(op string, req connector.ListRequest) (place, error) {
	if req.Cursor == "" {
		since := req.Since.UTC().Truncate(time.Second)
		if req.Since.IsZero() {
			since = time.Time{}
		}
		return place{Version: cursorVersion, Since: since}, nil
	}
	var at place
	if err := json.Unmarshal([]byte(req.Cursor), &at); err != nil || at.Version != cursorVersion || at.Page < 0 {
		return place{}, connector.Errorf(connector.Invalid, op, "the cursor is not one of this connector")
	}
	at.Found = at.Found && at.Page > 1
	return at, nil
}

// readPage reads one page, oldest change first. full says that the service may
// have more.
func (a *api) readPage(ctx context.Context, f feed, at place, req connector.ListRequest) ([]row, bool, error) {
	r := request{op: f.op, method: http.MethodGet, path: accounting + f.path, query: url.Values{}, since: at.Since}
	maps.Copy(r.query, f.query)
	if req.IDsOnly {
		maps.Copy(r.query, f.brief)
	}
	r.query.Set("order", "UpdatedDateUTC ASC")
	r.query.Set("page", strconv.Itoa(max(at.Page, 1)))
	r.query.Set("pageSize", strconv.Itoa(req.PageSize))
	var env envelope
	notModified, err := a.call(ctx, r, &env)
	if err != nil || notModified {
		return nil, false, err
	}
	if f.complete != nil && !req.IDsOnly {
		if err := f.complete(ctx, a, &env); err != nil {
			return nil, false, err
		}
	}
	rows, promised := f.rows(&env, req.IDsOnly)
	if !promised {
		return nil, false, unpromised(r, "the answer holds no list")
	}
	if !slices.IsSortedFunc(rows, func(a, b row) int { return a.updated.Compare(b.updated) }) {
		return nil, false, unpromised(r, "the rows are not in the order that was asked for")
	}
	size := req.PageSize
	if p := env.Pagination; p != nil && p.PageSize > 0 {
		size = min(size, p.PageSize)
	}
	return rows, len(rows) >= size, nil
}
