// Command ml-connector-plugin-paper is the reference connector: a small whole
// one, for authors to read before they write theirs.
//
// Its "service" is a cabinet: a folder with a drawer for each entity and a JSON
// file for each record, such as invoice/INV-1.json. A person may drop files in
// and edit them; that is a change like any other. The cabinet stores what it is
// given and does no accounting: a payment does not lower what an invoice has due.
//
// See docs/connectors.md, which builds it from an empty folder.
package main

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/wire"
)

func main() { wire.Serve(&Paper{}) }

// The names of the settings.
const (
	settingFolder = "folder"
	settingKey    = "webhook_key"
)

// Paper is the connector. It is safe for concurrent use.
type Paper struct {
	writing sync.Mutex // one write at a time: look, then write, undisturbed
	filing  sync.Mutex // a cabinet's
}

// Manifest says what the connector offers.
func (p *Paper) Manifest() connector.Manifest {
	verbs := []connector.Verb{connector.VerbList, connector.VerbGet, connector.VerbUpsert, connector.VerbSubscribe}
	var entities []connector.EntitySupport
	for _, e := range connector.Entities() {
		entities = append(entities, connector.EntitySupport{Entity: e, Verbs: verbs, GetBatch: 100, UpsertBatch: 20, PageSize: 100})
	}
	return connector.Manifest{
		Name:    "paper",
		Title:   "Paper",
		Version: "0.1.0",
		Summary: "Invoices, payments and contacts as JSON files in a folder.",
		Settings: []connector.Setting{
			{Name: settingFolder, Type: connector.SettingText, Required: true, Help: "Folder that holds the files; it must exist"},
			{Name: settingKey, Type: connector.SettingText, Secret: true, Help: "Key that webhooks are signed with; several are separated by commas. Empty: webhooks are refused"},
		},
		Entities: entities,
	}
}

// Check opens the cabinet. Payments may name any account: there is no chart of
// accounts that a posting account could be missing from.
func (p *Paper) Check(_ context.Context, s *connector.Session, _ connector.CheckRequest) (connector.CheckResult, error) {
	c, err := p.open(s)
	if err != nil {
		return connector.CheckResult{}, err
	}
	defer c.close()
	return connector.CheckResult{Account: connector.Account{ID: c.path, Name: filepath.Base(c.path)}}, nil
}

// List returns the files that changed after the cursor, oldest change first.
func (p *Paper) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	c, err := p.open(s)
	if err != nil {
		return connector.Page{}, err
	}
	defer c.close()
	from, err := parsePosition(req.Cursor, req.Since)
	if err != nil {
		return connector.Page{}, err
	}
	changes, more, err := c.changes(ctx, req.Entity, from, req.PageSize)
	if err != nil {
		return connector.Page{}, err
	}
	page := connector.Page{Next: req.Cursor, More: more}
	for _, at := range changes {
		page.Next = at.String()
		rec := connector.Record{Entity: req.Entity, ID: at.id, UpdatedAt: at.changed}
		if !req.IDsOnly {
			found := false
			if rec, found, err = c.read(ctx, req.Entity, at.id); err != nil {
				return connector.Page{}, err
			}
			if !found {
				continue // removed since the drawer was read
			}
		}
		page.Records = append(page.Records, rec)
	}
	return page, nil
}

// Get reads files afresh.
func (p *Paper) Get(ctx context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	c, err := p.open(s)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := known(req.Entity); err != nil {
		return nil, err
	}
	var out []connector.Record
	for _, id := range req.IDs {
		rec, found, err := c.read(ctx, req.Entity, id)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, rec)
		}
	}
	return out, nil
}

// Upsert writes each record to its file. One write that fails does not keep the
// others from being made.
func (p *Paper) Upsert(ctx context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	c, err := p.open(s)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := known(req.Entity); err != nil {
		return nil, err
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	out := make([]connector.Outcome, len(req.Writes))
	for i, w := range req.Writes {
		if out[i], err = c.put(ctx, w); err != nil {
			out[i] = connector.Failed(err, "paper: upsert")
		}
	}
	return out, nil
}

// over is a wanted contact over what is filed: a field that the host does not
// set stays as it is. Invoices and payments are wanted whole.
func over(now, want connector.Record) connector.Record {
	if now.Contact == nil || want.Contact == nil {
		return want
	}
	c := *now.Contact
	for to, from := range map[*string]string{&c.Name: want.Contact.Name, &c.Email: want.Contact.Email,
		&c.Phone: want.Contact.Phone, &c.Currency: want.Contact.Currency} {
		if from != "" {
			*to = from
		}
	}
	if want.Contact.Address != (connector.Address{}) {
		c.Address = want.Contact.Address
	}
	if want.Contact.Status != "" {
		c.Status = want.Contact.Status
	}
	if want.Contact.Marks != nil {
		c.Marks = want.Contact.Marks
	}
	if want.Contact.Extra != nil {
		c.Extra = want.Contact.Extra
	}
	want.Contact = &c
	return want
}

// put makes the file hold what the write wants. A new file is named after the
// idempotency key, so a write that is sent again finds its own file (I3): no
// memory of earlier writes is needed.
func (c *cabinet) put(ctx context.Context, w connector.Write) (connector.Outcome, error) {
	id := w.TargetID
	if id == "" {
		id = w.Key
	}
	now, found, err := c.read(ctx, w.Record.Entity, id)
	if err != nil {
		return connector.Outcome{}, err
	}
	w.Record = over(now, w.Record)
	result := connector.Created
	switch {
	case found && same(now, w.Record):
		return connector.Outcome{Result: connector.Unchanged, ID: id, Record: &now}, nil
	case found:
		result = connector.Updated
	case w.TargetID != "":
		return connector.Outcome{}, connector.Errorf(connector.NotFound, "paper: upsert", "there is no %s %q in the cabinet", w.Record.Entity, id)
	}
	if err := c.write(w.Record, id); err != nil {
		return connector.Outcome{}, err
	}
	rec, _, err := c.read(ctx, w.Record.Entity, id)
	if err != nil {
		return connector.Outcome{}, err
	}
	return connector.Outcome{Result: result, ID: id, Record: &rec}, nil
}
