package connection

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

const (
	// tokenMargin is how long before its end an access token is replaced: longer
	// than any single call may take.
	tokenMargin = 5 * time.Minute
	// leaseFor is how long one process may take to refresh before another tries.
	leaseFor = 45 * time.Second
	// leasePoll is how often a waiting process looks whether the other is done.
	leasePoll = 200 * time.Millisecond
	// tokenField binds a sealed token to its place in the vault.
	tokenField = "oauth token"
)

// pair is what is sealed: it never leaves this file but as an access token.
type pair struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
}

type tokenRow struct {
	pair
	expires time.Time
	version int64
}

// fresh reports whether the access token outlives a call.
func (t tokenRow) fresh(now time.Time) bool { return t.expires.Sub(now) > tokenMargin }

// accessToken returns a token that outlives a call, refreshing it if need be.
// Within a process one goroutine refreshes; across processes a lease in the row
// sees to it. The rotated pair is stored before it is used.
func (s *Store) accessToken(ctx context.Context, name string, m connector.Manifest, sess *connector.Session) (connector.Secret, error) {
	row, err := s.readToken(ctx, name)
	if err != nil {
		return "", err
	}
	if row.fresh(s.now()) {
		return connector.Secret(row.Access), nil
	}
	turn := s.refreshTurn(name)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return "", connector.Errorf(connector.Unavailable, "refresh token", "it is being refreshed: %w", ctx.Err())
	}
	for {
		if row, err = s.readToken(ctx, name); err != nil {
			return "", err
		}
		if row.fresh(s.now()) {
			return connector.Secret(row.Access), nil
		}
		got, err := s.lease(ctx, name, row.version)
		if err != nil {
			return "", err
		}
		if got {
			return s.refresh(ctx, name, m, sess, row)
		}
		select {
		case <-ctx.Done():
			return "", connector.Errorf(connector.Unavailable, "refresh token", "another process refreshes it: %w", ctx.Err())
		case <-time.After(leasePoll):
		}
	}
}

// Refresh replaces an access token that the service has refused, however long it
// would still be good. Of many calls that were refused together the first
// replaces it; the others find another one in its place.
func (s *Store) Refresh(ctx context.Context, name string, refused connector.Secret) error {
	row, err := s.readToken(ctx, name)
	if err != nil {
		return err
	}
	if row.Access == refused.Reveal() {
		if err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE oauth_token SET expires_at = $3 WHERE connection = $1 AND version = $2`,
				name, row.version, s.now())
			return err
		}); err != nil {
			return fmt.Errorf("refresh token of %s: %w", name, err)
		}
	}
	_, err = s.Session(ctx, name, connector.PriorityRead)
	return err
}

func (s *Store) refreshTurn(name string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	turn, ok := s.refreshes[name]
	if !ok {
		turn = make(chan struct{}, 1)
		s.refreshes[name] = turn
	}
	return turn
}

func (s *Store) readToken(ctx context.Context, name string) (tokenRow, error) {
	var sealed []byte
	var row tokenRow
	err := s.cfg.DB.Read().QueryRowContext(ctx,
		`SELECT sealed, expires_at, version FROM oauth_token WHERE connection = $1`, name).Scan(&sealed, &row.expires, &row.version)
	if errors.Is(err, sql.ErrNoRows) {
		return row, unauthorised(name, "it has not been authorised yet")
	}
	if err != nil {
		return row, fmt.Errorf("read token of %s: %w", name, err)
	}
	plain, err := s.cfg.Vault.Open(sealed, name, tokenField)
	if err != nil {
		return row, fmt.Errorf("open token of %s: %w", name, err)
	}
	return row, json.Unmarshal(plain, &row.pair)
}

func unauthorised(name, why string) *connector.Error {
	return connector.Errorf(connector.Auth, "connection "+name, "%s", why).
		WithRemedy("run: ml-connector connections authorize %s", name)
}

// lease marks the row as being refreshed by us, unless it has changed since or
// somebody else is at it.
func (s *Store) lease(ctx context.Context, name string, version int64) (bool, error) {
	now := s.now()
	got := false
	err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		res, err := tx.ExecContext(ctx, `
			UPDATE oauth_token SET lease_until = $3
			WHERE connection = $1 AND version = $2 AND (lease_until IS NULL OR lease_until < $4)`,
			name, version, now.Add(leaseFor), now)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		got = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("lease token of %s: %w", name, err)
	}
	return got, nil
}

// refresh exchanges the refresh token. After a lost answer the old refresh token
// is still in the row and is tried again: services keep it good for a while.
func (s *Store) refresh(ctx context.Context, name string, m connector.Manifest, sess *connector.Session, row tokenRow) (connector.Secret, error) {
	cfg := oauthConfig(m, sess)
	ctx = context.WithValue(ctx, oauth2.HTTPClient, s.cfg.Client)
	tok, err := cfg.TokenSource(ctx, &oauth2.Token{RefreshToken: row.Refresh}).Token()
	if err != nil {
		_ = s.release(ctx, name)
		return "", s.refreshFailed(name, err)
	}
	if tok.RefreshToken == "" {
		tok.RefreshToken = row.Refresh
	}
	if err := s.StoreToken(ctx, name, tok); err != nil {
		return "", err
	}
	s.cfg.Log.Debug("token refreshed", "connection", name, "expires", tok.Expiry)
	return connector.Secret(tok.AccessToken), nil
}

func (s *Store) release(ctx context.Context, name string) error {
	return s.cfg.DB.Update(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE oauth_token SET lease_until = NULL WHERE connection = $1`, name)
		return err
	})
}

