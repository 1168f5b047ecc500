package connectortest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
)

func (s *suite) refusalChecks() {
	s.check("refusals/unknown-entity", func(ctx context.Context) error {
		// The empty entity is the one unknown one that travels to the connector.
		return s.allInvalid(ctx, s.session("unknown-entity", true), s.calls("")[:2])
	})
	s.check("refusals/unknown-stream", s.unknownStream)
	s.check("refusals/verbs-not-offered", s.verbsNotOffered)
	s.check("refusals/nothing-configured", s.nothingConfigured)
	s.check("refusals/wrong-credential", s.wrongCredential)
	s.check("refusals/rate-limit", s.rateLimit)
	s.check("refusals/service-down", s.serviceDown)
}

func (s *suite) allInvalid(ctx context.Context, sess *connector.Session, calls []call) error {
	var errs []error
	for _, c := range calls {
		e, err := fault(c.do(ctx, sess))
		if err == nil && e.Kind != connector.Invalid {
			err = fmt.Errorf("it is %s (%w), not %s", e.Kind, e, connector.Invalid)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	return errors.Join(errs...)
}

func (s *suite) verbsNotOffered(ctx context.Context) error {
	var missing []call
	for _, e := range connector.Entities() {
		for _, c := range s.calls(e) {
			if !s.manifest.Can(e, c.verb) {
				missing = append(missing, c)
			}
		}
	}
	if len(missing) == 0 {
		return skip("every verb is offered for every entity")
	}
	return s.allInvalid(ctx, s.session("verbs-not-offered", true), missing)
}

// decided checks that an error of a call that cannot have had an effect has a
// kind that says what to do: UnknownOutcome is what an error of no kind becomes.
func decided(c call, err error) error {
	e, err := fault(err)
	if err == nil && e.Kind == connector.UnknownOutcome {
		err = fmt.Errorf("nothing was done, but it says %q: %w", e.Kind, e)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

func (s *suite) nothingConfigured(ctx context.Context) error {
	if !s.needsSomething() {
		return skip("the connector requires no setting")
	}
	s.trap.be(refusing)
	var errs []error
	for _, c := range s.offered() {
		errs = append(errs, decided(c, c.do(ctx, s.bare())))
	}
	return errors.Join(errs...)
}

// wrongCredential lets the service refuse, and quote the credential as it does.
func (s *suite) wrongCredential(ctx context.Context) error {
	s.trap.be(refusing)
	sess := s.session("wrong-credential", true)
	var errs []error
	for _, c := range s.offered() {
		before := s.trap.count()
		err := c.do(ctx, sess)
		bad := decided(c, err)
		if bad == nil && s.trap.count() > before && connector.KindOf(err) != connector.Auth {
			bad = fmt.Errorf("%s: the service answered 401, and the error is %s: %w", c, connector.KindOf(err), err)
		}
		errs = append(errs, bad)
	}
	return errors.Join(errs...)
}

func (s *suite) rateLimit(ctx context.Context) error {
	reached := false
	var errs []error
	for i, c := range s.offered() {
		before := s.trap.be(limiting)
		// Each call has its own connection: the first refusal may stop a second call
		// before it is made, and rightly.
		e, err := fault(c.do(ctx, s.session(fmt.Sprint("rate-limit-", i), true)))
		if s.trap.count() == before {
			continue
		}
		reached = true
		switch {
		case err != nil:
		case e.Kind != connector.RateLimited:
			err = fmt.Errorf("the service answered 429, and the error is %s: %w", e.Kind, e)
		case e.RetryAfter < time.Second || e.RetryAfter > 2*waitSeconds*time.Second:
			err = fmt.Errorf("the service asked for %d s, the error for %s", waitSeconds, e.RetryAfter)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	return s.orUnreached(reached, errs)
}

func (s *suite) serviceDown(ctx context.Context) error {
	reached := false
	var errs []error
	for i, c := range s.offered() {
		before := s.trap.be(failing)
		e, err := fault(c.do(ctx, s.session(fmt.Sprint("service-down-", i), true)))
		if s.trap.count() == before {
			continue
		}
		reached = true
		unsure := !c.reads() && err == nil && e.Kind == connector.UnknownOutcome // careful, and allowed
		if err == nil && e.Kind != connector.Unavailable && !unsure {
			err = fmt.Errorf("the service answered 503, and the error is %s: %w", e.Kind, e)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c, err))
		}
	}
	return s.orUnreached(reached, errs)
}

func (s *suite) orUnreached(reached bool, errs []error) error {
	if !reached {
		return skip("made-up settings led to no call: the connector has no URL setting, or refuses them before")
	}
	return errors.Join(errs...)
}
