-- A row for each pack instead of one for each instance: 16 bytes an instance and no index of its own. The old rows do not
-- say to which study they belong; without them a study that comes again costs a pack, and changes nothing (decisions/0004).
DROP TABLE digests;
CREATE TABLE digests (
    pack               uuid PRIMARY KEY,
    study_instance_uid text COLLATE "C" NOT NULL,
    digests            bytea NOT NULL  -- of the instances that came in it first, 16 bytes each: see adapters/postgres.py
);
CREATE INDEX digests_study ON digests (study_instance_uid);
-- They cannot be compressed.
ALTER TABLE digests ALTER COLUMN digests SET STORAGE EXTERNAL;
