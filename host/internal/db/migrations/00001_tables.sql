-- The first tables. Times are UTC; sealed columns hold encrypted bytes; detail,
-- settings and effects hold JSON. Amounts never appear outside those documents.

-- +goose Up

-- Owner: vault.
CREATE TABLE vault_keyset (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    sealed     BLOB NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

-- Owner: audit. Entries are a chain: hash covers the entry and prev.
CREATE TABLE audit_entry (
    seq     INTEGER PRIMARY KEY,
    at      TIMESTAMP NOT NULL,
    kind    TEXT NOT NULL,
    recipe  TEXT NOT NULL DEFAULT '',
    flow    TEXT NOT NULL DEFAULT '',
    work_id INTEGER NOT NULL DEFAULT 0,
    source  TEXT NOT NULL DEFAULT '',
    target  TEXT NOT NULL DEFAULT '',
    attempt INTEGER NOT NULL DEFAULT 0,
    outcome TEXT NOT NULL DEFAULT '',
    reason  TEXT NOT NULL DEFAULT '',
    detail  TEXT NOT NULL DEFAULT '{}',
    prev    BLOB NOT NULL,
    hash    BLOB NOT NULL
);
CREATE INDEX audit_entry_work ON audit_entry (work_id);
CREATE INDEX audit_entry_source ON audit_entry (source);
CREATE INDEX audit_entry_at ON audit_entry (at);

CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL,
    mac  BLOB NOT NULL
);

-- Owner: connection.
CREATE TABLE connection (
    name          TEXT PRIMARY KEY,
    connector     TEXT NOT NULL,
    account_id    TEXT NOT NULL DEFAULT '',
    account_name  TEXT NOT NULL DEFAULT '',
    settings      TEXT NOT NULL DEFAULT '{}',
    paused_reason TEXT NOT NULL DEFAULT '',
    paused_remedy TEXT NOT NULL DEFAULT '',
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP NOT NULL
);

CREATE TABLE connection_secret (
    connection TEXT NOT NULL REFERENCES connection (name) ON DELETE CASCADE,
    field      TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (connection, field)
);

CREATE TABLE oauth_token (
    connection   TEXT PRIMARY KEY REFERENCES connection (name) ON DELETE CASCADE,
    sealed       BLOB NOT NULL,
    expires_at   TIMESTAMP NOT NULL,
    refreshed_at TIMESTAMP NOT NULL,
    version      INTEGER NOT NULL,
    lease_until  TIMESTAMP
);

-- Owner: webhook.
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,
    connection  TEXT NOT NULL,
    received_at TIMESTAMP NOT NULL,
    dedupe      TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    bytes       INTEGER NOT NULL,
    events      INTEGER NOT NULL,
    repeats     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (connection, dedupe)
);

-- origin: webhook, poll, person or dependency.
CREATE TABLE event (
    id          INTEGER PRIMARY KEY,
    delivery_id INTEGER,
    connection  TEXT NOT NULL,
    entity      TEXT NOT NULL,
    record_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    occurred_at TIMESTAMP NOT NULL,
    dedupe      TEXT NOT NULL,
    origin      TEXT NOT NULL,
    seen_at     TIMESTAMP NOT NULL,
    note        TEXT NOT NULL DEFAULT '',
    UNIQUE (connection, dedupe)
);

-- Owner: flow.
CREATE TABLE cursor (
    connection TEXT NOT NULL,
    entity     TEXT NOT NULL,
    recipe     TEXT NOT NULL,
    value      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    polled_at  TIMESTAMP NOT NULL,
    caught     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (recipe, connection, entity)
);

CREATE TABLE work (
    id              INTEGER PRIMARY KEY,
    recipe          TEXT NOT NULL,
    flow            TEXT NOT NULL,
    connection      TEXT NOT NULL,
    entity          TEXT NOT NULL,
    record_id       TEXT NOT NULL,
    label           TEXT NOT NULL DEFAULT '',
    state           TEXT NOT NULL,
    generation      INTEGER NOT NULL,
    done_generation INTEGER NOT NULL DEFAULT 0,
    attempts        INTEGER NOT NULL DEFAULT 0,
    reason          TEXT NOT NULL DEFAULT '',
    remedy          TEXT NOT NULL DEFAULT '',
    detail          TEXT NOT NULL DEFAULT '{}',
    digest          TEXT NOT NULL DEFAULT '',
    look            INTEGER NOT NULL DEFAULT 0,
    version         TEXT NOT NULL DEFAULT '',
    waits_on        INTEGER NOT NULL DEFAULT 0,
    first_seen_at   TIMESTAMP NOT NULL,
    changed_at      TIMESTAMP NOT NULL,
    next_at         TIMESTAMP,
    UNIQUE (recipe, flow, connection, entity, record_id)
);
CREATE INDEX work_state ON work (state);
CREATE INDEX work_waits_on ON work (waits_on) WHERE waits_on <> 0;
CREATE INDEX work_record ON work (connection, entity, record_id);

-- state: open or settled. One open intent per work at a time (I2).
CREATE TABLE intent (
    id          INTEGER PRIMARY KEY,
    work_id     INTEGER NOT NULL REFERENCES work (id),
    version     INTEGER NOT NULL,
    key         TEXT NOT NULL UNIQUE,
    connection  TEXT NOT NULL,
    entity      TEXT NOT NULL,
    target_id   TEXT NOT NULL DEFAULT '',
    digest      TEXT NOT NULL,
    request     BLOB NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    outcome     TEXT NOT NULL DEFAULT '',
    reason      TEXT NOT NULL DEFAULT '',
    intended_at TIMESTAMP NOT NULL,
    settled_at  TIMESTAMP,
    UNIQUE (work_id, version)
);
CREATE UNIQUE INDEX intent_open ON intent (work_id) WHERE state = 'open';

-- A link that has ended stays as history, so that a record may be linked again.
CREATE TABLE link (
    id           INTEGER PRIMARY KEY,
    recipe       TEXT NOT NULL,
    a_connection TEXT NOT NULL,
    a_entity     TEXT NOT NULL,
    a_id         TEXT NOT NULL,
    b_connection TEXT NOT NULL,
    b_entity     TEXT NOT NULL,
    b_id         TEXT NOT NULL,
    label        TEXT NOT NULL DEFAULT '',
    why          TEXT NOT NULL DEFAULT '',
    url          TEXT NOT NULL DEFAULT '',
    effects      TEXT NOT NULL DEFAULT '[]',
    intent_id    INTEGER NOT NULL DEFAULT 0,
    created_at   TIMESTAMP NOT NULL,
    updated_at   TIMESTAMP NOT NULL,
    ended_at     TIMESTAMP
);
CREATE UNIQUE INDEX link_live ON link (recipe, a_connection, a_entity, a_id, b_connection, b_entity) WHERE ended_at IS NULL;
CREATE INDEX link_b ON link (b_connection, b_entity, b_id);

CREATE TABLE param (
    recipe TEXT NOT NULL,
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    set_at TIMESTAMP NOT NULL,
    PRIMARY KEY (recipe, name)
);
