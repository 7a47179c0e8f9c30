-- Where a pack lies now whose facts name another place; absent: it was removed.
ALTER TABLE moved_pack
    ADD COLUMN to_bucket text,
    ADD COLUMN to_key    text,
    ADD COLUMN to_size   bigint,
    ADD COLUMN to_sha256 text;

-- What is being deleted is not named again: see adapters/doomed.py.
ALTER TABLE doomed_object ADD COLUMN deleting boolean NOT NULL DEFAULT false;

ALTER TABLE pack ADD COLUMN moving_until timestamptz;  -- somebody copies it to another place
