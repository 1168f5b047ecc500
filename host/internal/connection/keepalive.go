package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

// keepAliveMax bounds one round: a host has a handful of connections.
const keepAliveMax = 1000

// KeepAlive refreshes every OAuth token that was last refreshed longer ago than
// olderThan: services let a refresh token die that nobody uses (Xero after 60
// days: https://developer.xero.com/documentation/guides/oauth2/auth-flow/). One
// that cannot be refreshed does not stop the others; the error names each. A
// connection whose consent has ended is paused, so that a person hears of it.
func (s *Store) KeepAlive(ctx context.Context, olderThan time.Duration) error {
	idle, err := s.idle(ctx, s.now().Add(-olderThan))
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range idle {
		if err := s.renew(ctx, t); err != nil {
			errs = append(errs, fmt.Errorf("keep connection %s alive: %w", t.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// idleToken is a token that nobody has refreshed for long.
type idleToken struct {
	name    string
	version int64
}

func (s *Store) idle(ctx context.Context, before time.Time) ([]idleToken, error) {
	rows, err := s.cfg.DB.Read().QueryContext(ctx,
		`SELECT connection, version FROM oauth_token WHERE refreshed_at < $1 ORDER BY refreshed_at LIMIT $2`, before, keepAliveMax)
	if err != nil {
		return nil, fmt.Errorf("look for idle tokens: %w", err)
	}
	defer rows.Close()
	var out []idleToken
	for rows.Next() {
		var t idleToken
		if err := rows.Scan(&t.name, &t.version); err != nil {
			return nil, fmt.Errorf("look for idle tokens: %w", err)
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// renew lets the access token end now, unless somebody has refreshed it
// meanwhile, and takes the one way that a token is refreshed on.
func (s *Store) renew(ctx context.Context, t idleToken) error {
	if err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE oauth_token SET expires_at = $3 WHERE connection = $1 AND version = $2`,
			t.name, t.version, s.now())
		return err
	}); err != nil {
		return err
	}
	_, err := s.Session(ctx, t.name, connector.PriorityPoll)
	var refused *connector.Error
	if !errors.As(err, &refused) || refused.Kind != connector.Auth {
		return err
	}
	c, lookup := s.Get(ctx, t.name)
	if lookup == nil && !c.Paused() {
		lookup = s.Pause(ctx, t.name, refused.Error(), refused.Remedy)
	}
	return errors.Join(err, lookup)
}
