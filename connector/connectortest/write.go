package connectortest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/money"
)

// writtenMinor is the sum of every write, in minor units: 435, 4.35 or 0.435. In
// binary fractions 4.35 times 100 is less than 435.
const writtenMinor = 435

// clockSkew is how far the service's clock may be behind ours.
const clockSkew = 5 * time.Minute

// key returns a fresh idempotency key: lower-case letters, digits, hyphens.
func (s *suite) key() string { return "conformance-" + strings.ToLower(rand.Text()) }

// label returns what a written record is called; no run repeats another's.
func (s *suite) label() string {
	s.labels++
	return fmt.Sprintf("CT-%s-%d", strings.ToLower(rand.Text()[:10]), s.labels)
}

func (s *suite) liveWriteChecks() {
	for _, e := range s.manifest.Entities {
		if !s.manifest.Can(e.Entity, connector.VerbUpsert) {
			continue
		}
		s.check("live/upsert-"+string(e.Entity), func(ctx context.Context) error {
			if err := s.canWrite(e.Entity); err != nil {
				return err
			}
			return s.oneEffect(ctx, e, s.record(e.Entity, s.currency()))
		})
	}
	for _, e := range s.manifest.Entities {
		if !s.manifest.Can(e.Entity, connector.VerbUpsert) || !s.manifest.Can(e.Entity, connector.VerbList) {
			continue
		}
		s.check("live/list-under-change-"+string(e.Entity), func(ctx context.Context) error {
			if err := s.canWrite(e.Entity); err != nil {
				return err
			}
			return s.listUnderChange(ctx, e)
		})
	}
	s.check("live/exact-amounts", s.exactAmounts)
}

// listUnderChange writes a record between two pages of a list: neither it nor
// what was there before may be missed.
func (s *suite) listUnderChange(ctx context.Context, e connector.EntitySupport) error {
	req := connector.ListRequest{Entity: e.Entity, Since: time.Now().Add(-clockSkew), PageSize: min(2, s.pageSize(e))}
	wanted := map[string]bool{}
	write := func() error {
		out, err := s.upsert(ctx, connector.Write{
			Key: s.key(), Record: s.record(e.Entity, s.currency()), Attempt: 1, IntendedAt: time.Now().UTC(),
		})
		wanted[out.ID] = true
		return err
	}
	for range 3 {
		if err := write(); err != nil {
			return err
		}
	}
	first, err := s.c.List(ctx, s.cfg.Session(), req)
	if err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	req.Cursor = first.Next
	listed := first.Records
	for range 2 { // to the end, and the poll after it
		rest, next, ended, err := s.pages(ctx, req)
		if err != nil {
			return err
		}
		if !ended {
			return skip("the account has more recent records than the pages that may be listed")
		}
		listed, req.Cursor = append(listed, rest...), next
	}
	for _, r := range listed {
		delete(wanted, r.ID)
	}
	if len(wanted) > 0 {
		return fmt.Errorf("%d of 4 records are in no page and in no later poll; one was written between two pages", len(wanted))
	}
	return nil
}

// canWrite says why a live write of an entity is skipped, if it is.
func (s *suite) canWrite(e connector.Entity) error {
	f := s.cfg.Fixtures
	made := map[connector.Entity]bool{
		connector.EntityContact: f.Contact != nil,
		connector.EntityInvoice: f.Invoice != nil && len(f.Currencies) > 0,
		connector.EntityPayment: f.Payment != nil && len(f.Currencies) > 0,
	}
	switch {
	case s.cfg.Session == nil:
		return skip(noSession)
	case !made[e]:
		return skip("no fixture makes a record of %s", e)
	}
	return nil
}

func (s *suite) currency() money.Currency {
	if len(s.cfg.Fixtures.Currencies) == 0 {
		return ""
	}
	return s.cfg.Fixtures.Currencies[0]
}

// record has the fixture make a record; callers have asked canWrite.
func (s *suite) record(e connector.Entity, c money.Currency) connector.Record {
	label := s.label()
	if e == connector.EntityContact {
		return s.cfg.Fixtures.Contact(label)
	}
	sum, err := money.New(writtenMinor, c)
	if err != nil {
		sum = money.Amount{} // a currency that is none; the write will say so
	}
	if e == connector.EntityInvoice {
		return s.cfg.Fixtures.Invoice(label, sum)
	}
	return s.cfg.Fixtures.Payment(label, sum)
}

func (s *suite) upsert(ctx context.Context, w connector.Write) (connector.Outcome, error) {
	out, err := s.c.Upsert(ctx, s.cfg.Session(), connector.UpsertRequest{Entity: w.Record.Entity, Writes: []connector.Write{w}})
	if err != nil {
		return connector.Outcome{}, err
	}
	if out[0].Err != nil {
		return connector.Outcome{}, out[0].Err
	}
	return out[0], nil
}

