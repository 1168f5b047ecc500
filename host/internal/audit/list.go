package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const (
	listDefault = 100
	listMax     = 1000 // entries per page, of a list and of a walk through the trail
)

// Filter chooses entries; a zero field asks for nothing.
type Filter struct {
	Kind    Kind
	Recipe  string
	Flow    string
	WorkID  int64
	Ref     string // entries with this source or this target
	Outcome string
	Since   time.Time // at this time or later
	Until   time.Time // before this time
	After   int64     // with a higher seq
	Before  int64     // with a lower seq: the next page of a list, newest first
	Oldest  bool      // oldest first; default newest first
	Limit   int       // default 100, at most 1000
}

// List returns the entries that pass the filter. It does not check the chain.
func (l *Log) List(ctx context.Context, q Reader, f Filter) ([]Entry, error) {
	rows, err := selectRows(ctx, q, f)
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(rows))
	for _, r := range rows {
		entries = append(entries, r.entry)
	}
	return entries, nil
}

// Get returns one entry, or ErrNotFound.
func (l *Log) Get(ctx context.Context, q Reader, seq int64) (Entry, error) {
	rows, err := queryRows(ctx, q, `SELECT `+columns+` FROM audit_entry WHERE seq = $1`, seq)
	if err != nil {
		return Entry{}, err
	}
	if len(rows) == 0 {
		return Entry{}, fmt.Errorf("audit entry %d: %w", seq, ErrNotFound)
	}
	return rows[0].entry, nil
}

// Export writes the whole trail as JSON Lines, oldest entry first, and returns how
// many entries that were. It does not check the chain.
func (l *Log) Export(ctx context.Context, q Reader, w io.Writer) (int64, error) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	var count, last int64
	for {
		rows, err := page(ctx, q, last)
		if err != nil {
			return count, err
		}
		for _, r := range rows {
			if err := out.Encode(r.entry); err != nil {
				return count, fmt.Errorf("export audit entry %d: %w", r.entry.Seq, err)
			}
			count++
			last = r.entry.Seq
		}
		if len(rows) < listMax {
			return count, nil
		}
	}
}

// page returns the next entries after seq, oldest first. Pages keep a long walk
// from holding up the database's clean-up.
func page(ctx context.Context, q Reader, after int64) ([]row, error) {
	return queryRows(ctx, q, `SELECT `+columns+` FROM audit_entry WHERE seq > $1 ORDER BY seq LIMIT `+strconv.Itoa(listMax), after)
}

func selectRows(ctx context.Context, q Reader, f Filter) ([]row, error) {
	var conditions []string
	var args []any
	where := func(condition string, value any) {
		args = append(args, value)
		conditions = append(conditions, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args))))
	}
	for _, text := range []struct{ column, value string }{
		{"kind", string(f.Kind)}, {"recipe", f.Recipe}, {"flow", f.Flow}, {"outcome", f.Outcome},
	} {
		if text.value != "" {
			where(text.column+" = ?", text.value)
		}
	}
	if f.WorkID != 0 {
		where("work_id = ?", f.WorkID)
	}
	if f.Ref != "" {
		where("(source = ? OR target = ?)", f.Ref)
	}
	if !f.Since.IsZero() {
		where("at >= ?", f.Since.UTC())
	}
	if !f.Until.IsZero() {
		where("at < ?", f.Until.UTC())
	}
	if f.After != 0 {
		where("seq > ?", f.After)
	}
	if f.Before != 0 {
		where("seq < ?", f.Before)
	}
	query := `SELECT ` + columns + ` FROM audit_entry`
	if len(conditions) > 0 {
		query += ` WHERE ` + strings.Join(conditions, ` AND `)
	}
	query += ` ORDER BY seq`
	if !f.Oldest {
		query += ` DESC`
	}
	limit := f.Limit
	if limit <= 0 {
		limit = listDefault
	}
	return queryRows(ctx, q, query+` LIMIT `+strconv.Itoa(min(limit, listMax)), args...)
}

// queryRows reads rows until the first that cannot be read: then it returns the
// ones before, and the error.
func queryRows(ctx context.Context, q Reader, query string, args ...any) (read []row, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("query audit entries: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanRow(rows)
		if err != nil {
			return read, err
		}
		read = append(read, r)
	}
	if err := rows.Err(); err != nil {
		return read, fmt.Errorf("query audit entries: %w", err)
	}
	return read, nil
}
