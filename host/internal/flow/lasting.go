package flow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ml-connector/ml-connector/host/internal/db"
)

// lastingPrefix keeps a lasting choice apart from what else is remembered of a
// recipe.
const lastingPrefix = "lasting "

// Lasting makes sure that a selection keeps to the choices that what was written
// so far depends on: a parameter that has once run with one of its lasting values
// is not given another. With keep set, the present choices become lasting.
func Lasting(ctx context.Context, d *db.DB, s Selection, keep bool, now time.Time) error {
	for _, p := range s.Recipe.Params {
		chosen, _ := s.Params.Text(p.Name)
		if !slices.Contains(p.Lasting, chosen) {
			continue
		}
		earlier, err := lastingChoice(ctx, d, s.Recipe.State, p.Name, chosen, keep, now)
		if err != nil {
			return fmt.Errorf("lasting choice of %s: %w", p.Name, err)
		}
		if earlier != chosen {
			return fmt.Errorf("recipe %s: %s=%s cannot be chosen any more: it has run with %s=%s, and the same money would be posted in both ways",
				s.Recipe.Name, p.Name, chosen, p.Name, earlier)
		}
	}
	return nil
}

// lastingChoice returns the value that was chosen first, which is the present one
// when there was none.
func lastingChoice(ctx context.Context, d *db.DB, recipe, name, chosen string, keep bool, now time.Time) (string, error) {
	const query = `SELECT value FROM param WHERE recipe = $1 AND name = $2`
	first := chosen
	read := func(q reader) error {
		err := q.QueryRowContext(ctx, query, recipe, lastingPrefix+name).Scan(&first)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	}
	if !keep {
		return first, read(d.Read())
	}
	err := d.Update(ctx, func(tx *db.Tx) error {
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO param (recipe, name, value, set_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (recipe, name) DO NOTHING`, recipe, lastingPrefix+name, chosen, now.UTC()); err != nil {
			return err
		}
		return read(tx)
	})
	return first, err
}
