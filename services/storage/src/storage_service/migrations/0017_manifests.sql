-- A row for each series and pack instead of one for each instance (decisions/0012). The bytes are those of
-- domain/manifest.py: nothing in SQL looks into them. A row is never changed, only replaced by one with more in it.
CREATE TABLE manifest (
    manifest_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series_key   bigint NOT NULL REFERENCES series,
    pack_key     bigint NOT NULL REFERENCES pack,
    instances    integer NOT NULL,
    entries      bytea NOT NULL,
    marks        integer[],                       -- of a small one, what its UIDs can be told by: adapters/manifests.py
    listed       boolean NOT NULL DEFAULT false,  -- in a volume of the directory
    UNIQUE (series_key, pack_key)
);
CREATE INDEX manifest_pack ON manifest (pack_key);
CREATE INDEX manifest_unlisted ON manifest (manifest_key) WHERE NOT listed;
-- They are compressed already.
ALTER TABLE manifest ALTER COLUMN entries SET STORAGE EXTERNAL;

-- In which series an instance is of which only the SOP Instance UID is known: domain/directory.py. What is in no volume yet
-- is looked for in the manifests that are not listed.
CREATE TABLE directory_volume (
    volume_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    level      smallint NOT NULL,   -- volumes of one level are made into one of the next
    instances  bigint NOT NULL DEFAULT 0,
    bits       smallint NOT NULL,   -- so many of a fingerprint say on which page it stands
    base       bigint NOT NULL,     -- least series_key in it
    width      smallint NOT NULL    -- bytes of a reference, a series_key less the base
);
CREATE TABLE directory_page (
    volume_key bigint NOT NULL REFERENCES directory_volume ON DELETE CASCADE,
    page       integer NOT NULL,
    entries    bytea NOT NULL,
    PRIMARY KEY (volume_key, page)
);

ALTER TABLE series
    ADD COLUMN conflicting_instances integer NOT NULL DEFAULT 0,           -- kept under the UID of a current one
    ADD COLUMN sop_classes           text[] COLLATE "C" NOT NULL DEFAULT '{}';  -- of what is shown

UPDATE series SET conflicting_instances = counted.conflicts, sop_classes = counted.classes
  FROM (SELECT e.series_key, count(*) FILTER (WHERE i.revision > 0) AS conflicts,
               coalesce(array_agg(DISTINCT i.sop_class_uid COLLATE "C" ORDER BY i.sop_class_uid COLLATE "C")
                        FILTER (WHERE i.revision = 0 AND NOT EXISTS (
                            SELECT FROM rejected x WHERE x.study_instance_uid = e.study_instance_uid
                               AND x.series_instance_uid IN ('', e.series_instance_uid)
                               AND x.sop_instance_uid IN ('', i.sop_instance_uid))), '{}') AS classes
          FROM series e JOIN instance i USING (series_key) GROUP BY e.series_key) AS counted
 WHERE series.series_key = counted.series_key;

-- Version 0 of the layout, which SQL can write. It is written anew in the present one when it is listed.
INSERT INTO manifest (series_key, pack_key, instances, entries)
SELECT series_key, pack_key, count(*),
       '\x00'::bytea || convert_to(json_agg(json_build_array(
           sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, rows, columns, number_of_frames,
           pack_offset, length, data_offset, encode(sha256, 'hex'), revision
       ) ORDER BY pack_offset, revision, sop_instance_uid)::text, 'UTF8')
  FROM instance GROUP BY series_key, pack_key;
DROP TABLE instance;
