package job

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// Backoff is a retry policy: after attempt n wait about
// First x (Factor/100)^(n-1), at most Cap, for at most Attempts attempts.
//
// The wait is drawn between half and the whole of that, so that records which
// failed together do not come back together.
type Backoff struct {
	First    time.Duration // positive
	Factor   int           // per cent, at least 100: 200 doubles the wait each time
	Cap      time.Duration // at least First
	Attempts int           // 0: no limit
}

// Check says what is wrong with the policy, for whoever wrote it.
func (b Backoff) Check() error {
	switch {
	case b.First <= 0:
		return errors.New("first wait must be positive")
	case b.Factor < 100:
		return errors.New("factor must be at least 100 per cent")
	case b.Cap < b.First:
		return errors.New("cap must not be shorter than the first wait")
	case b.Attempts < 0:
		return errors.New("attempts must not be negative")
	}
	return nil
}

// wait returns the wait after attempt number (from 1). It is a function of its
// arguments: asked twice, it answers the same.
func (b Backoff) wait(number int, seed uint64) time.Duration {
	whole := min(b.First, b.Cap)
	for range number - 1 {
		if whole >= b.Cap {
			break
		}
		whole = min(b.grow(whole), b.Cap)
	}
	if whole <= 0 {
		return 0
	}
	half := whole / 2
	draw := rand.New(rand.NewPCG(seed, uint64(number))) //nolint:gosec // spreads load, guards nothing
	return whole - time.Duration(draw.Int64N(int64(half)+1))
}

// grow multiplies by Factor per cent, to Cap at most.
func (b Backoff) grow(d time.Duration) time.Duration {
	factor := time.Duration(max(b.Factor, 100))
	if d > b.Cap/factor*100 {
		return b.Cap
	}
	if d > math.MaxInt64/factor { // d*factor would overflow
		return d / 100 * factor
	}
	return d * factor / 100
}
