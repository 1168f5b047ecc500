package sandbox

import (
	"testing"
	"time"
)

func TestClockMoves(t *testing.T) {
	c := NewClock()
	before := c.Now()
	c.Advance(24 * time.Hour)
	if got := c.Now().Sub(before); got < 24*time.Hour || got > 25*time.Hour {
		t.Errorf("after Advance(24h) the clock moved by %v", got)
	}
	if c.Now().Location() != time.UTC {
		t.Errorf("Now is in %v, want UTC", c.Now().Location())
	}
}
