-- Merges (libs/survivors): which owner of a reused number a record is of, is decided by when it was first told of.
ALTER TABLE studies ADD COLUMN recorded_at timestamptz;
ALTER TABLE reports ADD COLUMN recorded_at timestamptz;
UPDATE studies SET recorded_at = updated_at;
UPDATE reports SET recorded_at = least(issued_at, updated_at);
