package connection

import (
	"context"
	"fmt"

	"github.com/ml-connector/ml-connector/connector"
)

// Session returns what a connector needs for one call: settings with their
// defaults, opened secrets, and for OAuth connections an access token that is
// good for at least tokenMargin. An error of kind Auth means that a person must
// authorise the connection again.
func (s *Store) Session(ctx context.Context, name string, p connector.Priority) (*connector.Session, error) {
	sess, m, err := s.keys(ctx, name)
	if err != nil {
		return nil, err
	}
	sess.Priority = p
	if m.OAuth != nil {
		if sess.AccessToken, err = s.accessToken(ctx, name, m, sess); err != nil {
			return nil, err
		}
	}
	return sess, nil
}

// Keys returns a Session without an access token, for what needs the secrets
// alone: verifying a webhook must not wait for a token endpoint.
func (s *Store) Keys(ctx context.Context, name string) (*connector.Session, error) {
	sess, _, err := s.keys(ctx, name)
	return sess, err
}

func (s *Store) keys(ctx context.Context, name string) (*connector.Session, connector.Manifest, error) {
	c, err := s.Get(ctx, name)
	if err != nil {
		return nil, connector.Manifest{}, err
	}
	m, err := s.cfg.Manifests.Manifest(ctx, c.Connector)
	if err != nil {
		return nil, connector.Manifest{}, err
	}
	secrets, err := s.open(ctx, name)
	if err != nil {
		return nil, connector.Manifest{}, err
	}
	return &connector.Session{
		Connection: name, AccountID: c.AccountID, Settings: withDefaults(m, c.Settings), Secrets: secrets,
	}, m, nil
}

// open returns the connection's opened secrets. They are read afresh each time,
// so that a change made by another process counts at once.
func (s *Store) open(ctx context.Context, name string) (map[string]connector.Secret, error) {
	rows, err := s.cfg.DB.Read().QueryContext(ctx, `SELECT field, sealed FROM connection_secret WHERE connection = $1`, name)
	if err != nil {
		return nil, fmt.Errorf("read secrets of %s: %w", name, err)
	}
	defer rows.Close()
	out := map[string]connector.Secret{}
	for rows.Next() {
		var field string
		var sealed []byte
		if err := rows.Scan(&field, &sealed); err != nil {
			return nil, fmt.Errorf("read secrets of %s: %w", name, err)
		}
		plain, err := s.cfg.Vault.Open(sealed, name, field)
		if err != nil {
			return nil, fmt.Errorf("open %s of %s: %w", field, name, err)
		}
		out[field] = connector.Secret(plain)
	}
	return out, rows.Err()
}
