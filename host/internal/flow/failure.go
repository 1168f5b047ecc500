package flow

import (
	"context"
	"errors"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/job"
)

// rateLimitWait is how long to wait when the service named no delay.
const rateLimitWait = 5 * time.Second

// failed decides in one place what becomes of an attempt that ended in an
// error: the error's kind says it.
func (r *run) failed(ctx context.Context, err error) job.Result {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var classified *connector.Error
	if !errors.As(err, &classified) { // our own trouble, not a service's: nothing is lost, try again
		r.log.Error("attempt failed", "work", r.w.ID, "error", err)
		return r.later(ctx, connector.Errorf(connector.Unavailable, "host", "%w", err))
	}
	switch classified.Kind {
	case connector.RateLimited:
		wait := max(classified.RetryAfter, time.Second)
		if classified.RetryAfter == 0 {
			wait = rateLimitWait
		}
		if r.read != nil { // the next attempt need not spend a call on reading it again
			r.fresh.keep(r.w.ID, *r.read)
		}
		return r.noted(ctx, classified, "rate limited", wait)
	case connector.Auth:
		return r.pause(ctx, classified)
	case connector.Unavailable, connector.UnknownOutcome:
		return r.later(ctx, classified)
	case connector.Conflict:
		return r.dead(ctx, classified, Held)
	default: // invalid, not found
		return r.dead(ctx, classified, Dead)
	}
}

// later schedules the next attempt, or gives up when there are no more.
func (r *run) later(ctx context.Context, e *connector.Error) job.Result {
	policy := r.plan.backoff()
	wait, ok := r.a.Next(policy)
	if !ok {
		return r.dead(ctx, e, Dead)
	}
	wait = max(wait, e.RetryAfter)
	now := r.now()
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		c := concern{state: Retrying, reason: e.Error(), remedy: e.Remedy, next: now.Add(wait)}
		if err := store(ctx, tx, &r.w, c, r.a.Number, false, now); err != nil {
			return err
		}
		return r.append(ctx, tx, audit.Entry{Kind: audit.KindAttempt, Outcome: e.Kind.String(), Reason: e.Error(), Target: r.target()})
	})
	if err != nil {
		r.log.Error("failed attempt cannot be stored", "work", r.w.ID, "error", err)
	}
	r.log.Warn("attempt failed, will try again", "work", r.w.ID, "attempt", r.a.Number, "in", wait.Round(time.Millisecond), "reason", e.Error())
	return job.Retry(wait)
}

func (r *run) target() string {
	if r.open != nil {
		return r.open.to.String()
	}
	return ""
}

// noted rests without losing an attempt, and puts the reason on the trail once.
func (r *run) noted(ctx context.Context, e *connector.Error, outcome string, wait time.Duration) job.Result {
	repeats := r.w.State == Waiting && r.w.Reason == e.Error()
	now := r.now()
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		c := concern{state: Waiting, reason: e.Error(), remedy: e.Remedy, next: now.Add(wait)}
		if err := store(ctx, tx, &r.w, c, r.a.Number-1, false, now); err != nil || repeats {
			return err
		}
		return r.append(ctx, tx, audit.Entry{Kind: audit.KindAttempt, Outcome: outcome, Reason: e.Error(), Target: r.target()})
	})
	if err != nil {
		r.log.Error("wait cannot be stored", "work", r.w.ID, "error", err)
	}
	return job.Wait(wait)
}

// pause stops the connection whose credential was refused; its work waits and
// loses no attempt.
func (r *run) pause(ctx context.Context, e *connector.Error) job.Result {
	name := r.w.Source.Connection
	if r.open != nil {
		name = r.open.to.Connection
	}
	if err := r.cfg.Connections.Pause(ctx, name, e.Error(), e.Remedy); err != nil {
		r.log.Error("connection cannot be paused", "connection", name, "error", err)
	}
	r.log.Error("connection paused", "connection", name, "reason", e.Error(), "remedy", e.Remedy)
	return r.noted(ctx, e, "connection paused", pausedWait)
}

// rest waits without an audit entry: nothing was tried.
func (r *run) rest(ctx context.Context, reason string, wait time.Duration) job.Result {
	if r.w.State == Waiting && r.w.Reason == reason {
		return job.Wait(wait)
	}
	now := r.now()
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		return store(ctx, tx, &r.w, concern{state: Waiting, reason: reason, next: now.Add(wait)}, r.a.Number-1, false, now)
	})
	if err != nil {
		r.log.Error("wait cannot be stored", "work", r.w.ID, "error", err)
	}
	return job.Wait(wait)
}

// dead hands the work to a person. A write that was refused for good is
// settled; one whose outcome is unknown stays open, so that a replay looks first.
func (r *run) dead(ctx context.Context, e *connector.Error, state State) job.Result {
	kind, outcome := audit.KindDead, "dead letter"
	if state == Held {
		kind, outcome = audit.KindHold, "held"
	}
	remedy := e.Remedy
	if remedy == "" {
		remedy = "put the cause right, then replay"
	}
	for _, c := range e.Candidates {
		r.w.Records = nonNil(r.w.Records)
		r.w.Records["candidate "+c] = c
	}
	refused := r.open != nil && (e.Kind == connector.Invalid || e.Kind == connector.Conflict || e.Kind == connector.NotFound)
	if refused {
		// An earlier attempt may have got through, or this one half-way: whatever
		// is written next has another key, and must look first (I3).
		r.w.look = true
	}
	err := r.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		if refused {
			if err := settle(ctx, tx, r.open, "refused", e.Error(), r.now()); err != nil {
				return err
			}
		}
		return r.end(ctx, tx, concern{state: state, reason: e.Error(), remedy: remedy}, func() error {
			return r.append(ctx, tx, audit.Entry{Kind: kind, Outcome: outcome, Reason: e.Error(), Target: r.target()})
		})
	})
	if err != nil {
		r.log.Error("dead letter cannot be stored", "work", r.w.ID, "error", err)
		return job.Wait(storeWait)
	}
	r.log.Error("needs a person", "work", r.w.ID, "label", r.w.Label, "reason", e.Error(), "remedy", remedy)
	return job.Park()
}

func (p *plan) backoff() job.Backoff {
	r := p.Recipe.Retry
	return job.Backoff{First: r.First, Factor: 100 * r.Factor, Cap: r.Cap, Attempts: r.Attempts}
}
