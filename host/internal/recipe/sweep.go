package recipe

import (
	"time"

	"cel.dev/cel-go/cel"
)

// Sweep says which records of a flow are looked at again from time to time, for
// changes that the service's modification time does not show.
type Sweep struct {
	Every time.Duration // between two sweeps

	while *expression
}

// SweepWhile reports whether the flow's sweeps look at a record again, as it is
// now. A record that is gone has nothing left to change.
func (f *Flow) SweepWhile(in Input) (bool, error) {
	if f.Sweep == nil || in.Record.Gone {
		return false, nil
	}
	vars, err := f.activation(in)
	if err != nil {
		return false, err
	}
	open, err := f.Sweep.while.holds(vars)
	if err != nil {
		return false, f.wrong(err)
	}
	return open, nil
}

// readSweep reads a flow's sweep, whose expression does not see `needs`.
func (p *parser) readSweep(f *Flow, n node, sc *scope) {
	keys := p.object(n, sweepKeys)
	s := &Sweep{}
	if n, ok := keys["every"]; ok {
		s.Every = p.durationWithin(n, sweepMin, sweepMax)
	}
	if n, ok := keys["while"]; ok {
		s.while = p.compile(sc, n, cel.BoolType)
	}
	f.Sweep = s
}
