-- What a flow and its inverse need to keep one list on two sides.

-- +goose Up

-- What each direction wished for when both sides last agreed: JSON by flow and field.
ALTER TABLE link ADD COLUMN agreed TEXT NOT NULL DEFAULT '{}';

-- When a record changed last, where its service does not say.
CREATE INDEX event_record ON event (connection, entity, record_id, occurred_at);

-- Thousands of records must not be looked through for one: the ends of a link that
-- may have ended, writes on their way to a record, and what is due on a connection.
CREATE INDEX link_a ON link (a_connection, a_entity, a_id);
CREATE INDEX intent_target ON intent (connection, entity, target_id) WHERE state = 'open';
CREATE INDEX work_due ON work (connection, entity, changed_at) WHERE state = 'pending';

-- Owner: flow. The records on either side as they were last seen, by what tells
-- that two of them are the same: e-mail address and name, both folded, and marks.
-- active: it can be the counterpart of another one. part: its flow carries it.
CREATE TABLE roster (
    recipe     TEXT NOT NULL,
    connection TEXT NOT NULL,
    entity     TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    label      TEXT NOT NULL,
    email      TEXT NOT NULL,
    name       TEXT NOT NULL,
    marks      TEXT NOT NULL, -- JSON
    active     INTEGER NOT NULL,
    part       INTEGER NOT NULL,
    PRIMARY KEY (recipe, connection, entity, record_id)
);
CREATE INDEX roster_email ON roster (recipe, connection, entity, email) WHERE email <> '';
CREATE INDEX roster_name ON roster (recipe, connection, entity, name) WHERE name <> '';

CREATE TABLE roster_mark (
    recipe     TEXT NOT NULL,
    connection TEXT NOT NULL,
    entity     TEXT NOT NULL,
    mark       TEXT NOT NULL, -- name=value
    record_id  TEXT NOT NULL,
    PRIMARY KEY (recipe, connection, entity, mark, record_id)
);
CREATE INDEX roster_mark_record ON roster_mark (recipe, connection, entity, record_id);
