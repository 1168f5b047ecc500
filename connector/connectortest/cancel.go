package connectortest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

const (
	promptly   = 2 * time.Second // generous: the machine may be busy
	hangWithin = 5 * time.Second
)

func (s *suite) cancelChecks() {
	s.check("cancel/deadline", func(ctx context.Context) error {
		s.trap.be(hanging)
		var errs []error
		for _, c := range s.offered() {
			errs = append(errs, s.shortDeadline(ctx, c))
		}
		s.trap.be(refusing)
		drain(s.trap.arrived)
		drain(s.trap.released)
		return errors.Join(errs...)
	})
	s.check("cancel/reaches-the-service", s.cancelReaches)
}

// shortDeadline makes a call that has a millisecond.
func (s *suite) shortDeadline(ctx context.Context, c call) error {
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- c.do(short, s.session("deadline", true)) }()
	late := time.NewTimer(promptly)
	defer late.Stop()
	select {
	case _ = <-done: //nolint:staticcheck // that it returned is what counts; errcheck wants the value named
		return nil
	case <-late.C:
		return fmt.Errorf("%s had a millisecond and took more than %s", c, promptly)
	}
}

// cancelReaches gives up a call that hangs, and watches the connector give up its
// call to the service: one that goes on could write what nobody waits for.
func (s *suite) cancelReaches(ctx context.Context) error {
	s.trap.be(hanging)
	defer s.trap.be(refusing)
	for i, c := range s.offered() {
		giveUp, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- c.do(giveUp, s.session(fmt.Sprint("cancel-", i), true)) }()
		err := s.watchCancel(c, cancel, done)
		cancel()
		if !errors.Is(err, errNoCall) {
			return err // one call that reaches the service proves it
		}
	}
	return s.orUnreached(false, nil)
}

var errNoCall = errors.New("the connector made no call")

func (s *suite) watchCancel(c call, cancel func(), done <-chan error) error {
	if !within(hangWithin, s.trap.arrived, done) {
		return errNoCall
	}
	cancel()
	select {
	case err := <-done:
		want := connector.Unavailable
		if !c.reads() {
			want = connector.UnknownOutcome
		}
		if connector.KindOf(err) != want {
			return fmt.Errorf("%s was given up and is %s: %w", c, connector.KindOf(err), err)
		}
	case <-time.After(promptly):
		return fmt.Errorf("%s was given up and did not return within %s", c, promptly)
	}
	if !within(hangWithin, s.trap.released, nil) {
		return fmt.Errorf("%s was given up, but its call to the service goes on", c)
	}
	return nil
}

// within reports whether event came before time was up and before other.
func within(limit time.Duration, event <-chan struct{}, other <-chan error) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-event:
		return true
	case _ = <-other: //nolint:staticcheck // that it came is what counts; errcheck wants the value named
	case <-timer.C:
	}
	return false
}

func drain(c <-chan struct{}) {
	select {
	case <-c:
	default:
	}
}
