-- What the sweeps look at again, and what housekeeping asks before it removes a row.

-- +goose Up

-- Whether the sweeps of the record's flow look at it again, as of the last evaluation.
ALTER TABLE work ADD COLUMN sweep INTEGER NOT NULL DEFAULT 0;
CREATE INDEX work_sweep ON work (recipe, flow, id) WHERE sweep <> 0;

CREATE INDEX event_delivery ON event (delivery_id);
