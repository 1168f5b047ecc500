package connection

import (
	"context"
	"errors"
	"fmt"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// Reseal opens every secret and token and seals it again under the vault's
// newest key, in one transaction. It returns how many it sealed.
func (s *Store) Reseal(ctx context.Context) (int, error) {
	n := 0
	err := s.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		n = 0
		for _, q := range []struct{ read, write string }{
			{`SELECT connection, field, sealed FROM connection_secret`,
				`UPDATE connection_secret SET sealed = $3 WHERE connection = $1 AND field = $2`},
			{`SELECT connection, '` + tokenField + `', sealed FROM oauth_token`,
				`UPDATE oauth_token SET sealed = $3 WHERE connection = $1 AND $2 = '` + tokenField + `'`},
		} {
			done, err := s.reseal(ctx, tx, q.read, q.write)
			if err != nil {
				return err
			}
			n += done
		}
		return nil
	})
	return n, err
}

func (s *Store) reseal(ctx context.Context, tx *db.Tx, read, write string) (int, error) {
	type entry struct {
		name, field string
		sealed      []byte
	}
	rows, err := tx.QueryContext(ctx, read)
	if err != nil {
		return 0, fmt.Errorf("reseal: %w", err)
	}
	var all []entry
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.name, &e.field, &e.sealed); err != nil {
			return 0, err
		}
		all = append(all, e)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	for _, e := range all {
		plain, err := s.cfg.Vault.Open(e.sealed, e.name, e.field)
		if err != nil {
			return 0, fmt.Errorf("open %s of %s: %w", e.field, e.name, err)
		}
		sealed, err := s.cfg.Vault.Seal(plain, e.name, e.field)
		if err != nil {
			return 0, fmt.Errorf("seal %s of %s: %w", e.field, e.name, err)
		}
		if _, err := tx.ExecContext(ctx, write, e.name, e.field, sealed); err != nil {
			return 0, fmt.Errorf("store %s of %s: %w", e.field, e.name, err)
		}
	}
	return len(all), nil
}
