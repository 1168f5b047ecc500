package flow

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/audit"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

// ParseRef reads the form of Ref.String: "xero:contact/4f2c…".
func ParseRef(s string) (Ref, error) {
	conn, rest, ok := strings.Cut(s, ":")
	entity, id, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || conn == "" || id == "" || !slices.Contains(connector.Entities(), connector.Entity(entity)) {
		return Ref{}, fmt.Errorf("%q: use CONNECTION:ENTITY/ID, for example xero:contact/4f2c", s)
	}
	return Ref{conn, connector.Entity(entity), id}, nil
}

// AddLink links two records on a person's word: a choice that no rule could
// make. Neither may be linked yet. Work that was held for it is for the person
// to replay.
func AddLink(ctx context.Context, d *db.DB, log *audit.Log, recipe string, a, b Ref, now time.Time) error {
	if a.Connection == b.Connection || a.Entity != b.Entity {
		return errors.New("link two records of the same kind on two connections")
	}
	return d.Update(ctx, func(tx *db.Tx) error {
		for _, pair := range [][2]Ref{{a, b}, {b, a}} {
			other, err := partner(ctx, tx, recipe, pair[0], lane{pair[1].Connection, pair[1].Entity}, false)
			if err != nil {
				return err
			}
			if other != "" {
				return fmt.Errorf("%s is linked to %s already; end that link first: ml-connector links end %s --recipe %s", pair[0], other, pair[0], recipe)
			}
		}
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO link (recipe, a_connection, a_entity, a_id, b_connection, b_entity, b_id, why, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 'linked by a person', $8, $8)`,
			recipe, a.Connection, string(a.Entity), a.ID, b.Connection, string(b.Entity), b.ID, now.UTC()); err != nil {
			return fmt.Errorf("link %s to %s: %w", a, b, err)
		}
		_, err := log.Append(ctx, tx, audit.Entry{
			Kind: audit.KindLink, Recipe: recipe, Source: a.String(), Target: b.String(), Outcome: "linked", Reason: "by a person",
		})
		return err
	})
}

// EndLink ends the link of a record on a person's word and returns it.
func EndLink(ctx context.Context, d *db.DB, log *audit.Log, recipe string, ref Ref, now time.Time) (Link, error) {
	var l Link
	err := d.Update(ctx, func(tx *db.Tx) error {
		var err error
		l, err = scanLink(tx.QueryRowContext(ctx, `SELECT `+linkColumns+` FROM link
			WHERE recipe = $1 AND ended_at IS NULL AND (
				(a_connection = $2 AND a_entity = $3 AND a_id = $4) OR (b_connection = $2 AND b_entity = $3 AND b_id = $4))
			ORDER BY id DESC LIMIT 1`, recipe, ref.Connection, string(ref.Entity), ref.ID))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%s is not linked in recipe %s (see: ml-connector links list)", ref, recipe)
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE link SET ended_at = $2, updated_at = $2 WHERE id = $1`, l.ID, now.UTC()); err != nil {
			return fmt.Errorf("end link of %s: %w", ref, err)
		}
		_, err = log.Append(ctx, tx, audit.Entry{
			Kind: audit.KindLink, Recipe: recipe, Source: l.From, Target: l.To, Outcome: "ended", Reason: "by a person",
		})
		return err
	})
	return l, err
}
