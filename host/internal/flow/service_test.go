package flow

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

// Batch sizes of the stand-in services: small, so that a few records fill one.
const (
	fakeGetBatch    = 4
	fakeUpsertBatch = 3
	fakePageSize    = 5
)

// service is one of the two services: it remembers records, the order in which
// they changed, and the answer to every idempotency key that it has seen.
type service struct {
	name string // of the connection

	mu         sync.Mutex
	records    map[connector.Ref]*connector.Record
	changes    []connector.Ref // oldest first; a record may be in it several times
	remembered map[string]connector.Outcome
	effects    int                         // writes that changed something
	made       map[string]int              // how many records a write made, by its key
	told       map[connector.Ref]time.Time // when the last change was, for the list only
	token      string                      // the access token that is good; empty: none is asked for
	calls      map[string]int              // by verb
	oversize   []string                    // calls that were larger than the manifest allows
}

func newService(name string) *service {
	return &service{
		name: name, records: map[connector.Ref]*connector.Record{}, remembered: map[string]connector.Outcome{},
		made: map[string]int{}, calls: map[string]int{},
	}
}

func (s *service) manifest() connector.Manifest {
	verbs := []connector.Verb{connector.VerbList, connector.VerbGet, connector.VerbUpsert}
	m := connector.Manifest{Name: s.name + s.name, Title: s.name}
	for _, e := range connector.Entities() {
		m.Entities = append(m.Entities, connector.EntitySupport{
			Entity: e, Verbs: verbs, GetBatch: fakeGetBatch, UpsertBatch: fakeUpsertBatch, PageSize: fakePageSize,
		})
	}
	return m
}

// put stores a record as a person in the service would.
func (s *service) put(rec connector.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(rec)
}

func (s *service) store(rec connector.Record) *connector.Record {
	s.changes = append(s.changes, rec.Ref())
	rec.Version = strconv.Itoa(len(s.changes))
	s.records[rec.Ref()] = &rec
	return &rec
}

// tell sets the time that the list of changes gives for a record.
func (s *service) tell(ref connector.Ref, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = map[connector.Ref]time.Time{ref: at}
}

func (s *service) get(ref connector.Ref) *connector.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[ref]
}

func (s *service) all(entity connector.Entity) []connector.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []connector.Record
	for ref, rec := range s.records {
		if ref.Entity == entity {
			out = append(out, *rec)
		}
	}
	slices.SortFunc(out, func(x, y connector.Record) int { return len(x.ID) - len(y.ID) + 2*cmpText(x.ID, y.ID) })
	return out
}

func cmpText(x, y string) int {
	if x < y {
		return -1
	}
	return 1
}

// count returns how many calls of a verb came.
func (s *service) count(verb string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[verb]
}

// note counts a call and refuses a wrong access token, as one that was revoked.
func (s *service) note(verb string, sess *connector.Session, size, limit int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[verb]++
	if size > limit {
		s.oversize = append(s.oversize, fmt.Sprintf("%s of %d", verb, size))
	}
	if s.token != "" && sess.AccessToken.Reveal() != s.token {
		return connector.Errorf(connector.Auth, s.name, "the access token is not good")
	}
	return nil
}

func (s *service) list(req connector.ListRequest) connector.Page {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, _ := strconv.Atoi(req.Cursor)
	out := connector.Page{}
	for at < len(s.changes) && len(out.Records) < req.PageSize {
		if ref := s.changes[at]; ref.Entity == req.Entity && streamOf(s.records[ref]) == req.Stream {
			rec := connector.Record{Entity: ref.Entity, ID: ref.ID, Gone: true}
			if now := s.records[ref]; now != nil {
				rec = connector.Record{Entity: ref.Entity, ID: ref.ID, Version: now.Version, UpdatedAt: s.told[ref]}
				if !req.IDsOnly {
					rec = *now
				}
			}
			out.Records = append(out.Records, rec)
		}
		at++
	}
	out.Next, out.More = strconv.Itoa(at), at < len(s.changes)
	return out
}

// streamOf says which stream a record is in: fees are in one of their own.
func streamOf(rec *connector.Record) string {
	if rec != nil && rec.Payment != nil && rec.Payment.Kind == connector.PaymentFee {
		return "fees"
	}
	return ""
}

func (s *service) read(req connector.GetRequest) []connector.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []connector.Record
	for _, id := range req.IDs {
		if rec := s.records[connector.Ref{Entity: req.Entity, ID: id}]; rec != nil {
			out = append(out, *rec)
		}
	}
	return out
}

// write does what a connector does: a repeated attempt looks for the mark first,
// and the service answers a key that it knows as it did before.
func (s *service) write(w connector.Write) connector.Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if out, ok := s.remembered[w.Key]; ok {
		return out
	}
	id := w.TargetID
	if id == "" && w.Attempt >= 2 {
		if id = s.marked(w.Record); id != "" { // made before; what it says since then is a person's
			return connector.Outcome{Result: connector.Unchanged, ID: id, Record: s.records[connector.Ref{Entity: w.Record.Entity, ID: id}]}
		}
	}
	var out connector.Outcome
	was := s.records[connector.Ref{Entity: w.Record.Entity, ID: id}]
	rec := overlaid(was, w.Record)
	switch {
	case id == "":
		rec.ID = fmt.Sprintf("%s%d", s.name, len(s.records)+1)
		out = connector.Outcome{Result: connector.Created, ID: rec.ID}
		s.made[w.Key]++
	case was == nil:
		return connector.Failed(connector.Errorf(connector.NotFound, s.name, "%s is not there", id), s.name)
	case sameBody(*was, rec):
		out = connector.Outcome{Result: connector.Unchanged, ID: id, Record: was}
	default:
		rec.ID = id
		out = connector.Outcome{Result: connector.Updated, ID: id}
	}
	if out.Record == nil {
		out.Record = s.store(rec)
		s.effects++
	}
	s.remembered[w.Key] = out
	return out
}

