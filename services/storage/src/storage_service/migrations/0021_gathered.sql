-- Manifests of a complete study are gathered, one for each series and pack (decisions/0012). What was told piece by piece
-- lies in a table of its own, in which the space of what has been gathered is used again; what is kept is written once.
ALTER TABLE manifest RENAME TO manifest_told;
ALTER TABLE manifest_told
    ALTER COLUMN manifest_key DROP IDENTITY,
    DROP CONSTRAINT manifest_pkey,
    ADD COLUMN gathered boolean NOT NULL DEFAULT false;
DROP INDEX manifest_pack, manifest_series, manifest_unlisted;
CREATE SEQUENCE manifest_keys;
SELECT setval('manifest_keys', (SELECT coalesce(max(manifest_key), 0) + 1 FROM manifest_told), false);

CREATE TABLE manifest (
    manifest_key bigint NOT NULL DEFAULT nextval('manifest_keys'),
    series_key   bigint NOT NULL REFERENCES series,
    pack_key     bigint NOT NULL REFERENCES pack,
    instances    integer NOT NULL,
    entries      bytea NOT NULL,
    marks        integer[],
    listed       boolean NOT NULL DEFAULT false,
    gathered     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (manifest_key, gathered)
) PARTITION BY LIST (gathered);
ALTER TABLE manifest ALTER COLUMN entries SET STORAGE EXTERNAL;
ALTER TABLE manifest ATTACH PARTITION manifest_told FOR VALUES IN (false);
CREATE TABLE manifest_gathered PARTITION OF manifest FOR VALUES IN (true);
CREATE INDEX manifest_pack ON manifest (pack_key);
CREATE INDEX manifest_series ON manifest (series_key);
CREATE INDEX manifest_unlisted ON manifest (manifest_key) WHERE NOT listed;
