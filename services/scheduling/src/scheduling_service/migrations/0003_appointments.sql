-- Times at which a station is somebody's: an appointment's, or nobody's because it is blocked. What auto-scheduling
-- plans is not here, so that only appointments and blocks exclude each other (decision 0004).
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE occupied (
    site             text NOT NULL,
    station_ae_title text NOT NULL,
    period           tstzrange NOT NULL,
    exam_key         text,
    number           smallint,
    block_id         uuid UNIQUE,
    reason           text,
    actor            text,
    UNIQUE (exam_key, number),
    CHECK ((exam_key IS NULL) = (number IS NULL) AND (exam_key IS NULL) <> (block_id IS NULL)),
    CONSTRAINT one_at_a_time EXCLUDE USING gist (site WITH =, station_ae_title WITH =, period WITH &&)
);
