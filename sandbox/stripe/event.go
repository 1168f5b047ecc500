package stripe

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	eventTypesMax    = 20  // of the filter types[]
	eventsSweepEvery = 500 // new events between two removals of old ones
)

// event is something that happened. Its object is kept as it was then, in the
// shape of Version.
type event struct {
	id      string
	at      time.Time
	kind    string
	object  obj
	prev    obj    // previous_attributes; nil: none
	request string // Request-Id; empty: nobody asked over the API
	idem    string
	sentTo  []string // endpoints that wanted it
}

// emit records what happened and tells the webhook endpoints.
func (s *Server) emit(kind string, object, prev obj) {
	n := 1
	if s.twinEvents {
		n = 2
	}
	for range n {
		s.emitOne(kind, plainObj(object), prev)
	}
}

// emitChange emits an update unless nothing changed.
func (s *Server) emitChange(kind string, before, after obj) {
	after = plainObj(after)
	if prev := previous(plainObj(before), after); prev != nil {
		s.emit(kind, after, prev)
	}
}

func (s *Server) emitOne(kind string, object, prev obj) {
	// s.now may be another moment, for what a lever dates back.
	e := &event{id: newID("evt"), at: s.clock.Now(), kind: kind, object: object, prev: prev}
	if s.cur != nil {
		e.request, e.idem = s.cur.id, s.cur.idem
	}
	for _, ep := range s.endpoints.all {
		if ep.wants(kind) {
			e.sentTo = append(e.sentTo, ep.id)
		}
	}
	s.events.add(e.id, e)
	if len(s.events.all)%eventsSweepEvery == 0 {
		s.events.remove(s.expired, func(e *event) string { return e.id })
		s.delivered.keep(func(id string) bool {
			_, there := s.events.get(id)
			return there
		})
	}
	for _, ep := range s.endpoints.all {
		if !slices.Contains(e.sentTo, ep.id) {
			continue
		}
		body := jsonAnswer(http.StatusOK, s.renderEvent(e, ep.shape(s.cfg.AccountVersion))).body
		s.after = append(s.after, func() { ep.courier.Send(body) })
	}
}

func (s *Server) expired(e *event) bool { return s.now.Sub(e.at) > eventWindow }

// pending counts the endpoints that have not taken the event yet.
func (s *Server) pending(e *event) int {
	n := 0
	for _, id := range e.sentTo {
		if _, there := s.endpoints.get(id); there && !s.delivered.has(e.id, id) {
			n++
		}
	}
	return n
}

func (s *Server) renderEvent(e *event, version string) obj {
	data := obj{"object": inVersion(version, e.object)}
	if e.prev != nil {
		prev := maps.Clone(e.prev)
		prev["object"] = e.object["object"]
		prev = inVersion(version, prev)
		delete(prev, "object")
		data["previous_attributes"] = prev
	}
	return obj{"id": e.id, "object": "event", "api_version": version, "created": e.at.Unix(), "data": data,
		"livemode": s.live, "pending_webhooks": s.pending(e), "type": e.kind,
		"request": obj{"id": orNull(e.request), "idempotency_key": orNull(e.idem)}}
}

// goneFromNewer lists the fields that versions since 2025-03-31.basil lack:
// https://docs.stripe.com/changelog/basil
var goneFromNewer = map[any][]string{
	"charge":         {"invoice"},
	"payment_intent": {"invoice"},
	"credit_note":    {"refund"},
	"invoice": {"payment_intent", "charge", "paid", "paid_out_of_band", "application_fee_amount", "transfer_data",
		"subscription", "tax", "total_tax_amounts", "discount", "quote"},
}

// inVersion shows an object as a version does.
func inVersion(version string, o obj) obj {
	gone := goneFromNewer[o["object"]]
	if version == Version || gone == nil {
		return o
	}
	out := maps.Clone(o)
	for _, k := range gone {
		delete(out, k)
	}
	return out
}

func (s *Server) getEvent(c *call) (obj, error) {
	if err := c.p.done(); err != nil {
		return nil, err
	}
	e, err := found(c, &s.events, "event")
	if err == nil && s.expired(e) {
		err = missingObject(http.StatusNotFound, "event", "id", e.id)
	}
	if err != nil {
		return nil, err
	}
	return s.renderEvent(e, s.cfg.AccountVersion), nil
}

func (s *Server) listEvents(c *call) (obj, error) {
	created, kind := c.p.span("created"), c.p.filter("type")
	types, _ := c.p.strings("types")
	if kind != "" && len(types) > 0 {
		c.p.fail(refuse("", "types", "You may not specify both type and types."))
	}
	if len(types) > eventTypesMax {
		c.p.fail(refuse("", "types", "You may specify at most %d types.", eventTypesMax))
	}
	var delivered bool
	filtered := c.p.has("delivery_success")
	c.p.boolean("delivery_success", &delivered)
	kept := make([]*event, 0, len(s.events.all))
	for _, e := range s.events.all {
		if !s.expired(e) {
			kept = append(kept, e)
		}
	}
	return page(c, listing[*event]{noun: "event", all: kept,
		id: func(e *event) string { return e.id },
		keep: func(e *event) bool {
			return created.has(e.at.Unix()) && (kind == "" || typeMatches(kind, e.kind)) &&
				(len(types) == 0 || slices.Contains(types, e.kind)) &&
				(!filtered || delivered == (s.pending(e) == 0))
		},
		render: func(e *event) obj { return s.renderEvent(e, s.cfg.AccountVersion) }})
}

// typeMatches understands `charge.*` and `*`.
func typeMatches(pattern, kind string) bool {
	if head, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(kind, head)
	}
	return pattern == kind
}

// TwinEvents makes every change from now on happen twice in the event log, under
// two ids, as the service sometimes does.
func (s *Server) TwinEvents(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twinEvents = on
}

// deliveries remembers which endpoint took which event. It has its own lock: a
// courier reports while the server may be waiting for that courier.
type deliveries struct {
	mu   sync.Mutex
	done map[[2]string]bool
}

func (d *deliveries) mark(event, endpoint string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done == nil {
		d.done = map[[2]string]bool{}
	}
	d.done[[2]string{event, endpoint}] = true
}

// keep forgets the events that there does not hold for.
func (d *deliveries) keep(there func(event string) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.done, func(k [2]string, _ bool) bool { return !there(k[0]) })
}

func (d *deliveries) has(event, endpoint string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done[[2]string{event, endpoint}]
}
