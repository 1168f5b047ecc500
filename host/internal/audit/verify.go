package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Cause says how the trail is broken.
type Cause string

// The causes. Seq of a Break says where.
const (
	CauseChanged   Cause = "changed"     // the entry is not as it was written
	CauseRemoved   Cause = "removed"     // the entry is missing and later ones are there
	CauseInserted  Cause = "inserted"    // the entry was not written by the host
	CauseTruncated Cause = "truncated"   // this entry and all later ones are missing
	CauseHead      Cause = "head-forged" // the head is missing, older than the entries, or not the host's
)

// Break is the first place where the trail is broken.
type Break struct {
	Seq     int64  `json:"seq"`
	Cause   Cause  `json:"cause"`
	Message string `json:"message"` // for people
}

// Report is what Verify found. The trail is whole when Broken is nil.
type Report struct {
	Entries int64  `json:"entries"` // that were found good, from the first on
	Head    Hash   `json:"head"`    // hash of the last good entry; kept elsewhere it proves that the trail went on from here
	Broken  *Break `json:"broken,omitempty"`
}

// Verify walks the trail from its first entry and stops at the first break.
// progress may be nil; it is told how many entries of how many were checked. The
// error is for a database that cannot be read, never for a broken trail.
//
// Entries may be appended meanwhile: q need not be one snapshot.
func (l *Log) Verify(ctx context.Context, q Reader, progress func(done, total int64)) (Report, error) {
	if len(l.key) < hashBytes {
		return Report{}, ErrKey
	}
	// The head is read before the entries. Entries never go away, so all that this
	// head knows of must be found.
	first, found, err := l.readHead(ctx, q)
	if err != nil {
		return Report{}, err
	}
	w := walk{log: l, q: q, head: first, headFound: found, report: Report{Head: genesis()}}
	for {
		more, err := w.page(ctx)
		if err != nil {
			return Report{}, err
		}
		if progress != nil {
			progress(w.report.Entries, max(first.seq, w.report.Entries))
		}
		if more {
			continue
		}
		if w.report.Broken == nil {
			err = w.end(ctx)
		}
		return w.report, err
	}
}

// walk is a verification under way. Entries 1 to report.Entries are good, and
// report.Head is the hash of the last of them.
type walk struct {
	log       *Log
	q         Reader
	head      head // as it was when the walk began
	headFound bool
	report    Report
}

func (w *walk) broken(seq int64, cause Cause, format string, args ...any) {
	w.report.Broken = &Break{Seq: seq, Cause: cause, Message: fmt.Sprintf(format, args...)}
}

// page checks the next entries and reports whether to go on to more.
func (w *walk) page(ctx context.Context) (more bool, err error) {
	if w.report.Entries == 0 {
		if err := w.belowFirst(ctx); err != nil || w.report.Broken != nil {
			return false, err
		}
	}
	rows, err := page(ctx, w.q, w.report.Entries)
	var bad *malformedError
	if err != nil && !errors.As(err, &bad) {
		return false, err
	}
	for i, r := range rows {
		if err := w.entry(ctx, r, rows[i+1:]); err != nil || w.report.Broken != nil {
			return false, err
		}
	}
	if bad != nil {
		return false, w.malformed(ctx, bad)
	}
	return len(rows) == listMax, nil
}

