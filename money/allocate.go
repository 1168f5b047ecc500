package money

import (
	"fmt"
	"math/big"
)

// Allocate splits the sum in proportion to the weights; the parts always add up
// to the whole. Each part is its exact share cut to whole minor units, and the
// units left over go one by one, in order, to the parts that were cut. So no part
// is a whole unit away from its exact share, and a weight of zero gets nothing.
// A negative sum is split as its mirror image.
//
// Weights are zero or more and one of them is above zero, else ErrWeights; an
// unset amount is ErrMismatch.
func (a Amount) Allocate(weights []int64) ([]Amount, error) {
	if !a.IsSet() {
		return nil, fmt.Errorf("allocate %s: %w", a, ErrMismatch)
	}
	total := new(big.Int)
	for i, w := range weights {
		if w < 0 {
			return nil, fmt.Errorf("allocate %s, weight %d is %d: %w", a, i+1, w, ErrWeights)
		}
		total.Add(total, big.NewInt(w))
	}
	if total.Sign() == 0 {
		return nil, fmt.Errorf("allocate %s over %d weights: %w", a, len(weights), ErrWeights)
	}
	return a.split(weights, total), nil
}

// split works on the magnitude, in big.Int because sum times weight passes 64 bits.
func (a Amount) split(weights []int64, total *big.Int) []Amount {
	whole := new(big.Int).Abs(big.NewInt(a.minor))
	left := new(big.Int).Set(whole)
	shares := make([]*big.Int, len(weights))
	cut := make([]bool, len(weights))
	for i, w := range weights {
		exact := new(big.Int).Mul(whole, big.NewInt(w))
		rest := new(big.Int)
		shares[i], rest = exact.QuoRem(exact, total, rest)
		cut[i] = rest.Sign() != 0
		left.Sub(left, shares[i])
	}
	// Fewer units are left than parts were cut: the cut pieces, each less than a
	// unit, make up all that is left.
	one := big.NewInt(1)
	parts := make([]Amount, len(weights))
	for i, share := range shares {
		if cut[i] && left.Sign() > 0 {
			share.Add(share, one)
			left.Sub(left, one)
		}
		if a.minor < 0 {
			share.Neg(share)
		}
		parts[i] = Amount{minor: share.Int64(), currency: a.currency} // no part exceeds the whole
	}
	return parts
}
