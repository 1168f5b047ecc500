package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// replayWish is what a replay of one entry would do.
type replayWish struct {
	ID int64 `json:"id"`
	flow.Wish
}

// previewReplay says what would be written. It may be asked while the service runs.
func (c *command) previewReplay(ctx context.Context, ids []int64, ch choice) error {
	r, err := c.open(ctx, true)
	if err != nil {
		return err
	}
	defer r.close()
	works, err := c.chosen(ctx, r, ids)
	if err != nil {
		return err
	}
	wishes := []replayWish{}
	if len(works) > 0 {
		if wishes, err = r.wishes(ctx, works, ch); err != nil {
			return err
		}
	}
	if c.set.json {
		return c.printJSON(wishes)
	}
	if len(wishes) == 0 {
		c.say("nothing to run again")
		return nil
	}
	writes := 0
	for _, w := range wishes {
		c.printf("%-6d %s\n", w.ID, w.Wish)
		if text := wanted(w.Record); text != "" {
			c.printf("       %s\n", text)
		}
		writes += flow.CountWrites([]flow.Wish{w.Wish})
	}
	c.printf("%s; nothing was written\n", counted(writes, "write", "writes"))
	return nil
}

func (r *rooms) wishes(ctx context.Context, works []flow.Work, ch choice) ([]replayWish, error) {
	selections, err := r.loadFor(ctx, works, ch)
	if err != nil {
		return nil, err
	}
	e, err := r.engine(selections)
	if err != nil {
		return nil, err
	}
	out := make([]replayWish, 0, len(works))
	for _, w := range works {
		wish, err := e.PreviewWork(ctx, w.ID)
		if refused(err) {
			// It would only need a person again: that is an answer, not a failure.
			wish = flow.Wish{Recipe: w.Recipe, Flow: w.Flow, Source: w.SourceRef, Label: w.Label, Action: "fail", Reason: withRemedy(err).Error()}
		} else if err != nil {
			return nil, fmt.Errorf("preview entry %d: %w", w.ID, withRemedy(err))
		}
		out = append(out, replayWish{w.ID, wish})
	}
	return out, nil
}

// refused reports whether an error can never go away by itself.
func refused(err error) bool {
	var e *connector.Error
	return errors.As(err, &e) && (e.Kind == connector.Invalid || e.Kind == connector.NotFound)
}

// wanted tells in a line what a record to be written says.
func wanted(rec *connector.Record) string {
	switch {
	case rec == nil:
		return ""
	case rec.Payment != nil:
		p := rec.Payment
		text := fmt.Sprintf("%s of %s", p.Kind, p.Amount)
		if p.InvoiceID != "" {
			text += " on invoice " + p.InvoiceID
		}
		if !p.PaidAt.IsZero() {
			text += ", paid " + moment(p.PaidAt)
		}
		return text
	case rec.Invoice != nil:
		return fmt.Sprintf("%s %s for %s, %s due of %s", rec.Invoice.Status, rec.Invoice.Number, rec.Invoice.ContactName,
			rec.Invoice.AmountDue, rec.Invoice.Total)
	case rec.Contact != nil:
		return strings.TrimSpace(rec.Contact.Name + " " + rec.Contact.Email)
	}
	return ""
}
