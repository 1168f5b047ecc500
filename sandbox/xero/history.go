package xero

import (
	"slices"
	"time"
)

// Notes in the history of an invoice or a bank transfer, which can be added and never removed:
// https://developer.xero.com/documentation/api/accounting/historyandnotes

const (
	noteLengthMax = 2500
	notesMax      = 1000 // per record, to bound memory
)

type note struct {
	details string
	at      time.Time
}

func (c *call) putHistory() (reply, error) {
	d := c.s.invoice(c.id)
	if d == nil {
		return reply{}, notFound()
	}
	return c.putNotes(&d.notes, func() { keep(c.s, d) })
}

func (c *call) getHistory() (reply, error) {
	d := c.s.invoice(c.id)
	if d == nil {
		return reply{}, notFound()
	}
	return c.getNotes(d.notes)
}

func (c *call) putTransferHistory() (reply, error) {
	t := c.s.transfers.get(c.id)
	if t == nil {
		return reply{}, notFound()
	}
	return c.putNotes(&t.notes, func() { keep(c.s, t) })
}

func (c *call) getTransferHistory() (reply, error) {
	t := c.s.transfers.get(c.id)
	if t == nil {
		return reply{}, notFound()
	}
	return c.getNotes(t.notes)
}

// putNotes adds to the notes of a record, which remember keeps as it is now.
func (c *call) putNotes(to *[]note, remember func()) (reply, error) {
	return c.write("HistoryRecords", "HistoryRecordID", func(f *fields) (object, error) {
		n := note{details: f.str("Details"), at: c.now}
		if err := f.finish(); err != nil {
			return nil, err
		}
		if length := len([]rune(n.details)); length == 0 || length > noteLengthMax {
			return nil, refuse("Details must have 1 to %d characters", noteLengthMax)
		}
		if len(*to) >= notesMax {
			return nil, notModelled("more than %d notes", notesMax)
		}
		remember()
		*to = append(slices.Clone(*to), n)
		return n.view(), nil
	})
}

func (c *call) getNotes(notes []note) (reply, error) {
	views := []object{}
	for _, n := range notes {
		views = append(views, n.view())
	}
	return c.ok("HistoryRecords", views), nil
}

func (n note) view() object {
	return object{"Changes": "Note", "Details": n.details, "User": "System Generated",
		"DateUTC": msDate(n.at), "DateUTCString": n.at.Format(isoLayout)}
}
