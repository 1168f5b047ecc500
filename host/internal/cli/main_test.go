package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/connector/wire"
)

// pluginPrefix is what the names of connectors' executables begin with.
const pluginPrefix = "ml-connector-plugin-"

// TestMain lets this binary be a connector as well: the tests link to it under a
// connector's name, and the host starts it as it starts any other.
func TestMain(m *testing.M) {
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), pluginPrefix); ok {
		wire.Serve(&cabinet{name: name})
		return
	}
	code := m.Run()
	if shared != nil {
		_ = os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// cabinet is a connector whose contacts are the files of a folder: the name is
// the id, the content the contact's name. It refuses names that the file
// "refused" lists.
type cabinet struct{ name string }

func (c *cabinet) Manifest() connector.Manifest {
	return connector.Manifest{
		Name: c.name, Title: "Cabinet " + c.name, Version: "1.2.3", Summary: "Contacts in a folder.",
		Settings: []connector.Setting{
			{Name: "folder", Type: connector.SettingText, Required: true, Help: "Where the files are"},
			{Name: "token", Type: connector.SettingText, Secret: true, Help: "Opens nothing"},
		},
		Entities: []connector.EntitySupport{{
			Entity:   connector.EntityContact,
			Verbs:    []connector.Verb{connector.VerbList, connector.VerbGet, connector.VerbUpsert},
			GetBatch: 10, UpsertBatch: 10, PageSize: 100,
			Streams: []connector.Stream{{Name: "suppliers", Help: "Whom we buy from."}},
		}},
	}
}

func (c *cabinet) Check(context.Context, *connector.Session, connector.CheckRequest) (connector.CheckResult, error) {
	account := connector.Account{ID: c.name + "-1", Name: "Cabinet " + c.name, Currency: "NZD"}
	return connector.CheckResult{Account: account, Choices: []connector.Account{account}}, nil
}

const contactSuffix = ".contact"

// folder returns where the session's contacts are.
func (c *cabinet) folder(s *connector.Session) (string, error) {
	if s.Settings["folder"] == "" {
		return "", connector.Errorf(connector.Invalid, c.name, "no folder is set").WithRemedy("set folder")
	}
	return s.Settings["folder"], nil
}

func (c *cabinet) List(ctx context.Context, s *connector.Session, req connector.ListRequest) (connector.Page, error) {
	folder, err := c.folder(s)
	if err != nil {
		return connector.Page{}, err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"+contactSuffix))
	if err != nil {
		return connector.Page{}, connector.AsError(err, c.name)
	}
	var ids []string
	for _, f := range files {
		ids = append(ids, strings.TrimSuffix(filepath.Base(f), contactSuffix))
	}
	all, err := c.Get(ctx, s, connector.GetRequest{Entity: req.Entity, IDs: ids})
	return connector.Page{Records: all, Next: "end"}, err
}

func (c *cabinet) Get(_ context.Context, s *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	folder, err := c.folder(s)
	if err != nil {
		return nil, err
	}
	var out []connector.Record
	for _, id := range req.IDs {
		b, err := os.ReadFile(filepath.Join(folder, id+contactSuffix))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, connector.AsError(err, c.name)
		}
		name := string(b)
		out = append(out, connector.Record{Entity: connector.EntityContact, ID: id, Version: name,
			Contact: &connector.Contact{Name: name, Status: connector.ContactActive}})
	}
	return out, nil
}

func (c *cabinet) Upsert(_ context.Context, s *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	folder, err := c.folder(s)
	if err != nil {
		return nil, err
	}
	refused, _ := os.ReadFile(filepath.Join(folder, "refused"))
	out := make([]connector.Outcome, 0, len(req.Writes))
	for _, w := range req.Writes {
		name := w.Record.Contact.Name
		if bytes.Contains(refused, []byte(name)) {
			out = append(out, connector.Failed(connector.Errorf(connector.Invalid, c.name, "the name %s is taken", name).
				WithRemedy("give it another name"), c.name))
			continue
		}
		id := "r-" + strings.ToLower(name)
		if err := os.WriteFile(filepath.Join(folder, id+contactSuffix), []byte(name), 0o600); err != nil {
			return nil, connector.AsError(err, c.name)
		}
		rec := w.Record
		rec.ID, rec.Version = id, name
		out = append(out, connector.Outcome{Result: connector.Created, ID: id, Record: &rec,
			Effects: []connector.Effect{{What: "file", ID: id + contactSuffix}}})
	}
	return out, nil
}

const pairRecipe = `recipe: pair
description: Contacts on the left are contacts on the right.
connections:
  left: {connector: left}
  right: {connector: right}
params:
  region: {type: string, required: true, help: where we are}
  tone: {type: string, default: kind, one_of: [kind, stern], help: how we speak}
retry: {attempts: 2, first: 100ms, factor: 2, cap: 1s}
poll: 60s
flows:
  contacts:
    from: left.contact
    to: right.contact
    skip:
      - when: "contact.name == 'Nobody'"
        because: it is nobody
    map:
      name: contact.name
tests:
  - name: a contact is carried over
    flow: contacts
    record: {id: c1, contact: {name: Ada}}
    want:
      contact: {name: Ada}
`

// desk is a place to run commands: a data folder, two connectors, a recipe.
type desk struct {
	t                    *testing.T
	dir                  string
	data, plugins, books string
	left, right          string // the connectors' folders
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return deskIn(t, t.TempDir())
}

func deskIn(t *testing.T, dir string) *desk {
	t.Helper()
	d := &desk{t: t, dir: dir, data: filepath.Join(dir, "data"), plugins: filepath.Join(dir, "plugins"),
		books: filepath.Join(dir, "recipes"), left: filepath.Join(dir, "left"), right: filepath.Join(dir, "right")}
	for _, folder := range []string{d.plugins, d.books, d.left, d.right} {
		d.must(os.Mkdir(folder, 0o700))
	}
	self, err := os.Executable()
	d.must(err)
	for _, name := range []string{"left", "right"} {
		d.must(os.Symlink(self, filepath.Join(d.plugins, pluginPrefix+name)))
	}
	d.write(d.books, "pair.yaml", pairRecipe)
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// write makes a file and returns its path.
func (d *desk) write(dir, name, text string) string {
	d.t.Helper()
	path := filepath.Join(dir, name)
	d.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// printed is what a command did.
type printed struct {
	code     int
	out, err string
}

// run runs one command line in this process.
func (d *desk) run(args ...string) printed {
	d.t.Helper()
	var out, errs bytes.Buffer
	flags := []string{"--data", d.data, "--plugins", d.plugins, "--recipes", d.books, "--log-level", "error"}
	code := Main(append(flags, args...), Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	return printed{code, out.String(), errs.String()}
}

// ends runs a command that must end with a code.
func (d *desk) ends(code int, args ...string) printed {
	d.t.Helper()
	p := d.run(args...)
	if p.code != code {
		d.t.Fatalf("%s: exit %d, want %d\nstdout: %s\nstderr: %s", strings.Join(args, " "), p.code, code, p.out, p.err)
	}
	return p
}

// decode reads the one JSON document that a command printed.
func decode[T any](t *testing.T, p printed) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(p.out))
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, p.out)
	}
	if dec.More() {
		t.Fatalf("more than one document:\n%s", p.out)
	}
	return v
}

