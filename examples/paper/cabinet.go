package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	fileBytesMax = 1 << 20 // an invoice with hundreds of lines is a tenth of it

	// A file system's clock moves in steps of some milliseconds. A file that a
	// person saves in the step of the last one of a page could sort before it and
	// be missed, so a page ends only after the step is over.
	clockStep = 20 * time.Millisecond
)

// idForm is what may be a file's name: an id comes from outside and must not be
// a way out of the drawer. It starts with no dot, as a file being written does.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// cabinet is the open folder. An os.Root never leaves it, whatever it is asked.
type cabinet struct {
	path   string
	root   *os.Root
	filing *sync.Mutex // held while a sheet is stamped and filed, and while a drawer is read
}

func (p *Paper) open(s *connector.Session) (*cabinet, error) {
	dir := s.Settings[settingFolder]
	if dir == "" {
		return nil, connector.Errorf(connector.Invalid, "paper", "no folder is set").WithRemedy("set %s", settingFolder)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, classified("paper: open folder", err).WithRemedy("check the setting %s, and that the folder is there", settingFolder)
	}
	return &cabinet{path: dir, root: root, filing: &p.filing}, nil
}

func (c *cabinet) close() { _ = c.root.Close() }

// classified says what the host should do about an error of the file system.
func classified(op string, err error) *connector.Error {
	kind := connector.Unavailable // a full disk, a lost network drive: later it may be well
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		kind = connector.Invalid
	case errors.Is(err, fs.ErrPermission):
		kind = connector.Auth
	}
	return connector.Errorf(kind, op, "%w", err)
}

func known(e connector.Entity) error {
	if !slices.Contains(connector.Entities(), e) {
		return connector.Errorf(connector.Invalid, "paper", "there is no drawer for %q", e)
	}
	return nil
}

// sheet is what a file holds. The record's name is the file's.
type sheet struct {
	Gone    bool               `json:"gone,omitempty"`
	Invoice *connector.Invoice `json:"invoice,omitempty"`
	Payment *connector.Payment `json:"payment,omitempty"`
	Contact *connector.Contact `json:"contact,omitempty"`
}

func encode(r connector.Record) ([]byte, error) {
	return json.MarshalIndent(sheet{Gone: r.Gone, Invoice: r.Invoice, Payment: r.Payment, Contact: r.Contact}, "", "  ")
}

