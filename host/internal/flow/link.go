package flow

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
)

// Link says that one record here is one record there, and why.
type Link struct {
	ID        int64     `json:"id"`
	Recipe    string    `json:"recipe"`
	A         Ref       `json:"-"`
	B         Ref       `json:"-"`
	Entity    string    `json:"entity"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Label     string    `json:"label"`
	Why       string    `json:"why"`
	URL       string    `json:"url,omitempty"` // where the customer can pay, for an invoice
	Effects   []Effect  `json:"effects,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// Effect is one object that was made for a link's record.
type Effect struct {
	What   string `json:"what"`
	ID     string `json:"id"`
	Amount string `json:"amount,omitempty"`
}

const linkColumns = `id, recipe, a_connection, a_entity, a_id, b_connection, b_entity, b_id, label, why, url, effects, created_at, updated_at, ended_at`

func scanLink(row scanner) (Link, error) {
	var l Link
	var effects string
	var ended sql.NullTime
	err := row.Scan(&l.ID, &l.Recipe, &l.A.Connection, &l.A.Entity, &l.A.ID, &l.B.Connection, &l.B.Entity, &l.B.ID,
		&l.Label, &l.Why, &l.URL, &effects, &l.CreatedAt, &l.UpdatedAt, &ended)
	if err != nil {
		return l, err
	}
	l.Entity, l.From, l.To, l.EndedAt = string(l.A.Entity), l.A.String(), l.B.String(), ended.Time
	return l, json.Unmarshal([]byte(effects), &l.Effects)
}

// partner returns the id that a record is linked to on another connection, in
// whichever direction the link was made; "" when there is none. With ended,
// links that were replaced since count too, the newest first.
func partner(ctx context.Context, q reader, recipe string, ref Ref, other lane, ended bool) (string, error) {
	var id string
	err := q.QueryRowContext(ctx, `
		SELECT partner FROM (
			SELECT b_id AS partner, id, ended_at FROM link
			WHERE recipe = $1 AND a_connection = $2 AND a_entity = $3 AND a_id = $4 AND b_connection = $5 AND b_entity = $6
			UNION ALL
			SELECT a_id AS partner, id, ended_at FROM link
			WHERE recipe = $1 AND b_connection = $2 AND b_entity = $3 AND b_id = $4 AND a_connection = $5 AND a_entity = $6
		) AS found
		WHERE ended_at IS NULL OR $7
		ORDER BY CASE WHEN ended_at IS NULL THEN 0 ELSE 1 END, id DESC LIMIT 1`,
		recipe, ref.Connection, string(ref.Entity), ref.ID, other.connection, string(other.entity), ended).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look up link of %s: %w", ref, err)
	}
	return id, nil
}

// storeLink makes or renews the link between a record and what an outcome says
// it is on the other side. A record that got another counterpart (a reissued
// invoice) keeps its old link as ended.
func (e *Engine) storeLink(ctx context.Context, tx *db.Tx, recipe string, from, to Ref, label, why string, out connector.Outcome, intentID int64) error {
	now := e.now()
	old, err := partner(ctx, tx, recipe, from, lane{to.Connection, to.Entity}, false)
	if err != nil {
		return err
	}
	effects := make([]Effect, 0, len(out.Effects))
	for _, x := range out.Effects {
		f := Effect{What: x.What, ID: x.ID}
		if x.Amount.IsSet() {
			f.Amount = x.Amount.String()
		}
		effects = append(effects, f)
	}
	made, err := json.Marshal(effects)
	if err != nil {
		return err
	}
	url := ""
	if out.Record != nil && out.Record.Invoice != nil {
		url = out.Record.Invoice.PayURL
	}
	if old == to.ID {
		_, err = tx.ExecContext(ctx, `
			UPDATE link SET updated_at = $8, label = $9, intent_id = $10,
				url = CASE WHEN $11 <> '' THEN $11 ELSE url END,
				effects = CASE WHEN $12 <> '[]' THEN $12 ELSE effects END
			WHERE `+pairIs, append(pairArgs(recipe, from, to), now, label, intentID, url, string(made))...)
		if err != nil {
			return fmt.Errorf("renew link of %s: %w", from, err)
		}
		return nil
	}
	if old != "" {
		if err := endLink(ctx, tx, recipe, from, lane{to.Connection, to.Entity}, now); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO link (recipe, a_connection, a_entity, a_id, b_connection, b_entity, b_id, label, why, url, effects, intent_id, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)`,
		recipe, from.Connection, string(from.Entity), from.ID, to.Connection, string(to.Entity), to.ID,
		label, why, url, string(made), intentID, now)
	if err != nil {
		return fmt.Errorf("link %s to %s: %w", from, to, err)
	}
	return nil
}

func endLink(ctx context.Context, tx *db.Tx, recipe string, from Ref, other lane, now time.Time) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE link SET ended_at = $7, updated_at = $7
		WHERE id IN (
			SELECT id FROM link WHERE recipe = $1 AND ended_at IS NULL
				AND a_connection = $2 AND a_entity = $3 AND a_id = $4 AND b_connection = $5 AND b_entity = $6
			UNION ALL
			SELECT id FROM link WHERE recipe = $1 AND ended_at IS NULL
				AND b_connection = $2 AND b_entity = $3 AND b_id = $4 AND a_connection = $5 AND a_entity = $6)`,
		recipe, from.Connection, string(from.Entity), from.ID, other.connection, string(other.entity), now)
	if err != nil {
		return fmt.Errorf("end link of %s: %w", from, err)
	}
	return nil
}