// overlaid is a contact with the fields that a write sets: the others stay.
func overlaid(was *connector.Record, rec connector.Record) connector.Record {
	if was == nil || rec.Contact == nil {
		return rec
	}
	c := *was.Contact
	for to, from := range map[*string]string{&c.Name: rec.Contact.Name, &c.Email: rec.Contact.Email, &c.Phone: rec.Contact.Phone, &c.Currency: rec.Contact.Currency} {
		if from != "" {
			*to = from
		}
	}
	if rec.Contact.Marks != nil {
		c.Marks = rec.Contact.Marks
	}
	rec.Contact = &c
	return rec
}

func (s *service) marked(rec connector.Record) string {
	for ref, r := range s.records {
		if ref.Entity == rec.Entity && rec.Marks()["source"] != "" && r.Marks()["source"] == rec.Marks()["source"] {
			return ref.ID
		}
	}
	return ""
}

// already reports whether a repeated write finds its effect: a connector looks
// before it refuses.
func (s *service) already(w connector.Write) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.remembered[w.Key]; ok {
		return true
	}
	id := w.TargetID
	if id == "" {
		id = s.marked(w.Record)
	}
	was := s.records[connector.Ref{Entity: w.Record.Entity, ID: id}]
	return w.Attempt >= 2 && was != nil && sameBody(*was, w.Record)
}

func sameBody(x, y connector.Record) bool {
	return reflect.DeepEqual(x.Contact, y.Contact) && reflect.DeepEqual(x.Invoice, y.Invoice) && reflect.DeepEqual(x.Payment, y.Payment)
}

// forget is the end of the service's idempotency memory.
func (s *service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remembered = map[string]connector.Outcome{}
}

// writes returns how many writes had an effect, and the keys under which more
// than one record was made (I3). To set a record to what it was set to before,
// after somebody changed it, is no second effect.
func (s *service) writes() (n int, twice []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, times := range s.made {
		if times > 1 {
			twice = append(twice, key)
		}
	}
	return s.effects, twice
}

// port is how one host reaches a service. A host that is dead reaches nothing.
type port struct {
	*service

	mu sync.Mutex
	// The hooks may be nil. They are called without a lock; an error is the
	// call's answer.
	onList   func(ctx context.Context, req connector.ListRequest) error
	onGet    func(ctx context.Context, req connector.GetRequest) error
	onUpsert func(ctx context.Context, req connector.UpsertRequest) error // before anything is done
	onAnswer func(ctx context.Context, req connector.UpsertRequest) error // after it is done
	refuse   func(w connector.Write) *connector.Error                     // one write of a call
	dead     bool
}

func (p *port) set(fn func(p *port)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn(p)
}

func (p *port) gone() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return connector.Errorf(connector.Unavailable, p.name, "this host is dead")
	}
	return nil
}

// hooked runs a hook and then looks whether the host still lives.
func hooked[R any](ctx context.Context, p *port, pick func(p *port) func(context.Context, R) error, req R) error {
	p.mu.Lock()
	hook := pick(p)
	p.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, req); err != nil {
			return err
		}
	}
	return p.gone()
}

func (p *port) Manifest() connector.Manifest { return p.manifest() }

func (p *port) List(ctx context.Context, sess *connector.Session, req connector.ListRequest) (connector.Page, error) {
	if err := hooked(ctx, p, func(p *port) func(context.Context, connector.ListRequest) error { return p.onList }, req); err != nil {
		return connector.Page{}, err
	}
	if err := p.note("list", sess, req.PageSize, fakePageSize); err != nil {
		return connector.Page{}, err
	}
	return p.list(req), nil
}

func (p *port) Get(ctx context.Context, sess *connector.Session, req connector.GetRequest) ([]connector.Record, error) {
	if err := hooked(ctx, p, func(p *port) func(context.Context, connector.GetRequest) error { return p.onGet }, req); err != nil {
		return nil, err
	}
	if err := p.note("get", sess, len(req.IDs), fakeGetBatch); err != nil {
		return nil, err
	}
	return p.read(req), nil
}

func (p *port) Upsert(ctx context.Context, sess *connector.Session, req connector.UpsertRequest) ([]connector.Outcome, error) {
	if err := hooked(ctx, p, func(p *port) func(context.Context, connector.UpsertRequest) error { return p.onUpsert }, req); err != nil {
		return nil, err
	}
	out := make([]connector.Outcome, len(req.Writes))
	denied := p.note("upsert", sess, len(req.Writes), fakeUpsertBatch)
	p.mu.Lock()
	refuse := p.refuse
	p.mu.Unlock()
	for i, w := range req.Writes {
		if denied != nil { // as real connectors answer: write by write
			out[i] = connector.Failed(denied, p.name)
			continue
		}
		if refuse != nil && !p.already(w) {
			if err := refuse(w); err != nil {
				out[i] = connector.Outcome{Err: err}
				continue
			}
		}
		out[i] = p.write(w)
	}
	if err := hooked(ctx, p, func(p *port) func(context.Context, connector.UpsertRequest) error { return p.onAnswer }, req); err != nil {
		return nil, err
	}
	return out, nil
}

func contact(id, name string) connector.Record {
	return connector.Record{Entity: connector.EntityContact, ID: id, Contact: &connector.Contact{Name: name, Email: id + "@example.com"}}
}

var paidAt = time.Date(2026, 9, 14, 12, 0, 0, 0, time.UTC)
