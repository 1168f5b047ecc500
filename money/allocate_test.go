package money_test

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ml-connector/ml-connector/money"
)

func TestAllocate(t *testing.T) {
	tests := []struct {
		name    string
		sum     int64
		weights []int64
		want    []int64
		err     error
	}{
		{name: "even", sum: 100, weights: []int64{1, 1}, want: []int64{50, 50}},
		{name: "one unit left over", sum: 100, weights: []int64{1, 1, 1}, want: []int64{34, 33, 33}},
		{name: "two units left over", sum: 101, weights: []int64{1, 1, 1}, want: []int64{34, 34, 33}},
		{name: "negative is the mirror image", sum: -101, weights: []int64{1, 1, 1}, want: []int64{-34, -34, -33}},
		{name: "in proportion", sum: 1000, weights: []int64{7, 2, 1}, want: []int64{700, 200, 100}},
		{name: "weight of zero gets nothing", sum: 5, weights: []int64{0, 1, 0, 1}, want: []int64{0, 3, 0, 2}},
		{name: "exact share gets no left-over", sum: 2, weights: []int64{2, 1, 1}, want: []int64{1, 1, 0}},
		{name: "nothing to share", sum: 0, weights: []int64{1, 2}, want: []int64{0, 0}},
		{name: "one part", sum: 7, weights: []int64{3}, want: []int64{7}},
		{name: "largest", sum: math.MaxInt64, weights: []int64{math.MaxInt64, math.MaxInt64}, want: []int64{math.MaxInt64/2 + 1, math.MaxInt64 / 2}},
		{name: "smallest", sum: math.MinInt64, weights: []int64{5}, want: []int64{math.MinInt64}},
		{name: "no weights", sum: 1, err: money.ErrWeights},
		{name: "all weights zero", sum: 1, weights: []int64{0, 0}, err: money.ErrWeights},
		{name: "negative weight", sum: 1, weights: []int64{2, -1}, err: money.ErrWeights},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parts, err := money.MustNew(tt.sum, "NZD").Allocate(tt.weights)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error: got %v, want %v", err, tt.err)
			}
			var got []int64
			for _, part := range parts {
				got = append(got, part.Minor())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	t.Run("unset", func(t *testing.T) {
		if _, err := (money.Amount{}).Allocate([]int64{1}); !errors.Is(err, money.ErrMismatch) {
			t.Errorf("error: got %v, want %v", err, money.ErrMismatch)
		}
	})
}
