-- What a flow and its inverse need to keep one list on two sides.

-- +goose Up

-- What each direction wished for when both sides last agreed: JSON by flow and field.
ALTER TABLE link ADD COLUMN agreed TEXT NOT NULL DEFAULT '{}';

-- Owner: flow. The records on either side as they were last seen, by what tells
-- that two of them are the same: marks (JSON), e-mail address and name, both folded.
CREATE TABLE roster (
    recipe     TEXT NOT NULL,
    connection TEXT NOT NULL,
    entity     TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    label      TEXT NOT NULL,
    email      TEXT NOT NULL,
    name       TEXT NOT NULL,
    marks      TEXT NOT NULL,
    active     INTEGER NOT NULL,
    PRIMARY KEY (recipe, connection, entity, record_id)
);
CREATE INDEX roster_email ON roster (recipe, connection, entity, email) WHERE email <> '';
CREATE INDEX roster_name ON roster (recipe, connection, entity, name) WHERE name <> '';