// oneEffect proves I3 as far as one process can: the same write again, as after a
// lost answer, and the same record under its id.
func (s *suite) oneEffect(ctx context.Context, e connector.EntitySupport, rec connector.Record) error {
	since := time.Now().Add(-clockSkew)
	w := connector.Write{Key: s.key(), Record: rec, Attempt: 1, IntendedAt: time.Now().UTC()}
	first, err := s.upsert(ctx, w)
	if err != nil {
		return fmt.Errorf("first attempt: %w", err)
	}
	if first.ID == "" || first.Result == connector.Unchanged {
		return fmt.Errorf("first attempt: result %q, id %q: want a new record", first.Result, first.ID)
	}
	w.Attempt = 2
	if err := s.repeats(ctx, w, first.ID); err != nil {
		return fmt.Errorf("the same write again: %w", err)
	}
	w.Key, w.TargetID, w.Attempt = s.key(), first.ID, 1
	if err := s.repeats(ctx, w, first.ID); err != nil {
		return fmt.Errorf("the same record under its id: %w", err)
	}
	got, err := s.c.Get(ctx, s.cfg.Session(), connector.GetRequest{Entity: e.Entity, IDs: []string{first.ID}})
	if err != nil {
		return err
	}
	if len(got) != 1 {
		return fmt.Errorf("%s was written, and %d records came back", first.ID, len(got))
	}
	return errors.Join(kept(got[0], rec), s.onlyOne(ctx, e, got[0], since))
}

func (s *suite) repeats(ctx context.Context, w connector.Write, id string) error {
	out, err := s.upsert(ctx, w)
	if err != nil {
		return err
	}
	if out.ID != id && out.ID != "" {
		return fmt.Errorf("it made %q beside %q", out.ID, id)
	}
	if out.Result != connector.Unchanged && out.Result != connector.Updated {
		return fmt.Errorf("result %q, want %q or %q", out.Result, connector.Unchanged, connector.Updated)
	}
	return nil
}

// onlyOne looks for a second record of the same name among what changed.
func (s *suite) onlyOne(ctx context.Context, e connector.EntitySupport, rec connector.Record, since time.Time) error {
	if !s.manifest.Can(e.Entity, connector.VerbList) {
		return nil
	}
	listed, _, ended, err := s.pages(ctx, connector.ListRequest{Entity: e.Entity, Since: since, PageSize: s.pageSize(e)})
	if err != nil {
		return fmt.Errorf("list what was written: %w", err)
	}
	found := false
	for _, r := range listed {
		if r.ID != rec.ID && r.Label() != "" && r.Label() == rec.Label() {
			return fmt.Errorf("%s and %s are both called %q", rec.Ref(), r.Ref(), r.Label())
		}
		found = found || r.ID == rec.ID
	}
	if !found && ended {
		return fmt.Errorf("%s was written, but List does not tell of it", rec.Ref())
	}
	return nil
}

// kept checks that a service holds what was written, and the exact sum of it.
func kept(got, want connector.Record) error {
	var errs []error
	if got.Label() != want.Label() {
		errs = append(errs, fmt.Errorf("%s is called %q, was written as %q", got.Ref(), got.Label(), want.Label()))
	}
	switch {
	case got.Invoice != nil && want.Invoice != nil && got.Invoice.Total != want.Invoice.Total:
		errs = append(errs, fmt.Errorf("%s has the total %s, was written with %s", got.Ref(), got.Invoice.Total, want.Invoice.Total))
	case got.Payment != nil && want.Payment != nil && got.Payment.Amount != want.Payment.Amount:
		errs = append(errs, fmt.Errorf("%s has the amount %s, was written with %s", got.Ref(), got.Payment.Amount, want.Payment.Amount))
	}
	return errors.Join(errs...)
}

// exactAmounts writes an invoice in each currency. I6: the sum comes back as it
// was, or the write is refused; a service may not know a currency.
func (s *suite) exactAmounts(ctx context.Context) error {
	if !s.manifest.Can(connector.EntityInvoice, connector.VerbUpsert) {
		return skip("the connector writes no invoices")
	}
	if err := s.canWrite(connector.EntityInvoice); err != nil {
		return err
	}
	written := 0
	var errs []error
	for _, c := range s.cfg.Fixtures.Currencies {
		rec := s.record(connector.EntityInvoice, c)
		out, err := s.upsert(ctx, connector.Write{Key: s.key(), Record: rec, Attempt: 1, IntendedAt: time.Now().UTC()})
		if err != nil {
			if connector.KindOf(err) != connector.Invalid {
				errs = append(errs, fmt.Errorf("%s: %w", c, err))
			}
			continue
		}
		written++
		got, err := s.c.Get(ctx, s.cfg.Session(), connector.GetRequest{Entity: connector.EntityInvoice, IDs: []string{out.ID}})
		if err == nil && len(got) != 1 {
			err = fmt.Errorf("%q is not there", out.ID)
		}
		if err == nil {
			err = kept(got[0], rec)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	if written == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("every currency was refused"))
	}
	return errors.Join(errs...)
}
