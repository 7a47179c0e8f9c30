-- Packs that were written anew: what they have of the one before, as pairs of offset and length; absent: all of it.
ALTER TABLE moved_pack ADD COLUMN kept bigint[];

-- What a rejection named has been removed: it hides what comes again, and removes nothing any more.
ALTER TABLE rejected ADD COLUMN settled_at timestamptz;

-- Only rejected instances go; the study stays, and is shown meanwhile.
ALTER TABLE retirement ADD COLUMN partial boolean NOT NULL DEFAULT false;
ALTER TABLE tombstone ADD COLUMN number_left integer NOT NULL DEFAULT 0;
