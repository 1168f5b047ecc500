package flow

// sound checks what must hold of every history at rest: one effect per intent,
// no open intent but of work that needs a person, a whole audit trail, and no
// call larger than its manifest allows.
func (h *host) sound(w *world) {
	h.t.Helper()
	for _, s := range []*service{w.a, w.b} {
		if _, twice := s.writes(); len(twice) > 0 { // I3
			h.t.Errorf("service %s: more than one effect of %v", s.name, twice)
		}
		s.mu.Lock()
		if len(s.oversize) > 0 {
			h.t.Errorf("service %s: calls larger than the manifest allows: %v", s.name, s.oversize)
		}
		s.mu.Unlock()
	}
	if n := h.count(`intent JOIN work ON work.id = intent.work_id WHERE intent.state = 'open' AND work.state NOT IN ('dead', 'held', 'waiting', 'retrying')`); n > 0 {
		h.t.Errorf("%d intents are open at rest", n)
	}
	// I7: whatever rests says why.
	if n := h.count(`work WHERE state IN ('dead', 'held') AND (reason = '' OR remedy = '')`); n > 0 {
		h.t.Errorf("%d pieces of work need a person and do not say why or what to do", n)
	}
	if n := h.count(`work WHERE state = 'skipped' AND reason = ''`); n > 0 {
		h.t.Errorf("%d records are skipped without a reason", n)
	}
	report, err := h.audit.Verify(h.t.Context(), h.db.Read(), nil) // I9
	if err != nil || report.Broken != nil {
		h.t.Errorf("audit trail: %+v, %v", report.Broken, err)
	}
}

// quiet checks that a second run over unchanged systems writes nothing (I11).
func (h *host) quiet(w *world) {
	h.t.Helper()
	writesA, writesB := w.a.count("upsert"), w.b.count("upsert")
	reads, entries := w.a.count("get")+w.b.count("get"), h.count("audit_entry")
	h.pollAll()
	h.idle()
	if w.a.count("upsert") != writesA || w.b.count("upsert") != writesB {
		h.t.Error("a second run writes")
	}
	if n := w.a.count("get") + w.b.count("get") - reads; n > 0 {
		h.t.Errorf("a second run reads %d times", n)
	}
	if n := h.count("audit_entry") - entries; n > 0 {
		h.t.Errorf("a second run adds %d audit entries", n)
	}
}
