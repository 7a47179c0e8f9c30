-- Patterns such as *SMITH* must not scan (QIDO-RS); the extension is trusted, so that the owner of a database can add it.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

-- Assembly. One small row per Study Instance UID that an image, an order or a performed step has named: it routes to the
-- partition of the study, and whoever changes anything about a study locks it first.
CREATE TABLE study_route (
    study_instance_uid  text COLLATE "C" PRIMARY KEY,
    study_date          date,         -- partition of its row in `study`; absent while no image is here
    site                text,
    accession_number    text,
    accession_issuer    text,
    patient_id          uuid,
    received_at         timestamptz,  -- first instance acknowledged; absent while no image is here
    last_instance_at    timestamptz,
    heard_at            timestamptz,  -- when an instance or a performed step was last heard of
    due_at              timestamptz,  -- when to look again whether it is complete
    order_id            uuid,
    order_patient_id    uuid,
    matched_by          text,
    match_reason        text,
    unmatched_reason    text,         -- set when it became complete without an order
    available_at        timestamptz,
    completeness        text,
    completeness_reason text
);
CREATE INDEX study_route_due ON study_route (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX study_route_order ON study_route (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX study_route_waiting ON study_route (received_at) WHERE order_id IS NULL AND received_at IS NOT NULL;
CREATE INDEX study_route_accession ON study_route (accession_number, accession_issuer) WHERE order_id IS NULL;
CREATE INDEX study_route_patient ON study_route (patient_id) WHERE order_id IS NULL;

-- What is known of orders: by what a study can be matched to them.
CREATE TABLE known_order (
    order_id           uuid PRIMARY KEY,
    patient_id         uuid NOT NULL,
    accession_number   text NOT NULL,
    accession_issuer   text NOT NULL,
    study_instance_uid text COLLATE "C" NOT NULL,
    modality           text,
    day                date NOT NULL,   -- for which it was asked, in its site's time zone
    placed_at          timestamptz NOT NULL,
    open               boolean NOT NULL
);
CREATE INDEX known_order_study ON known_order (study_instance_uid);
CREATE INDEX known_order_accession ON known_order (accession_number, accession_issuer);
CREATE INDEX known_order_patient ON known_order (patient_id) WHERE open;

-- Performed steps by exam key, and the modalities that were planned for it.
CREATE TABLE exam (
    exam_key           text PRIMARY KEY,
    order_id           uuid,
    study_instance_uid text COLLATE "C" NOT NULL,
    modalities         text[] NOT NULL DEFAULT '{}',
    state              text NOT NULL DEFAULT 'SCHEDULED',
    ended_at           timestamptz,
    listed             text[] COLLATE "C" NOT NULL DEFAULT '{}'  -- SOP Instance UIDs
);
CREATE INDEX exam_study ON exam (study_instance_uid);
CREATE INDEX exam_order ON exam (order_id) WHERE order_id IS NOT NULL;

-- Further numbers of a patient, as patient ids.
CREATE TABLE patient_alias (
    alias      uuid PRIMARY KEY,
    patient_id uuid NOT NULL
);
CREATE INDEX patient_alias_patient ON patient_alias (patient_id);

-- All ids by which a patient is known.
CREATE FUNCTION same_patient(id uuid) RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH known AS (SELECT coalesce((SELECT patient_id FROM patient_alias WHERE alias = id), id) AS patient_id)
    SELECT patient_id FROM known WHERE patient_id IS NOT NULL
     UNION SELECT alias FROM patient_alias JOIN known USING (patient_id)
$$;

-- The index (PS3.18 section 10.6). An unknown study date is 0001-01-01.
CREATE TABLE study (
    study_instance_uid       text COLLATE "C" NOT NULL,
    study_date               date NOT NULL,
    study_time               text COLLATE "C",   -- TM as sent; its text sorts as the time does
    accession_number         text,
    accession_issuer         text,
    study_id                 text,
    study_description        text,
    referring_physician_name text,
    patient_number           text,
    patient_issuer           text,
    patient_name             text,               -- alphabetic group, family^given^middle^prefix^suffix
    patient_ideographic      text,
    patient_phonetic         text,
    patient_birth_date       date,
    patient_sex              text,
    modalities               text[] NOT NULL DEFAULT '{}',
    number_of_series         integer NOT NULL DEFAULT 0,
    number_of_instances      integer NOT NULL DEFAULT 0,
    patient                  jsonb NOT NULL,     -- fj_events.PatientPhi
    PRIMARY KEY (study_instance_uid, study_date)
) PARTITION BY RANGE (study_date);
-- Searches find few rows among many; offered parallel workers, the planner would rather scan than look into an index.
CREATE TABLE study_default PARTITION OF study DEFAULT WITH (parallel_workers = 0);
CREATE TABLE study_before_2000 PARTITION OF study FOR VALUES FROM (MINVALUE) TO ('2000-01-01')
       WITH (parallel_workers = 0);
DO $$
BEGIN
    FOR year IN 2000..2049 LOOP
        EXECUTE format('CREATE TABLE study_%s PARTITION OF study FOR VALUES FROM (%L) TO (%L)'
                       ' WITH (parallel_workers = 0)',
                       year, make_date(year, 1, 1), make_date(year + 1, 1, 1));
    END LOOP;
END $$;
CREATE INDEX study_newest ON study (study_date DESC, study_time DESC NULLS LAST, study_instance_uid);
CREATE INDEX study_accession ON study (accession_number);
CREATE INDEX study_patient ON study (patient_number);
-- Without a list of what is not yet in the index, which every search would have to go through.
CREATE INDEX study_words ON study USING gin (
    patient_name gin_trgm_ops, patient_ideographic gin_trgm_ops, patient_phonetic gin_trgm_ops,
    patient_number gin_trgm_ops, accession_number gin_trgm_ops, study_description gin_trgm_ops,
    referring_physician_name gin_trgm_ops, modalities
) WITH (fastupdate = off);

CREATE TABLE series (
    series_key             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    study_instance_uid     text COLLATE "C" NOT NULL,
    series_instance_uid    text COLLATE "C" NOT NULL,
    series_number          integer,
    modality               text,
    series_description     text,
    body_part_examined     text,
    laterality             text,
    protocol_name          text,
    station_name           text,
    performed_step_uid     text,
    requested_procedure_id text,
    scheduled_step_id      text,
    number_of_instances    integer NOT NULL DEFAULT 0,
    metadata_key           text,                 -- object with the metadata of all its instances, gzip of DICOM JSON
    metadata_instances     integer,              -- how many that object describes: fewer than there are = out of date
    metadata_leased_until  timestamptz,          -- somebody is making it
    UNIQUE (study_instance_uid, series_instance_uid)
);
CREATE INDEX series_uid ON series (series_instance_uid);
CREATE INDEX series_undescribed ON series (study_instance_uid)
    WHERE metadata_instances IS DISTINCT FROM number_of_instances;

CREATE TABLE pack (
    pack_key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bucket   text NOT NULL,
    key      text NOT NULL,
    size     bigint NOT NULL,
    sha256   text NOT NULL,
    UNIQUE (bucket, key)
);

-- Where each instance lies. Revision 0 is current; others came later with the same UID and other bytes, and are kept.
CREATE TABLE instance (
    sop_instance_uid    text COLLATE "C" NOT NULL,
    series_key          bigint NOT NULL REFERENCES series,
    revision            integer NOT NULL,
    sop_class_uid       text NOT NULL,
    transfer_syntax_uid text NOT NULL,
    instance_number     integer,
    rows                integer,
    columns             integer,
    number_of_frames    integer,
    pack_key            bigint NOT NULL REFERENCES pack,
    pack_offset         bigint NOT NULL,         -- of the Part 10 file inside the pack
    length              bigint NOT NULL,         -- of the Part 10 file
    data_offset         integer NOT NULL,        -- of the data set inside the Part 10 file
    sha256              bytea NOT NULL,          -- of the data set as received
    PRIMARY KEY (sop_instance_uid, series_key, revision)
);
CREATE INDEX instance_series ON instance (series_key);
