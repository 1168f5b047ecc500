package flow

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ml-connector/ml-connector/connector"
	"github.com/ml-connector/ml-connector/host/internal/db"
	"github.com/ml-connector/ml-connector/host/internal/recipe"
)

// intent is a write that was decided: stored before it leaves, settled once its
// outcome is known. request is the exact write, so that it can be sent again as
// it was.
type intent struct {
	id       int64
	workID   int64
	version  int64
	key      string
	to       Ref // ID is empty while no counterpart is known
	digest   string
	write    connector.Write
	saw      recipe.Fields // what the flow has decided on, for the link to remember
	backSaw  recipe.Fields
	contests []recipe.Contest
	attempts int
	at       time.Time
}

// request is what is stored of a Write: what the key, the attempt and the time
// columns do not hold.
type request struct {
	Record connector.Record `json:"record"`
	Policy connector.Policy `json:"policy"`

	// Of a flow with an inverse: what the link will remember.
	Saw      recipe.Fields    `json:"saw,omitempty"`
	BackSaw  recipe.Fields    `json:"back_saw,omitempty"`
	Contests []recipe.Contest `json:"contests,omitempty"`
}

// intentKey derives the idempotency key. The same source, version and wish have
// the same key on every host, so a write that was sent by a host that died is
// found again.
func intentKey(w *Work, to Ref, account string, version int64, digest string) string {
	h := sha256.New()
	for _, part := range []string{w.Recipe, w.Flow, w.Source.String(), to.Connection, string(to.Entity), account, fmt.Sprint(version), digest} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "mlc-" + hex.EncodeToString(h.Sum(nil))[:40]
}

// openIntent returns the unsettled intent of a piece of work, or nil (I2).
func openIntent(ctx context.Context, q reader, workID int64) (*intent, error) {
	var it intent
	var raw []byte
	var entity string
	err := q.QueryRowContext(ctx, `
		SELECT id, work_id, version, key, connection, entity, target_id, digest, request, attempts, intended_at
		FROM intent WHERE work_id = $1 AND state = 'open'`, workID).Scan(
		&it.id, &it.workID, &it.version, &it.key, &it.to.Connection, &entity, &it.to.ID, &it.digest, &raw, &it.attempts, &it.at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read open intent: %w", err)
	}
	var r request
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("intent %d: %w", it.id, err)
	}
	it.to.Entity = connector.Entity(entity)
	it.saw, it.backSaw, it.contests = r.Saw, r.BackSaw, r.Contests
	it.write = connector.Write{Key: it.key, TargetID: it.to.ID, Record: r.Record, Policy: r.Policy, IntendedAt: it.at}
	return &it, nil
}

// insertIntent commits nothing itself: the caller's transaction does, before
// the write leaves. The first attempt is counted with it.
func insertIntent(ctx context.Context, tx *db.Tx, w *Work, to Ref, account, digest string, r request, now time.Time) (*intent, error) {
	var last int64
	if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM intent WHERE work_id = $1`, w.ID).Scan(&last); err != nil {
		return nil, fmt.Errorf("number intent: %w", err)
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("store intent: %w", err)
	}
	now = now.Truncate(time.Microsecond)
	it := &intent{
		workID: w.ID, version: last + 1, key: intentKey(w, to, account, last+1, digest), to: to, digest: digest, attempts: 1, at: now,
		saw: r.Saw, backSaw: r.BackSaw, contests: r.Contests,
		write: connector.Write{TargetID: to.ID, Record: r.Record, Policy: r.Policy, IntendedAt: now},
	}
	it.write.Key = it.key
	err = tx.QueryRowContext(ctx, `
		INSERT INTO intent (work_id, version, key, connection, entity, target_id, digest, request, state, attempts, intended_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open', 1, $9) RETURNING id`,
		w.ID, it.version, it.key, to.Connection, string(to.Entity), to.ID, digest, raw, now).Scan(&it.id)
	if err != nil {
		return nil, fmt.Errorf("store intent: %w", err)
	}
	return it, nil
}

// countAttempt commits that one more attempt is about to leave: if we die now,
// the next one must look first.
func (e *Engine) countAttempt(ctx context.Context, it *intent) error {
	err := e.cfg.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE intent SET attempts = attempts + 1 WHERE id = $1`, it.id)
		return err
	})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	it.attempts++
	return nil
}

// settle closes an intent: its outcome is known, or it is known to have had none.
func settle(ctx context.Context, tx *db.Tx, it *intent, outcome, reason string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE intent SET state = 'settled', outcome = $2, reason = $3, settled_at = $4 WHERE id = $1`,
		it.id, outcome, reason, now)
	if err != nil {
		return fmt.Errorf("settle intent: %w", err)
	}
	return nil
}