// belowFirst looks for entries numbered before the first: Append never makes any.
func (w *walk) belowFirst(ctx context.Context) error {
	var count, lowest int64
	err := w.q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(seq), 0) FROM audit_entry WHERE seq < 1`).Scan(&count, &lowest)
	if err != nil {
		return fmt.Errorf("count audit entries: %w", err)
	}
	if count > 0 {
		w.broken(lowest, CauseInserted, "entry %d stands before the first: it was added from outside", lowest)
	}
	return nil
}

// entry checks one entry; next are the ones read after it.
func (w *walk) entry(ctx context.Context, r row, next []row) error {
	seq, want := r.entry.Seq, w.report.Entries+1
	if seq > want {
		w.broken(want, CauseRemoved, "entry %d is missing; the next one is %d", want, seq)
		return nil
	}
	if !w.log.genuine(r, seq) {
		return w.notGenuine(ctx, r, next)
	}
	if !bytes.Equal(r.entry.Prev, w.report.Head) {
		w.broken(seq, CauseChanged, "entry %d does not follow the entry before it: one of the two is from another trail", seq)
		return nil
	}
	if w.log.authentic(w.head) && seq == w.head.seq && !bytes.Equal(r.entry.Hash, w.head.hash) {
		w.broken(seq, CauseChanged, "entry %d is not the one that the head knows", seq)
		return nil
	}
	w.report.Entries, w.report.Head = seq, r.entry.Hash
	return nil
}

// notGenuine tells what happened at an entry that has a wrong hash. A trail that
// was renumbered after a removal or an insertion is recognised by the neighbour
// that is genuine under its old number.
func (w *walk) notGenuine(ctx context.Context, r row, next []row) error {
	seq := r.entry.Seq
	if w.log.genuine(r, seq+1) {
		w.broken(seq, CauseRemoved, "entry %d is missing; in its place stands what was entry %d", seq, seq+1)
		return nil
	}
	if len(next) == 0 {
		var err error
		next, err = page(ctx, w.q, seq)
		if bad := (*malformedError)(nil); err != nil && !errors.As(err, &bad) {
			return err
		}
	}
	if len(next) > 0 && w.log.genuine(next[0], next[0].entry.Seq-1) {
		w.broken(seq, CauseInserted, "entry %d was added from outside; what was entry %d moved to %d", seq, seq, next[0].entry.Seq)
		return nil
	}
	return w.changedOrInserted(ctx, seq, fmt.Sprintf("entry %d is not as it was written", seq))
}

// malformed reports an entry that cannot even be read.
func (w *walk) malformed(ctx context.Context, bad *malformedError) error {
	if want := w.report.Entries + 1; bad.seq > want {
		w.broken(want, CauseRemoved, "entry %d is missing; the next one is %d", want, bad.seq)
		return nil
	}
	return w.changedOrInserted(ctx, bad.seq, bad.Error())
}

// changedOrInserted reports a bad entry: one that the head does not know yet was
// added at the end, any other was changed.
func (w *walk) changedOrInserted(ctx context.Context, seq int64, message string) error {
	now, found, err := w.log.readHead(ctx, w.q)
	if err != nil {
		return err
	}
	if found && w.log.authentic(now) && seq > now.seq {
		w.broken(seq, CauseInserted, "entry %d was added from outside, after the last one", seq)
		return nil
	}
	w.broken(seq, CauseChanged, "%s", message)
	return nil
}

// end compares the end of the entries with the head.
func (w *walk) end(ctx context.Context) error {
	last := w.report.Entries
	if w.headFound && !w.log.authentic(w.head) {
		w.broken(last, CauseHead, "the head is not the host's, or belongs to another master key")
		return nil
	}
	if w.headFound && last < w.head.seq {
		w.broken(last+1, CauseTruncated, "entries %d to %d are missing", last+1, w.head.seq)
		return nil
	}
	// Entries appended during the walk moved the head along with them.
	now, found, err := w.log.readHead(ctx, w.q)
	switch {
	case err != nil:
		return err
	case !found && last == 0 && !w.headFound: // nothing was ever appended
	case !found:
		w.broken(last, CauseHead, "the head is missing")
	case !w.log.authentic(now):
		w.broken(last, CauseHead, "the head is not the host's, or belongs to another master key")
	case now.seq < last:
		w.broken(now.seq+1, CauseHead, "the head knows %d entries, but there are %d: it was put back to an earlier state", now.seq, last)
	}
	return nil
}