// same reports whether two records say the same.
func same(a, b connector.Record) bool {
	x, errX := encode(a)
	y, errY := encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func name(e connector.Entity, id string) string { return path.Join(string(e), id+".json") }

// read returns a record; found is false when there is no such file.
func (c *cabinet) read(ctx context.Context, e connector.Entity, id string) (_ connector.Record, found bool, _ error) {
	if err := ctx.Err(); err != nil {
		return connector.Record{}, false, connector.Errorf(connector.Unavailable, "paper: read", "%w", err)
	}
	if !idForm.MatchString(id) {
		return connector.Record{}, false, nil
	}
	f, err := c.root.Open(name(e, id))
	if errors.Is(err, fs.ErrNotExist) {
		return connector.Record{}, false, nil
	}
	if err != nil {
		return connector.Record{}, false, classified("paper: read", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return connector.Record{}, false, classified("paper: read", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return connector.Record{}, false, classified("paper: read", err)
	}
	rec, err := decode(e, id, b)
	rec.UpdatedAt = info.ModTime().UTC()
	return rec, err == nil, err
}

func decode(e connector.Entity, id string, b []byte) (connector.Record, error) {
	if len(b) > fileBytesMax {
		return connector.Record{}, connector.Errorf(connector.Invalid, "paper: read", "%s is larger than %d bytes", name(e, id), fileBytesMax)
	}
	var v sheet
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields() // a misspelt field is a mistake, not nothing
	if err := dec.Decode(&v); err != nil {
		return connector.Record{}, connector.Errorf(connector.Invalid, "paper: read", "%s: %w", name(e, id), err).WithRemedy("correct the file")
	}
	sum := sha256.Sum256(b)
	rec := connector.Record{
		Entity: e, ID: id, Version: hex.EncodeToString(sum[:8]),
		Gone: v.Gone, Invoice: v.Invoice, Payment: v.Payment, Contact: v.Contact,
	}
	bodies := map[connector.Entity]bool{
		connector.EntityInvoice: v.Invoice != nil, connector.EntityPayment: v.Payment != nil, connector.EntityContact: v.Contact != nil,
	}
	for kind, there := range bodies {
		if there != (kind == e) && !(v.Gone && !there) {
			return connector.Record{}, connector.Errorf(connector.Invalid, "paper: read", "%s must hold one %q and nothing else", name(e, id), e).WithRemedy("correct the file")
		}
	}
	return rec, nil
}

// write puts the file in place by a rename: whoever reads finds the old or the
// new one, never half of it.
func (c *cabinet) write(r connector.Record, id string) error {
	const op = "paper: write"
	if !idForm.MatchString(id) {
		return connector.Errorf(connector.Invalid, op, "%q cannot be the name of a file", id)
	}
	b, err := encode(r)
	if err != nil {
		return connector.Errorf(connector.Invalid, op, "%w", err)
	}
	if err := c.root.MkdirAll(string(r.Entity), 0o755); err != nil {
		return classified(op, err)
	}
	tmp := path.Join(string(r.Entity), "."+id+".tmp")
	f, err := c.root.Create(tmp)
	if err != nil {
		return classified(op, err)
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return classified(op, err)
	}
	// The time of change is the time of filing: syncing took its time, and who read
	// the drawer meanwhile has a cursor past the moment of writing.
	c.filing.Lock()
	defer c.filing.Unlock()
	now := time.Now()
	if err := errors.Join(c.root.Chtimes(tmp, now, now), c.root.Rename(tmp, name(r.Entity, id))); err != nil {
		return classified(op, err)
	}
	return nil
}

// position is a place in a drawer's order of change.
type position struct {
	changed time.Time
	id      string
}

func (p position) compare(q position) int {
	if c := p.changed.Compare(q.changed); c != 0 {
		return c
	}
	return strings.Compare(p.id, q.id)
}

// String is the cursor after this place.
func (p position) String() string { return p.changed.Format(time.RFC3339Nano) + " " + p.id }

// parsePosition reads a cursor; without one the drawer is read from since.
func parsePosition(cursor string, since time.Time) (position, error) {
	if cursor == "" {
		return position{changed: since}, nil // no id sorts before every id
	}
	at, id, _ := strings.Cut(cursor, " ")
	changed, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return position{}, connector.Errorf(connector.Invalid, "paper: list", "%q is not a cursor of this connector", cursor)
	}
	return position{changed: changed, id: id}, nil
}

// changes returns at most size places after from, oldest first, and whether there
// are more. It waits once for the clock to move on, so that what was written just
// before the call is in this page or in one that it says is to come.
func (c *cabinet) changes(ctx context.Context, e connector.Entity, from position, size int) (_ []position, more bool, _ error) {
	if err := known(e); err != nil {
		return nil, false, err
	}
	for waited := false; ; waited = true {
		all, err := c.drawer(e, from)
		if err != nil {
			return nil, false, err
		}
		settled := all
		for len(settled) > 0 && time.Since(settled[len(settled)-1].changed) < clockStep {
			settled = settled[:len(settled)-1]
		}
		if size = max(size, 1); waited || len(settled) == len(all) || len(settled) > size {
			return settled[:min(size, len(settled))], len(settled) > size, nil
		}
		select {
		case <-ctx.Done():
			return nil, false, connector.Errorf(connector.Unavailable, "paper: list", "%w", ctx.Err())
		case <-time.After(clockStep):
		}
	}
}

// drawer returns every place after from, oldest first.
func (c *cabinet) drawer(e connector.Entity, from position) ([]position, error) {
	c.filing.Lock()
	defer c.filing.Unlock()
	entries, err := fs.ReadDir(c.root.FS(), string(e))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was ever put in
	}
	if err != nil {
		return nil, classified("paper: list", err)
	}
	var out []position
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".json")
		info, err := entry.Info()
		if !ok || !idForm.MatchString(id) || err != nil || !info.Mode().IsRegular() {
			continue // no record, or removed just now
		}
		at := position{changed: info.ModTime().UTC(), id: id}
		if at.compare(from) > 0 {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, position.compare)
	return out, nil
}
