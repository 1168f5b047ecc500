package flow

import (
	"context"
	"slices"
	"testing"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db/dbtest"
)

// One record that cannot be read keeps no other from being read, and each has the
// reason that is its own.
func TestUnreadableRecordsAmongOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		unreadable []string
		ids        []string
	}{
		"one of three":   {[]string{"c2"}, []string{"c1", "c2", "c3"}},
		"two of three":   {[]string{"c1", "c2"}, []string{"c1", "c2", "c3"}},
		"all":            {[]string{"c1", "c2", "c3"}, []string{"c1", "c2", "c3"}},
		"the only one":   {[]string{"c1"}, []string{"c1"}},
		"none":           {nil, []string{"c1", "c2", "c3"}},
		"the last alone": {[]string{"c3"}, []string{"c1", "c2", "c3"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			h := w.open(t, dbtest.Dir(t), pairRecipe)
			for _, id := range tt.ids {
				w.a.put(contact(id, "Ada"))
			}
			h.a.onGet = func(_ context.Context, req connector.GetRequest) error {
				for _, id := range tt.unreadable {
					if slices.Contains(req.IDs, id) {
						e := connector.Errorf(connector.Invalid, "get", "%s is unreadable", id)
						e.Candidates = []string{id}
						return e
					}
				}
				return nil
			}
			for i, got := range h.eng.callGet(t.Context(), lane{"a", connector.EntityContact}, tt.ids) {
				id := tt.ids[i]
				if !slices.Contains(tt.unreadable, id) {
					if got.err != nil || got.answer == nil || got.answer.ID != id {
						t.Errorf("%s: got %+v, %v", id, got.answer, got.err)
					}
				} else if want := "get: " + id + " is unreadable"; got.err == nil || got.err.Error() != want {
					t.Errorf("%s: got %v, want %q", id, got.err, want)
				}
			}
		})
	}
}
