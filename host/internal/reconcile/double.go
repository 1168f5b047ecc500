package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/flow"
)

// doublesOf returns the target records that bear the mark of a source record and
// are not its counterpart, by the source's id: somebody entered by hand what was
// carried over, or will be.
func doublesOf(sv flow.Survey) map[string][]connector.Record {
	names := markNames(sv)
	bearers := map[string][]connector.Record{}
	for _, rec := range sv.Targets {
		if m := markOf(rec, names); m != "" && counts(rec) {
			bearers[m] = append(bearers[m], rec)
		}
	}
	out := map[string][]connector.Record{}
	for _, s := range sv.Records {
		if s.Want == nil {
			continue
		}
		ours := 0
		var others []connector.Record
		for _, rec := range bearers[markOf(*s.Want, names)] {
			if s.TargetID == rec.ID || slices.ContainsFunc(s.Effects, func(e flow.Effect) bool { return e.ID == rec.ID }) {
				ours++
			} else {
				others = append(others, rec)
			}
		}
		if ours > 0 || len(others) > 1 {
			out[s.Ref.ID] = others
		}
	}
	return out
}

// followMarks compares a payment whose posting was deleted with the one that stands
// in its place: a posting that is edited is a new one, under the same mark.
func followMarks(sv flow.Survey) {
	standing := map[string][]*connector.Record{}
	for i := range sv.Targets {
		if rec := &sv.Targets[i]; rec.Payment != nil && counts(*rec) {
			m := markOf(*rec, nil)
			standing[m] = append(standing[m], rec)
		}
	}
	for i := range sv.Records {
		s := &sv.Records[i]
		if s.Want == nil || s.Want.Payment == nil || undone(s.Want) || s.TargetID == "" || s.Target != nil && counts(*s.Target) {
			continue
		}
		if m := markOf(*s.Want, nil); m != "" && len(standing[m]) == 1 {
			s.Target, s.TargetID = standing[m][0], standing[m][0].ID
		}
	}
}

// markNames are the names of the marks that the flow's recipe gives its targets.
func markNames(sv flow.Survey) []string {
	for _, s := range sv.Records {
		if s.Want != nil && len(s.Want.Marks()) > 0 {
			return slices.Sorted(maps.Keys(s.Want.Marks()))
		}
	}
	return nil
}

// markOf is by what a target record says which source record it stands for: a
// payment by the first word of its reference, others by our marks, all of them.
func markOf(rec connector.Record, names []string) string {
	if rec.Payment != nil {
		return firstWord(rec.Payment.Reference)
	}
	var all strings.Builder
	for _, name := range names {
		value := rec.Marks()[name]
		if value == "" {
			return ""
		}
		fmt.Fprintf(&all, "%s=%q ", name, value)
	}
	return all.String()
}

// counts reports whether a record still stands for money or a person. An invoice
// that was replaced by another one keeps its marks, and is settled.
func counts(rec connector.Record) bool {
	switch {
	case rec.Gone:
		return false
	case rec.Payment != nil:
		return rec.Payment.Status == connector.PaymentSucceeded
	case rec.Invoice != nil:
		return rec.Invoice.Status == connector.InvoiceOpen
	}
	return rec.Contact != nil
}
