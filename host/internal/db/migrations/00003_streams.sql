-- A stream of an entity, such as the fees among the payments, has a cursor of its own.

-- +goose Up

CREATE TABLE cursor_of_stream (
    connection TEXT NOT NULL,
    entity     TEXT NOT NULL,
    stream     TEXT NOT NULL DEFAULT '',
    recipe     TEXT NOT NULL,
    value      TEXT NOT NULL,
    version    INTEGER NOT NULL,
    polled_at  TIMESTAMP NOT NULL,
    caught     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (recipe, connection, entity, stream)
);
INSERT INTO cursor_of_stream (connection, entity, recipe, value, version, polled_at, caught)
SELECT connection, entity, recipe, value, version, polled_at, caught FROM cursor;
DROP TABLE cursor;
ALTER TABLE cursor_of_stream RENAME TO cursor;
