package connectortest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

const noSession = "no connection was given"

// sampleMax bounds how many listed records are read again.
const sampleMax = 20

func (s *suite) liveReadChecks() {
	if s.cfg.Session == nil {
		s.check("live/reading", func(context.Context) error { return skip(noSession) })
		return
	}
	s.check("live/check", s.liveCheck)
	for _, e := range s.manifest.Entities {
		var listed []connector.Record
		if s.manifest.Can(e.Entity, connector.VerbList) {
			s.check("live/list-"+string(e.Entity), func(ctx context.Context) (err error) {
				listed, err = s.liveList(ctx, e, "")
				return err
			})
			s.liveStreams(e, listed)
		}
		if !s.manifest.Can(e.Entity, connector.VerbGet) {
			continue
		}
		s.check("live/get-"+string(e.Entity), func(ctx context.Context) error { return s.liveGet(ctx, e, listed) })
		s.check("live/get-absent-"+string(e.Entity), func(ctx context.Context) error { return s.getAbsent(ctx, e.Entity, listed) })
	}
}

func (s *suite) liveCheck(ctx context.Context) error {
	res, err := s.c.Check(ctx, s.cfg.Session(), connector.CheckRequest{})
	if err != nil {
		return err
	}
	if res.Account.ID == "" && len(res.Choices) == 0 {
		return errors.New("it names no account and gives no choice")
	}
	if len(res.Missing) > 0 {
		return fmt.Errorf("permissions are missing: %q", res.Missing)
	}
	if zone := res.Account.TimeZone; zone != "" {
		if _, err := time.LoadLocation(zone); err != nil {
			return fmt.Errorf("the account's time zone: %w", err)
		}
	}
	return nil
}

// pages lists from a place on, to the end or to PagesMax.
func (s *suite) pages(ctx context.Context, req connector.ListRequest) (out []connector.Record, next string, ended bool, _ error) {
	seen := map[string]bool{}
	for range s.cfg.PagesMax {
		page, err := s.c.List(ctx, s.cfg.Session(), req)
		if err != nil {
			return out, req.Cursor, false, err
		}
		if page.More && (seen[page.Next] || page.Next == "") {
			return out, req.Cursor, false, fmt.Errorf("there is more, but the cursor %q was there before", page.Next)
		}
		seen[page.Next] = true
		out = append(out, page.Records...)
		req.Cursor = page.Next
		if !page.More {
			return out, req.Cursor, true, nil
		}
	}
	return out, req.Cursor, false, nil
}

func (s *suite) pageSize(e connector.EntitySupport) int {
	if s.cfg.PageSize > 0 {
		return min(s.cfg.PageSize, e.PageSize)
	}
	return e.PageSize
}

func (s *suite) liveList(ctx context.Context, e connector.EntitySupport, stream string) ([]connector.Record, error) {
	req := connector.ListRequest{Entity: e.Entity, Stream: stream, PageSize: s.pageSize(e)}
	listed, next, ended, err := s.pages(ctx, req)
	if err != nil || !ended {
		return listed, err
	}
	if next == "" && len(listed) > 0 {
		return listed, errors.New("the last page has no cursor: the next poll would begin anew")
	}
	// A poll after the end may repeat what sits on the edge, but not everything.
	req.Cursor = next
	again, _, _, err := s.pages(ctx, req)
	if err == nil && len(again) >= len(listed) && len(listed) > req.PageSize {
		err = fmt.Errorf("a list from the last cursor repeats all of %d records", len(listed))
	}
	if err != nil {
		return listed, err
	}
	req.Cursor, req.IDsOnly = "", true
	short, _, _, err := s.pages(ctx, req)
	if err != nil {
		return listed, fmt.Errorf("with ids only: %w", err)
	}
	have := map[string]bool{}
	for _, r := range short {
		have[r.ID] = true
	}
	for _, r := range listed {
		if !have[r.ID] {
			return listed, fmt.Errorf("%s is not there when only ids are asked for", r.Ref())
		}
	}
	return listed, nil
}

func (s *suite) liveGet(ctx context.Context, e connector.EntitySupport, listed []connector.Record) error {
	want := map[string]connector.Record{} // the last mention of each
	var ids []string
	for _, r := range listed {
		if _, again := want[r.ID]; !again && len(ids) < min(sampleMax, e.GetBatch) {
			ids = append(ids, r.ID)
		}
		want[r.ID] = r
	}
	if len(ids) == 0 {
		return skip("nothing was listed")
	}
	got, err := s.c.Get(ctx, s.cfg.Session(), connector.GetRequest{Entity: e.Entity, IDs: ids})
	if err != nil {
		return err
	}
	have := map[string]connector.Record{}
	for _, r := range got {
		have[r.ID] = r
	}
	var errs []error
	for _, id := range ids {
		r, ok := have[id]
		switch {
		case !ok && !want[id].Gone:
			errs = append(errs, fmt.Errorf("%s was listed, but is not there", want[id].Ref()))
		case ok && r.UpdatedAt.Equal(want[id].UpdatedAt): // else it has changed since
			errs = append(errs, differs(r, want[id]))
		}
	}
	if len(got) > len(ids) {
		errs = append(errs, fmt.Errorf("%d ids were asked for, %d records came", len(ids), len(got)))
	}
	return errors.Join(errs...)
}

// getAbsent asks for an id that has the right form and names nothing.
func (s *suite) getAbsent(ctx context.Context, e connector.Entity, listed []connector.Record) error {
	if len(listed) == 0 {
		return skip("nothing was listed, so the form of an id is not known")
	}
	real := listed[0].ID
	absent := []byte(real)
	for i := max(0, len(absent)-6); i < len(absent); i++ {
		absent[i] = other(absent[i])
	}
	for _, r := range listed {
		if r.ID == string(absent) {
			return skip("no id could be made up that is not there")
		}
	}
	got, err := s.c.Get(ctx, s.cfg.Session(), connector.GetRequest{Entity: e, IDs: []string{string(absent), real}})
	if err != nil {
		return err
	}
	for _, r := range got {
		if r.ID != real {
			return fmt.Errorf("asked for %q, which is not there, and got %s", absent, r.Ref())
		}
	}
	if len(got) == 0 && !listed[0].Gone {
		return fmt.Errorf("%s is left out because another id is not there", listed[0].Ref())
	}
	return nil
}

// differs compares what every service has to keep. What a listing may leave out or
// renew (lines, links) is left aside.
func differs(got, want connector.Record) error {
	var errs []error
	is := func(field string, g, w any) {
		if g != w {
			errs = append(errs, fmt.Errorf("%s: %s is %v, want %v", want.Ref(), field, g, w))
		}
	}
	is("gone", got.Gone, want.Gone)
	switch g, w := got, want; {
	case g.Invoice != nil && w.Invoice != nil:
		is("kind", g.Invoice.Kind, w.Invoice.Kind)
		is("status", g.Invoice.Status, w.Invoice.Status)
		is("currency", g.Invoice.Currency, w.Invoice.Currency)
		is("total", g.Invoice.Total, w.Invoice.Total)
		is("amount due", g.Invoice.AmountDue, w.Invoice.AmountDue)
	case g.Payment != nil && w.Payment != nil:
		is("kind", g.Payment.Kind, w.Payment.Kind)
		is("status", g.Payment.Status, w.Payment.Status)
		is("amount", g.Payment.Amount, w.Payment.Amount)
	case g.Contact != nil && w.Contact != nil:
		is("name", g.Contact.Name, w.Contact.Name)
		is("email", g.Contact.Email, w.Contact.Email)
	}
	is("label", got.Label(), want.Label())
	return errors.Join(errs...)
}