// worked returns a desk whose first sync linked Ada, skipped Nobody and could
// not write Bob, whose name is taken.
func worked(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.work()
	return d
}

// shared is a worked desk for all tests that only look.
var shared *desk

// looked returns the desk of all tests that only look.
func looked(t *testing.T) *desk {
	t.Helper()
	if shared == nil {
		dir, err := os.MkdirTemp("", "cli-looked-")
		if err != nil {
			t.Fatal(err)
		}
		d := deskIn(t, dir)
		d.work()
		shared = d
	}
	mine := *shared
	mine.t = t
	return &mine
}

func (d *desk) work() {
	d.t.Helper()
	d.write(d.left, "c1"+contactSuffix, "Ada")
	d.write(d.left, "c2"+contactSuffix, "Bob")
	d.write(d.left, "c3"+contactSuffix, "Nobody")
	d.write(d.right, "refused", "Bob")
	d.ends(exitDone, "connections", "add", "left", "--set", "folder="+d.left)
	d.ends(exitDone, "connections", "add", "right", "--set", "folder="+d.right, "--secret", "token=@"+d.write(d.dir, "token", "canary-7f3a"))
	d.ends(exitPerson, "sync", "--recipe", "pair", "--param", "region=north")
}

// failed returns the number of the one entry that needs a person.
func (d *desk) failed() string {
	d.t.Helper()
	all := decode[[]struct {
		ID json.Number `json:"id"`
	}](d.t, d.ends(exitDone, "failures", "list", "--json"))
	if len(all) != 1 {
		d.t.Fatalf("%d entries need a person, want 1", len(all))
	}
	return all[0].ID.String()
}
