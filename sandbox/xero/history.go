package xero

import "time"

// Notes in an invoice's history, which can be added and never removed:
// https://developer.xero.com/documentation/api/accounting/historyandnotes

const (
	noteLengthMax = 2500
	notesMax      = 1000 // per invoice, to bound memory
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
	return c.write("HistoryRecords", "HistoryRecordID", func(f *fields) (object, error) {
		n := note{details: f.str("Details"), at: c.now}
		if err := f.finish(); err != nil {
			return nil, err
		}
		if length := len([]rune(n.details)); length == 0 || length > noteLengthMax {
			return nil, refuse("Details must have 1 to %d characters", noteLengthMax)
		}
		if len(d.notes) >= notesMax {
			return nil, notModelled("more than %d notes", notesMax)
		}
		keep(c.s, d)
		d.notes = append(d.notes, n)
		return n.view(), nil
	})
}

func (c *call) getHistory() (reply, error) {
	d := c.s.invoice(c.id)
	if d == nil {
		return reply{}, notFound()
	}
	views := []object{}
	for _, n := range d.notes {
		views = append(views, n.view())
	}
	return c.ok("HistoryRecords", views), nil
}

func (n note) view() object {
	return object{"Changes": "Note", "Details": n.details, "User": "System Generated",
		"DateUTC": msDate(n.at), "DateUTCString": n.at.Format(isoLayout)}
}