// refreshFailed tells a dead grant from a bad moment. Only the service's own
// invalid_grant, or a client that it does not know, needs a person.
func (s *Store) refreshFailed(name string, err error) error {
	var re *oauth2.RetrieveError
	if !errors.As(err, &re) {
		return connector.Errorf(connector.Unavailable, "refresh token", "no answer from the token endpoint of %s", name)
	}
	switch re.ErrorCode {
	case "invalid_grant":
		return unauthorised(name, "the service no longer accepts its refresh token: the consent was revoked or has expired")
	case "invalid_client", "unauthorized_client":
		return connector.Errorf(connector.Auth, "connection "+name, "the service does not know this client (%s)", re.ErrorCode).
			WithRemedy("check client_id and client_secret, then run: ml-connector connections authorize %s", name)
	}
	if re.Response != nil && re.Response.StatusCode == http.StatusTooManyRequests {
		return &connector.Error{Kind: connector.RateLimited, Op: "refresh token", Message: "the token endpoint asks to wait", RetryAfter: 30 * time.Second}
	}
	return connector.Errorf(connector.Unavailable, "refresh token", "the token endpoint of %s answered with an error %q", name, re.ErrorCode)
}

// StoreToken keeps a granted token pair, replacing any earlier one.
func (s *Store) StoreToken(ctx context.Context, name string, tok *oauth2.Token) error {
	if tok.RefreshToken == "" {
		return connector.Errorf(connector.Auth, "connection "+name, "the service granted no refresh token").
			WithRemedy("include the scope offline_access and authorise again")
	}
	plain, err := json.Marshal(pair{Access: tok.AccessToken, Refresh: tok.RefreshToken})
	if err != nil {
		return err
	}
	sealed, err := s.cfg.Vault.Seal(plain, name, tokenField)
	if err != nil {
		return fmt.Errorf("seal token of %s: %w", name, err)
	}
	now := s.now()
	expires := now.Add(tokenMargin) // the service did not say: use it now, refresh at the next call
	switch {
	case tok.ExpiresIn > 0: // by our clock, not the library's
		expires = now.Add(time.Duration(tok.ExpiresIn) * time.Second)
	case !tok.Expiry.IsZero():
		expires = tok.Expiry.UTC()
	}
	// A grant that was answered must not be lost because the caller gave up.
	ctx = context.WithoutCancel(ctx)
	return s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO oauth_token (connection, sealed, expires_at, refreshed_at, version) VALUES ($1, $2, $3, $4, 1)
			ON CONFLICT (connection) DO UPDATE SET sealed = excluded.sealed, expires_at = excluded.expires_at,
				refreshed_at = excluded.refreshed_at, version = oauth_token.version + 1, lease_until = NULL`,
			name, sealed, expires, now)
		return err
	})
}
